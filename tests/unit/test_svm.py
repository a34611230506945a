import numpy as np

from elenco.recognition.svm import svm_baseline
from elenco.vectors import unit


def people(count, photos, seed=0, dim=32):
    rng = np.random.default_rng(0)
    centres = unit(rng.normal(size=(count, dim)).astype(np.float32))
    labels = np.repeat(np.arange(count), photos)
    noise = np.random.default_rng(seed).normal(size=(len(labels), dim)) * 0.08
    return unit((centres[labels] + noise).astype(np.float32)), labels


IDS = [f"p{n}" for n in range(40)]


def test_it_tells_people_apart_whose_vectors_are_close_together():
    # As dlib's: everybody lies near one direction.
    together = np.zeros(32, np.float32)
    together[0] = 3
    fit, asked = people(40, 5), people(40, 2, seed=1)
    fit, asked = ((unit(vectors + together), labels) for vectors, labels in (fit, asked))
    found = svm_baseline(fit, asked, IDS, 1000, 0)
    assert found.top1 is not None
    assert found.top1 > 0.95
    assert (found.people, found.test_photographs) == (40, 80)


def test_no_more_people_than_asked_for_and_always_the_same():
    found = [svm_baseline(people(40, 3), people(40, 2, seed=1), IDS, 10, 0) for _ in range(2)]
    assert (found[0].people, found[0].test_photographs) == (10, 20)
    assert found[0] == found[1]


def test_nothing_to_ask_about_is_no_figure():
    vectors, labels = people(3, 2)
    found = svm_baseline((vectors, labels), (vectors[:0], labels[:0]), IDS[:3], 10, 0)
    assert (found.top1, found.test_photographs) == (None, 0)
