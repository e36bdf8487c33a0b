"""An evaluation that is recorded once and then replayed with one launch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from ionflow.builtin.potentials.chgnet.cuda.evaluation import Evaluation, Outcome


class Replay:
    """A CUDA graph of one evaluation; without a CUDA device, the evaluation itself.

    Its results are copies: the graph writes over its own in the next call.
    """

    def __init__(self, evaluation: Evaluation, positions: Tensor, cells: Tensor) -> None:
        self.evaluation = evaluation
        self._positions, self._cells = positions.clone(), cells.clone()
        self._graph = self._recorded() if positions.is_cuda else None

    def __call__(self, positions: Tensor, cells: Tensor) -> Outcome:
        """Evaluate (atom, 3) positions in (system, 3, 3) cells, Å, float64."""
        if self._graph is None:
            with full_precision():
                return self.evaluation(positions, cells)
        self._positions.copy_(positions)
        self._cells.copy_(cells)
        self._graph.replay()
        mine = self._outcome
        return Outcome(
            mine.energies.clone(), mine.forces.clone(), mine.stresses.clone(), mine.counts
        )

    def _recorded(self) -> torch.cuda.CUDAGraph:
        # kernels are compiled, and libraries make their handles, outside the recording; where
        # memory does not suffice, this is where it shows
        here = torch.cuda.current_stream()
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(here)
        with full_precision():
            with torch.cuda.stream(aside):
                self.evaluation(self._positions, self._cells)
            here.wait_stream(aside)
            graph = torch.cuda.CUDAGraph()
            # other threads may use the device meanwhile
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self._outcome = self.evaluation(self._positions, self._cells)
        return graph


@contextmanager
def full_precision() -> Iterator[None]:
    """Matrix products per atom and per bond in float32, whatever the process has asked for."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
