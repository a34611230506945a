"""Progress of long work: bars in a terminal, plain lines otherwise, log lines by default.

Work reports to the process's sink; who runs it chooses the sink (`set_sink`).
"""

import logging
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
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


class _PacedSink(ABC):
    """Tells of work every few seconds and at its end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._work: dict[int, _Work] = {}
        self._next = 0

    def start(self, name: str, total: int) -> int:
        with self._lock:
            self._next += 1
            self._work[self._next] = _Work(name, total)
            return self._next

    def advance(self, handle: int, count: int) -> None:
        with self._lock:
            work = self._work[handle]
            work.done += count
            now = time.monotonic()
            due = now - work.told >= SECONDS_BETWEEN_LINES and work.done < work.total
            if due:
                work.told = now
        if due:
            self._tell(work)

    def finish(self, handle: int) -> None:
        with self._lock:
            work = self._work.pop(handle)
        if work.total:
            self._end(work)

    @abstractmethod
    def _tell(self, work: "_Work") -> None: ...

    @abstractmethod
    def _end(self, work: "_Work") -> None: ...


@dataclass
class _Work:
    name: str
    total: int
    done: int = 0
    started: float = field(default_factory=time.monotonic)
    told: float = field(default_factory=time.monotonic)


class LineSink(_PacedSink):
    """Plain lines through `write`."""

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__()
        self._write = write

    def say(self, text: str) -> None:
        self._write(text)

    def _tell(self, work: _Work) -> None:
        self._write(f"{work.name}: {work.done:,}/{work.total:,}")

    def _end(self, work: _Work) -> None:
        seconds = time.monotonic() - work.started
        self._write(f"{work.name}: {work.done:,}/{work.total:,} in {seconds:.1f} s")


class PercentSink(_PacedSink):
    """Calls `update(name, percent)` for work that takes longer than a few seconds."""

    def __init__(self, update: Callable[[str, float], None]) -> None:
        super().__init__()
        self._update = update
        self._told: set[str] = set()

    def say(self, text: str) -> None:
        """Say nothing: text is no progress."""

    def _tell(self, work: _Work) -> None:
        self._told.add(work.name)
        self._update(work.name, 100 * work.done / work.total)

    def _end(self, work: _Work) -> None:
        if work.name in self._told:
            self._update(work.name, 100 * work.done / work.total)


class BarSink:
    """Rich progress bars on stderr; use as a context manager."""

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
        )
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
_also: ContextVar[Sink | None] = ContextVar("_also", default=None)


def set_sink(sink: Sink) -> None:
    """Choose where this process's progress goes."""
    global _sink
    _sink = sink


def say(text: str) -> None:
    """One line for whoever is watching."""
    _sink.say(text)


@contextmanager
def also_to(sink: Sink) -> Iterator[None]:
    """Tell a second sink of the work that this context (thread, asyncio task) does meanwhile."""
    token = _also.set(sink)
    try:
        yield
    finally:
        _also.reset(token)


@contextmanager
def track(name: str, total: int) -> Iterator[Advance]:
    """Yield a function to call with the number of things done since the last call."""
    sinks = [(sink, sink.start(name, total)) for sink in (_sink, _also.get()) if sink is not None]

    def advance(count: int) -> None:
        for sink, handle in sinks:
            sink.advance(handle, count)

    try:
        yield advance
    finally:
        for sink, handle in sinks:
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
