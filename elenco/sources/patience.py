"""How long a request is tried again: a few times while others are answered, longer if nobody is."""

import random
import time
from collections.abc import Callable

LONGEST_WAIT = 60.0  # seconds, of a wait that the server asks for
LONGEST_BACKOFF = 8.0
GRACE = 1.0  # seconds after a server went away in which answers sent before may still arrive
# What stands before a server says when the server itself is away.
AWAY = frozenset({502, 503, 504})


class Health:
    """When a server answered last, as far as this process knows.

    Args:
        clock: seconds, never going back.

    Attributes:
        answered: the time; None if it never did.
        made_sense: it once gave an answer of the protocol.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.answered: float | None = None
        self.made_sense = False

    def well(self) -> None:
        """Note that it has just answered."""
        self.answered = self.clock()


class Patience:
    """One request's.

    A request that fails while others of the same server are answered is given up after `retries`.
    While nothing is answered, the server is away, and everybody waits up to `outage_seconds` for
    it, and has `retries` anew when it is back; unless it never answered, when its address is more
    likely to be wrong.

    Args:
        health: of the server.
        retries: further tries.
        outage_seconds: how long to wait for a server that is away.
    """

    def __init__(self, health: Health, retries: int, outage_seconds: float) -> None:
        self._health, self._retries, self._outage = health, retries, outage_seconds
        self._left = retries  # further tries that it has, unless the server is away
        self._failed: float | None = None  # when it first did
        self.tries = 0

    def again(self) -> bool:
        """Whether to try once more, after a try that failed."""
        now, answered = self._health.clock(), self._health.answered
        self.tries += 1
        if self._failed is None:
            self._failed = now
        away = answered is not None and answered <= self._failed + GRACE
        if away and self.tries > self._retries:
            self._left = self._retries
            return now - self._failed < self._outage
        self._left -= 1
        return self._left >= 0

    def backoff(self) -> float:
        """Seconds to wait before the next try: full jitter.

        https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        """
        return random.uniform(0, min(LONGEST_BACKOFF, 0.5 * 2 ** min(self.tries - 1, 10)))
