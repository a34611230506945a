"""What stands for each person while photographs are compared."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from elenco.curation.agreement import Mask
from elenco.curation.two_covariance import Points, sums_of

Labels = Int64[np.ndarray, " n"]
Counts = Int64[np.ndarray, " n"]


@dataclass(frozen=True)
class People:
    """What stands for each person: the sum of their photographs that agree, and how many."""

    sums: Float32[np.ndarray, "c k"]
    counts: Int64[np.ndarray, " c"]

    @staticmethod
    def of(points: Points, labels: Labels, counted: Mask, people: int) -> "People":
        """The sums of the counted rows."""
        counts = np.bincount(labels[counted], minlength=people).astype(np.int64)
        return People(sums_of(points, labels, counted, people), counts)

    def without(
        self, rows: Int64[np.ndarray, " m"], points: Points, labels: Labels, counted: Mask
    ) -> tuple[Float32[np.ndarray, "m k"], Int64[np.ndarray, " m"]]:
        """Sum and count of the person of some rows, the row itself left out."""
        own = counted[rows]
        sums = self.sums[labels[rows]] - points[rows] * own[:, None]
        return sums, self.counts[labels[rows]] - own
