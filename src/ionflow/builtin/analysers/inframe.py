"""Analysers of motion: in which frame of reference, at which lags."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ionflow.builtin.analysers.dynamics.correlation import spaced_lags
from ionflow.passes import IntArray, Measured, Reference, Subject


class Referred(Measured):
    """An analyser of motion relative to a frame of reference."""

    frame: Literal["barycentric", "framework", "none"] = "barycentric"
    """What displacements are relative to: the centre of mass of all atoms (barycentric), that of
    the species named in `framework`, or the box (none)."""

    framework: tuple[str, ...] = ()
    """Species that make up the framework; used by frame: framework alone."""

    @model_validator(mode="after")
    def _frame_is_named(self) -> Referred:
        if (self.frame == "framework") != bool(self.framework):
            raise ValueError("frame: framework and framework: [species, ...] go together")
        return self

    @property
    def reference(self) -> Reference:
        """The frame of reference."""
        return Reference(self.frame, self.framework)

    def frame_attrs(self) -> dict[str, str]:
        """How results state the frame of reference."""
        return {"frame": str(self.reference)}


class InFrame(Referred):
    """An analyser of displacements: in which frame of reference, at which lags."""

    max_lag_fraction: float = Field(0.5, gt=0, le=0.9)
    """Longest lag as a fraction of the trajectory."""

    lags: int = Field(64, ge=8, le=100)
    """Number of lags, evenly spaced on a log axis."""

    def lag_frames(self, subject: Subject) -> IntArray:
        """Lags in frames, (lag,)."""
        subject.require_dynamics()
        return spaced_lags(subject.frames, self.max_lag_fraction, self.lags)
