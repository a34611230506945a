"""What was found, put into words that an operator reads."""

from collections.abc import Iterable, Mapping

import numpy as np

from elenco.curation.decisions import Decision
from elenco.curation.find import Found
from elenco.curation.hashes import BITS, differing_bits
from elenco.curation.quarantine import Alike, Entry, Quarantine, Someone
from elenco.curation.rows import DatasetRows
from elenco.curation.verdicts import NONE, REASONS, Faces
from elenco.report.quarantine import Likeness
from elenco.settings import Curation
from elenco.vectors import unit

LIKENESSES = 4  # photographs of a person to compare with


def written_down(
    inputs: str,
    rows: DatasetRows,
    faces: Faces,
    found: Found,
    decisions: Mapping[str, Decision],
    settings: Curation,
) -> Quarantine:
    """What was found as `quarantine.json` holds it, everything by id."""

    def entries(which: np.ndarray) -> list[Entry]:
        made = [
            _entry(row, rows, found, decisions, settings) for row in np.flatnonzero(which).tolist()
        ]
        return sorted(made, key=lambda entry: entry.id)

    def people(labels: Iterable[int]) -> list[Someone]:
        counts = np.bincount(rows.labels, minlength=len(rows.people)).tolist()
        return [Someone(rows.people[n], rows.names[n], counts[n]) for n in labels]

    kept = np.flatnonzero(faces.kept & (found.reason != NONE)).tolist()
    return Quarantine(
        inputs,
        entries(found.quarantined),
        entries(found.spared),
        sorted(rows.id(row) for row in kept),
        [_alike(pair.one, pair.other, rows, found) for pair in found.twins],
        people(found.undecided),
        people(found.without),
    )


def likenesses(rows: DatasetRows, faces: Faces, found: Found) -> dict[str, Likeness]:
    """By person id, photographs to compare with, of those that the page is about.

    The best of what stays and shows the person; of people whose photographs disagree, any.
    """
    about = set(rows.labels[found.quarantined | found.spared].tolist())
    looks = found.reason == REASONS.index("looks_like_another")
    about |= set(found.other[looks].tolist()) | {*found.undecided, *found.without}
    about |= {label for pair in found.twins for label in (pair.one, pair.other)}
    candidates = np.flatnonzero(~found.quarantined & ~found.spared)
    candidates = candidates[np.isin(rows.labels[candidates], sorted(about))]
    best = {rows.people[label]: Likeness(rows.names[label]) for label in sorted(about)}
    for row in candidates[np.argsort(-faces.quality[candidates], kind="stable")].tolist():
        own = best[rows.person(row)].photographs
        if len(own) < LIKENESSES:
            own.append(rows.id(row))
    return best


def _entry(
    row: int,
    rows: DatasetRows,
    found: Found,
    decisions: Mapping[str, Decision],
    settings: Curation,
) -> Entry:
    reason = REASONS[found.reason[row]]
    photograph, other = rows.id(row), int(found.other[row])
    detail, about = "", ""
    if reason == "wrong_person":
        detail = _fits(row, found)
    elif reason == "looks_like_another":
        detail = f"like another person; {_fits(row, found)}"
        about = rows.people[other]
    elif reason == "near_duplicate":
        bits = int(differing_bits(rows.phashes[row : row + 1], rows.phashes[other : other + 1])[0])
        cosine = float(rows.vectors[row] @ rows.vectors[other])
        detail = f"{bits} of {BITS} bits differ, cosine {cosine:.4f}"
        about = rows.id(other)
    elif reason == "unusable":
        detail = f"quality {found.score[row]:.2f}, less than {settings.min_quality:g}"
    else:
        detail = decisions[photograph].why
    return Entry(
        photograph,
        rows.person(row),
        rows.names[rows.labels[row]],
        rows.keys[row],
        rows.split(row),
        reason,
        detail,
        round(float(found.score[row]), 4),
        about,
    )


def _fits(row: int, found: Found) -> str:
    number, odds = int(found.compared[row]), float(found.fits[row])
    if not number:
        return "the person has no other photograph that is sure"
    others = "the person's other one" if number == 1 else f"{number} others of the person"
    return f"log-odds {odds:.1f}, by {others}"


def _alike(one: int, other: int, rows: DatasetRows, found: Found) -> Alike:
    """Two people, compared by the mean directions of what stays of theirs."""
    own = [np.flatnonzero((rows.labels == n) & ~found.quarantined) for n in (one, other)]
    means = [unit(rows.vectors[mine].mean(axis=0)) for mine in own]
    return Alike(
        rows.people[one],
        rows.people[other],
        rows.names[one],
        rows.names[other],
        round(float(means[0] @ means[1]), 4),
        len(own[0]) + len(own[1]),
    )
