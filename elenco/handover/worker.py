"""The directory of a worker that shares none: its own, emptied of what no shard needs."""

import os
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from elenco.errors import ConfigError
from elenco.handover.shard_files import Files
from elenco.layout import Layout
from elenco.storage import write_json

MARK, LOCK = "worker.json", "worker.lock"


def open_worker(layout: Layout) -> None:
    """Make the directory, or see that it is a worker's: what lies in it may be deleted.

    Raises:
        ConfigError: it is somebody's data, or can't be written to.
    """
    root = layout.data
    try:
        # Workers of one machine may share it, and begin at the same moment: first the lock.
        there = {path.name for path in root.iterdir()} if root.exists() else set()
        if there and not there & {MARK, LOCK}:
            raise ConfigError(
                f"{root} has files and is no worker's directory: set ELENCO_SCALE__WORKER_DATA to "
                "one of its own"
            )
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / LOCK):
            if not (root / MARK).exists():
                write_json(root / MARK, {"about": "made by a worker: what no shard needs goes"})
    except OSError as error:
        raise ConfigError(
            f"{root} can't be used ({error.strerror}): make room or give access there, or set "
            "ELENCO_SCALE__WORKER_DATA to another directory"
        ) from None


def clear(root: Path, needed: Files) -> int:
    """Delete every file that is none of those needed, and empty folders; how many files."""
    count = 0
    with FileLock(root / LOCK):
        for where, _, files in os.walk(root, topdown=False):
            folder = Path(where)
            for name in files:
                path = folder / name
                file = needed.get(path.relative_to(root).as_posix())
                if path not in (root / MARK, root / LOCK) and not (file and file.is_there(root)):
                    path.unlink(missing_ok=True)
                    count += 1
            if folder != root:
                with suppress(OSError):  # something is left in it
                    folder.rmdir()
    return count
