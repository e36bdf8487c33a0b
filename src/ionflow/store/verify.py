"""Looking for damage in a run folder, and for what should be there and is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ionflow.errors import StoreError
from ionflow.store.archive import Archive
from ionflow.store.checked import Listing, differences, open_checked
from ionflow.store.documents import read_document
from ionflow.store.epochs import epoch_path, epochs
from ionflow.store.problem import Problem, listed, tried
from ionflow.store.state import read_state
from ionflow.store.texts import TEXTS, text_problems
from ionflow.store.verify_trajectory import read_all, trajectory_problems

if TYPE_CHECKING:
    from ionflow.store.store import Store

Row = Mapping[str, Any]


def problems(store: Store, deep: bool) -> Iterator[Problem]:
    """Every problem of a run folder."""
    root = store.root
    run = _run(store)
    rows, finished = _asked(run)
    for path in listed(root, "structures/*.zarr.zip"):
        yield from tried(path, _read_state, path)
    for path in listed(root, "trajectories/*"):
        yield from trajectory_problems(store, path, deep, rows.get(path.name))
    yield from _results(root / "analyses", deep)
    documents = ("*.json", "failures/*.json", "provenance/*.json")
    for path in [path for pattern in documents for path in listed(root, pattern)]:
        yield from tried(path, read_document, path)
    yield from text_problems(root)
    yield from _holders(root)
    yield from _lost_provenance(root, run)
    if finished:
        yield from _missing(store, rows)
        # a driver that lists what it keeps has written its recipe too
        if "kept" in run and not (root / TEXTS).exists():
            yield Problem(root / TEXTS, "missing, though the run is finished")


def _asked(run: Mapping[str, Any]) -> tuple[dict[str, Row], bool]:
    """Tasks of run.json by key, and whether all of them are said to be done."""
    try:
        return {row["key"]: row for row in run.get("tasks", ())}, bool(run.get("finished"))
    except (KeyError, TypeError):
        return {}, False


def _run(store: Store) -> dict[str, Any]:
    try:
        return store.read_json("run.json")
    except StoreError:
        return {}  # none yet; a damaged one is reported as such


def _lost_provenance(root: Path, run: Mapping[str, Any]) -> Iterator[Problem]:
    for name in run.get("kept", ()):
        file = f"provenance/{name}.json"
        if not (root / file).exists() and not listed(root, f"quarantine/*/{file}"):
            yield Problem(root / file, "missing: what it said of software or recipe is lost")


def _missing(store: Store, rows: Mapping[str, Row]) -> Iterator[Problem]:
    failed = {path.stem for path in listed(store.root, "failures/*.json")}
    for key, row in rows.items():
        if not _is_lost(key, rows, failed):
            path = _place(store.root, row["kind"], key)
            yield from tried(path, _check_done, store, row, path)


def _is_lost(key: str, rows: Mapping[str, Row], failed: set[str]) -> bool:
    inputs = [source["key"] for source in rows.get(key, {}).get("inputs", ())]
    return key in failed or any(_is_lost(source, rows, failed) for source in inputs)


def _place(root: Path, kind: str, key: str) -> Path:
    names = {"structure": f"structures/{key}.zarr.zip", "analysis": f"analyses/{key}.zarr"}
    return root / names.get(kind, f"trajectories/{key}")


def _check_done(store: Store, row: Row, path: Path) -> None:
    key, kind = row["key"], row["kind"]
    done = {"structure": store.has_structure, "analysis": store.has_result}
    if kind in done and not done[kind](key):
        raise StoreError("missing, though the run is finished", where=str(path))
    if kind == "stage" and not path.is_dir():
        raise StoreError("missing, though the run is finished", where=str(path))
    # damage is reported where it is, not as a trajectory that is too short
    if kind == "stage" and (reached := store.progress(key)) < row["steps"]:
        reason = f"reaches step {reached} of {row['steps']}, though the run is finished"
        raise StoreError(reason, where=str(path))


def _read_state(path: Path) -> None:
    with Archive(path) as archive:
        archive.members()
        read_state(archive)


def _results(folder: Path, deep: bool) -> Iterator[Problem]:
    for path in listed(folder, "*.json"):
        found = list(tried(path, _files, path))
        yield from found
        if not found:
            yield from tree_problems(path.with_suffix(".zarr"), _files(path), deep)


def _files(path: Path) -> Listing:
    files: Listing = read_document(path)["files"]
    return files


def tree_problems(place: Path, files: Listing, deep: bool) -> Iterator[Problem]:
    """Problems of a zarr folder whose files are listed."""
    found = [Problem(path, message) for path, message in differences(place, files, deep)]
    yield from found
    if deep and not found:
        yield from tried(place, lambda: read_all(open_checked(place, files, {})))


def _holders(root: Path) -> Iterator[Problem]:
    for epoch in epochs(root):
        path = epoch_path(root, epoch, "json")
        if path.exists():
            yield from tried(path, read_document, path)
