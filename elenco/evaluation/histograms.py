"""How the scores of known faces and of strangers are spread."""

from dataclasses import dataclass

import numpy as np

from elenco.evaluation.open_set import Truth
from elenco.recognition.search import Search

BINS = 40


@dataclass(frozen=True)
class Histograms:
    """Counts of best scores in bins of one width.

    Attributes:
        edges: BINS + 1 of them.
        right: known faces whose best candidate is the right one.
        wrong: known faces whose best candidate is another.
        strangers: faces of strangers.
    """

    edges: list[float]
    right: list[int]
    wrong: list[int]
    strangers: list[int]


def histograms(known: Search, truth: Truth, strangers: Search) -> Histograms:
    """Count; at least one face is known or a stranger."""
    right = known.candidates[:, 0] == truth
    parts = (known.scores[right, 0], known.scores[~right, 0], strangers.scores[:, 0])
    edges = np.histogram_bin_edges(np.concatenate(parts).astype(np.float64), BINS)
    counts = [np.histogram(part, edges)[0].tolist() for part in parts]
    return Histograms([round(edge, 6) for edge in edges.tolist()], *counts)
