"""What has been found so far: one reason a photograph, the first one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt64

Rows = Int64[np.ndarray, " _"]
Mask = Bool[np.ndarray, " n"]
Reason = Literal["wrong_person", "looks_like_another", "near_duplicate", "unusable", "operator"]
REASONS: tuple[Reason, ...] = get_args(Reason)
NONE = -1


@dataclass(frozen=True)
class Faces:
    """A data set; a row a photograph, by person and key.

    Attributes:
        vectors: (n, d) f32, unit length.
        labels: (n,) whose: 0..c-1.
        quality: (n,) 0..1.
        phashes: (n,) u64, see `elenco.curation.hashes`.
        held_out: (n,) of the test split.
        kept: (n,) an operator says that it is right.
        dropped: (n,) an operator says that it is not.
    """

    vectors: Float32[np.ndarray, "n d"]
    labels: Int64[np.ndarray, " n"]
    quality: Float32[np.ndarray, " n"]
    phashes: UInt64[np.ndarray, " n"]
    held_out: Mask
    kept: Mask
    dropped: Mask

    def rank(self) -> Int64[np.ndarray, " n"]:
        """Which of equal photographs stays, the lowest: training first, then quality, then key."""
        order = np.lexsort((np.arange(len(self.labels)), -self.quality, self.held_out))
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        return rank


@dataclass
class Verdicts:
    """Reasons as they are found.

    Attributes:
        reason: (n,) index into REASONS; NONE for none.
        score: (n,) what was measured, see `elenco.curation.find.Found`.
        other: (n,) row or person that the reason is about; NONE for none.
        kept: (n,) photographs that stay whatever is found.
    """

    reason: Int64[np.ndarray, " n"]
    score: Float32[np.ndarray, " n"]
    other: Int64[np.ndarray, " n"]
    kept: Mask

    @staticmethod
    def none(kept: Mask) -> "Verdicts":
        """Nothing has been found."""
        rows = len(kept)
        none = np.full(rows, NONE, np.int64)
        return Verdicts(none, np.zeros(rows, np.float32), none.copy(), kept)

    def usable(self) -> Mask:
        """Which stay so far."""
        return (self.reason == NONE) | self.kept

    def give(
        self,
        reason: Reason,
        which: Mask,
        score: Float32[np.ndarray, " n"] | None = None,
        other: Int64[np.ndarray, " n"] | None = None,
    ) -> None:
        """Give a reason to those of `which` that have none yet."""
        new = which & (self.reason == NONE)
        self.reason[new] = REASONS.index(reason)
        if score is not None:
            self.score[new] = score[new]
        if other is not None:
            self.other[new] = other[new]

    def give_duplicates(self, gone: Mapping[int, tuple[int, float]]) -> None:
        """Row -> the row that stays in its place, and how far apart they are."""
        for row, (stays, apart) in gone.items():
            if self.reason[row] == NONE:
                self.reason[row] = REASONS.index("near_duplicate")
                self.other[row], self.score[row] = stays, apart
