"""Every kernel, as the field launches it, compiles for the GPUs that it is meant for.

Triton compiles without a GPU; the interpreter of the other tests takes much that its compiler does
not. A process of its own, because the interpreter is chosen when kernels are imported.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

if find_spec("triton") is None:
    pytest.skip("needs triton", allow_module_level=True)

COMPILE = r"""
import sys
import torch, triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.runtime.jit import JITFunction
from ionflow.builtin.potentials.chgnet import checkpoints, weights
from ionflow.builtin.potentials.chgnet.cuda import evaluation, pairs, pairs_kernel
from ionflow.builtin.potentials.chgnet.cuda.connections import Capacity
from ionflow.builtin.potentials.chgnet.cuda.context import Tuning
from ionflow.builtin.potentials.chgnet.cuda.parameters import Parameters

model, capability = sys.argv[1], int(sys.argv[2])
NAMES = {torch.float32: "*fp32", torch.float64: "*fp64", torch.int64: "*i64"}
OPTIONS = {"num_warps", "num_stages"}
seen = {}


def compiled(self, *args, grid, warmup, **rest):
    options = {name: rest.pop(name) for name in OPTIONS & rest.keys()}
    given = dict(zip(self.arg_names, args)) | rest
    fixed = {p.name for p in self.params if p.is_constexpr}
    types = {n: "constexpr" if n in fixed else NAMES[v.dtype] if isinstance(v, torch.Tensor)
             else "i32" for n, v in given.items()}
    place = {n: (i,) for i, n in enumerate(self.arg_names)}
    values = {place[n]: given[n] for n in fixed}
    mark = (self.fn.__name__, str(types), str(values), str(options))
    if mark not in seen:
        aligned = {place[n]: [["tt.divisibility", 16]] for n in given if n not in fixed}
        source = ASTSource(fn=self, signature=types, constexprs=values, attrs=aligned)
        target = GPUTarget("cuda", capability, 32)
        seen[mark] = triton.compile(source, target=target, options=options)


JITFunction.run = compiled
count = 40
system = torch.arange(2).repeat_interleave(count // 2)
cells = 8 * torch.eye(3, dtype=torch.float64).expand(2, 3, 3)
torch.manual_seed(0)
positions = 8 * torch.rand(count, 3, dtype=torch.float64)
batch = pairs.Batch.of(system, 2)
p = Parameters.of(weights.fold(checkpoints.read(checkpoints.bundled(model))), "cpu")
images = pairs.Images.of(positions, cells, batch, p.cutoff)
pairs_kernel.find(images, batch, p.cutoff, 8192)
evaluation.pairs_kernel = pairs  # its results are needed
run = evaluation.Evaluation.of(
    p, batch, torch.full((count,), 2), Capacity(8192, 1024, 8192), Tuning()
)
run(positions, cells)
shared = max(kernel.metadata.shared for kernel in seen.values())
print(len(seen), shared)
"""


@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("model", ["0.3.0", "0.2.0"])
def test_kernels_compile(model: str, capability: int) -> None:
    env = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-c", COMPILE, model, str(capability)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    kernels, shared = map(int, done.stdout.split())
    assert kernels >= 25
    assert shared <= 99 * 1024  # what a block may have on any device since 8.0
