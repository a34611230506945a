import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenco.errors import SpaceMismatch
from elenco.faces.crops import CANONICAL_LANDMARKS
from elenco.recognition import pipeline as module
from elenco.recognition.pipeline import Face, Pipeline, one_each
from elenco.recognition.recogniser import Answer, Recogniser
from elenco.registry import Registry
from elenco.rights.denylist import deny
from elenco.types import Detections, EmbeddingSpace, Person
from tests.small_data import add_version

SPACE = EmbeddingSpace("fake", "ab" * 32, 3, "none")
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255,) * 3}
SIDE = 256


class StripDetector:
    """Finds a face in every 256-pixel square of a picture that is not black, left to right."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.scores: dict[int, float] = {}

    def detect(self, images):
        self.calls.append(len(images))
        return [self._one(image) for image in images]

    def _one(self, image):
        squares = [x for x in range(0, image.shape[1], SIDE) if image[:, x : x + SIDE].any()]
        corners = np.array([[x, 0, x + SIDE, SIDE] for x in squares], np.float32).reshape(-1, 4)
        scores = np.array([self.scores.get(x // SIDE, 0.99) for x in squares], np.float32)
        points = [CANONICAL_LANDMARKS + np.float32([x, 0]) for x in squares]
        return Detections(corners, scores, np.array(points, np.float32).reshape(-1, 5, 2))


class ColourEmbedder:
    """A crop's vector is its mean colour."""

    space = SPACE

    def __init__(self) -> None:
        self.calls: list[int] = []

    def embed(self, crops):
        self.calls.append(len(crops))
        vectors = crops.mean(axis=(1, 2)).astype(np.float32)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def classify(vectors):
    """Person i is the i-th axis; unknown under a cosine of 0.7."""
    logits = 10 * np.concatenate([vectors, np.full((len(vectors), 1), 0.7)], axis=1)
    weights = np.exp(logits)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def pipeline() -> Pipeline:
    people = [Person("r", "Red"), Person("g", "Green"), Person("b", "Blue")]
    return Pipeline(StripDetector(), ColourEmbedder(), Recogniser(SPACE, people, classify), 0.9)


def picture(*colours: str):
    strips = [
        np.full((SIDE, SIDE, 3), COLOURS.get(colour, (0, 0, 0)), np.uint8) for colour in colours
    ]
    return np.concatenate(strips, axis=1)


def names(faces: list[Face]) -> list[str | None]:
    return [face.name for face in faces]


def test_all_faces_of_all_pictures_are_named_in_order_in_one_batch(pipeline):
    pictures = [picture("green", "red"), picture("none"), picture("white", "blue")]
    found = pipeline.recognise(pictures)
    assert [names(faces) for faces in found] == [["Green", "Red"], [], [None, "Blue"]]
    assert [face.person_id for face in found[2]] == [None, "b"]
    assert found[0][1].box == (256.0, 0.0, 512.0, 256.0)
    assert pipeline.detector.calls == [3]
    assert pipeline.embedder.calls == [4]


def test_a_picture_is_answered_alone_as_it_is_among_others(pipeline):
    pictures = [picture("green", "red"), picture("white", "blue", "red")]
    assert pipeline.recognise(pictures) == [pipeline.recognise([one])[0] for one in pictures]


def test_no_pictures_and_no_faces_are_no_error(pipeline):
    assert pipeline.recognise([]) == []
    assert pipeline.recognise([picture("none")]) == [[]]


def test_faces_that_the_detector_is_unsure_of_do_not_count(pipeline):
    pipeline.detector.scores[0] = 0.89
    assert names(pipeline.recognise([picture("green", "red")])[0]) == ["Red"]


def test_what_has_all_landmarks_in_one_place_is_no_face(pipeline):
    class Degenerate(StripDetector):
        def _one(self, image):
            found = super()._one(image)
            found.landmarks[0] = 5
            return found

    odd = Pipeline(Degenerate(), pipeline.embedder, pipeline.recogniser, 0.9)
    assert names(odd.recognise([picture("green", "red")])[0]) == ["Red"]


def test_the_same_person_is_named_once_in_a_picture_but_in_each_picture(pipeline):
    found = pipeline.recognise([picture("red", "red"), picture("red")])
    assert [names(faces) for faces in found] == [["Red", None], ["Red"]]


def test_an_embedder_of_another_space_is_refused(pipeline):
    other = ColourEmbedder()
    other.space = EmbeddingSpace("fake", "cd" * 32, 3, "none")
    with pytest.raises(SpaceMismatch, match=r"cdcdcdcd.*elenco refresh"):
        Pipeline(StripDetector(), other, pipeline.recogniser, 0.9)


def test_who_is_denied_is_never_named_and_nobody_else_in_their_place(pipeline):
    people, model = pipeline.recogniser.people, pipeline.recogniser.model
    without = Recogniser(SPACE, people, model, {"r"})
    denying = Pipeline(pipeline.detector, pipeline.embedder, without, 0.9)
    [faces] = denying.recognise([picture("red", "red", "green")])
    assert names(faces) == [None, None, "Green"]
    assert all(0.5 < face.probability <= 1 for face in faces)


@pytest.mark.parametrize(
    ("source", "named"),
    [("tmdb", [None, "Green"]), (None, [None, "Green"]), ("folder", ["Red", "Green"])],
)
def test_the_version_in_use_names_nobody_on_its_sources_denylist(
    pipeline, settings, layout, monkeypatch, source, named
):
    people = {person.id: person.name for person in pipeline.recogniser.people}
    Registry(layout.recogniser).promote(add_version(layout, people, source), "test")
    deny(layout, "r")

    def load(directory, denied=()):
        assert directory.name == "v000001"
        return Recogniser(SPACE, pipeline.recogniser.people, classify, denied)

    monkeypatch.setattr(Recogniser, "load", load)
    monkeypatch.setattr(module, "load_embedder", lambda *_: pipeline.embedder)
    monkeypatch.setattr(module, "load_detector", lambda _: pipeline.detector)
    [faces] = module.load_pipeline(settings, layout).recognise([picture("red", "green")])
    assert names(faces) == named


def answer(unknown: float, **people: float) -> Answer:
    ranked = sorted(people.items(), key=lambda item: -item[1])
    candidates = tuple((person, person.upper(), value) for person, value in ranked)
    if unknown > candidates[0][2]:
        return Answer(None, None, unknown, candidates, unknown)
    return Answer(*candidates[0], candidates, unknown)


def test_the_more_probable_face_keeps_the_name_and_the_other_takes_its_next_best():
    weak, strong = answer(0.1, a=0.5, b=0.4), answer(0.05, a=0.9, b=0.05)
    named = one_each([weak, strong])
    assert [one.person_id for one in named] == ["b", "a"]
    assert named[0].probability == pytest.approx(0.4 / 0.5)  # given that it is not a
    assert named[1] is strong


def test_the_other_is_unknown_where_its_next_best_is_less_probable_than_that():
    named = one_each([answer(0.3, a=0.6, b=0.1), answer(0.0, a=0.9, b=0.1)])
    assert [one.person_id for one in named] == [None, "a"]
    assert named[0].probability == pytest.approx(0.3 / 0.4)


def test_of_equals_the_first_keeps_the_name():
    named = one_each([answer(0.2, a=0.6, b=0.1), answer(0.2, a=0.6, b=0.1)])
    assert [one.person_id for one in named] == ["a", None]


def test_who_lost_a_name_may_take_that_of_a_third():
    faces = [answer(0.0, a=0.9, b=0.1), answer(0.0, a=0.55, b=0.45), answer(0.2, b=0.4, c=0.3)]
    assert [one.person_id for one in one_each(faces)] == ["a", "b", "c"]


@st.composite
def crowds(draw) -> list[Answer]:
    count = draw(st.integers(1, 6))
    seed = draw(st.integers(0, 2**32 - 1))
    sharpness = draw(st.sampled_from([0.05, 0.3, 1.0]))
    rows = np.random.default_rng(seed).dirichlet(np.full(5, sharpness), count)
    return [answer(row[-1], **dict(zip("abcd", row[:-1].tolist(), strict=True))) for row in rows]


@given(crowds())
def test_nobody_is_seen_twice_and_nobody_has_cause_to_complain(faces):
    named = one_each(faces)
    held = {one.person_id: i for i, one in enumerate(named) if one.person_id}
    assert len(held) == sum(one.person_id is not None for one in named)
    for face, (before, after) in enumerate(zip(faces, named, strict=True)):
        assert 0 <= after.probability <= 1
        given_probability = dict((p, v) for p, _, v in before.candidates)
        got = given_probability.get(after.person_id, before.unknown)
        assert got >= before.unknown or after.person_id is None
        for person, _, probability in before.candidates:
            if probability > max(got, before.unknown):
                # It would rather be `person`, who is another face that is more probably them.
                rival = dict((p, v) for p, _, v in faces[held[person]].candidates)
                assert held[person] != face
                assert rival[person] >= probability
