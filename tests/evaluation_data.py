"""Embeddings of people who do not exist, and a recogniser simple enough to be checked by hand."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from elenco.recognition.dataset import Dataset, class_means
from elenco.recognition.search import MOST_CANDIDATES, Search
from elenco.types import EmbeddingSpace, Person
from elenco.vectors import unit

DIM = 16
SPACE = EmbeddingSpace("hash", "ab" * 32, DIM, "none")


def photographs(
    counts: list[int], seed: int = 0, spread: float = 0.1, prefix: str = "p"
) -> Dataset:
    """So many photographs of each person, about a direction of their own."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    people = np.array([f"{prefix}{n:04d}" for n in range(len(counts))], dtype=str)
    centres = unit(rng.normal(size=(len(counts), DIM)).astype(np.float32))
    noise = rng.normal(size=(len(labels), DIM)).astype(np.float32)
    n = len(labels)
    return Dataset(
        vectors=unit(centres[labels] + np.float32(spread) * noise),
        labels=labels.astype(np.int64),
        person_ids=people[labels],
        names=np.char.add("Name of ", people)[labels],
        keys=np.array([f"k{row:05d}" for row in range(n)]),
        people=people,
        quality=np.linspace(0, 1, n, dtype=np.float32),
        sizes=np.linspace(10, 100, n, dtype=np.float32),
        sharpness=np.ones(n, np.float32),
        yaws=np.linspace(-50, 50, n, dtype=np.float32),
        space=SPACE,
    )


@dataclass(frozen=True)
class NearestMean:
    """Whoever's mean is nearest, by cosine."""

    people: tuple[Person, ...]
    means: np.ndarray
    counts: np.ndarray
    threshold: float = 0.7
    space: EmbeddingSpace = SPACE
    false_positive_rate: float = 0.01
    scale: float = 20.0

    @staticmethod
    def fit(data: Dataset, settings=None) -> "NearestMean":
        people, first, labels = np.unique(data.person_ids, return_index=True, return_inverse=True)
        named = zip(people.tolist(), data.names[first].tolist(), strict=True)
        return NearestMean(
            tuple(Person(*one) for one in named),
            class_means(data.vectors, labels, len(people)),
            np.bincount(labels),
        )

    def search(self, vectors, leave_out=None) -> Search:
        scores = vectors @ self.means.T
        if leave_out is not None:
            rows = np.flatnonzero(leave_out >= 0)
            scores[rows, leave_out[rows]] = -2
        kept = min(MOST_CANDIDATES, len(self.people))
        best = np.argsort(-scores, axis=1, kind="stable")[:, :kept]
        own = np.take_along_axis(scores, best, 1)
        logits = self.scale * np.hstack([scores, np.full((len(scores), 1), self.threshold)])
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        odds = (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)
        return Search(best, own, np.take_along_axis(odds, best, 1), odds[:, -1])

    @cached_property
    def ids(self) -> list[str]:
        return [person.id for person in self.people]


def answers(best, scores, probabilities=None, unknown=None) -> Search:
    """A search whose rows have one candidate each."""
    column = np.array(scores, np.float32)[:, None]
    sure = column * 0 + 1 if probabilities is None else np.array(probabilities, np.float32)[:, None]
    rest = 1 - sure[:, 0] if unknown is None else np.array(unknown, np.float32)
    return Search(np.array(best, np.int64)[:, None], column, sure, rest)
