"""What tests of TMDB's adapter have in common: settings, local servers, a loop of virtual time."""

import asyncio
import io
import selectors
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from aiohttp import web

from elenco.demo.server import DemoServer
from elenco.settings import Settings
from elenco.types import Skipped

TOKEN = "s3cret-tok3n"
T = TypeVar("T")


def today() -> date:
    """TMDB's day, which is UTC's. Asked for in each test: a run of them may cross midnight."""
    return datetime.now(UTC).date()


def tmdb_settings(settings: Settings, api_url: str, collect=None, **changes: Any) -> Settings:
    """Settings for a server, with changes to the sections `tmdb` and `collect`."""
    values = {"api_url": api_url, "token": TOKEN, "terms_accepted": True, "retries": 2}
    values |= {"timeout_seconds": 5.0, "rate_per_second": 1000, "outage_seconds": 0} | changes
    sections = {"tmdb": values, "collect": {"source": "tmdb"} | (collect or {})}
    return settings.model_copy(
        update={
            name: type(getattr(settings, name)).model_validate(
                getattr(settings, name).model_dump() | values
            )
            for name, values in sections.items()
        }
    )


def demo(cast, **options) -> DemoServer:
    """A demo server that wants `TOKEN` and has no limit of its own."""
    return DemoServer(cast, TOKEN, rate_per_second=options.pop("rate_per_second", None), **options)


class Sleeps(list):
    """Notes how long it was to sleep, and doesn't."""

    async def __call__(self, seconds):
        self.append(seconds)
        await asyncio.sleep(0)


async def hardly(seconds):
    """Sleep no longer than a moment."""
    await asyncio.sleep(min(seconds, 0.01))


@asynccontextmanager
async def scripted(**handlers):
    """A server that answers by function: `api` for `/3/...`, `export`, `image` for the rest.

    Yields its address and the requests so far. What has no handler is 404.
    """
    asked = []

    async def answer(request):
        asked.append(request)
        heads = {"/3": "api", "/p/exports": "export"}
        kind = next((k for head, k in heads.items() if request.path.startswith(head)), "image")
        if kind not in handlers:
            raise web.HTTPNotFound
        return await handlers[kind](request)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw(reply: bytes):
    """A server that sends the same bytes to everybody and hangs up."""

    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def entry(number, **changes):
    """Someone on a page of `/person/popular`."""
    actor = {"id": number, "name": f"P{number}", "popularity": 1, "known_for_department": "Acting"}
    return actor | {"adult": False} | changes


def page(request, total_pages=1):
    """A page of one person, whose number is that of the page."""
    number = int(request.query["page"])
    results = [entry(number)]
    return web.json_response({"page": number, "results": results, "total_pages": total_pages})


def configuration(image_url):
    """`/configuration` of a server whose images are below an address."""
    images = {"secure_base_url": image_url, "profile_sizes": ["w185", "h632"]}
    return web.json_response({"images": images})


async def everybody(source, limit):
    """All candidates, and what could not be read."""
    return [one for part in [part async for part in source.candidates(limit)] for one in part]


async def first(source, count):
    """The first so many actors; nothing more is read than they need."""
    found = []
    async with aclosing(source.candidates(count)) as parts:
        async for part in parts:
            people = [one for one in part if not isinstance(one, Skipped)]
            found += [one.person for one in people if one.actor and not one.adult]
            if len(found) >= count:
                break
    return found[:count]


async def fetched(source, ref) -> bytes:
    """A photograph's bytes."""
    file = io.BytesIO()
    await source.fetch(ref, file)
    return file.getvalue()


class _Leaps(selectors.DefaultSelector):
    """Where others would wait, the time is later at once."""

    now = 0.0

    def select(self, timeout=None):
        if timeout is not None and timeout > 0:
            self.now += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop in which sleeping takes no time: `time()` leaps to whatever is due next."""

    def __init__(self, start: float = 0.0) -> None:
        self._leaps = _Leaps()
        self._leaps.now = start
        super().__init__(self._leaps)

    def time(self):
        return self._leaps.now


def in_virtual_time(work: Coroutine[Any, Any, T]) -> T:
    """Run work that waits for nothing but the time, with `asyncio.get_running_loop().time()`."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


async def ticks(parts: list[T]) -> AsyncIterator[T]:
    """The parts, one by one, with a chance for others between."""
    for part in parts:
        await asyncio.sleep(0)
        yield part
