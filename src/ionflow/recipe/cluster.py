"""Where tasks run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ionflow.kinds import Parameters


def _reachable(address: str) -> str:
    scheme, found, rest = address.partition("://")
    host, _, port = rest.rpartition(":")
    if not found or scheme not in ("tcp", "tls") or not host or not port.isdigit():
        raise ValueError(f"must be tcp://HOST:PORT or tls://HOST:PORT, not {address!r}")
    return address


class _Patience(Parameters):
    """How long a task may take."""

    hang_limit_min: float = Field(240.0, gt=0)
    """A task that takes longer counts as hung: its worker is restarted, the task tried again."""


class LocalCluster(_Patience):
    """Processes on this machine, one thread each."""

    use: Literal["local"] = "local"
    """This machine."""

    workers: int | None = Field(None, ge=1, le=4096)
    """Processes; one for each core that this process may use if null."""

    memory_limit_GB: float | None = Field(None, gt=0)
    """Memory of one worker; an equal share of what there is if null."""

    dashboard: bool = True
    """Dask's dashboard, on 127.0.0.1."""


class AddressCluster(_Patience):
    """A Dask scheduler that is already running."""

    use: Literal["address"] = "address"
    """A running scheduler."""

    address: Annotated[str, AfterValidator(_reachable)]
    """tcp://HOST:PORT or tls://HOST:PORT."""


Cluster = LocalCluster | AddressCluster

CLUSTERS: dict[str, type[LocalCluster] | type[AddressCluster]] = {
    "local": LocalCluster,
    "address": AddressCluster,
}
