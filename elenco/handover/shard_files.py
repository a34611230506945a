"""Which files a shard has, as a list that goes from one machine to another."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from elenco.blobs import is_plain, is_sha256
from elenco.errors import ElencoError
from elenco.fingerprint import digest, file_sha256
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


@dataclass(frozen=True)
class ShardList:
    """What is offered or given of a shard.

    Attributes:
        files: by path.
        photographs: names what was collected, as `Collected.photographs` does; of a gift, what it
            was made of.
        finished: how many of the stages of this gift came to their end: 1 the faces, 2 the
            embeddings too. Of an offer always 0.
    """

    files: dict[str, File]
    photographs: str
    finished: int = 0


@dataclass(frozen=True)
class Collected:
    """A shard that is collected, as its record says.

    Attributes:
        layout: the data directory.
        shard: its number.
        record: what was collected.
    """

    layout: Layout
    shard: int
    record: Record

    @staticmethod
    def read(layout: Layout, shard: int) -> "Collected | None":
        """None if it is not collected."""
        record = Record.read(layout.record("collect", shard))
        return Collected(layout, shard, record) if record is not None else None

    def inputs(self, known: Files) -> dict[str, File]:
        """The record, and the photographs that it names, of which `known` is known."""
        images = [self.layout.image(*name) for name in _kept(self.record)]
        return listed(self.layout, [self.layout.record("collect", self.shard), *images], known)

    def photographs(self, inputs: Files) -> str:
        """Names what the stages are given; of whom there are more votes is the same to them."""
        record = self.layout.relative(self.layout.record("collect", self.shard))
        images = [(f.path, f.sha256) for f in inputs.values() if f.path != record]
        return digest(self.record.digest(), images)

    def outputs(self, embedder: str) -> list[Path]:
        """What comes of it: the record of faces, their crops, and the embeddings.

        A crop of a photograph that is collected no more is none of it, whatever the record says.
        """
        detected = Record.read(self.layout.record("detect", self.shard))
        faces = set(_kept(detected)) if detected is not None else set()
        crops = [self.layout.crop(*name) for name in _kept(self.record) if name in faces]
        return [*self._of_shard(embedder), *crops]

    def check_outputs(self, files: Files, embedder: str) -> None:
        """Refuse what is none of the shard's outputs, whoever wrote the list.

        Raises:
            ElencoError: naming the first.
        """
        paths = [*self._of_shard(embedder), *(self.layout.crop(*n) for n in _kept(self.record))]
        strange = sorted(files.keys() - {self.layout.relative(path) for path in paths})
        if strange:
            raise ElencoError(
                f"{strange[0]!r}, which a worker gave, is no face, record or embedding of shard "
                f"{self.shard}: look at what works there; nothing was changed here"
            )

    def _of_shard(self, embedder: str) -> tuple[Path, Path]:
        layout = self.layout
        return layout.record("detect", self.shard), layout.shard_npz(embedder, self.shard)


def _kept(record: Record) -> list[tuple[Split, str, str]]:
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


def encode(shard: ShardList) -> bytes:
    """A list as it is stored: the same list gives the same bytes."""
    told = {
        "format": FORMAT,
        "photographs": shard.photographs,
        "finished": shard.finished,
        "files": [asdict(shard.files[path]) for path in sorted(shard.files)],
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def decode(data: bytes, name: str) -> ShardList:
    """A stored list, checked: it names content by digests, and nothing outside a data directory.

    Args:
        data: as `encode` made it.
        name: of the document, for whoever reads the error.

    Raises:
        ElencoError: it is damaged, or of another release.
    """
    try:
        told = json.loads(data)
        if told["format"] != FORMAT:
            raise ElencoError(f"{name} was written by another release: use the same everywhere")
        files = [File(**one) for one in told["files"]]
        if not all(is_plain(f.path, f.size, f.mtime_ns) and is_sha256(f.sha256) for f in files):
            raise ValueError("what is not to be trusted")
        photographs, finished = told["photographs"], told.get("finished", 0)
        if not isinstance(photographs, str) or type(finished) is not int:
            raise TypeError("no list of a shard")
        return ShardList({file.path: file for file in files}, photographs, finished)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ElencoError(
            f"{name} can't be read ({type(error).__name__}): delete it and run again"
        ) from None
