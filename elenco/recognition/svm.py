"""The baseline beside the recogniser: a linear support vector machine, one against the rest.

Only its figures are kept.
"""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Int64

from elenco.fingerprint import unit_interval
from elenco.recognition.dataset import Labels, Vectors

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

MAX_ITERATIONS = 300
# The columns of unit-length embeddings are small: C=1 would hardly separate anybody. On LFW 3 and
# 30 are no better (docs/decisions/0014).
C = 10.0


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
    test: tuple[Float32[np.ndarray, "m d"], Int64[np.ndarray, " m"]],
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
    hashes = [unit_interval(f"svm {person}") for person in person_ids]
    chosen = np.argsort(hashes, kind="stable")[:most_people]
    fit, asked = np.isin(train[1], chosen), np.isin(test[1], chosen)
    if not asked.any() or len(chosen) < 2:
        return SvmResult(None, len(chosen), 0)
    machine = linear_svm(train[0][fit], train[1][fit], C, seed)
    right = machine.predict(test[0][asked]) == test[1][asked]
    return SvmResult(float(right.mean()), len(chosen), int(asked.sum()))


def linear_svm(vectors: Vectors, labels: Labels, c: float, seed: int) -> "Pipeline":
    """A machine for each class against all others, each side of which counts the same.

    Args:
        vectors: unit length.
        labels: the class of each; two or more.
        c: the weight of the errors.
        seed: of the solver.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    machine = make_pipeline(
        StandardScaler(with_std=False),
        LinearSVC(
            C=c, class_weight="balanced", max_iter=MAX_ITERATIONS, tol=1e-2, random_state=seed
        ),
    )
    with warnings.catch_warnings():
        # A baseline that stops a little early is still the baseline.
        warnings.simplefilter("ignore", ConvergenceWarning)
        machine.fit(vectors, labels)
    return machine
