"""Makes a backup: content first, the manifest last, so that a manifest never names what is missing.

Most is read while the data directory is free for others. Then it is held: what changed since is
read again, and the list is of one moment.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock, Timeout

from elenco.backup.database import DatabaseUrl
from elenco.backup.manifest import TREES, Manifest
from elenco.backup.prune import Pruned, prune
from elenco.backup.send import Sender
from elenco.backup.store import MANIFESTS, Store
from elenco.errors import ConfigError, ElencoError, Locked
from elenco.layout import Layout
from elenco.lock import hold
from elenco.registry import LOCK_SECONDS
from elenco.schema import check_schema, schema_of
from elenco.settings import Settings
from elenco.types import Skipped


@dataclass(frozen=True)
class Saved:
    """What a backup came to: what was found is `manifest` and `skipped` together.

    Attributes:
        manifest: of the backup.
        skipped: what was left out, and why.
        new: blobs that were not in the store before, bytes of them.
        mended: blobs of the store that were damaged and are whole again.
        pruned: what was deleted of older backups; None if it was not asked for.
    """

    manifest: Manifest
    skipped: tuple[Skipped, ...]
    new: tuple[int, int]
    mended: int
    pruned: Pruned | None


def save(
    store: Store,
    settings: Settings,
    layout: Layout,
    database: DatabaseUrl | None = None,
    keep: int | None = None,
    check: bool = False,
    now: datetime | None = None,
) -> Saved:
    """Back up data, models and Prefect's database.

    Args:
        store: where to; only what is not there yet is written.
        settings: say which data directory to hold.
        layout: the directories.
        database: Prefect's; None if there is none that is known.
        keep: how many backups to keep, the newest, this one included; None deletes none.
        check: read everything again that the backup needs and that was in the store before, and
            write anew what is damaged there.
        now: by default the time it is; the backup is named after it.

    Raises:
        ConfigError: the store lies in what is backed up, or there is nothing to back up.
        Locked: a refresh, or another backup, is at work.
        ElencoError: the place can't be used, or something changed while it was read.
        OSError: the disk of the store is full; what is there is kept, and not written again.
    """
    roots = {"data": layout.data, "models": layout.models}
    _check_places(store, roots)
    check_schema(layout)
    with _alone(layout):
        with hold(settings):
            pass  # say at once who is at work, not after an hour of reading
        store.prepare(MANIFESTS)
        work = Sender(store, dict(store.blobs()), check)
        for name, tree in work.scan(roots, moving=True).items():
            work.send(roots[name], tree, moving=True)
        with hold(settings), _registry_held(layout):
            check_schema(layout)
            trees = work.scan(roots)
            for name, tree in trees.items():
                work.send(roots[name], tree)
            saved = work.send_database(database) if database else None
            data_schema = schema_of(layout) or 0
        manifest = Manifest(
            _free_name(store, now or datetime.now(UTC)),
            version("elenco"),
            data_schema,
            {name: trees[name].entries for name in TREES},
            saved,
        )
        there = store.blobs()
        lacking = [sha for sha, size in manifest.blobs().items() if there.get(sha) != size]
        if lacking:
            raise ElencoError(
                f"{len(lacking)} of the files that were stored are gone from {store.place}: does "
                "another installation prune it? Give each a place of its own"
            )
        store.write(manifest)
        pruned = prune(store, keep) if keep is not None else None
    skipped = tuple(skip for name in TREES for skip in _named(name, trees[name].skipped))
    return Saved(manifest, skipped, (work.count, work.bytes), work.mended, pruned)


def _check_places(store: Store, roots: Mapping[str, Path]) -> None:
    for root in roots.values():
        if store.folder and store.folder.resolve().is_relative_to(root.resolve()):
            raise ConfigError(f"{store.place} lies in {root}, which is backed up: take another")
    if not any(root.is_dir() and any(root.iterdir()) for root in roots.values()):
        where = " and ".join(str(root) for root in roots.values())
        raise ConfigError(f"there is nothing in {where}: set ELENCO_PATHS__DATA, or refresh first")


def _free_name(store: Store, now: datetime) -> str:
    name = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    taken = set(store.names())
    if name not in taken:
        return name
    return next(f"{name}-{n}" for n in range(2, len(taken) + 3) if f"{name}-{n}" not in taken)


def _named(tree: str, skipped: tuple[Skipped, ...]) -> Iterator[Skipped]:
    for skip in skipped:
        yield Skipped(f"{tree}/{skip.id}", skip.reason)


@contextmanager
def _alone(layout: Layout) -> Iterator[None]:
    """One backup at a time: one that prunes would delete what another has just written."""
    path = layout.lock.with_name("backup.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise Locked(f"another backup of {layout.data} is at work: wait for it") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _registry_held(layout: Layout) -> Iterator[None]:
    """No version comes, goes or is promoted meanwhile: the registry has a lock of its own."""
    if not layout.recogniser.is_dir():
        yield
        return
    lock = FileLock(layout.recogniser / ".lock", timeout=LOCK_SECONDS)
    try:
        lock.acquire()
    except Timeout:
        raise Locked(f"another process is changing {layout.recogniser}: try again") from None
    try:
        yield
    finally:
        lock.release()
