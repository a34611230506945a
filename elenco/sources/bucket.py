"""One pace for everything in the process that asks the same server."""

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable

# How much slower than asked for: a request is some milliseconds on its way, now more, now less, and
# the server is to see no second with more than the rate either.
MARGIN = 0.02
SHORTEST_WAIT = 0.001  # seconds: less may be lost in rounding and never pass


class TokenBucket:
    """Lets requests begin, evenly spaced, and never more than `rate` in any second [t, t+1).

    `reserve` spaces them by (1 + MARGIN)/rate. A sleep may overshoot, and then several would begin
    at once: `acquire` counts what has begun in the last second too, so that the promise holds
    however late a waiter wakes up. Safe for threads, each with an event loop of its own.

    Args:
        rate: requests a second, > 0.
        clock: seconds, never going back.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = (1.0 + MARGIN) / rate
        self._clock = clock
        self._most = max(1, int(rate))
        self._window = max(1.0 + MARGIN, self._interval)
        self._begun: deque[float] = deque(maxlen=self._most)
        self._next = self._paused_until = -math.inf
        self._lock = threading.Lock()

    def reserve(self) -> float:
        """Take the next moment; returns the seconds to wait for it."""
        with self._lock:
            return self._reserve(self._clock())

    def quiet(self) -> float:
        """Seconds until another bucket may let requests begin at the same server."""
        with self._lock:
            last = self._begun[-1] if self._begun else -math.inf
            return max(0.0, last + self._window - self._clock())

    def pause(self, seconds: float) -> None:
        """Let nothing begin for so long: the server asked everybody to slow down."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock() + seconds)

    async def acquire(self, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        """Wait until a request may begin; it counts as begun on return."""
        wait = self.reserve()
        while True:
            await sleep(wait)
            wait = self._begin()
            if wait == 0:
                return

    def _reserve(self, now: float) -> float:
        moment = max(now, self._next, self._paused_until)
        self._next = moment + self._interval
        return moment - now

    def _begin(self) -> float:
        """Count a request as begun now and return 0, or return the seconds to wait instead."""
        with self._lock:
            now = self._clock()
            if now < self._paused_until:  # the moment reserved fell into a later pause
                return max(self._reserve(now), SHORTEST_WAIT)
            full = len(self._begun) == self._most
            if full and now - self._begun[0] < self._window:
                return max(self._begun[0] + self._window - now, SHORTEST_WAIT)
            self._begun.append(now)
            return 0.0
