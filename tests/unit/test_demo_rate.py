"""The rate that the demo server keeps to, and the one that it saw."""

import asyncio
import itertools

import aiohttp
from hypothesis import given
from hypothesis import strategies as st

from elenco.demo.rate import RateLimit, RateSeen
from elenco.demo.server import DemoServer
from elenco.demo.stock import StockCast

# Quarters of a second: binary fractions, whose sums are exact.
GAPS = st.lists(st.integers(0, 6).map(lambda n: n / 4), min_size=1, max_size=40)


@given(GAPS)
def test_what_was_seen_is_what_arrived(gaps):
    times = list(itertools.accumulate(gaps))
    seen = RateSeen()
    for now in times:
        seen.arrived(now)
    assert seen.requests == len(times)
    assert seen.seconds == times[-1] - times[0]
    assert seen.highest == max(sum(t <= other < t + 1 for other in times) for t in times)


@given(GAPS, st.integers(1, 5))
def test_no_second_admits_more_than_the_rate(gaps, rate):
    limit = RateLimit(float(rate))
    times = [now for now in itertools.accumulate(gaps) if limit.admits(now)]
    assert max(sum(t <= other < t + 1 for other in times) for t in times) <= rate


def test_no_rate_admits_all():
    assert all(RateLimit(None).admits(0.0) for _ in range(1000))


async def test_over_the_rate_one_is_told_to_wait():
    async with (
        DemoServer(StockCast(2), rate_per_second=5.0) as server,
        aiohttp.ClientSession(headers={"Authorization": "Bearer demo"}) as session,
    ):
        url, seen = f"{server.api_url}/configuration", []
        for _ in range(8):
            async with session.get(url) as response:
                seen.append((response.status, response.headers.get("Retry-After")))
                body = await response.json()
        assert seen == [(200, None)] * 5 + [(429, "1")] * 3
        assert body["status_code"] == 25
        await asyncio.sleep(1.05)
        async with session.get(url) as response:
            assert response.status == 200
        assert server.counts["status:429"] == 3
        assert server.highest_rate == 8
        assert 1 < server.api_seconds < 60


async def test_images_play_no_part_in_the_rate():
    cast = StockCast(2, pool=1)
    async with (
        DemoServer(cast, rate_per_second=1.0) as server,
        aiohttp.ClientSession(server.url) as session,
    ):
        for _ in range(3):
            async with session.get(f"/t/p/w45{cast.photos(cast.people[0])[0].path}") as response:
                assert response.status == 200
        async with session.get("/stats") as response:
            stats = await response.json()
        assert stats["api"] == {"requests": 0, "seconds": 0.0, "highest_in_a_second": 0}
        assert server.highest_rate == server.api_seconds == 0
