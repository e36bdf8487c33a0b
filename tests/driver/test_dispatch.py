"""The driver on a cluster whose workers come late."""

from __future__ import annotations

import threading
from pathlib import Path

from distributed import Client, LocalCluster

from ionflow.driver.dispatch import Driver
from ionflow.driver.ledger import Ledger
from ionflow.plan import plan
from ionflow.recipe import read
from ionflow.registry import load
from ionflow.store import Store
from tiny_recipe import tiny


class Heard:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.spoken = threading.Event()

    def said(self, text: str) -> None:
        self.words.append(text)
        self.spoken.set()

    def __getattr__(self, name: str):
        return lambda *_: None


def test_without_workers_it_stops_when_asked(tmp_path: Path) -> None:
    made = plan(read(tiny(scan={}, analyses=[]), load()))
    store, heard = Store.create(tmp_path / "r"), Heard()
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster,
        Client(cluster) as client,
        store.hold(),
    ):
        driver = Driver(Ledger(made, store), client, heard)
        driver.follow(0, driver.stop)
        assert not driver.running
    assert not Ledger(made, store).done


def test_without_workers_it_says_so_and_waits(tmp_path: Path) -> None:
    recipe = tiny(scan={}, analyses=[])
    recipe["protocol"] = {"melt": recipe["protocol"]["melt"]}
    made = plan(read(recipe, load()))
    store, heard = Store.create(tmp_path / "r"), Heard()
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster,
        Client(cluster) as client,
        store.hold(),
    ):
        ledger = Ledger(made, store)
        late = threading.Thread(target=lambda: heard.spoken.wait(60) and cluster.scale(1))
        late.start()
        Driver(ledger, client, heard).follow(0)
        late.join()
    assert heard.words[0] == "no worker is connected: waiting for one"
    assert ledger.done == set(made.tasks)
