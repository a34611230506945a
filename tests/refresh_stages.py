"""What shows on disk that a refresh is in the middle of a stage, and what a refresh came to."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from elenco.storage import read_json

Seen = Callable[[Path, Path], bool]  # of a data and a models directory
# Of the first three are dates part, and of TF.js's graphs an order that is another each time; the
# others hold digests of these. The weights of the graphs are files of their own.
NOT_COMPARED = {"card.json", "card.md", "datasheet.md", "model.json", "meta.json", "sha256.json"}
PHOTOGRAPHS = "images/*/*/[!.]*.jpg"
FACES = "output/*/*/[!.]*.jpg"
SHARDS = "processed/*/shard-*.npz"
JOINED = "processed/*/t*.npz"


@dataclass(frozen=True)
class Stage:
    """A stage of a refresh.

    Attributes:
        name: for messages.
        begun: it is at work, or over.
        over: what it makes is there.
        before: patterns, in the data directory, of what earlier stages have finished by then.
    """

    name: str
    begun: Seen
    over: Seen
    before: tuple[str, ...] = (PHOTOGRAPHS,)

    def finished(self, data: Path, models: Path) -> dict[str, int]:
        """When that was written, and the classifier if one is trained: nothing does it again."""
        found = [path for pattern in self.before for path in data.glob(pattern)]
        written = {path.relative_to(data).as_posix(): path.stat().st_mtime_ns for path in found}
        folders = (".candidate-*", "v*")
        trained = (p for f in folders for p in models.glob(f"recogniser/{f}/classifier.keras"))
        return written | {path.name: path.stat().st_mtime_ns for path in trained}


def in_data(pattern: str, least: int = 1) -> Seen:
    return lambda data, _: sum(1 for _ in data.glob(pattern)) >= least


def in_recogniser(pattern: str) -> Seen:
    return lambda _, models: any(models.glob(f"recogniser/{pattern}"))


def _detected(data: Path, _: Path) -> bool:
    return any(read_json(path)["complete"] for path in data.glob("state/*/detect/[!.]*.json"))


def _registering(_: Path, models: Path) -> bool:
    """Digests are written as soon as a candidate is trained, and again when it is registered."""
    found = models.glob("recogniser/.candidate-*/sha256.json")
    return any("verdict.json" in path.read_text() for path in found)


STAGES = {
    stage.name: stage
    for stage in (
        Stage("collect", in_data(PHOTOGRAPHS, 10), in_data(FACES), ()),
        Stage("detect", in_data(FACES), _detected),
        Stage("embed", in_data(SHARDS), in_data(JOINED)),
        Stage(
            "curate",
            in_data(JOINED),
            in_data("processed/*/quarantine.json"),
            (PHOTOGRAPHS, FACES, SHARDS),
        ),
        Stage(
            "train",
            in_recogniser(".tmp-*"),
            in_recogniser(".candidate-*"),
            (PHOTOGRAPHS, FACES, SHARDS, JOINED),
        ),
        Stage(
            "export",
            in_recogniser(".candidate-*/tfjs"),
            in_recogniser(".candidate-*/verdict.json"),
            (PHOTOGRAPHS, FACES, SHARDS, JOINED),
        ),
        Stage(
            "register",
            _registering,
            in_recogniser("v*"),
            (PHOTOGRAPHS, FACES, SHARDS, JOINED),
        ),
    )
}


def outputs(data: Path, models: Path) -> dict[str, bytes]:
    """Faces, embeddings, what is left out, and the version in use: everything that is no date."""
    version = models / "recogniser" / "current"
    found = [*data.glob(FACES), *data.glob("processed/*/[!.]*.npz")]
    found += data.glob("processed/*/quarantine.json")
    files = {path.relative_to(data).as_posix(): path.read_bytes() for path in found}
    for path in version.rglob("*"):
        if path.is_file() and path.name not in NOT_COMPARED:
            files[f"current/{path.relative_to(version)}"] = path.read_bytes()
    needed = ("classifier.keras", "gallery.npz", "labels.json", "metrics.json", "verdict.json")
    assert {f"current/{name}" for name in needed} <= files.keys()
    return files


def differing(mine: dict[str, bytes], others: dict[str, bytes]) -> list[str]:
    """The names of what is not the same in both: the files themselves would fill a screen."""
    names = mine.keys() | others.keys()
    return sorted(name for name in names if mine.get(name) != others.get(name))
