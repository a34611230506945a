"""How long a refresh and its steps take, by a clock that nobody sets back."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Stopwatch:
    """Runs from its making.

    Attributes:
        steps: name -> wall seconds, in the order in which they ended.
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self.steps: dict[str, float] = {}

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return time.monotonic() - self._started


_running: ContextVar[Stopwatch | None] = ContextVar("_running", default=None)


@contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    """For a flow: takes the times of the steps inside, those of its sub-flows too."""
    watch = Stopwatch()
    token = _running.set(watch)
    try:
        yield watch
    finally:
        _running.reset(token)


@contextmanager
def timed(step: str) -> Iterator[None]:
    """For a task: tell the flow's stopwatch, where it has one, how long the work inside took."""
    inside = Stopwatch()
    yield
    if (watch := _running.get()) is not None:
        watch.steps[step] = inside.seconds
