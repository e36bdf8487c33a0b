"""Where CHGNet's weights come from and which bytes they are."""

from __future__ import annotations

import contextlib
import hashlib
import io
import pickle
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ionflow.errors import PluginError

if TYPE_CHECKING:
    from chgnet.model.model import CHGNet as ChgnetModel

BUNDLED = {
    "0.3.0": "0.3.0/chgnet_0.3.0_e29f68s314m37.pth.tar",
    "0.2.0": "0.2.0/chgnet_0.2.0_e30f77s348m32.pth.tar",
    "r2scan": "r2scan/chgnet_r2scan_transfer_learning_e15f36s161m23.pth.tar",
}


def bundled(model: str) -> Path:
    """Path of a checkpoint that comes with the chgnet package, found without importing it."""
    spec = find_spec("chgnet")
    if spec is None or not spec.submodule_search_locations:
        raise PluginError("the chgnet package is not installed", hint="pip install chgnet")
    path = Path(spec.submodule_search_locations[0], "pretrained", BUNDLED[model])
    if not path.is_file():
        raise PluginError(
            f"the installed chgnet has no checkpoint {model!r}",
            where=str(path),
            hint="install chgnet 0.4.2 or later, or give checkpoint and sha256",
        )
    return path


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, hex; read once per process unless the file changes."""
    try:
        stat = path.stat()
        return _sha256(path, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        raise PluginError(
            f"the checkpoint cannot be read: {error.strerror}", where=str(path)
        ) from error


@lru_cache(maxsize=32)
def _sha256(path: Path, mtime_ns: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verified(path: Path, sha256: str | None) -> str:
    """The file's SHA-256, checked against the one that was pinned.

    Raises
    ------
    PluginError
        With both hashes, if they differ.
    """
    found = sha256_of(path)
    if sha256 is not None and found != sha256.lower():
        raise PluginError(
            f"the checkpoint's SHA-256 is {found}, but {sha256.lower()} is pinned",
            where=str(path),
            hint="restore the file, or pin the new hash if the change is meant",
        )
    return found


def read(path: Path) -> dict[str, Any]:
    """`{"state_dict": ..., "model_args": ...}` of a checkpoint; never runs code from the file."""
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise PluginError(
            f"the checkpoint cannot be loaded with weights_only=True: {error}", where=str(path)
        ) from error
    model = state.get("model") if isinstance(state, dict) else None
    if not isinstance(model, dict) or not {"state_dict", "model_args"} <= model.keys():
        raise PluginError(
            "no CHGNet checkpoint: state['model'] lacks state_dict and model_args",
            where=str(path),
            hint='save it as chgnet\'s trainer does: torch.save({"model": model.as_dict()}, path)',
        )
    return model


@lru_cache(maxsize=4)
def stock_model(path: Path, sha256: str) -> ChgnetModel:
    """chgnet's own model of these weights, one per process; `sha256` makes it the file's content.

    Version 0.2.0 has a bias in `mlp_out`, which its stored arguments do not say: the presence of
    the weight does.
    """
    from chgnet.model.model import CHGNet as ChgnetModel

    model = read(path)
    biased = any(name.endswith("mlp_out.layers.1.bias") for name in model["state_dict"])
    extra = {} if "mlp_out_bias" in model["model_args"] else {"mlp_out_bias": biased}
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints its number of parameters
            built = ChgnetModel.from_dict(model, **extra)
    except (RuntimeError, TypeError, KeyError, NotImplementedError) as error:
        raise PluginError(
            f"chgnet cannot build a model from this checkpoint: {error}", where=str(path)
        ) from error
    built.eval().requires_grad_(False)
    return built
