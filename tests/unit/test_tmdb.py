"""TMDB's adapter over HTTP: against the demo server, and a scripted one for what that can't do."""

import asyncio
import io
import json
import logging
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, date, datetime, timedelta

import pytest
from aiohttp import web

from elenco.demo.faults import Faults
from elenco.demo.stock import StockCast
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
from elenco.sources import tmdb as adapter
from elenco.sources import transport
from elenco.sources.bucket import TokenBucket
from elenco.sources.pace import Pace
from elenco.sources.patience import LONGEST_WAIT
from elenco.sources.tmdb import Tmdb, open_source
from elenco.sources.transport import Transport
from elenco.types import ImageRef, Skipped
from tests.tmdb_help import (
    TOKEN,
    Sleeps,
    configuration,
    demo,
    everybody,
    fetched,
    first,
    hardly,
    page,
    raw,
    scripted,
    tmdb_settings,
)

TODAY = datetime.now(UTC).date()


@pytest.fixture(autouse=True)
def forgetful(monkeypatch):
    """Nothing is known of a server that had the same port in another test."""
    monkeypatch.setattr(transport, "_health", {})
    monkeypatch.setattr(adapter, "_bases", {})


@pytest.fixture
def tmdb(settings):
    def make(api_url, collect=None, **changes):
        return tmdb_settings(settings, api_url, collect, **changes)

    return make


@asynccontextmanager
async def downloading(settings, sleep=None):
    """A function that downloads from an address, no matter what `/configuration` says."""
    pace = Pace(TokenBucket(1000))
    most = int(settings.collect.max_megabytes * 1e6)
    async with Transport(settings, pace, sleep or Sleeps()) as transport:

        async def download(url):
            file = io.BytesIO()
            await transport.download(url, file, most)
            return file.getvalue()

        yield download


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
        everyone = await everybody(source, 1000)
        actors = [c.person for c in everyone if c.actor and not c.adult]
        expected = [str(p.id) for p in cast.people if str(p.id) not in adults | others]
        assert adults
        assert others
        assert [person.id for person in actors] == expected
        assert {c.person.id for c in everyone if c.adult} == adults
        assert {c.person.id for c in everyone if not c.actor} == others
        assert server.counts["popular"] == 4
        assert await first(source, 15) == actors[:15]
        assert server.counts["popular"] == 5
        assert server.counts["export"] == 1


async def test_who_wants_more_than_was_read_ahead_gets_the_next_page(tmdb):
    """Whoever asks may leave some of the actors out, which the source can't know."""
    cast = StockCast(90)
    async with demo(cast) as server, open_source(tmdb(server.api_url)) as source:
        found = []
        async with aclosing(source.candidates(20)) as parts:
            async for part in parts:
                found += [one.person.id for one in part]
                if len(found) >= 60:
                    break
        assert found == [str(p.id) for p in cast.people[:60]]
        assert (server.counts["popular"], server.counts["export"]) == (3, 0)


async def test_nobody_counts_twice_when_pages_shift(tmdb):
    faults = Faults(shifting_pages=8)
    cast = SyntheticCast(150)
    async with demo(cast, faults=faults) as server:
        settings = tmdb(server.api_url)
        async with open_source(settings) as source:
            people = [c for c in await everybody(source, 120) if c.actor is not False][:120]
            everyone = await everybody(source, 1000)
    assert len({c.person.id for c in people}) == len(people) == 120
    assert len({c.person.id for c in everyone}) == len(everyone)
    # Who was left out between two pages is in the export.
    assert {c.person.id for c in everyone} == {str(p.id) for p in cast.people}


async def test_a_list_that_gets_shorter_meanwhile_ends(tmdb):
    async def api(request):
        return page(request, total_pages=1 if int(request.query["page"]) > 3 else 20)

    async with scripted(api=api) as (url, asked), open_source(tmdb(f"{url}/3")) as source:
        *people, export = await everybody(source, 100)
    assert [c.person.id for c in people] == ["1", "2", "3", "4", "5", "6", "7", "8"]
    assert len([r for r in asked if r.path == "/3/person/popular"]) == 8
    assert isinstance(export, Skipped)
    assert export.reason == "export_unavailable"


async def test_pages_that_were_read_ahead_in_vain_are_given_up(tmdb):
    """Whoever has enough leaves nothing behind that still asks."""
    waiting = asyncio.Event()

    async def api(request):
        if request.query["page"] != "1":
            waiting.set()
            await asyncio.sleep(30)
        return page(request, total_pages=50)

    async with scripted(api=api) as (url, _), open_source(tmdb(f"{url}/3")) as source:
        before = asyncio.all_tasks()
        async with aclosing(source.candidates(200)) as parts:
            assert [c.person.id for c in await anext(parts)] == ["1"]
            ahead = asyncio.create_task(anext(parts))
            await waiting.wait()
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)
        assert not pages_under_way(before)


async def test_nothing_is_under_way_after_the_last_that_was_wanted(tmdb):
    async def api(request):
        if int(request.query["page"]) > 2:
            await asyncio.sleep(30)
        return page(request, total_pages=50)

    async with scripted(api=api) as (url, _), open_source(tmdb(f"{url}/3")) as source:
        before = asyncio.all_tasks()
        async with aclosing(source.candidates(200)) as parts:
            found = [(await anext(parts))[0].person.id for _ in range(2)]
        assert found == ["1", "2"]
        assert not pages_under_way(before)


def pages_under_way(before):
    tasks = [task for task in asyncio.all_tasks() - before if not task.done()]
    return [task for task in tasks if "_page" in repr(task.get_coro())]


async def test_images_come_in_the_size_that_was_chosen(tmdb):
    cast = SyntheticCast(3)
    person_id = str(cast.people[0].id)
    async with demo(cast) as server:
        for size, height in (("h632", 632), ("w185", None)):
            settings = tmdb(server.api_url, collect={"image_size": size})
            async with open_source(settings) as source:
                refs = (await source.ask(person_id)).images
                await source.ask(person_id)
                assert len(refs) == len(cast.photos(cast.people[0]))
                assert [ref.version for ref in refs] == [size] * len(refs)
                for ref in refs:
                    assert await source.address(ref) == f"{server.url}/t/p/{size}{ref.url}"
                width, found = probe(await fetched(source, refs[0]), 40)[1:]
                assert width <= 185 if height is None else found <= height
        assert server.counts["configuration"] == 2
        settings = tmdb(server.api_url, collect={"image_size": "w999"})
        async with open_source(settings) as source:
            with pytest.raises(UnexpectedAnswer, match=r"w999.*collect\.image_size"):
                await fetched(source, refs[0])


async def test_a_person_who_is_gone_is_a_lookup_error(tmdb):
    async with demo(SyntheticCast(2)) as server, open_source(tmdb(server.api_url)) as source:
        with pytest.raises(LookupError, match="/person/77"):
            await source.ask("77")
        with pytest.raises(ImageError) as caught:
            await fetched(source, ImageRef("77", "x", "/x.jpg"))
    assert caught.value.reason == "gone"


async def test_a_wrong_token_is_refused_at_once_and_shown_nowhere(tmdb, caplog):
    caplog.set_level(logging.DEBUG)
    settings = tmdb("http://a.test", token="wr0ng-token")
    async with demo(SyntheticCast(2)) as server:
        source = Tmdb(tmdb(server.api_url, token="wr0ng-token"))
        async with source:
            with pytest.raises(TokenRefused, match="ELENCO_TMDB__TOKEN") as caught:
                await everybody(source, 2)
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
            await everybody(source, 2)
        # The bytes of a file are stored as they come, whatever its Content-Encoding says.
        if b"gzip" not in reply:
            async with downloading(tmdb(f"{url}/3")) as download:
                with pytest.raises(ImageError) as image:
                    await download(f"{url}/a.jpg")
            assert image.value.reason == "unreachable"
    error: BaseException | None = caught.value
    while error is not None:
        assert TOKEN not in f"{error!s} {error!r}"
        error = error.__cause__ or error.__context__
    assert TOKEN not in caplog.text


async def test_nobody_listens(tmdb):
    async with raw(b"") as url:
        pass
    async with Tmdb(tmdb(f"{url}/3", outage_seconds=600), Sleeps()) as source:
        with pytest.raises(SourceUnreachable, match=r"in 3 tries.*ELENCO_TMDB__API_URL"):
            await everybody(source, 2)


async def test_a_server_that_says_nothing_is_given_up(tmdb):
    async def api(request):
        await asyncio.sleep(2)
        return web.Response()

    async with scripted(api=api) as (url, _):
        settings = tmdb(f"{url}/3", timeout_seconds=0.05, retries=1)
        async with Tmdb(settings, Sleeps()) as source:
            with pytest.raises(SourceUnreachable, match="Timeout"):
                await everybody(source, 2)


NO_ADDRESSES = ["themoviedb", "http://", "ftp://a.test/3", "http://a.test:x/3"]
SECRETIVE = ["http://me:pass@a.test/3", "http://a.test/3?key=pass", "http://a.test/3#pass"]


@pytest.mark.parametrize("url", ["", *NO_ADDRESSES, *SECRETIVE])
async def test_an_address_that_is_none_names_its_setting(tmdb, url):
    with pytest.raises(ConfigError, match="ELENCO_TMDB__API_URL") as caught:
        open_source(tmdb(url))
    assert "pass" not in str(caught.value)


@pytest.mark.parametrize("url", [*NO_ADDRESSES, *SECRETIVE])
async def test_an_address_of_exports_that_is_none_names_its_setting(tmdb, url):
    with pytest.raises(ConfigError, match="ELENCO_TMDB__EXPORT_URL") as caught:
        open_source(tmdb("http://a.test/3", export_url=url))
    assert "pass" not in str(caught.value)


@pytest.mark.parametrize(
    ("retry_after", "least", "most"),
    [("7", 6.9, 7.05), ("99999", 59, LONGEST_WAIT + 0.05), (None, 0, 0.5)],
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
                await first(source, 1)
        else:
            assert len(await first(source, 1)) == 1
    assert len(answers) == (1 if retry_after else 2)
    assert least <= max(sleeps) <= most


async def test_server_errors_and_broken_bodies_pass(tmdb):
    faults = Faults(
        internal_errors=0.1, unavailable=0.1, reset=0.1, cut=0.2, bad_json=0.1, html=0.02, seed=3
    )
    cast = SyntheticCast(40)
    async with demo(cast, faults=faults) as server:
        async with Tmdb(tmdb(server.api_url, retries=20), hardly) as source:
            people = await first(source, 36)
            told = [await source.ask(person.id) for person in people[:9]]
            refs = told[0].images
            bodies = [await fetched(source, ref) for ref in refs]
        for name in ("cut", "status:500", "status:503", "fault:reset", "fault:bad_json"):
            assert server.counts[name] > 0
    assert [person.id for person in people] == [
        str(p.id) for p in cast.people if p.department == "Acting"
    ][:36]
    assert [t.name for t in told] == [person.name for person in people[:9]]
    assert bodies == [cast.image(f"/{ref.key}.jpg", "h632") for ref in refs]


async def test_half_a_body_that_is_announced_as_the_whole_is_no_answer(tmdb):
    """An API's answer is asked for again; of a photograph the half is all that can be known."""
    faults = Faults(wrong_length=0.5, seed=1)
    cast = SyntheticCast(30)
    async with demo(cast, faults=faults) as server:
        async with Tmdb(tmdb(server.api_url, retries=12), hardly) as source:
            people = await first(source, 20)
        assert server.counts["fault:wrong_length"] > 0
    assert [p.id for p in people] == [str(p.id) for p in cast.people if p.department == "Acting"][
        :20
    ]


async def test_slow_bodies_and_wrong_types_are_answers(tmdb):
    faults = Faults(slow=0.5, wrong_type=1, slow_seconds=0.05)
    async with demo(SyntheticCast(9), faults=faults) as server:
        async with Tmdb(tmdb(server.api_url, retries=0), Sleeps()) as source:
            (person,) = await first(source, 1)
            refs = (await source.ask(person.id)).images
            assert probe(await fetched(source, refs[0]), 40)[0] == "JPEG"
        assert server.counts["fault:slow"] + server.counts["fault:wrong_type"] == 4
        assert server.counts["fault:slow"]


async def test_5xx_is_given_up_after_the_retries(tmdb):
    for faults, status in ((Faults(internal_errors=1), 500), (Faults(unavailable=1), 503)):
        async with demo(SyntheticCast(2), faults=faults) as server:
            sleeps = Sleeps()
            settings = tmdb(server.api_url, retries=3)
            async with Tmdb(settings, sleeps) as source:
                with pytest.raises(SourceUnreachable, match=rf"in 4 tries .*{status}"):
                    await everybody(source, 2)
                assert server.counts["popular"] == 4
            async with downloading(settings, sleeps) as download:
                with pytest.raises(ImageError, match=str(status)) as caught:
                    await download(f"{server.url}/t/p/h632/a.jpg")
                assert caught.value.reason == "unreachable"
                assert server.counts["image"] == 4
        assert all(0 <= seconds <= LONGEST_WAIT for seconds in sleeps)


async def test_html_instead_of_json_says_so_and_names_the_setting(tmdb):
    async with (
        demo(SyntheticCast(2), faults=Faults(html=1)) as server,
        Tmdb(tmdb(server.api_url), hardly) as source,
    ):
        with pytest.raises(UnexpectedAnswer, match=r"text/html.*ELENCO_TMDB__API_URL"):
            await everybody(source, 2)


async def test_html_from_a_server_that_has_made_sense_is_asked_again_and_passes(tmdb):
    pages = iter([True, True, True, True, False])

    async def api(request):
        if request.path == "/3/person/popular":
            return page(request)
        if next(pages):
            return web.Response(text="<html>Just a moment...</html>", content_type="text/html")
        return web.json_response({"name": "A", "images": {"profiles": []}})

    async with scripted(api=api) as (url, _), Tmdb(tmdb(f"{url}/3", retries=4), hardly) as source:
        await first(source, 1)
        assert (await source.ask("1")).name == "A"


async def test_the_rate_of_the_server_is_kept_to(tmdb):
    async with demo(SyntheticCast(9), rate_per_second=30) as server:
        async with open_source(tmdb(server.api_url, rate_per_second=25)) as source:
            people = await first(source, 9)
            await asyncio.gather(*(source.ask(p.id) for p in people for _ in range(5)))
        assert server.counts["status:429"] == 0


async def test_the_token_goes_to_the_api_alone(tmdb):
    asked_elsewhere = []

    async def elsewhere(request):
        asked_elsewhere.append(request)
        return web.json_response({})

    async with scripted(api=elsewhere, image=elsewhere) as (other, _):

        async def api(request):
            if request.path == "/3/configuration":
                return configuration(f"{request.scheme}://{request.host}/image")
            raise web.HTTPFound(f"{other}/3/person/popular?page=1")

        async def image(request):
            return web.Response(body=b"picture")

        async with scripted(api=api, image=image, export=image) as (url, asked):
            settings = tmdb(f"{url}/3")
            async with open_source(settings) as source:
                with pytest.raises(UnexpectedAnswer, match="HTTP 302"):
                    await everybody(source, 2)
                assert await fetched(source, ImageRef("1", "a", "/a.jpg")) == b"picture"
            async with downloading(settings) as download:
                assert await download(f"{url}/p/exports/a") == b"picture"
    assert not asked_elsewhere
    api_paths, file_paths = ["/3/person/popular", "/3/configuration"], ["/image/h632/a.jpg"]
    assert [r.path for r in asked] == [*api_paths, *file_paths, "/p/exports/a"]
    for request in asked:
        known = request.headers.get("Authorization")
        assert known == (f"Bearer {TOKEN}" if request.path in api_paths else None)
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

    async with (
        scripted(image=image) as (url, _),
        downloading(tmdb(f"{url}/3", collect={"max_megabytes": 0.2})) as download,
    ):
        for name in ("stated.jpg", "endless.jpg"):
            with pytest.raises(ImageError) as caught:
                await download(f"{url}/image/{name}")
            assert caught.value.reason == "too_large"
    assert sum(sent) < 10**8


@pytest.mark.parametrize(
    ("status", "reason"), [(403, "refused"), (404, "gone"), (410, "gone"), (418, "refused")]
)
async def test_an_image_that_is_refused_is_asked_for_once(tmdb, status, reason):
    async def image(request):
        return web.Response(status=status)

    async with scripted(image=image) as (url, asked), downloading(tmdb(f"{url}/3")) as download:
        with pytest.raises(ImageError) as caught:
            await download(f"{url}/image/a.jpg")
        assert caught.value.reason == reason
        assert len(asked) == 1
        with pytest.raises(ImageError, match="refused"):
            await download("file:///etc/hostname")


async def test_a_second_try_writes_over_what_the_first_left(tmdb):
    bodies = iter([b"a long beginning of something, cut", b"whole"])

    async def image(request):
        body = next(bodies)
        response = web.StreamResponse()
        response.content_length = len(body) + (100 if b"cut" in body else 0)
        await response.prepare(request)
        await response.write(body)
        if b"cut" in body:
            await asyncio.sleep(0.05)
            request.transport.close()
        return response

    async with scripted(image=image) as (url, _), downloading(tmdb(f"{url}/3")) as download:
        assert await download(f"{url}/image/a.jpg") == b"whole"


async def test_an_image_that_redirects_in_circles_is_asked_for_once(tmdb):
    async def image(request):
        raise web.HTTPFound(request.path)

    async with scripted(image=image) as (url, asked), downloading(tmdb(f"{url}/3")) as download:
        with pytest.raises(ImageError, match="HTTP 302") as caught:
            await download(f"{url}/image/a.jpg")
    assert caught.value.reason == "redirected"
    assert len(asked) == 1


async def test_the_first_failure_ends_the_other_pages(tmdb):
    async def api(request):
        number = int(request.query["page"])
        if number == 1:
            return page(request, total_pages=50)
        if number == 3:
            return web.Response(text=json.dumps({"results": None}), status=401)
        await asyncio.sleep(0.1 if number == 2 else 0.5)
        return page(request, total_pages=50) if number == 2 else web.Response(status=503)

    async with scripted(api=api) as (url, asked):
        before = asyncio.all_tasks()
        async with open_source(tmdb(f"{url}/3", retries=20)) as source:
            with pytest.raises(TokenRefused):
                await everybody(source, 200)
            assert not pages_under_way(before)
        assert len(asked) <= 12


async def test_what_changed_is_told_of_fourteen_days_at_most(tmdb):
    cast = StockCast(300, day=20, changes_a_day=0.6)
    async with demo(cast) as server, open_source(tmdb(server.api_url)) as source:
        for days in (0, 1, 14):
            since = TODAY - timedelta(days=days)
            expected = {str(i) for i in cast.changed(since, TODAY)}
            assert await source.changed(since, TODAY) == expected
            assert expected
        assert server.counts["changes"] > 3  # of more than one page
        asked = server.counts["changes"]
        assert await source.changed(TODAY - timedelta(days=15), TODAY) is None
        assert server.counts["changes"] == asked


@pytest.mark.parametrize("pages", [501, 10**9])
async def test_more_changes_than_can_be_paged_through_can_not_be_told(tmdb, pages):
    """TMDB answers no page after the 500th, whatever it says how many there are."""

    async def api(request):
        if int(request.query["page"]) > 500:
            return web.json_response({"status_code": 22}, status=400)
        return web.json_response({"results": [{"id": 1}], "total_pages": pages})

    async with scripted(api=api) as (url, asked), open_source(tmdb(f"{url}/3")) as source:
        assert await source.changed(date(2026, 1, 1), date(2026, 1, 9)) is None
    assert len(asked) <= 500
