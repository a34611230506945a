"""A folder of labelled photographs: what is in it, and the way through all stages to embeddings."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from elenco.embedding.base import Embedder
from elenco.embedding.stage import embed_shard, join_shards
from elenco.errors import ConfigError, NotEnoughData
from elenco.evaluation.evaluation import StageCounts
from elenco.evaluation.verification import Pairs, Photograph
from elenco.faces.agreement import load_chooser
from elenco.faces.mtcnn import load_detector
from elenco.faces.stage import detect_shard
from elenco.fingerprint import bytes_sha256
from elenco.layout import Layout
from elenco.settings import Collect, Settings
from elenco.sources.folder import LAYOUT, SUFFIXES, open_source
from elenco.sources.listing import list_people
from elenco.sources.network import run
from elenco.sources.stage import collect_shard
from elenco.storage import remove_leftovers, write_bytes
from elenco.types import ShardRef, StageReport

SHARDS = 16
MOST_PHOTOGRAPHS = 1_000_000  # of a person: all there are


@dataclass(frozen=True)
class Folder:
    """A folder of photographs, and where what is made of it is kept.

    Attributes:
        path: `{person}/*.jpg`.
        people: the names of its folders that hold photographs, sorted.
        empty: how many of its folders hold none.
        settings: under which the stages run.
        layout: of the work directory: a second time nothing is done again.
    """

    path: Path
    people: list[str]
    empty: int
    settings: Settings
    layout: Layout


def look_into(path: Path, settings: Settings, layout: Layout) -> Folder:
    """See whether a folder can be measured.

    Args:
        path: the folder.
        settings: the stages' settings are taken from them.
        layout: the work directory is `evaluations/{name}-{digest}` of its data directory.

    Raises:
        ConfigError: it is not there, it holds no photographs, or two of its folders are of one
            person.
        NotEnoughData: it holds photographs of one person only.
    """
    if not path.is_dir():
        raise ConfigError(f"there is no folder {path}: name another with --photos")
    folders = sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
    people = [folder.name for folder in folders if _has_photographs(folder)]
    _check_names(path, people)
    if not people:
        raise ConfigError(f"there are no photographs in {path}: {LAYOUT}")
    if len(people) < 2:
        raise NotEnoughData(
            f"{path} has photographs of one person, {people[0]!r}: add others, to tell them apart"
        )
    full = path.resolve()
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", full.name).strip(".-") or "photos"
    work = layout.data / "evaluations" / f"{name}-{bytes_sha256(str(full).encode())[:8]}"
    collect = settings.collect.model_dump() | {
        "source": "folder",
        "folder": full,
        "cast": None,
        "people": len(people),
        "photos_per_person": MOST_PHOTOGRAPHS,
        "test_fraction": 0.0,
        "shards": SHARDS,
    }
    own = settings.model_copy(
        update={
            "paths": settings.paths.model_copy(update={"data": work}),
            "collect": Collect.model_validate(collect),
        }
    )
    return Folder(path, people, len(folders) - len(people), own, Layout.of(own))


def embed_folder(folder: Folder, embedder: Embedder, denylist: Path) -> dict[str, StageCounts]:
    """Collect, detect, embed and join; what was done before is used again.

    Args:
        folder: its embeddings are `folder.layout.joined(embedder.space.embedder, "train")` in the
            end.
        embedder: makes them.
        denylist: who is not to be collected; the file need not be there.

    Returns:
        What each stage did.

    Raises:
        ElencoError: as the stages do.
    """
    settings, layout = folder.settings, folder.layout
    remove_leftovers(layout.data)
    write_bytes(layout.denylist, denylist.read_bytes() if denylist.exists() else b"")
    listing = run(list_people(settings, layout))
    names = {person.id: person.name for shard in listing.shards for person in shard}
    detector, chooser = load_detector(settings), load_chooser(settings, layout)
    refs: dict[str, list[ShardRef]] = defaultdict(list)
    for shard, people in enumerate(listing.shards):
        collected = run(collect_shard(people, shard, settings, layout))
        detected = detect_shard(collected, settings, layout, detector, chooser)
        embedded = embed_shard(detected, settings, layout, embedder)
        for ref in (collected, detected, embedded):
            refs[ref.stage].append(ref)
    join_shards(refs["embed"], names, settings, layout, embedder.space.embedder)
    counts = {"people": _counts([listing.report])}
    return counts | {stage: _counts([ref.report for ref in own]) for stage, own in refs.items()}


def photograph_keys(folder: Folder, pairs: Pairs) -> dict[Photograph, str]:
    """`person_id/key` of each photograph of the pairs; `name 1` is `name/name_0001.jpg`.

    Raises:
        ConfigError: a photograph is not in the folder.
    """
    source = open_source(folder.settings)
    files: dict[str, dict[str, str]] = {}
    keys: dict[Photograph, str] = {}
    for name, number in (*pairs.first, *pairs.second):
        if name not in files:
            refs = source.images(name) if name in folder.people else []
            files[name] = {Path(ref.url).stem: f"{name}/{ref.key}" for ref in refs}
        stem = f"{name}_{number:04d}"
        if stem not in files[name]:
            raise ConfigError(
                f"the pairs name {name}/{stem}, which is not in {folder.path}: give the folder "
                "that the pairs are of"
            )
        keys[name, number] = files[name][stem]
    return keys


def _counts(reports: Sequence[StageReport]) -> StageCounts:
    total = sum(reports, StageReport(0, 0))
    return StageCounts(total.given, total.kept, total.skipped)


def _has_photographs(folder: Path) -> bool:
    return any(
        path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
        for path in folder.iterdir()
    )


def _check_names(path: Path, people: Sequence[str]) -> None:
    """Raise ConfigError where two names are one but for case, spaces or the form of Unicode."""
    same: dict[str, list[str]] = defaultdict(list)
    for name in people:
        plain = unicodedata.normalize("NFKC", name.replace("_", " ")).casefold()
        same[" ".join(plain.split())].append(name)
    for names in same.values():
        if len(names) > 1:
            listed = " and ".join(repr(name) for name in names)
            raise ConfigError(
                f"duplicate names in {path}: {listed} look like one person: put their photographs "
                "into one folder, or rename one"
            )
