"""Versions of the recogniser as data of the people whom they know: a vector of each face."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from elenco.layout import Layout
from elenco.registry import CANDIDATE
from elenco.rights.denylist import Denylist, denied
from elenco.storage import read_json


def source_of(directory: Path) -> str | None:
    """The kind of source that a version was trained on; None if its card does not say."""
    source = _read(directory / "card.json", "source")
    return source if isinstance(source, str) else None


def people_of(directory: Path) -> dict[str, str] | None:
    """Id -> name of those whom a version knows; None if it is damaged."""
    try:
        people = _read(directory / "labels.json", "people")
        return {str(person["id"]): str(person["name"]) for person in people}
    except (KeyError, TypeError):
        return None


def may_be_of(directory: Path, kind: str) -> bool:
    """Whether a version was trained on a kind of source, or does not say on which."""
    return source_of(directory) in (kind, None)


def may_know(directory: Path, person_id: str, kind: str) -> bool:
    """Whether a version knows a person, or its evaluation names them.

    One that is too damaged to say counts as if it did.
    """
    people = people_of(directory)
    knows = people is None or person_id in people or _names(directory, person_id)
    return may_be_of(directory, kind) and knows


def _names(directory: Path, person_id: str) -> bool:
    """Whether the evaluation in a version holds a person's id, as a whole value."""
    try:
        text = (directory / "evaluation" / "report.json").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return False  # there is none: nobody was held out
    return json.dumps(person_id, ensure_ascii=False) in text


def candidates(layout: Layout) -> list[Path]:
    """Directories of what was trained and is not a version yet."""
    return sorted(layout.recogniser.glob(f"{CANDIDATE}*"))


def denied_of(directory: Path, layout: Layout) -> Denylist:
    """The denylist that holds for a version: that of the kind of source it was trained on."""
    kind = source_of(directory)
    return denied(layout if kind is None else replace(layout, source_id=kind))


def knows_denied(directory: Path, layout: Layout) -> bool:
    """Whether a version knows a person who is not to come back."""
    denylist = denied_of(directory, layout)
    return any(person in denylist for person in people_of(directory) or {})


def _read(path: Path, key: str) -> Any:
    """A value of a JSON object; None if the file is gone, or is damaged and has none."""
    try:
        return read_json(path)[key]
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None
