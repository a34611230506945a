"""The pace of requests, with a clock of the test's own."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenco.sources.bucket import MARGIN, TokenBucket


class Clock:
    """Stands still unless it is told to go on."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def most_in_a_second(moments: list[float]) -> int:
    """The largest number of moments in any window [t, t+1)."""
    moments = sorted(moments)
    return max((sum(t <= other < t + 1 for other in moments) for t in moments), default=0)


RATES = st.one_of(st.integers(1, 60).map(float), st.floats(0.2, 60))
STARTS = st.floats(0, 1e7)
SCHEDULES = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), st.integers(1, 30)),
        st.tuples(st.just("pause"), st.floats(0, 3)),
        st.tuples(st.just("advance"), st.floats(0, 3)),
    ),
    max_size=20,
)


@given(RATES, STARTS, SCHEDULES)
def test_no_second_holds_more_moments_than_the_rate(rate, start, schedule):
    clock = Clock(start)
    bucket = TokenBucket(rate, clock)
    moments = []
    for what, amount in schedule:
        if what == "reserve":
            moments += [clock.now + bucket.reserve() for _ in range(amount)]
        elif what == "pause":
            bucket.pause(amount)
        else:
            clock.now += amount
    assert most_in_a_second(moments) <= ceil(rate)
    assert moments == sorted(moments)


@pytest.mark.parametrize("rate", [1.0, 3.0, 7.0, 10.0, 40.0, 49.0])
def test_rounding_adds_no_moment_to_a_second(rate):
    clock = Clock(86_400.1)
    bucket = TokenBucket(rate, clock)
    assert most_in_a_second([clock.now + bucket.reserve() for _ in range(500)]) == rate


def test_the_pace_is_reached_from_the_first_second_on():
    bucket = TokenBucket(40, Clock(5.0))
    waits = [bucket.reserve() for _ in range(401)]
    assert waits[0] == 0
    assert 0 < MARGIN <= 0.02
    assert waits[40] == pytest.approx(1.0 + MARGIN, rel=1e-3)
    assert waits[400] == pytest.approx(10.0 * (1 + MARGIN), rel=1e-3)


def test_time_that_nobody_used_is_not_saved_up():
    clock = Clock()
    bucket = TokenBucket(10, clock)
    bucket.reserve()
    clock.now = 100.0
    assert [round(bucket.reserve(), 3) for _ in range(3)] == [0, 0.102, 0.204]


def test_threads_share_one_pace():
    bucket = TokenBucket(30, Clock())
    with ThreadPoolExecutor(8) as pool:
        moments = list(pool.map(lambda _: bucket.reserve(), range(240)))
    assert most_in_a_second(moments) == 30
    assert max(moments) == pytest.approx(239 / 30 * (1 + MARGIN), rel=1e-3)


def test_no_moment_is_handed_out_in_a_pause_and_a_shorter_one_does_not_end_it():
    clock = Clock(1.0)
    bucket = TokenBucket(10, clock)
    bucket.pause(5)
    bucket.pause(1)
    assert [round(bucket.reserve(), 3) for _ in range(2)] == [5, 5.102]


async def test_who_waits_when_a_pause_begins_waits_for_its_end():
    clock = Clock()
    bucket = TokenBucket(1, clock)
    await bucket.acquire(clock.sleep)

    async def sleep(seconds: float) -> None:
        if clock.now == 0:
            bucket.pause(10)
        await clock.sleep(seconds)

    await bucket.acquire(sleep)
    assert clock.now >= 10


async def test_nobody_is_sent_off_during_a_pause_and_the_pace_holds_after_it():
    clock = Clock()
    bucket = TokenBucket(20, clock)
    sent = []

    async def one(number: int) -> None:
        await bucket.acquire(until)
        sent.append(clock.now)
        if number == 10:
            bucket.pause(2)

    async def until(seconds: float) -> None:
        """Sleep on the test's clock: it goes on when every task waits."""
        moment = clock.now + seconds
        while clock.now < moment:
            await asyncio.sleep(0)

    async def tick() -> None:
        while len(sent) < 60:
            for _ in range(3):
                await asyncio.sleep(0)
            clock.now += 0.01

    await asyncio.gather(tick(), *(one(number) for number in range(60)))
    paused_at = sent[10]
    assert not [t for t in sent[11:] if t < paused_at + 2 - 0.011]
    assert most_in_a_second(sent) <= 21  # the test's clock goes in steps


@pytest.mark.parametrize("rate", [1.0, 7.0, 10.0, 40.0])
def test_the_margin_is_room_for_requests_that_take_longer_on_their_way(rate):
    """As the server sees them: some arrive up to a hundredth of a second later than others."""
    clock = Clock()
    bucket = TokenBucket(rate, clock)
    begun = [clock.now + bucket.reserve() for _ in range(500)]
    late = [0.0, 0.01, 0.003]
    arrived = [moment + late[number % 3] for number, moment in enumerate(begun)]
    assert most_in_a_second(arrived) <= rate
