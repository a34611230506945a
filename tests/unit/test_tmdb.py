"""TMDB's adapter over HTTP: against the demo server, and a scripted one for what that can't do."""

import asyncio
import json
import logging
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from elenco.demo.faults import Faults
from elenco.demo.server import DemoServer
from elenco.demo.synthetic import SyntheticCast
from elenco.errors import (
    ConfigError,
    ImageError,
    SourceUnreachable,
    TermsNotAccepted,
    TokenMissing,
    TokenRefused,
    UnexpectedAnswer,
)
from elenco.faces.images import probe
from elenco.sources.tmdb import LONGEST_WAIT, Tmdb, open_source
from elenco.types import ImageRef, Person

TOKEN = "s3cret-tok3n"


@pytest.fixture
def tmdb(settings):
    """Settings for a server, with changes to the sections `tmdb` and `collect`."""

    def make(api_url, collect=None, **changes):
        values = {"api_url": api_url, "token": TOKEN, "terms_accepted": True, "retries": 2}
        values |= {"timeout_seconds": 5.0, "rate_per_second": 1000} | changes
        sections = {"tmdb": values, "collect": {"source": "tmdb"} | (collect or {})}
        return settings.model_copy(
            update={
                name: type(getattr(settings, name)).model_validate(
                    getattr(settings, name).model_dump() | values
                )
                for name, values in sections.items()
            }
        )

    return make


class Sleeps(list):
    """Notes how long it was to sleep, and doesn't."""

    async def __call__(self, seconds):
        self.append(seconds)
        await asyncio.sleep(0)


@asynccontextmanager
async def scripted(**handlers):
    """A server that answers `/3/...` and `/image/...` by function; yields its address and log."""
    asked = []

    async def answer(request):
        asked.append(request)
        return await handlers["api" if request.path.startswith("/3") else "image"](request)

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


def demo(cast, **options):
    return DemoServer(cast, TOKEN, rate_per_second=options.pop("rate_per_second", None), **options)


def page(request, total_pages=1):
    number = int(request.query["page"])
    entry = {"id": number, "name": "A", "popularity": 1, "known_for_department": "Acting"}
    return web.json_response({"page": number, "results": [entry], "total_pages": total_pages})


async def test_terms_come_first_then_the_token(tmdb):
    with pytest.raises(TermsNotAccepted, match="terms_accepted"):
        open_source(tmdb("http://a.test", terms_accepted=False, token=""))
    for token in ("", "  \n"):
        with pytest.raises(TokenMissing, match="ELENCO_TMDB__TOKEN"):
            open_source(tmdb("http://a.test", token=token))
    with pytest.raises(ConfigError, match="ELENCO_TMDB__TOKEN") as caught:
        open_source(tmdb("http://a.test", token="s3cret\r\nX: y"))
    assert "s3cret" not in str(caught.value)


async def test_pages_are_read_until_there_are_enough_actors(tmdb):
    cast = SyntheticCast(60, adult=True)
    adults = {str(p.id) for p in cast.people if p.adult}
    others = {str(p.id) for p in cast.people if p.department != "Acting"}
    async with demo(cast) as server, open_source(tmdb(server.api_url)) as source:
        everyone = await source.people(1000)
        ids = [person.id for person in everyone]
        expected = [str(p.id) for p in cast.people if str(p.id) not in adults | others]
        assert adults
        assert others
        assert ids == expected
        assert server.counts["popular"] == 4
        assert await source.people(15) == everyone[:15]
        assert server.counts["popular"] == 5


async def test_nobody_counts_twice_when_pages_shift(tmdb):
    faults = Faults(shifting_pages=8)
    async with demo(SyntheticCast(150), faults=faults) as server:
        settings = tmdb(server.api_url)
        async with open_source(settings) as source:
            people = await source.people(120)
            everyone = await source.people(1000)
    assert len({person.id for person in people}) == len(people) == 120
    assert len({person.id for person in everyone}) == len(everyone) <= 150


async def test_a_list_that_gets_shorter_meanwhile_ends(tmdb):
    async def api(request):
        return page(request, total_pages=1 if int(request.query["page"]) > 3 else 20)

    async with scripted(api=api) as (url, asked), open_source(tmdb(f"{url}/3")) as source:
        people = await source.people(100)
    assert [person.id for person in people] == ["1", "2", "3", "4", "5", "6"]
    assert len(asked) == 6


async def test_images_come_in_the_size_that_was_chosen(tmdb):
    cast = SyntheticCast(3)
    person = Person(str(cast.people[0].id), "")
    async with demo(cast) as server:
        for size, height in (("h632", 632), ("w185", None)):
            settings = tmdb(server.api_url, collect={"image_size": size, "photos_per_person": 2})
            async with open_source(settings) as source:
                refs = await source.images(person)
                await source.images(person)
                assert len(refs) == 2
                assert all(f"/t/p/{size}/" in ref.url for ref in refs)
                width, found = probe(await source.fetch(refs[0]), 40)[1:]
                assert width <= 185 if height is None else found <= height
        assert server.counts["configuration"] == 2
        settings = tmdb(server.api_url, collect={"image_size": "w999"})
        async with open_source(settings) as source:
            with pytest.raises(UnexpectedAnswer, match=r"w999.*collect\.image_size"):
                await source.images(person)


async def test_a_person_who_is_gone_is_a_lookup_error(tmdb):
    async with demo(SyntheticCast(2)) as server, open_source(tmdb(server.api_url)) as source:
        with pytest.raises(LookupError, match="/person/77"):
            await source.images(Person("77", "Nobody"))
        with pytest.raises(ImageError) as caught:
            await source.fetch(ImageRef("77", "x", f"{server.url}/t/p/h632/x.jpg"))
    assert caught.value.reason == "gone"


async def test_a_wrong_token_is_refused_at_once_and_shown_nowhere(tmdb, caplog):
    caplog.set_level(logging.DEBUG)
    settings = tmdb("http://a.test", token="wr0ng-token")
    async with demo(SyntheticCast(2)) as server:
        source = Tmdb(tmdb(server.api_url, token="wr0ng-token"))
        async with source:
            with pytest.raises(TokenRefused, match="ELENCO_TMDB__TOKEN") as caught:
                await source.people(2)
        assert server.counts["popular"] == 1
    assert "wr0ng" not in caplog.text + str(caught.value) + repr(caught.value)
    assert "wr0ng" not in repr(source) + repr(settings) + repr(vars(source))


MALFORMED = [
    b"nonsense\r\n\r\n",
    b"HTTP/1.1 2OO fine\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Encoding: gzip\r\n\r\n0123456789",
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"",
]


@pytest.mark.parametrize("reply", MALFORMED, ids=range(len(MALFORMED)))
async def test_broken_http_is_unreachable_and_shows_no_token(tmdb, reply, caplog):
    caplog.set_level(logging.DEBUG)
    async with raw(reply) as url, Tmdb(tmdb(f"{url}/3"), Sleeps()) as source:
        with pytest.raises(SourceUnreachable, match="/person/popular in 3 tries") as caught:
            await source.people(2)
        with pytest.raises(ImageError) as image:
            await source.fetch(ImageRef("1", "a", f"{url}/a.jpg"))
    assert image.value.reason == "unreachable"
    error: BaseException | None = caught.value
    while error is not None:
        assert TOKEN not in f"{error!s} {error!r}"
        error = error.__cause__ or error.__context__
    assert TOKEN not in caplog.text


async def test_nobody_listens(tmdb):
    async with raw(b"") as url:
        pass
    async with Tmdb(tmdb(f"{url}/3"), Sleeps()) as source:
        with pytest.raises(SourceUnreachable, match="ELENCO_TMDB__API_URL"):
            await source.people(2)


async def test_a_server_that_says_nothing_is_given_up(tmdb):
    async def api(request):
        await asyncio.sleep(2)
        return web.Response()

    async with scripted(api=api) as (url, _):
        settings = tmdb(f"{url}/3", timeout_seconds=0.05, retries=1)
        async with Tmdb(settings, Sleeps()) as source:
            with pytest.raises(SourceUnreachable, match="Timeout"):
                await source.people(2)


@pytest.mark.parametrize("url", ["", "themoviedb", "http://", "ftp://a.test/3"])
async def test_an_address_that_is_none_names_its_setting(tmdb, url):
    async with Tmdb(tmdb(url), Sleeps()) as source:
        with pytest.raises(ConfigError, match="ELENCO_TMDB__API_URL"):
            await source.people(2)


@pytest.mark.parametrize(
    ("retry_after", "least", "most"), [("7", 6.9, 7), ("99999", 59, LONGEST_WAIT), (None, 0, 0.5)]
)
async def test_429_pauses_everybody_as_long_as_the_server_asks_within_bounds(
    tmdb, retry_after, least, most
):
    answers = []

    async def api(request):
        answers.append(request)
        if len(answers) > 1:
            return page(request)
        headers = {"Retry-After": retry_after} if retry_after else None
        return web.json_response({"status_code": 25}, status=429, headers=headers)

    class EnoughError(Exception):
        """The pause is over the clock's, which is real: nobody waits for its end here."""

    sleeps = Sleeps()

    async def sleep(seconds):
        await sleeps(seconds)
        if seconds > 1:
            raise EnoughError
        await asyncio.sleep(seconds)

    async with scripted(api=api) as (url, _), Tmdb(tmdb(f"{url}/3", retries=1), sleep) as source:
        if retry_after:
            with pytest.raises(EnoughError):
                await source.people(1)
        else:
            assert len(await source.people(1)) == 1
    assert len(answers) == (1 if retry_after else 2)
    assert least <= max(sleeps) <= most


async def test_server_errors_and_cut_bodies_pass(tmdb):
    faults = Faults(server_errors=0.2, too_many=0.1, cut=0.2, seed=3)
    cast = SyntheticCast(40)
    async with demo(cast, faults=faults) as server:
        settings = tmdb(server.api_url, retries=12)

        async def sleep(seconds):
            await asyncio.sleep(min(seconds, 0.01))

        async with Tmdb(settings, sleep) as source:
            people = await source.people(40)
            refs = await source.images(people[0])
            bodies = [await source.fetch(ref) for ref in refs]
        assert server.counts["cut"] > 0
        assert server.counts["status:500"] > 0
    assert [person.id for person in people] == [
        str(p.id) for p in cast.people if p.department == "Acting"
    ]
    assert bodies == [cast.image(f"/{ref.key}.jpg", "h632") for ref in refs]


async def test_5xx_is_given_up_after_the_retries(tmdb):
    async with demo(SyntheticCast(2), faults=Faults(server_errors=1)) as server:
        sleeps = Sleeps()
        async with Tmdb(tmdb(server.api_url, retries=3), sleeps) as source:
            with pytest.raises(SourceUnreachable, match=r"in 4 tries .*50[03]"):
                await source.people(2)
            assert server.counts["popular"] == 4
            with pytest.raises(ImageError) as caught:
                await source.fetch(ImageRef("1", "a", f"{server.url}/t/p/h632/a.jpg"))
            assert caught.value.reason == "unreachable"
            assert server.counts["image"] == 4
    assert all(0 <= seconds <= LONGEST_WAIT for seconds in sleeps)


async def test_html_instead_of_json_says_so_and_names_the_setting(tmdb):
    async with demo(SyntheticCast(2), faults=Faults(html=1)) as server:
        settings = tmdb(server.api_url)
        async with open_source(settings) as source:
            with pytest.raises(UnexpectedAnswer, match=r"text/html.*ELENCO_TMDB__API_URL"):
                await source.people(2)


async def test_the_rate_of_the_server_is_kept_to(tmdb):
    async with demo(SyntheticCast(9), rate_per_second=30) as server:
        async with open_source(tmdb(server.api_url, rate_per_second=25)) as source:
            people = await source.people(9)
            await asyncio.gather(*(source.images(p) for p in people for _ in range(5)))
        assert server.counts["status:429"] == 0


async def test_the_token_goes_to_the_api_alone(tmdb):
    asked_elsewhere = []

    async def elsewhere(request):
        asked_elsewhere.append(request)
        return web.json_response({})

    async with scripted(api=elsewhere, image=elsewhere) as (other, _):

        async def api(request):
            raise web.HTTPFound(f"{other}/3/person/popular?page=1")

        async def image(request):
            return web.Response(body=b"picture")

        async with scripted(api=api, image=image) as (url, asked):
            settings = tmdb(f"{url}/3")
            async with open_source(settings) as source:
                with pytest.raises(UnexpectedAnswer, match="HTTP 302"):
                    await source.people(2)
                assert await source.fetch(ImageRef("1", "a", f"{url}/image/a.jpg")) == b"picture"
    assert not asked_elsewhere
    assert [request.path for request in asked] == ["/3/person/popular", "/image/a.jpg"]
    assert asked[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert "Authorization" not in asked[1].headers
    assert not [request for request in asked if TOKEN in str(request.url)]


async def test_an_image_that_is_too_large_is_not_read_to_its_end(tmdb):
    sent = []

    async def image(request):
        response = web.StreamResponse()
        if request.path.endswith("stated.jpg"):
            response.content_length = 10**9
        await response.prepare(request)
        for _ in range(10_000):
            await response.write(bytes(100_000))
            sent.append(100_000)
        return response

    async with scripted(image=image) as (url, _):
        settings = tmdb(f"{url}/3", collect={"max_megabytes": 0.2})
        async with open_source(settings) as source:
            for name in ("stated.jpg", "endless.jpg"):
                with pytest.raises(ImageError) as caught:
                    await source.fetch(ImageRef("1", name, f"{url}/image/{name}"))
                assert caught.value.reason == "too_large"
    assert sum(sent) < 10**8


@pytest.mark.parametrize(
    ("status", "reason"), [(403, "refused"), (404, "gone"), (410, "gone"), (418, "refused")]
)
async def test_an_image_that_is_refused_is_asked_for_once(tmdb, status, reason):
    async def image(request):
        return web.Response(status=status)

    async with scripted(image=image) as (url, asked), open_source(tmdb(f"{url}/3")) as source:
        with pytest.raises(ImageError) as caught:
            await source.fetch(ImageRef("1", "a", f"{url}/image/a.jpg"))
        assert caught.value.reason == reason
        assert len(asked) == 1
        with pytest.raises(ImageError, match="refused"):
            await source.fetch(ImageRef("1", "a", "file:///etc/hostname"))


async def test_an_image_that_redirects_in_circles_is_unreachable(tmdb):
    async def image(request):
        raise web.HTTPFound(request.path)

    async with scripted(image=image) as (url, _), Tmdb(tmdb(f"{url}/3"), Sleeps()) as source:
        with pytest.raises(ImageError, match="TooManyRedirects") as caught:
            await source.fetch(ImageRef("1", "a", f"{url}/image/a.jpg"))
    assert caught.value.reason == "unreachable"


async def test_the_first_failure_ends_the_other_pages(tmdb):
    async def api(request):
        number = int(request.query["page"])
        if number == 1:
            return page(request, total_pages=50)
        if number == 3:
            return web.Response(text=json.dumps({"results": None}), status=401)
        await asyncio.sleep(0.5)
        return web.Response(status=503)

    async with scripted(api=api) as (url, asked):
        async with open_source(tmdb(f"{url}/3", retries=20)) as source:
            with pytest.raises(TokenRefused):
                await source.people(200)
        others = [t for t in asyncio.all_tasks() if "_ask" in repr(t.get_coro())]
        assert not others
        assert len(asked) <= 9
