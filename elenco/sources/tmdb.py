"""TMDB as a source: the popular, then the daily id export; one question a person."""

import asyncio
import tempfile
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, date, datetime, timedelta
from types import TracebackType
from typing import BinaryIO, Self

from elenco.errors import (
    ConfigError,
    ImageError,
    SourceUnreachable,
    TermsNotAccepted,
    TokenMissing,
    UnexpectedAnswer,
)
from elenco.settings import Settings
from elenco.sources import tmdb_protocol as protocol
from elenco.sources.base import EXPORT_UNAVAILABLE, Candidate, Told
from elenco.sources.concurrent import run_all
from elenco.sources.export import MOST_BYTES, most_popular
from elenco.sources.hosts import allowed_hosts, export_url, web_address
from elenco.sources.pace import shared_pace
from elenco.sources.tmdb_answers import (
    parse_changes,
    parse_configuration,
    parse_credits,
    parse_person,
    parse_popular,
)
from elenco.sources.transport import Transport
from elenco.types import ImageRef, Person, Skipped

PAGES_AT_ONCE = 16
_SET_TOKEN = "set ELENCO_TMDB__TOKEN to your API Read Access Token from themoviedb.org/settings/api"
# server, size and day -> where images are
_bases: dict[tuple[str, str, date], str] = {}


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
    for name in ("api_url", "export_url"):
        address = getattr(settings.tmdb, name)
        if web_address(address) is None and (address or name == "api_url"):
            raise ConfigError(
                f"ELENCO_TMDB__{name.upper()} is no web address (with nothing secret in it): "
                "TMDB's API is at https://api.themoviedb.org/3"
            )
    return Tmdb(settings)


def edition(settings: Settings, people: Sequence[Person]) -> str:
    """The day: what changed since is asked once for everybody, when people are listed."""
    return f"{settings.tmdb.api_url} {datetime.now(UTC).date().isoformat()}"


class Tmdb:
    """A `Source`. API requests share one pace in the process; images have bounds of their own.

    Args:
        settings: sections `tmdb` and `collect`.
        sleep: how to wait.
    """

    # From a server that breaks one answer in ten, one photograph in a million arrives broken six
    # times; others that do are broken there.
    tries = 6
    remembers = True

    def __init__(
        self, settings: Settings, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self._tmdb, self._collect = settings.tmdb, settings.collect
        self._url = settings.tmdb.api_url.rstrip("/")
        pace = shared_pace(self._url, settings.tmdb.rate_per_second)
        self._transport = Transport(settings, pace, sleep)
        self._configuring = asyncio.Lock()
        self._base: str | None = None

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._transport.__aexit__(kind, error, traceback)

    async def candidates(self, limit: int) -> AsyncIterator[list[Candidate | Skipped]]:
        """The popular list, then those of the id export that it does not name."""
        seen: set[str] = set()
        async with aclosing(self._popular(limit)) as pages:
            async for page in pages:
                new: dict[str, Candidate | Skipped] = {}
                for candidate in page:  # pages shift while they are read: nobody counts twice
                    if candidate.person.id not in seen:
                        new.setdefault(candidate.person.id, candidate)
                seen |= new.keys()
                yield list(new.values())
        # Half of the export's first names are in the popular list, a third do not act.
        wanted = 3 * limit + len(seen)
        with tempfile.TemporaryFile() as file:
            found = await self._export(file, wanted)
            if isinstance(found, str):
                yield [Skipped("the id export", EXPORT_UNAVAILABLE, found)]
                return
            yield _others(found, seen)
            while len(found) == wanted:
                count, wanted = wanted, 4 * wanted
                found = await asyncio.to_thread(most_popular, file, wanted)
                yield _others(found[count:], seen)

    async def changed(self, since: date, until: date) -> set[str] | None:
        """What `/person/changes` says; None for more days or people than it can tell of."""
        if until - since > timedelta(days=protocol.CHANGES_DAYS):
            return None
        ids, pages = parse_changes(await self._page(protocol.changes(since, until, 1)))
        if pages > protocol.LAST_PAGE:
            return None
        requests = [protocol.changes(since, until, page) for page in range(2, pages + 1)]
        for answer in await run_all(map(self._page, requests)):
            ids |= parse_changes(answer)[0]
        return ids

    async def ask(self, person_id: str) -> Told:
        """A person's department and profile photographs."""
        try:
            answer = await self._transport.ask(protocol.person(person_id))
        except protocol.NotFound:
            raise LookupError(f"/person/{person_id} is not there any more (HTTP 404)") from None
        return parse_person(answer, person_id, self._collect.image_size)

    async def credits(self, movie: int) -> list[tuple[str, str, str | None]]:
        """Id, name and character of a film's cast, in the order of its credits.

        Raises:
            LookupError: there is no such film.
            SourceError: the server can't be asked.
        """
        try:
            answer = await self._transport.ask(protocol.credits(movie))
        except protocol.NotFound:
            raise LookupError(f"/movie/{movie} is not there (HTTP 404)") from None
        return parse_credits(answer, movie)

    async def address(self, ref: ImageRef) -> str:
        """Below where the server's own configuration says that images are."""
        if self._base is None:
            self._base = await self._image_base()
        return self._base + ref.url

    async def fetch(self, ref: ImageRef, file: BinaryIO) -> None:
        """An image; no token is sent for it."""
        url = await self.address(ref)
        await self._transport.download(url, file, int(self._collect.max_megabytes * 1e6))

    async def _popular(self, limit: int) -> AsyncGenerator[list[Candidate]]:
        """Page by page to the last, read ahead as far as surely needed."""
        first, last = parse_popular(await self._page(protocol.popular(1)))
        yield first
        wanted = limit - _actors(first)
        ahead: deque[asyncio.Task[object]] = deque()
        page = 2
        try:
            while ahead or page <= last:
                room = min(PAGES_AT_ONCE, max(1, -(-wanted // protocol.PAGE_LENGTH)))
                while len(ahead) < room and page <= last:
                    ahead.append(asyncio.create_task(self._page(protocol.popular(page))))
                    page += 1
                people, total = parse_popular(await ahead.popleft())  # pyright: ignore[reportArgumentType]
                last = min(last, total)
                wanted -= _actors(people)
                yield people
        finally:
            for task in ahead:
                task.cancel()
            await asyncio.gather(*ahead, return_exceptions=True)

    async def _page(self, request: protocol.Request) -> dict[str, object]:
        """A page of a list, which can't do without it: asked for once more after it failed."""
        try:
            return await self._transport.ask(request)
        except SourceUnreachable:
            if not self._transport.answered:
                raise
            return await self._transport.ask(request)

    async def _export(self, file: BinaryIO, count: int) -> list[Candidate] | str:
        """The most popular of today's export, else of yesterday's; else why there is none."""
        today = datetime.now(UTC).date()
        for day in (today, today - timedelta(days=1)):
            url = f"{export_url(self._tmdb)}/{protocol.export_file(day)}"
            try:
                await self._transport.download(url, file, MOST_BYTES)
                return await asyncio.to_thread(most_popular, file, count)
            except (ImageError, UnexpectedAnswer) as error:
                problem = f"{url}: {error}"
        return problem

    async def _image_base(self) -> str:
        key = self._url, self._collect.image_size, datetime.now(UTC).date()
        async with self._configuring:
            if key not in _bases:
                answer = await self._transport.ask(protocol.configuration())
                base = parse_configuration(answer, self._collect.image_size)
                address = web_address(base)
                if address is None or address.host not in allowed_hosts(self._tmdb):
                    host = address.host if address else "no web address"
                    raise ConfigError(
                        f"the server says that images are at {host}, which is not one of "
                        "tmdb.image_hosts: add it there if it is yours"
                    )
                _bases[key] = base
        return _bases[key]


def _actors(people: list[Candidate]) -> int:
    return sum(bool(one.actor) and not one.adult for one in people)


def _others(people: list[Candidate], seen: set[str]) -> list[Candidate | Skipped]:
    return [one for one in people if one.person.id not in seen]
