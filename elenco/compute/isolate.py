"""One item that breaks a batch costs that item."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from elenco.errors import OutOfMemory

T = TypeVar("T")
R = TypeVar("R")


def isolate(work: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T]) -> list[R | Exception]:
    """Do `work` on all items; where it fails, on halves of them, down to those that it fails on.

    Args:
        work: one result an item, in order.
        items: any number.

    Returns:
        A result an item, or the exception that it alone raises.

    Raises:
        Exception: all of several items fail: the fault is not theirs.
        OutOfMemory: as `work` raises it; fewer items at once have been tried already.
    """
    results = _isolate(work, items)
    if len(results) > 1 and all(isinstance(result, Exception) for result in results):
        raise next(result for result in results if isinstance(result, Exception))
    return results


def _isolate(work: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T]) -> list[R | Exception]:
    if not items:
        return []
    try:
        return list(work(items))
    except (OutOfMemory, MemoryError):
        raise
    except Exception as error:
        if len(items) == 1:
            return [error]
        middle = len(items) // 2
        return [*_isolate(work, items[:middle]), *_isolate(work, items[middle:])]
