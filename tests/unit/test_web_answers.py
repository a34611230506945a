"""The page's boxes, names and tracks: by the rules of Python, where Python has them."""

import numpy as np
import pytest

from elenco.faces.geometry import iou
from elenco.faces.nms import suppress
from elenco.recognition.pipeline import one_each
from elenco.recognition.recogniser import Recogniser
from elenco.types import EmbeddingSpace, Person
from tests.web.node import ask

SPACE = EmbeddingSpace("fake", "ab" * 32, 3, "none")


def boxes_of(rng, count):
    corners = rng.uniform(0, 60, (count, 2))
    return np.hstack([corners, corners + rng.uniform(0, 40, (count, 2))]).round(1)


@pytest.mark.parametrize("over", ["union", "smaller"])
@pytest.mark.parametrize("seed", range(3))
def test_suppression_leaves_the_same_boxes_in_the_same_order(over, seed):
    rng = np.random.default_rng(seed)
    boxes, scores = boxes_of(rng, 150), rng.integers(0, 40, 150) / 40
    groups = rng.integers(0, 4, 150)
    found = ask(
        'const { suppress } = await use("nms.js");'
        "const { boxes, scores, groups, smaller } = value;"
        "return [suppress(boxes, scores, 0.5, { smaller, groups }),"
        "  suppress(boxes, scores, 0.5, { smaller })];",
        {
            "boxes": boxes.tolist(),
            "scores": scores.tolist(),
            "groups": groups.tolist(),
            "smaller": over == "smaller",
        },
    )
    assert found[0] == suppress(boxes, scores, groups, 0.5, over).tolist()
    alone = np.zeros(150, np.int64)
    assert found[1] == suppress(boxes, scores, alone, 0.5, over).tolist()


def test_overlap_is_that_of_python():
    rng = np.random.default_rng(5)
    a, b = boxes_of(rng, 20), boxes_of(rng, 20)
    b[3] = a[3]
    a[4, 2:] = a[4, :2]
    found = ask(
        'const { iou } = await use("nms.js");'
        "return value[0].map((box, i) => iou(box, value[1][i]));",
        [a.tolist(), b.tolist()],
    )
    np.testing.assert_allclose(found, np.diagonal(iou(a, b)), rtol=1e-12)


PEOPLE = [Person(f"p{number}", f"Person {number}") for number in range(8)]
NAMED = (
    'const { answer, oneEach } = await use("classify.js");'
    "const { people, pictures } = value;"
    "return pictures.map((rows) => oneEach(rows.map((row) =>"
    "  answer(Float32Array.from(row), people))).map(({ person, probability, unknown }) =>"
    "  [person?.id ?? null, person?.name ?? null, probability, unknown]));"
)


def pictures_of(rng, steep):
    """Probabilities for the faces of some pictures; several want the same person, some tie."""
    pictures = []
    for faces in rng.integers(0, 5, 60):
        logits = rng.normal(0, steep, (faces, len(PEOPLE) + 1)).round(1)
        logits[:, :2] += steep
        weights = np.exp(logits)
        pictures.append((weights / weights.sum(axis=1, keepdims=True)).astype(np.float32))
    return pictures


@pytest.mark.parametrize("denied", [(), ("p0", "p5"), tuple(p.id for p in PEOPLE)])
@pytest.mark.parametrize("steep", [0.5, 2.0])
def test_faces_are_given_the_same_names_with_the_same_probabilities(denied, steep):
    pictures = pictures_of(np.random.default_rng(7), steep)
    people = [None if p.id in denied else {"id": p.id, "name": p.name} for p in PEOPLE]
    found = ask(NAMED, {"people": people, "pictures": [rows.tolist() for rows in pictures]})
    vectors = np.zeros((1, 3), np.float32)
    for rows, answers in zip(pictures, found, strict=True):
        recogniser = Recogniser(SPACE, PEOPLE, lambda _, rows=rows: rows, denied)
        expected = one_each(recogniser.identify(vectors, SPACE) if len(rows) else [])
        assert [one[:2] for one in answers] == [[e.person_id, e.name] for e in expected]
        np.testing.assert_allclose(
            [one[2:] for one in answers],
            [[e.probability, e.unknown] for e in expected],
            rtol=1e-5,
        )


def tracked(frames):
    """The tracks of each frame's boxes; `frames`: (milliseconds, boxes)."""
    return ask(
        'const { Tracks } = await use("tracks.js"); const tracks = new Tracks();'
        "return value.map(([time, boxes]) => tracks.match(boxes, time).map(({ id }) => id));",
        frames,
    )


LEFT, RIGHT = [0, 0, 40, 40], [100, 0, 140, 40]


def moved(box, by):
    return [box[0] + by, box[1], box[2] + by, box[3]]


def test_a_face_that_moves_a_little_stays_the_same_whatever_the_order():
    frames = [[0, [LEFT, RIGHT]], [40, [moved(RIGHT, 8), moved(LEFT, 8)]], [80, [moved(LEFT, 15)]]]
    assert tracked(frames) == [[1, 2], [2, 1], [1]]


def test_a_face_elsewhere_is_another_and_one_out_of_sight_is_forgotten():
    assert tracked([[0, [LEFT]], [40, [RIGHT]]]) == [[1], [2]]
    assert tracked([[0, [LEFT]], [300, []], [500, [LEFT]]]) == [[1], [], [1]]
    assert tracked([[0, [LEFT]], [700, [LEFT]]]) == [[1], [2]]


def test_two_faces_never_share_a_track():
    assert tracked([[0, [LEFT]], [40, [LEFT, moved(LEFT, 5)]]]) == [[1], [1, 2]]


FOLLOWED = """
const { Follower } = await use("follow.js");
const dark = { width: 64, height: 32, data: new Uint8ClampedArray(64 * 32 * 3).fill(20) };
const light = { ...dark, data: dark.data.map(() => 200) };
const embedded = [];
const meta = { detector: { max_side: 1024, min_face_pixels: 20 } };
let faces = [];
const recogniser = {
  meta,
  detect: async () => faces.map(({ box }) => ({ box, landmarks: box })),
  embed: async (picture, landmarks) => {
    const { vector } = faces.find(({ box }) => box === landmarks);
    embedded.push(vector);
    return Float32Array.from(vector);
  },
  identify: async (vector) => {
    const [best] = [...vector.keys()].sort((a, b) => vector[b] - vector[a]);
    const person = { id: `p${best}`, name: `Person ${best}` };
    const candidates = [{ person, probability: 0.8 }];
    return { person, probability: 0.8, candidates, unknown: 0.1 };
  },
};
const follower = new Follower(recogniser);
const frames = [];
for (const [time, found, bright] of value) {
  faces = found;
  const before = embedded.length;
  const told = await follower.frame(bright ? light : dark, time);
  const names = told.map(({ track, name, probability }) => [track, name, probability]);
  frames.push([names, embedded.length - before]);
}
return frames;
"""


def followed(frames):
    """(milliseconds, {box, vector}s, bright) -> (track, name, probability)s, faces embedded."""
    return ask(FOLLOWED, frames)


def face(box, *vector):
    return {"box": box, "vector": vector}


ONE, OTHER = face(LEFT, 1, 0), face(RIGHT, 0, 1)


def test_a_frame_embeds_one_face_at_most_and_says_of_the_rest_that_it_is_not_known_yet():
    first, second, *_ = followed([(40 * n, [ONE, OTHER], False) for n in range(3)])
    assert first == [[[1, "Person 0", 0.8], [2, None, None]], 1]
    assert second == [[[1, "Person 0", 0.8], [2, "Person 1", 0.8]], 1]


def test_a_known_face_is_embedded_now_and_then():
    counts = [count for _, count in followed([(100 * n, [ONE], False) for n in range(24)])]
    assert counts[:4] == [1, 1, 1, 0]
    assert sum(counts[3:]) == 2


def test_a_name_is_of_several_embeddings():
    other = face(LEFT, 0, 0.9)
    frames = [(40 * n, [other if n == 2 else ONE], False) for n in range(3)]
    assert [names[0][1] for names, _ in followed(frames)] == ["Person 0"] * 3


def test_after_a_cut_a_face_in_the_same_place_is_another():
    frames = [(0, [ONE], False), (40, [ONE], False), (80, [face(LEFT, 0, 1)], True)]
    tracks = [names[0] for names, _ in followed(frames)]
    assert tracks == [[1, "Person 0", 0.8], [1, "Person 0", 0.8], [2, "Person 1", 0.8]]


def test_nobody_is_named_twice_in_a_frame():
    frames = [(40 * n, [ONE, face(RIGHT, 1, 0)], False) for n in range(2)]
    names = followed(frames)[-1][0]
    assert [name for _, name, _ in names] == ["Person 0", None]
