"""Embeddings of one split -> a gallery, calibrated on the same split and nothing else."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float32

from elenco.errors import NotEnoughData
from elenco.recognition.dataset import Dataset, Labels, Vectors, class_means
from elenco.recognition.gallery import NEVER, Gallery
from elenco.recognition.rehearsal import Rehearsing, sample, threshold_for
from elenco.recognition.scoring import find_cohort, projected, within_class_projection
from elenco.settings import Settings
from elenco.types import Person
from elenco.vectors import unit

# The part of a cohort's scores that is taken from a person's; see docs/decisions/0014.
COHORT_WEIGHT = 0.3
# Photographs that the threshold is set on, and that the temperature is fitted to, of each kind.
THRESHOLD_ROWS, SCALE_ROWS = 20_000, 1000
# Where nobody has two photographs there is no score of a person with themselves to fit the
# temperature to. It is then this over the standard deviation of the scores between strangers:
# the ratio that a fit gives on photographs of the 100 most photographed people of LFW.
DEFAULT_SCALE = 8.0
SCALES = np.geomspace(2, 4000, 154)


def fit(data: Dataset, settings: Settings) -> Gallery:
    """Make the recogniser of the people in a data set.

    Args:
        data: two people or more; its photographs are trained and calibrated on.
        settings: `training.false_positive_rate` is used.

    Raises:
        NotEnoughData: fewer than two people.
    """
    ids = np.unique(data.person_ids)
    if len(ids) < 2:
        raise NotEnoughData(
            f"{len(ids)} of 2 people have a face to train on: "
            "add people, or photographs that show their faces"
        )
    labels = np.searchsorted(ids, data.person_ids)
    order = np.argsort(labels, kind="stable")
    labels, vectors = labels[order], unit(data.vectors[order])
    named = dict(zip(data.person_ids.tolist(), data.names.tolist(), strict=True))
    photographs = data.photographs()
    names = [photographs[row] for row in order.tolist()]
    projection = within_class_projection(vectors, labels, len(ids))
    compared = projected(vectors, projection)
    class_vectors = class_means(compared, labels, len(ids))
    gallery = Gallery(
        space=data.space,
        people=tuple(Person(person, named[person]) for person in ids.tolist()),
        counts=np.bincount(labels).astype(np.int64),
        means=class_means(vectors, labels, len(ids)),
        projection=projection,
        vectors=class_vectors,
        cohort=find_cohort(compared, labels, class_vectors),
        cohort_weight=COHORT_WEIGHT,
        threshold=-1.0,
        scale=1.0,
        false_positive_rate=settings.training.false_positive_rate,
    )
    return _calibrated(gallery, vectors, labels, names)


def _calibrated(gallery: Gallery, vectors: Vectors, labels: Labels, names: list[str]) -> Gallery:
    """The gallery with its threshold, and with the temperature that goes with it."""
    asked = Rehearsing(gallery, vectors, labels)
    strangers = sample(np.arange(len(labels)), names, "threshold", THRESHOLD_ROWS)
    scores = asked.highest_as_strangers(strangers)
    threshold = threshold_for(scores, labels[strangers], gallery.false_positive_rate)
    several = np.flatnonzero(gallery.counts[labels] > 1)
    known = sample(several, names, "scale known", SCALE_ROWS)
    strangers = sample(strangers, names, "scale strangers", SCALE_ROWS)
    scale = fit_scale(
        asked.as_known(known), labels[known], asked.as_strangers(strangers), threshold
    )
    return replace(gallery, threshold=threshold, scale=scale)


def fit_scale(
    known: Float32[np.ndarray, "n c"],
    labels: Labels,
    strangers: Float32[np.ndarray, "m c"],
    threshold: float,
) -> float:
    """The inverse temperature of the least cross-entropy (Guo et al. 2017, arXiv:1706.04599).

    Args:
        known: scores of photographs of people in the gallery; n may be 0.
        labels: who is right for each.
        strangers: scores of strangers, NEVER with who is left out; for them `unknown` is right,
            and all of them count as much as all of `known`.
        threshold: the score of `unknown`.
    """
    if not len(known):
        spread = float(strangers[strangers > NEVER].std())
        return float(np.clip(DEFAULT_SCALE / max(spread, 1e-6), SCALES[0], SCALES[-1]))
    unknown = np.full(len(strangers), strangers.shape[1])
    parts = [(_with_unknown(known, threshold), labels)]
    parts.append((_with_unknown(strangers, threshold), unknown))

    def loss(scale: float) -> float:
        return sum(float(_cross_entropy(np.float32(scale) * z, y).mean()) for z, y in parts)

    # Unimodal: cross-entropy is convex in the scale.
    low, high = 0, len(SCALES) - 1
    while low < high:
        middle = (low + high) // 2
        if loss(SCALES[middle]) <= loss(SCALES[middle + 1]):
            high = middle
        else:
            low = middle + 1
    return float(SCALES[low])


def _with_unknown(scores: np.ndarray, threshold: float) -> Float32[np.ndarray, "n c1"]:
    unknown = np.full((len(scores), 1), threshold, np.float32)
    return np.concatenate([scores, unknown], axis=1)


def _cross_entropy(logits: Float32[np.ndarray, "n c"], labels: Labels) -> Float32[np.ndarray, " n"]:
    """-log softmax(logits)[label] of each row."""
    top = logits.max(axis=1)
    total = np.log(np.exp(logits - top[:, None]).sum(axis=1)) + top
    return total - logits[np.arange(len(labels)), labels]
