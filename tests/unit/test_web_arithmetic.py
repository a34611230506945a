"""The page's arithmetic on pictures is that of Python, to the bit where OpenCV is deterministic."""

from dataclasses import asdict

import cv2
import numpy as np
import pytest

from elenco.faces.crops import (
    CANONICAL_LANDMARKS,
    CROP_SIZE,
    DLIB_WINDOW,
    FACENET_WINDOW,
    align,
    cut,
)
from elenco.faces.geometry import similarity
from elenco.faces.patches import cut_boxes
from elenco.faces.pyramid import pyramid
from tests.web.node import ask, pack, unpack


def photograph(height, width, seed=0):
    """Smooth areas, edges and noise, over the whole range."""
    rng = np.random.default_rng(seed)
    rough = rng.integers(0, 256, (height, width, 3), np.uint8)
    return cv2.normalize(cv2.GaussianBlur(rough, (0, 0), 1.2), None, 0, 255, cv2.NORM_MINMAX)


SIZES = [(97, 131), (250, 250), (480, 640), (601, 799)]


@pytest.mark.parametrize("size", SIZES)
def test_averaging_down_is_opencvs(size):
    image = photograph(*size)
    height, width = size
    targets = [
        (int(width * 0.77), int(height * 0.53)),
        (width // 2, height // 2),
        (width // 3, height // 3),
        (width, height // 3),
        (width, height),
    ]
    found = ask(
        'const { averaged } = await use("resize.js");'
        "const image = picture(value.image);"
        "return value.targets.map(([w, h]) => packed(averaged(image, w, h)));",
        {"image": pack(image), "targets": targets},
    )
    for target, answer in zip(targets, found, strict=True):
        expected = cv2.resize(image, target, interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(unpack(answer), expected)


@pytest.mark.parametrize("factors", [(0.5, 0.5), (1 / 3, 1 / 3), (0.612, 0.59), (0.5, 0.31)])
def test_averaging_by_a_factor_is_opencvs(factors):
    image = photograph(104, 136)
    fx, fy = factors
    expected = cv2.resize(image, None, fx=fx, fy=fy, interpolation=cv2.INTER_AREA)
    found = ask(
        'const { averaged } = await use("resize.js");'
        "return packed(averaged(picture(value.image), ...value.size, ...value.factors));",
        {"image": pack(image), "size": expected.shape[1::-1], "factors": factors},
    )
    np.testing.assert_array_equal(unpack(found), expected)


def test_rounding_goes_to_the_even_of_two():
    values = [0.5, 1.5, 2.5, 2.4999, 2.5001, 7.0, 1e6 + 0.5]
    found = ask(
        'const { roundEven } = await use("resize.js"); return value.map(roundEven);', values
    )
    assert found == [round(value) for value in values]


@pytest.mark.parametrize("size", [*SIZES, (20, 20), (21, 300), (1024, 768)])
def test_the_pyramid_is_the_detectors(size):
    image = photograph(*size)
    looks = [20, 33, 40]
    found = ask(
        'const { Pyramid } = await use("pyramid.js");'
        "const image = picture(value.image);"
        "return value.looks.map((smallest) => {"
        "  const plan = new Pyramid(image.height, image.width, smallest);"
        "  const { levels, scales, rows, columns, levelOf } = plan;"
        "  return { levels, scales, rows, columns, levelOf: [...levelOf],"
        "    canvas: packed(plan.draw(image)) };"
        "});",
        {"image": pack(image), "looks": looks},
    )
    for smallest, answer in zip(looks, found, strict=True):
        expected = pyramid(*size, smallest)
        assert [tuple(level) for level in answer["levels"]] == list(expected.levels)
        assert answer["scales"] == list(expected.scales)
        level_of = np.array(answer["levelOf"]).reshape(answer["rows"], answer["columns"])
        np.testing.assert_array_equal(level_of, expected.level_of)
        np.testing.assert_array_equal(unpack(answer["canvas"]), expected.draw(image))


def test_the_corners_of_windows_are_the_detectors():
    plan = pyramid(250, 300, 20)
    rows, columns = np.nonzero(plan.level_of >= 0)
    rows, columns = rows[::7], columns[::7]
    level, corner, ratio = plan.corners(rows, columns)
    found = ask(
        'const { Pyramid } = await use("pyramid.js"); const plan = new Pyramid(250, 300, 20);'
        "return value.map(([row, column]) => plan.corner(row, column));",
        [[int(row), int(column)] for row, column in zip(rows, columns, strict=True)],
    )
    assert [one["level"] for one in found] == level.tolist()
    np.testing.assert_array_equal([[one["x"], one["y"]] for one in found], corner)
    np.testing.assert_array_equal([one["ratio"] for one in found], ratio)


@pytest.mark.parametrize("side", [24, 48])
def test_patches_are_the_detectors_inside_and_outside_of_the_picture(side):
    image = photograph(240, 320)
    rng = np.random.default_rng(1)
    corners = rng.uniform(-40, 300, (25, 2))
    boxes = np.hstack([corners, corners + rng.uniform(8, 200, (25, 1))])
    found = ask(
        'const { cutBoxes } = await use("detector.js");'
        "const found = value.boxes.map((box) => ({ box }));"
        "return [...cutBoxes(picture(value.image), found, value.side)];",
        {"image": pack(image), "boxes": boxes.tolist(), "side": side},
    )
    expected = cut_boxes([image], np.zeros(len(boxes), np.int64), boxes, side)
    difference = np.abs(np.array(found).reshape(expected.shape) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3


CROP = {"size": CROP_SIZE, "landmarks": CANONICAL_LANDMARKS.astype(float).tolist()}


@pytest.mark.parametrize("scale", [0.3, 0.9, 1.0, 1.6, 3.0])
def test_the_crop_is_the_embedders(scale):
    image = photograph(480, 640)
    rng = np.random.default_rng(2)
    angle = rng.uniform(-0.5, 0.5)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (CANONICAL_LANDMARKS - 128) * scale @ turn.T + rng.uniform(150, 350, 2)
    points = (points + rng.normal(0, 2, points.shape)).astype(np.float32)
    found = ask(
        'const { align, similarity } = await use("align.js");'
        "const { image, points, crop } = value;"
        "return { crop: packed(align(picture(image), points, crop)),"
        "  matrix: similarity(points, crop.landmarks) };",
        {"image": pack(image), "points": points.tolist(), "crop": CROP},
    )
    matrix = similarity(points, CANONICAL_LANDMARKS)
    np.testing.assert_allclose(np.reshape(found["matrix"], (2, 3)), matrix, rtol=1e-9, atol=1e-9)
    difference = np.abs(unpack(found["crop"]).astype(int) - align(image, points))
    # OpenCV multiplies and adds in one step where the processor can.
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3


@pytest.mark.parametrize("window", [DLIB_WINDOW, FACENET_WINDOW], ids=["dlib", "facenet"])
def test_the_window_is_the_embedders(window):
    crop = photograph(CROP_SIZE, CROP_SIZE)
    found = ask(
        'const { cut } = await use("align.js");'
        "return packed(cut(picture(value.crop), value.window));",
        {"crop": pack(crop), "window": asdict(window)},
    )
    np.testing.assert_array_equal(unpack(found), cut(crop[None], window)[0])


def test_points_in_one_place_are_refused():
    message = ask(
        'const { similarity } = await use("align.js");'
        "const points = [[1, 2], [1, 2], [1, 2], [1, 2], [1, 2]];"
        "try { similarity(points, points); } catch (error) { return error.message; }"
    )
    assert "coincide" in message
