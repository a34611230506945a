"""Whom a person's id or name means, and the lists that they stand on."""

import difflib
import re
from pathlib import Path
from typing import Any

from elenco.errors import ElencoError, UnexpectedAnswer
from elenco.layout import Layout
from elenco.registry import Registry
from elenco.rights.denylist import denied, kind_of
from elenco.rights.places import person_folders, sources_of
from elenco.rights.versions import may_be_of, people_of
from elenco.storage import read_json, write_json

_TMDB_ID = re.compile(r"[1-9][0-9]*")
_NUMBERED = re.compile(r"(\d{4}-\d\d-\d\d)(?:-(\d+))?")


def find_person(person: str, layout: Layout) -> str:
    """The id of a person of the layout's kind of source.

    An id wins over a name. A name is looked for on the newest lists of people and in the version
    in use, then on older lists and in other versions; upper and lower case are the same. A number
    is taken for a TMDB id whether or not anybody here has it: they may come later.

    Args:
        person: an id or a whole name.
        layout: whose `source_id` says the kind of source.

    Raises:
        ElencoError: nobody, or more than one, is called that; the message says what to give.
    """
    kind = kind_of(layout.source_id)
    if kind == "tmdb" and _TMDB_ID.fullmatch(person):
        return person
    new, old = _names(kind, layout, newest=True), _names(kind, layout, newest=False)
    if kind == "folder" and (person in new or person in old or _left(person, layout)):
        return person
    for names in (new, old):
        found = sorted(i for i, name in names.items() if _plain(name) == _plain(person))
        if len(found) == 1:
            return found[0]
        if found:
            raise ElencoError(f"{len(found)} people are called {person}: give {_or(found)}")
    near = difflib.get_close_matches(_plain(person), {_plain(name) for name in new.values()}, 3)
    close = sorted(i for i, name in new.items() if _plain(name) in near)
    hint = f"; did you mean {_or([f'{i} ({new[i]})' for i in close])}?" if close else ""
    what = "their TMDB number" if kind == "tmdb" else "the name of their folder"
    raise ElencoError(f"nobody here is called {person!r}: give {what}, or the whole name{hint}")


def is_known(person_id: str, layout: Layout) -> bool:
    """Whether anything here is, or may be, of this person: lists, versions, photographs."""
    kind = kind_of(layout.source_id)
    return (
        _left(person_id, layout, denylist=False)
        or person_id in _names(kind, layout, newest=False)
        or person_id in _names(kind, layout, newest=True)
    )


def leave_lists(person_id: str, source: Layout) -> int:
    """Take a person off every list of people of a source; off how many they were.

    Raises:
        ElencoError: a list can't be read.
    """
    count = 0
    for path in people_lists(source):
        before = _read(path)
        after = _without(before, person_id)
        if after != before:
            write_json(path, after)
            count += 1
    return count


def listed(source: Layout) -> set[str]:
    """The ids of everybody who was ever on a list of a source. Raises ElencoError."""
    return {str(p["id"]) for path in people_lists(source) for p in _read(path)["people"]}


def people_lists(source: Layout) -> list[Path]:
    """The files of a source's lists of people, the oldest first."""
    return sorted(source.people.glob("*.json"), key=_when)


def _when(path: Path) -> tuple[str, int]:
    found = _NUMBERED.fullmatch(path.stem)
    return (found[1], int(found[2] or 0)) if found else (path.stem, 0)


def _names(kind: str, layout: Layout, newest: bool) -> dict[str, str]:
    """Id -> name of what is newest: each source's last list, the version in use; or of the rest."""
    names: dict[str, str] = {}
    for source in sources_of(kind, layout):
        lists = people_lists(source)
        for path in lists[-1:] if newest else lists[:-1]:
            names |= {str(p["id"]): str(p["name"]) for p in _read(path)["people"]}
    registry = Registry(layout.recogniser)
    current = registry.current_name()
    for name in registry.names():
        directory = registry.root / name
        if (name == current) is newest and may_be_of(directory, kind):
            names |= people_of(directory) or {}
    return names


def _left(person_id: str, layout: Layout, denylist: bool = True) -> bool:
    """Whether a person who may be on no list left photographs, or is on the denylist."""
    try:
        folders = [f for fs in person_folders(layout, person_id).values() for f in fs]
    except UnexpectedAnswer:
        return False  # it can't be an id: it could name no folder
    return any(f.is_dir() for f in folders) or (denylist and person_id in denied(layout))


def _read(path: Path) -> Any:
    try:
        value = read_json(path)
        if not all("id" in person and "name" in person for person in value["people"]):
            raise ValueError("somebody has no id or name")
        return value
    except (ValueError, KeyError, TypeError) as error:
        problem = f"{type(error).__name__}: {error}"
        raise ElencoError(
            f"{path} is no list of people ({problem}): delete it, then run the same command again"
        ) from None


def _without(value: Any, person_id: str) -> Any:
    """A JSON value without a person, wherever in it they are: as an object, an id, or a key."""
    if isinstance(value, list):
        return [_without(v, person_id) for v in value if not _is(v, person_id)]
    if isinstance(value, dict):
        return {k: _without(v, person_id) for k, v in value.items() if k != person_id}
    return value


def _is(value: Any, person_id: str) -> bool:
    return value == person_id or (isinstance(value, dict) and str(value.get("id")) == person_id)


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold()


def _or(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
