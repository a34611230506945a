"""The token is shown nowhere: not in an error, a log record or a file, whatever a server does."""

import asyncio
import logging
import traceback
from collections.abc import Iterator
from datetime import date

import pytest
from aiohttp import web

from elenco.demo.faults import Faults
from elenco.demo.stock import StockCast
from elenco.errors import ElencoError
from elenco.layout import Layout
from elenco.sources import tmdb as adapter
from elenco.sources import tmdb_answers, transport
from elenco.sources.listing import list_people
from elenco.sources.stage import collect_shard
from elenco.sources.tmdb import Tmdb
from elenco.types import ImageRef
from tests.tmdb_help import (
    TOKEN,
    Sleeps,
    configuration,
    demo,
    entry,
    everybody,
    fetched,
    hardly,
    raw,
    scripted,
    tmdb_settings,
)


@pytest.fixture(autouse=True)
def forgetful(monkeypatch):
    monkeypatch.setattr(transport, "_health", {})
    monkeypatch.setattr(adapter, "_bases", {})


class Records(logging.Handler):
    def __init__(self):
        super().__init__(logging.DEBUG)
        self.records = []

    def emit(self, record):
        self.records.append(record)


@pytest.fixture(autouse=True)
def nothing_shown(tmp_path):
    """In the end all that was logged at all, and every file, is looked through."""
    root, found = logging.getLogger(), Records()
    level = root.level
    root.addHandler(found)
    root.setLevel(logging.DEBUG)
    logging.getLogger("test").debug("it is captured")
    yield
    root.removeHandler(found)
    root.setLevel(level)
    assert found.records[0].getMessage() == "it is captured"
    for record in found.records:
        shown = f"{record.getMessage()} {record.args!r} {logging.Formatter().format(record)}"
        assert TOKEN not in shown
    for path in tmp_path.rglob("*"):
        assert TOKEN not in path.name
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes()


def related(error: BaseException) -> Iterator[BaseException]:
    """An error and all that it came from."""
    left, seen = [error], set()
    while left:
        one = left.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            left += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]


def assert_silent(error: BaseException) -> None:
    for one in related(error):
        shown = f"{one!s} {one!r} {one.args!r} {getattr(one, '__notes__', '')}"
        assert TOKEN not in shown
        assert TOKEN not in str(vars(one))
    assert TOKEN not in "".join(traceback.format_exception(error))


def token_of(request):
    return request.headers.get("Authorization", "none").removeprefix("Bearer ")


def says(status, **more):
    async def api(request):
        body = {"status_message": f"I know {token_of(request)}", "status_code": 1}
        return web.json_response(body, status=status, **more)

    return api


def heads(status, name, value="{}"):
    async def api(request):
        return web.Response(status=status, headers={name: value.format(token_of(request))})

    return api


async def in_html(request):
    return web.Response(text=f"<html>{token_of(request)}</html>", content_type="text/html")


async def as_reason(request):
    return web.Response(status=400, reason=token_of(request))


async def as_members(request):
    token = token_of(request)
    return web.json_response({"results": [token], "total_pages": token, "images": {token: token}})


async def as_file_path(request):
    profiles = {"profiles": [{"file_path": f"/../{token_of(request)}"}]}
    return web.json_response({"name": "A", "images": profiles})


async def as_image_host(request):
    return configuration(f"http://{token_of(request)}.test/")


async def as_image_sizes(request):
    images = {"secure_base_url": "http://a.test/", "profile_sizes": [token_of(request)]}
    return web.json_response({"images": images})


ECHOES = {
    **{f"message {status}": says(status) for status in (200, 302, 400, 401, 403, 404, 422, 429)},
    **{f"message {status}": says(status) for status in (500, 503)},
    "content type": heads(400, "Content-Type", "text/{}"),
    "content type of a page": heads(200, "Content-Type", "text/{}"),
    "location": heads(302, "Location", "http://127.0.0.1:9/{}"),
    "cookie": heads(400, "Set-Cookie", "a={}"),
    "retry after": heads(503, "Retry-After"),
    "encoding": heads(200, "Content-Encoding"),
    "html": in_html,
    "reason": as_reason,
    "members": as_members,
    "file path": as_file_path,
    "image host": as_image_host,
    "image sizes": as_image_sizes,
}


@pytest.mark.parametrize("echo", ECHOES)
async def test_a_server_that_repeats_the_token_makes_nobody_show_it(settings, echo):
    asyncio.get_running_loop().set_debug(True)
    photo = ImageRef("1", "a", "/a.jpg")
    async with scripted(api=ECHOES[echo]) as (url, asked):
        async with Tmdb(tmdb_settings(settings, f"{url}/3"), hardly) as source:
            errors = await asyncio.gather(
                everybody(source, 9),
                source.ask("7"),
                source.changed(date(2026, 1, 1), date(2026, 1, 2)),
                source.address(photo),
                fetched(source, photo),
                return_exceptions=True,
            )
        assert asked[0].headers["Authorization"] == f"Bearer {TOKEN}"
    found = [error for error in errors if isinstance(error, BaseException)]
    assert found
    for error in found:
        assert isinstance(error, ElencoError | LookupError)
        assert_silent(error)


async def test_what_a_server_repeats_is_written_to_no_file(settings, layout):
    async def api(request):
        token = token_of(request)
        if request.path == "/3/person/popular":
            people = [entry(n, name=f"{token} {n}") for n in range(5)]
            return web.json_response({"results": people, "total_pages": 1})
        if request.path == "/3/configuration":
            return configuration(f"{request.scheme}://{request.host}/{token}/")
        profiles = [{"file_path": f"/{n}.jpg", "iso_639_1": token} for n in range(2)]
        return web.json_response({"name": token, "images": {"profiles": profiles}})

    async with scripted(api=api) as (url, _):
        changed = tmdb_settings(settings, f"{url}/3", {"shards": 1})
        listing = await list_people(changed, layout)
        try:
            await collect_shard(listing.shards[0], 0, changed, layout)
        except ElencoError as error:
            assert_silent(error)
    assert (layout.data / listing.path).exists()
    assert layout.record("collect", 0).exists()


BROKEN = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Encoding: gzip\r\n\r\n0123456789",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000 + b"\r\n\r\n{}",
    b"HTTP/1.1 99999 no\r\n\r\n",
    b"\x16\x03\x01",
    b"",
]


@pytest.mark.parametrize("reply", BROKEN, ids=range(len(BROKEN)))
async def test_broken_http_shows_nothing(settings, reply):
    asyncio.get_running_loop().set_debug(True)
    async with raw(reply) as url, Tmdb(tmdb_settings(settings, f"{url}/3"), Sleeps()) as source:
        for work in (everybody(source, 2), source.ask("7")):
            with pytest.raises(ElencoError) as caught:
                await work
            assert_silent(caught.value)


async def test_an_api_that_is_not_there_shows_nothing(settings):
    async with raw(b"") as url:
        pass
    for address in (f"{url}/3", url.replace("http", "https")):
        async with Tmdb(tmdb_settings(settings, address), Sleeps()) as source:
            with pytest.raises(ElencoError) as caught:
                await everybody(source, 2)
            assert_silent(caught.value)


async def test_work_that_is_cancelled_shows_nothing(settings):
    async def api(request):
        await asyncio.sleep(30)

    async with (
        scripted(api=api) as (url, asked),
        Tmdb(tmdb_settings(settings, f"{url}/3"), hardly) as source,
    ):
        work = asyncio.create_task(everybody(source, 2))
        while not asked:
            await asyncio.sleep(0.001)
        assert TOKEN not in repr(work) + repr(source) + repr(vars(source))
        work.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await work
        assert_silent(caught.value)


async def test_a_whole_run_with_faults_shows_nothing(settings, monkeypatch):
    monkeypatch.setattr(tmdb_answers, "LAST_PAGE", 1)
    asyncio.get_running_loop().set_debug(True)
    kinds = ("reset", "internal_errors", "unavailable", "slow", "cut", "wrong_length")
    shares = dict.fromkeys((*kinds, "html", "wrong_type", "bad_json"), 0.03)
    faults = Faults(**shares, slow_seconds=0.02, shifting_pages=3, seed=11)
    async with demo(StockCast(40, photos=2), faults=faults) as server:
        changed = tmdb_settings(
            settings, server.api_url, {"people": 24, "shards": 2}, retries=8, outage_seconds=10
        )
        layout = Layout.of(changed)
        listing = await list_people(changed, layout)
        for number, people in enumerate(listing.shards):
            await collect_shard(people, number, changed, layout)
        struck = [name for name in server.counts if name.startswith("fault:")]
        assert len(struck) >= 5
    assert len(list((layout.data / "images").rglob("*.jpg"))) >= 45


async def test_a_run_that_fails_shows_nothing(settings):
    """Nothing arrives whole."""
    async with demo(StockCast(40, photos=3), faults=Faults(cut=1)) as server:
        changed = tmdb_settings(settings, server.api_url, {"shards": 1})
        async with Tmdb(changed, hardly) as source:
            results = await asyncio.gather(
                *(source.ask(str(900_000_001 + n)) for n in range(20)), return_exceptions=True
            )
        for error in results:
            assert isinstance(error, ElencoError)
            assert_silent(error)
        with pytest.raises(ElencoError) as caught:
            await list_people(
                tmdb_settings(settings, server.api_url, retries=0), Layout.of(changed)
            )
        assert_silent(caught.value)
