"""What every API request of a process waits for: its bucket, and its turn among other processes."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from contextvars import Context

from elenco.sources.bucket import TokenBucket

# Taking a turn costs a tenth of a second, waiting for another's as long as this.
TURN_SECONDS = 20.0


class Pace:
    """The pace at which a server is asked.

    Where several processes ask it, each asks at the whole rate while it is its turn and not at all
    else. A turn ends with a second in which nothing begins: any second then holds no more than the
    rate, however the turns fall. What was begun in a turn may end after it.

    Args:
        bucket: of this process.

    Attributes:
        turn: opens a turn and holds it until it is closed; None where this process is the only one.
    """

    def __init__(self, bucket: TokenBucket) -> None:
        self._bucket = bucket
        self.turn: Callable[[], AbstractAsyncContextManager[None]] | None = None
        self._holder: asyncio.Task[None] | None = None
        self._held, self._over = asyncio.Event(), asyncio.Event()

    def pause(self, seconds: float) -> None:
        """Let nothing begin for so long."""
        self._bucket.pause(seconds)

    async def acquire(self, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        """Wait until a request may begin; it counts as begun on return."""
        while True:
            if self.turn is not None and not self._held.is_set():
                await self._take()
            await self._bucket.acquire(sleep)
            if self.turn is None or self._held.is_set():  # else it ended meanwhile
                return

    async def give_back(self) -> None:
        """End the turn now; the next request takes another."""
        if self._holder is not None:
            if not self._held.is_set() and not self._over.is_set():  # it has not begun
                self._holder.cancel()
            self._over.set()
            await asyncio.gather(self._holder, return_exceptions=True)

    async def _take(self) -> None:
        if self._holder is None or self._holder.done():
            self._held, self._over = asyncio.Event(), asyncio.Event()
            # The turn is the process's. In the context of the task that happens to take it Prefect
            # would hand it on when that task ends, whatever others are still about to send.
            self._holder = asyncio.create_task(
                self._hold(self._held, self._over), context=Context()
            )
        holder = self._holder
        waiting = asyncio.create_task(self._held.wait())
        try:
            await asyncio.wait({holder, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if holder.done() and not holder.cancelled():
            holder.result()  # no turn was to be had: the error says why

    async def _hold(self, held: asyncio.Event, over: asyncio.Event) -> None:
        assert self.turn is not None
        async with self.turn():
            held.set()
            try:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), TURN_SECONDS)
            finally:
                over.set()
                held.clear()
            await asyncio.sleep(self._bucket.quiet())


_paces: dict[tuple[str, float], Pace] = {}
_paces_lock = threading.Lock()


def shared_pace(server: str, rate: float) -> Pace:
    """The process's one pace for a server and rate."""
    with _paces_lock:
        return _paces.setdefault((server, rate), Pace(TokenBucket(rate)))
