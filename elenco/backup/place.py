"""One directory that a backup's files go back to."""

import os
import shutil
from collections import Counter
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from elenco.backup.store import Store
from elenco.backup.tree import Entry, scan
from elenco.blobs import THREADS, Damaged
from elenco.errors import ElencoError
from elenco.fingerprint import file_sha256
from elenco.integrity import Digests
from elenco.progress import track
from elenco.schema import NAME as SCHEMA_FILE
from elenco.storage import TEMPORARY, replace_symlink

STAGE = f"{TEMPORARY}restore"
# Whoever opens an empty data directory leaves this one there: it is in nobody's way.
_STAMP = f"state/{SCHEMA_FILE}"


class Place:
    """A directory, what is to be in it, and what is.

    Args:
        root: the directory; it is made.
        apart: a directory that is none of it, though it may lie within.
        entries: what is to be there, by path.

    Attributes:
        root: the directory.
        kept: files that are there as they are to be.
        strange: paths of what is there and is not to be, or is another.
    """

    def __init__(self, root: Path, apart: Path, entries: Sequence[Entry]) -> None:
        self.root = root.resolve()
        self._entries = entries
        there = {entry.path: entry for entry in scan(self.root, Digests(), apart).entries}
        self.kept = [e for e in entries if e.kind == "file" and self._same(e, there.get(e.path))]
        kept = {entry.path for entry in self.kept}
        self._files = [e for e in entries if e.kind == "file" and e.path not in kept]
        named = {entry.path for entry in entries}
        self._extra = [path for path in there if path not in named]
        other = [e.path for e in entries if e.path in there and not self._alike(e, there[e.path])]
        extra = [path for path in self._extra if there[path].kind != "directory"]
        self.strange = sorted(path for path in (*other, *extra) if path != _STAMP)

    def stage(self, store: Store) -> None:
        """Read all content that is not there from a store, beside where it goes.

        Raises:
            ElencoError: some is missing or damaged there, or the disk is too small.
            OSError: the disk is full.
        """
        stage = self.root / STAGE
        stage.mkdir(mode=0o700, parents=True, exist_ok=True)
        needed = {entry.sha256: entry for entry in self._files}
        for sha256 in self._staged(needed):
            del needed[sha256]
        size, free = sum(e.size for e in needed.values()), shutil.disk_usage(stage).free
        if size > free:
            raise ElencoError(
                f"{self.root} has {free / 2**20:,.0f} MiB left and the backup needs "
                f"{size / 2**20:,.0f}: make room, or restore elsewhere with --into"
            )

        def get(entry: Entry) -> None:
            try:
                store.get(entry.sha256, stage / entry.sha256)
            except Damaged as error:
                raise ElencoError(
                    f"{self.root / entry.path} can't be restored ({error}); nothing was changed: "
                    "take another backup, or where the file still is, `elenco backup --check` "
                    "writes it again"
                ) from None

        name = f"reading what goes to {self.root}"
        with track(name, len(needed)) as advance, store.threads() as pool:
            for _ in pool.map(get, needed.values()):
                advance(1)

    def fill(self) -> tuple[int, int]:
        """Move everything to where it belongs, and delete what is strange.

        Returns:
            How many files were written, and how many things deleted.
        """
        by_kind = {
            kind: [entry for entry in self._entries if entry.kind == kind]
            for kind in ("directory", "link")
        }
        for entry in by_kind["directory"]:
            self._make_folder(self.root / entry.path)
        self._move([entry for entry in self._files if not entry.same_as])
        for entry in self.kept:
            self._dress(self.root / entry.path, entry)
        written = len(self._files) + self._share()
        deleted = self._delete()
        for entry in by_kind["link"]:  # after all that they lead to: `current` is seen at last
            path = self.root / entry.path
            if not (path.is_symlink() and os.readlink(path) == entry.target):
                self._clear(path)
                replace_symlink(path, entry.target)
        for entry in reversed(by_kind["directory"]):
            (self.root / entry.path).chmod(entry.mode)
        shutil.rmtree(self.root / STAGE)
        return written, deleted

    def _staged(self, needed: Collection[str]) -> list[str]:
        """What a killed restore has read. After a loss of power there may be names alone."""
        files = [path for path in (self.root / STAGE).iterdir() if path.name in needed]
        with ThreadPoolExecutor(THREADS) as pool:
            digests = list(pool.map(file_sha256, files))
        return [path.name for path, sha in zip(files, digests, strict=True) if path.name == sha]

    def _same(self, entry: Entry, found: Entry | None) -> bool:
        return found is not None and (found.kind, found.sha256) == ("file", entry.sha256)

    def _alike(self, entry: Entry, found: Entry) -> bool:
        return (found.kind, found.sha256, found.target) == (entry.kind, entry.sha256, entry.target)

    def _move(self, files: Sequence[Entry]) -> None:
        uses = Counter(entry.sha256 for entry in files)
        for entry in files:
            path, staged = self.root / entry.path, self.root / STAGE / entry.sha256
            uses[entry.sha256] -= 1
            if uses[entry.sha256]:  # others have the same content
                copy = staged.with_name(f"{entry.sha256}.copy")
                copy.unlink(missing_ok=True)
                shutil.copyfile(staged, copy)
                staged = copy
            self._dress(staged, entry)
            self._clear(path)
            os.replace(staged, path)

    def _share(self) -> int:
        """Make one file of those that are to be one; how many were there and were not."""
        count = 0
        kept = {entry.path for entry in self.kept}
        for entry in self._entries:
            if not entry.same_as:
                continue
            path, first = self.root / entry.path, self.root / entry.same_as
            if path.exists() and path.samefile(first):
                continue
            link = self.root / STAGE / "link"
            link.unlink(missing_ok=True)
            os.link(first, link)
            self._clear(path)
            os.replace(link, path)
            count += entry.path in kept
        return count

    def _delete(self) -> int:
        count = 0
        for name in sorted(self._extra, reverse=True):
            path = self.root / name
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):  # a lock may be in it
                    path.rmdir()
                continue
            path.unlink(missing_ok=True)
            count += 1
        return count

    def _make_folder(self, path: Path) -> None:
        if path.is_symlink() or path.is_file():
            path.unlink()
        path.mkdir(exist_ok=True)

    def _clear(self, path: Path) -> None:
        """Nothing but a file is replaced by a file's being renamed over it."""
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)

    def _dress(self, path: Path, entry: Entry) -> None:
        path.chmod(entry.mode)
        os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns))
