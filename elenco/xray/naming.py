"""Tracks to people: grouped over the film, named by what a group's tracks say together.

A track alone is named no sooner than a photograph; tracks that are alike are of one person, and
their pooled vector says more than any of them. Who is in nobody's group is judged alone. A name
that two tracks want at the same moment goes to the better claim.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from elenco.recognition.gallery import Gallery
from elenco.recognition.scoring import parts, projected
from elenco.xray.assignment import assign
from elenco.xray.bars import Bars, bars_of, same_stranger
from elenco.xray.clusters import cluster
from elenco.xray.evidence import pool
from elenco.xray.segments import FaceTrack

MOST_CANDIDATES = 3  # that are told of each track


@dataclass(frozen=True)
class Named:
    """Who a track is of.

    Attributes:
        person: index into the gallery's people; None for unknown.
        group: the tracks of one group are of one person, named or not.
        confidence: probability of that person, or of being unknown.
        candidates: index and probability of the most probable people, best first.
    """

    person: int | None
    group: int
    confidence: float
    candidates: tuple[tuple[int, float], ...]


def name_tracks(
    tracks: Sequence[FaceTrack],
    shots: Int64[np.ndarray, " n"],
    gallery: Gallery,
    candidates: Int64[np.ndarray, " k"],
    denied: Collection[int],
) -> tuple[list[Named], Bars]:
    """Name all tracks of a film.

    Args:
        tracks: of the whole film.
        shots: the shot of each.
        gallery: who is known.
        candidates: indices of those who may be named, one or more.
        denied: indices of those who may not, and who are told from the others all the same: whom
            they resemble most is unknown.

    Returns:
        Who each track is of, in order, and the scores that were asked for.
    """
    bars = bars_of(gallery, candidates)
    if not tracks:
        return [], bars
    vectors = np.stack([pool(track.vectors, track.quality) for track in tracks])
    weights = np.array([track.quality.mean() for track in tracks], np.float32)
    spans = np.array([(track.start, track.end) for track in tracks], np.float64)
    alike = same_stranger(gallery)
    groups = cluster(projected(vectors, gallery.projection), weights, spans, alike)
    count = int(groups.max()) + 1
    members = [np.flatnonzero(groups == group) for group in range(count)]
    pooled = np.stack([pool(vectors[own], weights[own]) for own in members])
    several = np.array([len(np.unique(shots[own])) for own in members])
    # By parts: a gallery may be of ten thousand people.
    logits = np.concatenate(
        [
            _log_odds(gallery, pooled[part], bars.at(several[part]), candidates, denied)
            for part in parts(count, len(gallery.people))
        ]
    )
    wishes = [
        {int(candidates[i]): float(row[i]) for i in np.flatnonzero(row > 0).tolist()}
        for row in logits
    ]
    given = assign([wishes[group] for group in groups.tolist()], spans)
    return [
        _named(person, int(group), logits[group], candidates, wishes[group])
        for person, group in zip(given, groups.tolist(), strict=True)
    ], bars


def _log_odds(
    gallery: Gallery,
    vectors: Float32[np.ndarray, "g d"],
    bars: Float32[np.ndarray, " g"],
    candidates: Int64[np.ndarray, " k"],
    denied: Collection[int],
) -> Float32[np.ndarray, "g k"]:
    """Of each candidate against being unknown; of somebody denied counts as unknown."""
    scores = gallery.scores(vectors)
    unknown = bars
    if denied:
        unknown = np.maximum(bars, scores[:, sorted(denied)].max(axis=1))
    return (gallery.scale * (scores[:, candidates] - unknown[:, None])).astype(np.float32)


def _named(
    person: int | None,
    group: int,
    logits: Float32[np.ndarray, " k"],
    candidates: Int64[np.ndarray, " k"],
    wishes: dict[int, float],
) -> Named:
    best = np.argsort(-logits, kind="stable")[:MOST_CANDIDATES]
    probabilities = _softmax(logits)
    told = tuple((int(candidates[i]), float(probabilities[i])) for i in best.tolist())
    if person is not None:
        # Whoever is better for the group and was given elsewhere is ruled out here.
        possible = np.array(
            [int(c) == person or wishes.get(int(c), 0.0) <= wishes[person] for c in candidates]
        )
        place = int(np.flatnonzero(candidates == person)[0])
        return Named(person, group, float(_softmax(logits, possible)[place]), told)
    return Named(None, group, float(1 - _softmax(logits, logits <= 0).sum()), told)


def _softmax(
    logits: Float32[np.ndarray, " k"], possible: Bool[np.ndarray, " k"] | None = None
) -> Float64[np.ndarray, " k"]:
    """Probabilities beside `unknown`, whose logit is 0; of none that is not possible."""
    values = logits.astype(np.float64)
    if possible is not None:
        values = np.where(possible, values, -np.inf)
    top = max(0.0, float(values.max()))
    odds = np.exp(values - top)
    return odds / (odds.sum() + np.exp(-top))
