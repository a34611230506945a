"""One process at a time changes a data directory."""

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from elenco.errors import Locked
from elenco.layout import Layout
from elenco.settings import Settings
from elenco.storage import remove_leftovers


@contextmanager
def hold(settings: Settings) -> Iterator[None]:
    """Hold the data directory; the kernel lets go of it when the process ends, however it ends.

    Raises:
        Locked: another process holds it.
    """
    layout = Layout.of(settings)
    layout.lock.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(layout.lock)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise Locked(
            f"another refresh works in {settings.paths.data}: wait for it, or give this one a "
            "data directory of its own with ELENCO_PATHS__DATA"
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def refresh_lock(settings: Settings) -> Iterator[None]:
    """`hold` for whoever writes: what killed runs left half-written is removed first.

    Raises:
        Locked: another process holds it.
    """
    with hold(settings):
        remove_leftovers(settings.paths.data)
        remove_leftovers(Layout.of(settings).recogniser)
        yield
