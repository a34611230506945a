"""What all collecting in a process shares: one event loop, connections, bytes in flight."""

import asyncio
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from contextvars import copy_context
from typing import Any, Protocol, TypeVar

import uvloop

from elenco.settings import Settings

T = TypeVar("T")


class ByteBudget:
    """Lets downloads begin while the bytes that were announced for those under way fit a limit.

    One that is larger than the whole limit goes alone.

    Args:
        limit: bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._taken = limit, 0
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def hold(self, size: int) -> AsyncIterator[None]:
        """Wait for room for `size` bytes, and give it back at the end."""
        size = min(size, self._limit)
        while self._taken + size > self._limit:
            self._freed.clear()
            await self._freed.wait()
        self._taken += size
        try:
            yield
        finally:
            self._taken -= size
            self._freed.set()


class Bounds:
    """How much is downloaded at a time, by everybody on one event loop.

    Attributes:
        connections: one is held while a photograph is downloaded.
        files: one is held from opening a photograph's file to its end, waits for another try
            included.
        in_flight: bytes of bodies being read.
    """

    def __init__(self, connections: int, in_flight: int) -> None:
        self.connections = asyncio.Semaphore(connections)
        self.files = asyncio.Semaphore(4 * connections)
        self.in_flight = ByteBudget(in_flight)


class Closable(Protocol):
    async def close(self) -> None: ...


C = TypeVar("C", bound=Closable)
_of_loops: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, Any]]" = (
    weakref.WeakKeyDictionary()
)


def shared_bounds(settings: Settings) -> Bounds:
    """The bounds of the running event loop for these settings."""
    of_loop = _of_loops.setdefault(asyncio.get_running_loop(), {})
    limits = settings.collect.connections, int(settings.collect.megabytes_in_flight * 1e6)
    return of_loop.setdefault(limits, Bounds(*limits))


@asynccontextmanager
async def shared(key: Hashable, make: Callable[[], C]) -> AsyncIterator[C]:
    """The running event loop's one of a kind: made by the first who wants it, closed by the last.

    Args:
        key: names it.
        make: makes it.
    """
    of_loop = _of_loops.setdefault(asyncio.get_running_loop(), {})
    one, users = of_loop.get(key) or (make(), 0)
    of_loop[key] = one, users + 1
    try:
        yield one
    finally:
        one, users = of_loop.pop(key)
        if users > 1:
            of_loop[key] = one, users - 1
        else:
            await one.close()


class _Loop:
    def __init__(self) -> None:
        self.loop = uvloop.new_event_loop()
        self.tasks: set[asyncio.Task[None]] = set()
        threading.Thread(target=self.loop.run_forever, name="network", daemon=True).start()


_lock = threading.Lock()
_shared: _Loop | None = None


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run work on the process's one network loop, from any thread, and wait for its result.

    Shards that are collected side by side so share connections, and take turns instead of
    fighting over the interpreter. Whatever ends the wait early (Ctrl-C) ends the work too.
    """
    global _shared
    with _lock:
        shared = _shared = _shared or _Loop()
    answer: Future[T] = Future()
    started: list[asyncio.Task[None]] = []
    context = copy_context()

    async def main() -> None:
        try:
            answer.set_result(await work)
        except BaseException as error:
            answer.set_exception(error)

    def start() -> None:
        task = shared.loop.create_task(main(), context=context)
        shared.tasks.add(task)  # the loop itself holds tasks weakly
        task.add_done_callback(shared.tasks.discard)
        started.append(task)

    def end() -> None:
        for task in started:
            task.cancel()

    try:
        shared.loop.call_soon_threadsafe(start)
        return answer.result()
    except BaseException:
        shared.loop.call_soon_threadsafe(end)
        raise
