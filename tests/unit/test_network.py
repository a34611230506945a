"""What all collecting in a process shares: bytes in flight, and the one network loop."""

import asyncio
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from elenco.errors import SourceError
from elenco.sources import network
from elenco.sources.network import ByteBudget, run, shared, shared_bounds
from tests.tmdb_help import in_virtual_time

LIMIT = 100

# When a download begins, its bytes, how long it takes, and when it is cancelled, once and again.
downloads = st.lists(
    st.tuples(
        st.integers(0, 20),
        st.integers(1, 150),
        st.integers(0, 10),
        st.none() | st.integers(0, 30),
        st.none() | st.integers(0, 30),
    ),
    min_size=1,
    max_size=25,
)


@given(downloads)
@example([(0, 60, 5, None, None), (0, 60, 5, 2, 2), (0, 60, 5, 5, 5)])
@example([(0, 100, 5, None, None), *[(1, 50, 5, 5, 5)] * 5])
def test_bytes_in_flight_never_exceed_the_limit(schedule):
    async def work():
        budget = ByteBudget(LIMIT)
        held, ended = [], 0

        async def one(size, seconds):
            async with budget.hold(size):
                held.append(size)
                assert sum(held) <= LIMIT or held == [size]
                try:
                    await asyncio.sleep(seconds)
                finally:
                    held.remove(size)

        async def cancel(task, moments):
            for moment in moments:
                await asyncio.sleep(max(0, moment - asyncio.get_running_loop().time()))
                task.cancel()

        async def begin(start, size, seconds, *moments):
            nonlocal ended
            await asyncio.sleep(start)
            task = asyncio.create_task(one(size, seconds))
            named = sorted(moment for moment in moments if moment is not None)
            await asyncio.gather(task, cancel(task, named), return_exceptions=True)
            if not task.cancelled():
                assert task.exception() is None
            ended += 1

        await asyncio.gather(*(begin(*download) for download in schedule))
        assert (ended, held) == (len(schedule), [])
        # Nothing is lost, and nothing was given back that nobody had.
        async with asyncio.timeout(9), budget.hold(LIMIT):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1), budget.hold(1):
                    pass

    in_virtual_time(work())


def test_one_that_is_larger_than_the_limit_goes_alone():
    async def work():
        budget = ByteBudget(LIMIT)
        together = []

        async def one(name, size):
            async with budget.hold(size):
                together.append(name)
                seen.append(sorted(together))
                await asyncio.sleep(1)
                together.remove(name)

        seen = []
        await asyncio.gather(
            one("a", 60), one("b", 40), one("huge", 10 * LIMIT), one("c", 30), one("d", 30)
        )
        return seen

    seen = in_virtual_time(work())
    assert ["huge"] in seen
    assert all(who == ["huge"] or "huge" not in who for who in seen)
    assert len(seen) == 5


def test_one_that_is_cancelled_twice_gives_its_bytes_back():
    """The second time while it gives them back, and others wait for that."""

    async def work():
        budget = ByteBudget(LIMIT)

        async def one():
            async with budget.hold(LIMIT // 2):
                await asyncio.sleep(10)

        tasks = [asyncio.create_task(one()) for _ in range(12)]
        await asyncio.sleep(1)
        for _ in range(4):
            for task in tasks[:6]:
                task.cancel()
            await asyncio.sleep(0)
        await asyncio.gather(*tasks, return_exceptions=True)
        async with asyncio.timeout(1), budget.hold(LIMIT):
            pass

    in_virtual_time(work())


def test_everybody_on_a_loop_has_the_same_bounds(settings):
    async def of_a_loop():
        fewer = settings.model_copy(
            update={"collect": settings.collect.model_copy(update={"connections": 3})}
        )
        assert shared_bounds(settings) is shared_bounds(settings.model_copy())
        assert shared_bounds(fewer) is not shared_bounds(settings)
        assert shared_bounds(fewer).connections._value == 3
        return shared_bounds(settings)

    assert asyncio.run(of_a_loop()) is not asyncio.run(of_a_loop())


class Thing:
    """Something to be closed, once, when nobody uses it any more."""

    def __init__(self, made):
        made.append(self)
        self.closed = False

    async def close(self):
        assert not self.closed
        await asyncio.sleep(1)
        self.closed = True


@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"),
            st.integers(0, 9),
            st.integers(0, 5),
            st.booleans(),
            st.booleans(),
        ),
        max_size=20,
    )
)
def test_what_is_shared_is_made_by_the_first_and_closed_by_the_last(users):
    async def work():
        made = {"a": [], "b": []}
        at_once = {"a": 0, "b": 0}

        async def use(key, start, seconds, fails, cancelled):
            await asyncio.sleep(start)
            task = asyncio.create_task(hold(key, seconds, fails))
            if cancelled:
                await asyncio.sleep(seconds / 2)
                task.cancel()
            (result,) = await asyncio.gather(task, return_exceptions=True)
            assert result is None or isinstance(result, SourceError | asyncio.CancelledError)

        async def hold(key, seconds, fails):
            async with shared(key, lambda: Thing(made[key])) as thing:
                assert thing is made[key][-1]
                assert not thing.closed
                at_once[key] += 1
                try:
                    await asyncio.sleep(seconds)
                    assert thing is made[key][-1]
                    assert not thing.closed
                    if fails:
                        raise SourceError("on purpose")
                finally:
                    at_once[key] -= 1

        await asyncio.gather(*(use(*user) for user in users))
        await asyncio.sleep(2)
        assert at_once == {"a": 0, "b": 0}
        for key, things in made.items():
            assert bool(things) <= any(user[0] == key for user in users)
            assert all(thing.closed for thing in things)

    in_virtual_time(work())


def test_a_loop_shares_with_no_other():
    async def one():
        made = []
        async with shared("key", lambda: Thing(made)) as thing:
            async with shared("key", lambda: Thing(made)) as other:
                assert other is thing
            return made

    assert in_virtual_time(one())[0] is not in_virtual_time(one())[0]


# One loop for all threads.


def test_threads_get_their_results_from_one_loop():
    loops = set()

    async def double(number):
        loops.add(asyncio.get_running_loop())
        await asyncio.sleep(0.001)
        return 2 * number

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda n: run(double(n)), range(64))) == [2 * n for n in range(64)]
    assert len(loops) == 1


def test_threads_share_what_is_bound_to_a_loop(settings):
    async def bounds():
        return shared_bounds(settings)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda _: run(bounds()), range(8)))) == 1


def test_work_runs_side_by_side():
    async def meet(number):
        arrived.append(number)
        while len(arrived) < 4:
            await asyncio.sleep(0.001)
        return number

    arrived = []
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda n: run(meet(n)), range(4))) == [0, 1, 2, 3]


class Stop(BaseException):
    """As KeyboardInterrupt is: nobody catches it by accident."""


@pytest.mark.parametrize("error", [SourceError("away"), LookupError("x"), Stop(), SystemExit(3)])
def test_what_work_raises_is_raised_where_it_was_asked_for(error):
    async def fail():
        await asyncio.sleep(0)
        raise error

    with pytest.raises(type(error)) as caught:
        run(fail())
    assert caught.value is error
    assert run(asyncio.sleep(0, "still here")) == "still here"


def test_work_that_is_cancelled_is_cancelled_for_who_waits():
    async def cancelled():
        asyncio.current_task().cancel()
        await asyncio.sleep(0)

    with pytest.raises(asyncio.CancelledError):
        run(cancelled())
    assert run(asyncio.sleep(0, "still here")) == "still here"


def test_context_variables_go_along():
    variable = ContextVar("variable", default="none")

    async def read():
        await asyncio.sleep(0)
        inner = await asyncio.create_task(asyncio.sleep(0, variable.get()))
        variable.set("changed inside")
        return inner

    def of_a_thread(value):
        variable.set(value)
        found = run(read())
        return found, variable.get()

    with ThreadPoolExecutor(4) as pool:
        for found, after in pool.map(of_a_thread, "abcd"):
            assert found == after
    assert run(read()) == "none"


@pytest.fixture
def stopping():
    """Raise `Stop` in the main thread on a signal, as Ctrl-C does KeyboardInterrupt."""

    def stop(*_):
        raise Stop

    before = signal.signal(signal.SIGUSR1, stop)
    yield lambda: os.kill(os.getpid(), signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


def test_whatever_ends_the_wait_ends_the_work(stopping):
    ended = threading.Event()
    went_on = []

    async def work():
        try:
            await asyncio.sleep(0.05)
            stopping()
            await asyncio.sleep(60)
            went_on.append(True)
        finally:
            ended.set()

    with pytest.raises(Stop):
        run(work())
    assert ended.wait(5)
    assert not went_on
    assert run(asyncio.sleep(0, "still here")) == "still here"


def test_work_ends_even_where_the_wait_has_hardly_begun(stopping, monkeypatch):
    """Ctrl-C at the moment in which the work is handed over."""
    run(asyncio.sleep(0))
    loop = network._shared.loop
    begun, ended = threading.Event(), threading.Event()
    hand_over = loop.call_soon_threadsafe
    calls = []

    def interrupted(callback, *args, **options):
        handle = hand_over(callback, *args, **options)
        calls.append(callback)
        if len(calls) == 1:
            begun.wait(5)
            raise Stop
        return handle

    async def work():
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    monkeypatch.setattr(loop, "call_soon_threadsafe", interrupted)
    with pytest.raises(Stop):
        run(work())
    assert len(calls) == 2
    assert ended.wait(5)
