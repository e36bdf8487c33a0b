"""Compiles the CHGNet kernel, if there is a compiler; everything else is in pyproject.toml."""

from __future__ import annotations

import platform
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError

FOLDER = Path("src/ionflow/builtin/potentials/chgnet/kernel")

FLAGS = [
    "-std=gnu11",
    "-O3",
    "-g0",
    "-fPIC",
    "-fvisibility=hidden",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=fast",
]

#: One copy of evaluate.c for each; the best that the machine runs is chosen when it runs.
INSTRUCTIONS: dict[str, list[str]] = {"generic": []}
if platform.machine().lower() in {"x86_64", "amd64"}:
    INSTRUCTIONS |= {
        "avx2": ["-mavx2", "-mfma"],
        "avx512": [
            *("-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma"),
            "-mprefer-vector-width=512",
        ],
    }


class BuildKernel(build_ext):
    """Compiles each instruction set apart; a failure leaves a working install without kernel."""

    def build_extension(self, ext: Extension) -> None:
        objects = [
            path for name in ("dispatch", "graph") for path in self._compiled(f"{name}.c", name, [])
        ]
        variants = [
            self._compiled("evaluate.c", name, [*flags, f"-DINSTRUCTIONS={name}"])
            for name, flags in INSTRUCTIONS.items()
        ]
        if len(objects) < 2 or not any(variants):
            self.warn("ionflow goes without its compiled CHGNet kernel and will use torch instead")
            return
        target = Path(self.get_ext_fullpath(ext.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        objects += [path for paths in variants for path in paths]
        self.compiler.link_shared_object(objects, str(target), libraries=["m"])

    def _compiled(self, source: str, name: str, flags: list[str]) -> list[str]:
        try:
            return self.compiler.compile(
                [str(FOLDER / source)],
                output_dir=str(Path(self.build_temp, name)),
                extra_postargs=[*FLAGS, *flags],
            )
        except (BaseError, CCompilerError, OSError) as error:
            self.warn(f"cannot compile {source} for {name}: {error}")
            return []


setup(
    ext_modules=[
        Extension(
            "ionflow.builtin.potentials.chgnet.kernel.chgnet",
            sources=[str(FOLDER / name) for name in ("evaluate.c", "dispatch.c", "graph.c")],
            depends=sorted(str(path) for path in FOLDER.glob("*.h")),
            optional=True,
        )
    ],
    cmdclass={"build_ext": BuildKernel},
)
