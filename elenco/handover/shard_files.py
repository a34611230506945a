"""Which files a shard has, as a list that goes from one machine to another."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from elenco.errors import ElencoError
from elenco.fingerprint import file_sha256
from elenco.layout import Layout
from elenco.records import Record
from elenco.types import Split

FORMAT = 1


@dataclass(frozen=True)
class File:
    """A file of a shard; `path` is relative to the data directory, `/` between."""

    path: str
    size: int
    mtime_ns: int
    sha256: str

    def is_there(self, data: Path) -> bool:
        """Whether it is in a data directory as it is here, by its size and time."""
        try:
            found = (data / self.path).stat()
        except FileNotFoundError:
            return False
        return (found.st_size, found.st_mtime_ns) == (self.size, self.mtime_ns)


Files = Mapping[str, File]  # by path


def inputs(layout: Layout, shard: int) -> list[Path]:
    """What is collected of a shard: the record, and the photographs that it names."""
    kept = _kept(layout, "collect", shard)
    if kept is None:
        return []
    return [layout.record("collect", shard), *(layout.image(*name) for name in kept)]


def outputs(layout: Layout, shard: int, embedder: str) -> list[Path]:
    """What comes of it: the record of faces, their crops, and the embeddings.

    A crop of a photograph that is collected no more is none of it, whatever the record says.
    """
    collected = set(_kept(layout, "collect", shard) or ())
    crops = [
        layout.crop(*name) for name in _kept(layout, "detect", shard) or () if name in collected
    ]
    return [layout.record("detect", shard), *crops, layout.shard_npz(embedder, shard)]


def _kept(layout: Layout, stage: str, shard: int) -> list[tuple[Split, str, str]] | None:
    record = Record.read(layout.record(stage, shard))
    if record is None:
        return None
    return [(entry["split"], entry["person_id"], entry["key"]) for entry in record.kept]


def listed(layout: Layout, paths: Iterable[Path], known: Files) -> dict[str, File]:
    """Those of the files that are there.

    Args:
        layout: the data directory.
        paths: in it.
        known: files are not read that are as they are here (size and time).
    """
    found: dict[str, File] = {}
    for path in paths:
        name = layout.relative(path)
        before = known.get(name)
        if before is not None and before.is_there(layout.data):
            found[name] = before
            continue
        try:
            status = path.stat()
            found[name] = File(name, status.st_size, status.st_mtime_ns, file_sha256(path))
        except FileNotFoundError:
            continue
    return found


def check_outputs(files: Files, layout: Layout, shard: int, embedder: str) -> None:
    """Refuse what is none of a shard's `outputs`, whoever wrote the list.

    Raises:
        ElencoError: naming the first.
    """
    crops = (layout.crop(*name) for name in _kept(layout, "collect", shard) or ())
    paths = (layout.record("detect", shard), layout.shard_npz(embedder, shard), *crops)
    strange = sorted(files.keys() - {layout.relative(path) for path in paths})
    if strange:
        raise ElencoError(
            f"{strange[0]!r}, which a worker gave, is no face, record or embedding of shard "
            f"{shard}: look at what works there; nothing was changed here"
        )


def encode(files: Files, **more: str) -> bytes:
    """A list as it is stored: the same list gives the same bytes."""
    told = {"format": FORMAT, **more, "files": [asdict(files[path]) for path in sorted(files)]}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def decode(data: bytes, name: str) -> tuple[dict[str, File], dict[str, Any]]:
    """A stored list, checked to name nothing outside a data directory, and what is beside it.

    Args:
        data: as `encode` made it.
        name: of the document, for whoever reads the error.

    Raises:
        ElencoError: it is damaged, or of a newer release.
    """
    try:
        told = json.loads(data)
        if told.pop("format") != FORMAT:
            raise ElencoError(f"{name} was written by another release: use the same everywhere")
        files = [File(**one) for one in told.pop("files")]
        if not all(_within(file.path) for file in files):
            raise ValueError("a path that leads elsewhere")
        return {file.path: file for file in files}, told
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ElencoError(
            f"{name} can't be read ({type(error).__name__}): delete it and run again"
        ) from None


def _within(path: str) -> bool:
    parts = PurePosixPath(path).parts
    plain = path == "/".join(parts) and "\0" not in path
    return plain and bool(parts) and parts[0] != "/" and ".." not in parts
