"""The pace, on a clock of the test's own: no second ever holds more requests than the rate."""

import asyncio
import heapq
import threading
import time
from collections.abc import Callable, Generator
from itertools import pairwise
from types import coroutine

from hypothesis import given
from hypothesis import strategies as st

from elenco.sources.bucket import MARGIN, TokenBucket

EPSILON = 1e-9


@coroutine
def pass_time(seconds: float) -> Generator[float, None, None]:
    """Give the scheduler below the seconds to sleep."""
    yield seconds


class Clock:
    """Time that passes only when everybody sleeps."""

    def __init__(self, start: float) -> None:
        self.now = start

    def __call__(self) -> float:
        return self.now

    def run(
        self,
        bucket: TokenBucket,
        arrivals: list[float],
        late: Callable[[int], float],
        pauses: dict[int, float],
    ) -> list[float]:
        """When each request began. `late`: what the nth sleep lasts too long."""
        begun: list[float] = []
        waiting: list[tuple[float, int, object]] = []
        for number, arrival in enumerate(arrivals):
            heapq.heappush(waiting, (arrival, number, bucket.acquire(pass_time)))
        sleeps = len(arrivals)
        while waiting:
            moment, _, request = heapq.heappop(waiting)
            self.now = max(self.now, moment)
            try:
                seconds = request.send(None)
            except StopIteration:
                begun.append(self.now)
                if len(begun) in pauses:
                    bucket.pause(pauses[len(begun)])
            else:
                sleeps += 1
                wake = self.now + seconds + late(sleeps)
                heapq.heappush(waiting, (wake, sleeps, request))
        return begun


def fullest_second(moments: list[float]) -> int:
    return max(sum(1 for m in moments if start <= m < start + 1 - EPSILON) for start in moments)


schedules = st.lists(st.floats(0, 5), min_size=1, max_size=150)
delays = st.lists(st.sampled_from([0.0, 0.0, 0.001, 0.02, 0.3, 1.5]), min_size=1, max_size=20)


@given(st.sampled_from([1.0, 3.0, 7.5, 10.0, 40.0, 49.0]), schedules, delays, st.floats(0, 1e6))
def test_no_second_holds_more_than_the_rate_however_late_sleepers_wake(rate, times, late, start):
    clock = Clock(start)
    bucket = TokenBucket(rate, clock)
    arrivals = [start + t for t in times]
    begun = clock.run(bucket, arrivals, lambda n: late[n % len(late)], {})
    assert len(begun) == len(times)
    assert fullest_second(begun) <= rate


@given(schedules, st.integers(1, 100), st.floats(0.01, 5))
def test_a_pause_stops_everybody(times, after, seconds):
    clock = Clock(0.0)
    bucket = TokenBucket(20.0, clock)
    begun = clock.run(bucket, times, lambda _: 0.0, {after: seconds})
    assert len(begun) == len(times)
    if after < len(begun):
        assert begun[after] - begun[after - 1] >= seconds - EPSILON


def test_the_pace_is_reached_and_even():
    clock = Clock(0.0)
    begun = clock.run(TokenBucket(40.0, clock), [0.0] * 400, lambda _: 0.0, {})
    assert begun[0] == 0.0
    assert begun[-1] < 400 / 40 * (1 + MARGIN) + 0.1
    gaps = [b - a for a, b in pairwise(begun)]
    assert min(gaps) > 0.02


def test_rates_below_one_a_second_space_further_than_a_second():
    clock = Clock(0.0)
    begun = clock.run(TokenBucket(0.25, clock), [0.0] * 4, lambda _: 0.0, {})
    assert [round(b, 2) for b in begun] == [0.0, 4.08, 8.16, 12.24]


def test_idle_time_saves_nothing_up():
    clock = Clock(0.0)
    bucket = TokenBucket(10.0, clock)
    clock.run(bucket, [0.0], lambda _: 0.0, {})
    begun = clock.run(bucket, [100.0] * 5, lambda _: 0.0, {})
    assert [round(b, 3) for b in begun] == [100.0, 100.102, 100.204, 100.306, 100.408]


def test_threads_with_loops_of_their_own_share_one_pace():
    bucket = TokenBucket(100.0)

    async def ask() -> None:
        for _ in range(10):
            await bucket.acquire()

    threads = [threading.Thread(target=lambda: asyncio.run(ask())) for _ in range(4)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started >= 39 / 100
