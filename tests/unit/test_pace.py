"""Taking turns at a server, in virtual time: two processes never exceed the rate together."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from elenco.sources import pace as pace_module
from elenco.sources.bucket import TokenBucket
from elenco.sources.pace import TURN_SECONDS, Pace, shared_pace
from tests.tmdb_help import in_virtual_time

EPSILON = 1e-9
RATE = 10.0


class Turns:
    """One turn for everybody, as a lock that takes some time to get and to give back."""

    def __init__(self, seconds: float = 0.0) -> None:
        self._lock = asyncio.Lock()
        self._seconds = seconds
        self.taken = self.given_back = 0

    @asynccontextmanager
    async def __call__(self):
        async with self._lock:
            await asyncio.sleep(self._seconds)
            self.taken += 1
            try:
                yield
            finally:
                await asyncio.sleep(self._seconds)
                self.given_back += 1

    @property
    def held(self) -> bool:
        return self.taken > self.given_back


def pace_of(turn=None, rate: float = RATE) -> Pace:
    """As another process has it, with a bucket of its own."""
    pace = Pace(TokenBucket(rate, asyncio.get_running_loop().time))
    pace.turn = turn
    return pace


def now() -> float:
    return asyncio.get_running_loop().time()


def fullest_second(moments: list[float]) -> int:
    starts = moments or [0.0]
    return max(sum(1 for m in moments if t <= m < t + 1 - EPSILON) for t in starts)


arrivals = st.lists(st.floats(0, 90), min_size=1, max_size=60)
delays = st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.02, 0.5, 1.5]), min_size=1, max_size=9)


@given(st.sampled_from([1.0, 7.5, RATE]), arrivals, arrivals, delays, st.sampled_from([0.0, 0.1]))
@example(RATE, [0.0] * 250, [1.0] * 60, [0.0], 0.0)
@example(RATE, [0.0] * 250, [1.0] * 60, [0.0, 1.5], 0.0)
@example(RATE, [19.9] * 30, [1.0] * 60, [0.0, 0.5], 0.0)
def test_no_second_holds_more_than_the_rate_however_the_turns_fall(rate, one, two, late, costs):
    async def both():
        turn = Turns(costs)
        begun, sleeps = [], 0

        async def sleep(seconds):
            nonlocal sleeps
            sleeps += 1
            await asyncio.sleep(seconds + late[sleeps % len(late)])

        async def ask(pace, arrival):
            await asyncio.sleep(arrival)
            await pace.acquire(sleep)
            begun.append(now())

        paces = pace_of(turn, rate), pace_of(turn, rate)
        both = zip(paces, (one, two), strict=True)
        await asyncio.gather(*(ask(pace, at) for pace, times in both for at in times))
        for pace in paces:
            await pace.give_back()
        return begun, turn

    begun, turn = in_virtual_time(both())
    assert len(begun) == len(one) + len(two)
    assert fullest_second(begun) <= rate
    assert not turn.held


def test_requests_are_made_in_the_turn_alone():
    """But for those that began in it and end after it."""

    async def work():
        turn = Turns()
        pace = pace_of(turn)
        for _ in range(300):
            await pace.acquire()
            assert turn.held
        await pace.give_back()
        return turn.taken

    assert in_virtual_time(work()) == 2


def test_who_waits_for_the_turn_of_another_gets_it_soon_after_its_end():
    async def work():
        turn = Turns()
        one, two = pace_of(turn), pace_of(turn)
        await one.acquire()
        await two.acquire()
        waited = now()
        await two.give_back()
        return waited

    assert TURN_SECONDS <= in_virtual_time(work()) <= TURN_SECONDS + 3


def test_the_rate_is_reached_but_for_a_second_a_turn():
    async def work():
        turn = Turns()
        one, two = pace_of(turn), pace_of(turn)

        async def ask(pace):
            for _ in range(400):
                await pace.acquire()
            await pace.give_back()

        await asyncio.gather(ask(one), ask(two))
        return now()

    assert in_virtual_time(work()) <= 800 / RATE * 1.02 * (1 + 2 / TURN_SECONDS) + 3


def test_a_turn_that_nobody_uses_is_given_back():
    async def work():
        turn = Turns()
        pace = pace_of(turn)
        await pace.acquire()
        assert turn.held
        await asyncio.sleep(TURN_SECONDS + 3)
        assert not turn.held
        await pace.acquire()
        assert turn.held
        assert turn.taken == 2
        await pace.give_back()

    in_virtual_time(work())


def test_a_turn_is_given_back_at_once_and_the_next_request_takes_another():
    async def work():
        turn = Turns(0.1)
        pace = pace_of(turn)
        for number in range(1, 4):
            await pace.acquire()
            assert (turn.taken, turn.held) == (number, True)
            await pace.give_back()
            assert not turn.held
            assert now() < 2 * number
        await pace.give_back()
        assert turn.taken == 3

    in_virtual_time(work())


def test_a_turn_that_is_being_waited_for_is_waited_for_no_more():
    async def work():
        turn = Turns()
        one, two = pace_of(turn), pace_of(turn)
        await one.acquire()
        waiting = asyncio.create_task(two.acquire())
        await asyncio.sleep(5)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await two.give_back()
        await one.give_back()
        await asyncio.sleep(100)
        assert (turn.taken, turn.held) == (1, False)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    in_virtual_time(work())


def test_a_turn_is_given_back_whole_when_it_is_asked_for_in_the_middle_of_that():
    async def work():
        turn = Turns(0.5)
        pace = pace_of(turn)
        await pace.acquire()
        held_from = now()
        for after in (0.0, 0.3, 1.0, 1.2, 1.4):
            await asyncio.sleep(max(0.0, held_from + TURN_SECONDS + after - now()))
            await pace.give_back()
        assert (turn.taken, turn.given_back) == (1, 1)

    in_virtual_time(work())


class NoTurnError(Exception):
    """As if the server of the turns were away."""


def test_a_turn_that_can_not_be_had_is_an_error_of_who_asks_and_of_nobody_later():
    async def work():
        turn = Turns()
        away = True

        @asynccontextmanager
        async def sometimes():
            if away:
                await asyncio.sleep(0.1)
                raise NoTurnError
            async with turn():
                yield

        pace = pace_of(sometimes)
        failed = await asyncio.gather(*(pace.acquire() for _ in range(3)), return_exceptions=True)
        assert {type(error) for error in failed} == {NoTurnError}
        with pytest.raises(NoTurnError):
            await pace.acquire()
        away = False
        await pace.acquire()
        assert turn.held
        await pace.give_back()
        assert not turn.held

    in_virtual_time(work())


def test_a_turn_that_is_lost_is_taken_anew():
    """Prefect cancels who holds a turn when it can't be kept any longer."""

    async def work():
        turn = Turns()

        @asynccontextmanager
        async def lost_after_five_seconds():
            async with turn():
                asyncio.get_running_loop().call_later(5, asyncio.current_task().cancel)
                yield

        pace = pace_of(lost_after_five_seconds)
        for number, moment in enumerate((0, 4, 6, 10), 1):
            await asyncio.sleep(moment - now())
            await pace.acquire()
            assert turn.held
            assert turn.taken == (number + 1) // 2
        await pace.give_back()
        assert not turn.held

    in_virtual_time(work())


def test_a_cancelled_request_leaves_nothing_behind():
    async def work():
        turn = Turns(1)
        pace = pace_of(turn)
        waiting = [asyncio.create_task(pace.acquire()) for _ in range(3)]
        await asyncio.sleep(0.5)
        waiting[0].cancel()
        await asyncio.wait(waiting[:1])
        await asyncio.gather(*waiting[1:])
        assert turn.held
        await pace.give_back()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    in_virtual_time(work())


def test_without_turns_the_bucket_is_enough():
    async def work():
        pace = pace_of()
        for _ in range(20):
            await pace.acquire()
        await pace.give_back()
        return now()

    assert in_virtual_time(work()) == pytest.approx(19 / RATE * 1.02, rel=1e-3)


def test_a_pause_stops_everybody_of_a_process():
    async def work():
        pace = pace_of(Turns())
        await pace.acquire()
        pace.pause(5)
        await asyncio.gather(pace.acquire(), pace.acquire())
        await pace.give_back()
        return now()

    assert in_virtual_time(work()) >= 5


def test_a_server_has_one_pace_in_the_process(monkeypatch):
    monkeypatch.setattr(pace_module, "_paces", {})
    with ThreadPoolExecutor(8) as pool:
        paces = set(pool.map(lambda _: shared_pace("http://one.test/3", 40.0), range(50)))
    assert len(paces) == 1
    assert shared_pace("http://one.test/3", 40.0) in paces
    assert shared_pace("http://two.test/3", 40.0) not in paces
