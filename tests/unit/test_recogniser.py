import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from elenco.errors import RegistryError, SpaceMismatch
from elenco.recognition.files import write_gallery
from elenco.recognition.gallery import Gallery
from elenco.recognition.recogniser import ROWS_AT_ONCE, Recogniser
from elenco.recognition.scoring import Cohort
from elenco.types import EmbeddingSpace, Person

SPACE = EmbeddingSpace("fake", "ab" * 32, 3, "none")
PEOPLE = [Person(str(i), f"Person {i}") for i in range(8)]


def given(*rows):
    """A recogniser whose network answers these probabilities, and vectors to ask it about."""
    table = np.array(rows, np.float32)
    people = PEOPLE[: table.shape[1] - 1]
    recogniser = Recogniser(SPACE, people, lambda vectors: table[vectors[:, 0].astype(int)])
    vectors = np.zeros((len(table), 3), np.float32)
    vectors[:, 0] = range(len(table))
    return recogniser, vectors


def test_the_most_probable_person_is_the_answer():
    recogniser, vectors = given([0.1, 0.6, 0.1, 0.2], [0.5, 0.1, 0.1, 0.3])
    first, second = recogniser.identify(vectors, SPACE)
    assert (first.person_id, first.name) == ("1", "Person 1")
    assert first.probability == pytest.approx(0.6)
    assert first.unknown == pytest.approx(0.2)
    assert second.person_id == "0"


def test_unknown_is_an_answer_with_its_own_probability():
    recogniser, vectors = given([0.3, 0.1, 0.1, 0.5])
    [answer] = recogniser.identify(vectors, SPACE)
    assert (answer.person_id, answer.name) == (None, None)
    assert answer.probability == pytest.approx(0.5)
    assert answer.candidates[0][:2] == ("0", "Person 0")


def test_a_person_as_probable_as_unknown_is_named():
    recogniser, vectors = given([0.4, 0.2, 0.4])
    assert recogniser.identify(vectors, SPACE)[0].person_id == "0"


def test_candidates_are_the_best_five_people_best_first_and_never_unknown():
    recogniser, vectors = given([0.01, 0.2, 0.05, 0.1, 0.1, 0.02, 0.03, 0.04, 0.45])
    [answer] = recogniser.identify(vectors, SPACE)
    assert [person for person, _, _ in answer.candidates] == ["1", "3", "4", "2", "7"]
    recogniser, vectors = given([0.3, 0.6, 0.1])
    assert [person for person, _, _ in recogniser.identify(vectors, SPACE)[0].candidates] == [
        "1",
        "0",
    ]


def test_many_rows_are_answered_in_order_and_no_rows_by_nothing():
    table = np.random.default_rng(0).dirichlet(np.ones(4), ROWS_AT_ONCE + 7)
    recogniser, vectors = given(*table)
    answers = recogniser.identify(vectors, SPACE)
    best = [str(i) if i < 3 else None for i in table.argmax(axis=1)]
    assert [answer.person_id for answer in answers] == best
    assert recogniser.identify(vectors[:0], SPACE) == []


def test_vectors_of_another_space_are_refused_with_both_named():
    recogniser, vectors = given([0.6, 0.4])
    other = EmbeddingSpace("fake", "cd" * 32, 3, "none")
    with pytest.raises(SpaceMismatch, match=r"weights abababab.*weights cdcdcdcd.*models promote"):
        recogniser.identify(vectors, other)


@pytest.mark.parametrize("bad", [np.zeros((2, 4), np.float32), np.zeros((2, 3)), np.zeros(3)])
def test_vectors_of_another_shape_or_type_are_refused(bad):
    recogniser, _ = given([0.6, 0.4])
    with pytest.raises(ValueError, match=r"must be float32 \(n, 3\)"):
        recogniser.identify(bad, SPACE)


def denying(*denied: str, row):
    recogniser, vectors = given(row)
    without = Recogniser(SPACE, recogniser.people, recogniser.model, denied)
    return without, without.identify(vectors, SPACE)[0]


def test_who_is_denied_is_unknown_with_the_probability_that_they_had():
    recogniser, answer = denying("1", row=[0.1, 0.6, 0.05, 0.25])
    assert (answer.person_id, answer.name) == (None, None)
    assert answer.probability == answer.unknown == pytest.approx(0.85)
    assert [person for person, _, _ in answer.candidates] == ["0", "2"]
    assert "1" not in {person.id for person in recogniser.people}


def test_the_others_are_named_as_before_and_probabilities_still_sum_to_one():
    _, answer = denying("1", row=[0.55, 0.1, 0.15, 0.2])
    assert (answer.person_id, answer.probability) == ("0", pytest.approx(0.55))
    assert answer.unknown == pytest.approx(0.3)
    assert sum(p for _, _, p in answer.candidates) + answer.unknown == pytest.approx(1)


def test_where_everybody_is_denied_everybody_is_unknown():
    recogniser, answer = denying("0", "1", row=[0.6, 0.3, 0.1])
    assert (answer.person_id, answer.candidates) == (None, ())
    assert answer.probability == pytest.approx(1)
    assert recogniser.people == ()


@pytest.fixture(scope="module")
def version(tmp_path_factory) -> Path:
    """A version as it is trained: three people on the axes, unknown under a score of 0.7."""
    axes = np.eye(3, dtype=np.float32)
    nobody = Cohort(np.zeros((3, 0), np.int64), np.zeros((3, 0), np.float32))
    people = tuple(Person(f"p{i}", name) for i, name in enumerate("ABC"))
    counts = np.ones(3, np.int64)
    gallery = Gallery(SPACE, people, counts, axes, axes, axes, nobody, 0.3, 0.7, 20.0, 0.01)
    folder = tmp_path_factory.mktemp("registry") / "v000007"
    folder.mkdir()
    write_gallery(gallery, folder)
    return folder


def test_a_version_on_disk_names_faces_over_its_threshold_and_calls_others_unknown(version):
    recogniser = Recogniser.load(version)
    assert recogniser.space == SPACE
    assert recogniser.people == (Person("p0", "A"), Person("p1", "B"), Person("p2", "C"))
    vectors = np.eye(3, dtype=np.float32)[[2, 0, 1]]
    vectors = np.concatenate([vectors, np.full((1, 3), 3**-0.5, np.float32)])
    answers = recogniser.identify(vectors, SPACE)
    assert [answer.name for answer in answers] == ["C", "A", "B", None]
    for answer in answers:
        people = sum(probability for _, _, probability in answer.candidates)
        assert people + answer.unknown == pytest.approx(1, abs=1e-5)


def test_a_version_on_disk_names_nobody_who_is_denied(version):
    recogniser = Recogniser.load(version, {"p1"})
    answers = recogniser.identify(np.eye(3, dtype=np.float32), SPACE)
    assert [answer.name for answer in answers] == ["A", None, "C"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.json", None),
        ("labels.json", b"{"),
        ("labels.json", b"[]"),
        ("labels.json", b'{"space": {}, "people": []}'),
        ("labels.json", b"\xff\xfe"),
        ("gallery.npz", None),
        ("gallery.npz", b""),
        ("gallery.npz", b"PK\x03\x04 cut short"),
        ("gallery.npz", "half"),
        ("calibration.json", None),
        ("calibration.json", b"{}"),
    ],
)
def test_a_damaged_version_is_refused_in_one_line_that_says_what_to_do(
    version, tmp_path, name, content
):
    damaged = tmp_path / "v000007"
    damaged.mkdir()
    for file in version.iterdir():
        data = file.read_bytes()
        if file.name == name:
            data = data[: len(data) // 2] if content == "half" else content
        if data is not None:
            (damaged / file.name).write_bytes(data)
    with pytest.raises(RegistryError, match=r"v000007 is damaged \(.*models rollback") as raised:
        Recogniser.load(damaged)
    assert "\n" not in str(raised.value)


def test_vectors_of_other_people_than_the_labels_are_refused(version, tmp_path):
    damaged = tmp_path / "v000007"
    shutil.copytree(version, damaged)
    labels = json.loads((version / "labels.json").read_text())
    labels["people"].pop()
    (damaged / "labels.json").write_text(json.dumps(labels))
    with pytest.raises(RegistryError, match="do not fit one another"):
        Recogniser.load(damaged)
