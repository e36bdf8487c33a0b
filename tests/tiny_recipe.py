"""Recipes that the tests of the driver run: the cheap potential, seconds each."""

from __future__ import annotations

from typing import Any


def tiny(**changes: Any) -> dict[str, Any]:
    """Two chemistries at two temperatures, 21 atoms, a fraction of a picosecond."""
    recipe: dict[str, Any] = {
        "name": "tiny",
        "seed": 1,
        "replicas": 1,
        "scan": {
            "structure.A": ["Li", "Na"],
            "protocol.production.temperature_K": [1200, 1500],
        },
        "structure": {"use": "oxyhalide", "A": "Li", "M": "Al", "X": "Cl", "atoms": 21},
        "potential": {"use": "rigid_ion"},
        "engine": {"use": "ase", "timestep_fs": 2.0},
        "protocol": {
            "melt": {
                "ensemble": "nvt", "temperature_K": 1500, "duration_ps": 0.1,
                "frame_ps": 0.02, "segment_ps": 0.06, "max_temperature_K": 20000,
            },
            "quench": {
                "ensemble": "nvt", "temperature_K": [1500, 1200], "duration_ps": 0.1,
                "frame_ps": 0.02, "segment_ps": 0.06, "max_temperature_K": 20000,
            },
            "production": {
                "ensemble": "nvt", "temperature_K": 1200, "duration_ps": 0.6, "record": True,
                "frame_ps": 0.01, "segment_ps": 0.2, "max_temperature_K": 20000,
            },
        },
        "analyses": [
            {"use": "rdf", "bins": 60}, "msd", "diffusion", "conductivity", "arrhenius"
        ],
        "cluster": {"use": "local", "workers": 2},
    }  # fmt: skip
    return {**recipe, **changes}
