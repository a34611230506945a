"""What stands before every answer of the demo server: counts, the rate, faults, the token."""

import hmac
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

from aiohttp import web

from elenco.demo import answers
from elenco.demo.faults import Area, Faults
from elenco.demo.rate import RateLimit, RateSeen
from elenco.demo.spoil import reset, spoil

NTH = web.RequestKey("nth", int)  # how often the same was asked for before this request
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_WAIT = {"Retry-After": "1"}
_REFUSALS = {"too_many": 25, "internal_errors": 11, "unavailable": 9}


class ApiError(Exception):
    """An answer with one of TMDB's status codes."""

    def __init__(self, code: int) -> None:
        super().__init__(answers.ERRORS[code][1])
        self.code = code


class Gate:
    """Counts requests and lets those through that TMDB would answer.

    Args:
        token: what the client must present as a bearer token or as `api_key`; for the API only.
        rate_per_second: API requests allowed in any one second; None for no limit.
        faults: what goes wrong on purpose.
        counts: where requests are counted.

    Attributes:
        seen: how fast API requests arrived, whatever became of them.
    """

    def __init__(
        self, token: str, rate_per_second: float | None, faults: Faults, counts: Counter[str]
    ) -> None:
        self._token, self._faults, self._counts = token.encode(), faults, counts
        self._limit, self.seen = RateLimit(rate_per_second), RateSeen()
        self._asked: Counter[str] = Counter()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Around every handler; `/stats` passes uncounted."""
        path = request.path
        if path == "/stats":
            return await handler(request)
        self._count(path, request)
        key = _key(request)
        nth = request[NTH] = self._asked[key]
        self._asked[key] = nth + 1
        area = _area(path)
        if area == "api" and not self._arrives():
            return self._sent(_error(25, _WAIT))
        fault = self._faults.striking(area, key, nth)
        if fault == "reset":
            self._counts["fault:reset"] += 1
            return reset(request)
        if fault in _REFUSALS:
            self._counts[f"fault:{fault}"] += 1
            waits = fault == "too_many" and self._faults.says_when(key, nth)
            return self._sent(_error(_REFUSALS[fault], _WAIT if waits else None))
        response = await self._answer(request, handler, area)
        if fault is None or not _is_good(request, response):
            return self._sent(response)
        self._counts[f"fault:{fault}"] += 1
        if fault == "cut":
            self._counts["cut"] += 1
        else:
            self._sent(response)
        return await spoil(fault, request, response, self._faults.slow_seconds)

    def _count(self, path: str, request: web.Request) -> None:
        kind = _kind(path)
        self._counts[kind] += 1
        if kind == "image":
            name = f"image:/{request.match_info.get('file', '')}"
            self._counts[name] += 1
            if self._counts[name] > 1:
                self._counts["image_again"] += 1

    def _sent(self, response: web.Response) -> web.Response:
        self._counts[f"status:{response.status}"] += 1
        return response

    async def _answer(self, request: web.Request, handler: Handler, area: Area) -> web.Response:
        """What TMDB would answer."""
        if area == "api" and not self._authorised(request):
            return _error(7)
        try:
            response = await handler(request)
        except ApiError as error:
            return _error(error.code)
        except web.HTTPException as error:  # no such path or method
            return _error(42 if error.status == 405 else 34)
        assert isinstance(response, web.Response)
        return response

    def _arrives(self) -> bool:
        """An API request is here: whether it keeps to the rate."""
        now = time.monotonic()
        self.seen.arrived(now)
        return self._limit.admits(now)

    def _authorised(self, request: web.Request) -> bool:
        header = request.headers.get("Authorization", "")
        scheme, _, bearer = header.partition(" ")
        given = bearer.strip() if scheme.lower() == "bearer" else request.query.get("api_key", "")
        return hmac.compare_digest(given.encode(), self._token)


def _area(path: str) -> Area:
    if path.startswith("/3/"):
        return "api"
    return "image" if path.startswith("/t/p/") else "export"


def _kind(path: str) -> str:
    if path.startswith("/t/p/"):
        return "image"
    if path.startswith("/p/exports/"):
        return "export"
    parts = path.strip("/").split("/")
    if parts[:2] == ["3", "configuration"]:
        return "configuration"
    if parts[:2] == ["3", "person"] and len(parts) > 2:
        last = parts[-1]
        return last if last in ("popular", "changes", "images") else "person"
    return "other"


def _is_good(request: web.Request, response: web.Response) -> bool:
    """Whether there is a body to spoil."""
    return request.method == "GET" and response.status == 200 and bool(response.body)


def _key(request: web.Request) -> str:
    """What is asked for, without the key that it is asked with."""
    if not request.query_string:
        return f"{request.path}?"
    query = sorted((k, v) for k, v in request.query.items() if k != "api_key")
    return f"{request.path}?{urlencode(query)}"


def _error(code: int, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(answers.error(code), status=answers.ERRORS[code][0], headers=headers)
