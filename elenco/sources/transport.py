"""TMDB over aiohttp: paced and retried questions, bounded downloads. Knows no answer's shape."""

import random
import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib.metadata import version
from types import TracebackType
from typing import Any, BinaryIO, Self

import aiohttp
from yarl import URL

from elenco.errors import ConfigError, ImageError, SourceUnreachable
from elenco.settings import Settings
from elenco.sources import clock
from elenco.sources import tmdb_protocol as protocol
from elenco.sources.hosts import Resolver, allowed_hosts, web_address
from elenco.sources.network import shared, shared_bounds
from elenco.sources.pace import Pace
from elenco.sources.patience import AWAY, LONGEST_WAIT, Health, Patience

BLOCK = 1 << 16
ANSWER_BYTES = 16 << 20  # the largest answers of the API are some 100 kB
TRIES_OF_A_PAGE = 3  # of an answer that is not JSON from a server that never gave one
API_CONNECTIONS = 64
# All of the client's: the repr of some holds the request's headers, so none may get out.
_CONNECTION_ERRORS = (aiohttp.ClientError, TimeoutError)
_NO_ADDRESS = (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError)

_health: dict[str, Health] = {}


class Transport:
    """Two pools of connections: one for the API, where the pace is kept, one for downloads.

    Args:
        settings: sections `tmdb` and `collect`.
        pace: what every API request waits for.
        sleep: how to wait.
    """

    def __init__(
        self, settings: Settings, pace: Pace, sleep: Callable[[float], Awaitable[object]]
    ) -> None:
        self._tmdb, self._settings = settings.tmdb, settings
        self._url = settings.tmdb.api_url.rstrip("/")
        self._pace, self._sleep = pace, sleep
        self._allowed = allowed_hosts(settings.tmdb)

    async def __aenter__(self) -> Self:
        self._bounds = shared_bounds(self._settings)
        tmdb, connections = self._tmdb, self._settings.collect.connections
        self._sessions = shared(
            ("tmdb", *sorted(self._allowed), tmdb.timeout_seconds, connections),
            lambda: Sessions(tmdb.timeout_seconds, connections, self._allowed),
        )
        opened = await self._sessions.__aenter__()
        self._api, self._files = opened.api, opened.files
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._sessions.__aexit__(kind, error, traceback)

    @property
    def answered(self) -> bool:
        """Whether the API ever gave an answer of the protocol to this process."""
        return self._patience(self._url)[0].made_sense

    async def ask(self, request: protocol.Request) -> Any:
        """One API request, tried until it is answered or patience ends.

        Raises:
            SourceUnreachable: it was not answered.
            SourceError, ConfigError: as `decipher`, or the address can't be one.
            ClockWrong: the server's clock and this machine's are days apart.
        """
        problem = ""
        health, patience = self._patience(self._url)
        while True:
            await self._pace.acquire(self._sleep)
            after: float | None = None
            try:
                status, headers, body = await self._get(request)
                if status not in AWAY and status != 429:
                    health.well()
                answer = protocol.decipher(request, status, headers, body)
                clock.compare(headers, datetime.now(UTC), self._url)
                health.made_sense = True
                return answer
            except protocol.TryAgain as error:
                problem, after = str(error), error.after
                if error.slow_down:
                    pause = _spread(after) if after is not None else patience.backoff()
                    self._pace.pause(pause)
                    after = 0.0  # the pause has it
            except protocol.NotJson:
                problem = "no JSON"
                if not health.made_sense and patience.tries + 1 >= TRIES_OF_A_PAGE:
                    raise
            except _NO_ADDRESS:
                raise ConfigError(
                    "ELENCO_TMDB__API_URL is no web address: TMDB's is https://api.themoviedb.org/3"
                ) from None
            except _CONNECTION_ERRORS as error:
                # Its text can hold no more than host and port, but the type is enough.
                problem = type(error).__name__
            if not patience.again():
                break
            await self._sleep(patience.backoff() if after is None else min(after, LONGEST_WAIT))
        raise SourceUnreachable(
            f"{self._url} did not answer {request.path} in {patience.tries} tries "
            f"({problem}): check the network and ELENCO_TMDB__API_URL, then run again; "
            "what is there is kept"
        )

    async def download(self, url: str, file: BinaryIO, most_bytes: int) -> None:
        """Write a file's bytes to `file`, from its start; no token is sent for it.

        Raises:
            ImageError: `gone`, `refused`, `redirected`, `too_large`, `unreachable`.
            OSError: it can't be written.
        """
        address = web_address(url)
        if address is None or address.host not in self._allowed:
            raise ImageError("refused", "its host is not one of tmdb.image_hosts")
        health, patience = self._patience(str(address.origin()))
        while True:
            try:
                async with self._bounds.connections:
                    return await self._download(address, file, most_bytes, health)
            except _Again as error:
                problem = str(error)
            except _NO_ADDRESS:
                raise ImageError("refused", "its address is no web address") from None
            except _CONNECTION_ERRORS as error:
                problem = type(error).__name__
            if not patience.again():
                raise ImageError("unreachable", problem)
            await self._sleep(patience.backoff())

    async def _download(self, url: URL, file: BinaryIO, most_bytes: int, health: Health) -> None:
        async with self._files.get(url, allow_redirects=False) as response:
            status, announced = response.status, response.content_length
            if status not in AWAY and status != 429:
                health.well()
            if status == 429 or status >= 500:
                raise _Again(f"HTTP {status}")
            if status in (404, 410):
                raise ImageError("gone", f"HTTP {status}")
            if 300 <= status < 400:
                raise ImageError("redirected", f"HTTP {status}: not followed to another address")
            if status != 200:
                raise ImageError("refused", f"HTTP {status}")
            if (announced or 0) > most_bytes:
                raise ImageError("too_large", f"{announced:,} bytes")
            file.seek(0)
            file.truncate()
            async with self._bounds.in_flight.hold(announced or most_bytes):
                left = most_bytes
                async for block in response.content.iter_chunked(BLOCK):
                    left -= len(block)
                    if left < 0:
                        raise ImageError("too_large", f"over {most_bytes:,} bytes")
                    file.write(block)

    async def _get(self, request: protocol.Request) -> tuple[int, Any, bytes]:
        token = self._tmdb.token.get_secret_value().strip()
        async with self._api.get(
            self._url + request.path,
            params=request.params,
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            allow_redirects=False,  # the token goes to no other host
        ) as response:
            body = bytearray()
            async for block in response.content.iter_chunked(BLOCK):
                body += block
                if len(body) > ANSWER_BYTES:
                    body.clear()
                    break
            # Parts of it may end in a message: a server that repeats the token must not.
            headers = {
                name: response.headers[name].replace(token, "[token]")
                for name in protocol.HEADERS
                if name in response.headers
            }
            return response.status, headers, bytes(body).replace(token.encode(), b"[token]")

    def _patience(self, server: str) -> tuple[Health, Patience]:
        health = _health.setdefault(server, Health())
        return health, Patience(health, self._tmdb.retries, self._tmdb.outage_seconds)


class Sessions:
    """The connections: kept while anybody on the event loop uses them.

    Args:
        timeout: seconds without an answer.
        connections: of the pool for files.
        allowed: hosts that may be asked.
    """

    def __init__(self, timeout: float, connections: int, allowed: frozenset[str]) -> None:
        self._timeout, self._allowed = timeout, allowed
        self.api = self._session(API_CONNECTIONS, decompress=True)
        self.files = self._session(connections, decompress=False)

    async def close(self) -> None:
        await self.api.close()
        await self.files.close()

    def _session(self, connections: int, *, decompress: bool) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=connections,
                resolver=Resolver(self._allowed),
                family=socket.AF_UNSPEC,
            ),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=self._timeout, sock_read=self._timeout
            ),
            headers={
                "User-Agent": f"elenco/{version('elenco')}",
                "Accept-Encoding": "gzip" if decompress else "identity",
            },
            auto_decompress=decompress,
        )


class _Again(Exception):
    """An answer that may be another one the next time."""


def _spread(after: float) -> float:
    """What the server asks for and a little more, so that not everybody is back at once."""
    return min(after, LONGEST_WAIT) + random.uniform(0, 0.05)
