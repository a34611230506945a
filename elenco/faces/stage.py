"""The detect stage: photographs of one shard to aligned faces in `data/output`."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from elenco.compute.lanes import in_lanes, lanes_of
from elenco.embedding.base import Embedder
from elenco.errors import ImageError, NotEnoughData
from elenco.faces.agreement import Undecided, decide
from elenco.faces.crops import CANONICAL_LANDMARKS, CROP_SIZE
from elenco.faces.entries import JPEG_QUALITY, Entry
from elenco.faces.finding import FaceDetector, chunks_of, find_faces, key_of
from elenco.fingerprint import digest
from elenco.layout import Layout
from elenco.progress import track
from elenco.records import Record, image_id
from elenco.settings import Settings
from elenco.turns import in_turn
from elenco.types import SPLITS, ShardRef, Skipped, StageReport

# Raise it when the same photograph and settings would give another crop or another entry.
DETECT_VERSION = "2"
# A killed run loses no more than this many photographs, or this share of them (a record is written
# as a whole: at fixed distances that would take time with the square of its length), and those
# that are in the lanes.
PHOTOS_BETWEEN_SAVES = 256
SHARE_BETWEEN_SAVES = 8
PEOPLE = 8  # whose faces are chosen together


@dataclass
class _Progress:
    """What is known so far of the photographs given."""

    kept: list[Entry] = field(default_factory=list)
    several: list[Entry] = field(default_factory=list)  # with faces to choose from
    skipped: list[Skipped] = field(default_factory=list)
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)

    def keep(self, entry: Entry) -> None:
        (self.several if len(entry["faces"]) > 1 else self.kept).append(entry)

    def skip(self, entry: Entry, error: ImageError) -> None:
        """Skip; for good unless it may be another thing the next time."""
        name = image_id(*key_of(entry))
        detail = str(error).removeprefix(f"{error.reason}: ")
        self.skipped.append(Skipped(name, error.reason, detail))
        if error.reason not in ("missing", "detector_failed"):
            note = {"sha256": entry["sha256"], "reason": error.reason, "detail": detail}
            self.notes[name] = note


@in_turn
def detect_shard(
    collected: ShardRef,
    settings: Settings,
    layout: Layout,
    detector: FaceDetector,
    chooser: Embedder,
) -> ShardRef:
    """Find, choose and align the face of every photograph that `collect` kept in a shard.

    What an earlier run found in the same bytes, with the same version and settings, is used
    again; a killed run goes on. Where a photograph shows several faces, the person's is chosen by
    agreement with their other photographs, and chosen anew when those change. Crops of photographs
    that are no longer collected stay where they are.

    Args:
        collected: what `collect_shard` returned.
        settings: `faces`, `compute` and `collect.max_megapixels`.
        layout: where.
        detector: finds faces.
        chooser: as `elenco.faces.agreement.load_chooser` gives it.

    Returns:
        The reference to the record; kept + skipped == what `collect` kept. Reasons: those of
        `ImageError`, `missing` (the file is gone or changed), `no_face`, `low_score` (no face of
        `faces.min_score`), `no_alignment` (a face whose landmarks coincide), `detector_failed`
        (on this photograph alone; it is tried again the next time).

    Raises:
        NotEnoughData: what `collect` wrote of the shard is gone.
    """
    started = time.monotonic()
    source = Record.read(layout.data / collected.path)
    if source is None:
        raise NotEnoughData(f"{collected.path} is gone: refresh again to collect it")
    path = layout.record("detect", collected.shard)
    earlier = Record.load(path, "detect", stage_version(settings, detector))
    done, todo = _reuse(source.kept, earlier, layout)
    reused = len(done.kept) + len(done.several)

    def save(complete: bool) -> Record:
        kept = sorted([*done.kept, *done.several], key=key_of)
        skipped = sorted(done.skipped, key=lambda skip: skip.id)
        version, inputs = earlier.version, collected.digest
        record = Record("detect", version, inputs, complete, kept, skipped, done.notes)
        record.save(path)
        return record

    lanes = lanes_of(settings.compute)
    find = partial(find_faces, settings=settings, layout=layout, detector=detector)
    unsaved = 0
    with track(f"detect shard {collected.shard + 1}", len(todo)) as advance:
        for found in in_lanes(find, chunks_of(todo, settings.faces.batch), lanes):
            for entry, result in found:
                if isinstance(result, ImageError):
                    done.skip(entry, result)
                else:
                    done.keep(result)
            unsaved += len(found)
            known = len(done.kept) + len(done.several) + len(done.skipped)
            if unsaved >= max(PHOTOS_BETWEEN_SAVES, known // SHARE_BETWEEN_SAVES):
                save(complete=False)
                unsaved = 0
            advance(len(found))
    _decide(done, settings, layout, chooser, lanes)
    record = save(complete=True)
    report = StageReport.of(len(record.kept), record.skipped, reused, time.monotonic() - started)
    return ShardRef("detect", collected.shard, layout.relative(path), record.digest(), report)


def stage_version(settings: Settings, detector: FaceDetector) -> str:
    """Digest of everything but the photographs that changes a crop or an entry."""
    faces = settings.faces.model_dump(exclude={"batch"})
    crop = (CROP_SIZE, CANONICAL_LANDMARKS.tolist(), JPEG_QUALITY)
    return digest("detect", DETECT_VERSION, detector.version, crop, faces)


def _reuse(
    given: Iterable[Entry], earlier: Record, layout: Layout
) -> tuple[_Progress, list[Entry]]:
    """Split what is given into what is known already and what is to do."""
    known = {key_of(entry): entry for entry in earlier.kept}
    done, todo = _Progress(), []
    for entry in given:
        found, note = known.get(key_of(entry)), earlier.notes.get(image_id(*key_of(entry)))
        same = found is not None and found["sha256"] == entry["sha256"]
        # A face that is not chosen yet has no crop.
        if found and same and (_crop_in_place(entry, layout) or "chosen" not in found):
            done.keep(found | {"split": entry["split"]})
        elif note and note["sha256"] == entry["sha256"]:
            done.skip(entry, ImageError(note["reason"], note["detail"]))
        else:
            todo.append(entry)
    return done, todo


def _crop_in_place(entry: Entry, layout: Layout) -> bool:
    """Whether the crop is there, after moving it from the other split if it is there instead."""
    path = layout.crop(entry["split"], entry["person_id"], entry["key"])
    for split in SPLITS:
        other = layout.crop(split, entry["person_id"], entry["key"])
        if other != path and other.exists():
            if path.exists():
                other.unlink()  # a killed run had got as far as writing or moving it
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                other.rename(path)
    return path.exists()


def _decide(
    done: _Progress, settings: Settings, layout: Layout, chooser: Embedder, lanes: int
) -> None:
    """Choose the faces that are not, or no longer, chosen, person by person."""
    people: dict[str, Undecided] = {}
    for entry in done.several:
        people.setdefault(entry["person_id"], Undecided([], [])).several.append(entry)
    for entry in done.kept:
        if entry["person_id"] in people:
            people[entry["person_id"]].single.append(entry)
    done.several.clear()
    undecided: list[Undecided] = []
    for person in people.values():
        among = person.among()
        if all(entry.get("chosen", {}).get("among") == among for entry in person.several):
            done.kept.extend(person.several)
        else:
            undecided.append(person)
    one = partial(decide, embedder=chooser, settings=settings, layout=layout)
    groups = [undecided[i : i + PEOPLE] for i in range(0, len(undecided), PEOPLE)]
    for group, answers in zip(groups, in_lanes(one, groups, lanes), strict=True):
        for person, results in zip(group, answers, strict=True):
            for entry, result in zip(person.several, results, strict=True):
                if isinstance(result, ImageError):
                    done.skip(entry, result)
                else:
                    done.kept.append(result)
