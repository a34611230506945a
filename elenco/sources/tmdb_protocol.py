"""TMDB's protocol without any input or output: what to ask, and whether there is an answer.

https://developer.themoviedb.org/reference, sections person-popular-list, person-details,
changes-people-list, movie-credits, configuration-details; errors: https://developer.themoviedb.org/docs/errors.
What an answer holds is read by `tmdb_answers`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from elenco.errors import SourceError, TokenRefused, UnexpectedAnswer

LAST_PAGE = 500  # further pages are HTTP 400, status_code 22, whatever total_pages says
PAGE_LENGTH = 20
CHANGES_DAYS = 14  # a longer range is HTTP 422, status_code 20
# Those of an answer that anybody looks at.
HEADERS = ("Content-Type", "Retry-After", "Date", "Age")
API_URL_HINT = "is ELENCO_TMDB__API_URL the address of a TMDB API (it ends in /3)?"


@dataclass(frozen=True)
class Request:
    """A GET below the API's address. The token is no part of it: the adapter adds it on sending."""

    path: str
    params: dict[str, str] = field(default_factory=dict)


class NotFound(UnexpectedAnswer):
    """HTTP 404: the person is gone, or there is no such film."""


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


def changes(start: date, end: date, page: int) -> Request:
    """A page of the people who changed from one day to another, both included, UTC."""
    days = {"start_date": start.isoformat(), "end_date": end.isoformat()}
    return Request("/person/changes", days | {"page": str(page)})


def export_file(day: date) -> str:
    """The name of a day's export of all people's ids, gzip, one JSON object a line."""
    return f"person_ids_{day:%m_%d_%Y}.json.gz"


def person(person_id: str) -> Request:
    """A person with their photographs."""
    return Request(f"/person/{person_id}", {"append_to_response": "images,external_ids"})


def credits(movie: int) -> Request:
    """The cast of a film."""
    return Request(f"/movie/{movie}/credits")


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
    except (ValueError, RecursionError):
        answer = None
    if status == 404 and isinstance(answer, dict):
        raise NotFound(f"{request.path} is not there (HTTP 404): {API_URL_HINT}")
    if status != 200 or not isinstance(answer, dict):
        kind = headers.get("Content-Type", "no content type")[:100]
        problem = NotJson if status == 200 else UnexpectedAnswer
        raise problem(
            f"{request.path} answered HTTP {status} with {_message(answer) or kind}: {API_URL_HINT}"
        )
    return answer


def _message(answer: Any) -> str | None:
    message = answer.get("status_message") if isinstance(answer, dict) else None
    return repr(message[:200]) if isinstance(message, str) else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    try:
        return max(0.0, float(headers["Retry-After"]))
    except (KeyError, ValueError):
        return None
