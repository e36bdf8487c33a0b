"""JSON that notices when a digit of it changes.

    {"sha256": "9f86…", "finished": "2026-03-01T12:00:00+00:00", …}

The first member is the SHA-256 of the canonical JSON of all others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ionflow.errors import StoreError
from ionflow.store.archive import damage
from ionflow.store.files import open_plain
from ionflow.store.keys import plain

_DIGEST = "sha256"


def document_bytes(content: Mapping[str, Any], name: str = "") -> bytes:
    """A JSON object as it is written.

    Raises
    ------
    StoreError
        If it is no object, holds what JSON cannot, or has a member of the digest's name.
    """
    if not isinstance(content, Mapping) or _DIGEST in content:
        reason = f"only a JSON object without a member {_DIGEST!r} can be written"
        raise StoreError(f"{reason}, not {type(content).__name__}", where=name)
    body = plain(content, name)
    return (json.dumps({_DIGEST: _digest(body), **body}, indent=1) + "\n").encode()


def read_document(path: Path) -> dict[str, Any]:
    """The content of a document, compared with its digest.

    Raises
    ------
    StoreError
        If the file is missing or damaged.
    """
    with damage(path):
        with open_plain(path) as file:
            content: dict[str, Any] = json.loads(file.read())
        if not isinstance(content, dict) or content.pop(_DIGEST, "") != _digest(content):
            raise ValueError("the checksum does not fit")
    return content


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
