import itertools
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from elenco.errors import RegistryError, SpaceMismatch
from elenco.integrity import write_digests
from elenco.recognition.files import load_classifier, load_gallery, write_gallery
from elenco.recognition.fit import fit
from elenco.recognition.gallery import Gallery
from elenco.recognition.recogniser import ROWS_AT_ONCE, Recogniser
from elenco.recognition.scoring import Cohort
from elenco.settings import load_settings
from elenco.storage import read_json, read_npz, write_json, write_npz
from elenco.types import EmbeddingSpace, Person
from elenco.vectors import unit
from tests.evaluation_data import DIM, photographs

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
        ("calibration.json", b"[]"),
        ("calibration.json", b'{"threshold": 0.7, "scale": 2'),
        (
            "calibration.json",
            b'{"threshold": NaN, "scale": 2, "cohort_weight": 0, "false_positive_rate": 0.1}',
        ),
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
    said = r"v000007 is damaged \(.*models rollback"
    with pytest.raises(RegistryError, match=rf"{name} is (missing|not what was written).*rollback"):
        Recogniser.load(damaged)
    write_digests(damaged)  # whoever wrote it damaged it before
    with pytest.raises(RegistryError, match=said) as raised:
        Recogniser.load(damaged)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 cut short", "half"])
def test_a_damaged_network_is_refused_likewise(version, tmp_path, content):
    damaged = tmp_path / "v000007"
    damaged.mkdir()
    data = (version / "classifier.keras").read_bytes()
    data = data[: len(data) // 2] if content == "half" else content
    if data is not None:
        (damaged / "classifier.keras").write_bytes(data)
    write_digests(damaged)
    with pytest.raises(RegistryError, match=r"v000007 is damaged \(.*models rollback") as raised:
        load_classifier(damaged)
    assert "\n" not in str(raised.value)


@pytest.fixture
def damaged(version, tmp_path) -> Path:
    """A copy of the version, to be damaged."""
    return shutil.copytree(version, tmp_path / "v000007")


def test_a_network_that_was_edited_is_not_loaded(damaged):
    with zipfile.ZipFile(damaged / "classifier.keras", "a") as file:
        file.writestr("more.txt", "harmless")
    with pytest.raises(RegistryError, match=r"classifier\.keras is not what was written"):
        load_classifier(damaged)


FILES = ("gallery.npz", "labels.json", "calibration.json", "classifier.keras")


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(FILES, 2)))
def test_files_that_changed_places_are_refused(version, damaged, first, second):
    (damaged / first).write_bytes((version / second).read_bytes())
    (damaged / second).write_bytes((version / first).read_bytes())
    write_digests(damaged)
    with pytest.raises(RegistryError, match=r"v000007 is damaged \(.*models rollback"):
        Recogniser.load(damaged)


def test_a_version_of_another_schema_says_that_another_release_made_it(damaged):
    labels = read_json(damaged / "labels.json")
    write_json(damaged / "labels.json", labels | {"schema": 1})
    write_digests(damaged)
    with pytest.raises(RegistryError, match=r"of schema 1, made by another.*elenco refresh"):
        Recogniser.load(damaged)


def wrong_arrays(arrays):
    """(name, array) of what may not be in a gallery of three people on three axes."""
    yield "vectors", arrays["vectors"][:, :2]
    yield "vectors", arrays["vectors"].astype(np.float64)
    yield "vectors", np.full((3, 3), np.nan, np.float32)
    yield "means", arrays["means"][:2]
    yield "projection", np.eye(2, dtype=np.float32)
    yield "counts", np.ones(4, np.int64)
    yield "cohort_people", np.zeros((3, 1), np.int64)
    yield "person_ids", arrays["person_ids"][::-1]


@pytest.mark.parametrize("case", range(8))
def test_arrays_that_do_not_fit_are_refused(damaged, case):
    arrays = read_npz(damaged / "gallery.npz")
    name, wrong = list(wrong_arrays(arrays))[case]
    write_npz(damaged / "gallery.npz", **(arrays | {name: wrong}))
    write_digests(damaged)
    with pytest.raises(RegistryError, match=r"v000007 is damaged \(.*models rollback"):
        Recogniser.load(damaged)


def test_cohorts_of_people_who_are_not_there_are_refused(damaged):
    arrays = read_npz(damaged / "gallery.npz")
    cohort = {"cohort_people": np.array([[1], [2], [3]]), "cohort_scores": np.zeros((3, 1), "f4")}
    write_npz(damaged / "gallery.npz", **(arrays | cohort))
    write_digests(damaged)
    with pytest.raises(RegistryError, match="cohorts of people who are not in it"):
        Recogniser.load(damaged)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A version of forty people with cohorts and a projection."""
    folder = tmp_path_factory.mktemp("trained") / "v000008"
    folder.mkdir()
    write_gallery(fit(photographs([4, 1, 7, 2] * 10), load_settings()), folder)
    return folder


def test_what_was_written_is_read_and_written_again_to_the_byte(trained, tmp_path):
    write_gallery(load_gallery(trained), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in trained.iterdir()}
    for path in trained.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize("spread", [0.1, 0.3])
def test_the_network_gives_the_probabilities_of_the_arrays(tmp_path, spread):
    write_gallery(fit(photographs([4, 1, 7, 2] * 10, spread=spread), load_settings()), tmp_path)
    gallery, model = load_gallery(tmp_path), load_classifier(tmp_path)
    # In single precision a cosine is off by some 1e-7, its logit by that times the scale.
    tolerance = max(1e-5, 4e-7 * gallery.scale)
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 40, (2, 300))
    nonsense = unit(rng.normal(size=(300, DIM)).astype(np.float32))
    for asked in (
        nonsense,
        gallery.means,
        unit(gallery.means[first] + gallery.means[second]),  # between two people
        unit(gallery.means[first] + nonsense),  # between a person and nobody
    ):
        said = np.asarray(model(asked))
        np.testing.assert_allclose(said, gallery.probabilities(asked), rtol=0, atol=tolerance)
        longer = np.asarray(model(8 * asked))  # lengths play no part
        np.testing.assert_allclose(longer, said, rtol=0, atol=tolerance)


def test_of_people_who_are_equally_probable_the_first_is_the_answer():
    recogniser, vectors = given([0.1] * 7 + [0.3], [0.125] * 7 + [0.125])
    first, second = recogniser.identify(vectors, SPACE)
    assert [person for person, _, _ in first.candidates] == ["0", "1", "2", "3", "4"]
    assert (first.person_id, second.person_id) == (None, "0")


def test_vectors_of_other_people_than_the_labels_are_refused(damaged):
    labels = json.loads((damaged / "labels.json").read_text())
    labels["people"].pop()
    (damaged / "labels.json").write_text(json.dumps(labels))
    write_digests(damaged)
    with pytest.raises(RegistryError, match="do not fit one another"):
        Recogniser.load(damaged)
