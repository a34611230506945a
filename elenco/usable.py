"""The usable faces of one person: a folder of their photographs through a refresh's stages."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from elenco.embedding.base import load_embedder
from elenco.embedding.stage import embed_shard
from elenco.errors import ConfigError, SpaceMismatch
from elenco.faces.agreement import load_chooser
from elenco.faces.mtcnn import load_detector
from elenco.faces.stage import detect_shard
from elenco.layout import Layout
from elenco.recognition.recogniser import describe
from elenco.records import Record
from elenco.settings import Settings
from elenco.sources.folder import Folder
from elenco.sources.network import run
from elenco.sources.stage import collect_shard
from elenco.storage import read_npz
from elenco.types import EmbeddingSpace, Person, ShardRef, Skipped, StageReport

MOST_PHOTOGRAPHS = 1000


@dataclass(frozen=True)
class Usable:
    """Faces of one person.

    Attributes:
        name: of the person, as their folder has it.
        vectors: (n, d) unit length.
        keys: names the photograph of each among the person's.
        sha256: of each photograph.
        report: given, kept and skipped by reason.
        skipped: what was not kept; `id` is the file's name.
    """

    name: str
    vectors: Float32[np.ndarray, "n d"]
    keys: tuple[str, ...]
    sha256: tuple[str, ...]
    report: StageReport
    skipped: tuple[Skipped, ...]


def usable_faces(
    folder: Path, space: EmbeddingSpace, scratch: Path, settings: Settings, layout: Layout
) -> Usable:
    """Read, detect, choose and embed.

    Args:
        folder: of one person's photographs.
        space: of the vectors that are wanted.
        scratch: an empty directory; photographs and faces are in it afterwards.
        settings: `faces`, `compute`, `curation` and limits of `collect` are used.
        layout: where networks' weights are.

    Raises:
        SpaceMismatch: the embedder is not as it was in `space`.
        ConfigError: the folder has no picture.
    """
    embedder = load_embedder(space.embedder, settings, layout)
    if embedder.space != space:
        raise SpaceMismatch(
            f"the version in use takes vectors of {describe(space)} and the embedder here gives "
            f"{describe(embedder.space)}: set `embedding` as it was, or run `elenco refresh`"
        )
    told = run(Folder(folder.parent, settings.collect.max_megabytes).ask(folder.name))
    files = {ref.key: Path(ref.url).name for ref in told.images}
    if not files:
        raise ConfigError(f"there is no picture in {folder}: .jpg, .jpeg, .png and .webp are read")
    own = _settings(folder, scratch, settings)
    place = Layout(scratch, layout.models, own.source_id)
    collected = run(collect_shard([Person(folder.name, told.name)], 0, own, place))
    detected = detect_shard(collected, own, place, load_detector(own), load_chooser(own, place))
    embedded = embed_shard(detected, own, place, embedder)
    rows = read_npz(scratch / embedded.path)
    manifest = _record(collected, scratch).kept
    sha256 = {entry["key"]: str(entry["sha256"]) for entry in manifest}
    keys = rows["keys"].tolist()
    curation = settings.curation
    usable = rows["quality"] >= (curation.min_quality if curation.enabled else 0)
    skipped = [
        *(_named(skip, files) for ref in (collected, detected) for skip in _skips(ref, scratch)),
        *(
            Skipped(files[key], "unusable", f"quality {quality:.2f}")
            for key, quality, good in zip(keys, rows["quality"].tolist(), usable, strict=True)
            if not good
        ),
    ]
    lost = {entry["key"] for entry in _record(detected, scratch).kept} - set(keys)
    skipped += [Skipped(files[key], "not_embedded") for key in sorted(lost)]
    kept = [key for key, good in zip(keys, usable, strict=True) if good]
    return Usable(
        told.name,
        rows["vectors"][usable],
        tuple(kept),
        tuple(sha256[key] for key in kept),
        StageReport.of(len(kept), skipped, 0, 0.0),
        tuple(sorted(skipped, key=lambda skip: skip.id)),
    )


def _settings(folder: Path, scratch: Path, settings: Settings) -> Settings:
    """All of a folder's photographs, into one split of one shard."""
    collect = settings.collect.model_copy(
        update={
            "source": "folder",
            "folder": folder.parent,
            "cast": None,
            "photos_per_person": MOST_PHOTOGRAPHS,
            "test_fraction": 0.0,
            "shards": 1,
        }
    )
    paths = settings.paths.model_copy(update={"data": scratch})
    return settings.model_copy(update={"collect": collect, "paths": paths})


def _record(ref: ShardRef, scratch: Path) -> Record:
    record = Record.read(scratch / ref.path)
    assert record is not None, "the stage has just written it"
    return record


def _skips(ref: ShardRef, scratch: Path) -> list[Skipped]:
    return _record(ref, scratch).skipped


def _named(skip: Skipped, files: dict[str, str]) -> Skipped:
    key = skip.id.partition("/")[2]
    detail = skip.detail.removeprefix(f"{skip.reason}: ")
    return Skipped(files.get(key, skip.id), skip.reason, detail)
