"""How long a request is tried again, on a clock of the test's own and against a real server."""

import asyncio
import io

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from elenco.errors import ImageError, SourceUnreachable
from elenco.sources import tmdb as adapter
from elenco.sources import transport
from elenco.sources.bucket import TokenBucket
from elenco.sources.pace import Pace
from elenco.sources.patience import GRACE, LONGEST_BACKOFF, Health, Patience
from elenco.sources.tmdb import Tmdb
from elenco.sources.transport import Transport
from tests.tmdb_help import first, page, scripted, tmdb_settings


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def health(clock):
    return Health(clock)


def tries_until_given_up(patience, clock, step=1.0, answered=lambda: None, most=10_000) -> int:
    """How often a request that always fails is tried; `answered` is called before each try."""
    for number in range(1, most):
        answered()
        if not patience.again():
            assert patience.tries == number
            return number
        clock.now += step
    raise AssertionError("it is never given up")


@pytest.mark.parametrize("retries", [1, 2, 5])
def test_while_others_are_answered_it_is_given_up_after_the_retries(clock, health, retries):
    tries = tries_until_given_up(Patience(health, retries, 180), clock, 2.0, health.well)
    assert tries == retries + 1


@pytest.mark.parametrize("retries", [0, 1, 5])
def test_a_server_that_never_answered_is_not_waited_for(clock, health, retries):
    assert tries_until_given_up(Patience(health, retries, 180), clock) == retries + 1


@pytest.mark.parametrize("retries", [0, 1, 5])
@pytest.mark.parametrize("outage", [0.0, 10.0, 180.0])
def test_a_server_that_is_away_is_waited_for_so_long(clock, health, retries, outage):
    health.well()
    clock.now += 50
    started = clock.now
    tries = tries_until_given_up(Patience(health, retries, outage), clock, 1.0)
    assert tries == max(retries + 1, outage + 1)
    assert clock.now - started == tries - 1


def test_answers_that_were_on_their_way_do_not_end_an_outage(clock, health):
    health.well()
    patience = Patience(health, 1, 100)
    assert patience.again()
    clock.now += GRACE / 2
    health.well()
    clock.now += 50
    assert patience.again()
    assert patience.again()


def test_after_an_outage_a_request_has_as_many_tries_as_any_other(clock, health):
    """Whoever waited the longest is not the one to lose by the first bad answer."""
    health.well()
    patience = Patience(health, 3, 100)
    for _ in range(8):
        assert patience.again()
        clock.now += 5
    for expected in (True, True, True, False):
        health.well()
        assert patience.again() == expected
        clock.now += 1


steps = st.lists(
    st.tuples(st.floats(0.5, 60), st.booleans()),  # seconds between tries; is another answered
    min_size=1,
    max_size=40,
)


@given(steps, st.integers(0, 20), st.floats(0, 300), st.booleans())
def test_what_always_fails_ends_in_bounded_time(schedule, retries, outage, known):
    clock = Clock()
    health = Health(clock)
    if known:
        health.well()
    patience = Patience(health, retries, outage)
    started, tries, beyond = clock.now, 0, 0
    while patience.again():
        tries += 1
        assert patience.tries == tries
        beyond += clock.now - started > outage
        assert beyond <= 2 * retries + 1
        assert 0 <= patience.backoff() <= LONGEST_BACKOFF
        seconds, another = schedule[tries % len(schedule)]
        clock.now += seconds
        if another:
            health.well()
    assert tries >= retries


def test_waits_grow_and_differ():
    patience = Patience(Health(Clock()), 20, 0)
    longest = []
    for _ in range(20):
        patience.again()
        waits = [patience.backoff() for _ in range(200)]
        assert len(set(waits)) > 100
        longest.append(max(waits))
    assert longest[0] <= 0.5 < longest[3]
    assert LONGEST_BACKOFF / 2 < longest[-1] <= LONGEST_BACKOFF


# Over HTTP: the server's outage is by the count of requests, the client's clock is the test's.


class Flaky:
    """Answers pages but for requests from the nth to the mth, which it answers with a status."""

    def __init__(self, start: int, end: float, status: int = 503) -> None:
        self.start, self.end, self.status = start, end, status
        self.asked = 0

    async def __call__(self, request):
        self.asked += 1
        if self.start <= self.asked < self.end:
            if self.status == 0:
                request.transport.abort()
            return web.Response(status=self.status or 500)
        if request.path == "/3/person/popular":
            return page(request, total_pages=2)
        return web.json_response({"name": "A", "images": {"profiles": []}})


@pytest.fixture
def on_the_clock(monkeypatch, clock):
    """Every server's health is by the test's clock."""

    class Known(dict):
        def setdefault(self, key, default):
            return super().setdefault(key, Health(clock))

    monkeypatch.setattr(transport, "_health", Known())
    monkeypatch.setattr(adapter, "_bases", {})
    monkeypatch.setattr(adapter, "shared_pace", lambda url, rate: Pace(TokenBucket(rate, clock)))


OUTAGES = [503, 502, 504, 0]


@pytest.mark.parametrize("status", OUTAGES)
async def test_an_outage_is_waited_through(settings, on_the_clock, clock, status):
    server = Flaky(3, 40, status)
    async with scripted(api=server) as (url, _):
        changed = tmdb_settings(settings, f"{url}/3", outage_seconds=600)
        async with Tmdb(changed, clock.sleep) as source:
            assert [p.id for p in await first(source, 2)] == ["1", "2"]
            told = await asyncio.gather(*(source.ask(str(number)) for number in range(8)))
    assert {t.name for t in told} == {"A"}
    assert server.asked == 2 + 8 + 37


@pytest.mark.parametrize("status", OUTAGES)
async def test_a_server_that_is_gone_for_good_is_given_up(settings, on_the_clock, clock, status):
    async with scripted(api=Flaky(2, float("inf"), status)) as (url, _):
        changed = tmdb_settings(settings, f"{url}/3", outage_seconds=60)
        async with Tmdb(changed, clock.sleep) as source:
            await first(source, 1)
            started = clock.now
            with pytest.raises(SourceUnreachable, match="/person/7 "):
                await source.ask("7")
    assert 60 <= clock.now - started <= 60 + 2 * LONGEST_BACKOFF


async def test_a_server_that_never_answered_is_given_up_at_once(settings, on_the_clock, clock):
    server = Flaky(1, float("inf"))
    async with scripted(api=server) as (url, _):
        changed = tmdb_settings(settings, f"{url}/3", outage_seconds=3600)
        async with Tmdb(changed, clock.sleep) as source:
            with pytest.raises(SourceUnreachable, match="in 3 tries"):
                await first(source, 1)
    assert server.asked == 3


async def test_a_person_who_is_never_answered_is_given_up_while_others_are(
    settings, on_the_clock, clock
):
    asked = []

    async def api(request):
        asked.append(request.path)
        if request.path.endswith("/13"):
            return web.Response(status=503)
        return web.json_response({"name": "A", "images": {"profiles": []}})

    async with scripted(api=api) as (url, _):
        changed = tmdb_settings(settings, f"{url}/3", outage_seconds=3600, retries=5)
        async with Tmdb(changed, clock.sleep) as source:
            await source.ask("1")

            async def others():
                while True:
                    await source.ask("2")
                    clock.now += 2

            busy = asyncio.create_task(others())
            with pytest.raises(SourceUnreachable, match="/person/13 in 6 tries"):
                await source.ask("13")
            busy.cancel()
            await asyncio.gather(busy, return_exceptions=True)
    assert asked.count("/3/person/13") == 6


async def test_images_wait_for_their_own_server(settings, on_the_clock, clock):
    """The API is well; the images' server went away, came back, and then went for good."""
    images = Flaky(2, 16)  # 14 tries wait 120 seconds at the very most

    async def image(request):
        found = await images(request)
        return web.Response(body=b"picture") if found.status == 200 else found

    async with scripted(image=image) as (url, _):
        changed = tmdb_settings(settings, f"{url}/3", outage_seconds=120)
        async with Transport(changed, Pace(TokenBucket(1000, clock)), clock.sleep) as files:

            async def download():
                file = io.BytesIO()
                await files.download(f"{url}/image/a.jpg", file, 1000)
                return file.getvalue()

            assert await download() == await download() == b"picture"
            assert images.asked == 16
            images.start, images.end = 17, float("inf")
            started = clock.now
            with pytest.raises(ImageError, match="unreachable"):
                await download()
            assert 120 <= clock.now - started <= 120 + LONGEST_BACKOFF
