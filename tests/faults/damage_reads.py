"""Everything that can be read of a run, and what harm to one of its files does to that.

A reading may fail, or give what it gave before the harm; anything else is silently wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from disk_run import run, smallest

import ionflow
from ionflow.status import status
from ionflow.store import Store

Reading = Callable[[], Any]


def sample(out: Path) -> Path:
    """A run that holds every kind of file: sealed and live segments, states, results, a report."""
    recipe = smallest()
    production = recipe["protocol"]["production"]
    melt = {**production, "record": False}
    run(out, {**recipe, "protocol": {"melt": melt, "production": production}})
    longer = {**production, "duration_ps": 0.06}
    run(out, {**recipe, "protocol": {"melt": melt, "production": longer}}, segments=3)
    return out


def readings(root: Path) -> Iterator[tuple[str, Reading]]:
    """Each thing that the public interface gives of a run, by a name that holds its key."""
    yield "rows", lambda: ionflow.open(root).rows
    yield "provenance", lambda: ionflow.open(root).provenance
    yield "recipe", lambda: ionflow.open(root).recipe
    yield "failures", lambda: ionflow.open(root).failures
    yield "status", lambda: _told(status(root))
    opened, store = ionflow.open(root), Store(root)
    for row in opened.rows:
        yield from _OF_KIND[row.kind](opened, store, row)
        yield f"explain {row.key}", lambda key=row.key: opened.explain(key).data
    for path in sorted(root.glob("analyses/*.json")):  # of earlier recipes, too
        yield f"stored {path.stem}", lambda key=path.stem: store.read_result(key).load()


def _of_structure(opened: Any, store: Store, row: Any) -> Iterator[tuple[str, Reading]]:
    yield f"structure {row.key}", lambda: opened.structure(row.key)
    yield f"structure record {row.key}", lambda: store.structure_record(row.key)


def _of_stage(opened: Any, store: Store, row: Any) -> Iterator[tuple[str, Reading]]:
    yield f"segments {row.key}", lambda: store.segments(row.key)
    yield f"trajectory {row.key}", lambda: opened.trajectory(row.name).load()
    # every state that a segment ends with is one to go on from
    for step in range(5, row.steps + 1, 5):
        yield f"state {row.key} {step}", lambda at=step: _state(store, row.key, at)


def _state(store: Store, key: str, step: int) -> Any:
    return store.read_state(key, step) if step <= store.progress(key) else None


def _of_analysis(opened: Any, store: Store, row: Any) -> Iterator[tuple[str, Reading]]:
    if store.has_result(row.key):
        yield f"result {row.key}", opened.results[row.name].load
        yield f"result record {row.key}", lambda: store.result_record(row.key)


_OF_KIND = {"structure": _of_structure, "stage": _of_stage, "analysis": _of_analysis}


def _told(found: Any) -> Any:
    return {name: value for name, value in vars(found).items() if name != "holder"}


def plain(value: Any) -> Any:
    """A value in a form in which equal means equal to the last bit."""
    if isinstance(value, xr.Dataset):
        parts = {
            str(n): (v.dims, plain(v.values), plain(v.attrs)) for n, v in value.variables.items()
        }
        return "dataset", parts, plain(value.attrs)
    if isinstance(value, np.ndarray):
        return (
            value.dtype.str,
            value.shape,
            str(value.tolist()) if value.dtype.kind in "OUT" else value.tobytes(),
        )
    if hasattr(value, "todict"):  # ase.Atoms
        return {name: plain(v) for name, v in value.todict().items()} | {"info": plain(value.info)}
    if hasattr(value, "__dataclass_fields__"):
        return type(value).__name__, plain(dict(vars(value)))
    if isinstance(value, dict):
        return {str(name): plain(v) for name, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value if isinstance(value, bytes | type(None)) else repr(value)


Truth = dict[str, Any]


def truth_of(root: Path) -> Truth:
    """What is read of an unharmed run."""
    return {name: plain(act()) for name, act in readings(root)}


def read_again(
    root: Path, truth: Truth, concerned: Callable[[str], bool]
) -> tuple[list[str], list[str]]:
    """Errors, and names of readings that give something else without one."""
    errors, wrong, seen = [], [], set()
    try:
        for name, act in readings(root):
            seen.add(name)
            if concerned(name):
                _compare(name, act, truth, errors, wrong)
    except Exception as error:  # noqa: BLE001 - of the opening itself; any error is loud
        return [*errors, f"{type(error).__name__}: {error}"], wrong
    # a result that is not listed any more is missed, if not by name
    missing = [n for n in truth if n not in seen and concerned(n) and not n.startswith("stored")]
    return [*errors, *(f"missing: {name}" for name in missing)], wrong


def _compare(name: str, act: Reading, truth: Truth, errors: list[str], wrong: list[str]) -> None:
    try:
        value = plain(act())
    except Exception as error:  # noqa: BLE001 - any error is loud
        errors.append(f"{name}: {type(error).__name__}: {error}")
        return
    if value == truth[name]:
        return
    if name.startswith("explain") and lacks(value, truth[name]):
        if tells_of_damage(value):
            errors.append(f"{name}: says that something is damaged")
        return
    if name.startswith(_GROWING) and is_shorter(value, truth[name]):
        errors.append(f"shorter: {name}")
    else:
        wrong.append(name)


_GROWING = ("segments", "trajectory", "state")


def is_shorter(value: Any, truth: Any) -> bool:
    """Whether a value is the true one up to some time: what lies after a gap is not counted."""
    if value is None or value == truth:
        return True
    if isinstance(value, dict) and isinstance(truth, dict):
        return value.keys() == truth.keys() and all(is_shorter(value[n], truth[n]) for n in value)
    if isinstance(value, tuple) and isinstance(truth, tuple) and isinstance(value[-1], bytes):
        return value[0] == truth[0] and truth[-1].startswith(value[-1])
    if isinstance(value, list | tuple) and isinstance(truth, list | tuple):
        return len(value) <= len(truth) and all(map(is_shorter, value, truth))
    return False


def _is_damage(name: str, value: Any) -> bool:
    if name == "doubts":
        return all("cannot be read" in doubt for doubt in value)
    return (name, value) == ("state", "'damaged'")


def tells_of_damage(value: Any) -> bool:
    """Whether an explanation calls something damaged, wherever in its tree that stands."""
    if isinstance(value, dict):
        return any(_is_damage(n, part) or tells_of_damage(part) for n, part in value.items())
    return isinstance(value, list) and any(map(tells_of_damage, value))


def lacks(value: Any, truth: Any) -> bool:
    """Whether an explanation is the true one, but for parts said to be damaged or not known."""
    if isinstance(value, dict) and isinstance(truth, dict):
        told = {name: part for name, part in value.items() if not _is_damage(name, part)}
        return all(name in truth and lacks(part, truth[name]) for name, part in told.items())
    if isinstance(value, list) and isinstance(truth, list) and len(value) == len(truth):
        return all(map(lacks, value, truth))
    return value in (truth, {}, [], None, "''", "None")


def files_of(root: Path) -> list[Path]:
    """Every file of a run folder that is meant to stay."""
    found = (path for path in root.rglob("*") if path.is_file())
    hidden = (".tmp", ".guard", "logs")
    return sorted(p for p in found if not set(p.relative_to(root).parts) & set(hidden))


def kind_of(root: Path, path: Path) -> str:
    """What a file is, in words of the run folder's layout."""
    parts = path.relative_to(root).parts
    if parts[0] in ("trajectories", "analyses") and path.name == "zarr.json":
        return f"{parts[0]}: metadata of zarr"
    if parts[0] == "trajectories" and len(parts) > 3:
        return f"trajectories: {parts[2].replace('.zarr', '')}"
    if parts[0] in ("trajectories", "analyses"):
        return f"{parts[0]}: {'list' if path.suffix == '.json' else 'chunks'}"
    return parts[0]


@contextmanager
def harmed(path: Path, harm: Callable[[Path], None]) -> Iterator[None]:
    """A file is harmed meanwhile."""
    before, times = path.read_bytes(), path.stat()
    harm(path)
    try:
        yield
    finally:
        _clear(path)
        path.write_bytes(before)
        path.chmod(times.st_mode)


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


@dataclass
class Tally:
    """What came of a number of harms."""

    what: str = ""
    tried: int = 0
    wall_s: float = 0.0
    noticed: Counter[str] = field(default_factory=Counter)
    """By a reading, by kind of file."""
    verified: Counter[str] = field(default_factory=Counter)
    """By `verify --deep` alone."""
    harmless: Counter[str] = field(default_factory=Counter)
    """By nobody, and nothing reads other than before."""
    silent: list[str] = field(default_factory=list)
    unnamed: list[str] = field(default_factory=list)
    """A reading failed, but neither its message nor verify names the file."""

    def add(
        self, root: Path, path: Path, errors: list[str], wrong: list[str], found: list[str]
    ) -> None:
        """Count one harm."""
        self.tried += 1
        kind = kind_of(root, path)
        marks = path.name in ("store.json", "run.json")
        name = str(root) if marks else str(path)  # without them it is no run folder
        said = any(name in text for text in [*errors, *found])
        if wrong:
            self.silent.append(f"{path.relative_to(root)}: {wrong} ({errors}, {found})")
        if errors:
            self.noticed[kind] += 1
        elif found:
            self.verified[kind] += 1
        elif not wrong:
            self.harmless[kind] += 1
        if (errors or found) and not said:
            self.unnamed.append(f"{path.relative_to(root)}: {errors[:1]}, {found[:1]}")

    @property
    def details(self) -> list[str]:
        """What should not have been."""
        return [*self.silent, *self.unnamed]

    def row(self) -> dict[str, Any]:
        """A line of the table."""
        return {
            "what": self.what,
            "how many": self.tried,
            "noticed on reading": self.noticed.total(),
            "by verify --deep alone": self.verified.total(),
            "harmless": self.harmless.total(),
            "silent": len(self.silent),
            "not named": len(self.unnamed),
            "wall time": f"{self.wall_s / 60:.1f} min",
        }


def flip(rng: np.random.Generator) -> Callable[[Path], None]:
    """Flips one bit at a random place."""

    def harm(path: Path) -> None:
        data = bytearray(path.read_bytes())
        bit = int(rng.integers(len(data) * 8))
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)

    return harm


def concerning(root: Path, path: Path) -> Callable[[str], bool]:
    """Whether a reading can have to do with a file: it names its key, or is of the whole run."""
    parts = path.relative_to(root).parts
    key = parts[1].split(".")[0] if parts[0] in ("trajectories", "analyses", "structures") else ""
    if len(key) < 60:
        return lambda name: not name.startswith(("state", "trajectory"))
    return lambda name: key in name and not name.startswith("explain")


def examine(
    root: Path,
    truth: Truth,
    path: Path,
    harm: Callable[[Path], None],
    tally: Tally,
    *,
    everything: bool = False,
) -> None:
    """Harm a file, read, verify, count."""
    concerned = (lambda _: True) if everything else concerning(root, path)
    with harmed(path, harm):
        errors, wrong = read_again(root, truth, concerned)
        found = _verified(root)
    tally.add(root, path, errors, wrong, found)


def _verified(root: Path) -> list[str]:
    try:
        return [str(problem) for problem in Store.open(root).verify(deep=True)]
    except Exception as error:  # noqa: BLE001 - a verify that fails is loud; what it says is looked at
        return [f"{type(error).__name__}: {error}"]
