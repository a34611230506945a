"""What stands before every answer of the demo server: counts, faults, the rate, the token."""

import asyncio
import hmac
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

from aiohttp import web

from elenco.demo import answers
from elenco.demo.faults import Faults

_HTML = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body></body>\r\n</html>\r\n"
NTH = web.RequestKey("nth", int)  # how often the same was asked for before this request
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


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
    """

    def __init__(
        self, token: str, rate_per_second: float | None, faults: Faults, counts: Counter[str]
    ) -> None:
        self._token, self._rate, self._faults = token, rate_per_second, faults
        self._counts = counts
        self._recent: deque[float] = deque()
        self._asked: Counter[str] = Counter()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Around every handler; `/stats` passes uncounted."""
        if request.path == "/stats":
            return await handler(request)
        kind = _kind(request.path)
        self._counts[kind] += 1
        if kind == "image":
            self._counts[f"image:/{request.match_info.get('file', '')}"] += 1
        key = _key(request)
        nth = request[NTH] = self._asked[key]
        self._asked[key] += 1
        response = await self._answer(request, handler, key, nth)
        if self._faults.strikes("cut", key, nth) and isinstance(response.body, bytes):
            return await self._cut(request, response)
        self._counts[f"status:{response.status}"] += 1
        return response

    async def _answer(
        self, request: web.Request, handler: Handler, key: str, nth: int
    ) -> web.Response:
        faults, of_api = self._faults, request.path.startswith("/3/")
        if faults.strikes("slow", key, nth):
            await asyncio.sleep(faults.slow_seconds)
        if faults.strikes("server_errors", key, nth):
            return _error(11 if nth % 2 == 0 else 9)
        if of_api and (not self._within_rate() or faults.strikes("too_many", key, nth)):
            return _error(25, {"Retry-After": "1"})
        if of_api and not self._authorised(request):
            return _error(7)
        if of_api and faults.strikes("html", key, nth):
            return web.Response(body=_HTML, content_type="text/html")
        try:
            response = await handler(request)
        except ApiError as error:
            return _error(error.code)
        except web.HTTPException as error:  # no such path or method
            return _error(42 if error.status == 405 else 34)
        assert isinstance(response, web.Response)
        return response

    async def _cut(self, request: web.Request, response: web.Response) -> web.StreamResponse:
        """Announce the whole body, send half of it, and close the connection."""
        self._counts["cut"] += 1
        body = bytes(response.body)  # pyright: ignore[reportArgumentType]
        partial = web.StreamResponse(status=response.status, headers=response.headers)
        partial.content_length = len(body)
        partial.force_close()
        await partial.prepare(request)
        await partial.write(body[: len(body) // 2])
        if request.transport is not None:
            request.transport.close()
        return partial

    def _within_rate(self) -> bool:
        """Whether one more request fits in the second that ends now."""
        if self._rate is None:
            return True
        now = time.monotonic()
        while self._recent and now - self._recent[0] >= 1:
            self._recent.popleft()
        if len(self._recent) >= self._rate:
            return False
        self._recent.append(now)
        return True

    def _authorised(self, request: web.Request) -> bool:
        header = request.headers.get("Authorization", "")
        scheme, _, bearer = header.partition(" ")
        given = bearer.strip() if scheme.lower() == "bearer" else request.query.get("api_key", "")
        return hmac.compare_digest(given.encode(), self._token.encode())


def _kind(path: str) -> str:
    parts = path.strip("/").split("/")
    if parts[:2] == ["t", "p"]:
        return "image"
    if parts[:2] == ["p", "exports"]:
        return "export"
    if parts[:2] == ["3", "configuration"]:
        return "configuration"
    if parts[:2] == ["3", "person"] and len(parts) > 2:
        last = parts[-1]
        return last if last in ("popular", "changes", "images") else "person"
    return "other"


def _key(request: web.Request) -> str:
    """What is asked for, without the key that it is asked with."""
    query = sorted((k, v) for k, v in request.query.items() if k != "api_key")
    return f"{request.path}?{urlencode(query)}"


def _error(code: int, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(answers.error(code), status=answers.ERRORS[code][0], headers=headers)
