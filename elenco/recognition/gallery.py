"""The recogniser: everybody's vector, how faces are compared with it, and when nobody is named.

A face x is compared with person c by

    score = cos(x A, w_c) - o_c

with the projection A, c's vector w_c (the unit-length mean of their projected photographs) and c's
offset o_c (a part of how much others resemble c), both of `elenco.recognition.scoring`. The
probabilities are a softmax of `scale` times the scores; `unknown` has the constant score
`threshold` and is the most probable answer exactly where no score reaches it.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32, Int64

from elenco.recognition.dataset import ClassVectors, Vectors
from elenco.recognition.scoring import Cohort, Projection, highest, parts, projected
from elenco.recognition.search import MOST_CANDIDATES, Search
from elenco.types import EmbeddingSpace, Person

NEVER = np.float32(-2)  # below every score


@dataclass(frozen=True)
class Gallery:
    """Everybody who can be named. Frozen; thread-safe.

    Attributes:
        space: of the vectors that it takes.
        people: in the order of rows and outputs.
        counts: (c,) photographs that each person's vector is made of.
        means: (c, d) unit-length mean of each person's embeddings, not projected.
        projection: (d, d).
        vectors: (c, d) unit length, projected.
        cohort: who resembles each person.
        cohort_weight: the part of a cohort's mean score that is taken from a person's scores.
        threshold: the score from which on a face gets a name.
        scale: inverse temperature of the softmax.
        false_positive_rate: share of strangers that the threshold was set for, 0..1.
    """

    space: EmbeddingSpace
    people: tuple[Person, ...]
    counts: Int64[np.ndarray, " c"]
    means: ClassVectors
    projection: Projection
    vectors: ClassVectors
    cohort: Cohort
    cohort_weight: float
    threshold: float
    scale: float
    false_positive_rate: float

    @cached_property
    def offsets(self) -> Float32[np.ndarray, " c"]:
        """What is taken from each person's cosine."""
        return (self.cohort_weight * self.cohort.shifts()).astype(np.float32)

    def scores(
        self, vectors: Vectors, leave_out: Int64[np.ndarray, " n"] | None = None
    ) -> Float32[np.ndarray, "n c"]:
        """Score faces against everybody: give it as many rows as there is memory for.

        Args:
            vectors: (n, d) unit length.
            leave_out: for each face who is not in the gallery, -1 for nobody; their score is
                NEVER, and they are in nobody's cohort.
        """
        scores = projected(vectors, self.projection) @ self.vectors.T - self.offsets
        if leave_out is not None:
            rows = np.flatnonzero(leave_out >= 0)
            self._leave_out(scores, rows, leave_out[rows])
        return scores

    def search(self, vectors: Vectors, leave_out: Int64[np.ndarray, " n"] | None = None) -> Search:
        """Search for faces; as `scores`, for any number of them."""
        found = [
            self._search(vectors[part], None if leave_out is None else leave_out[part])
            for part in parts(len(vectors), len(self.people))
        ] or [self._search(vectors, None)]
        return Search(
            np.concatenate([part.candidates for part in found]),
            np.concatenate([part.scores for part in found]),
            np.concatenate([part.probabilities for part in found]),
            np.concatenate([part.unknown for part in found]),
        )

    def probabilities(self, vectors: Vectors) -> Float32[np.ndarray, "n c1"]:
        """Probability of everybody, and of being unknown in the last column; rows sum to 1.

        What the Keras and TF.js forms answer. Give it as many rows as there is memory for.
        """
        return self._softmax(self.scores(vectors))

    def _search(self, vectors: Vectors, leave_out: Int64[np.ndarray, " n"] | None) -> Search:
        scores = self.scores(vectors, leave_out)
        best = highest(scores, MOST_CANDIDATES)
        own = np.take_along_axis(scores, best, 1)
        probabilities = self._softmax(scores)
        chosen = np.take_along_axis(probabilities, best, 1)
        return Search(best, own, chosen, probabilities[:, -1])

    def _softmax(self, scores: Float32[np.ndarray, "n c"]) -> Float32[np.ndarray, "n c1"]:
        unknown = np.full((len(scores), 1), self.threshold, np.float32)
        logits = np.concatenate([scores, unknown], axis=1)
        # Before they are scaled: rounding then makes no two of them equal that were not.
        logits -= logits.max(axis=1, keepdims=True)
        logits *= np.float32(self.scale)
        np.exp(logits, out=logits)
        return logits / logits.sum(axis=1, keepdims=True)

    @cached_property
    def _pairs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """In whose cohorts each person is, sorted by person: person, class, change of the score."""
        people, scores = self.cohort.people, self.cohort.without()
        change = self.offsets[:, None] - self.cohort_weight * scores
        classes = np.repeat(np.arange(len(people)), people.shape[1])
        order = np.argsort(people.ravel(), kind="stable")
        return people.ravel()[order], classes[order], change.ravel()[order].astype(np.float32)

    def _leave_out(self, scores: np.ndarray, rows: np.ndarray, people: np.ndarray) -> None:
        owners, classes, change = self._pairs
        first = np.searchsorted(owners, people, side="left")
        counts = np.searchsorted(owners, people, side="right") - first
        where = np.repeat(rows, counts)
        start = np.repeat(np.cumsum(counts) - counts, counts)
        pairs = np.repeat(first, counts) + np.arange(counts.sum()) - start
        scores[where, classes[pairs]] += change[pairs]
        scores[rows, people] = NEVER
