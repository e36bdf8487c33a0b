"""Ports are open to this machine only, and other machines are joined by TLS."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from distributed import LocalCluster as DaskCluster
from distributed import Security

from ionflow.cluster import connect
from ionflow.errors import IonflowError
from ionflow.recipe.cluster import AddressCluster, LocalCluster

LISTENING = "0A"


def listening() -> set[str]:
    """Hexadecimal addresses on which this process and its children listen for TCP."""
    ours = _sockets([os.getpid(), *_descendants(os.getpid())])
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == LISTENING and inode in ours:
                found.add(local.partition(":")[0])
    return found


def _descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task").glob("*/children")
    found = [int(word) for path in children for word in path.read_text().split()]
    return [*found, *(grandchild for child in found for grandchild in _descendants(child))]


def _sockets(pids: list[int]) -> set[str]:
    links = [link for pid in pids for link in Path(f"/proc/{pid}/fd").glob("*")]
    names = [os.readlink(link) for link in links if link.is_symlink()]
    return {m.group(1) for name in names if (m := re.fullmatch(r"socket:\[(\d+)\]", name))}


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("dashboard", [True, False])
def test_a_local_cluster_listens_on_loopback_only(dashboard):
    before = listening()
    with connect(LocalCluster(workers=1, dashboard=dashboard)) as client:
        client.wait_for_workers(1, timeout=60)
        opened = listening() - before
        addresses = [client.scheduler.address, *client.scheduler_info()["workers"]]
    assert opened <= {"0100007F"}
    assert opened or "0100007F" in before
    assert all(address.startswith("tcp://127.0.0.1:") for address in addresses)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """One self-signed certificate, which is its own authority."""
    if not shutil.which("openssl"):
        pytest.skip("needs openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    key, pem = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=ionflow", "-keyout", str(key), "-out", str(pem)],
        check=True, capture_output=True,
    )  # fmt: skip
    return SimpleNamespace(key=str(key), pem=str(pem))


@pytest.fixture(scope="module")
def scheduler(certificate):
    """A scheduler with a worker that takes nobody without the certificate's key."""
    roles = {
        f"tls_{role}_{what}": path
        for role in ("scheduler", "worker", "client")
        for what, path in (("cert", certificate.pem), ("key", certificate.key))
    }
    security = Security(tls_ca_file=certificate.pem, require_encryption=True, **roles)
    with DaskCluster(
        n_workers=1, threads_per_worker=1, processes=False, host="127.0.0.1", protocol="tls",
        security=security, dashboard_address=None,
    ) as cluster:  # fmt: skip
        yield cluster.scheduler_address


def spec(address: str, certificate: SimpleNamespace) -> AddressCluster:
    return AddressCluster(
        address=address,
        tls_ca_file=certificate.pem,
        tls_cert=certificate.pem,
        tls_key=certificate.key,
    )


def test_a_scheduler_is_joined_by_tls(scheduler, certificate):
    assert scheduler.startswith("tls://")
    with connect(spec(scheduler, certificate)) as client:
        assert client.submit(sum, [1, 2]).result(timeout=60) == 3
        assert client.scheduler.address == scheduler


def test_a_scheduler_with_the_certificate_of_someone_else_is_not_joined(
    scheduler, certificate, tmp_path, monkeypatch
):
    key, pem = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=other", "-keyout", str(key), "-out", str(pem)]
    subprocess.run(command, check=True, capture_output=True)
    from ionflow import cluster

    monkeypatch.setattr(cluster, "PATIENCE", "2s")
    other = SimpleNamespace(pem=str(pem), key=str(key))
    with (
        pytest.raises(IonflowError, match="no Dask scheduler answers at tls://"),
        connect(spec(scheduler, other)),
    ):
        raise AssertionError("joined")


@pytest.mark.parametrize(
    "address",
    ["tcp://127.0.0.1:8786", "tcp://127.1.2.3:1", "tcp://[::1]:8786", "tcp://localhost:1"],
)
def test_tcp_is_for_this_machine(address):
    assert AddressCluster(address=address).address == address


@pytest.mark.parametrize("host", ["10.0.0.1", "node17", "localhost.evil.example", "[fe80::1]"])
def test_tcp_to_another_machine_must_be_asked_for(host):
    with pytest.raises(ValueError, match="neither encrypts nor asks who connects"):
        AddressCluster(address=f"tcp://{host}:8786")
    assert AddressCluster(address=f"tcp://{host}:8786", insecure=True).insecure


@pytest.mark.parametrize(
    "address",
    ["tcp://a:0", "tcp://a:65536", "tcp://a:²", "tcp://u@a:1", "tcp://a/b:1", "tcp://a b:1",
     "http://a:1", "tcp://:1", "tcp://a", "tls://a:1\n", "tls://[x]:1", "inproc://1"],
)  # fmt: skip
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ValueError, match="must be tcp://HOST:PORT or tls://HOST:PORT"):
        AddressCluster(address=address, insecure=True)
