"""From scores to log-odds, by what the data set itself shows of people and of pairs of people."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64

Scores = Float32[np.ndarray, "*batch p"]
Counts = Int64[np.ndarray, " p"]

_STEPS = 100
_RIDGE = 1e-4  # keeps the fit finite where no score overlaps


@dataclass(frozen=True)
class Calibration:
    """A line from scores to log-odds, at even odds.

    Attributes:
        slope: 0 or more; 0 where scores say nothing.
        offset: in natural log-odds.
        few: added for each set, divided by how many photographs it has.
    """

    slope: float
    offset: float
    few: float

    def log_odds(self, scores: Scores, counts: Counts) -> Scores:
        """Natural log-odds that a photograph is of a set's person; 0 for a set of none.

        Args:
            scores: as `TwoCovariance.log_ratios` gives them.
            counts: how many photographs each set has.
        """
        line = self.slope * scores + (self.offset + self.few / np.maximum(counts, 1))
        return np.where(counts > 0, line, 0).astype(np.float32)


def calibrate(
    scores: Float32[np.ndarray, " m"],
    counts: Int64[np.ndarray, " m"],
    same: Bool[np.ndarray, " m"],
) -> Calibration:
    """Fit the line by logistic regression, both kinds weighing the same.

    Platt 1999, "Probabilistic Outputs for Support Vector Machines", with its targets that are not
    quite 0 and 1.

    Args:
        scores: of photographs and sets of photographs.
        counts: how many photographs each set has, 1 or more.
        same: which are of one person; some of either kind.
    """
    few = 1 / counts
    design = np.stack([scores, np.ones(len(scores)), few], axis=1).astype(np.float64)
    scale = np.maximum(np.abs(design).mean(axis=0), 1e-12)
    design /= scale
    right, wrong = int(same.sum()), int((~same).sum())
    target = np.where(same, (right + 1) / (right + 2), 1 / (wrong + 2))
    weight = np.where(same, 0.5 / right, 0.5 / wrong)
    found = np.zeros(3)
    for _ in range(_STEPS):
        said = _logistic(design @ found)
        slope = design.T @ (weight * (said - target)) + _RIDGE * found / len(scores)
        curve = (design * (weight * said * (1 - said))[:, None]).T @ design
        step = np.linalg.solve(curve + (_RIDGE / len(scores) + 1e-12) * np.eye(3), slope)
        found = found - step * min(1.0, 5 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-7:
            break
    slope_, offset, of_few = (float(value) for value in found / scale)
    return Calibration(slope_, offset, of_few) if slope_ > 0 else Calibration(0.0, 0.0, 0.0)


def _logistic(values: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * values))
