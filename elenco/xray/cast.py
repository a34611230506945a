"""Who may be named in a film: a list in a file, TMDB's credits, or everybody."""

import csv
import io
import json
import tomllib
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from elenco.errors import ConfigError, NotEnoughData
from elenco.settings import Settings
from elenco.sources.network import run
from elenco.text import well_formed
from elenco.types import Person

FORM = (
    '[[person]] tables with id = 287 or name = "Brad Pitt", and character = "…" if you like '
    "(TOML), a list of such objects (JSON), or columns id, name, character (CSV)"
)


@dataclass(frozen=True)
class Role:
    """A line of a cast.

    Attributes:
        id: as the recogniser knows somebody; empty where only the name is given.
        name: empty where only the id is given.
        character: whom they play; None where it is not said.
    """

    id: str
    name: str
    character: str | None = None


@dataclass(frozen=True)
class Wanted:
    """A cast as it was given, by credits; `roles` is None for everybody.

    Attributes:
        source: where it is from.
        roles: nobody twice.
        movie: TMDB's number of the film.
        repeated: lines that named somebody once more.
    """

    source: Literal["everyone", "file", "tmdb"]
    roles: tuple[Role, ...] | None = None
    movie: int | None = None
    repeated: int = 0


@dataclass(frozen=True)
class Found:
    """A cast among the people of a recogniser.

    Attributes:
        roles: of those who may be told of, in the order of the credits, with their place there.
        indices: the index into the recogniser's people of each; None where it lacks them.
        skipped: how many of the cast can't be named, by reason.
    """

    roles: tuple[tuple[int, Role], ...]
    indices: tuple[int | None, ...]
    skipped: dict[str, int]

    def candidates(self) -> list[int]:
        """Indices of those who can be named, ascending."""
        return sorted(index for index in self.indices if index is not None)


def everyone() -> Wanted:
    """All that the recogniser knows."""
    return Wanted("everyone")


def choose_cast(path: Path | None, movie: int | None, settings: Settings) -> Wanted:
    """The cast of a file, or of a film, or everybody; raises what the two below raise.

    Raises:
        ConfigError: both are given.
    """
    if path is not None and movie is not None:
        raise ConfigError("a cast is given as a file and as a film: give one of them")
    if path is not None:
        return read_cast(path)
    return everyone() if movie is None else movie_cast(movie, settings)


def read_cast(path: Path) -> Wanted:
    """A cast of a file: .toml, .json (also what TMDB answers for credits) or .csv.

    Raises:
        ConfigError: there is no such file, it is no such list, or it lists nobody.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"there is no cast {path}: give another with --cast") from None
    except (IsADirectoryError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no list of a cast ({error}): write {FORM}") from None
    readers = {".toml": _toml, ".json": _json, ".csv": _csv}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(f"{path} is neither .toml nor .json nor .csv: write {FORM}")
    try:
        entries = reader(text)
    except (ValueError, RecursionError, csv.Error) as error:
        problem = " ".join(str(error).split())[:200]
        raise ConfigError(f"{path} can't be read ({problem}): write {FORM}") from None
    if not isinstance(entries, list) or not entries:
        raise ConfigError(f"{path} lists nobody: write {FORM}")
    roles = [_role(entry, f"{path}, person {n}") for n, entry in enumerate(entries, 1)]
    return wanted_of("file", roles)


def movie_cast(movie: int, settings: Settings) -> Wanted:
    """The cast of a film by TMDB's credits.

    Raises:
        ConfigError: TMDB has no such film, or it has no cast.
        TokenMissing, TermsNotAccepted: the operator has to say something first.
        SourceError: TMDB did not answer, or with something else.
    """
    from elenco.sources.tmdb import open_source

    async def ask() -> list[tuple[str, str, str | None]]:
        async with open_source(settings) as source:
            return await source.credits(movie)

    try:
        credits = run(ask())
    except LookupError:
        raise ConfigError(
            f"TMDB has no film {movie}: its number is the last part of themoviedb.org/movie/603"
        ) from None
    if not credits:
        raise ConfigError(f"TMDB lists no cast of film {movie}: give one with --cast FILE")
    return wanted_of("tmdb", [Role(*credit) for credit in credits], movie)


def wanted_of(
    source: Literal["file", "tmdb"], roles: Sequence[Role], movie: int | None = None
) -> Wanted:
    """A cast in which nobody is twice; who plays several characters plays them in one line."""
    merged: dict[tuple[str, str], Role] = {}
    for role in roles:
        key = (role.id, "" if role.id else _plain(role.name))
        known = merged.get(key)
        if known is None:
            merged[key] = role
        elif role.character and role.character != known.character:
            both = " / ".join(filter(None, (known.character, role.character)))
            merged[key] = Role(known.id, known.name or role.name, both)
    return Wanted(source, tuple(merged.values()), movie, len(roles) - len(merged))


def find_cast(
    wanted: Wanted, people: Sequence[Person], denied: Container[str], by_name: bool
) -> Found:
    """Find a cast among the people of a recogniser.

    Args:
        wanted: the cast.
        people: of the recogniser, in its order.
        denied: ids of people who may not be named: they are told of nowhere.
        by_name: whether who is not known by their id is looked for by their name: where the
            recogniser was made of another source than the cast.

    Raises:
        ConfigError: a name stands for several people.
        NotEnoughData: nobody of the cast can be named.
    """
    if wanted.roles is None:
        roles = tuple((n, Role(person.id, person.name)) for n, person in enumerate(people))
        may = [person.id not in denied for person in people]
        shown = tuple(role for role, allowed in zip(roles, may, strict=True) if allowed)
        if not shown:
            raise NotEnoughData("the version in use knows nobody who may be named: refresh")
        left = len(people) - len(shown)
        return Found(shown, tuple(n for n, _ in shown), {"denied": left} if left else {})
    by_id = {person.id: n for n, person in enumerate(people)}
    named: dict[str, list[int]] = {}
    for n, person in enumerate(people):
        named.setdefault(_plain(person.name), []).append(n)
    skipped: Counter[str] = Counter()
    if wanted.repeated:
        skipped["repeated"] = wanted.repeated
    found: list[tuple[tuple[int, Role], int | None]] = []
    taken: set[int] = set()
    for order, role in enumerate(wanted.roles):
        index = by_id.get(role.id) if role.id else None
        if index is None and role.name and (by_name or not role.id):
            same = named.get(_plain(role.name), [])
            if len(same) > 1:
                ids = ", ".join(people[n].id for n in same[:5])
                raise ConfigError(f"{role.name} may be any of {ids}: give the id in the cast")
            index = same[0] if same else None
        if (role.id in denied) or (index is not None and people[index].id in denied):
            skipped["denied"] += 1
        elif index in taken:
            skipped["repeated"] += 1
        else:
            if index is None:
                skipped["not_in_model"] += 1
            else:
                taken.add(index)
            found.append(((order, role), index))
    if not taken:
        raise NotEnoughData(
            f"the version in use knows none of the {len(wanted.roles)} people of the cast: "
            "collect them (collect.cast) and refresh, or name whoever it knows with --everyone"
        )
    roles, indices = zip(*found, strict=True)
    return Found(tuple(roles), tuple(indices), dict(sorted(skipped.items())))


def _toml(text: str) -> Any:
    return tomllib.loads(text).get("person")


def _json(text: str) -> Any:
    value = json.loads(text)
    if isinstance(value, dict):
        return value.get("person", value.get("cast"))
    return value


def _csv(text: str) -> list[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    names = {(name or "").strip().lower() for name in reader.fieldnames or ()}
    if not names & {"id", "name"}:
        raise ValueError("its first line names no column id or name")
    lines = [
        {(k or "").strip().lower(): v.strip() for k, v in line.items() if isinstance(v, str)}
        for line in reader
    ]
    return [line for line in lines if any(line.values())]


def _role(entry: Any, where: str) -> Role:
    """A line, which may be an id (a number) or a name alone."""
    if isinstance(entry, str):
        entry = {"name": entry}
    elif isinstance(entry, int) and not isinstance(entry, bool):
        entry = {"id": entry}
    if not isinstance(entry, dict):
        raise ConfigError(f"{where}, is neither an id nor a name: write {FORM}")
    values: dict[str, str] = {}
    for name in ("id", "name", "character"):
        value = entry.get(name)
        if isinstance(value, bool) or not isinstance(value, str | int | None):
            raise ConfigError(f"{where}, has a {name} that is no text: write {FORM}")
        values[name] = " ".join(well_formed(str("" if value is None else value)).split())
    if not values["id"] and not values["name"]:
        raise ConfigError(f"{where}, has neither id nor name: write {FORM}")
    return Role(values["id"], values["name"], values["character"] or None)


def _plain(name: str) -> str:
    """A name as it is compared."""
    return " ".join(name.split()).casefold()
