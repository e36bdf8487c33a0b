from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

from ionflow.errors import DataError
from ionflow.join import join


def part(A: str, replica: int, lags: int = 3, chunk: bool = False) -> xr.Dataset:
    dataset = xr.Dataset(
        {
            "D": ("species", np.array([10.0, 1.0]) + replica, {"units": "cm^2/s"}),
            "diffusive": ("species", [True, False]),
            "origins": ("species", [7, 7]),
            "frames": ((), 100),
            "unit": ("species", ["a", "bb"]),
            "msd": (("species", "lag"), np.full((2, lags), float(replica))),
        },
        {
            "species": [A, "Cl"],
            "lag": np.arange(lags) * 0.1,
            "mass": ("species", [7.0 if A == "Li" else 23.0, 35.5]),
            "A": A,
            "replica": replica,
        },
        {"method": "exact", "only": A},
    )
    return dataset.chunk() if chunk else dataset


def test_complete_and_even_results_keep_types_labels_units_and_order():
    joined = join([part("Li", 1), part("Li", 0)], {"A": ["Li"], "replica": [0, 1]})
    assert joined["D"].dims == ("A", "replica", "species")
    assert joined["D"].sel(A="Li", replica=1, species="Li").item() == 11.0
    assert joined["diffusive"].dtype == bool
    assert joined["origins"].dtype.kind == "i"
    assert joined["D"].attrs == {"units": "cm^2/s"}
    assert joined["mass"].dims == ("species",)
    assert joined["replica"].values.tolist() == [0, 1]


def test_a_missing_point_is_nan_and_never_false():
    parts = [part("Li", 0), part("Li", 1), part("Na", 0)]
    joined = join(parts, {"A": ["Li", "Na"], "replica": [0, 1]})
    gone = joined.sel(A="Na", replica=1, species="Cl")
    assert np.isnan(gone["D"])
    assert np.isnan(gone["diffusive"])
    assert np.isnan(gone["origins"])
    assert gone["unit"].item() == ""
    assert joined["diffusive"].sel(A="Li", replica=1, species="Cl").item() == 0.0
    assert joined["diffusive"].sel(A="Na", replica=0, species="Na").item() == 1.0
    assert np.isnan(joined["frames"].sel(A="Na", replica=1))


def test_values_that_are_asked_for_but_absent_are_there_as_nan():
    joined = join([part("Li", 0)], {"A": ["Li", "K"], "replica": [0]})
    assert joined["A"].values.tolist() == ["Li", "K"]
    assert joined["D"].sel(A="K").isnull().all()


def test_ragged_lags_and_species_are_joined_to_their_union():
    joined = join([part("Li", 0, lags=3), part("Na", 0, lags=5)], ["A", "replica"])
    assert joined.sizes["lag"] == 5
    assert set(joined["species"].values) == {"Li", "Na", "Cl"}
    short = joined["msd"].sel(A="Li", replica=0, species="Cl").values
    assert np.isnan(short).tolist() == [False] * 3 + [True] * 2
    assert np.isnan(joined["D"].sel(A="Na", replica=0, species="Li"))
    assert np.isnan(joined["diffusive"].sel(A="Na", replica=0, species="Li"))
    masses = dict(zip(joined["species"].values, joined["mass"].values, strict=True))
    assert masses == {"Li": 7.0, "Na": 23.0, "Cl": 35.5}


def test_dims_without_labels_may_differ_in_length():
    parts = [xr.Dataset({"x": ("block", np.ones(n))}, {"replica": n}) for n in (2, 3)]
    joined = join(parts, ["replica"])
    assert np.isnan(joined["x"].values).tolist() == [[False, False, True], [False] * 3]


def test_coords_that_contradict_each_other_go_on_the_grid():
    one = part("Li", 0).assign_coords(mass=("species", [6.0, 35.5]))
    joined = join([one, part("Li", 1)], ["A", "replica"])
    assert joined["mass"].dims == ("A", "replica", "species")


def test_only_agreeing_attributes_stay():
    assert join([part("Li", 0), part("Na", 0)], ["A", "replica"]).attrs == {"method": "exact"}


def test_lazy_arrays_stay_lazy_and_are_right():
    parts = [part(A, r, 3 + r, chunk=True) for A in ("Li", "Na") for r in (0, 1)]

    def no_compute(*_: object, **__: object) -> None:
        raise AssertionError("computed")

    axes = {"A": ["Li", "Na", "K"], "replica": [0, 1]}
    with dask.config.set(scheduler=no_compute):
        joined = join([p.reset_coords("mass", drop=True) for p in parts], axes)
    assert isinstance(joined["msd"].data, da.Array)
    eager = join([p.load().reset_coords("mass", drop=True) for p in parts], axes)
    xr.testing.assert_identical(joined.load(), eager)


def test_without_axes_every_shared_scalar_coord_is_one():
    joined = join([part("Li", 0), part("Na", 1)])
    assert joined["D"].dims == ("A", "replica", "species")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "nothing to join"),
        ([part("Li", 0), part("Li", 0)], "same point"),
        ([part("Li", 0), part("Li", 1).drop_vars("A")], "no coordinate A"),
        ([part("Li", 0), part("Cl", 1)], "twice"),
    ],
)
def test_what_cannot_be_joined_is_an_error(parts: list[xr.Dataset], message: str):
    with pytest.raises(DataError, match=message):
        join(parts, ["A", "replica"])


def test_places_may_be_lazy_too():
    lazy = part("Li", 1).assign_coords(replica=((), da.from_array(np.array(1))))
    assert join([part("Li", 0), lazy], ["A", "replica"])["replica"].values.tolist() == [0, 1]
