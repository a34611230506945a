"""What a directory holds, as a list: files by their digest, links by where they lead."""

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from elenco.blobs import THREADS
from elenco.errors import ElencoError
from elenco.integrity import Digests
from elenco.schema import RESTORING
from elenco.storage import TEMPORARY
from elenco.types import Skipped

DATABASE = PurePosixPath("state/prefect/prefect.db")  # of runs without a server
# What belongs to a machine: processes, ports, logs and secrets of `elenco up`.
MACHINE = PurePosixPath("state/ops")
# Of the checkout, not of the data.
_DOCUMENTS = frozenset({"README.md", "FaceNET-Keras/README.md"})

Kind = Literal["directory", "file", "link"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in a directory.

    Attributes:
        path: relative to the directory, `/` between.
        kind: what it is.
        mode: permission bits.
        size: bytes, of a file.
        mtime_ns: when a file was last written, nanoseconds since 1970.
        sha256: hex, of a file.
        same_as: an earlier path which is the same file (a hard link); empty if there is none.
        target: where a link leads, relative to its folder.
    """

    path: str
    kind: Kind
    mode: int = 0
    size: int = 0
    mtime_ns: int = 0
    sha256: str = ""
    same_as: str = ""
    target: str = ""


@dataclass(frozen=True)
class Tree:
    """What there is in a directory: entries by path, and what is left out."""

    entries: tuple[Entry, ...] = ()
    skipped: tuple[Skipped, ...] = ()


def scan(root: Path, digests: Digests, apart: Path | None = None, moving: bool = False) -> Tree:
    """List a directory.

    Left out, with the reason: `temporary`, `lock`, `database` (copied by its own means), `machine`
    (processes and secrets), `document` (of the checkout) and `special` (sockets and the like).

    Args:
        root: the directory; one that is not there has nothing in it.
        digests: what is known of its files.
        apart: a directory that is passed over, though it may lie within.
        moving: somebody may be at work there: what is gone when it is read is not listed.

    Raises:
        ElencoError: a link leads out of the directory, or a file went while it was read.
    """
    found: list[tuple[Entry, tuple[int, int]]] = []
    skipped: list[Skipped] = []
    for path, name, status in _walk(root, apart, moving):
        reason = left_out(name, status.st_mode)
        if reason:
            skipped.append(Skipped(name, reason))
            continue
        mode = stat.S_IMODE(status.st_mode) & 0o777
        if stat.S_ISDIR(status.st_mode):
            entry = Entry(name, "directory", mode)
        elif stat.S_ISLNK(status.st_mode):
            target = os.readlink(path)
            if not leads_within(name, target):
                raise ElencoError(
                    f"{path} leads out of {root}: what it leads to would be in no backup; "
                    "mount it there, or move it there"
                )
            entry = Entry(name, "link", 0, target=target)
        else:
            entry = Entry(name, "file", mode, status.st_size, status.st_mtime_ns)
        linked = status.st_nlink > 1 and entry.kind == "file"
        found.append((entry, (status.st_dev, status.st_ino) if linked else (0, 0)))

    def complete(entry: Entry) -> Entry | None:
        if entry.kind != "file":
            return entry
        try:
            return replace(entry, sha256=digests.of(root / entry.path))
        except FileNotFoundError:
            if moving:
                return None
            raise ElencoError(
                f"{root / entry.path} went while it was backed up: run the same command again"
            ) from None

    with ThreadPoolExecutor(THREADS) as pool:
        whole = list(pool.map(complete, (entry for entry, _ in found), chunksize=64))
    return Tree(tuple(_share(whole, [inode for _, inode in found])), tuple(skipped))


def left_out(name: str, mode: int) -> str:
    """Why a path within data or models is not in a backup; empty if it is.

    Args:
        name: relative, `/` between.
        mode: as `os.lstat` has it.
    """
    path = PurePosixPath(name)
    if path.name.startswith(TEMPORARY):
        return "temporary"
    if path.is_relative_to(MACHINE):
        return "machine"
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
        return "special"
    if not stat.S_ISREG(mode):
        return ""
    if name in _DOCUMENTS:
        return "document"
    if path.parent == DATABASE.parent and path.name.startswith(DATABASE.name):
        return "database"
    held = path.suffix == ".lock" or path.name in (".lock", "refresh.holder.json", RESTORING)
    return "lock" if held else ""


def leads_within(name: str, target: str) -> bool:
    """Whether a link at a relative path leads to something in the same directory."""
    where = os.path.normpath(os.path.join(os.path.dirname(name), target))
    return not os.path.isabs(target) and where != ".." and not where.startswith("../")


def _walk(
    root: Path, apart: Path | None, moving: bool
) -> Iterator[tuple[str, str, os.stat_result]]:
    """Path, relative name and status of all there is, parents first, each folder by name."""
    away = apart.resolve() if apart is not None else None
    waiting = [(str(root.resolve()), "")] if root.exists() else []
    while waiting:
        folder, prefix = waiting.pop()
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except FileNotFoundError:
            if moving:
                continue
            raise
        inner: list[tuple[str, str]] = []
        for entry in entries:
            name = f"{prefix}{entry.name}"
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                if moving:
                    continue
                raise
            is_folder = stat.S_ISDIR(status.st_mode)
            if is_folder and away is not None and Path(entry.path) == away:
                continue
            yield entry.path, name, status
            if is_folder and not left_out(name, status.st_mode):
                inner.append((entry.path, f"{name}/"))
        waiting += reversed(inner)


def _share(entries: list[Entry | None], inodes: list[tuple[int, int]]) -> Iterator[Entry]:
    """By path; of files that are one, the later ones name the first."""
    first: dict[tuple[int, int], str] = {}
    there = [(e, inode) for e, inode in zip(entries, inodes, strict=True) if e is not None]
    for entry, inode in sorted(there, key=lambda pair: pair[0].path):
        if inode != (0, 0) and first.setdefault(inode, entry.path) != entry.path:
            yield replace(entry, same_as=first[inode])
        else:
            yield entry
