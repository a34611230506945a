"""Whether a candidate takes the place of the version in use.

Both are asked about the same held-out photographs, of the people that both know, by the whole
answer, unknown included: "named right" is the one figure in which a worse classifier and a worse
threshold both show. Each photograph is also a stranger's once, with its person left out of both.
Photographs stay held out from one day to the next (the split is a stable hash). One that moved, as
with another `collect.test_fraction`, may be what one of the two was trained on: neither is asked
about it. What is worse counts against a candidate where it is beyond noise: see
`elenco.recognition.paired`.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from elenco.errors import NotEnoughData, RegistryError, SpaceMismatch
from elenco.evaluation.trial import Searchable
from elenco.layout import Layout
from elenco.progress import track
from elenco.recognition.dataset import Dataset, read_dataset
from elenco.recognition.files import load_gallery
from elenco.recognition.held_out import HeldOut, in_common, trained_on
from elenco.recognition.paired import Difference, Paired, Said
from elenco.recognition.quarantine import read_quarantine
from elenco.recognition.recogniser import describe
from elenco.settings import Settings
from elenco.types import EmbeddingSpace

REPLICATES = 2000
# A rate may be this many standard deviations of its own sampling noise over what is asked for.
NOISE = 2.0
ERROR_MORE = 0.05  # rise of the calibration error that counts against a candidate
BY_HAND = "promote it by hand with `elenco models promote`"


@dataclass(frozen=True)
class Verdict:
    """What the gate says.

    Attributes:
        promote: the candidate becomes current.
        reason: why, in one line, with the figures.
        figures: the same for machines: JSON.
    """

    promote: bool
    reason: str
    figures: dict[str, Any]


def compare(
    candidate: Path,
    current: Path | None,
    layout: Layout,
    settings: Settings,
    load: Callable[[Path], Searchable] = load_gallery,
) -> Verdict:
    """Judge a candidate against the version in use.

    It is not promoted where one of these holds; the reason has all that do:

    1. It gives a name to more strangers than asked for: to more than 2 * false_positive_rate, and
       NOISE binomial standard deviations over people, of the held-out photographs of people whom
       it knows, each with its person left out. People count alike, as where the threshold is set.
    2. Of the photographs of people that both know, it names fewer rightly than the current version
       by more than `publish.tolerance`, beyond noise: the 95 % interval of the difference ends
       under it.
    3. It names more of them where their person is left out, in the same sense.
    4. Its calibration error on both is larger by more than ERROR_MORE, and beyond noise.

    Who asks for a lower false-positive rate gets fewer names, who asks for a higher one names more
    strangers: where the setting changed since, 2 or 3 is not asked.

    The first version ever is promoted as it is. Where the current version takes vectors of another
    space, it is judged on its own embeddings of the same photographs if they are on disk. Without
    a photograph in common that neither was trained on, `publish.promote_other_cast` decides. A
    current version that can't be read gives way to a candidate against which 1 does not speak.

    Args:
        candidate: directory with the files of a version.
        current: directory of the version in use, None if there is none.
        layout: where the held-out embeddings are, and what is quarantined of them: that is not
            judged on.
        settings: `publish` and `training.seed` are used.
        load: reads a directory.

    Raises:
        RegistryError: the candidate is damaged.
        NotEnoughData: the held-out embeddings can't be read.
        SpaceMismatch: they are not of the candidate's space.
    """
    if current is None:
        return Verdict(True, "first version", {})
    new = load(candidate)
    held_out = read_dataset(layout.joined(new.space.embedder, "test"))
    if held_out.space != new.space:
        raise SpaceMismatch(
            f"the held-out embeddings are of {describe(held_out.space)}, the candidate takes "
            f"{describe(new.space)}: run `elenco refresh` again"
        )
    quarantined = read_quarantine(layout.quarantine(new.space.embedder))
    known = HeldOut.of(new, held_out)
    usable = known.only(np.array([p not in quarantined for p in known.photographs()], bool))
    judged = usable.without(trained_on(candidate))
    figures: dict[str, Any] = {
        "people": len(new.people),
        "quarantined": len(known) - len(usable),
        "trained_on": len(usable) - len(judged),
    }
    against = _too_many_named(judged, figures)
    try:
        old, seen = load(current), trained_on(current)
    except RegistryError as error:
        reason = f"{current.name} can't be used any more ({error})"
        return Verdict(not against, "; ".join([*against, reason]), figures)
    figures["current_people"] = len(old.people)
    old_set = held_out if old.space == new.space else _held_out(old.space, layout)
    if old_set is None:
        return Verdict(
            False,
            f"{current.name} takes vectors of {describe(old.space)}, of which the held-out "
            f"photographs have none to compare on: {BY_HAND}",
            figures,
        )
    common = in_common(judged, HeldOut.of(old, old_set))
    ours, theirs = (one.without(seen) for one in common)
    figures["current_trained_on"] = len(common[0]) - len(ours)
    if not len(ours):
        return _other_cast(current, settings, figures, against)
    return _judge(ours, theirs, current, settings, figures, against)


def judged_by(settings: Settings) -> dict[str, Any]:
    """The settings that a verdict depends on, other than those that a candidate is trained with."""
    publish = settings.publish
    return {"tolerance": publish.tolerance, "promote_other_cast": publish.promote_other_cast}


def _too_many_named(judged: HeldOut, figures: dict[str, Any]) -> list[str]:
    """Why the candidate names too many strangers; empty if it does not. Adds to the figures."""
    asked = judged.version.false_positive_rate
    figures |= {"false_positive_rate": asked, "strangers": len(judged), "strangers_named": None}
    if not len(judged):
        return []
    _, whose, counts = np.unique(judged.person_ids, return_inverse=True, return_counts=True)
    people = len(counts)
    named = float((~judged.said_of_strangers().right / counts[whose]).sum()) / people
    figures["strangers_named"] = named
    most = min(1.0, 2 * asked)
    # One pair of look-alikes brings all their photographs: people are what is independent.
    most += NOISE * math.sqrt(most * (1 - most) / people)
    if named <= most:
        return []
    return [
        f"names {named:.2%} of strangers ({len(judged):,} photographs of {people:,} people), over "
        f"the {most:.2%} that a false-positive rate of {asked:.2%} allows for with its noise"
    ]


def _held_out(space: EmbeddingSpace, layout: Layout) -> Dataset | None:
    """Held-out embeddings of a space; None if there are none of exactly this space."""
    try:
        found = read_dataset(layout.joined(space.embedder, "test"))
    except NotEnoughData:
        return None
    return found if found.space == space else None


def _judge(
    ours: HeldOut,
    theirs: HeldOut,
    current: Path,
    settings: Settings,
    figures: dict[str, Any],
    against: list[str],
) -> Verdict:
    """The paired comparison; `against` is what was found against the candidate before."""
    tolerance = settings.publish.tolerance
    paired = Paired(ours.person_ids, REPLICATES, settings.training.seed)
    answers: list[Said] = []
    with track("judge", 4 * len(ours)) as advance:
        for ask in (ours.said, ours.said_of_strangers, theirs.said, theirs.said_of_strangers):
            answers.append(ask())
            advance(len(ours))
    new, old = (answers[0], answers[1]), (answers[2], answers[3])
    right = paired.share(new[0].right, old[0].right)
    named = paired.share(~new[1].right, ~old[1].right)
    error = paired.calibration_error(new, old)
    asked, before = ours.version.false_positive_rate, theirs.version.false_positive_rate
    if right.high < -tolerance and asked >= before:
        against = [*against, "names fewer rightly, beyond noise"]
    if named.low > tolerance and asked <= before:
        against = [*against, "names more strangers, beyond noise"]
    if error.difference > ERROR_MORE and error.low > 0:
        against = [*against, "is worse calibrated, beyond noise"]
    n, people = len(ours), len(np.unique(ours.person_ids))
    figures = figures | {
        "photographs": n,
        "common_people": people,
        "drawn": paired.unit,
        "replicates": REPLICATES,
        "tolerance": tolerance,
        "current_false_positive_rate": before,
        "named_right": asdict(right),
        "named_strangers": asdict(named),
        "calibration_error": asdict(error),
        "against": against,
    }
    comparison = (
        f"named right {_told(right, current)}, of {n:,} held-out photographs of "
        f"{people:,} people that both know{_left_out(figures, current)}; "
        f"strangers named {_told(named, current)}; "
        f"calibration error {_told(error, current)}; knows {figures['people']:,} people, "
        f"{current.name} {figures['current_people']:,}"
    )
    if not against:
        return Verdict(True, comparison, figures)
    return Verdict(False, f"{'; '.join(against)}: {comparison}; or {BY_HAND}", figures)


def _told(found: Difference, current: Path) -> str:
    """Such as `97.00% against 98.00% of v000001 (-1.00 points, 95% between -1.80 and -0.20)`."""
    low, high = 100 * found.low, 100 * found.high
    return (
        f"{found.candidate:.2%} against {found.current:.2%} of {current.name} "
        f"({100 * found.difference:+.2f} points, 95% between {low:+.2f} and {high:+.2f})"
    )


def _left_out(figures: dict[str, Any], current: Path) -> str:
    """Such as ` (left out: 40 that v000001 was trained on)`; empty where none was."""
    by = {"the candidate": figures["trained_on"], current.name: figures["current_trained_on"]}
    parts = [f"{count:,} that {who} was trained on" for who, count in by.items() if count]
    return f" (left out: {', '.join(parts)})" if parts else ""


def _other_cast(
    current: Path, settings: Settings, figures: dict[str, Any], against: list[str]
) -> Verdict:
    figures = figures | {"photographs": 0, "against": against}
    reason = (
        f"no held-out photograph of a person that {current.name} knows too"
        f"{_left_out(figures, current)}, so nothing to compare"
    )
    if against:
        return Verdict(False, f"{'; '.join(against)}; {reason}: {BY_HAND}", figures)
    if settings.publish.promote_other_cast:
        return Verdict(True, f"{reason}; publish.promote_other_cast says to promote", figures)
    always = "publish.promote_other_cast = true for every day"
    return Verdict(False, f"{reason}: {BY_HAND}, {always}", figures)
