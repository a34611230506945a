"""The baseline beside the head: a linear support vector machine, one against the rest.

Only its figures are kept. Unit-length embeddings are standardised first: their columns are so
small that C=1 would hardly separate anybody.
"""

import warnings
from dataclasses import dataclass

import numpy as np

from elenco.fingerprint import unit_interval
from elenco.recognition.dataset import Labels, Vectors

MAX_ITERATIONS = 300
# C=1 on standardised columns fits every photograph; this much regularises.
C = 0.01


@dataclass(frozen=True)
class SvmResult:
    """The share of test photographs that the machine names rightly; None if there are none.

    `people` were trained on and asked about, `test_photographs` are theirs.
    """

    top1: float | None
    people: int
    test_photographs: int


def svm_baseline(
    train: tuple[Vectors, Labels],
    test: tuple[Vectors, Labels],
    person_ids: list[str],
    most_people: int,
    seed: int,
) -> SvmResult:
    """Train on at most `most_people` people, those first by stable hash, and ask about them.

    Args:
        train: vectors and their labels, indices into `person_ids`.
        test: the same.
        person_ids: the id of each label.
        most_people: at least 2; the time grows with its square.
        seed: of the solver.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    hashes = [unit_interval(f"svm {person}") for person in person_ids]
    chosen = np.argsort(hashes, kind="stable")[:most_people]
    fit, asked = np.isin(train[1], chosen), np.isin(test[1], chosen)
    if not asked.any() or len(chosen) < 2:
        return SvmResult(None, len(chosen), 0)
    machine = make_pipeline(
        StandardScaler(), LinearSVC(C=C, max_iter=MAX_ITERATIONS, tol=1e-2, random_state=seed)
    )
    with warnings.catch_warnings():
        # A baseline that stops a little early is still the baseline.
        warnings.simplefilter("ignore", ConvergenceWarning)
        machine.fit(train[0][fit], train[1][fit])
    right = machine.predict(test[0][asked]) == test[1][asked]
    return SvmResult(float(right.mean()), len(chosen), int(asked.sum()))
