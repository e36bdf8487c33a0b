"""Results and failures."""

from __future__ import annotations

import threading
import warnings

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from salt import KEY

from ionflow.errors import StoreError
from ionflow.store import Store, arrays

SCALARS = {"A": "Li", "temperature_K": 500.0, "replica": 2, "converged": True}


@pytest.fixture
def result() -> xr.Dataset:
    rng = np.random.default_rng(0)
    return xr.Dataset(
        {
            "D": (
                ("species",),
                np.array([1.5, np.nan]),
                {"units": "cm^2/s", "fit": {"ps": [1, 2]}},
            ),
            "count": (("species", "bin"), np.arange(6).reshape(2, 3)),
            "diffusive": ("species", np.array([True, False])),
            "verdict": ("species", np.array(["diffusive", "nicht diffusiv, Å"])),
            "kernel": ("bin", rng.normal(size=3) + 1j),
            "note": ((), "one word"),
            "none": (("empty",), np.zeros(0)),
            "days": ((), 3.0, {"units": "days since 2000-01-01"}),
            "big": ("bin", np.array([0.0, -0.0, np.inf], dtype=np.float32)),
        },
        {"species": ["Li", "O"], "bin": [0.5, 1.5, 2.5], "lag": ("bin", [1, 2, 3]), **SCALARS},
        {"nested": {"a": [1, {"b": None}], "x": 0.1}, "text": "Å"},
    )


def test_a_result_comes_back_as_it_was(store: Store, result) -> None:
    assert not store.has_result(KEY)
    store.write_result(KEY, result)
    back = store.read_result(KEY)
    assert store.has_result(KEY)
    assert back["count"].chunks is not None
    assert back.load().identical(result)
    assert set(back.coords) == set(result.coords)
    assert {n: v.dtype.kind for n, v in back.variables.items()} == {
        n: v.dtype.kind for n, v in result.variables.items()
    }


def test_plain_xarray_reads_a_result_without_a_warning(store: Store, result) -> None:
    store.write_result(KEY, result.drop_vars("days"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain = xr.open_zarr(store.root / "analyses" / f"{KEY}.zarr").load()
    assert plain["D"].identical(result["D"].assign_coords(plain["D"].coords))
    assert plain.attrs == result.attrs


def test_lazy_variables_are_computed(store: Store) -> None:
    lazy = da.arange(100, chunks=7)
    store.write_result(KEY, xr.Dataset({"a": ("x", lazy), "b": ((), lazy.sum())}))
    back = store.read_result(KEY).load()
    assert back["a"].values.tolist() == list(range(100))
    assert int(back["b"]) == 4950


def test_a_large_array_is_read_in_parts(store: Store, monkeypatch) -> None:
    monkeypatch.setattr(arrays, "_RESULT_CHUNK_BYTES", 1000)
    density = np.random.default_rng(0).normal(size=(17, 9, 4))
    store.write_result(KEY, xr.Dataset({"density": (("x", "y", "z"), density)}))
    back = store.read_result(KEY)["density"]
    assert back.data.npartitions > 4
    assert (back.values == density).all()


def test_the_first_result_stays_until_it_is_removed(store: Store) -> None:
    for value in (1, 2):
        store.write_result(KEY, xr.Dataset({"a": value}))
        assert int(store.read_result(KEY)["a"]) == 1
    store.remove_result(KEY)
    assert not store.has_result(KEY)
    store.write_result(KEY, xr.Dataset({"a": 3}))
    assert int(store.read_result(KEY)["a"]) == 3


def test_two_writers_of_one_result_leave_one_whole(store: Store) -> None:
    barrier = threading.Barrier(4)

    def write(value: int) -> None:
        barrier.wait()
        Store(store.root).write_result(KEY, xr.Dataset({"a": ("x", np.full(50, value))}))

    threads = [threading.Thread(target=write, args=(value,)) for value in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(store.read_result(KEY)["a"].values.tolist())) == 1
    assert store.verify(deep=True) == []


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (xr.Dataset({"a": ("x", np.array([object()]))}), "object"),
        (xr.Dataset({"when": ("x", np.zeros(2, "M8[ns]"))}), "datetime64"),
        (xr.Dataset({"two words": 1}), "named"),
        (xr.Dataset({"a": ((), 1, {"bad": object()})}), "JSON"),
        (xr.Dataset(attrs={"bad": {1, 2}}), "JSON"),
    ],
)
def test_what_cannot_be_stored_is_refused_and_leaves_nothing(store: Store, dataset, message):
    with pytest.raises(StoreError, match=message):
        store.write_result(KEY, dataset)
    assert not store.has_result(KEY)
    assert list((store.root / ".tmp" / "free").iterdir()) == []


def test_a_missing_result_is_named(store: Store) -> None:
    with pytest.raises(StoreError, match=KEY):
        store.read_result(KEY)
    store.remove_result(KEY)


def test_failures_are_remembered_and_forgotten(store: Store) -> None:
    assert store.failures() == {}
    store.record_failure(KEY, {"what": "too hot", "attempts": 2})
    store.record_failure(KEY, {"what": "too hot", "attempts": 3})
    assert store.failures() == {KEY: {"what": "too hot", "attempts": 3}}
    store.clear_failure(KEY)
    store.clear_failure(KEY)
    assert store.failures() == {}
    with pytest.raises(StoreError, match="no key"):
        store.record_failure("../x", {})


def test_plain_files(store: Store) -> None:
    store.write_json("run.json", {"a": np.float64(1.5), "b": [1, None], "c": "Å"})
    assert store.read_json("run.json") == {"a": 1.5, "b": [1, None], "c": "Å"}
    store.write_text("report/index.html", "<p>")
    assert (store.root / "report" / "index.html").read_text() == "<p>"
    with pytest.raises(StoreError, match="missing"):
        store.read_json("nothing.json")
    (store.root / "run.json").write_text("{")
    with pytest.raises(StoreError, match="damaged"):
        store.read_json("run.json")
    assert [problem.path.name for problem in store.verify()] == ["run.json"]
