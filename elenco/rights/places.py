"""Everywhere that something of a person can lie, whichever source it came from.

Sources share the folders of photographs and faces and the embeddings; each has its own state. A
photograph is of the source whose manifest has it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from elenco.errors import ElencoError
from elenco.layout import Layout
from elenco.records import Record
from elenco.rights.denylist import kind_of
from elenco.types import SPLITS

Photograph = tuple[str, str]  # person id, key
KINDS = ("tmdb", "folder")


def sources_of(kind: str, layout: Layout) -> list[Layout]:
    """The data directory seen from each source of a kind that left any state there."""
    found = layout.state.parent.glob("*/")
    names = sorted(path.name for path in found if kind_of(path.name) == kind)
    return [replace(layout, source_id=name) for name in names]


def other_sources(kind: str, layout: Layout) -> list[Layout]:
    """The same for all sources that are not of this kind."""
    return [source for other in KINDS if other != kind for source in sources_of(other, layout)]


def records(stage: str, source: Layout) -> Iterator[tuple[Path, Record]]:
    """A stage's records of every shard, one at a time.

    Raises:
        ElencoError: one can't be read; the message names it.
    """
    for path in sorted(source.record(stage, 0).parent.glob("*.json")):
        try:
            record = Record.read(path)
        except ValueError as error:
            raise ElencoError(f"{error}, then run the same command again") from None
        if record is not None:
            yield path, record


def photographs(sources: Iterable[Layout]) -> Iterator[Photograph]:
    """All that the manifests of these sources have, kept or retired."""
    for source in sources:
        for _, record in records("collect", source):
            for entry in (*record.kept, *record.retired):
                yield entry["person_id"], entry["key"]


def roots(layout: Layout) -> dict[str, tuple[Path, ...]]:
    """`photographs`, `crops`, `retired` -> the folders that have a folder a person."""
    return {name: tuple(p.parent for p in ps) for name, ps in person_folders(layout, "x").items()}


def person_folders(layout: Layout, person_id: str) -> dict[str, tuple[Path, ...]]:
    """`photographs`, `crops`, `retired` -> the folders of one person, there or not."""
    return {name: tuple(p.parent for p in ps) for name, ps in files(layout, person_id, "x").items()}


def files(layout: Layout, person_id: str, key: str) -> dict[str, tuple[Path, ...]]:
    """`photographs`, `crops`, `retired` -> the files of one photograph, there or not."""
    return {
        "photographs": tuple(layout.image(split, person_id, key) for split in SPLITS),
        "crops": tuple(layout.crop(split, person_id, key) for split in SPLITS),
        "retired": (layout.retired(person_id, key),),
    }


def evaluations(layout: Layout) -> Path:
    """Where `elenco evaluate` keeps photographs, faces, embeddings and reports."""
    return layout.data / "evaluations"


def prefect_home(layout: Layout) -> Path:
    """Where runs without a server keep theirs: its reports show faces with names."""
    return layout.state.parent / "prefect"


def demo_pictures(layout: Layout) -> Path:
    """Where the demo, whose source is TMDB's protocol, writes pictures with names on them."""
    return layout.data / "demo"


def remove_if_empty(folder: Path) -> None:
    """Remove a folder that is there and has nothing in it."""
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
