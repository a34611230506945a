"""The detect stage with drawn faces: nothing lost, nothing done twice, everything counted."""

import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from elenco.errors import NotEnoughData
from elenco.faces import finding, stage
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
        self.looked_for: list[int | None] = []
        self._dies_after = dies_after

    def detect(self, images: Sequence[np.ndarray], smallest: int | None = None) -> list[Detections]:
        if self._dies_after is not None and len(self.seen) + len(images) > self._dies_after:
            raise KeyboardInterrupt
        self.seen.extend(images)
        self.calls.append(len(images))
        self.looked_for += [smallest] * len(images)
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


class MeanColour:
    """Embeds a crop as the direction of its mean colour; remembers how many it was given."""

    def __init__(self) -> None:
        self.count = 0

    def embed(self, crops: np.ndarray) -> np.ndarray:
        self.count += len(crops)
        means = crops.reshape(len(crops), -1, 3).mean(1).astype(np.float32) - 128
        return means / np.linalg.norm(means, axis=1, keepdims=True)


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
        self.chooser = MeanColour()

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
        settings = settings or self.settings
        ref = detect_shard(self.collected(), settings, self.layout, detector, self.chooser)
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
    assert len(entry["faces"]) == 2
    assert entry["face"] == 1
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
    monkeypatch.setattr(stage, "PHOTOS_BETWEEN_SAVES", 4)
    monkeypatch.setattr(stage, "SHARE_BETWEEN_SAVES", 100)
    monkeypatch.setattr(stage, "in_lanes", lambda work, chunks, lanes: map(work, chunks))
    settings = load_settings(paths=shard.settings.paths.model_dump(), faces={"batch": 4})
    filled(shard)
    whole = shard.run(RedSquares(), settings)
    crops, kept = shard.crops(), shard.record().kept
    for path in shard.layout.data.rglob("output/**/*.jpg"):
        path.unlink()
    shard.layout.record("detect", SHARD).unlink()

    seen = 0
    for survives in (0, 4, 8, 7):
        detector = RedSquares(dies_after=survives)
        with pytest.raises(KeyboardInterrupt):
            shard.run(detector, settings)
        seen += len(detector.seen)
        if seen:
            assert not shard.record().complete
    detector = RedSquares()
    ref = shard.run(detector, settings)
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
    assert detector.looked_for == [40] * 4 + [20] * 4  # a face under the score is none


def test_batch_size_changes_nothing(shard):
    filled(shard, 2, 3)
    first = shard.run(RedSquares())
    other = load_settings(paths=shard.settings.paths.model_dump(), faces={"batch": 1})
    detector = RedSquares()
    assert shard.run(detector, other).digest == first.digest
    assert detector.seen == []


def test_few_pictures_are_in_memory_at_a_time(shard, monkeypatch):
    monkeypatch.setattr(finding, "REFERENCE_PIXELS", 120 * 160 * 4 // 5)
    settings = load_settings(paths=shard.settings.paths.model_dump(), faces={"batch": 5})
    for k in range(13):
        shard.add("a", f"s{k:02}", photo(FACE))
    for k in range(3):
        shard.add("b", f"l{k}", photo(FACE, size=(400, 300)), size=(400, 300))
    detector = RedSquares()
    shard.run(detector, settings)
    assert sorted(detector.calls) == [1, 1, 1, 1, 4, 4, 4]


def test_a_person_without_photographs_is_no_trouble(shard):
    ref = shard.run(RedSquares())
    assert ref.report.given == 0
    assert shard.record().complete


def test_a_lost_collect_record_says_what_to_do(settings, layout):
    ref = ShardRef("collect", 0, "state/tmdb/collect/000.json", "", REPORT)
    with pytest.raises(NotEnoughData, match="refresh again"):
        detect_shard(ref, settings, layout, RedSquares(), MeanColour())


def coloured(*squares: tuple[int, int, int, tuple[int, int, int]]) -> bytes:
    """A photograph of 240x160 with red squares, each with a patch of another colour in it."""
    pixels = np.full((160, 240, 3), 200, np.uint8)
    for x, y, side, colour in squares:
        pixels[y : y + side, x : x + side] = 220, 20, 20
        inner = side // 3
        pixels[y + inner : y + 2 * inner, x + inner : x + 2 * inner] = colour
    return encode_jpeg(pixels)


class PatchColour(MeanColour):
    """Embeds a crop as the hue of the patch in its middle: two hues are two people."""

    def embed(self, crops: np.ndarray) -> np.ndarray:
        self.count += len(crops)
        middle = crops[:, 118:138, 118:138].reshape(len(crops), -1, 3).mean(1).astype(np.float32)
        blue = middle[:, 2] > middle[:, 1]
        return np.stack([blue, ~blue], axis=1).astype(np.float32)


BLUE, GREEN = (20, 20, 220), (20, 220, 20)


@pytest.fixture
def couple(shard: Shard) -> Shard:
    """A person with a blue patch, alone twice, and once beside a larger green one."""
    shard.chooser = PatchColour()
    for key in ("alone1", "alone2"):
        shard.add("p", key, coloured((60, 40, 60, BLUE)), size=(240, 160))
    both = coloured((10, 40, 50, BLUE), (120, 30, 90, GREEN))
    shard.add("p", "both", both, size=(240, 160))
    return shard


def entry_of(shard: Shard, key: str) -> dict:
    return next(entry for entry in shard.record().kept if entry["key"] == key)


def test_the_face_is_chosen_that_is_in_the_other_photographs(couple):
    ref = couple.run(RedSquares())
    entry = entry_of(couple, "both")
    assert ref.report.kept == 3
    assert entry["chosen"]["by"] == "agreement"
    assert entry["chosen"]["agreement"] == 1.0
    assert entry["box"][0] == pytest.approx(10, abs=2)
    assert entry["crop_sha256"] == bytes_sha256(couple.crops()["train/p/both.jpg"])
    assert entry_of(couple, "alone1")["chosen"] == {"by": "only"}


def test_alone_with_a_stranger_the_large_face_is_taken(shard):
    shard.chooser = PatchColour()
    both = coloured((10, 40, 50, BLUE), (120, 30, 90, GREEN))
    shard.add("p", "both", both, size=(240, 160))
    shard.run(RedSquares())
    entry = entry_of(shard, "both")
    assert entry["chosen"]["by"] == "size"
    assert entry["chosen"]["agreement"] is None
    assert entry["box"][0] == pytest.approx(120, abs=2)


def test_a_choice_is_made_again_only_when_the_persons_photographs_change(couple):
    couple.run(RedSquares())
    before = couple.crops()
    couple.chooser.count = 0
    detector = RedSquares()
    assert couple.run(detector).report.reused == 3
    assert (detector.seen, couple.chooser.count) == ([], 0)

    couple.add("q", "alone", coloured((60, 40, 60, GREEN)), size=(240, 160))
    couple.run(detector)
    assert (len(detector.seen), couple.chooser.count) == (1, 0)  # somebody else's

    couple.add("p", "alone3", coloured((60, 40, 60, BLUE)), size=(240, 160))
    couple.run(detector)
    assert len(detector.seen) == 2  # the new one; nothing is detected again
    assert couple.chooser.count == 3 + 2
    assert before.items() <= couple.crops().items()

    for key in ("alone1", "alone2", "alone3"):
        del couple.entries["p", key]
    couple.run(detector)
    assert len(detector.seen) == 2
    assert entry_of(couple, "both")["box"][0] == pytest.approx(120, abs=2)


def test_a_run_killed_while_choosing_detects_nothing_again(couple, monkeypatch):
    monkeypatch.setattr(stage, "PHOTOS_BETWEEN_SAVES", 1)
    whole = couple.run(RedSquares())
    couple.layout.record("detect", SHARD).unlink()
    with monkeypatch.context() as patch:

        def killed(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(stage, "decide", killed)
        with pytest.raises(KeyboardInterrupt):
            couple.run(RedSquares())
    assert not couple.record().complete
    detector = RedSquares()
    assert couple.run(detector).digest == whole.digest
    assert detector.seen == []


def test_a_photograph_that_is_lost_before_its_face_is_chosen_is_counted(couple, monkeypatch):
    couple.run(RedSquares())
    couple.add("p", "alone3", coloured((60, 40, 60, BLUE)), size=(240, 160))
    couple.layout.image("train", "p", "both").unlink()
    ref = couple.run(RedSquares())
    assert ref.report.skipped == {"missing": 1}
    assert ref.report.kept == 3


class Poisoned(RedSquares):
    """Fails on any batch that holds a green corner, as a decoder or a network may on odd data."""

    def detect(self, images: Sequence[np.ndarray], smallest: int | None = None) -> list[Detections]:
        if any(image[0, 0, 1] > 200 > image[0, 0, 0] for image in images):
            raise FloatingPointError("not a number")
        return super().detect(images, smallest)


def test_one_poisoned_photograph_costs_itself(shard):
    filled(shard, 10, 10)
    pixels = decode(photo(FACE), 40).copy()
    pixels[:40, :40] = 0, 255, 0
    shard.add("p3", "poison", encode_jpeg(pixels))
    ref = shard.run(Poisoned())
    assert ref.report.skipped == {"detector_failed": 1}
    assert ref.report.kept == 100
    (skip,) = shard.record().skipped
    assert (skip.id, skip.detail) == ("p3/poison", "FloatingPointError: not a number")
    assert shard.run(RedSquares()).report.kept == 101  # it is tried again


def test_a_detector_that_fails_on_everything_is_an_error(shard):
    green = np.full((160, 120, 3), (0, 250, 0), np.uint8)
    for key in "abc":
        shard.add("p", key, encode_jpeg(green + (key == "a")))
    with pytest.raises(FloatingPointError):
        shard.run(Poisoned())


def test_a_face_whose_landmarks_coincide_is_counted(shard):
    class OnePoint(RedSquares):
        def _one(self, image: np.ndarray) -> Detections:
            found = super()._one(image)
            return Detections(found.boxes, found.scores, np.zeros_like(found.landmarks))

    shard.add("a", "x", photo(FACE))
    assert shard.run(OnePoint()).report.skipped == {"no_alignment": 1}


class FirstIsAPoint(RedSquares):
    """The landmarks of the better face of two coincide; of a photograph with blue, all do."""

    def _one(self, image: np.ndarray) -> Detections:
        found = super()._one(image)
        landmarks = found.landmarks.copy()
        landmarks[: None if image[0, 0, 2] > 220 else 1] = 7
        return Detections(found.boxes, found.scores, landmarks)


def test_of_several_faces_one_that_can_be_aligned_is_taken(couple):
    pixels = decode(coloured((10, 40, 50, BLUE), (120, 30, 90, GREEN)), 40).copy()
    pixels[:8, :8] = 0, 0, 255
    couple.add("p", "neither", encode_jpeg(pixels), size=(240, 160))
    for key in ("alone1", "alone2"):
        del couple.entries["p", key]
    ref = couple.run(FirstIsAPoint())
    assert ref.report.skipped == {"no_alignment": 1}
    assert entry_of(couple, "both")["face"] == 1


def test_a_large_photograph_is_searched_small_and_cropped_from_the_whole(shard):
    pixels = np.full((3000, 2400, 3), 200, np.uint8)
    pixels[900:2100, 600:1800] = 220, 20, 20
    pixels[1480:1520, 700:1700] = 230, 230, 230
    data = encode_jpeg(pixels)
    shard.add("a", "x", data, size=(2400, 3000))
    detector = RedSquares()
    shard.run(detector)
    assert detector.seen[0].shape == (1500, 1200, 3)
    (entry,) = shard.record().kept
    assert (entry["width"], entry["height"]) == (2400, 3000)
    assert entry["box"] == pytest.approx([600, 900, 1800, 2100], abs=6)
    again = align(decode(data, 40), np.array(entry["landmarks"]))
    assert encode_jpeg(again) == shard.layout.crop("train", "a", "x").read_bytes()
