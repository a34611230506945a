"""One pace for everything in the process that asks the same server."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

# Without it, rounding errors add up to one moment too many in some windows.
MARGIN = 1e-6


class TokenBucket:
    """Hands out moments to send a request at, no two closer than 1/rate.

    Evenly spaced rather than in bursts: no one-second window [t, t+1) then holds more than `rate`
    of them (rounded up where it is no whole number), and the pace is reached from the first second
    on. Safe for threads, each with an event loop of its own.

    Args:
        rate: requests a second, > 0.
        clock: seconds, never going back.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = (1.0 + MARGIN) / rate
        self._clock = clock
        self._next = 0.0
        self._paused_until = 0.0
        self._lock = threading.Lock()

    def reserve(self) -> float:
        """Take the next moment; returns the seconds to wait for it."""
        with self._lock:
            now = self._clock()
            moment = max(now, self._next, self._paused_until)
            self._next = moment + self._interval
            return moment - now

    def pause(self, seconds: float) -> None:
        """Hand out no moment for so long: the server asked everybody to slow down."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock() + seconds)

    async def acquire(self, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        """Wait for a moment; one that falls into a later pause is given up for another."""
        while True:
            await sleep(self.reserve())
            with self._lock:
                if self._clock() >= self._paused_until:
                    return


_buckets: dict[tuple[str, float], TokenBucket] = {}
_buckets_lock = threading.Lock()


def shared_bucket(server: str, rate: float) -> TokenBucket:
    """The process's one bucket for a server and rate."""
    with _buckets_lock:
        return _buckets.setdefault((server, rate), TokenBucket(rate))
