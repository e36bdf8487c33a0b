"""The checklist on made-up scans whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ionflow.builtin.analysers.scan.claims import CLAIMS, Claims
from ionflow.builtin.analysers.scan.evidence import inside, together
from ionflow.testing import check_analyser

MATERIALS = ["Li", "Na", "K"]
KELVIN = [600.0, 800.0, 1000.0]
ENVIRONMENTS = ["X4", "X3O1", "X2O2", "X1O3", "O4", "other", "all"]
DEFINITIONS = ["nernst_einstein", "cluster_nernst_einstein", "einstein"]


def over(dims: dict[str, list], values: object, error: float, name: str) -> dict[str, tuple]:
    """A variable and its standard error: `values` for the last dim, the same elsewhere."""
    shape = tuple(len(labels) for labels in dims.values())
    whole = np.broadcast_to(np.asarray(values, float), shape)
    return {name: (tuple(dims), whole), f"{name}_stderr": (tuple(dims), np.full(shape, error))}


def scan(error: float = 0.01, **other: object) -> list[xr.Dataset]:
    """What the analysers in `needs` would give for a scan that bears everything out."""
    truth = {
        "energy": 0.3,
        "difference": 0.0,
        "tau": [10.0, 20.0, 40.0, 80.0, 160.0, 30.0, 25.0],
        "sigma": [3.0, 1.0, 2.0],
        "t": [0.3, 0.6, 0.8],
        "haven": [1.0, 1.2],
        "factor": 1.5,
        "invariant": "met",
    } | other
    A, T, R = {"A": MATERIALS}, {"temperature_K": KELVIN}, {"replica": [0, 1]}
    species = {"species": [*MATERIALS, "Al"]}
    own = np.full((3, 4), np.nan)
    np.fill_diagonal(own, truth["energy"])
    arrhenius = over({**A, **species}, own, error, "activation_energy")
    residence = {"variant": ["intermittent", "continuous"], "environment": ENVIRONMENTS}
    escape = over({**A, **residence}, truth["difference"], error, "energy_difference")
    tau = over({**A, **T, **R, **residence}, truth["tau"], 100 * error, "residence_time")
    by = {"definition": DEFINITIONS}
    sigma = over({**A, **T, **R, **by}, truth["sigma"], error, "conductivity")
    t = over({**A, **T, **R, **species, **by}, truth["t"], error, "transference_number")
    haven = over({**A, **T, **R, "kind": ["alkali", "total"]}, truth["haven"], error, "haven_ratio")
    names = ["coordination_number", "bridging_per_centre", "links_per_centre", "rings_per_centre"]
    names.append("number_average_length")
    verdicts = np.full((3, 3, 2, 5), truth["invariant"])
    chains = {"invariant_verdict": ((*A, *T, *R, "invariant"), verdicts)}
    everything = {**A, **T, **R, **residence, **by, **species, "kind": ["alkali", "total"]}
    made = (arrhenius, escape, tau, sigma, t, haven)
    results = [xr.Dataset(v, {d: everything[d] for n in v.values() for d in n[0]}) for v in made]
    order = {"arrhenius": 0, "arrhenius_residence": 1, "residence": 2, "conductivity": 3}
    order |= {"transference": 4, "haven": 5}
    known = {name: results[k] for name, k in order.items()}
    known["chemistry"] = chemistry(truth["factor"], error)
    known["chains"] = xr.Dataset(chains, {**A, **T, **R, "invariant": names})
    return [known[name] for name in Claims.needs]


def chemistry(factor: float, error: float) -> xr.Dataset:
    coords = {"temperature_K": KELVIN, "term": ["A", "all"], "bound": ["lower", "upper"]}
    coords["definition"] = DEFINITIONS
    variables = {}
    for name, dims in {
        "diffusion": ("temperature_K", "term"),
        "conductivity": ("definition", "temperature_K", "term"),
    }.items():
        whole = np.full(tuple(len(coords[d]) for d in dims), factor)
        variables[f"{name}_spread_factor"] = (dims, whole)
        for k, level in enumerate(("68", "95"), start=1):
            ends = np.stack([whole - k * error, whole + k * error], axis=-1)
            variables[f"{name}_spread_factor_ci{level}"] = ((*dims, "bound"), ends)
    return xr.Dataset(variables, coords)


def verdicts(*data: xr.Dataset) -> dict[str, str]:
    result = Claims().analyse(*data)
    return dict(zip(result["claim"].values, result["verdict"].values, strict=True))


def test_a_scan_that_bears_all_out() -> None:
    assert set(verdicts(*scan()).values()) == {"supported"}
    assert len(CLAIMS) == 8


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("activation_energy", {"energy": 0.6}),
        ("escape_energy", {"difference": -0.2}),
        ("oxygen_slows_escape", {"tau": [80.0, 40.0, 20.0, 10.0, 1.0, 1.0, 1.0]}),
        ("einstein_between", {"sigma": [3.0, 1.0, 4.0]}),
        ("einstein_between", {"sigma": [1.0, 3.0, 4.0]}),
        ("transference", {"t": [0.9, 0.6, 0.8]}),
        ("transference", {"t": [0.3, 0.1, 0.8]}),
        ("haven_ratio", {"haven": [2.0, 1.0]}),
        ("weak_chemistry", {"factor": 10.0}),
        ("invariants", {"invariant": "missed"}),
    ],
)
def test_each_claim_falls_alone(name, other) -> None:
    found = verdicts(*scan(**other))
    assert found.pop(name) == "not supported"
    assert set(found.values()) == {"supported"}


def test_σ_e_between_in_either_order() -> None:
    assert verdicts(*scan(sigma=[1.0, 3.0, 2.0]))["einstein_between"] == "supported"


def test_large_errors_decide_nothing() -> None:
    found = verdicts(*scan(error=5.0, invariant="undecided"))
    assert set(found.values()) == {"not enough statistics"}


def test_nothing_known_decides_nothing() -> None:
    blank = [
        part.map(lambda v: v * np.nan if v.dtype.kind == "f" else v.astype("U9") * 0)
        if part.data_vars and all(v.dtype.kind == "f" for v in part.values())
        else part.assign({n: (v.dims, np.full(v.shape, "")) for n, v in part.items()})
        for part in scan()
    ]
    result = Claims().analyse(*blank)
    assert (result["verdict"] == "not enough statistics").all()
    assert (result["n_cases"] == 0).all()
    assert result["median"].isnull().all()


def test_what_chance_contradicts_is_no_contradiction() -> None:
    """Of 200 true cases with normal errors about one in twenty lies two errors off."""
    rng = np.random.default_rng(5)
    for _ in range(20):
        edge = inside(rng.normal(0.3, 0.1, 200), np.full(200, 0.1), 0.3, np.inf)
        assert edge.against.sum() < 12
        assert edge.verdict == "not enough statistics"


def test_counts_add_up() -> None:
    both = together([inside([0.3, 0.5, np.nan], [0.01] * 3, 0.2, 0.4), inside([0.4], [0.1], 0, 1)])
    assert (both.cases, int(both.support.sum()), int(both.against.sum())) == (3, 2, 1)
    assert both.undecided == 0


def test_it_keeps_the_contract_of_an_analyser() -> None:
    check_analyser(Claims(), scan())
