"""A miniature of the study on real CHGNet: recipe to report, killed by nothing, in seconds."""

from __future__ import annotations

import numpy as np

import ionflow


def test_chgnet_from_recipe_to_report(tmp_path):
    stage = {"ensemble": "nvt", "frame_ps": 0.01, "segment_ps": 0.02, "max_temperature_K": 30000}
    recipe = {
        "name": "mini",
        "structure": {"use": "oxyhalide", "A": "Na", "M": "Ga", "X": "Br", "atoms": 21},
        "potential": {"use": "chgnet"},
        "engine": {"use": "torch", "timestep_fs": 2},
        "protocol": {
            "melt": {**stage, "temperature_K": 1500, "duration_ps": 0.02},
            "production": {**stage, "temperature_K": 1200, "duration_ps": 0.1, "record": True},
        },
        "analyses": ["rdf", "msd", "diffusion", "conductivity"],
        "cluster": {"use": "local", "workers": 1, "dashboard": False},
    }
    run = ionflow.run(recipe, out=tmp_path / "mini")
    assert not run.failures
    production = run.trajectory(stage="production")
    assert production.sizes == {"time": 11, "atom": 21, "xyz": 3, "vector": 3, "voigt": 6}
    # a tenth of a picosecond cannot show diffusion, and must not pretend to
    diffusion = run.results["diffusion"]
    assert np.isnan(diffusion["diffusion_coefficient"].values).all()
    assert not (diffusion["diffusive"].values == 1).any()
    assert (tmp_path / "mini" / "report" / "index.html").exists()
    assert run.provenance["potential"]["content"]["weights"]
    segment = run.store.segments(run.select(stage="production")[0].key)[0]
    assert segment.meta["potential"]["backend"] in ("kernel", "torch")
    assert segment.meta["engine"] == {"device": "cpu"}
