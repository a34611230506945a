"""What of a data set is wrong, double or unusable: arrays in, reasons out; no files.

In this order: what an operator drops, what is unusable, what is there twice, who is somebody
else. What was found before is no evidence for what comes after.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64

from elenco.curation.comparison import Judged, Photographs
from elenco.curation.duplicates import (
    Pictures,
    Twice,
    across_people,
    leaders,
    typical_distance,
    within_people,
)
from elenco.curation.outliers import judge
from elenco.curation.spare import spare, without_training
from elenco.curation.twins import Twins, find_twins
from elenco.curation.verdicts import NONE, Faces, Mask, Verdicts
from elenco.settings import Curation

NO_PAIRS = Twice(np.zeros((0, 2), np.int64), np.zeros(0, np.float32))


@dataclass(frozen=True)
class Found:
    """What there is to say of each photograph.

    Attributes:
        reason: (n,) index into REASONS; NONE for none.
        quarantined: (n,) to be left out: there is a reason, no operator keeps it, and it is not
            spared.
        spared: (n,) there is a reason, but without it the person would have no photograph to
            train on.
        score: (n,) of one who is somebody else the probability of that; of a duplicate how far
            apart it is, 0..1; of an unusable one its quality; else 0.
        other: (n,) of a duplicate the row that stays; of one who looks like another that person;
            else NONE.
        fits: (n,) natural log-odds of being of the person, by the person's other photographs.
        compared: (n,) how many others those are.
        undecided: people whose photographs disagree, as many as agree.
        without: people who have photographs, and none left to train on.
        twins: pairs of people who may be one, the most similar first.
    """

    reason: Int64[np.ndarray, " n"]
    quarantined: Bool[np.ndarray, " n"]
    spared: Bool[np.ndarray, " n"]
    score: Float32[np.ndarray, " n"]
    other: Int64[np.ndarray, " n"]
    fits: Float32[np.ndarray, " n"]
    compared: Int64[np.ndarray, " n"]
    undecided: list[int]
    without: list[int]
    twins: list[Twins]


def find(faces: Faces, people: int, settings: Curation) -> Found:
    """Find what is to be left out.

    Args:
        faces: of both splits.
        people: how many; some may have no photograph.
        settings: where not `enabled`, only what an operator drops is found.
    """
    verdicts = Verdicts.none(faces.kept)
    verdicts.give("operator", faces.dropped)
    if not settings.enabled:
        nothing = np.zeros(len(faces.labels), np.float32)
        return _found(faces, verdicts, nothing, np.zeros(len(nothing), np.int64), [], [])
    verdicts.give("unusable", faces.quality < settings.min_quality, faces.quality)
    rank = faces.rank()
    shared = _duplicates(faces, verdicts, rank, settings.duplicate_bits)
    photographs = Photographs(
        faces.vectors,
        faces.labels,
        faces.quality,
        verdicts.usable(),
        faces.kept,
        np.isin(np.arange(len(rank)), shared.pairs),
    )
    judged = judge(photographs, people, settings.certainty)
    wrong = photographs.usable & (judged.wrong >= settings.certainty)
    looks = judged.other != NONE
    verdicts.give("looks_like_another", wrong & looks, judged.wrong, judged.other)
    verdicts.give("wrong_person", wrong, judged.wrong)
    verdicts.give_duplicates(_lent(shared, verdicts, judged, faces.held_out, rank))
    twins = []
    if judged.model is not None:
        points = judged.model.project(faces.vectors)
        evidence = verdicts.usable() & ~photographs.shared & ~judged.undecided[faces.labels]
        twins = find_twins(judged.model, points, faces.labels, evidence, people)
    undecided = np.flatnonzero(judged.undecided).tolist()
    return _found(faces, verdicts, judged.fits, judged.compared, undecided, twins)


def _duplicates(
    faces: Faces, verdicts: Verdicts, rank: Int64[np.ndarray, " n"], bits: int
) -> Twice:
    """Find what is there twice of one person; what two people have is given back."""
    pictures = Pictures(faces.vectors, faces.labels, faces.phashes)
    order = _by_person(faces.labels, verdicts.usable())
    typical = typical_distance(pictures, order)
    # Where nobody has two photographs nobody has one twice, and none is held out.
    if typical is None or not bits:
        return NO_PAIRS
    verdicts.give_duplicates(leaders(within_people(pictures, order, typical, bits), rank))
    return across_people(pictures, _by_person(faces.labels, verdicts.usable()), typical, bits)


def _by_person(labels: Int64[np.ndarray, " n"], which: Mask) -> Int64[np.ndarray, " m"]:
    rows = np.flatnonzero(which)
    return rows[np.argsort(labels[rows], kind="stable")]


def _lent(
    shared: Twice,
    verdicts: Verdicts,
    judged: Judged,
    held_out: Mask,
    rank: Int64[np.ndarray, " n"],
) -> dict[int, tuple[int, float]]:
    """Of photographs that two people have, the one that fits its person less.

    Where both fit the two may be one person. Then only what is held out goes: it would be asked
    about a photograph that was trained on.
    """
    gone: dict[int, tuple[int, float]] = {}
    usable = verdicts.usable()
    for (one, other), apart in zip(shared.pairs.tolist(), shared.apart.tolist(), strict=True):
        if not (usable[one] and usable[other]) or one in gone or other in gone:
            continue
        fits = float(judged.fits[one]), float(judged.fits[other])
        if min(fits) > 0 and held_out[one] == held_out[other]:
            continue
        worse = (
            (rank[one] > rank[other])
            if min(fits) > 0 or fits[0] == fits[1]
            else (fits[0] < fits[1])
        )
        loses, stays = (one, other) if worse else (other, one)
        gone[loses] = stays, apart
    return gone


def _found(
    faces: Faces,
    verdicts: Verdicts,
    fits: Float32[np.ndarray, " n"],
    compared: Int64[np.ndarray, " n"],
    undecided: list[int],
    twins: list[Twins],
) -> Found:
    spared = spare(verdicts, faces)
    stays = verdicts.usable() | spared
    return Found(
        verdicts.reason,
        ~stays,
        spared,
        verdicts.score,
        verdicts.other,
        fits,
        compared,
        undecided,
        without_training(faces, stays),
        twins,
    )
