"""What a Prefect server says no with, without what it was sent.

Its answer to a request that it can't read has the whole request in it: of a block that is an
address with its password.
"""

from collections.abc import Iterator
from typing import Any

import httpx

CHARACTERS = 300


def said(response: httpx.Response) -> str:
    """The status and the server's own words, in one line; the status alone where it has none."""
    try:
        answer = response.json()
    except ValueError:
        answer = None
    words = " ".join("; ".join(_words(answer)).split())[:CHARACTERS]
    return f"{response.status_code}: {words}" if words else str(response.status_code)


def _words(answer: Any) -> Iterator[str]:
    """Messages alone, in Prefect's form and in FastAPI's."""
    if not isinstance(answer, dict):
        return
    for key in ("exception_message", "detail", "exception_detail"):
        value = answer.get(key)
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            yield from (_problem(one) for one in value if isinstance(one, dict))


def _problem(one: dict[str, Any]) -> str:
    """Where and what is wrong; `input` and `ctx` beside it are what was sent."""
    where = ".".join(map(str, one.get("loc") or ()))
    return f"{where}: {one.get('msg', '')}" if where else str(one.get("msg", ""))
