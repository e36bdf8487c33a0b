"""Where CHGNet's weights come from and which bytes they are."""

from __future__ import annotations

import contextlib
import hashlib
import io
import pickle
import stat
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


# what torch and its restricted unpickler raise for bytes that are no checkpoint
_DAMAGED = (OSError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError,
            pickle.UnpicklingError)  # fmt: skip


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
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe or a device may never end
            raise PluginError("the checkpoint is not a regular file", where=str(path))
        return _sha256(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise _unreadable(path, error) from error


@lru_cache(maxsize=32)
def _sha256(path: Path, mtime_ns: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unreadable(path: Path, error: OSError) -> PluginError:
    return PluginError(f"the checkpoint cannot be read: {error.strerror}", where=str(path))


def verified(path: Path, sha256: str | None) -> str:
    """The file's SHA-256, checked against the one that was pinned.

    Raises
    ------
    PluginError
        With both hashes, if they differ.
    """
    found = sha256_of(path)
    if sha256 is not None:
        _compare(path, found, sha256.lower())
    return found


def _compare(path: Path, found: str, pinned: str) -> None:
    if found != pinned:
        raise PluginError(
            f"the checkpoint's SHA-256 is {found}, but {pinned} is pinned",
            where=str(path),
            hint="restore the file, or pin the new hash if the change is meant",
        )


def read(path: Path, sha256: str | None = None) -> dict[str, Any]:
    """`{"state_dict": ..., "model_args": ...}` of a checkpoint; never runs code from the file.

    Parameters
    ----------
    sha256 : hex, of the very bytes that are loaded: the file may have changed since it was hashed
    """
    import torch

    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    if sha256 is not None:
        _compare(path, hashlib.sha256(data).hexdigest(), sha256.lower())
    try:
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except _DAMAGED as error:
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

    model = read(path, sha256)
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
