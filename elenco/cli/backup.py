"""`elenco backup`, `elenco backups` and `elenco restore`."""

import sys
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from elenco.backup.check import check
from elenco.backup.database import DatabaseUrl
from elenco.backup.known import URLS, database_to_fill, known_database
from elenco.backup.manifest import Manifest
from elenco.backup.restore import choose, restore
from elenco.backup.save import save
from elenco.backup.store import Store
from elenco.backup.tree import DATABASE
from elenco.errors import ConfigError, ElencoError
from elenco.layout import Layout
from elenco.progress import console_sink
from elenco.settings import Settings, load_settings

MIB = 2**20


def run_backup(
    to: str,
    keep: int | None,
    database: str | None,
    without_database: bool,
    whole: bool,
    config: Path | None,
) -> None:
    """Make a backup; print what was stored, what was left out, and what was deleted.

    Raises:
        ConfigError: the place would be gone with this process, or `database` holds a password.
    """
    settings = load_settings(config)
    layout = Layout.of(settings)
    url = None if without_database else known_database(database, layout)
    store = _open(to)
    with console_sink():
        done = save(store, settings, layout, url, keep, whole)
    head = done.manifest.head
    count, size = done.new
    print(
        f"backup {head.name}: {head.files:,} files, {head.bytes / MIB:,.1f} MiB; "
        f"new: {count:,}, {size / MIB:,.1f} MiB"
    )
    if done.mended:
        print(f"damaged there, and written again: {done.mended:,}")
    reasons = Counter(skip.reason for skip in done.skipped)
    if reasons:
        counts = ", ".join(f"{count} {_REASONS[why]}" for why, count in sorted(reasons.items()))
        print(f"left out: {counts}")
    none = "left out" if without_database else f"none is known: set {URLS[0]} or give --database"
    print(f"Prefect's database: {head.database or none}")
    if done.pruned is not None:
        gone, kept = done.pruned.removed, done.pruned.kept
        freed = f"{done.pruned.blobs:,} files, {done.pruned.bytes / MIB:,.1f} MiB"
        print(f"deleted {len(gone)} older backups with {freed}; {len(kept)} are kept")


def run_backups(at: str, whole: bool) -> None:
    """Print a line a backup; exits 1 if one is damaged."""
    store = _open(at)
    names = store.names()
    if not names:
        raise ElencoError(f"there is no backup at {store.place}: is the address right?")
    damaged = 0
    for name in names:
        try:
            print(store.head(name).line())
        except ElencoError as error:
            damaged += 1
            print(f"{name}  {error}")
    if whole:
        with console_sink():
            problems = check(store)
        damaged += len(problems)
        print("\n".join(problems) or "everything is there and as it was stored")
    if damaged:
        sys.exit(1)


def run_restore(
    source: str,
    name: str | None,
    into: Path | None,
    force: bool,
    database: str | None,
    without_database: bool,
    config: Path | None,
) -> None:
    """Put a backup back; print what came of it."""
    settings = load_settings(config)
    if into is not None:
        paths = {"data": into / "data", "models": into / "models"}
        settings = load_settings(config, paths=paths)
    layout = Layout.of(settings)
    store = _open(source)
    manifest = choose(store, name)
    target = (
        nullcontext() if without_database else _target(manifest, database, into is not None, layout)
    )
    with console_sink(), target as url:
        done = restore(store, settings, layout, manifest, url, force)
    deleted = f", {done.deleted:,} others deleted" if done.deleted else ""
    print(
        f"restored {manifest.name} to {layout.data} and {layout.models}: "
        f"{done.written:,} files written, {done.kept:,} were there{deleted}"
    )
    if manifest.database is not None:
        print(f"Prefect's database: {'restored' if url else 'left out'}")
    if done.forgotten:
        print(f"forgotten since, and again now: {done.forgotten} people")
    _say_what_is_missing(settings)


def _open(place: str) -> Store:
    if place.startswith("memory://"):
        raise ConfigError("what is in memory:// is gone with this command: give another place")
    return Store(place)


def _target(
    manifest: Manifest, given: str | None, elsewhere: bool, layout: Layout
) -> AbstractContextManager[DatabaseUrl | None]:
    """Where the backup's database goes; what the environment says is not for a trial elsewhere.

    Raises:
        ConfigError: it is PostgreSQL's, and nothing says where it goes in a trial elsewhere; or
            what is given is no address, or holds a password.
    """
    if given or manifest.database is None:
        return nullcontext(DatabaseUrl.parse(given, argument=True) if given else None)
    if manifest.database.kind == "sqlite":
        return nullcontext(DatabaseUrl("sqlite", layout.data / DATABASE))
    if elsewhere:
        raise ConfigError(
            f"backup {manifest.name} has Prefect's PostgreSQL database: say where it goes with "
            "--database, or add --no-database"
        )
    return database_to_fill(layout)


def _say_what_is_missing(settings: Settings) -> None:
    print(f"secrets are in no backup: put back those of {settings.paths.data / 'state' / 'ops'}")


_REASONS = {
    "database": "files of a database (it is copied by its own means)",
    "document": "documents of the checkout",
    "lock": "locks",
    "machine": "folder of processes and secrets (data/state/ops)",
    "special": "sockets and the like",
    "temporary": "temporary files",
}
