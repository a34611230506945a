"""The directory of a worker that shares none: its own, emptied of what no shard needs."""

import os
from contextlib import suppress
from pathlib import Path

from elenco.errors import ConfigError
from elenco.handover.shard_files import Files
from elenco.layout import Layout
from elenco.storage import TEMPORARY, write_json

MARK = "worker.json"


def open_worker(layout: Layout) -> None:
    """Make the directory, or see that it is a worker's: what lies in it may be deleted.

    Raises:
        ConfigError: it is somebody's data.
    """
    mark = layout.data / MARK
    if mark.exists():
        return
    there = layout.data.iterdir() if layout.data.exists() else ()
    if any(not path.name.startswith(TEMPORARY) for path in there):
        raise ConfigError(
            f"{layout.data} has files and is no worker's directory: set "
            "ELENCO_SCALE__WORKER_DATA to one of its own"
        )
    write_json(mark, {"about": "made by a worker; what no shard needs is deleted"})


def clear(root: Path, needed: Files) -> int:
    """Delete every file that is none of those needed, and empty folders; how many files."""
    count = 0
    for where, _, files in os.walk(root, topdown=False):
        folder = Path(where)
        for name in files:
            path = folder / name
            file = needed.get(path.relative_to(root).as_posix())
            if path != root / MARK and not (file and file.is_there(root)):
                path.unlink(missing_ok=True)
                count += 1
        if folder != root:
            with suppress(OSError):  # something is left in it
                folder.rmdir()
    return count
