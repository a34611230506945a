"""Digests that name inputs: the same value gives the same name on every machine and day."""

import dataclasses
import functools
import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

SOURCES = frozenset({".py", ".cjs"})


def digest(*values: Any) -> str:
    """sha256 (hex) of JSON-able values, dataclasses and bytes; the order of dicts plays no part."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def bytes_sha256(data: bytes) -> str:
    """sha256 (hex) of bytes."""
    return hashlib.sha256(data).hexdigest()


def file_sha256(path: Path) -> str:
    """sha256 (hex) of a file's content, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unit_interval(text: str) -> float:
    """A stable number in [0, 1) for a text, evenly spread: the basis of splits and shards."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / 2**64


@functools.cache
def code_digest() -> str:
    """sha256 (hex) of the names and contents of this package's source files."""
    root = Path(__file__).parent
    found = sorted(path for path in root.rglob("*") if path.suffix in SOURCES)
    return digest([(path.relative_to(root).as_posix(), file_sha256(path)) for path in found])


def code_version() -> dict[str, str]:
    """The package's `version`, and the `digest` of its source files as they are."""
    return {"version": version("elenco"), "digest": code_digest()}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    raise TypeError(f"{type(value).__name__} has no stable digest: convert it to JSON types first")
