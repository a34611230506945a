"""What TMDB's answers hold. A shape that is not as documented is an error, not an empty list."""

import json
import re
from collections.abc import Iterable
from math import isfinite
from typing import Any

from elenco.errors import UnexpectedAnswer
from elenco.sources.base import Candidate, Told
from elenco.sources.tmdb_protocol import LAST_PAGE
from elenco.text import well_formed
from elenco.types import ImageRef, Person

ACTING = "Acting"
RANKING = ("vote_average", "vote_count", "width")  # of photographs, each the larger the better
FILE_NAME = re.compile(r"[\w-][\w.-]{0,199}\.\w{1,8}", re.ASCII)


def parse_configuration(answer: dict[str, Any], size: str) -> str:
    """The address that a `file_path` is appended to, for images of a size.

    Raises:
        UnexpectedAnswer: another shape, or the server has no such size.
    """
    images = _member(answer, "images", dict, "/configuration")
    base = _member(images, "secure_base_url", str, "/configuration")
    sizes = _member(images, "profile_sizes", list, "/configuration")
    if size not in sizes:
        offered = ", ".join(map(str, sizes))
        raise UnexpectedAnswer(
            f"there is no image size {size}: set collect.image_size to {offered}"
        )
    return f"{base.rstrip('/')}/{size}"


def parse_popular(answer: dict[str, Any]) -> tuple[list[Candidate], int]:
    """Everybody on a page, and how many pages can be asked for."""
    where = "/person/popular"
    entries = _objects(_member(answer, "results", list, where), "results", where)
    people = [
        Candidate(
            Person(
                str(_member(entry, "id", int, where)),
                _member(entry, "name", str, where),
                float(_member(entry, "popularity", (int, float), where)),
            ),
            actor=_department(entry) == ACTING,
            adult=bool(entry.get("adult")),
        )
        for entry in entries
    ]
    return people, min(_member(answer, "total_pages", int, where), LAST_PAGE)


def parse_changes(answer: dict[str, Any]) -> tuple[set[str], int]:
    """Ids of the people on a page of changes, and how many pages there are."""
    where = "/person/changes"
    entries = _objects(_member(answer, "results", list, where), "results", where)
    ids = {str(_member(entry, "id", int, where)) for entry in entries}
    return ids, _member(answer, "total_pages", int, where)


def parse_person(answer: dict[str, Any], person_id: str, size: str) -> Told:
    """A person and their photographs, best first: by votes, then by size.

    A photograph's `url` is its file_path, which `/configuration` says how to complete.
    """
    where = f"/person/{person_id}"
    images = _member(answer, "images", dict, where)
    profiles = _objects(_member(images, "profiles", list, where), "profiles", where)

    def rank(profile: dict[str, Any]) -> tuple[float, float, float, str]:
        numbers = [_number(profile, name, where) for name in RANKING]
        return -numbers[0], -numbers[1], -numbers[2], _member(profile, "file_path", str, where)

    refs: dict[str, ImageRef] = {}
    for profile in sorted(profiles, key=rank):
        path = profile["file_path"].removeprefix("/")
        key = path.rsplit(".", 1)[0]
        if not FILE_NAME.fullmatch(path):
            raise UnexpectedAnswer(
                f"{where} answered with a `file_path` that names no file: {path[:200]!r}"
            )
        refs.setdefault(
            key,
            ImageRef(
                person_id,
                key,
                f"/{path}",
                width=int(_number(profile, "width", where)),
                height=int(_number(profile, "height", where)),
                version=size,
                vote_average=_number(profile, "vote_average", where),
                vote_count=int(_number(profile, "vote_count", where)),
                language=_text(profile, "iso_639_1", where),
            ),
        )
    return Told(
        _text(answer, "name", where) or "",
        actor=answer.get("known_for_department") == ACTING,
        adult=bool(answer.get("adult")),
        images=tuple(refs.values()),
    )


def parse_credits(answer: dict[str, Any], movie: int) -> list[tuple[str, str, str | None]]:
    """Id, name and character of the cast, by `order`; who is flagged adult is left out."""
    where = f"/movie/{movie}/credits"
    entries = _objects(_member(answer, "cast", list, where), "cast", where)
    cast = [
        (
            _number(entry, "order", where),
            str(_member(entry, "id", int, where)),
            _member(entry, "name", str, where),
            _text(entry, "character", where) or None,
        )
        for entry in entries
        if not entry.get("adult")
    ]
    return [credit[1:] for credit in sorted(cast, key=lambda credit: credit[0])]


def parse_export(lines: Iterable[bytes]) -> Iterable[Candidate]:
    """Everybody of a daily id export who is not flagged adult; of what department, it leaves out.

    Raises:
        UnexpectedAnswer: a line is not as documented.
    """
    for line in lines:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            raise _changed("a JSON object a line", "the id export") from None
        number = _member(entry, "id", int, "the id export")
        if not entry.get("adult"):
            popularity = _number(entry, "popularity", "the id export")
            name = _text(entry, "name", "the id export") or ""
            yield Candidate(Person(str(number), name, popularity), actor=None)


def _department(entry: dict[str, Any]) -> str | None:
    """None is an answer; without the member at all, nobody would be an actor unnoticed."""
    if "known_for_department" not in entry:
        raise _changed("known_for_department", "/person/popular")
    return entry["known_for_department"]


def _objects(values: list[Any], name: str, where: str) -> list[dict[str, Any]]:
    if not all(isinstance(value, dict) for value in values):
        raise _changed(name, where)
    return values


def _number(value: dict[str, Any], name: str, where: str) -> float:
    """A number that may be missing or null, which is 0."""
    found = value.get(name)
    if found is None:
        return 0.0
    if not _is(found, (int, float)):
        raise _changed(name, where)
    return found


def _member(value: Any, name: str, kind: type | tuple[type, ...], where: str) -> Any:
    found = value.get(name) if isinstance(value, dict) else None
    if not _is(found, kind):
        raise _changed(name, where)
    return well_formed(found) if isinstance(found, str) else found


def _is(found: Any, kind: type | tuple[type, ...]) -> bool:
    """Whether a value is of a kind; neither a truth value nor what no float holds is a number."""
    if isinstance(found, bool) or not isinstance(found, kind):
        return False
    try:
        return not isinstance(found, (int, float)) or isfinite(found)
    except OverflowError:
        return False


def _changed(name: str, where: str) -> UnexpectedAnswer:
    return UnexpectedAnswer(
        f"{where} answered without a usable `{name}`: TMDB's API has changed, or "
        "ELENCO_TMDB__API_URL is not one"
    )


def _text(value: dict[str, Any], name: str, where: str) -> str | None:
    found = value.get(name)
    if found is not None and not isinstance(found, str):
        raise _changed(name, where)
    return None if found is None else well_formed(found)
