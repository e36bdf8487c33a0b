"""What every plugin promises, of whatever kind."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
from typing import Any

from pydantic import ValidationError

from ionflow.kinds import Plugin
from ionflow.testing.contract import require

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")

# another process, and another order of hashing
_IDENTITY_ELSEWHERE = """
import json, pickle, sys
plugin = pickle.load(sys.stdin.buffer)
print(json.dumps(plugin.identity(), sort_keys=True))
"""


def check_plugin(plugin: Plugin, kind: type[Plugin] = Plugin) -> None:
    """Check what every plugin promises: a legal name, documented frozen fields, one identity.

    Raises
    ------
    AssertionError
        Saying which contract is broken and how to mend it.
    """
    require(
        isinstance(plugin, kind),
        f"{type(plugin).__name__} is no {kind.__name__}",
        f"derive it from ionflow.{kind.__name__}",
    )
    _check_name(plugin)
    _check_fields(plugin)
    _check_frozen(plugin)
    _check_copies(plugin)
    _check_identity(plugin)


def _check_name(plugin: Plugin) -> None:
    name = getattr(type(plugin), "use", None)
    require(
        isinstance(name, str) and bool(_NAME.fullmatch(name)),
        f"{type(plugin).__name__}.use is {name!r}, no legal name",
        "set use = 'a_name': a lower-case letter, then lower-case letters, digits, _ or -",
    )
    require(
        bool(type(plugin).__doc__),
        f"{type(plugin).__name__} has no docstring",
        "write one: its first line is shown by `ionflow plugins`",
    )


def _check_fields(plugin: Plugin) -> None:
    for name, field in type(plugin).model_fields.items():
        require(
            bool(field.description),
            f"field {name!r} is not documented",
            "write a docstring under it: it is the reference that users read",
        )
    strangers = sorted(plugin.outside_identity - set(type(plugin).model_fields))
    require(
        not strangers,
        f"outside_identity names {', '.join(strangers)}, which are no fields",
        "name fields only",
    )


def _check_frozen(plugin: Plugin) -> None:
    for name in type(plugin).model_fields:
        try:
            setattr(plugin, name, getattr(plugin, name))
        except ValidationError:
            continue
        require(False, f"field {name!r} can be assigned to", "keep frozen=True in model_config")
    try:
        hash(plugin)
    except TypeError as error:
        require(
            False,
            f"the plugin cannot be hashed ({error})",
            "use tuples instead of lists, and ionflow.Table instead of dicts",
        )


def _check_copies(plugin: Plugin) -> None:
    cls = type(plugin)
    as_read = cls.model_validate(json.loads(plugin.model_dump_json()))
    require(
        as_read == plugin,
        f"through JSON {plugin!r} becomes {as_read!r}",
        "give fields types that JSON carries: numbers, texts, tuples, ionflow.Table, Literal",
    )
    try:
        copied = pickle.loads(pickle.dumps(plugin))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        require(
            False,
            f"the plugin cannot be pickled ({error})",
            "define its class at the top of an importable module, and hold no open resources",
        )
    require(
        copied == plugin and hash(copied) == hash(plugin),
        "a pickled copy is not equal to the plugin",
        "keep all state in the fields",
    )


def _check_identity(plugin: Plugin) -> None:
    here = _canonical(plugin)
    require(
        here == _canonical(plugin),
        "identity() gives two answers in one process",
        "make content() depend on nothing but what decides the result",
    )
    found = subprocess.run(
        [sys.executable, "-c", _IDENTITY_ELSEWHERE],
        input=pickle.dumps(plugin),
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    require(
        found.returncode == 0,
        f"another process cannot load the plugin:\n{found.stderr.decode(errors='replace')}",
        "define its class in an importable module: workers load it from there",
    )
    there = found.stdout.decode().splitlines()[-1]
    require(
        here == there,
        f"identity() differs between processes:\n{here}\n{there}",
        "leave out what differs: addresses, order of sets, times, host names",
    )


def _canonical(plugin: Plugin) -> str:
    identity: Any = plugin.identity()
    try:
        return json.dumps(identity, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise AssertionError(
            f"identity() is not JSON ({error}). Let content() return texts only."
        ) from error
