"""How the figures change with the number of people in the gallery.

Real people first: those who are asked about, then others, who are there to be taken for them. For
these, half of the strangers are taken into the gallery. Where there are no more, people who do not
exist stand in (`elenco.evaluation.population`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Shaped

from elenco.evaluation.bootstrap import Estimate, Resampling
from elenco.evaluation.open_set import OpenSet, open_set
from elenco.evaluation.population import Population, like_people
from elenco.evaluation.rates import AtRate
from elenco.evaluation.trial import Searchable, Trial, compact, indices, joined, only
from elenco.fingerprint import unit_interval
from elenco.progress import track
from elenco.recognition.dataset import Dataset
from elenco.settings import Settings

Fit = Callable[[Dataset, Settings], Searchable]
Ids = Shaped[np.ndarray, " c"]


@dataclass(frozen=True)
class ScalePoint:
    """Figures of a gallery of some size.

    Attributes:
        people: in the gallery.
        others: how many of them are real and not asked about.
        sampled: how many of them do not exist.
        photographs: that were asked about.
        top1: as in `OpenSet`, like the rest.
        dir_at_fpir: against the same strangers at every size.
        named_right: share, at the threshold of this gallery; None where some people are sampled:
            a threshold is set on the people in the gallery, and must be on real ones.
        strangers_called_unknown: share, at the same.
    """

    people: int
    others: int
    sampled: int
    photographs: int
    top1: Estimate
    dir_at_fpir: list[AtRate]
    named_right: Estimate | None
    strangers_called_unknown: Estimate | None


@dataclass(frozen=True)
class Scale:
    """The curve.

    Attributes:
        points: from few people to many.
        left_out: sizes for which people would have to be sampled, and were not: that was not asked
            for, or there are too few real ones to sample after.
        stranger_photographs: that were asked about at every size.
        stranger_people: whom they show.
        spread: of the sampled people, as in `Population`; None where nobody was sampled.
        sampled_fpir: as in `Population`.
    """

    points: list[ScalePoint]
    left_out: list[int]
    stranger_photographs: int
    stranger_people: int
    spread: float | None
    sampled_fpir: float | None


def scale(
    trial: Trial,
    figures: OpenSet,
    sizes: Sequence[int],
    fit: Fit,
    settings: Settings,
    larger: bool,
) -> Scale:
    """Measure galleries of these sizes, and the trial's own.

    A gallery of some size has the first people in a stable order, and is made anew from their
    photographs, threshold included.

    Args:
        trial: what is measured; its strangers are strangers at every size, each without the
            person themselves.
        figures: of the trial as it is.
        sizes: numbers of people.
        fit: makes a recogniser.
        settings: handed to it; `evaluation.bootstrap` and `training.seed` are used here.
        larger: whether to measure galleries of more people than there are in the trial's.
    """
    own = len(trial.gallery.people)
    whole, others = trial, None
    if larger and max(sizes, default=0) > own:
        trial, others = _with_others(trial)
    real = own + (len(np.unique(others.person_ids)) if others is not None else 0)
    more = larger and max(sizes, default=0) > real
    population = like_people(trial, settings.training.seed) if more else None
    points: list[ScalePoint] = []
    left_out: list[int] = []
    with track("galleries of other sizes", len(sizes)) as advance:
        for size in sorted({*sizes, own}):
            asked = _of_size(trial, others, population, size, fit, settings)
            if asked is None:
                left_out.append(size)
            else:
                within, beyond = max(0, min(size, real) - own), max(0, size - real)
                found = figures if asked is whole else _measured(asked, settings)
                points.append(_point(size, within, beyond, found))
            advance(int(size in sizes))
    return Scale(
        points=points,
        left_out=left_out,
        stranger_photographs=len(trial.strangers),
        stranger_people=len(np.unique(trial.strangers.person_ids)),
        spread=population.spread if population is not None else None,
        sampled_fpir=population.sampled_fpir if population is not None else None,
    )


def _with_others(trial: Trial) -> tuple[Trial, Dataset]:
    """The trial with half of the strangers' people, and the photographs of the other half.

    Only of those who are in the gallery at no time.
    """
    never = trial.leave_out < 0
    people = _in_order(np.unique(trial.strangers.person_ids[never]))
    taken = never & np.isin(trial.strangers.person_ids, people[: len(people) // 2])
    left = replace(
        trial, strangers=only(trial.strangers, ~taken), leave_out=trial.leave_out[~taken]
    )
    return left, only(trial.strangers, taken)


def _of_size(
    trial: Trial,
    others: Dataset | None,
    population: Population | None,
    size: int,
    fit: Fit,
    settings: Settings,
) -> Trial | None:
    """The trial with a gallery of some size; None where there are not so many people."""
    data = trial.made_from
    missing = size - len(trial.gallery.people)
    if missing == 0:
        return trial
    if missing < 0:
        chosen = _in_order(np.unique(data.person_ids))[:size]
        data = compact(only(data, np.isin(data.person_ids, chosen)))
        probes = only(trial.probes, np.isin(trial.probes.person_ids, chosen))
        return _among(replace(trial, probes=probes), fit(data, settings))
    if others is not None:
        chosen = _in_order(np.unique(others.person_ids))[:missing]
        data = joined(data, only(others, np.isin(others.person_ids, chosen)))
        missing -= len(chosen)
    if missing and population is None:
        return None
    if missing and population is not None:
        data = joined(data, population.sample(missing, settings.training.seed))
    return _among(trial, fit(data, settings))


def _in_order(people: Ids) -> Ids:
    """People in a stable order that their ids do not follow."""
    hashes = [unit_interval(f"gallery size {person}") for person in people.tolist()]
    return people[np.argsort(hashes, kind="stable")]


def _among(trial: Trial, gallery: Searchable) -> Trial:
    """The same questions to another gallery: a stranger who is in it is left out of it."""
    out = indices(gallery, trial.strangers)
    return replace(trial, gallery=gallery, leave_out=out)


def _measured(trial: Trial, settings: Settings) -> OpenSet:
    resampling = Resampling(trial.strata, settings.evaluation.bootstrap, settings.training.seed)
    return open_set(
        trial.gallery.search(trial.probes.vectors),
        trial.truth,
        trial.people,
        trial.gallery.search(trial.strangers.vectors, trial.leave_out),
        trial.stranger_people,
        trial.gallery.threshold,
        resampling,
    )


def _point(people: int, others: int, sampled: int, found: OpenSet) -> ScalePoint:
    return ScalePoint(
        people=people,
        others=others,
        sampled=sampled,
        photographs=found.photographs,
        top1=found.top1,
        dir_at_fpir=found.dir_at_fpir,
        named_right=None if sampled else found.named_right,
        strangers_called_unknown=None if sampled else found.strangers_called_unknown,
    )
