"""Whether a candidate takes the place of the version in use.

Both are asked about the same held-out photographs, of the people that both know, by the whole
answer, unknown included: "named right" is the one figure in which a worse classifier and a worse
threshold both show. Photographs stay held out from one day to the next (the split is a stable
hash), so neither has seen them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32

from elenco.errors import NotEnoughData, RegistryError, SpaceMismatch
from elenco.layout import Layout
from elenco.recognition.dataset import Dataset, read_dataset
from elenco.recognition.recogniser import Recogniser, describe
from elenco.settings import Settings
from elenco.storage import read_json
from elenco.types import EmbeddingSpace

# A rate may be this many standard deviations of its own sampling noise under what is asked for.
NOISE = 2.0
BY_HAND = "promote it by hand with `elenco models promote`"


@dataclass(frozen=True)
class Verdict:
    """What the gate says.

    Attributes:
        promote: the candidate becomes current.
        reason: why, in one line, with the figures.
        figures: the same for machines.
    """

    promote: bool
    reason: str
    figures: dict[str, Any]


def compare(
    candidate: Path,
    current: Path | None,
    layout: Layout,
    settings: Settings,
    load: Callable[[Path], Recogniser] = Recogniser.load,
) -> Verdict:
    """Judge a candidate against the version in use.

    It is promoted when both hold, in this order:

    1. Strangers are called unknown about as often as asked for: the share measured in training is
       at least 1 - 2 * false_positive_rate, less NOISE binomial standard deviations over people.
       Not asked where no stranger was measured.
    2. It names at least as large a share of the common held-out photographs rightly as the current
       version, less `publish.tolerance`.

    The first version ever is promoted as it is. Where the current version takes vectors of another
    space, it is judged on its own embeddings of the same photographs if they are on disk. Without
    a photograph in common, `publish.promote_other_cast` decides.

    Args:
        candidate: directory with the files of a version.
        current: directory of the version in use, None if there is none.
        layout: where the held-out embeddings are.
        settings: `publish` is used.
        load: reads a directory.

    Raises:
        RegistryError: one of the two is damaged.
        NotEnoughData: the held-out embeddings can't be read.
        SpaceMismatch: they are not of the candidate's space.
    """
    if current is None:
        return Verdict(True, "first version", {})
    strangers, figures = _strangers(candidate)
    if strangers:
        return Verdict(False, strangers, figures)
    new, old = load(candidate), load(current)
    figures |= {"people": len(new.people), "current_people": len(old.people)}
    new_set = read_dataset(layout.joined(new.space.embedder, "test"))
    if new_set.space != new.space:
        raise SpaceMismatch(
            f"the held-out embeddings are of {describe(new_set.space)}, the candidate takes "
            f"{describe(new.space)}: run `elenco refresh` again"
        )
    old_set = new_set if old.space == new.space else _held_out(old.space, layout)
    if old_set is None:
        return Verdict(
            False,
            f"{current.name} takes vectors of {describe(old.space)}, of which the held-out "
            f"photographs have none to compare on: {BY_HAND}",
            figures,
        )
    rows = _common(new_set, old_set, {p.id for p in new.people} & {p.id for p in old.people})
    if rows is None:
        return _other_cast(current, settings, figures)
    new_right, old_right = _right(new, new_set, rows[0]), _right(old, old_set, rows[1])
    n, tolerance = len(new_right), settings.publish.tolerance
    # Counts, not rates: a difference of exactly the tolerance is not left to rounding.
    promote = int(new_right.sum()) + tolerance * n >= int(old_right.sum()) - 1e-9
    figures |= {
        "photographs": n,
        "common_people": len(set(new_set.person_ids[rows[0]].tolist())),
        "named_right": float(new_right.mean()),
        "current_named_right": float(old_right.mean()),
        "tolerance": tolerance,
    }
    return Verdict(
        promote,
        f"named right {new_right.mean():.2%} against {old_right.mean():.2%} of {current.name}, of "
        f"{n:,} held-out photographs of {figures['common_people']:,} people that both know "
        f"(tolerance {tolerance:.2%}); knows {len(new.people):,} people, {current.name} "
        f"{len(old.people):,}",
        figures,
    )


def _strangers(candidate: Path) -> tuple[str, dict[str, Any]]:
    """Why the candidate names too many strangers, empty if it does not; and the figures."""
    try:
        metrics = read_json(candidate / "metrics.json")
        asked = float(read_json(candidate / "calibration.json")["false_positive_rate"])
        found, n = metrics["strangers_called_unknown"], int(metrics["strangers_n"])
        people = int(metrics["strangers_people"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RegistryError(f"the candidate {candidate} is damaged ({error}): delete it") from None
    figures = {"strangers_called_unknown": found, "strangers": n, "false_positive_rate": asked}
    if found is None or people == 0:
        return "", figures
    least = max(0.0, 1 - 2 * asked)
    # One pair of look-alikes brings all their photographs: people are what is independent.
    least -= NOISE * math.sqrt(least * (1 - least) / people)
    if found >= least:
        return "", figures
    return (
        f"called {found:.2%} of {n:,} strangers unknown, under the {least:.2%} that a "
        f"false-positive rate of {asked:.2%} allows for with its noise",
        figures,
    )


def _held_out(space: EmbeddingSpace, layout: Layout) -> Dataset | None:
    """Held-out embeddings of a space; None if there are none of exactly this space."""
    try:
        found = read_dataset(layout.joined(space.embedder, "test"))
    except NotEnoughData:
        return None
    return found if found.space == space else None


def _common(new: Dataset, old: Dataset, people: set[str]) -> tuple[np.ndarray, np.ndarray] | None:
    """Rows of the same photographs in both, of these people; None if there is not one."""
    where = {name: row for row, name in enumerate(_photographs(old))}
    pairs = [
        (row, where[name])
        for row, name in enumerate(_photographs(new))
        if name in where and name[0] in people
    ]
    if not pairs:
        return None
    rows = np.array(pairs)
    return rows[:, 0], rows[:, 1]


def _photographs(data: Dataset) -> list[tuple[str, str]]:
    return list(zip(data.person_ids.tolist(), data.keys.tolist(), strict=True))


def _right(recogniser: Recogniser, data: Dataset, rows: np.ndarray) -> Bool[np.ndarray, " n"]:
    """Which photographs are given the right name."""
    vectors: Float32[np.ndarray, "n d"] = data.vectors[rows]
    said = recogniser.identify(vectors, data.space)
    truth = data.person_ids[rows].tolist()
    return np.array(
        [answer.person_id == person for answer, person in zip(said, truth, strict=True)]
    )


def _other_cast(current: Path, settings: Settings, figures: dict[str, Any]) -> Verdict:
    figures = figures | {"photographs": 0}
    reason = (
        f"no held-out photograph of a person that {current.name} knows too, so nothing to compare"
    )
    if settings.publish.promote_other_cast:
        return Verdict(True, f"{reason}; publish.promote_other_cast says to promote", figures)
    always = "publish.promote_other_cast = true for every day"
    return Verdict(False, f"{reason}: {BY_HAND}, {always}", figures)
