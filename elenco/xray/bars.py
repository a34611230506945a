"""From which score on a track is named: for those who may be in the film, and what tracks say.

A gallery's threshold is for one photograph against everybody in it. Where a cast is given, fewer
people can be mistaken for a stranger, so that the same share of strangers is named at a lower
score; where vectors of many tracks are pooled, strangers resemble people more surely too, so that
it is at a higher one. Both are told by the gallery alone: each person in it plays a stranger with
the mean of their photographs, a pooled vector like those of tracks (docs/decisions/0018).
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Float32, Int64, Shaped

from elenco.fingerprint import unit_interval
from elenco.recognition.gallery import NEVER, Gallery
from elenco.recognition.scoring import parts

# Share of pairs of people whose means are more alike than tracks of one unknown person must be.
STRANGER_PAIRS = 0.02
MOST_PAIRED = 2000  # people whose pairs are looked at
_LEAST_SPREAD = 1e-4  # of scores: all strangers alike say nothing

Candidates = Int64[np.ndarray, " k"]


@dataclass(frozen=True)
class Bars:
    """Scores to reach.

    Attributes:
        single: by a track alone.
        pooled: by the vector that very many tracks make together.
    """

    single: float
    pooled: float

    def at(self, shots: Shaped[np.ndarray, " n"]) -> Float32[np.ndarray, " n"]:
        """The score to reach by what tracks of so many shots say together, 1 or more."""
        return (self.pooled + (self.single - self.pooled) / shots).astype(np.float32)


def bars_of(gallery: Gallery, candidates: Candidates) -> Bars:
    """The scores to reach where only some people may be named.

    The gallery's threshold is exceeded by a share of its people in the role of strangers; `single`
    is exceeded by the same share against the candidates. `pooled` is exceeded by the share of
    strangers that the gallery's threshold was set for.

    Args:
        gallery: of two people or more.
        candidates: indices of those who may be named, one or more.
    """
    all_of_it = highest_of_strangers(gallery, np.arange(len(gallery.people)))
    few = len(candidates) < len(gallery.people)
    some = highest_of_strangers(gallery, candidates) if few else all_of_it
    whole, part = _normal(all_of_it), _normal(some)
    # Beyond either end of what so few people can tell, the score itself stays as it is.
    share = min(max(1 - whole.cdf(gallery.threshold), 1e-6), 1 - 1e-6)
    single = part.inv_cdf(1 - share) if few else gallery.threshold
    # Candidates are never harder to be mistaken for than all people.
    single = min(single, gallery.threshold)
    pooled = part.inv_cdf(1 - gallery.false_positive_rate)
    return Bars(float(single), float(max(single, pooled)))


def highest_of_strangers(gallery: Gallery, candidates: Candidates) -> Float32[np.ndarray, " n"]:
    """The highest score with a candidate of each person's mean, were they not in the gallery.

    Who is the only candidate has none.
    """
    highest: list[np.ndarray] = []
    for part in parts(len(gallery.people), len(gallery.people)):
        who = np.arange(len(gallery.people))[part]
        scores = gallery.scores(gallery.means[part], leave_out=who)
        highest.append(scores[:, candidates].max(axis=1))
    found = np.concatenate(highest)
    return found[found > NEVER / 2]


def same_stranger(gallery: Gallery) -> float:
    """Cosine of projected vectors from which on two tracks pass for one unknown person's."""
    people = np.arange(len(gallery.people))
    if len(people) > MOST_PAIRED:
        order = np.argsort([unit_interval(f"pairs {person.id}") for person in gallery.people])
        people = np.sort(order[:MOST_PAIRED])
    vectors = gallery.vectors[people]
    cosines = (vectors @ vectors.T)[np.triu_indices(len(people), 1)]
    return float(np.quantile(cosines, 1 - STRANGER_PAIRS))


def _normal(scores: Float32[np.ndarray, " n"]) -> NormalDist:
    """By median and 90th percentile: of the highest, some are one person under two names."""
    middle, tenth = (float(np.quantile(scores, share)) for share in (0.5, 0.9))
    deviation = (tenth - middle) / NormalDist().inv_cdf(0.9)
    return NormalDist(middle, max(deviation, _LEAST_SPREAD))
