"""Nobody loses their last photograph to a rule: the best of them stays, and is reported."""

import numpy as np

from elenco.curation.verdicts import REASONS, Faces, Mask, Verdicts

# The likelier it shows the person, the sooner it stays.
_SOONEST = ("unusable", "near_duplicate", "looks_like_another", "wrong_person")
_SOMEBODY_ELSE = ("looks_like_another", "wrong_person")


def spare(verdicts: Verdicts, faces: Faces) -> Mask:
    """The photographs that stay though there is a reason against them.

    Of a person whose training photographs would all go, one stays: an unusable one before a double
    one before one that seems to show somebody else. The last of these does not stay where
    held-out photographs do: they say that it is not the person, who is then not in the gallery.
    What an operator drops never stays.

    Args:
        verdicts: what was found.
        faces: of what.

    Returns:
        (n,) at most one a person.
    """
    spared = np.zeros(len(faces.labels), bool)
    stays, training = verdicts.usable(), ~faces.held_out
    trained = np.unique(faces.labels[stays & training])
    candidates = training & ~stays & (verdicts.reason != REASONS.index("operator"))
    rows = np.flatnonzero(candidates & ~np.isin(faces.labels, trained))
    held_out = np.unique(faces.labels[stays])
    place = np.full(len(REASONS), len(_SOONEST))
    place[[REASONS.index(reason) for reason in _SOONEST]] = np.arange(len(_SOONEST))
    # Of the unusable the best; of the others the one that is least surely wrong.
    score = verdicts.score[rows]
    worst = np.where(verdicts.reason[rows] == REASONS.index("unusable"), -score, score)
    order = np.lexsort((rows, -faces.quality[rows], worst, place[verdicts.reason[rows]]))
    _, best = np.unique(faces.labels[rows][order], return_index=True)
    chosen = rows[order][best]
    somebody_else = np.isin(
        verdicts.reason[chosen], [REASONS.index(reason) for reason in _SOMEBODY_ELSE]
    )
    contradicted = somebody_else & np.isin(faces.labels[chosen], held_out)
    spared[chosen[~contradicted]] = True
    return spared


def without_training(faces: Faces, stays: Mask) -> list[int]:
    """People who have photographs, and none of them to train on."""
    trained = np.unique(faces.labels[stays & ~faces.held_out])
    return np.setdiff1d(faces.labels, trained).tolist()
