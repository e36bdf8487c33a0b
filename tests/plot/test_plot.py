"""What ionflow.plot draws is what the results say."""

from __future__ import annotations

import re

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

import ionflow
from ionflow import plot, schema
from ionflow.errors import DataError
from ionflow.plot.series import series
from ionflow.statistics import pool
from ionflow.units import BOLTZMANN_EV_PER_K

HOT = {"A": "Li", "temperature_K": 1000.0}
#: what each function is given; those that need one trajectory get one
CHOICES = {
    "msd": {"species": "Li", "A": "Li"},
    "diffusion": {"species": ["Li", "Na"]},
    "transference": {"species": ["Li", "Na"]},
    "arrhenius": {"species": ["Li", "Na"]},
    "van_hove": {**HOT, "species": "Li"},
    "rdf": {**HOT, "pair": ["Li-O", "Al-O"]},
    "structure_factor": {"A": "Li"},
    **dict.fromkeys(
        ["angles", "displacement_correlation", "non_gaussian", "onsager", "residence", "vacf"], HOT
    ),
    "density_map": {**HOT, "replica": 0},
}
SOURCE = {
    "chain_lengths": "chains",
    "invariants": "chains",
    "residence_times": "residence",
    "vdos": "vacf",
}


def chosen(results, name):
    source = SOURCE.get(name, name)
    return results[source].sel(CHOICES.get(name) or CHOICES.get(source, {}))


@pytest.fixture(scope="module")
def hopping():
    """Results of ions that hop at random between places 3 Å apart."""
    rng = np.random.default_rng(5)
    frames, ions = 1000, 24
    hops = (rng.random((frames, ions)) < 0.005)[..., None] * np.eye(3)[
        rng.integers(3, size=(frames, ions))
    ]
    jumps = 3.0 * hops * rng.choice([-1, 1], (frames, ions, 1))
    places = rng.uniform(0, 18, (ions, 3)) + np.cumsum(jumps, axis=0)
    from ase import Atoms

    atoms = Atoms(["Li"] * ions, places[0], cell=[18.0] * 3, pbc=True)
    atoms.set_initial_charges([1.0] * ions)
    variables = {
        "positions": places + rng.normal(0, 0.3, places.shape),
        "cell": np.broadcast_to(atoms.cell.array, (frames, 3, 3)),
    }
    data = schema.trajectory(atoms, np.arange(frames) * 50, 2.0, variables)
    return ionflow.analyse(data, [{"use": "hops", "frame": "none"}])


@pytest.fixture
def ax():
    return Figure().subplots()


@pytest.fixture(autouse=True)
def no_window(monkeypatch):
    mpl.use("Agg")
    yield
    plt.close("all")


def line(ax, label=None):
    """The line of a label, or the only one."""
    found = [one for one in ax.lines if label in (None, one.get_label())]
    found += [c.lines[0] for c in ax.containers if label is not None and c.get_label() == label]
    return found[0]


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


# -- all of them ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in plot.__all__ if n != "hops"])
def test_it_draws_real_results_on_the_axes_that_it_is_given(results, name, ax):
    assert getattr(plot, name)(chosen(results, name), ax) is ax
    assert ax.lines or ax.collections or ax.patches
    assert ax.get_xlabel() or ax.get_xticklabels()
    assert plt.get_fignums() == []
    ax.figure.savefig("/dev/null", format="png")


@pytest.mark.parametrize("name", ["msd", "onsager", "density_map", "claims"])
def test_it_makes_axes_if_there_are_none(results, name):
    ax = getattr(plot, name)(chosen(results, name))
    assert plt.get_fignums() == [ax.figure.number]


@pytest.mark.parametrize("name", plot.__all__)
def test_other_results_are_refused_by_name(name, ax):
    with pytest.raises(DataError, match=r"have no .* draw the results of"):
        getattr(plot, name)(xr.Dataset({"other": 1.0}), ax)
    assert not ax.lines


def test_every_analysis_has_a_figure():
    said = " ".join(getattr(plot, name).__doc__ for name in plot.__all__)
    drawn = set(re.findall(r"`(\w+)`", said[: len(said)]))
    own = [e for e in ionflow.plugins().entries if e.distribution == "ionflow"]
    assert {e.name for e in own if e.kind == "analyser"} <= drawn


@pytest.mark.parametrize("name", plot.__all__)
def test_its_documentation_says_units(name):
    assert re.search(
        r"\(.*?(Å|ps|THz|cm|eV|1|°|number).*?\)|without a unit|ln D", getattr(plot, name).__doc__
    )


# -- curves ---------------------------------------------------------------------------------


def test_a_curve_is_the_mean_of_the_replicas_with_its_error(results, ax):
    data = chosen(results, "msd")
    plot.msd(data, ax)
    expected = pool(data["msd"], data["msd_stderr"]).sel(temperature_K=1000.0)
    drawn = line(ax, "1000 K")
    np.testing.assert_allclose(drawn.get_xdata(), data["lag"])
    np.testing.assert_allclose(drawn.get_ydata(), expected["mean"])
    band = ax.collections[1].get_paths()[0].vertices
    upper = (expected["mean"] + expected["stderr"]).values
    assert band[:, 1].max() == pytest.approx(upper.max())
    assert labels(ax) == ["800 K", "1000 K"]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_the_guide_has_slope_1(results, ax):
    plot.msd(chosen(results, "msd"), ax)
    x, y = ax.lines[-1].get_data()
    assert y[1] / y[0] == pytest.approx(x[1] / x[0])


def test_one_replica_is_drawn_as_it_is(results, ax):
    data = chosen(results, "rdf").isel(replica=0)
    plot.rdf(data, ax)
    np.testing.assert_array_equal(line(ax, "Al-O").get_ydata(), data["g"].sel(pair="Al-O"))
    assert ax.get_ylim()[0] == 0


def test_a_curve_ends_where_one_of_its_replicas_ends(results, ax):
    data = results["msd"].sel(species="Li", **HOT)[["msd", "msd_stderr"]]
    shorter = data.where((data["replica"] == 0) | (data["lag"] < 0.5))
    plot.msd(shorter, ax)
    drawn = ax.lines[0].get_ydata()
    assert np.isnan(drawn[data["lag"] > 0.5]).all()
    assert np.isfinite(drawn[data["lag"] < 0.5]).all()


def test_a_label_that_all_lines_share_is_not_named(results, ax):
    plot.residence(chosen(results, "residence"), ax)
    known = results["residence"]["residence"].sel(**HOT, variant="continuous")
    known = known.notnull().any(["lag", "replica"])
    assert labels(ax) == known["environment"].values[known].tolist()
    assert ax.get_ylabel() == "P(t), continuous"


def test_the_variant_is_what_is_asked_for_or_selected(results, ax):
    data = results["residence"].sel(**HOT, replica=0)
    plot.residence(data, ax, variant="intermittent")
    expected = data["residence"].sel(variant="intermittent", environment="all")
    np.testing.assert_array_equal(line(ax, "all").get_ydata(), expected)
    plot.residence(data.sel(variant="stable_states"), other := Figure().subplots())
    assert other.get_ylabel() == "P(t), stable states"
    with pytest.raises(DataError, match=r"no variant 'longest'. there are intermittent"):
        plot.residence(data, ax, variant="longest")


def test_a_line_without_a_number_is_left_out_and_keeps_its_colour(results, ax):
    data = results["msd"].sel(HOT)
    plot.msd(data, ax)
    assert labels(ax) == ["Al", "Cl", "Li", "O"]  # sodium is in the scan, not in this glass
    without = data.drop_sel(species="Al").reindex(species=data["species"])
    plot.msd(without, other := Figure().subplots())
    assert line(other, "Li").get_color() == line(ax, "Li").get_color()


def test_lag_0_of_the_self_part_is_not_drawn(results, ax):
    data = chosen(results, "van_hove")
    plot.van_hove(data, ax)
    assert labels(ax) == [f"{lag:.3g} ps" for lag in data["lag"].values[1:]]
    pair = results["van_hove"].sel(pair="Li-Li", **HOT)
    plot.van_hove(pair, other := Figure().subplots(), part="distinct")
    assert labels(other)[0] == "0 ps"


def test_each_pair_of_species_stands_once(results, ax):
    data = chosen(results, "displacement_correlation")
    plot.displacement_correlation(data, ax)
    assert labels(ax)[:4] == ["Al-Al", "Al-Cl", "Al-Li", "Al-O"]
    assert len(labels(ax)) == 10
    one = data["correlation_coefficient"].sel(species="Cl", species_other="Li").mean("replica")
    np.testing.assert_allclose(line(ax, "Cl-Li").get_ydata(), one)


def test_lengths_of_hops(hopping, ax):
    plot.hops(hopping["hops"], ax)
    x, y = line(ax).get_data()
    np.testing.assert_array_equal(y, hopping["hops"]["hop_length_density"].sel(species="Li"))
    assert x[np.argmax(y)] == pytest.approx(3.0, abs=0.3)


def test_partial_structure_factors(results, ax):
    data = results["structure_factor"].sel(**HOT, replica=0).isel(pair=[0, 1])
    plot.structure_factor(data, ax, weight="faber_ziman")
    assert labels(ax) == data["pair"].values.tolist()


# -- points ---------------------------------------------------------------------------------


def test_points_over_temperature(results, ax):
    data = results["conductivity"].sel(A="Li", definition="nernst_einstein")
    plot.conductivity(data, ax)
    expected = pool(data["conductivity"], data["conductivity_stderr"])
    known = expected["mean"].notnull().values
    bars = ax.containers[0]
    np.testing.assert_array_equal(bars.lines[0].get_xdata(), data["temperature_K"][known])
    np.testing.assert_allclose(bars.lines[0].get_ydata(), expected["mean"][known])
    (low, high), *_ = bars.lines[2][0].get_segments()
    assert (high[1] - low[1]) / 2 == pytest.approx(float(expected["stderr"][known][0]))
    assert ax.get_yscale() == "log"


def test_points_over_names_stand_beside_each_other(results, ax):
    plot.tetrahedra(results["tetrahedra"], ax)
    names = [text.get_text() for text in ax.get_xticklabels()]
    assert names == results["tetrahedra"]["environment"].values.tolist()
    x = np.array([bars.lines[0].get_xdata()[0] for bars in ax.containers])
    np.testing.assert_allclose(x, [-0.25, -0.25 / 3, 0.25 / 3, 0.25])


def test_a_number_without_an_error_has_no_bar(ax):
    coords = {"temperature_K": [500.0, 600.0]}
    data = xr.Dataset(
        {
            "haven_ratio": ("temperature_K", [0.8, 0.9]),
            "haven_ratio_stderr": ("temperature_K", [np.nan, 0.1]),
        },
        coords,
    )
    plot.haven(data, ax)
    ends = [part[:, 1] for part in ax.containers[0].lines[2][0].get_segments() if len(part) > 1]
    np.testing.assert_allclose(ends, [[0.8, 1.0]])


def test_names_say_each_label_once(results, ax):
    plot.diffusion(chosen(results, "diffusion"), ax)
    assert labels(ax) == ["Li", "Na"]


@pytest.mark.parametrize(
    ("name", "value", "power", "of_temperature"),
    [
        ("arrhenius", "diffusion_coefficient", 1, 0),
        ("arrhenius_conductivity", "conductivity", 1, 1),
        ("arrhenius_residence", "residence_time", -1, 0),
    ],
)
def test_fits_go_through_their_points(results, ax, name, value, power, of_temperature):
    chosen = {"species": "Li", "definition": "nernst_einstein", "environment": "all",
              "variant": "continuous"}  # fmt: skip
    data = results[name].sel(A="Li")
    data = data.sel({dim: label for dim, label in chosen.items() if dim in data.dims})
    plot.arrhenius(data, ax)
    x, y = ax.lines[-1].get_data()
    kelvin = 1000 / x
    rate = np.exp(
        float(data["ln_prefactor"]) - float(data["activation_energy"]) / BOLTZMANN_EV_PER_K / kelvin
    )
    np.testing.assert_allclose(y**power * kelvin**of_temperature, rate)
    # two points determine a line
    np.testing.assert_allclose(y[[0, -1]], data[value].values[::-1], rtol=1e-6)
    assert ax.get_yscale() == "log"


def test_bars_of_an_interval_end_where_it_does(results, ax):
    data = results["glass_spread"]
    plot.glass_spread(data, ax)
    quantity = data["quantity"].values.tolist().index("D(Li)")
    drawn = ax.containers[0].lines[2][0].get_segments()
    ends = next(s[:, 1] for s in drawn if s[0, 0] == quantity)
    np.testing.assert_allclose(ends, data["pooled_sd_ci68"].sel(quantity="D(Li)"))


def test_chemistry_by_quantity(results, ax):
    plot.chemistry(results["chemistry"], ax, quantity="activation_energy")
    assert ax.get_ylabel() == "SD of Ea (eV)"
    drawn = ax.containers[0].lines[0].get_ydata()
    expected = results["chemistry"]["activation_energy_sd"].values
    np.testing.assert_array_equal(drawn, expected[np.isfinite(expected)])


def test_claims_are_counted(results, ax):
    data = results["claims"]
    plot.claims(data, ax)
    support, undecided, against = ax.containers
    total = [a.get_width() + b.get_width() + c.get_width()
             for a, b, c in zip(support, undecided, against, strict=True)]  # fmt: skip
    np.testing.assert_array_equal(
        total, data["n_support"] + data["n_against"] + data["n_undecided"]
    )
    assert [text.get_text() for text in ax.texts] == data["verdict"].values.tolist()


def test_chains_and_what_the_formula_implies(results, ax):
    data = results["chains"].sel(HOT)
    plot.chain_lengths(data, ax, through="any")
    x, y = line(ax).get_data()
    weight = data["length_weight"].sel(through="any").mean("replica")
    np.testing.assert_allclose(y, weight.sel(length=x))
    plot.invariants(data, other := Figure().subplots())
    ideal = other.collections[-1].get_offsets()[:, 1]
    np.testing.assert_allclose(ideal, data["invariant_ideal"].mean("replica"))


# -- matrices and maps ----------------------------------------------------------------------


def test_the_matrix_is_scaled_by_its_diagonal(results, ax):
    data = chosen(results, "onsager")
    plot.onsager(data, ax, frame="framework")
    shown = {text.get_position(): text.get_text() for text in ax.texts}
    matrix = data["onsager"].sel(frame="framework").mean("replica")
    names = [text.get_text() for text in ax.get_xticklabels()]
    assert "Na" not in names
    for row, one in enumerate(names):
        for column, two in enumerate(names):
            pair = matrix.sel(species=one, species_other=two)
            own = matrix.sel(species=one, species_other=one) * matrix.sel(
                species=two, species_other=two
            )
            assert shown[column + 0.5, row + 0.5] == f"{float(pair / np.sqrt(own)):.2f}"


def test_a_map_counts_the_ions(results, ax):
    data = chosen(results, "density_map")
    plot.density_map(data, ax, along="b")
    mesh = ax.collections[0]
    corners = mesh.get_coordinates()
    area = np.linalg.det(np.array([corners[1, 0] - corners[0, 0], corners[0, 1] - corners[0, 0]]))
    ions = float(data["density"].mean() * abs(np.linalg.det(data["cell"].values)))
    assert float(mesh.get_array().sum() * abs(area)) == pytest.approx(ions, rel=1e-5)
    assert ions == pytest.approx(16, rel=0.01)


def test_a_map_of_a_skewed_cell_is_skewed(results, ax):
    data = chosen(results, "density_map").copy()
    data["cell"] = (("vector", "xyz"), [[0.0, 8, 0], [0, 4, 6], [1, 1, 9]])
    plot.density_map(data, ax, variable="free_energy")
    corners = ax.collections[0].get_coordinates()
    np.testing.assert_allclose(corners[-1, 0], [8, 0], atol=1e-12)
    np.testing.assert_allclose(corners[0, -1], [4, 6])


def test_one_map_and_one_matrix_at_a_time(results, ax):
    with pytest.raises(DataError, match=r"several maps. select along A, temperature_K, replica"):
        plot.density_map(results["density_map"], ax)
    with pytest.raises(DataError, match=r"several matrices. select along A, temperature_K"):
        plot.onsager(results["onsager"], ax)
    with pytest.raises(DataError, match="no map of 'density' along 'z'"):
        plot.density_map(results["density_map"], ax, along="z")


# -- faults ---------------------------------------------------------------------------------


def test_too_many_lines_say_what_to_select(results, ax):
    with pytest.raises(
        DataError, match=r"lines of g cannot .* select along A \(2\), temperature_K"
    ):
        plot.rdf(results["rdf"], ax)


@pytest.mark.parametrize("name", ["msd", "haven", "onsager", "density_map"])
def test_nothing_but_nan_is_said_to_be_that(results, name, ax):
    data = chosen(results, name)
    empty = data.assign({n: v * np.nan for n, v in data.data_vars.items() if v.dtype.kind == "f"})
    with pytest.raises(DataError, match="has no number to draw"):
        getattr(plot, name)(empty, ax)


def test_colours_are_of_the_palette(results, ax):
    plot.msd(chosen(results, "msd"), ax)
    from ionflow.report.style import PALETTE

    assert to_rgba(ax.lines[0].get_color()) == to_rgba(PALETTE[0])


def test_a_replica_without_an_error_counts_too() -> None:
    data = xr.Dataset(
        {
            "g": (("replica", "r"), [[1.0, 2.0], [3.0, 5.0]]),
            "g_stderr": (("replica", "r"), [[0.1, 0.1], [np.nan, 0.1]]),
        },
        {"r": [1.0, 2.0]},
    )
    (line,) = series(data, "g", "r")
    np.testing.assert_allclose(line.y, [2.0, 3.5])
    np.testing.assert_allclose(line.error[0], 1.0)  # sd of 1 and 3 over the root of 2
