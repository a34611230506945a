"""TMDB's protocol without any input or output: what to ask, and what an answer means.

https://developer.themoviedb.org/reference, sections person-popular-list, person-details,
configuration-details; errors: https://developer.themoviedb.org/docs/errors.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from elenco.errors import SourceError, TokenRefused, UnexpectedAnswer
from elenco.types import ImageRef, Person

LAST_PAGE = 500  # further pages are HTTP 400, status_code 22, whatever total_pages says
PAGE_LENGTH = 20
ACTING = "Acting"
RANKING = ("vote_average", "vote_count", "width")  # of photographs, each the larger the better
FILE_NAME = re.compile(r"[\w-][\w.-]*\.\w+", re.ASCII)
API_URL_HINT = "is ELENCO_TMDB__API_URL the address of a TMDB API (it ends in /3)?"


@dataclass(frozen=True)
class Request:
    """A GET below the API's address. The token is no part of it: the adapter adds it on sending."""

    path: str
    params: dict[str, str] = field(default_factory=dict)


class NotFound(UnexpectedAnswer):
    """HTTP 404: the person is gone."""


class NotJson(UnexpectedAnswer):
    """HTTP 200 with something else than a JSON object: a proxy's page, or not TMDB's API."""


class TryAgain(SourceError):
    """Not now. `after` is how many seconds the server asks for, None where it does not say."""

    def __init__(self, why: str, *, slow_down: bool = False, after: float | None = None) -> None:
        super().__init__(why)
        self.slow_down = slow_down
        self.after = after


def configuration() -> Request:
    """Where images are, and in which sizes."""
    return Request("/configuration")


def popular(page: int) -> Request:
    """A page of people, the most popular first, of every department."""
    return Request("/person/popular", {"page": str(page)})


def person(person_id: str) -> Request:
    """A person with their photographs."""
    return Request(f"/person/{person_id}", {"append_to_response": "images,external_ids"})


def decipher(request: Request, status: int, headers: Mapping[str, str], body: bytes) -> Any:
    """The JSON object of an answer.

    Raises:
        TryAgain: 429 or 5xx.
        TokenRefused: 401 or 403.
        NotFound: 404 in TMDB's own words; a proxy's page says nothing about the person.
        NotJson: 200, but no JSON object.
        UnexpectedAnswer: any other status.
    """
    if status == 429:
        raise TryAgain(f"{request.path}: 429", slow_down=True, after=_retry_after(headers))
    if status >= 500:
        raise TryAgain(f"{request.path}: HTTP {status}", after=_retry_after(headers))
    if status in (401, 403):
        raise TokenRefused(
            f"the server refused the token (HTTP {status}): set ELENCO_TMDB__TOKEN to your API "
            "Read Access Token from themoviedb.org/settings/api"
        )
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if status == 404 and isinstance(answer, dict):
        raise NotFound(f"{request.path} is not there (HTTP 404): {API_URL_HINT}")
    if status != 200 or not isinstance(answer, dict):
        kind = headers.get("Content-Type", "no content type")
        problem = NotJson if status == 200 else UnexpectedAnswer
        raise problem(
            f"{request.path} answered HTTP {status} with {_message(answer) or kind}: {API_URL_HINT}"
        )
    return answer


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


def parse_popular(answer: dict[str, Any]) -> tuple[list[Person], int]:
    """The actors of a page, adults left out, and how many pages can be asked for."""
    where = "/person/popular"
    entries = _objects(_member(answer, "results", list, where), "results", where)
    people = [
        Person(
            str(_member(entry, "id", int, where)),
            _member(entry, "name", str, where),
            float(_member(entry, "popularity", (int, float), where)),
        )
        for entry in entries
        if _department(entry) == ACTING and not entry.get("adult")
    ]
    return people, min(_member(answer, "total_pages", int, where), LAST_PAGE)


def parse_images(answer: dict[str, Any], person_id: str, base: str, limit: int) -> list[ImageRef]:
    """A person's photographs, best first: by votes, then by size."""
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
                f"{where} answered with a `file_path` that names no file: {path!r}"
            )
        width, height = (int(_number(profile, name, where)) for name in ("width", "height"))
        url, size = f"{base}/{path}", base.rsplit("/", 1)[-1]
        refs.setdefault(key, ImageRef(person_id, key, url, width, height, version=size))
    return list(refs.values())[:limit]


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
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not isfinite(found):
        raise _changed(name, where)
    return found


def _member(value: Any, name: str, kind: type | tuple[type, ...], where: str) -> Any:
    found = value.get(name) if isinstance(value, dict) else None
    if not isinstance(found, kind) or isinstance(found, bool):
        raise _changed(name, where)
    return found


def _changed(name: str, where: str) -> UnexpectedAnswer:
    return UnexpectedAnswer(
        f"{where} answered without a usable `{name}`: TMDB's API has changed, or "
        "ELENCO_TMDB__API_URL is not one"
    )


def _message(answer: Any) -> str | None:
    message = answer.get("status_message") if isinstance(answer, dict) else None
    return repr(message[:200]) if isinstance(message, str) else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    try:
        return max(0.0, float(headers["Retry-After"]))
    except (KeyError, ValueError):
        return None
