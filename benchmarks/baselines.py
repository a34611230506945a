"""Other ways to recognise faces from the same embeddings: what the recogniser is compared with.

A way learns from a gallery, then scores faces against everybody in it, higher for surer. Its
setting, the threshold and the temperature are found on the gallery alone: in turn a fifth of the
people are strangers to the others, of whom a third of the photographs are asked about.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float, Int64
from scipy import special
from scipy.linalg import eigh

from elenco.evaluation.rates import threshold_at
from elenco.recognition.dataset import class_means
from elenco.recognition.fit import fit_scale
from elenco.recognition.rehearsal import threshold_for
from elenco.recognition.search import MOST_CANDIDATES, Search
from elenco.recognition.svm import C as SVM_C
from elenco.recognition.svm import linear_svm
from elenco.vectors import unit

Vectors = Float[np.ndarray, "n d"]
Labels = Int64[np.ndarray, " n"]
Scores = Float[np.ndarray, "n c"]
Scorer = Callable[[Vectors], Scores]

FOLDS = 5
FOLDS_TO_CHOOSE = 2  # a setting is chosen on so many of them
CHOSEN_BY = (0.1, 0.01)  # the mean DIR at these FPIRs


@dataclass(frozen=True)
class Way:
    """One way.

    Attributes:
        name: what it is called.
        learn: from unit-length vectors and the class of each, ascending, every class with a row;
            and one of `settings`, by name.
        settings: to choose from.
    """

    name: str
    learn: Callable[..., Scorer]
    settings: Sequence[dict[str, Any]] = field(default=({},))


def nearest_mean(vectors: Vectors, labels: Labels) -> Scorer:
    """Cosine with the unit-length mean of a person's photographs."""
    means = class_means(vectors, labels, _classes(labels))
    return lambda asked: asked @ means.T


def nearest_photograph(vectors: Vectors, labels: Labels) -> Scorer:
    """The highest cosine with a photograph of the person."""
    starts = np.searchsorted(labels, np.arange(_classes(labels)))
    return lambda asked: np.maximum.reduceat(asked @ vectors.T, starts, axis=1)


def svm(vectors: Vectors, labels: Labels, c: float) -> Scorer:
    """Linear support vector machines, one against the rest; scores are the decision values."""
    return linear_svm(vectors, labels, c, seed=0).decision_function


def softmax(vectors: Vectors, labels: Labels, c: float) -> Scorer:
    """Multinomial logistic regression; scores are the log odds of each person against the rest.

    They rank as the probabilities do, which are all but 1 for many faces.
    """
    from sklearn.linear_model import LogisticRegression

    # In single precision the solver now and then gives up at once.
    machine = LogisticRegression(C=c, max_iter=200).fit(vectors.astype(np.float64), labels)

    def score(asked: Vectors) -> Scores:
        logits = machine.decision_function(asked.astype(np.float64))
        every = special.logsumexp(logits, axis=1, keepdims=True)
        rest = every + np.log(-np.expm1(np.minimum(logits - every, -1e-12)))
        # Where one has all of it, the others are added up anew: 1 - p has no digits left.
        best = logits.argmax(axis=1)
        own = np.arange(len(logits))
        others = logits.copy()
        others[own, best] = -np.inf
        rest[own, best] = special.logsumexp(others, axis=1)
        return logits - rest

    return score


def cosine_softmax(
    vectors: Vectors, labels: Labels, scale: float, epochs: int, margin: float = 0.0
) -> Scorer:
    """Class vectors trained by cross-entropy on scaled cosines; scores are the cosines.

    Without a margin NormFace (Wang et al. 2017, arXiv:1704.06369); with one, by which the right
    cosine is lowered in training, CosFace (Wang et al. 2018, arXiv:1801.09414). From the class
    means on, with Adam in batches of 256; lengths stay 1.
    """
    rate, epsilon, rng, step = 2e-4, 1e-4, np.random.default_rng(0), 0
    weights = class_means(vectors, labels, _classes(labels))
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    for _ in range(epochs):
        order = rng.permutation(len(labels))
        for start in range(0, len(order), 256):
            step += 1
            rows = order[start : start + 256]
            right = np.arange(len(rows)), labels[rows]
            logits = scale * (vectors[rows] @ weights.T)
            logits[right] -= scale * margin
            chances = np.exp(logits - logits.max(axis=1, keepdims=True))
            chances /= chances.sum(axis=1, keepdims=True)
            chances[right] -= 1
            gradient = (scale / len(rows)) * chances.T @ vectors[rows]
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient**2
            deviation = np.sqrt(second / (1 - 0.999**step)) + epsilon
            weights = unit(weights - rate * first / (1 - 0.9**step) / deviation)
    return lambda asked: asked @ weights.T


def lda(vectors: Vectors, labels: Labels, shrink: float, axes: int) -> Scorer:
    """Linear discriminant analysis (Fisherfaces: Belhumeur et al. 1997).

    The score is the negative squared distance from the person's mean in the `axes` that tell
    people apart best, in which photographs of a person vary by 1. The covariance within people is
    mixed with `shrink` of the identity.
    """
    within, between, means, _ = _scatter(vectors, labels)
    best = eigh(between, _shrunk(within, shrink))[1][:, ::-1][:, :axes]
    places = means @ best
    return lambda asked: -_squares(asked @ best, places)


def plda(vectors: Vectors, labels: Labels, within: float, between: float, lengths: bool) -> Scorer:
    """Two-covariance model (Ioffe 2006, "Probabilistic linear discriminant analysis").

    The score is the log-likelihood ratio of a face being of the person, given the n photographs of
    them, against being of anybody. Both covariances are estimated by moments and mixed with the
    identity; `lengths` are brought to 1 after centring, or not (Garcia-Romero and Espy-Wilson
    2011).
    """
    centre = vectors.mean(axis=0)

    def centred(some: Vectors) -> Vectors:
        return unit((some - centre).astype(np.float32)) if lengths else some - centre

    inside, outside, means, counts = _scatter(centred(vectors), labels)
    outside = outside - inside * float((1 / counts).mean())
    # In these axes photographs of a person vary by 1, and people by `spread`.
    spread, axes = eigh(_shrunk(outside, between), _shrunk(inside, within))
    spread = np.maximum(spread, 1e-9)
    known = spread / (spread + 1 / counts[:, None])
    expected = known * (means @ axes)
    variance = 1 + known / counts[:, None]

    def score(asked: Vectors) -> Scores:
        z = centred(asked) @ axes
        anybody = (z**2 / (1 + spread) + np.log(1 + spread)).sum(axis=1)
        person = z**2 @ (1 / variance).T - 2 * z @ (expected / variance).T
        person += (expected**2 / variance + np.log(variance)).sum(axis=1)
        return (anybody[:, None] - person) / 2

    return score


def s_norm(vectors: Vectors, labels: Labels, cohort: int) -> Scorer:
    """Symmetric score normalisation, adaptive (Kenny 2010; Matejka et al. 2017).

    A cosine with a person's mean is taken in standard deviations from the mean of the `cohort`
    highest that the person has with photographs of others, and of those that the face has with
    other people; the score is the mean of both.
    """
    means = class_means(vectors, labels, _classes(labels))
    others = vectors @ means.T
    others[np.arange(len(labels)), labels] = -np.inf
    highest = -np.sort(-others, axis=0)[:cohort]
    centre, spread = highest.mean(axis=0), highest.std(axis=0)

    def score(asked: Vectors) -> Scores:
        cosines = (asked @ means.T).astype(np.float64)
        size = min(cohort, cosines.shape[1] - 1)
        best = -np.sort(-cosines, axis=1)[:, : size + 1]
        # Nobody is their own rival: they are replaced by the one who comes next.
        left = np.maximum(cosines, best[:, -1:])
        mean = (best.sum(axis=1, keepdims=True) - left) / size
        square = (np.square(best).sum(axis=1, keepdims=True) - left**2) / size
        deviation = np.sqrt(np.maximum(square - mean**2, 1e-12))
        return ((cosines - centre) / spread + (cosines - mean) / deviation) / 2

    return score


def extreme_value_machine(vectors: Vectors, labels: Labels, tail: int, share: float) -> Scorer:
    """Extreme value machine (Rudd et al. 2017, arXiv:1506.06112).

    The distances to the `tail` nearest photographs of others, times `share` (a half there), make
    the Weibull distribution of a photograph's margin. The score ranks as the chance P of lying
    within it does, for the best of the person's photographs: it is -log(-log P), linear in the
    log of the distance. Distances are Euclidean, of unit vectors; no photograph is left out as
    redundant.
    """
    distances = np.sqrt(np.maximum(_squares(vectors, vectors), 0))
    distances[labels[:, None] == labels] = np.inf
    shape, scale = weibull(share * np.sort(distances, axis=1)[:, :tail])
    starts = np.searchsorted(labels, np.arange(_classes(labels)))

    def score(asked: Vectors) -> Scores:
        far = np.log(np.maximum(_squares(asked, vectors), 1e-12)) / 2
        return np.maximum.reduceat(shape * (np.log(scale) - far), starts, axis=1)

    return score


def weibull(
    values: Float[np.ndarray, "n k"],
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Shape and scale of the likeliest two-parameter Weibull distribution of each row."""
    top = values.max(axis=1, keepdims=True)
    logs = np.log(np.maximum(values / top, 1e-12)).astype(np.float64)
    shape = 1.2 / np.maximum(logs.std(axis=1), 1e-6)
    for _ in range(50):
        powers = np.exp(shape[:, None] * logs)
        total, first = powers.sum(axis=1), (powers * logs).sum(axis=1)
        second = (powers * logs**2).sum(axis=1)
        value = first / total - 1 / shape - logs.mean(axis=1)
        slope = second / total - (first / total) ** 2 + 1 / shape**2
        shape = np.maximum(shape - value / slope, shape / 4)
    scale = np.exp(shape[:, None] * logs).mean(axis=1) ** (1 / shape)
    return shape, scale * top[:, 0]


WAYS = (
    Way("nearest mean", nearest_mean),
    Way("nearest photograph", nearest_photograph),
    Way("linear SVM", svm, [{"c": SVM_C}]),
    Way("softmax regression", softmax, [{"c": c} for c in (100, 300, 1000)]),
    Way(
        "NormFace",
        cosine_softmax,
        [{"scale": s, "epochs": e} for s in (100, 200, 400) for e in (5, 20)],
    ),
    Way(
        "CosFace",
        cosine_softmax,
        [
            {"scale": s, "epochs": e, "margin": m}
            for s in (100, 200)
            for e in (5, 20)
            for m in (0.02, 0.05, 0.1)
        ],
    ),
    Way("LDA", lda, [{"shrink": s, "axes": k} for s in (0.3, 0.6, 0.9) for k in (64, 128)]),
    Way(
        "PLDA",
        plda,
        [
            {"within": w, "between": b, "lengths": n}
            for w in (0.3, 0.6, 0.9)
            for b in (0.1, 0.3, 0.6)
            for n in (False, True)
        ],
    ),
    Way("S-norm", s_norm, [{"cohort": k} for k in (20, 100, 200, 1000)]),
    Way(
        "extreme value machine",
        extreme_value_machine,
        [{"tail": t, "share": s} for t in (20, 100, 400) for s in (0.5, 0.75, 1.0)],
    ),
)


@dataclass(frozen=True)
class Baseline:
    """What a way learned from a gallery.

    Attributes:
        score: faces against everybody.
        setting: that was chosen.
        threshold: a best score under it is unknown.
        scale: inverse temperature of the softmax over scores and threshold.
        seconds: that learning took, with the setting chosen.
    """

    score: Scorer
    setting: dict[str, Any]
    threshold: float
    scale: float
    seconds: float

    def search(self, vectors: Vectors) -> Search:
        """As `elenco.recognition.gallery.Gallery.search`."""
        scores = self.score(vectors)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :MOST_CANDIDATES]
        logits = self.scale * np.hstack([scores, np.full((len(scores), 1), self.threshold)])
        chances = special.softmax(logits, axis=1).astype(np.float32)
        own = np.take_along_axis(scores, best, 1).astype(np.float32)
        return Search(best, own, np.take_along_axis(chances, best, 1), chances[:, -1])


def learned(way: Way, vectors: Vectors, labels: Labels, rate: float) -> Baseline:
    """A way with the best of its settings, and a threshold that `rate` of strangers reach.

    Args:
        way: which.
        vectors: unit length.
        labels: the class of each, ascending; every class with three rows or more.
        rate: FPIR asked for.
    """

    def asked(setting: dict[str, Any], folds: range) -> list[_Answers]:
        learn = partial(way.learn, **setting)
        return [_ask(learn, vectors, labels, *_trial(labels, fold)) for fold in folds]

    tried = [(setting, asked(setting, range(FOLDS_TO_CHOOSE))) for setting in way.settings]
    setting, answers = max(tried, key=lambda one: np.mean([answer.found() for answer in one[1]]))
    answers += asked(setting, range(FOLDS_TO_CHOOSE, FOLDS))
    best = np.concatenate([answer.strangers.max(axis=1) for answer in answers])
    people = np.concatenate([answer.people for answer in answers])
    # The temperatures tried are those of cosines.
    one = float(np.subtract(*np.quantile(best, [0.75, 0.25]))) / 0.05
    threshold = threshold_for((best / one).astype(np.float32), people, rate)
    scales = [answer.scale(one, threshold) for answer in answers]
    started = time.perf_counter()
    score = way.learn(vectors, labels, **setting)
    seconds = time.perf_counter() - started
    return Baseline(score, setting, threshold * one, float(np.median(scales)) / one, seconds)


@dataclass(frozen=True)
class _Answers:
    """Scores of photographs of known people, who is right, and of strangers, and who they are."""

    known: Scores
    right: Labels
    strangers: Scores
    people: Labels

    def found(self) -> float:
        best, right = self.known.max(axis=1), self.known.argmax(axis=1) == self.right
        thresholds = [threshold_at(self.strangers.max(axis=1), rate) for rate in CHOSEN_BY]
        return float(np.mean([(right & (best >= threshold)).mean() for threshold in thresholds]))

    def scale(self, one: float, threshold: float) -> float:
        known, strangers = ((s / one).astype(np.float32) for s in (self.known, self.strangers))
        return fit_scale(known, self.right, strangers, threshold)


def _trial(labels: Labels, fold: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows to learn from, rows to ask about, and rows of strangers."""
    rng = np.random.default_rng(0)
    stranger = (rng.permutation(_classes(labels)) % FOLDS == fold)[labels]
    order = np.lexsort((rng.random(len(labels)), labels))
    rank = np.empty(len(labels), np.int64)
    rank[order] = np.arange(len(labels)) - np.searchsorted(labels[order], labels[order])
    held_out = rank % 3 == fold % 3
    return ~stranger & ~held_out, ~stranger & held_out, stranger


def _ask(
    learn: Callable[..., Scorer],
    vectors: Vectors,
    labels: Labels,
    known: np.ndarray,
    asked: np.ndarray,
    strangers: np.ndarray,
) -> _Answers:
    classes, own = np.unique(labels[known], return_inverse=True)
    score = learn(vectors[known], own)
    right = np.searchsorted(classes, labels[asked])
    return _Answers(score(vectors[asked]), right, score(vectors[strangers]), labels[strangers])


def _squares(a: Vectors, b: Vectors) -> Float[np.ndarray, "n m"]:
    """Squared distances."""
    return (a**2).sum(axis=1)[:, None] - 2 * (a @ b.T) + (b**2).sum(axis=1)


def _scatter(vectors: Vectors, labels: Labels) -> tuple[np.ndarray, ...]:
    """Covariance within classes and of their means; the means; how many vectors each is of."""
    counts = np.bincount(labels)
    means = np.zeros((len(counts), vectors.shape[1]))
    np.add.at(means, labels, vectors)
    means /= counts[:, None]
    residuals = vectors - means[labels]
    within = residuals.T @ residuals / (len(labels) - len(counts))
    return within, np.cov(means.T), means, counts


def _shrunk(covariance: np.ndarray, share: float) -> np.ndarray:
    """Mixed with a share of the identity of the same trace."""
    dim = len(covariance)
    return (1 - share) * covariance + share * np.trace(covariance) / dim * np.eye(dim)


def _classes(labels: Labels) -> int:
    return int(labels.max()) + 1
