from dataclasses import replace

import cv2
import numpy as np
import pytest

from elenco.errors import SpaceMismatch
from elenco.evaluation.degrade import DEGRADATIONS, Degradation, degrade
from elenco.evaluation.robustness import AS_IT_IS, robustness, sample
from elenco.evaluation.trial import Trial, indices
from elenco.faces.crops import CANONICAL_LANDMARKS, align
from elenco.faces.images import encode_jpeg
from elenco.faces.quality import CROP_EYES
from elenco.storage import write_bytes
from elenco.vectors import unit
from tests.evaluation_data import DIM, SPACE, NearestMean, photographs

HALF = Degradation("half", factor=0.5)


def pictures(n, seed=0):
    """Smooth noise: something to lose when it gets smaller."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (n, 64, 64, 3), np.uint8)
    return np.stack([cv2.resize(one, (256, 256), interpolation=cv2.INTER_CUBIC) for one in small])


def test_a_large_face_loses_nothing_at_half_its_size():
    crops = pictures(2)
    sizes = np.float32([2 * CROP_EYES, 1000])
    np.testing.assert_array_equal(degrade(crops, sizes, HALF), crops)


def test_detail_goes_with_size_and_with_blur():
    crops = pictures(4)
    sizes = np.full(4, 40, np.float32)

    def detail(how):
        found = degrade(crops, sizes, how)
        assert found.shape == crops.shape
        assert found.dtype == np.uint8
        return cv2.Laplacian(found[0], cv2.CV_32F).var()

    half, quarter, blur, more = (detail(how) for how in DEGRADATIONS)
    whole = cv2.Laplacian(crops[0], cv2.CV_32F).var()
    assert whole > half > quarter
    assert whole > blur > more
    assert degrade(crops[:0], sizes[:0], HALF).shape == (0, 256, 256, 3)


@pytest.mark.parametrize("size", [25.0, 60.0, 150.0])
@pytest.mark.parametrize("how", DEGRADATIONS, ids=lambda how: how.label)
def test_a_degraded_crop_is_nearly_the_crop_of_the_degraded_photograph(how, size):
    """Nearer, at any rate, than the crop as it is."""
    scale = size / CROP_EYES
    side = round(256 * scale) // 4 * 4
    photo = cv2.resize(pictures(1)[0], (side, side), interpolation=cv2.INTER_AREA)
    landmarks = (CANONICAL_LANDMARKS + 0.5) * np.float32(side / 256) - 0.5
    crop = align(photo, landmarks)
    blurred = cv2.GaussianBlur(photo, (0, 0), how.blur) if how.blur else photo
    small = round(side * how.factor)
    degraded = cv2.resize(blurred, (small, small), interpolation=cv2.INTER_AREA)
    expected = align(degraded, (landmarks + 0.5) * np.float32(how.factor) - 0.5).astype(float)
    found = degrade(crop[None], np.float32([size * side / (256 * scale)]), how)[0]
    off = np.abs(found - expected).mean()
    assert off < max(0.35 * np.abs(crop - expected).mean(), 2)


def test_a_sample_is_the_same_whatever_else_there_is():
    names = [f"p/{n}" for n in range(100)]
    chosen = {names[row] for row in sample(names, 10).tolist()}
    assert len(chosen) == 10
    more = [f"q/{n}" for n in range(5)] + names
    again = {more[row] for row in sample(more, 15).tolist()}
    assert len(chosen & again) >= 9
    assert sample(names, 1000).tolist() == list(range(100))


class Looker:
    """Vectors from the pixels: a picture's mean colours in a grid."""

    space = SPACE

    def embed(self, crops):
        grid = [cv2.resize(c, (2, 3), interpolation=cv2.INTER_AREA).ravel()[:DIM] for c in crops]
        return unit(np.array(grid, np.float32).reshape(-1, DIM) - 128)


@pytest.fixture
def asked(layout):
    """Six people with crops on disk; the last two are strangers."""
    looker = Looker()
    data = photographs([3] * 6)
    faces = pictures(6)[np.repeat(np.arange(6), 3)]
    for person, key, face in zip(data.person_ids, data.keys, faces, strict=True):
        write_bytes(layout.crop("test", str(person), str(key)), encode_jpeg(face))
    data = replace(data, vectors=looker.embed(faces), sizes=np.full(18, 30, np.float32))
    known, strangers = (replace_rows(data, rows) for rows in (slice(0, 12), slice(12, 18)))
    gallery = NearestMean.fit(known)
    return Trial(gallery, known, known, strangers, indices(gallery, strangers))


def replace_rows(data, rows):
    columns = {
        name: value[rows]
        for name, value in vars(data).items()
        if isinstance(value, np.ndarray) and name != "people"
    }
    return replace(data, **columns)


def test_each_degradation_is_measured_on_the_same_photographs(asked, settings, layout):
    found = robustness(asked, Looker(), settings, layout)
    assert found is not None
    assert [c.label for c in found.conditions] == [AS_IT_IS, *(how.label for how in DEGRADATIONS)]
    assert (found.photographs, found.without_crop) == (18, 0)
    for condition in found.conditions:
        assert condition.figures.photographs == 12
        assert condition.figures.stranger_photographs == 6
    assert found.conditions[0].figures.top1.value == 1
    assert [c.median_size for c in found.conditions] == [30, 15, 7.5, 30, 30]
    assert found == robustness(asked, Looker(), settings, layout)


def test_photographs_without_an_aligned_face_are_counted(asked, settings, layout):
    gone = asked.probes
    layout.crop("test", str(gone.person_ids[0]), str(gone.keys[0])).unlink()
    found = robustness(asked, Looker(), settings, layout)
    assert found is not None
    assert (found.photographs, found.without_crop) == (18, 1)
    assert found.conditions[0].figures.photographs == 11


def test_without_any_aligned_face_nothing_is_measured(asked, settings, tmp_path, layout):
    elsewhere = replace(layout, data=tmp_path / "elsewhere")
    assert robustness(asked, Looker(), settings, elsewhere) is None


def test_an_embedder_of_another_space_is_refused(asked, settings, layout):
    other = Looker()
    other.space = replace(SPACE, embedder="other")
    with pytest.raises(SpaceMismatch):
        robustness(asked, other, settings, layout)
