"""Where tasks run."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, model_validator

from ionflow.kinds import Parameters

_ADDRESS: Final = re.compile(r"(tcp|tls)://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")


def _reachable(address: str) -> str:
    found = _ADDRESS.fullmatch(address)
    if not found or not 0 < int(found[3]) < 2**16:
        raise ValueError(f"must be tcp://HOST:PORT or tls://HOST:PORT, not {address[:80]!r}")
    return address


def _there(path: str) -> str:
    if not Path(path).expanduser().is_file():
        raise ValueError(f"no such file: {path}")
    return path


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


TlsFile = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_there)]


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
    """tls://HOST:PORT, or tcp://HOST:PORT on this machine."""

    tls_ca_file: TlsFile | None = None
    """Certificate of the authority that signed the scheduler's, PEM. The three files of TLS go
    together; without them Dask's own configuration counts."""

    tls_cert: TlsFile | None = None
    """Certificate that the scheduler is shown, PEM."""

    tls_key: TlsFile | None = None
    """Its private key, PEM."""

    insecure: bool = False
    """Whether tcp:// to another machine is meant: whoever reaches a scheduler's port runs code as
    you, and whoever listens reads along."""

    @model_validator(mode="after")
    def _safe(self) -> AddressCluster:
        scheme, _, rest = self.address.partition("://")
        host = rest.rpartition(":")[0]
        files = [self.tls_ca_file, self.tls_cert, self.tls_key]
        if any(files) and (scheme != "tls" or not all(files)):
            raise ValueError("tls_ca_file, tls_cert and tls_key go together, with a tls:// address")
        if scheme == "tcp" and not (self.insecure or _is_loopback(host)):
            raise ValueError(
                f"{self.address} is another machine, and tcp:// neither encrypts nor asks who "
                "connects; use tls:// with tls_ca_file, tls_cert and tls_key, or insecure: true"
            )
        return self


Cluster = LocalCluster | AddressCluster

CLUSTERS: dict[str, type[LocalCluster] | type[AddressCluster]] = {
    "local": LocalCluster,
    "address": AddressCluster,
}
