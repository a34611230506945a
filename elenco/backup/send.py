"""Writes what a store lacks of the files of a backup."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from elenco.backup.database import DatabaseUrl, dump
from elenco.backup.manifest import Database
from elenco.backup.store import Store
from elenco.backup.tree import Entry, Tree, scan
from elenco.blobs import Changed, Damaged
from elenco.fingerprint import file_sha256
from elenco.integrity import Digests
from elenco.progress import say, track


@dataclass
class Sender:
    """What is known of files and store while a backup is made, and what was written.

    Attributes:
        store: where to.
        there: sha256 -> size of what is in the store.
        check: read what was there before, and take what is damaged for missing.
        digests: what is known of files.
        checked: sha256 of what was read or written.
        count: blobs that were written.
        bytes: of these.
        mended: damaged blobs that are written again.
    """

    store: Store
    there: dict[str, int]
    check: bool
    digests: Digests = field(default_factory=Digests)
    checked: set[str] = field(default_factory=set)
    count: int = 0
    bytes: int = 0
    mended: int = 0

    def scan(self, roots: Mapping[str, Path], moving: bool = False) -> dict[str, Tree]:
        """List `data` and `models`; `moving` as for `elenco.backup.tree.scan`."""
        other = {"data": "models", "models": "data"}
        return {
            name: scan(root, self.digests, roots[other[name]], moving)
            for name, root in roots.items()
        }

    def send(self, root: Path, tree: Tree, moving: bool = False) -> None:
        """Store what of a directory the store has not.

        Args:
            root: the directory.
            tree: what is in it.
            moving: what is gone or has changed since it was listed is passed over.

        Raises:
            ElencoError: the place can't be used, or a file changed while it was read.
            OSError: the disk is full.
        """
        files: dict[str, Entry] = {e.sha256: e for e in tree.entries if e.kind == "file"}
        if self.check:
            self._find_damage(files)
        missing = [e for sha, e in files.items() if self.there.get(sha) != e.size]

        def send(entry: Entry) -> bool:
            try:
                self.store.put(root / entry.path, entry.sha256)
            except (FileNotFoundError, Changed):
                if not moving:
                    raise
                return False  # the second time shows what it is now
            return True

        name = f"backing up {root}"
        with track(name, len(missing)) as advance, self.store.threads() as pool:
            for entry, sent in zip(missing, pool.map(send, missing), strict=True):
                advance(1)
                if sent:
                    self._note(entry.sha256, entry.size)

    def send_database(self, url: DatabaseUrl) -> Database:
        """Dump Prefect's database and store it."""
        with TemporaryDirectory(prefix="elenco-backup-") as scratch:
            file = Path(scratch) / "database"
            dump(url, file)
            sha256, size = file_sha256(file), file.stat().st_size
            if self.there.get(sha256) != size:
                self.store.put(file, sha256)
                self._note(sha256, size)
            return Database(url.kind, sha256, size)

    def _note(self, sha256: str, size: int) -> None:
        self.there[sha256] = size
        self.checked.add(sha256)
        self.count += 1
        self.bytes += size

    def _find_damage(self, files: Mapping[str, Entry]) -> None:
        """Take for missing what is in the store and not what its name says."""
        known = sorted(files.keys() & self.there.keys() - self.checked)

        def whole(sha256: str) -> bool:
            try:
                return self.store.digest(sha256) == sha256
            except Damaged:
                return False

        with self.store.threads() as pool:
            for sha256, good in zip(known, pool.map(whole, known), strict=True):
                self.checked.add(sha256)
                if not good:
                    say(f"damaged in {self.store.place}, written again: {files[sha256].path}")
                    del self.there[sha256]
                    self.mended += 1
