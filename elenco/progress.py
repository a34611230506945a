"""Progress of long work: bars in a terminal, plain lines otherwise, log lines by default.

Work reports to the process's sink; who runs it chooses the sink (`set_sink`).
"""

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

Advance = Callable[[int], None]
SECONDS_BETWEEN_LINES = 5.0


class Sink(Protocol):
    """Where progress goes. Called from several threads."""

    def start(self, name: str, total: int) -> int: ...
    def advance(self, handle: int, count: int) -> None: ...
    def finish(self, handle: int) -> None: ...
    def say(self, text: str) -> None: ...


class LineSink:
    """Plain lines through `write`: at start, every few seconds, and at the end."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._work: dict[int, list] = {}
        self._next = 0

    def start(self, name: str, total: int) -> int:
        with self._lock:
            self._next += 1
            now = time.monotonic()
            self._work[self._next] = [name, total, 0, now, now]
            return self._next

    def advance(self, handle: int, count: int) -> None:
        with self._lock:
            work = self._work[handle]
            work[2] += count
            now = time.monotonic()
            if now - work[4] >= SECONDS_BETWEEN_LINES:
                work[4] = now
                self._write(f"{work[0]}: {work[2]:,}/{work[1]:,}")

    def finish(self, handle: int) -> None:
        with self._lock:
            name, total, done, started, _ = self._work.pop(handle)
        if total:
            self._write(f"{name}: {done:,}/{total:,} in {time.monotonic() - started:.1f} s")

    def say(self, text: str) -> None:
        self._write(text)


class BarSink:
    """Rich progress bars on stderr; use as a context manager."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._bars = Progress(*columns, TimeRemainingColumn(), console=console, transient=True)

    def __enter__(self) -> "BarSink":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def start(self, name: str, total: int) -> int:
        return self._bars.add_task(name, total=total)

    def advance(self, handle: int, count: int) -> None:
        self._bars.advance(TaskID(handle), count)

    def finish(self, handle: int) -> None:
        self._bars.remove_task(TaskID(handle))

    def say(self, text: str) -> None:
        self._bars.console.print(text, highlight=False, markup=False)


_sink: Sink = LineSink(logging.getLogger("elenco").info)


def set_sink(sink: Sink) -> None:
    """Choose where this process's progress goes."""
    global _sink
    _sink = sink


def say(text: str) -> None:
    """One line for whoever is watching."""
    _sink.say(text)


@contextmanager
def track(name: str, total: int) -> Iterator[Advance]:
    """Yield a function to call with the number of things done since the last call."""
    sink = _sink
    handle = sink.start(name, total)
    try:
        yield lambda count=1: sink.advance(handle, count)
    finally:
        sink.finish(handle)


@contextmanager
def console_sink() -> Iterator[None]:
    """Bars if stderr is a terminal, else plain lines on stderr."""
    previous = _sink
    console = Console(stderr=True)
    try:
        if console.is_terminal:
            with BarSink(console) as bars:
                set_sink(bars)
                yield
        else:
            set_sink(LineSink(lambda text: print(text, file=sys.stderr, flush=True)))
            yield
    finally:
        set_sink(previous)
