"""The manifest of a backup: everything that was in it, and nothing that could lead elsewhere.

Gzipped JSON, two lines: a head with the digest of the rest and what a list of backups shows, then
the entries.
"""

import gzip
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import PurePosixPath
from typing import Any, Literal, get_args

from elenco.backup.tree import Entry, Kind, leads_within
from elenco.blobs import is_plain, is_sha256
from elenco.errors import ElencoError
from elenco.fingerprint import bytes_sha256

FORMAT = 1
NAME = re.compile(r"\d{8}T\d{6}Z(-\d+)?")
TREES = ("models", "data")  # in the order in which they are restored
_DEFAULTS = asdict(Entry("", "file"))
_FIELDS = frozenset(field.name for field in fields(Entry))


@dataclass(frozen=True)
class Database:
    """Prefect's database in a backup: `pg_dump`'s custom format, or a copy of SQLite's file."""

    kind: Literal["postgresql", "sqlite"]
    sha256: str
    size: int


@dataclass(frozen=True)
class Head:
    """What a list of backups shows of one.

    Attributes:
        name: when it was made, `20261125T060000Z`; with a number if there is one of that second.
        elenco: the release that made it.
        data_schema: of the data directory; 0 before there were schemas.
        files: how many.
        bytes: of all files, those that are one counted once.
        database: which Prefect database is in it; empty for none.
    """

    name: str
    elenco: str
    data_schema: int
    files: int
    bytes: int
    database: str

    def line(self) -> str:
        """One line to print."""
        database = f"  {self.database}" if self.database else "  no database"
        figures = f"{self.files:>9,} files {self.bytes / 2**20:>12,.1f} MiB"
        return f"{self.name:<20}{figures}{database}  elenco {self.elenco}"


@dataclass(frozen=True)
class Manifest:
    """Everything in a backup.

    Attributes:
        name: as in `Head`.
        elenco: as in `Head`.
        data_schema: as in `Head`.
        trees: `data`, `models` -> entries, by path.
        database: Prefect's, None if there was none.
    """

    name: str
    elenco: str
    data_schema: int
    trees: Mapping[str, tuple[Entry, ...]]
    database: Database | None = None

    @property
    def head(self) -> Head:
        """What a list shows of it."""
        files = [e for entries in self.trees.values() for e in entries if e.kind == "file"]
        size = sum(e.size for e in files if not e.same_as)
        kind = self.database.kind if self.database else ""
        return Head(self.name, self.elenco, self.data_schema, len(files), size, kind)

    def blobs(self) -> dict[str, int]:
        """sha256 -> size of all content that it needs."""
        entries = (e for tree in self.trees.values() for e in tree)
        needed = {entry.sha256: entry.size for entry in entries if entry.kind == "file"}
        if self.database is not None:
            needed[self.database.sha256] = self.database.size
        return needed


def encode(manifest: Manifest) -> bytes:
    """The manifest as it is stored: the same manifest gives the same bytes."""
    body = json.dumps(
        {
            "trees": {
                name: [_plain(entry) for entry in manifest.trees[name]]
                for name in sorted(manifest.trees)
            },
            "database": asdict(manifest.database) if manifest.database else None,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode("utf-8", "surrogateescape")
    head = {"format": FORMAT, "sha256": bytes_sha256(body), **asdict(manifest.head)}
    return gzip.compress(json.dumps(head).encode() + b"\n" + body, compresslevel=6, mtime=0)


def decode(data: bytes, name: str) -> Manifest:
    """A stored manifest, checked to be whole and to name nothing outside its directories.

    Args:
        data: as `encode` made it.
        name: which backup it is said to be.

    Raises:
        ElencoError: it is damaged, of a newer release, or not to be trusted.
    """
    try:
        head, _, body = gzip.decompress(data).partition(b"\n")
        told = _head(head, name)
        if bytes_sha256(body) != told["sha256"]:
            raise ValueError("its digest is another")
        value = json.loads(body.decode("utf-8", "surrogateescape"))
        trees = {tree: _entries(value["trees"][tree]) for tree in TREES}
        database = _database(value["database"])
        return Manifest(name, str(told["elenco"]), int(told["data_schema"]), trees, database)
    except (
        OSError,
        EOFError,
        zlib.error,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
    ) as error:
        raise _damaged(name, error) from None


def decode_head(data: bytes, name: str) -> Head:
    """The head of a stored manifest, of which the beginning is enough. Raises ElencoError."""
    try:
        line, newline, _ = zlib.decompressobj(wbits=31).decompress(data).partition(b"\n")
        if not newline:
            raise EOFError("it is cut short")
        told = _head(line, name)
        return Head(**{field.name: told[field.name] for field in fields(Head)})
    except (zlib.error, EOFError, ValueError, KeyError, TypeError) as error:
        raise _damaged(name, error) from None


def _damaged(name: str, error: Exception) -> ElencoError:
    problem = " ".join(str(error).split())[:200] or type(error).__name__
    return ElencoError(
        f"the manifest of backup {name} is damaged ({problem}): take another, "
        "`elenco backups` lists them"
    )


def _head(line: bytes, name: str) -> dict[str, Any]:
    told = json.loads(line)
    if told["format"] > FORMAT:
        raise ElencoError(f"backup {name} was made by a newer release: upgrade Elenco")
    if told["name"] != name:
        raise ValueError(f"it is that of {told['name']}")
    return told


def _plain(entry: Entry) -> dict[str, Any]:
    return {key: value for key, value in asdict(entry).items() if value != _DEFAULTS[key]} | {
        "kind": entry.kind
    }


def _database(told: Any) -> Database | None:
    if told is None:
        return None
    found = Database(**told)
    if found.kind not in ("postgresql", "sqlite") or not is_sha256(found.sha256):
        raise ValueError("its database is none")
    return found


def _entries(told: list[dict[str, Any]]) -> tuple[Entry, ...]:
    """Entries, each in a directory that is an entry too: nothing is written through a link."""
    entries = tuple(Entry(**one) for one in told if _FIELDS.issuperset(one))
    if len(entries) != len(told):
        raise ValueError("an entry has fields that are not known")
    kinds: dict[str, str] = {}
    files: dict[str, str] = {}
    for entry in sorted(entries, key=lambda one: PurePosixPath(one.path).parts):
        parts = PurePosixPath(entry.path).parts
        parent = "/".join(parts[:-1])
        if (
            not is_plain(entry.path, entry.size, entry.mtime_ns)
            or entry.path in kinds
            or entry.kind not in get_args(Kind)
            or (parent and kinds.get(parent) != "directory")
            or (entry.kind == "link" and not leads_within(entry.path, entry.target))
            or (entry.kind == "file" and not is_sha256(entry.sha256))
            or entry.mode & ~0o777
        ):
            raise ValueError(f"{entry.path!r} is not to be trusted")
        kinds[entry.path] = entry.kind
        if entry.kind == "file" and not entry.same_as:
            files[entry.path] = entry.sha256
    for entry in entries:
        if entry.same_as and files.get(entry.same_as) != entry.sha256:
            raise ValueError(f"{entry.path!r} is the same as what is not there")
    return entries
