"""What a recogniser says of faces, as arrays: the one form that all measuring takes."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

MOST_CANDIDATES = 5


@dataclass(frozen=True)
class Search:
    """Faces searched for in a gallery, a row a face.

    Attributes:
        candidates: (n, k) indices into the gallery's people, best first; k is MOST_CANDIDATES, or
            the number of people where that is smaller.
        scores: (n, k) how surely each candidate is the person; the higher, the surer. Comparable
            between faces: a threshold on it decides who is unknown.
        probabilities: (n, k) of each candidate.
        unknown: (n,) probability of being nobody in the gallery.
    """

    candidates: Int64[np.ndarray, "n k"]
    scores: Float32[np.ndarray, "n k"]
    probabilities: Float32[np.ndarray, "n k"]
    unknown: Float32[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.candidates)

    def only(self, rows: np.ndarray) -> "Search":
        """Some of the faces, by index or mask."""
        return Search(
            self.candidates[rows], self.scores[rows], self.probabilities[rows], self.unknown[rows]
        )
