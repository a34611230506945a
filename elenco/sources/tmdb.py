"""TMDB over aiohttp: paced, retried, parallel."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from types import TracebackType
from typing import Any, Self

import aiohttp
from yarl import URL

from elenco.errors import ConfigError, ImageError, SourceUnreachable, TermsNotAccepted, TokenMissing
from elenco.settings import Settings
from elenco.sources import tmdb_protocol as protocol
from elenco.sources.bucket import shared_bucket
from elenco.sources.concurrent import run_all
from elenco.types import ImageRef, Person

LONGEST_WAIT = 60.0
PAGES_AT_ONCE = 8
TRIES_OF_A_PAGE = 3  # of an answer that is not JSON: a proxy's page passes, a wrong address stays
# All of the client's: the repr of some holds the request's headers, so none may get out.
_CONNECTION_ERRORS = (aiohttp.ClientError, TimeoutError)
_NO_ADDRESS = (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError)
_SET_TOKEN = "set ELENCO_TMDB__TOKEN to your API Read Access Token from themoviedb.org/settings/api"


def open_source(settings: Settings) -> "Tmdb":
    """TMDB as the settings say.

    Raises:
        TokenMissing, TermsNotAccepted: the operator has to say something first.
        ConfigError: the address or the token can't be one.
    """
    if not settings.tmdb.terms_accepted:
        raise TermsNotAccepted(
            "TMDB's terms forbid using its content for machine learning without a separate written "
            "agreement: if you have one, set tmdb.terms_accepted = true "
            "(ELENCO_TMDB__TERMS_ACCEPTED=true); else use your own photographs with "
            "ELENCO_COLLECT__SOURCE=folder"
        )
    token = settings.tmdb.token.get_secret_value().strip()
    if not token:
        raise TokenMissing(f"no TMDB token: {_SET_TOKEN}")
    if not (token.isascii() and token.isprintable()):
        raise ConfigError(f"the TMDB token has characters that no token has: {_SET_TOKEN}")
    if not _is_address(settings.tmdb.api_url):
        raise ConfigError(
            "ELENCO_TMDB__API_URL is no web address (with nothing secret in it): TMDB's is "
            "https://api.themoviedb.org/3"
        )
    return Tmdb(settings)


def edition(settings: Settings, people: Sequence[Person]) -> str:
    """The day: photographs come and go, and asking about everybody takes minutes."""
    return f"{settings.tmdb.api_url} {datetime.now(UTC).date().isoformat()}"


class Tmdb:
    """A `Source`. API requests share one pace in the process; images have bounds of their own.

    Args:
        settings: sections `tmdb` and `collect`.
        sleep: how to wait.
    """

    def __init__(
        self, settings: Settings, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self._tmdb, self._collect = settings.tmdb, settings.collect
        self._url = settings.tmdb.api_url.rstrip("/")
        self._sleep = sleep
        self._bucket = shared_bucket(self._url, settings.tmdb.rate_per_second)
        self._image_base: str | None = None
        self._configuring = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._collect.connections),
            timeout=aiohttp.ClientTimeout(
                total=None,
                sock_connect=self._tmdb.timeout_seconds,
                sock_read=self._tmdb.timeout_seconds,
            ),
            headers={"User-Agent": f"elenco/{version('elenco')}"},
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def people(self, limit: int) -> list[Person]:
        """The most popular actors. Pages shift while they are read: nobody counts twice."""
        found: dict[str, Person] = {}
        page, last = 1, 1
        while page <= last and len(found) < limit:
            wanted = -(-(limit - len(found)) // protocol.PAGE_LENGTH)
            # How many pages there are is known from the first.
            until = page + 1 if page == 1 else min(page + min(wanted, PAGES_AT_ONCE), last + 1)
            requests = [protocol.popular(number) for number in range(page, until)]
            for answer in await run_all(self._ask(request) for request in requests):
                people, last = protocol.parse_popular(answer)
                for person in people:
                    found.setdefault(person.id, person)
            page = until
        return list(found.values())[:limit]

    async def images(self, person: Person) -> list[ImageRef]:
        """A person's profile photographs, with addresses from the server's own configuration."""
        async with self._configuring:
            if self._image_base is None:
                answer = await self._ask(protocol.configuration())
                self._image_base = protocol.parse_configuration(answer, self._collect.image_size)
        try:
            answer = await self._ask(protocol.person(person.id))
        except protocol.NotFound:
            raise LookupError(f"/person/{person.id} is not there any more (HTTP 404)") from None
        limit = self._collect.photos_per_person
        return protocol.parse_images(answer, person.id, self._image_base, limit)

    async def fetch(self, ref: ImageRef) -> bytes:
        """An image's bytes; no token is sent for it."""
        problem = ""
        for attempt in range(self._tmdb.retries + 1):
            try:
                async with self._session.get(ref.url) as response:
                    if response.status in (404, 410):
                        raise ImageError("gone", f"HTTP {response.status}")
                    if response.status == 200:
                        return await self._body(response)
                    if response.status != 429 and response.status < 500:
                        raise ImageError("refused", f"HTTP {response.status}")
                    problem = f"HTTP {response.status}"
            except _NO_ADDRESS:
                raise ImageError("refused", "its address is no web address") from None
            except _CONNECTION_ERRORS as error:
                problem = type(error).__name__
            if attempt < self._tmdb.retries:
                await self._sleep(_backoff(attempt))
        raise ImageError("unreachable", problem)

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        limit = int(self._collect.max_megabytes * 1e6)
        if (response.content_length or 0) > limit:
            raise ImageError("too_large", f"{response.content_length:,} bytes")
        body = bytearray()
        async for block in response.content.iter_chunked(1 << 16):
            body += block
            if len(body) > limit:
                raise ImageError("too_large", f"over {limit:,} bytes")
        return bytes(body)

    async def _ask(self, request: protocol.Request) -> Any:
        """One API request, tried until it is answered or the tries are used up."""
        problem = ""
        for attempt in range(self._tmdb.retries + 1):
            await self._bucket.acquire(self._sleep)
            try:
                status, headers, body = await self._get(request)
                return protocol.decipher(request, status, headers, body)
            except protocol.TryAgain as error:
                problem, after = str(error), error.after
                if error.slow_down:
                    pause = _backoff(attempt) if after is None else min(after, LONGEST_WAIT)
                    self._bucket.pause(pause)
                    after = 0.0  # the pause has it
            except protocol.NotJson:
                if attempt + 1 >= min(TRIES_OF_A_PAGE, self._tmdb.retries + 1):
                    raise
                problem, after = "no JSON", None
            except _NO_ADDRESS:
                raise ConfigError(
                    "ELENCO_TMDB__API_URL is no web address: TMDB's is https://api.themoviedb.org/3"
                ) from None
            except _CONNECTION_ERRORS as error:
                # Its text can hold no more than host and port, but the type is enough.
                problem, after = type(error).__name__, None
            if attempt < self._tmdb.retries:
                await self._sleep(_backoff(attempt) if after is None else min(after, LONGEST_WAIT))
        raise SourceUnreachable(
            f"{self._url} did not answer {request.path} in {self._tmdb.retries + 1} tries "
            f"({problem}): check the network and ELENCO_TMDB__API_URL, then run again; "
            "what is there is kept"
        )

    async def _get(self, request: protocol.Request) -> tuple[int, Any, bytes]:
        token = self._tmdb.token.get_secret_value().strip()
        async with self._session.get(
            self._url + request.path,
            params=request.params,
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            allow_redirects=False,  # the token goes to no other host
        ) as response:
            # Parts of the body may end in a message: a server that repeats the token must not.
            body = (await response.read()).replace(token.encode(), b"[token]")
            return response.status, response.headers, body


def _is_address(text: str) -> bool:
    """Whether it is http(s)://host/path: what else an address may hold could be a secret."""
    try:
        url = URL(text)
    except ValueError:
        return False
    plain = not (url.user or url.password or url.query_string or url.fragment)
    return url.scheme in ("http", "https") and bool(url.host) and plain


def _backoff(attempt: int) -> float:
    """Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/."""
    return random.uniform(0, min(LONGEST_WAIT, 0.5 * 2**attempt))
