"""The detect stage with drawn faces: nothing lost, nothing done twice, everything counted."""

import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from elenco.errors import NotEnoughData
from elenco.faces import stage
from elenco.faces.crops import CANONICAL_LANDMARKS, align
from elenco.faces.images import decode, encode_jpeg
from elenco.faces.stage import detect_shard
from elenco.fingerprint import bytes_sha256
from elenco.layout import Layout
from elenco.records import Record
from elenco.settings import Settings, load_settings
from elenco.types import Detections, ShardRef

SHARD = 3


class RedSquares:
    """Finds red squares: their corners are the box; over 30 pixels wide they score 0.99."""

    version = "red-squares-1"

    def __init__(self, dies_after: int | None = None) -> None:
        self.seen: list[np.ndarray] = []
        self.calls: list[int] = []
        self._dies_after = dies_after

    def detect(self, images: Sequence[np.ndarray]) -> list[Detections]:
        if self._dies_after is not None and len(self.seen) + len(images) > self._dies_after:
            raise KeyboardInterrupt
        self.seen.extend(images)
        self.calls.append(len(images))
        return [self._one(image) for image in images]

    def _one(self, image: np.ndarray) -> Detections:
        red = (image[..., 0] > 150) & (image[..., 1] < 100) & (image[..., 2] < 100)
        _, _, stats, _ = cv2.connectedComponentsWithStats(red.astype(np.uint8))
        found = [s for s in stats[1:] if s[4] > 30]
        boxes = np.array([(x, y, x + w, y + h) for x, y, w, h, _ in found], np.float32)
        boxes = boxes.reshape(-1, 4)
        side = (boxes[:, 2:] - boxes[:, :2])[:, None]
        landmarks = boxes[:, None, :2] + (CANONICAL_LANDMARKS / 256)[None] * side
        scores = np.where(side[:, 0, 0] > 30, 0.99, 0.5)
        order = np.argsort(-scores, kind="stable")
        return Detections(
            boxes[order], scores[order].astype(np.float32), landmarks[order].astype(np.float32)
        )


def photo(*squares: tuple[int, int, int], size: tuple[int, int] = (120, 160)) -> bytes:
    """A JPEG of `size` (width, height) with red squares of (x, y, side)."""
    pixels = np.full((size[1], size[0], 3), 200, np.uint8)
    for x, y, side in squares:
        pixels[y : y + side, x : x + side] = 220, 20, 20
    return encode_jpeg(pixels)


FACE = (40, 50, 50)


class Shard:
    """What `collect` left on disk, to be changed between runs."""

    def __init__(self, settings: Settings, layout: Layout) -> None:
        self.settings, self.layout = settings, layout
        self.entries: dict[tuple[str, str], dict] = {}

    def add(self, person: str, key: str, data: bytes, split="train", size=(120, 160)) -> Path:
        path = self.layout.image(split, person, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.entries[person, key] = {
            "person_id": person,
            "key": key,
            "split": split,
            "sha256": bytes_sha256(data),
            "url": f"https://example.org/{key}",
            "width": size[0],
            "height": size[1],
        }
        return path

    def collected(self) -> ShardRef:
        path = self.layout.record("collect", SHARD)
        record = Record("collect", "1", "x", True, list(self.entries.values()))
        record.save(path)
        return ShardRef("collect", SHARD, self.layout.relative(path), record.digest(), REPORT)

    def run(self, detector: RedSquares, settings: Settings | None = None) -> ShardRef:
        ref = detect_shard(self.collected(), settings or self.settings, self.layout, detector)
        assert ref.report.kept + sum(ref.report.skipped.values()) == len(self.entries)
        assert ref.report.given == len(self.entries)
        return ref

    def record(self) -> Record:
        record = Record.read(self.layout.record("detect", SHARD))
        assert record is not None
        return record

    def crops(self) -> dict[str, bytes]:
        root = self.layout.data / "output"
        return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*.jpg"))}


REPORT = stage.StageReport(0, 0)


@pytest.fixture
def shard(settings: Settings, layout: Layout) -> Shard:
    return Shard(settings, layout)


def filled(shard: Shard, people: int = 4, photos: int = 5) -> Shard:
    for p in range(people):
        for k in range(photos):
            square = (10 + 3 * k, 20 + 5 * p, 50 + k)
            shard.add(f"p{p}", f"k{k}", photo(square), "test" if k == 0 else "train")
    return shard


def test_everything_given_is_kept_or_skipped_with_its_reason(shard):
    good = photo(FACE)
    shard.add("a", "one", good)
    shard.add("a", "none", photo())
    shard.add("a", "small", photo((50, 50, 20)))
    shard.add("b", "empty", b"")
    shard.add("b", "html", b"<html>not here</html>")
    shard.add("b", "cut", good[: len(good) // 2])
    shard.add("b", "tiny", photo(size=(8, 8)), size=(8, 8))
    shard.add("b", "huge", photo(FACE, size=(3000, 400)), size=(3000, 400))
    shard.add("c", "gone", good).unlink()
    shard.add("c", "other", good).write_bytes(photo((0, 0, 60)))
    buffer = io.BytesIO()
    Image.open(io.BytesIO(good)).convert("CMYK").save(buffer, "JPEG")
    shard.add("c", "cmyk", buffer.getvalue())
    capped = load_settings(paths=shard.settings.paths.model_dump(), collect={"max_megapixels": 1.0})
    ref = shard.run(RedSquares(), capped)
    assert ref.report.skipped == {
        "empty": 1,
        "low_score": 1,
        "missing": 2,
        "no_face": 1,
        "not_an_image": 1,
        "too_large": 1,
        "too_small": 1,
        "truncated": 1,
    }
    assert [(e["person_id"], e["key"]) for e in shard.record().kept] == [
        ("a", "one"),
        ("c", "cmyk"),
    ]
    assert set(shard.crops()) == {"train/a/one.jpg", "train/c/cmyk.jpg"}


def test_an_entry_says_how_to_make_its_crop_again(shard):
    data = photo((5, 5, 35), FACE)
    shard.add("a", "x", data, "test")
    ref = shard.run(RedSquares())
    (entry,) = shard.record().kept
    crop = shard.layout.crop("test", "a", "x").read_bytes()
    assert entry["crop_sha256"] == bytes_sha256(crop)
    assert entry["sha256"] == bytes_sha256(data)
    assert entry["faces"] == 2
    assert entry["box"] == pytest.approx([40, 50, 90, 100], abs=1.5)
    again = align(decode(data, 40), np.array(entry["landmarks"]))
    assert encode_jpeg(again) == crop
    assert decode(crop, 40).shape == (256, 256, 3)
    assert ref.stage == "detect"
    assert ref.shard == SHARD
    assert ref.digest == shard.record().digest()


def test_a_second_run_does_nothing_again(shard):
    filled(shard)
    shard.add("z", "none", photo())
    first, before = shard.run(RedSquares()), shard.crops()
    times = {p: p.stat().st_mtime_ns for p in shard.layout.data.rglob("output/**/*.jpg")}
    detector = RedSquares()
    second = shard.run(detector)
    assert detector.seen == []
    assert second.digest == first.digest
    assert (first.report.reused, second.report.reused) == (0, 20)
    assert second.report.skipped == {"no_face": 1}
    assert shard.crops() == before
    assert {p: p.stat().st_mtime_ns for p in times} == times


def test_only_what_changed_is_done_again(shard):
    filled(shard)
    shard.run(RedSquares())
    shard.add("p1", "k2", photo((20, 20, 70)))
    shard.add("p9", "new", photo(FACE))
    del shard.entries["p0", "k1"]
    shard.layout.crop("train", "p2", "k3").unlink()
    detector = RedSquares()
    ref = shard.run(detector)
    assert len(detector.seen) == 3
    assert ref.report.reused == 17
    assert shard.layout.crop("train", "p0", "k1").exists()  # left to retention


def test_a_crop_follows_its_photograph_to_the_other_split(shard):
    data = photo(FACE)
    shard.add("a", "x", data, "train")
    shard.run(RedSquares())
    (before,) = shard.crops().values()
    shard.layout.image("train", "a", "x").unlink()
    shard.add("a", "x", data, "test")
    detector = RedSquares()
    shard.run(detector)
    assert detector.seen == []
    assert shard.crops() == {"test/a/x.jpg": before}
    assert shard.record().kept[0]["split"] == "test"


def test_a_killed_run_goes_on_and_ends_the_same(shard, monkeypatch):
    monkeypatch.setattr(stage, "CHUNK_PHOTOS", 4)
    filled(shard)
    whole = shard.run(RedSquares())
    crops, kept = shard.crops(), shard.record().kept
    for path in shard.layout.data.rglob("output/**/*.jpg"):
        path.unlink()
    shard.layout.record("detect", SHARD).unlink()

    seen = 0
    for survives in (0, 4, 8, 7):
        detector = RedSquares(dies_after=survives)
        with pytest.raises(KeyboardInterrupt):
            shard.run(detector)
        seen += len(detector.seen)
        if seen:
            assert not shard.record().complete
    detector = RedSquares()
    ref = shard.run(detector)
    assert seen + len(detector.seen) == 20
    assert set(detector.calls) == {4}
    assert shard.record().complete
    assert ref.digest == whole.digest
    assert shard.record().kept == kept
    assert shard.crops() == crops


def test_a_lost_photograph_that_comes_back_is_used(shard):
    data = photo(FACE)
    path = shard.add("a", "x", data)
    path.unlink()
    assert shard.run(RedSquares()).report.skipped == {"missing": 1}
    path.write_bytes(data)
    assert shard.run(RedSquares()).report.kept == 1


def test_another_version_or_score_does_all_again(shard):
    filled(shard, 2, 2)
    first = shard.run(RedSquares())
    newer = RedSquares()
    newer.version = "red-squares-2"
    second = shard.run(newer)
    assert len(newer.seen) == 4
    assert second.digest != first.digest
    strict = load_settings(paths=shard.settings.paths.model_dump(), faces={"min_score": 0.995})
    detector = RedSquares()
    detector.version = "red-squares-2"
    assert shard.run(detector, strict).report.skipped == {"low_score": 4}
    assert len(detector.seen) == 4


def test_batch_size_changes_nothing(shard):
    filled(shard, 2, 3)
    first = shard.run(RedSquares())
    other = load_settings(paths=shard.settings.paths.model_dump(), faces={"batch": 1})
    detector = RedSquares()
    assert shard.run(detector, other).digest == first.digest
    assert detector.seen == []


def test_few_pictures_are_in_memory_at_a_time(shard, monkeypatch):
    monkeypatch.setattr(stage, "CHUNK_PHOTOS", 5)
    monkeypatch.setattr(stage, "CHUNK_PIXELS", 4 * 120 * 160)
    for k in range(13):
        shard.add("a", f"s{k:02}", photo(FACE))
    for k in range(3):
        shard.add("b", f"l{k}", photo(FACE, size=(400, 300)), size=(400, 300))
    detector = RedSquares()
    shard.run(detector)
    assert detector.calls == [4, 4, 4, 1, 1, 1, 1]


def test_a_person_without_photographs_is_no_trouble(shard):
    ref = shard.run(RedSquares())
    assert ref.report.given == 0
    assert shard.record().complete


def test_a_lost_collect_record_says_what_to_do(settings, layout):
    ref = ShardRef("collect", 0, "state/tmdb/collect/000.json", "", REPORT)
    with pytest.raises(NotEnoughData, match="refresh again"):
        detect_shard(ref, settings, layout, RedSquares())
