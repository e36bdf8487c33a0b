"""The store: immutable segments, then one sealed zarr. The only importer of zarr.

A run folder:

    store.json                                     what it is
    holders/000003.json, .beat, .released          who runs it now, who ran it before
    structures/<key>.zarr.zip
    trajectories/<key>/segments/000012.zarr.zip    live: frames and end state, in one file
    trajectories/<key>/trajectory.zarr             sealed: any zarr reader opens it
    trajectories/<key>/sealed.json                 what was sealed, with checksums
    trajectories/<key>/states/<step>.zarr.zip      end states of sealed segments
    analyses/<key>.zarr, <key>.json                a result, and the checksums that commit it
    failures/<key>.json
"""

from ionflow.store.arrays import (
    PRECISION_ANGSTROM,
    REACH_ANGSTROM,
    round_positions,
    shard_frames,
)
from ionflow.store.keys import canonical, key_of
from ionflow.store.problem import Problem
from ionflow.store.segments import SegmentExists, SegmentInfo
from ionflow.store.standalone import (
    check_free,
    open_trajectory,
    write_groups,
    write_trajectory,
)
from ionflow.store.state import State
from ionflow.store.store import Store

__all__ = [
    "PRECISION_ANGSTROM",
    "REACH_ANGSTROM",
    "Problem",
    "SegmentExists",
    "SegmentInfo",
    "State",
    "Store",
    "canonical",
    "check_free",
    "key_of",
    "open_trajectory",
    "round_positions",
    "shard_frames",
    "write_groups",
    "write_trajectory",
]
