"""When to say `unknown`: a threshold and a temperature from people who play strangers.

Everybody in the training split is a stranger once: in each fold some people are left out of
training, and their photographs are scored against everybody but themselves. Half of the people
choose the threshold, the other half say how well it holds. The published model knows them all.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from elenco.fingerprint import unit_interval
from elenco.recognition.dataset import (
    ClassVectors,
    Labels,
    Vectors,
    class_means,
    class_sums,
    unit,
)
from elenco.recognition.evaluate import chunks, threshold_at
from elenco.recognition.head import cross_entropy, train

Scores = Float32[np.ndarray, " n"]

# Where nobody has two photographs there is no score of a person with themselves to fit the
# temperature to. It is then this over the standard deviation of the cosines between strangers:
# the ratio that a fit gives on photographs of the 100 most photographed people of LFW.
DEFAULT_SCALE = 8.0
SCALES = np.geomspace(2, 2000, 139)
# A temperature is one number: this many photographs of each kind are enough to fit it.
SCALE_ROWS = 1000
NEVER = np.float32(-2)  # below every cosine


@dataclass(frozen=True)
class Calibration:
    """The threshold and how it was found.

    Attributes:
        threshold: τ, the cosine from which on a face gets a name.
        scale: s, the inverse temperature.
        scale_rows: how many photographs of known people s was fitted to; 0: it is the default.
        called_unknown: share of the evaluation half's photographs under τ; None of none.
        calibration_people: people, and
        calibration_photographs: photographs that chose τ.
        evaluation_people: people, and
        evaluation_photographs: photographs that `called_unknown` is of.
    """

    threshold: float
    scale: float
    scale_rows: int
    called_unknown: float | None
    calibration_people: int
    calibration_photographs: int
    evaluation_people: int
    evaluation_photographs: int


def by_hash(person_ids: list[str], purpose: str) -> Int64[np.ndarray, " c"]:
    """The position of each person in a stable order, another for each purpose."""
    hashes = [(unit_interval(f"{purpose} {person}"), person) for person in person_ids]
    places = np.empty(len(hashes), np.int64)
    places[sorted(range(len(hashes)), key=hashes.__getitem__)] = np.arange(len(hashes))
    return places


def folds_of(person_ids: list[str], folds: int) -> Int64[np.ndarray, " c"]:
    """The fold in which each person is a stranger; never more folds than people."""
    return by_hash(person_ids, "stranger fold") % min(folds, len(person_ids))


def evaluation_half(person_ids: list[str]) -> np.ndarray:
    """True for the people that measure what the others calibrate; of an odd one, the fewer."""
    return by_hash(person_ids, "evaluation half") % 2 == 1


@dataclass(frozen=True)
class Cosines:
    """Cosines of some photographs with every class; `labels` says which class is right."""

    values: Float32[np.ndarray, "n c"]
    labels: Labels


@dataclass(frozen=True)
class Strangers:
    """Everybody's photographs, scored as strangers.

    Attributes:
        scores: (n,) the highest cosine with somebody else.
        sample: all cosines of some of them, `NEVER` with the person themselves.
    """

    scores: Scores
    sample: Float32[np.ndarray, "m c"]


def score_strangers(
    vectors: Vectors,
    labels: Labels,
    folds: Int64[np.ndarray, " c"],
    epochs: int,
    scale: float,
    seed: int,
    sampled: Int64[np.ndarray, " m"],
) -> Strangers:
    """Score each photograph against everybody else.

    A fold's people are left out of training. Those of them that a photograph does not show are
    there as their class means, so that the gallery has all people but one, as when published.
    """
    scores = np.empty(len(vectors), np.float32)
    sample = np.empty((len(sampled), len(folds)), np.float32)
    means = class_means(vectors, labels, len(folds))
    if not epochs:  # nobody's mean depends on anybody else: one fold does for all
        folds = np.zeros_like(folds)
    for fold in range(int(folds.max()) + 1):
        class_vectors = _without(folds == fold, vectors, labels, means, epochs, scale, seed)
        rows = np.flatnonzero(folds[labels] == fold)
        for part in chunks(len(rows), len(folds)):
            cosines = vectors[rows[part]] @ class_vectors.T
            cosines[np.arange(len(cosines)), labels[rows[part]]] = NEVER
            scores[rows[part]] = cosines.max(axis=1)
            _, theirs, places = np.intersect1d(rows[part], sampled, return_indices=True)
            sample[places] = cosines[theirs]
    return Strangers(scores, sample)


def leave_one_out(
    vectors: Vectors, labels: Labels, classes: int, sampled: Int64[np.ndarray, " m"]
) -> Cosines:
    """Cosines of sampled photographs with class means that they are no part of."""
    sums = class_sums(vectors, labels, classes)
    chosen, own = vectors[sampled], labels[sampled]
    cosines = chosen @ unit(sums).T
    without = unit(sums[own] - chosen)
    cosines[np.arange(len(own)), own] = (chosen * without).sum(axis=1)
    return Cosines(cosines, own)


def sample_rows(rows: Int64[np.ndarray, " n"], names: list[str]) -> Int64[np.ndarray, " m"]:
    """At most `SCALE_ROWS` of the rows, by stable hash of their names; sorted."""
    hashes = [unit_interval(f"scale {names[row]}") for row in rows]
    return np.sort(rows[np.argsort(hashes, kind="stable")[:SCALE_ROWS]])


def fit_scale(
    known: Cosines, strangers: Float32[np.ndarray, "m c"], threshold: float | None = None
) -> float:
    """The inverse temperature of the least cross-entropy.

    Args:
        known: cosines of photographs that were not trained on.
        strangers: cosines of strangers; their right answer is `unknown`, and all of them count as
            much as all of `known`.
        threshold: τ, the cosine of `unknown`; None to leave it out of the answers.
    """
    if not len(known.labels):
        spread = float(strangers[strangers > NEVER].std())
        return float(np.clip(DEFAULT_SCALE / max(spread, 1e-6), SCALES[0], SCALES[-1]))
    parts = [(known.values, known.labels)]
    if threshold is not None:
        unknown = np.full(len(strangers), strangers.shape[1])
        parts = [(known.values, known.labels), (strangers, unknown)]
        parts = [(_with_unknown(cosines, threshold), right) for cosines, right in parts]

    def loss(scale: float) -> float:
        return sum(float(cross_entropy(_f32(scale * z), y).mean()) for z, y in parts)

    # Unimodal: cross-entropy is convex in the scale.
    low, high = 0, len(SCALES) - 1
    while low < high:
        middle = (low + high) // 2
        if loss(SCALES[middle]) <= loss(SCALES[middle + 1]):
            high = middle
        else:
            low = middle + 1
    return float(SCALES[low])


def calibrate(
    strangers: Strangers,
    labels: Labels,
    person_ids: list[str],
    known: Cosines,
    rate: float,
) -> Calibration:
    """Choose τ on half of the people and s with it; measure τ on the other half.

    Args:
        strangers: everybody's photographs as strangers.
        labels: the class of each of `strangers.scores`.
        person_ids: the id of each class.
        known: cosines of photographs that were not trained on.
        rate: how many strangers may get a name, 0..1.
    """
    evaluates = evaluation_half(person_ids)[labels]
    threshold = threshold_at(strangers.scores[~evaluates], rate)
    scale = fit_scale(known, strangers.sample, threshold)
    if threshold > 0:
        # Half-precision weights then mean the same threshold, to the last bit.
        scale = float(np.float16(scale * threshold)) / threshold
    judged = strangers.scores[evaluates]
    return Calibration(
        threshold=threshold,
        scale=scale,
        scale_rows=len(known.labels),
        called_unknown=float((judged < threshold).mean()) if len(judged) else None,
        calibration_people=len(np.unique(labels[~evaluates])),
        calibration_photographs=int((~evaluates).sum()),
        evaluation_people=len(np.unique(labels[evaluates])),
        evaluation_photographs=len(judged),
    )


def _without(
    left_out: np.ndarray,
    vectors: Vectors,
    labels: Labels,
    means: ClassVectors,
    epochs: int,
    scale: float,
    seed: int,
) -> ClassVectors:
    known = np.flatnonzero(~left_out)
    if not epochs or len(known) < 2:
        return means
    index = np.full(len(left_out), -1)
    index[known] = np.arange(len(known))
    rows = ~left_out[labels]
    trained = means.copy()
    trained[known] = train(vectors[rows], index[labels[rows]], means[known], scale, epochs, seed)
    return trained


def _with_unknown(cosines: np.ndarray, threshold: float) -> np.ndarray:
    return np.hstack([cosines, np.full((len(cosines), 1), threshold, np.float32)])


def _f32(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)
