"""The detect stage: photographs of one shard to aligned faces in `data/output`."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np
from jaxtyping import UInt8

from elenco.errors import ImageError, NotEnoughData
from elenco.faces.crops import CANONICAL_LANDMARKS, CROP_SIZE, align
from elenco.faces.images import decode, encode_jpeg
from elenco.faces.select import choose
from elenco.fingerprint import bytes_sha256, digest
from elenco.layout import Layout
from elenco.progress import track
from elenco.records import Record, image_id
from elenco.settings import Settings
from elenco.storage import write_bytes
from elenco.turns import in_turn
from elenco.types import SPLITS, Detections, ShardRef, Skipped, StageReport

# Raise it when the same photograph and settings would give another crop or another entry.
DETECT_VERSION = "1"
JPEG_QUALITY = 95
# What is decoded at a time, and lost when the run is killed.
CHUNK_PHOTOS = 128
CHUNK_PIXELS = 256 * 421 * 632  # 68 million: 204 MB
THREADS = min(8, os.cpu_count() or 1)

Entry = dict[str, Any]
Picture = UInt8[np.ndarray, "h w 3"]


class FaceDetector(Protocol):
    """What the stage asks of a detector: `elenco.faces.mtcnn.Detector` is one.

    `version` names everything that changes its answers.
    """

    version: str

    def detect(self, images: Sequence[Picture]) -> list[Detections]: ...


@dataclass
class _Progress:
    """What is known so far of the photographs given."""

    kept: list[Entry] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)

    def skip(self, entry: Entry, reason: str, detail: str) -> None:
        """Skip for good: the same bytes would be skipped again."""
        name = _id(entry)
        self.skipped.append(Skipped(name, reason, detail))
        self.notes[name] = {"sha256": entry["sha256"], "reason": reason, "detail": detail}


@in_turn
def detect_shard(
    collected: ShardRef, settings: Settings, layout: Layout, detector: FaceDetector
) -> ShardRef:
    """Find, choose and align the face of every photograph that `collect` kept in a shard.

    What an earlier run found in the same bytes, with the same version and settings, is used
    again; a killed run goes on from its last chunk. Crops of photographs that are no longer
    collected stay where they are.

    Returns:
        The reference to the record; kept + skipped == what `collect` kept. Reasons: those of
        `ImageError`, `missing` (the file is gone or changed), `no_face`, `low_score` (no face of
        `faces.min_score`).

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
    reused = len(done.kept)

    def save(complete: bool) -> Record:
        kept = sorted(done.kept, key=_key)
        skipped = sorted(done.skipped, key=lambda skip: skip.id)
        version, inputs = earlier.version, collected.digest
        record = Record("detect", version, inputs, complete, kept, skipped, done.notes)
        record.save(path)
        return record

    with (
        track(f"detect shard {collected.shard}", len(todo)) as advance,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        for chunk in _chunks(todo):
            _detect(chunk, done, settings, layout, detector, pool.map)
            save(complete=False)
            advance(len(chunk))
    record = save(complete=True)
    report = StageReport.of(len(record.kept), record.skipped, reused, time.monotonic() - started)
    return ShardRef("detect", collected.shard, layout.relative(path), record.digest(), report)


def stage_version(settings: Settings, detector: FaceDetector) -> str:
    """Digest of everything but the photograph that changes a crop or an entry."""
    crop = (CROP_SIZE, CANONICAL_LANDMARKS.tolist(), JPEG_QUALITY)
    return digest("detect", DETECT_VERSION, detector.version, crop, settings.faces.min_score)


def _reuse(
    given: Iterable[Entry], earlier: Record, layout: Layout
) -> tuple[_Progress, list[Entry]]:
    """Split what is given into what is known already and what is to do."""
    known = {_key(entry): entry for entry in earlier.kept}
    done, todo = _Progress(), []
    for entry in given:
        found, note = known.get(_key(entry)), earlier.notes.get(_id(entry))
        if found and found["sha256"] == entry["sha256"] and _crop_in_place(entry, layout):
            done.kept.append(found | {"split": entry["split"]})
        elif note and note["sha256"] == entry["sha256"]:
            done.skip(entry, note["reason"], note["detail"])
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


def _chunks(todo: list[Entry]) -> Iterator[list[Entry]]:
    """Cut the work so that memory stays flat and pictures of one size come together.

    The cuts depend on the photographs alone: a resumed run forms the same batches.
    """
    chunk: list[Entry] = []
    pixels = 0
    for entry in sorted(todo, key=lambda e: (e["width"], e["height"], *_key(e))):
        size = entry["width"] * entry["height"]
        if chunk and (len(chunk) == CHUNK_PHOTOS or pixels + size > CHUNK_PIXELS):
            yield chunk
            chunk, pixels = [], 0
        chunk.append(entry)
        pixels += size
    if chunk:
        yield chunk


def _detect(
    chunk: list[Entry],
    done: _Progress,
    settings: Settings,
    layout: Layout,
    detector: FaceDetector,
    parallel: Callable[..., Iterable[Any]],
) -> None:
    """Do one chunk and add what came of it to `done`."""
    read = partial(_read, layout=layout, max_megapixels=settings.collect.max_megapixels)
    good: list[tuple[Entry, Picture]] = []
    for entry, picture in zip(chunk, parallel(read, chunk), strict=True):
        if isinstance(picture, np.ndarray):
            good.append((entry, picture))
        elif picture.reason == "missing":  # it may come back: not noted
            done.skipped.append(Skipped(_id(entry), picture.reason, str(picture)))
        else:
            done.skip(entry, picture.reason, str(picture))

    faces: list[tuple[Entry, Picture, Detections]] = []
    for (entry, picture), found in zip(
        good, detector.detect([picture for _, picture in good]), strict=True
    ):
        sure = _only(found, found.scores >= settings.faces.min_score)
        if len(sure):
            faces.append((entry, picture, sure))
        elif len(found):
            best = f"best score {found.scores.max():.3f} < {settings.faces.min_score:g}"
            done.skip(entry, "low_score", best)
        else:
            done.skip(entry, "no_face", f"{picture.shape[1]}x{picture.shape[0]} pixels")
    done.kept.extend(parallel(partial(_write_crop, layout=layout), faces))


def _read(entry: Entry, layout: Layout, max_megapixels: float) -> Picture | ImageError:
    """Decode the photograph, or return why it can't be used."""
    try:
        path = layout.image(entry["split"], entry["person_id"], entry["key"])
        data = path.read_bytes()
        if bytes_sha256(data) != entry["sha256"]:
            return ImageError("missing", "the file is not the one that was collected")
        return decode(data, max_megapixels)
    except FileNotFoundError:
        return ImageError("missing", "the file is gone")
    except ImageError as error:
        return error


def _write_crop(face: tuple[Entry, Picture, Detections], layout: Layout) -> Entry:
    """Write the chosen face's crop and return its entry, from which the crop can be made again."""
    entry, picture, found = face
    height, width = picture.shape[:2]
    index = choose(found, width, height)
    landmarks = np.round(found.landmarks[index].astype(np.float64), 2)
    data = encode_jpeg(align(picture, landmarks), JPEG_QUALITY)
    write_bytes(layout.crop(entry["split"], entry["person_id"], entry["key"]), data)
    return {
        "person_id": entry["person_id"],
        "key": entry["key"],
        "split": entry["split"],
        "sha256": entry["sha256"],
        "crop_sha256": bytes_sha256(data),
        "box": np.round(found.boxes[index].astype(np.float64), 2).tolist(),
        "score": round(float(found.scores[index]), 6),
        "landmarks": landmarks.tolist(),
        "faces": len(found),
    }


def _only(found: Detections, which: np.ndarray) -> Detections:
    return Detections(found.boxes[which], found.scores[which], found.landmarks[which])


def _key(entry: Entry) -> tuple[str, str]:
    return entry["person_id"], entry["key"]


def _id(entry: Entry) -> str:
    return image_id(*_key(entry))
