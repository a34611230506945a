"""One process at a time changes a data directory."""

import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from elenco.backup.place import STAGE
from elenco.errors import Locked
from elenco.layout import Layout
from elenco.schema import open_schema
from elenco.settings import Settings
from elenco.storage import read_json, remove_leftovers, write_json

HOLDER = "refresh.holder.json"  # beside the lock: who holds it, for whoever is refused
# Locks that whoever called has taken with `refresh_lock`; another thread's are not among them.
_taken: ContextVar[frozenset[Path]] = ContextVar("_taken", default=frozenset())


@contextmanager
def hold(settings: Settings) -> Iterator[None]:
    """Hold the data directory; the kernel lets go of it when the process ends, however it ends.

    Raises:
        Locked: another process holds it; the message says which.
    """
    layout = Layout.of(settings)
    layout.lock.parent.mkdir(parents=True, exist_ok=True)
    holder = layout.lock.with_name(HOLDER)
    lock = FileLock(layout.lock)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise Locked(
            f"{_who(holder)} works in {settings.paths.data}: wait for it, or give this one a "
            "data directory of its own with ELENCO_PATHS__DATA"
        ) from None
    try:
        write_json(holder, _myself())
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


@contextmanager
def refresh_lock(settings: Settings) -> Iterator[None]:
    """`hold` for whoever writes: what killed runs left half-written is removed first.

    Before that, the data directory is brought to this release's schema.

    Raises:
        Locked: another process holds it.
        ElencoError: a newer release made the directory, or a restore into it was not finished.
    """
    with hold(settings):
        layout = Layout.of(settings)
        open_schema(layout)
        remove_leftovers(settings.paths.data)
        remove_leftovers(layout.recogniser)
        shutil.rmtree(layout.models / STAGE, ignore_errors=True)
        before = _taken.get()
        _taken.set(before | {layout.lock.resolve()})
        try:
            yield
        finally:
            _taken.set(before)


@contextmanager
def step_lock(settings: Settings) -> Iterator[None]:
    """`refresh_lock` for a step of a refresh that is run by hand too.

    A refresh that has called it holds the directory already, and goes on holding it.

    Raises:
        Locked: another process, or another thread, holds it.
        ElencoError: as `refresh_lock`.
    """
    if Layout.of(settings).lock.resolve() in _taken.get():
        yield
        return
    with refresh_lock(settings):
        yield


def _myself() -> dict[str, str | int]:
    """No arguments but the command's name: they may hold a password."""
    words = [Path(sys.argv[0]).name, *sys.argv[1:2]]
    return {
        "command": " ".join(word for word in words if re.fullmatch(r"[\w.-]+", word)),
        "process": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _who(holder: Path) -> str:
    """Who holds the lock, in words; whoever has it for a moment may not have said so yet."""
    try:
        told = read_json(holder)
        where = f"process {told['process']} on {told['host']} since {told['since']}"
        return f"`{told['command']}` ({where})" if told["command"] else where
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
