"""Work that takes every core is done in turn."""

import functools
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
_turn = threading.RLock()


def in_turn(work: Callable[P, R]) -> Callable[P, R]:
    """Let no two calls of functions so decorated run at the same time in this process.

    TensorFlow uses every core for one batch: two shards side by side only wait for each other,
    and neither could say how long it took.
    """

    @functools.wraps(work)
    def one(*args: P.args, **kwargs: P.kwargs) -> R:
        with _turn:
            return work(*args, **kwargs)

    return one
