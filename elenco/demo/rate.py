"""The rate of requests: the one that is kept to, and the one that was seen."""

from collections import deque


class RateLimit:
    """Admits so many requests in any one second.

    Args:
        per_second: how many; None for any number.
    """

    def __init__(self, per_second: float | None) -> None:
        self._rate = per_second
        self._recent: deque[float] = deque()

    def admits(self, now: float) -> bool:
        """Whether one more fits in the second that ends now; `now` in seconds of any clock."""
        if self._rate is None:
            return True
        _forget(self._recent, now)
        if len(self._recent) >= self._rate:
            return False
        self._recent.append(now)
        return True


class RateSeen:
    """Measures how fast requests arrived, admitted or not.

    Attributes:
        requests: how many arrived.
        highest: the most in any one second [t, t+1).
        seconds: from the first to the last.
    """

    def __init__(self) -> None:
        self.requests, self.highest, self.seconds = 0, 0, 0.0
        self._first = 0.0
        self._recent: deque[float] = deque()

    def arrived(self, now: float) -> None:
        """One more arrived; `now` in seconds of a clock that never goes back."""
        if not self.requests:
            self._first = now
        self.requests += 1
        self.seconds = now - self._first
        _forget(self._recent, now)
        self._recent.append(now)
        self.highest = max(self.highest, len(self._recent))


def _forget(arrivals: deque[float], now: float) -> None:
    """Leave those of the second that ends now, itself included."""
    while arrivals and now - arrivals[0] >= 1:
        arrivals.popleft()
