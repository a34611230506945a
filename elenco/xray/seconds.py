"""How far through a video a work is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from elenco.progress import track


@contextmanager
def track_seconds(what: str, seconds: float) -> Iterator[Callable[[float], None]]:
    """`track` by the seconds of a video.

    Args:
        what: is done with it.
        seconds: that it takes.

    Yields:
        Call it with a time that is reached: of whole seconds, each is told once. `inf` for the end.
    """
    whole = max(1, round(seconds))
    with track(f"{what}, seconds", whole) as advance:
        done = 0

        def until(time: float) -> None:
            nonlocal done
            now = int(min(time, whole))
            if now > done:
                advance(now - done)
                done = now

        yield until
