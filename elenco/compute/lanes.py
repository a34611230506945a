"""Chunks of work side by side, in bounded number."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import cv2

from elenco.compute.runtime import threads_of
from elenco.settings import Compute

T = TypeVar("T")
R = TypeVar("R")


def in_lanes(work: Callable[[T], R], chunks: Iterable[T], lanes: int) -> Iterator[R]:
    """Yield `work(chunk)` of each chunk, in the order of the chunks, `lanes` at a time.

    Each lane does all steps of its chunk: while one decodes, another is in a network, and nobody
    waits for a step to be handed over. Chunks are taken only as fast as their results are: what
    is in memory does not grow with their number.

    Raises:
        Exception: the first that `work` raised; what had not begun is not begun.
    """
    # The lanes fill the cores: OpenCV's own threads would only be in their way.
    cv2.setNumThreads(1)
    with ThreadPoolExecutor(lanes) as pool:
        running: deque[Future[R]] = deque()
        try:
            for chunk in chunks:
                running.append(pool.submit(work, chunk))
                if len(running) > lanes:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()


def lanes_of(compute: Compute) -> int:
    """How many lanes keep the cores busy: one more, as somebody always waits for the disk."""
    return threads_of(compute) + 1
