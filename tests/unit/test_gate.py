import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from elenco.errors import NotEnoughData, RegistryError, SpaceMismatch
from elenco.layout import Layout
from elenco.publication import judge, register
from elenco.recognition.gate import compare
from elenco.recognition.recogniser import Recogniser
from elenco.registry import Registry
from elenco.rights.denylist import deny
from elenco.settings import load_settings
from elenco.storage import replace_symlink, write_npz
from elenco.types import EmbeddingSpace, Person, TrainedRef
from tests.small_data import add_version, build_version

SPACE = EmbeddingSpace("fake", "ab" * 32, 4, "none")
OTHER = EmbeddingSpace("other", "cd" * 32, 4, "none")
PHOTOS = 250  # a person's held-out photographs


def write_test_set(layout: Layout, people: str, space=SPACE, photos: int = PHOTOS) -> None:
    """Held-out photographs: the first number of a vector says whose, the second which."""
    person_ids = np.repeat(list(people), photos)
    vectors = np.zeros((len(person_ids), space.dim), np.float32)
    vectors[:, 0] = [ord(person) for person in person_ids]
    vectors[:, 1] = np.tile(np.arange(photos), len(people))
    write_npz(
        layout.joined(space.embedder, "test"),
        vectors=vectors,
        person_ids=person_ids,
        names=person_ids,
        keys=np.array([f"{n:04.0f}" for n in vectors[:, 1]]),
        labels=np.zeros(len(person_ids), np.int64),
        people=np.unique(person_ids),
        meta=np.array(json.dumps({"space": asdict(space), "version": "1"})),
    )


def knows(people: str, wrong: int = 0, space=SPACE) -> Recogniser:
    """Right about its people but for the first `wrong` photographs of each: those are unknown."""

    def model(vectors):
        probabilities = np.zeros((len(vectors), len(people) + 1), np.float32)
        for row, (person, photo) in enumerate(vectors[:, :2].astype(int)):
            column = people.find(chr(person)) if photo >= wrong else len(people)
            probabilities[row, column] = 1
        return probabilities

    return Recogniser(space, [Person(person, person) for person in people], model)


class Versions:
    """Candidate and current, given as recognisers and not read from disk."""

    def __init__(self, folder: Path, settings, layout: Layout) -> None:
        self.candidate, self.current = folder / "candidate", folder / "v000001"
        self.settings, self.layout = settings, layout
        self.strangers(0.99, 1000)

    def strangers(self, called_unknown: float | None, n: int) -> None:
        self.candidate.mkdir(exist_ok=True)
        metrics = {
            "strangers_called_unknown": called_unknown,
            "strangers_n": n,
            "strangers_people": n,
        }
        (self.candidate / "metrics.json").write_text(json.dumps(metrics))
        (self.candidate / "calibration.json").write_text('{"false_positive_rate": 0.01}')

    def compare(self, candidate: Recogniser, current: Recogniser | None, **publish):
        known = {self.candidate: candidate, self.current: current}
        settings = self.settings.model_copy(
            update={"publish": self.settings.publish.model_copy(update=publish)}
        )
        path = None if current is None else self.current
        return compare(self.candidate, path, self.layout, settings, lambda path: known[path])


@pytest.fixture
def versions(tmp_path, settings, layout) -> Versions:
    return Versions(tmp_path, settings, layout)


def test_the_first_version_is_promoted(versions):
    verdict = versions.compare(knows("ab"), None)
    assert (verdict.promote, verdict.reason) == (True, "first version")


@pytest.mark.parametrize(
    ("wrong", "promote"), [(0, True), (5, True), (6, True), (7, False), (250, False)]
)
def test_promoted_if_not_worse_than_the_tolerance_allows(versions, wrong, promote):
    # Current is wrong about 10 of 500; 0.4 points of 500 are 2 photographs, one of each person.
    write_test_set(versions.layout, "ab")
    verdict = versions.compare(knows("ab", wrong), knows("ab", 5), tolerance=0.004)
    assert verdict.promote is promote
    assert verdict.figures["named_right"] == pytest.approx(1 - 2 * wrong / 500)
    assert verdict.figures["current_named_right"] == pytest.approx(0.98)


def test_the_reason_is_one_line_with_the_figures(versions):
    write_test_set(versions.layout, "abc")
    verdict = versions.compare(knows("abc"), knows("ab", 5))
    assert verdict.reason == (
        "named right 100.00% against 98.00% of v000001, of 500 held-out photographs of 2 people "
        "that both know (tolerance 0.20%); knows 3 people, v000001 2"
    )
    assert json.loads(json.dumps(verdict.figures)) == verdict.figures


def test_only_people_that_both_know_count(versions):
    write_test_set(versions.layout, "abc")
    verdict = versions.compare(knows("bc"), knows("ab"))
    assert verdict.promote
    assert (verdict.figures["photographs"], verdict.figures["common_people"]) == (PHOTOS, 1)


@pytest.mark.parametrize(
    ("called_unknown", "n", "promote"),
    [
        (0.99, 1000, True),
        (0.972, 1000, True),  # 98 % asked for, less two standard deviations of 0.44 points
        (0.970, 1000, False),
        (0.970, 100_000, False),
        (0.979, 100_000, False),
        (0.95, 50, True),  # 50 strangers can't tell 95 % from 98 %
        (0.5, 50, False),
        (None, 0, True),
    ],
)
def test_a_candidate_that_names_too_many_strangers_is_not_promoted(
    versions, called_unknown, n, promote
):
    write_test_set(versions.layout, "ab")
    versions.strangers(called_unknown, n)
    verdict = versions.compare(knows("ab"), knows("ab"))
    assert verdict.promote is promote
    if not promote:
        assert f"of {n:,} strangers unknown" in verdict.reason


def test_without_a_common_photograph_the_setting_decides(versions):
    write_test_set(versions.layout, "abcd")
    verdict = versions.compare(knows("ab"), knows("cd"))
    assert not verdict.promote
    assert "no held-out photograph" in verdict.reason
    assert "elenco models promote" in verdict.reason
    verdict = versions.compare(knows("ab"), knows("cd"), promote_other_cast=True)
    assert verdict.promote
    assert "promote_other_cast" in verdict.reason


def test_versions_of_two_spaces_are_compared_on_the_same_photographs(versions):
    write_test_set(versions.layout, "ab", photos=10)
    write_test_set(versions.layout, "b", OTHER, photos=20)
    verdict = versions.compare(knows("ab"), knows("ab", 5, OTHER))
    assert verdict.promote
    assert verdict.figures["photographs"] == 10
    assert verdict.figures["current_named_right"] == 0.5
    verdict = versions.compare(knows("ab", 5), knows("ab", 0, OTHER))
    assert not verdict.promote


def test_another_space_without_its_embeddings_is_not_promoted_by_itself(versions):
    write_test_set(versions.layout, "ab")
    verdict = versions.compare(knows("ab"), knows("ab", space=OTHER), promote_other_cast=True)
    assert not verdict.promote
    assert "other (4-d, weights cdcdcdcd)" in verdict.reason
    assert "elenco models promote" in verdict.reason


def test_held_out_embeddings_of_another_space_are_never_used(versions):
    write_test_set(versions.layout, "ab", SPACE)
    moved = EmbeddingSpace("fake", "ef" * 32, 4, "none")
    with pytest.raises(SpaceMismatch, match=r"weights abababab.*weights efefefef"):
        versions.compare(knows("ab", space=moved), knows("ab", space=moved))
    verdict = versions.compare(knows("ab"), knows("ab", space=moved))
    assert not verdict.promote


def test_missing_embeddings_and_a_damaged_candidate_are_errors(versions):
    with pytest.raises(NotEnoughData):
        versions.compare(knows("ab"), knows("ab"))
    (versions.candidate / "metrics.json").unlink()
    with pytest.raises(RegistryError, match="damaged"):
        versions.compare(knows("ab"), knows("ab"))


@pytest.fixture
def withdrawn(layout) -> Registry:
    """v1 of everybody, v2 of all but Bo; Bo was forgotten while v1 was in use."""
    registry = Registry(layout.recogniser)
    registry.promote(add_version(layout, {"a": "Ana", "b": "Bo"}), "test")
    registry.decline(add_version(layout, {"a": "Ana", "c": "Cy"}), "worse")
    registry.withdraw("v000001", "holds a person who was forgotten")
    deny(layout, "b")
    return registry


def trained(layout: Layout, people: dict[str, str]) -> TrainedRef:
    path = build_version(layout.recogniser / ".candidate-x", people, "tmdb")
    return TrainedRef(path.relative_to(layout.models).as_posix(), "x", None, {})


def test_a_version_that_holds_someone_forgotten_gives_way_to_any(withdrawn, settings, layout):
    candidate = trained(layout, {"d": "Dora"})
    verdict = judge(candidate, settings, layout)
    assert verdict is not None
    assert verdict.promote
    published = register(candidate, verdict, layout)
    assert (published.outcome, published.current) == ("promoted", "v000003")
    assert published.reason == "v000001 holds a person who was forgotten"
    assert withdrawn.names() == ["v000002", "v000003"]


def test_the_denylist_alone_is_reason_enough(layout, settings):
    Registry(layout.recogniser).promote(add_version(layout, {"a": "Ana", "b": "Bo"}), "test")
    deny(layout, "b")
    verdict = judge(trained(layout, {"a": "Ana"}), settings, layout)
    assert verdict is not None
    assert (verdict.promote, verdict.reason) == (
        True,
        "v000001 holds a person who was forgotten",
    )


def test_an_old_version_that_was_judged_before_may_take_its_place(withdrawn, settings, layout):
    known = TrainedRef("recogniser/v000002", "a-c", "v000002", {})
    verdict = judge(known, settings, layout)
    assert register(known, verdict, layout).outcome == "promoted"
    assert withdrawn.current_name() == "v000002"
    assert withdrawn.names() == ["v000002"]
    assert judge(known, settings, layout) is None


def test_a_candidate_that_knows_someone_forgotten_is_not_registered(withdrawn, settings, layout):
    candidate = trained(layout, {"a": "Ana", "b": "Bo"})
    verdict = judge(candidate, settings, layout)
    with pytest.raises(RegistryError, match=r"who was forgotten since: `elenco refresh`"):
        register(candidate, verdict, layout)
    assert withdrawn.names() == ["v000001", "v000002"]


def test_what_a_killed_run_left_withdrawn_is_removed_by_the_next(withdrawn, settings, layout):
    replace_symlink(layout.recogniser / "current", "v000002")
    known = TrainedRef("recogniser/v000002", "a-c", "v000002", {})
    assert register(known, judge(known, settings, layout), layout).outcome == "nothing new"
    assert withdrawn.names() == ["v000002"]


def test_defaults_leave_another_cast_to_a_person():
    assert load_settings().publish.promote_other_cast is False
