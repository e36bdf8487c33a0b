"""What an analyser promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import xarray as xr

from ionflow.kinds import Analyser
from ionflow.testing.contract import require
from ionflow.testing.plugins import check_plugin
from ionflow.testing.trajectories import synthetic_trajectory

#: Scalar coordinates such as a run gives its trajectories.
_SCAN = {"A": "Li", "temperature_K": 800.0, "replica": 2}


def check_analyser(
    analyser: Analyser, data: xr.Dataset | Sequence[xr.Dataset] | None = None
) -> None:
    """Check that an analyser gives labelled results with units, lazily, and leaves its input alone.

    Parameters
    ----------
    data : what it takes: a trajectory, or one Dataset for each name in `needs`; a synthetic
        trajectory if None, which an analyser with `needs` cannot do without

    Raises
    ------
    AssertionError
        Saying which contract is broken and how to mend it.
    """
    check_plugin(analyser, Analyser)
    inputs = _inputs(analyser, data)
    originals = [dataset.copy(deep=True) for dataset in inputs]
    result = analyser.analyse(*inputs)
    _check_untouched(originals, inputs)
    _check_labels(result)
    _check_repeatable(analyser, inputs, result)
    _check_lazy(analyser, inputs, result)
    if not analyser.needs:
        _check_scan(analyser, inputs[0], result)


def _inputs(analyser: Analyser, data: xr.Dataset | Sequence[xr.Dataset] | None) -> list[xr.Dataset]:
    if data is None:
        require(
            not analyser.needs,
            f"{analyser.use} needs {', '.join(analyser.needs)}",
            "give check_analyser their results as data, in this order",
        )
        return [synthetic_trajectory()]
    inputs = [data] if isinstance(data, xr.Dataset) else list(data)
    expected = len(analyser.needs) or 1
    require(
        len(inputs) == expected,
        f"{len(inputs)} Datasets are given to an analyser that takes {expected}",
        "give one trajectory, or one result for each name in needs",
    )
    return inputs


def _check_untouched(originals: Sequence[xr.Dataset], inputs: Sequence[xr.Dataset]) -> None:
    for before, after in zip(originals, inputs, strict=True):
        require(
            before.identical(after),
            "analyse() changes its input",
            "work on a copy: other analysers read the same data",
        )


def _check_labels(result: Any) -> None:
    require(
        isinstance(result, xr.Dataset),
        f"analyse() returns a {type(result).__name__}",
        "return an xarray.Dataset",
    )
    require(bool(result.data_vars), "the result is empty", "return at least one variable")
    for name, variable in result.data_vars.items():
        _check_variable(str(name), variable)
    unnamed = [str(dim) for dim in result.dims if str(dim).startswith("dim_")]
    require(not unnamed, f"dims {', '.join(unnamed)} have no name", "name every dimension")


def _check_variable(name: str, variable: xr.DataArray) -> None:
    require(
        variable.dtype.kind in "biufcUSM",
        f"variable {name!r} holds {variable.dtype} objects",
        "hold numbers or texts: the store writes nothing else",
    )
    require(
        variable.dtype.kind not in "iufc" or isinstance(variable.attrs.get("units"), str),
        f"variable {name!r} has no units",
        "set .attrs['units'], '1' if it has no dimension",
    )


def _check_repeatable(analyser: Analyser, inputs: Sequence[xr.Dataset], result: xr.Dataset) -> None:
    require(
        analyser.analyse(*inputs).equals(result),
        "the same data give two results",
        "seed every random number (bootstrap!) by a constant or a field",
    )


def _check_lazy(analyser: Analyser, inputs: Sequence[xr.Dataset], result: xr.Dataset) -> None:
    """Chunked input must give the same numbers, and still be chunked afterwards."""
    lazy = [
        dataset.chunk({dim: -(-n // 3) for dim, n in dataset.sizes.items()}) for dataset in inputs
    ]
    found = analyser.analyse(*lazy).compute()
    try:
        xr.testing.assert_allclose(found, result, rtol=1e-5, atol=1e-8)
    except AssertionError as error:
        raise AssertionError(
            f"lazy, chunked input gives another result. Use xarray operations, or "
            f".values where all of an array is needed. {error}"
        ) from error
    require(
        all(dataset.chunks for dataset in lazy if dataset.sizes),
        "analyse() loads its input in place",
        "use .compute() rather than .load()",
    )


def _check_scan(analyser: Analyser, trajectory: xr.Dataset, result: xr.Dataset) -> None:
    found = analyser.analyse(trajectory.assign_coords(_SCAN))
    lost = [
        name for name, value in _SCAN.items() if name not in found.coords or found[name] != value
    ]
    require(
        not lost,
        f"the scalar coords {', '.join(lost)} of the trajectory are lost",
        "keep them: build results from the trajectory's variables, or copy its scalar coords",
    )
    bare = found.drop_vars([name for name in _SCAN if name not in result.coords])
    require(
        bare.equals(result),
        "the scalar coords of a trajectory change the numbers",
        "treat them as labels",
    )
