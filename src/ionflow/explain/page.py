"""An explanation as a page for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from ionflow import software
from ionflow.machine import MAIN

_SHOWN = 6
_LINES = 12

Data = Mapping[str, Any]
Row = tuple[str, RenderableType]


def page(data: Data) -> RenderableType:
    """Head, facts, then what it was made from and what was made from it."""
    head = Text(" ".join(w for w in (data["name"], data["label"]) if w), style="bold")
    head.append(f"  {data['kind']}", style="dim")
    return Group(head, _table(_facts(data)), *_sections(data))


def _table(rows: Iterable[Row]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, what in rows:
        table.add_row(name, what)
    return table


def _facts(data: Data) -> Iterator[Row]:
    yield "key", Text(data["key"])
    yield "run", Text(data["run"])
    yield "state", Text(data["state"])
    yield from _failure(data.get("failure") or {})
    for role, maker in data.get("made_by", {}).items():
        yield from _maker(role, maker)
    if "seed" in data:
        yield "seed", Text(str(data["seed"]))
    yield from _made(data.get("made") or {})
    yield from _software(data.get("software") or {})
    yield from _promise(data.get("reproducibility") or {})
    yield from (("segments" if not n else "", line) for n, line in enumerate(_segments(data)))
    yield from (("invocations" if not n else "", line) for n, line in enumerate(_invocations(data)))
    yield from (("DOUBT", Text(doubt)) for doubt in _some(data.get("doubts", ())))
    yield from _files(data.get("files") or {})


def _some(told: Sequence[str]) -> list[str]:
    left = len(told) - _SHOWN
    return [*told[:_SHOWN], f"and {left} more"] if left > 0 else list(told)


def _failure(failure: Data) -> Iterator[Row]:
    if not failure:
        return
    yield "FAILED", Text(str(failure.get("reason", "no reason recorded")))
    for name in ("when", "attempts"):
        if failure.get(name):
            yield name, Text(str(failure[name]))
    for name in ("worker", "system"):
        if failure.get(name):
            yield name, Text(_pairs(failure[name]))
    yield from _lines("last lines", failure.get("last_lines") or ())
    yield from _lines("traceback", str(failure.get("traceback") or "").rstrip().splitlines())


def _lines(name: str, lines: Sequence[Any] | str) -> Iterator[Row]:
    listed = lines.splitlines() if isinstance(lines, str) else [str(line) for line in lines]
    if listed:
        left = [f"… {len(listed) - _LINES} lines more above"] if len(listed) > _LINES else []
        yield name, Text("\n".join([*left, *listed[-_LINES:]]))


# plugins


def _maker(role: str, maker: Data) -> Iterator[Row]:
    if "use" not in maker:  # a stage is parameters alone
        yield role, Text(_pairs(maker))
        return
    version = f"version {maker.get('version', '?')}"
    yield role, Text(f"{maker['use']}, {version}, {_distribution(maker)}".rstrip(", "))
    parameters = maker.get("parameters") or {}
    changed = {n: v for n, v in parameters.items() if n in maker.get("changed", parameters)}
    rest = {n: v for n, v in parameters.items() if n not in changed}
    if changed:
        yield "", Text(_pairs(changed))
    if rest:
        yield "", Text(f"defaults: {_pairs(rest)}", style="dim")
    for name, sha in (maker.get("content") or {}).items():
        yield "", Text(f"{name} SHA-256 {sha}", style="dim")


def _distribution(maker: Data) -> str:
    name = maker.get("distribution")
    return f"of {name} {maker.get('distribution_version', '')}".rstrip() if name else ""


def _pairs(values: Data) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in values.items())


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return f"({_pairs(value)})"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return str(value)


# circumstances


def _made(made: Data) -> Iterator[Row]:
    if not made:
        return
    took = f", in {duration(made['wall_s'])}" if "wall_s" in made else ""
    if "made" in made:
        yield "made", Text(f"{moment(made['made'])}{took}")
    if "host" in made:
        yield "where", Text(_place(made))
    for part, how in made.get("backend", {}).items():
        yield f"{part}", Text(f"computed by {_pairs(how)}", style="dim")


def _place(made: Data) -> str:
    device = made.get("gpu") or made.get("device")
    cuda = f"CUDA {made['cuda']}, driver {made.get('driver') or '?'}" if "cuda" in made else ""
    threads = made.get("threads")
    told = [made.get("host"), made.get("cpu"), device if device != "cpu" else "", cuda]
    return ", ".join(
        [*(str(t) for t in told if t), *([count(threads, "thread")] if threads else [])]
    )


def _software(found: Data) -> Iterator[Row]:
    if not found:
        return
    versions = found.get("versions", {})
    python = f"Python {found['python']}, " if "python" in found else ""
    main = software.told(versions, MAIN)
    others = len(versions) - sum(name in versions for name in MAIN)
    more = f" and {others} more ({found['digest']})" if others > 0 else ""
    yield "software", Text(f"{python}{main}{more}" if versions else "its table is not there")
    for name, at in found.get("git", {}).items():
        changed = {True: ", with changes", False: "", None: ", perhaps with changes"}[at["dirty"]]
        yield "commit", Text(f"{name} {at['commit'][:12]}{changed}")


def _promise(found: Data) -> Iterator[Row]:
    if found:
        why = f" ({'; '.join(found['why'])})" if found["why"] else ""
        yield "repeatable", Text(f"{found['is']}: {found['means']}{why}")


def _segments(data: Data) -> Iterator[Text]:
    for part in data.get("segments", ()):
        steps = f"steps {part['first_step']} to {part['last_step']}"
        process = f", {part['processes']} processes" if part["processes"] > 1 else ""
        made = moment(part["until"]) if "until" in part else ""
        head = f"{count(part['segments'], 'segment')}, {steps}, {duration(part['wall_s'])}"
        told = (head, _place(part) + process, _invocation(part), made)
        yield Text("; ".join(t for t in told if t))


def _invocation(part: Data) -> str:
    return f"invocation {part['epoch']}" if part.get("epoch") else ""


def _invocations(data: Data) -> Iterator[Text]:
    for entry in data.get("invocations", ()):
        began = moment(entry.get("started"))
        ended = entry.get("how") or "no end written: it runs, or was killed"
        where = f"process {entry.get('pid')} on {entry.get('host')}"
        yield Text(f"{entry['epoch']}: {began}, {ended}; {where}; {entry.get('command', '')}")


def _files(files: Data) -> Iterator[Row]:
    if files:
        size = f"{count(files['files'], 'file')}, {files['bytes'] / 1e6:.3g} MB"
        inside = (
            "" if files["checksums"] == files["path"] else f", checksums in {files['checksums']}"
        )
        yield "files", Text(f"{files['path']}: {size}{inside}")


# lineage


def _sections(data: Data) -> Iterator[RenderableType]:
    for title, name in (("made from", "from"), ("made from it", "into")):
        if data.get(name):
            tree = Tree(Text(title, style="dim"), guide_style="dim")
            _grow(tree, data[name])
            yield Padding(tree, (1, 0, 0, 0))


def _grow(tree: Tree, nodes: Sequence[Data]) -> None:
    for _, alike in groupby(nodes, lambda node: node["name"]):
        group = list(alike)
        for node in group[:_SHOWN]:
            _grow(tree.add(_node(node)), node.get("from", ()))
        if len(group) > _SHOWN:
            tree.add(Text(f"and {len(group) - _SHOWN} more {group[0]['name']}", style="dim"))


def _node(node: Data) -> Text:
    text = Text(node["key"][:12], style="dim")
    text.append(f"  {node['name']} {node['label']}".rstrip(), style="default")
    if node.get("steps"):
        text.append(f", to step {node['steps']}")
    if node["state"] != "done":
        text.append(f"  {node['state']}", style="bold")
    return text.append("  as above") if node.get("told") else text


def count(number: int, noun: str) -> str:
    """A number with its noun.

    >>> count(1, "segment"), count(3, "process")
    ('1 segment', '3 processes')
    """
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number} {noun}{ending}"


def moment(text: Any) -> str:
    """A moment of ISO 8601 as people write it.

    >>> moment("2026-01-02T03:04:05+00:00")
    '2026-01-02 03:04:05 UTC'
    """
    return str(text or "").replace("T", " ").replace("+00:00", " UTC")


def duration(seconds: float) -> str:
    """A time that something took.

    >>> duration(0.034), duration(312.4), duration(9000)
    ('0.034 s', '5.21 min', '2.5 h')
    """
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"
