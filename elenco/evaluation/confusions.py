"""Who is recognised worst, and which two people are taken for one another."""

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np

from elenco.evaluation.open_set import is_unknown, outcomes
from elenco.evaluation.trial import Trial
from elenco.recognition.dataset import Dataset
from elenco.recognition.search import Search

MOST_LISTED = 12
# A share of one photograph is no share.
LEAST_PHOTOGRAPHS = 2


@dataclass(frozen=True)
class PersonFigures:
    """How a person's photographs are answered; the three counts add up to `photographs`.

    Attributes:
        person_id: whose.
        name: theirs.
        photographs: that were asked about.
        named_right: count.
        called_unknown: count.
        named_wrong: count.
        gallery_photographs: how many the gallery has of them.
        face: `person_id/key` of a photograph that is not named right.
        gallery_face: of the best of theirs in the gallery.
    """

    person_id: str
    name: str
    photographs: int
    named_right: int
    called_unknown: int
    named_wrong: int
    gallery_photographs: int
    face: str
    gallery_face: str


@dataclass(frozen=True)
class Pair:
    """Two people, one of whom is taken for the other, in either direction.

    Attributes:
        person_id: whose photograph `face` is.
        name: theirs.
        other_id: as whom it is taken.
        other_name: theirs.
        named_wrong: photographs of the one that are named the other.
        best_but_unknown: photographs of the one of whom the other is the best candidate, though
            too unlike for a name.
        strangers_named: photographs of the one that are named the other where the one is a
            stranger.
        face: `person_id/key` of the likest photograph.
        other_face: of the best of the other in the gallery.
    """

    person_id: str
    name: str
    other_id: str
    other_name: str
    named_wrong: int
    best_but_unknown: int
    strangers_named: int
    face: str
    other_face: str


@dataclass(frozen=True)
class Confusions:
    """Lists, the worst first.

    Attributes:
        worst: people with the lowest share named right, if it is below 1.
        most_unknown: people most often called unknown.
        people: how many people were looked at for these two: those with two photographs or more.
        pairs: the most confused pairs.
        pairs_in_all: how many pairs were confused at all.
    """

    worst: list[PersonFigures]
    most_unknown: list[PersonFigures]
    people: int
    pairs: list[Pair]
    pairs_in_all: int


def confusions(trial: Trial, known: Search, strangers: Search) -> Confusions:
    """List them.

    Args:
        trial: what was asked.
        known: the answers to `trial.probes`.
        strangers: the answers to `trial.strangers`.
    """
    best = _best_faces(trial.made_from)
    everybody = _people(trial, known, best)
    pairs = _pairs(trial, known, strangers, best)

    def share(count: int, person: PersonFigures) -> float:
        return count / person.photographs

    worst = sorted(
        (p for p in everybody if p.named_right < p.photographs),
        key=lambda p: (share(p.named_right, p), -p.photographs, p.person_id),
    )
    unknown = sorted(
        (p for p in everybody if p.called_unknown),
        key=lambda p: (-share(p.called_unknown, p), -p.called_unknown, p.person_id),
    )
    return Confusions(
        worst[:MOST_LISTED], unknown[:MOST_LISTED], len(everybody), pairs[:MOST_LISTED], len(pairs)
    )


def _people(trial: Trial, known: Search, best: dict[str, str]) -> list[PersonFigures]:
    found = outcomes(known, trial.truth, trial.gallery.threshold)
    classes, photographs = len(trial.gallery.people), trial.probes.photographs()
    counts = [np.bincount(trial.truth[column], minlength=classes) for column in found.T]
    totals = np.bincount(trial.truth, minlength=classes)
    # Of each person the photograph of the lowest score among those that are not named right.
    missed = np.flatnonzero(~found[:, 1])
    missed = missed[np.argsort(-known.scores[missed, 0], kind="stable")]
    faces = {int(trial.truth[row]): photographs[row] for row in missed.tolist()}
    figures = []
    for index in np.flatnonzero(totals >= LEAST_PHOTOGRAPHS).tolist():
        person = trial.gallery.people[index]
        _, right, unknown, wrong = (int(count[index]) for count in counts)
        figures.append(
            PersonFigures(
                person_id=person.id,
                name=person.name,
                photographs=int(totals[index]),
                named_right=right,
                called_unknown=unknown,
                named_wrong=wrong,
                gallery_photographs=int(trial.gallery.counts[index]),
                face=faces.get(index, ""),
                gallery_face=best.get(person.id, ""),
            )
        )
    return figures


def _pairs(trial: Trial, known: Search, strangers: Search, best: dict[str, str]) -> list[Pair]:
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    likest: dict[tuple[str, str], tuple[float, str, str, str, str, str]] = {}
    people, threshold = trial.gallery.people, trial.gallery.threshold

    def count(data: Dataset, answers: Search, rows: np.ndarray, as_strangers: bool) -> None:
        unknown, photographs = is_unknown(answers, threshold), data.photographs()
        for row in rows.tolist():
            person, name = str(data.person_ids[row]), str(data.names[row])
            other = people[int(answers.candidates[row, 0])]
            pair = (min(person, other.id), max(person, other.id))
            kind = "strangers_named" if as_strangers else "named_wrong"
            counts[pair]["best_but_unknown" if unknown[row] else kind] += 1
            score = float(answers.scores[row, 0])
            found = (score, photographs[row], person, name, other.id, other.name)
            likest[pair] = max(likest.get(pair, found), found)

    wrong = np.flatnonzero(known.candidates[:, 0] != trial.truth)
    named = np.flatnonzero(~is_unknown(strangers, threshold))
    count(trial.probes, known, wrong, as_strangers=False)
    count(trial.strangers, strangers, named, as_strangers=True)
    pairs: list[tuple[float, Pair]] = []
    for pair, counted in counts.items():
        score, face, person, name, other, other_name = likest[pair]
        made = Pair(
            person_id=person,
            name=name,
            other_id=other,
            other_name=other_name,
            named_wrong=counted["named_wrong"],
            best_but_unknown=counted["best_but_unknown"],
            strangers_named=counted["strangers_named"],
            face=face,
            other_face=best.get(other, ""),
        )
        pairs.append((score, made))

    def order(scored: tuple[float, Pair]) -> tuple[int, int, int, float, str, str]:
        score, p = scored
        counts = -p.named_wrong, -p.strangers_named, -p.best_but_unknown
        return *counts, -score, p.person_id, p.other_id

    return [pair for _, pair in sorted(pairs, key=order)]


def _best_faces(data: Dataset) -> dict[str, str]:
    """Person id -> the photograph of theirs of the highest quality."""
    photographs, order = data.photographs(), np.argsort(data.quality, kind="stable")
    return {str(data.person_ids[row]): photographs[row] for row in order.tolist()}
