import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest

from elenco.errors import NotEnoughData, RegistryError, SpaceMismatch
from elenco.integrity import write_digests
from elenco.layout import Layout
from elenco.publication import judge, register
from elenco.recognition.gate import compare
from elenco.recognition.search import Search
from elenco.recognition.statistics import stable_digest
from elenco.registry import Registry
from elenco.rights.denylist import deny
from elenco.settings import load_settings
from elenco.storage import replace_symlink, write_json, write_npz
from elenco.types import EmbeddingSpace, Person, TrainedRef
from tests.small_data import add_version, build_version

SPACE = EmbeddingSpace("fake", "ab" * 32, 4, "none")
OTHER = EmbeddingSpace("other", "cd" * 32, 4, "none")
PHOTOS = 250  # a person's held-out photographs
MEASURES = ("quality", "norms", "sizes", "sharpness", "yaws", "pitches", "rolls", "scores")


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
        phashes=np.zeros(len(person_ids), np.uint64),
        meta=np.array(json.dumps({"space": asdict(space), "version": "1"})),
        **{name: np.ones(len(person_ids), np.float32) for name in MEASURES},
    )


@dataclass
class Knows:
    """Right about its people but for the first `wrong` photographs of each: those are unknown.

    Of people left out, it names the first `named` photographs. It is `sure` of each answer.
    """

    ids: str
    wrong: int = 0
    named: int = 0
    sure: float = 1.0
    space: EmbeddingSpace = SPACE
    false_positive_rate: float = 0.01
    threshold: float = 0.5

    @property
    def people(self) -> tuple[Person, ...]:
        return tuple(Person(person, person) for person in self.ids)

    def search(self, vectors, leave_out=None) -> Search:
        whose = np.array([self.ids.find(chr(int(person))) for person in vectors[:, 0]])
        if leave_out is None:
            name = vectors[:, 1] >= self.wrong
        else:
            assert (leave_out == whose).all()
            whose = (whose + 1) % len(self.ids)
            name = vectors[:, 1] < self.named
        sure = np.full(len(vectors), self.sure, np.float32)
        return Search(
            whose[:, None],
            name.astype(np.float32)[:, None],
            np.where(name, sure, 1 - sure)[:, None],
            np.where(name, 1 - sure, sure),
        )


class Versions:
    """Candidate and current, given as they answer and not read from disk."""

    def __init__(self, folder: Path, settings, layout: Layout) -> None:
        self.candidate, self.current = folder / "candidate", folder / "v000001"
        self.settings, self.layout = settings, layout

    def compare(self, candidate, current, **publish):
        known = {self.candidate: candidate, self.current: current}
        settings = self.settings.model_copy(
            update={"publish": self.settings.publish.model_copy(update=publish)}
        )
        path = None if current is None else self.current

        def load(path: Path):
            if isinstance(known[path], Exception):
                raise known[path]
            return known[path]

        return compare(self.candidate, path, self.layout, settings, load)


@pytest.fixture
def versions(tmp_path, settings, layout) -> Versions:
    return Versions(tmp_path, settings, layout)


def test_the_first_version_is_promoted(versions):
    verdict = versions.compare(Knows("ab"), None)
    assert (verdict.promote, verdict.reason) == (True, "first version")


MANY = "abcdefghijklmnopqrst"


@pytest.mark.parametrize(
    ("wrong", "promote"), [(0, True), (5, True), (6, False), (50, False), (250, False)]
)
def test_what_everybody_is_worse_at_is_worse_beyond_noise(versions, wrong, promote):
    write_test_set(versions.layout, MANY)
    verdict = versions.compare(Knows(MANY, wrong), Knows(MANY, 5))
    assert verdict.promote is promote
    found = verdict.figures["named_right"]
    assert found["candidate"] == pytest.approx(1 - wrong / PHOTOS)
    assert found["current"] == pytest.approx(0.98)
    assert found["difference"] == pytest.approx((5 - wrong) / PHOTOS)
    # Everybody has as many wrong: what noise there is comes of the two who are added.
    assert found["low"] <= found["difference"] + 1e-9
    assert found["high"] >= found["difference"] - 1e-9
    assert found["high"] - found["low"] < 0.01 + abs(found["difference"]) / 3


def test_a_tolerance_allows_for_as_much(versions):
    write_test_set(versions.layout, MANY)
    assert versions.compare(Knows(MANY, 6), Knows(MANY, 5), tolerance=0.005).promote
    assert not versions.compare(Knows(MANY, 7), Knows(MANY, 5), tolerance=0.005).promote


@dataclass
class WrongAbout(Knows):
    """Wrong about everything of some people."""

    about: str = ""

    def search(self, vectors, leave_out=None) -> Search:
        found = super().search(vectors, leave_out)
        if leave_out is None:
            theirs = np.isin(vectors[:, 0].astype(int), [ord(person) for person in self.about])
            found.scores[theirs] = 0
        return found


@pytest.mark.parametrize(("about", "promote"), [("a", True), ("abcde", True), ("abcdef", False)])
def test_five_people_of_twenty_may_be_chance_and_six_are_not(versions, about, promote):
    write_test_set(versions.layout, MANY, photos=10)
    verdict = versions.compare(WrongAbout(MANY, about=about), Knows(MANY))
    assert verdict.promote is promote
    found = verdict.figures["named_right"]
    assert found["difference"] == pytest.approx(-len(about) / 20)
    assert found["low"] < found["difference"] < found["high"]
    assert verdict.figures["drawn"] == "people"
    assert ("elenco models promote" in verdict.reason) is not promote


def test_what_is_hard_for_both_is_no_noise(versions):
    """Five people are hard for both; the candidate is worse at one photograph of each other one."""
    write_test_set(versions.layout, MANY, photos=20)
    verdict = versions.compare(WrongAbout(MANY, 1, about="abcde"), WrongAbout(MANY, about="abcde"))
    assert not verdict.promote
    found = verdict.figures["named_right"]
    assert found["candidate"] == pytest.approx(15 / 20 * 19 / 20)
    assert found["high"] - found["low"] < 0.025


def test_of_few_people_photographs_are_drawn(versions):
    write_test_set(versions.layout, "ab")
    verdict = versions.compare(Knows("ab", 6), Knows("ab", 5))
    assert verdict.promote  # 2 of 500 may be chance
    assert verdict.figures["drawn"] == "photographs"
    assert not versions.compare(Knows("ab", 12), Knows("ab", 5)).promote


def test_equal_inputs_give_an_equal_verdict_to_the_last_digit(versions):
    write_test_set(versions.layout, MANY, photos=10)
    one, two = (
        versions.compare(WrongAbout(MANY, about="ab", sure=0.9), Knows(MANY, 1)) for _ in range(2)
    )
    assert json.dumps(vars(one)) == json.dumps(vars(two))


def test_the_reason_is_one_line_with_figures_and_intervals(versions):
    write_test_set(versions.layout, MANY, photos=100)
    verdict = versions.compare(Knows(MANY + "u"), Knows(MANY, 2))
    assert re.sub(r"between .\d\.\d\d and .\d\.\d\d", "between", verdict.reason) == (
        "named right 100.00% against 98.00% of v000001 (+2.00 points, 95% between), of 2,000 "
        "held-out photographs of 20 people that both know; strangers named 0.00% against 0.00% of "
        "v000001 (+0.00 points, 95% between); calibration error 0.00% against 1.00% of v000001 "
        "(-1.00 points, 95% between); knows 21 people, v000001 20"
    )
    assert json.loads(json.dumps(verdict.figures)) == verdict.figures
    verdict = versions.compare(Knows(MANY, 3), Knows(MANY, 2))
    assert verdict.reason.startswith("names fewer rightly, beyond noise: named right 97")
    assert verdict.reason.endswith("; or promote it by hand with `elenco models promote`")


def test_only_people_that_both_know_count(versions):
    write_test_set(versions.layout, "abc")
    verdict = versions.compare(Knows("bc"), Knows("ab"))
    assert verdict.promote
    assert (verdict.figures["photographs"], verdict.figures["common_people"]) == (PHOTOS, 1)


def test_quarantined_photographs_are_not_judged_on(versions):
    write_test_set(versions.layout, MANY, photos=10)
    assert not versions.compare(Knows(MANY, 1), Knows(MANY)).promote
    entries = [{"id": f"{person}/0000", "reason": "wrong_person"} for person in MANY]
    path = versions.layout.quarantine(SPACE.embedder)
    write_json(path, {"entries": entries})
    verdict = versions.compare(Knows(MANY, 1), Knows(MANY))
    assert verdict.promote
    assert (verdict.figures["quarantined"], verdict.figures["photographs"]) == (20, 180)


def write_trained_on(directory: Path, photographs: list[str]) -> None:
    train = np.array(sorted(map(stable_digest, photographs)), np.uint64)
    write_npz(directory / "photographs.npz", train=train)
    write_digests(directory)


FIRST = [f"{person}/0000" for person in MANY]


def test_what_the_version_in_use_was_trained_on_is_not_asked_about(versions):
    """Photographs that moved from train to test: it has learnt them, and the candidate has not."""
    write_test_set(versions.layout, MANY, photos=10)
    assert not versions.compare(Knows(MANY, 1), Knows(MANY)).promote
    write_trained_on(versions.current, FIRST)
    verdict = versions.compare(Knows(MANY, 1), Knows(MANY))
    assert verdict.promote
    assert (verdict.figures["photographs"], verdict.figures["current_trained_on"]) == (180, 20)
    assert "both know (left out: 20 that v000001 was trained on); " in verdict.reason
    # Whether it names strangers is asked of the candidate alone, which was not trained on them.
    assert (verdict.figures["strangers"], verdict.figures["trained_on"]) == (200, 0)
    assert not versions.compare(Knows(MANY, 2), Knows(MANY)).promote


def test_what_the_candidate_was_trained_on_is_not_asked_about(versions):
    write_test_set(versions.layout, MANY, photos=10)
    write_trained_on(versions.candidate, FIRST)
    verdict = versions.compare(Knows(MANY, 1), Knows(MANY))
    assert verdict.promote
    figures = verdict.figures
    assert [figures[n] for n in ("trained_on", "strangers", "photographs")] == [20, 180, 180]
    write_trained_on(versions.current, [*FIRST, "a/0001", "elsewhere/0000"])
    verdict = versions.compare(Knows(MANY, 1), Knows(MANY))
    assert verdict.figures["photographs"] == 179
    left_out = "20 that the candidate was trained on, 1 that v000001 was trained on"
    assert f" (left out: {left_out}); " in verdict.reason


def test_where_every_photograph_was_trained_on_the_setting_decides(versions):
    write_test_set(versions.layout, MANY, photos=1)
    write_trained_on(versions.current, FIRST)
    verdict = versions.compare(Knows(MANY), Knows(MANY))
    assert not verdict.promote
    assert verdict.reason.startswith(
        "no held-out photograph of a person that v000001 knows too "
        "(left out: 20 that v000001 was trained on), so nothing to compare: "
    )
    assert verdict.figures["photographs"] == 0
    assert versions.compare(Knows(MANY), Knows(MANY), promote_other_cast=True).promote


def test_damage_to_what_a_version_was_trained_on_is_damage_to_the_version(versions):
    write_test_set(versions.layout, MANY, photos=1)
    write_trained_on(versions.current, FIRST)
    (versions.current / "photographs.npz").write_bytes(b"damaged")
    verdict = versions.compare(Knows(MANY, 1), Knows(MANY))
    assert verdict.promote
    assert "v000001 can't be used any more" in verdict.reason
    versions.current.rename(versions.candidate)
    with pytest.raises(RegistryError, match=r"photographs\.npz is not what was written"):
        versions.compare(Knows(MANY), Knows(MANY))


@pytest.mark.parametrize(
    ("people", "photos", "named", "promote"),
    [
        (MANY, 100, 2, True),
        (MANY, 100, 8, True),  # 2 % asked for, and two standard deviations of 3.1 points
        (MANY, 100, 9, False),
        ("ab", 100, 20, True),  # two strangers can't tell 20 % from 2 %
        ("ab", 100, 23, False),
    ],
)
def test_a_candidate_that_names_too_many_strangers_is_not_promoted(
    versions, people, photos, named, promote
):
    write_test_set(versions.layout, people, photos=photos)
    verdict = versions.compare(Knows(people, named=named), Knows(people, named=named))
    assert verdict.promote is promote
    assert verdict.figures["strangers_named"] == pytest.approx(named / photos)
    if not promote:
        n = f"{len(people) * photos:,} photographs of {len(people)} people"
        assert f"of strangers ({n})" in verdict.reason


def test_naming_more_strangers_than_before_beyond_noise_is_a_reason(versions):
    write_test_set(versions.layout, MANY, photos=100)
    verdict = versions.compare(Knows(MANY, named=2), Knows(MANY, named=1))
    assert not verdict.promote
    assert verdict.reason.startswith("names more strangers, beyond noise: ")
    assert verdict.figures["against"] == ["names more strangers, beyond noise"]
    assert versions.compare(Knows(MANY, named=1), Knows(MANY, named=2)).promote


def test_a_setting_that_was_changed_is_not_held_against_the_candidate(versions):
    write_test_set(versions.layout, MANY, photos=100)
    more = Knows(MANY, named=4, false_positive_rate=0.05)
    assert versions.compare(more, Knows(MANY, named=1)).promote
    fewer = Knows(MANY, 5, false_positive_rate=0.001)
    assert versions.compare(fewer, Knows(MANY)).promote
    assert not versions.compare(Knows(MANY, 5, false_positive_rate=0.05), Knows(MANY)).promote


@pytest.mark.parametrize(("sure", "promote"), [(0.99, True), (0.96, True), (0.9, False)])
def test_a_worse_calibration_is_a_reason(versions, sure, promote):
    write_test_set(versions.layout, MANY, photos=10)
    verdict = versions.compare(Knows(MANY, sure=sure), Knows(MANY))
    assert verdict.promote is promote
    assert verdict.figures["calibration_error"]["difference"] == pytest.approx(1 - sure, abs=1e-6)
    if not promote:
        assert verdict.reason.startswith("is worse calibrated, beyond noise: ")


def test_without_a_common_photograph_the_setting_decides(versions):
    write_test_set(versions.layout, "abcd")
    verdict = versions.compare(Knows("ab"), Knows("cd"))
    assert not verdict.promote
    assert "no held-out photograph" in verdict.reason
    assert "elenco models promote" in verdict.reason
    verdict = versions.compare(Knows("ab"), Knows("cd"), promote_other_cast=True)
    assert verdict.promote
    assert "promote_other_cast" in verdict.reason
    verdict = versions.compare(Knows("ab", named=200), Knows("cd"), promote_other_cast=True)
    assert not verdict.promote
    assert "of strangers" in verdict.reason


def test_versions_of_two_spaces_are_compared_on_the_same_photographs(versions):
    write_test_set(versions.layout, "ab", photos=10)
    write_test_set(versions.layout, "b", OTHER, photos=20)
    verdict = versions.compare(Knows("ab"), Knows("ab", 5, space=OTHER))
    assert verdict.promote
    assert verdict.figures["photographs"] == 10
    assert verdict.figures["named_right"]["current"] == 0.5
    assert not versions.compare(Knows("ab", 5), Knows("ab", space=OTHER)).promote


def test_another_space_without_its_embeddings_is_not_promoted_by_itself(versions):
    write_test_set(versions.layout, "ab")
    verdict = versions.compare(Knows("ab"), Knows("ab", space=OTHER), promote_other_cast=True)
    assert not verdict.promote
    assert "other (4-d, weights cdcdcdcd)" in verdict.reason
    assert "elenco models promote" in verdict.reason


def test_held_out_embeddings_of_another_space_are_never_used(versions):
    write_test_set(versions.layout, "ab", SPACE)
    moved = EmbeddingSpace("fake", "ef" * 32, 4, "none")
    with pytest.raises(SpaceMismatch, match=r"weights abababab.*weights efefefef"):
        versions.compare(Knows("ab", space=moved), Knows("ab", space=moved))
    assert not versions.compare(Knows("ab"), Knows("ab", space=moved)).promote


def test_a_current_version_that_cannot_be_read_gives_way(versions):
    write_test_set(versions.layout, "ab")
    damaged = RegistryError("version v000001 is damaged")
    verdict = versions.compare(Knows("ab"), damaged)
    assert verdict.promote
    assert "v000001 can't be used any more (version v000001 is damaged)" in verdict.reason
    assert not versions.compare(Knows("ab", named=200), damaged).promote


def test_missing_embeddings_and_a_damaged_candidate_are_errors(versions):
    with pytest.raises(NotEnoughData):
        versions.compare(Knows("ab"), Knows("ab"))
    with pytest.raises(RegistryError, match="damaged"):
        versions.compare(RegistryError("it is damaged"), Knows("ab"))


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
    published = register(candidate, verdict, settings, layout)
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
    assert register(known, verdict, settings, layout).outcome == "promoted"
    assert withdrawn.current_name() == "v000002"
    assert withdrawn.names() == ["v000002"]
    assert judge(known, settings, layout) is None


def test_a_candidate_that_knows_someone_forgotten_is_not_registered(withdrawn, settings, layout):
    candidate = trained(layout, {"a": "Ana", "b": "Bo"})
    verdict = judge(candidate, settings, layout)
    with pytest.raises(RegistryError, match=r"who was forgotten since: `elenco refresh`"):
        register(candidate, verdict, settings, layout)
    assert withdrawn.names() == ["v000001", "v000002"]


def test_what_a_killed_run_left_withdrawn_is_removed_by_the_next(withdrawn, settings, layout):
    replace_symlink(layout.recogniser / "current", "v000002")
    known = TrainedRef("recogniser/v000002", "a-c", "v000002", {})
    assert (
        register(known, judge(known, settings, layout), settings, layout).outcome == "nothing new"
    )
    assert withdrawn.names() == ["v000002"]


def test_defaults_leave_another_cast_to_a_person():
    assert load_settings().publish.promote_other_cast is False
