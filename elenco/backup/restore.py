"""Puts a backup back.

1. All content that is not there yet is read from the store into a folder beside where it goes, and
   compared with its digest: what is damaged is found before anything is changed.
2. The data directory is marked: nobody but a restore opens it from here on.
3. Files, then links, are moved to where they belong, models first; what is there and not in the
   backup is deleted, which needs `force`. Then Prefect's database.
4. Who was forgotten since the backup is forgotten again.
5. The mark goes.

A restore that was killed, run again, goes on: content that was read is not read again, and files
that are in their place stay.
"""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from elenco.backup.database import DatabaseUrl, load, require_vacant
from elenco.backup.forgotten import forget_again, newer_lines, put_back
from elenco.backup.manifest import TREES, Manifest
from elenco.backup.place import Place
from elenco.backup.store import Store
from elenco.blobs import Damaged
from elenco.errors import ConfigError, ElencoError
from elenco.layout import Layout
from elenco.lock import hold
from elenco.schema import SCHEMA, Unfinished, interrupted, restoring
from elenco.settings import Settings


@dataclass(frozen=True)
class Restored:
    """What a restore came to: `written` and `kept` together are the files of the backup.

    Attributes:
        manifest: of the backup.
        written: files that were put in their place.
        kept: files that were there already.
        deleted: files and links that were there and are not in the backup.
        forgotten: people who were forgotten since the backup, and were again.
    """

    manifest: Manifest
    written: int
    kept: int
    deleted: int
    forgotten: int


def restore(
    store: Store,
    settings: Settings,
    layout: Layout,
    manifest: Manifest,
    database: DatabaseUrl | None = None,
    force: bool = False,
) -> Restored:
    """Put data, models and Prefect's database back as they were.

    Args:
        store: where from.
        settings: say which data directory to hold.
        layout: where to.
        manifest: of the backup: `choose`.
        database: where Prefect's goes; None leaves it out.
        force: write over what is there; what the backup has not is deleted.

    Raises:
        ConfigError: the backup has no database of that kind.
        Locked: a refresh is at work there.
        ElencoError: something is in the way, the backup is damaged or a newer release's, or the
            disk is too small: nothing was changed. Or Prefect's database can't be restored, or a
            record of somebody who was forgotten can't be read: repeat it when that is mended.
        OSError: the disk is full; repeat it when there is room.
    """
    if manifest.data_schema > SCHEMA:
        raise ElencoError(f"backup {manifest.name} is of a newer release: upgrade Elenco")
    stored = manifest.database
    if database is not None and (stored is None or stored.kind != database.kind):
        has = stored.kind if stored else "no"
        raise ConfigError(f"backup {manifest.name} has {has} database, not {database.kind}")
    roots = {"data": layout.data, "models": layout.models}
    others = {"data": layout.models, "models": layout.data}
    with ExitStack() as marked, TemporaryDirectory(prefix="elenco-restore-") as scratch:
        with hold(settings):
            before = interrupted(layout)
            free = force or (before is not None and before.backup == manifest.name)
            places = [Place(roots[t], others[t], manifest.trees[t]) for t in TREES]
            if not free:
                _refuse(places)
                if database is not None:
                    require_vacant(database)
            logs = newer_lines(store, manifest, layout)
            for name, lines in before.logs.items() if before else ():
                logs[name] = [*lines, *logs.get(name, [])]
            for place in places:
                place.stage(store)
            dumped = _fetch_database(store, manifest, Path(scratch)) if database else None
            marked.enter_context(restoring(layout, Unfinished(manifest.name, logs)))
            counts = [place.fill() for place in places]
            put_back(logs, layout)
            if database is not None and dumped is not None:
                load(database, dumped)
            os.sync()
        # The mark keeps everybody else out; `forget` holds the directory itself.
        forgotten = forget_again(logs, settings, layout)
    written = sum(written for written, _ in counts)
    files = manifest.head.files
    deleted = sum(deleted for _, deleted in counts)
    return Restored(manifest, written, files - written, deleted, forgotten)


def choose(store: Store, name: str | None = None) -> Manifest:
    """The manifest of a backup, by default of the newest.

    Raises:
        ElencoError: there is none, or it is damaged.
    """
    names = store.names()
    if not names:
        raise ElencoError(f"there is no backup at {store.place}: is the address right?")
    return store.read(name or names[-1])


def _refuse(places: Sequence[Place]) -> None:
    for place in places:
        if place.strange:
            raise ElencoError(
                f"{place.root} is not empty: {len(place.strange):,} files there are not those of "
                f"the backup ({place.strange[0]} is the first); restore elsewhere with --into, or "
                "add --force to replace what is there"
            )


def _fetch_database(store: Store, manifest: Manifest, folder: Path) -> Path | None:
    if manifest.database is None:
        return None
    try:
        store.get(manifest.database.sha256, folder / "database")
    except Damaged as error:
        raise ElencoError(
            f"Prefect's database can't be restored ({error}); nothing was changed: take another "
            "backup, or add --no-database"
        ) from None
    return folder / "database"
