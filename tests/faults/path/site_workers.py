"""Two workers of a scheduler at an address, started again when it was gone: as a site has them."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

from distributed import Nanny
from quick_start import forked_workers


async def serve(address: str, count: int) -> None:
    """Keep so many workers at the scheduler, as long as this process lives."""
    while True:
        with suppress(OSError, TimeoutError):
            nannies = [Nanny(address, nthreads=1, death_timeout=60) for _ in range(count)]
            await asyncio.gather(*nannies)
            await asyncio.gather(*(nanny.finished() for nanny in nannies))
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    with forked_workers():
        asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
