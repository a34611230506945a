"""Prefect's stored answers: a file for every shard that changed, and nobody else deletes them."""

from datetime import datetime, timedelta
from pathlib import Path

KEPT_DAYS = 90  # as long as the server keeps the runs that they are of
STAGES = ("collect-", "detect-", "embed-")  # how the names begin of those that are Elenco's


def delete_old(folder: Path, now: datetime) -> int:
    """Delete those that were written KEPT_DAYS ago; how many.

    One that would still count is made again from what is on disk, which takes no longer than to
    look at it. Call it while holding the data directory.

    Args:
        folder: where Prefect keeps them; it need not be there.
        now: with its time zone.
    """
    if not folder.is_dir():
        return 0
    oldest = (now - timedelta(days=KEPT_DAYS)).timestamp()
    old = [
        path
        for path in folder.iterdir()
        if path.name.startswith(STAGES) and path.is_file() and path.stat().st_mtime < oldest
    ]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)
