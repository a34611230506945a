import numpy as np
import pytest

from elenco.evaluation.bootstrap import Resampling
from elenco.evaluation.calibration import calibration
from elenco.recognition.paired import LEAST_PEOPLE, Paired, Said
from elenco.recognition.search import Search


def people(count: int, photographs: int) -> np.ndarray:
    return np.repeat([f"p{n:03d}" for n in range(count)], photographs)


def hits(ids: np.ndarray, misses: dict[int, int], photographs: int) -> np.ndarray:
    """All right but for the first photographs of some people."""
    right = np.ones(len(ids), bool)
    for person, count in misses.items():
        right[person * photographs : person * photographs + count] = False
    return right


@pytest.mark.parametrize("photographs", [1, 5, 20])
@pytest.mark.parametrize("missed", ["one", "all"])
@pytest.mark.parametrize(("worse", "beyond"), [(1, False), (4, False), (5, False), (7, True)])
def test_few_who_are_worse_are_beyond_noise_as_in_the_sign_test(photographs, missed, worse, beyond):
    """One-sided, at 2.5 %: 5 to 0 has 3.1 %, 6 to 0 1.6 %, 7 to 0 0.8 %."""
    ids = people(200, photographs)
    count = 1 if missed == "one" else photographs
    new = hits(ids, dict.fromkeys(range(worse), count), photographs)
    old = np.ones(len(ids), bool)
    paired = Paired(ids, 2000, 0)
    found = paired.share(new, old)
    assert (found.high < 0) is beyond
    assert found.difference == pytest.approx(-worse * count / len(ids))
    other_way = paired.share(old, new)
    assert (other_way.low, other_way.high) == pytest.approx((-found.high, -found.low), abs=0.01)


def test_as_many_better_as_worse_is_noise():
    ids = people(200, 3)
    new = hits(ids, dict.fromkeys(range(20), 1), 3)
    old = hits(ids, dict.fromkeys(range(20, 40), 1), 3)
    found = Paired(ids, 2000, 0).share(new, old)
    assert found.difference == 0
    assert found.low < 0 < found.high


def test_equal_answers_leave_open_what_so_few_can_show():
    for count in (20, 2000):
        ids = people(count, 1)
        same = np.ones(len(ids), bool)
        found = Paired(ids, 2000, 0).share(same, same)
        assert found.difference == 0
        assert 0 <= found.high <= 4 / count


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    random = np.random.default_rng(0)
    inside = 0
    for _ in range(200):
        # Of each person's four photographs the two recognisers miss 6 % and 10 %, on the whole.
        ids, hard = people(100, 4), np.repeat(random.uniform(0, 0.2, 100), 4)
        new, old = (random.random(400) > hard * share for share in (0.6, 1.0))
        found = Paired(ids, 500, 1).share(new, old)
        inside += found.low <= 0.04 <= found.high
    assert 0.9 <= inside / 200 <= 0.99


def test_photographs_are_drawn_of_few_people():
    ids = people(LEAST_PEOPLE - 1, 50)
    assert Paired(ids, 100, 0).unit == "photographs"
    assert Paired(people(LEAST_PEOPLE, 1), 100, 0).unit == "people"


def test_the_order_of_the_photographs_does_not_matter_much_and_the_seed_does():
    ids = people(50, 4)
    new = hits(ids, dict.fromkeys(range(9), 2), 4)
    old = np.ones(len(ids), bool)
    found = Paired(ids, 1000, 3).share(new, old)
    order = np.random.default_rng(0).permutation(len(ids))
    assert Paired(ids[order], 1000, 3).share(new[order], old[order]) == found
    assert Paired(ids, 1000, 4).share(new, old) != found


def test_the_calibration_error_is_that_of_the_evaluation():
    random = np.random.default_rng(0)
    n, ids = 120, people(30, 4)
    whose = np.repeat(np.arange(30), 4)

    def search(sure: float) -> Search:
        named = random.random(n) < 0.8
        chance = random.uniform(sure, 1, n).astype(np.float32)
        candidates = np.where(random.random(n) < 0.9, whose, (whose + 1) % 30)
        return Search(
            candidates[:, None],
            named.astype(np.float32)[:, None],
            np.where(named, chance, 1 - chance)[:, None],
            np.where(named, 1 - chance, chance),
        )

    def said(found: Search, truth: np.ndarray) -> Said:
        unknown = found.scores[:, 0] < 0.5
        confidence = np.where(unknown, found.unknown, found.probabilities[:, 0])
        right = np.where(unknown, truth < 0, found.candidates[:, 0] == truth)
        return Said(confidence.astype(np.float64), right)

    searches = [(search(sure), search(sure)) for sure in (0.5, 0.9)]
    nobody = np.full(n, -1)
    new, old = ((said(known, whose), said(out, nobody)) for known, out in searches)
    found = Paired(ids, 200, 0).calibration_error(new, old)
    resampling = Resampling(np.zeros(30, np.int64), 10, 0)
    for value, (known, out) in zip((found.candidate, found.current), searches, strict=True):
        expected = calibration(known, whose, whose, out, whose, 0.5, resampling).all.ece.value
        assert value == pytest.approx(expected, abs=1e-6)
    assert found.low < found.difference < found.high
