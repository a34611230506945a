"""What is different between two versions: people, photographs, embeddings, figures.

`drift.json` of a version says what moved since the one in use when it was made. It names who came,
whom the version knows; of those who left it has a number alone, or a version would go on naming
people who may be forgotten one day.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from elenco.errors import RegistryError
from elenco.recognition.alarms import FIGURES, alarms
from elenco.recognition.statistics import in_common
from elenco.storage import read_json, read_npz
from elenco.types import SPLITS

DRIFT_SCHEMA = 1
STATISTICS, PHOTOGRAPHS = "statistics.json", "photographs.npz"


def drift_of(before: Path, after: Path) -> dict[str, Any]:
    """Compare two versions, or a version and a candidate.

    Args:
        before: directory of the older.
        after: directory of the newer.

    Returns:
        JSON: `people` (before, after, came and left as id -> name), `photographs` (by split, and
        how many were added, removed, or moved to the other split), `quarantined`, `embeddings`,
        `figures` and `alarm`, lines about what moved beyond the limits of
        `elenco.recognition.alarms`. Parts are
        None where one of the two has no statistics, or they are of two embedding spaces.

    Raises:
        RegistryError: a directory is damaged.
    """
    try:
        old, new = _Version(before), _Version(after)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RegistryError(
            f"{before.name} and {after.name} can't be compared ({type(error).__name__}: {error})"
        ) from None
    drift = {
        "schema": DRIFT_SCHEMA,
        "from": before.name,
        "people": {
            "before": len(old.people),
            "after": len(new.people),
            "came": {i: name for i, name in new.people.items() if i not in old.people},
            "left": {i: name for i, name in old.people.items() if i not in new.people},
        },
        "photographs": _photographs(old, new),
        "quarantined": _quarantined(old, new),
        "embeddings": _embeddings(old, new),
        "figures": _figures(old.metrics, new.metrics),
    }
    return drift | {"alarm": alarms(drift)}


def without_names_of_who_left(drift: Mapping[str, Any]) -> dict[str, Any]:
    """A drift as it is stored: of those who left, how many."""
    people = drift["people"]
    return {**drift, "people": {**people, "left": len(people["left"])}}


class _Version:
    """What a directory says of itself; `statistics` and `photographs` None where it has none."""

    def __init__(self, directory: Path) -> None:
        labels = read_json(directory / "labels.json")
        self.people = {str(p["id"]): str(p["name"]) for p in labels["people"]}
        self.space = dict(labels["space"])
        self.metrics: Mapping[str, Any] = read_json(directory / "metrics.json")
        statistics, photographs = directory / STATISTICS, directory / PHOTOGRAPHS
        self.statistics = read_json(statistics) if statistics.exists() else None
        self.photographs = read_npz(photographs) if photographs.exists() else None


def _photographs(old: _Version, new: _Version) -> dict[str, Any] | None:
    before, after = old.photographs, new.photographs
    if before is None or after is None:
        return None
    all_before, all_after = (np.concatenate([p[s] for s in SPLITS]) for p in (before, after))
    stayed = in_common(all_before, all_after)
    in_place = sum(in_common(before[split], after[split]) for split in SPLITS)
    return {
        **{split: {"before": len(before[split]), "after": len(after[split])} for split in SPLITS},
        "added": len(all_after) - stayed,
        "removed": len(all_before) - stayed,
        "moved": stayed - in_place,
    }


def _quarantined(old: _Version, new: _Version) -> dict[str, Any] | None:
    if old.statistics is None or new.statistics is None:
        return None
    before, after = old.statistics["quarantined"], new.statistics["quarantined"]
    reasons = sorted({*before["reasons"], *after["reasons"]})
    return {
        "before": sum(before[split] for split in SPLITS),
        "after": sum(after[split] for split in SPLITS),
        "reasons": {
            reason: {
                "before": before["reasons"].get(reason, 0),
                "after": after["reasons"].get(reason, 0),
            }
            for reason in reasons
        },
    }


def _embeddings(old: _Version, new: _Version) -> dict[str, Any] | None:
    """Differences of the data sets; None where their vectors can't be compared."""
    before, after = old.statistics, new.statistics
    if before is None or after is None or old.space != new.space:
        return None
    middle = len(before["quantiles"]) // 2
    found: dict[str, Any] = {
        "median norm": _change(before["norms"], after["norms"], middle),
        "median quality": _change(before["quality"], after["quality"], middle),
        "lowest quality (5 %)": _change(before["quality"], after["quality"], 0),
        "unusable": _difference(before["unusable"]["share"], after["unusable"]["share"]),
    }
    for pairs in ("within", "between"):
        one = _difference(before[pairs]["mean"], after[pairs]["mean"])
        sd, moved = before[pairs]["sd"], one["difference"]
        effect = round(moved / sd, 4) if sd and moved is not None else None
        found[f"cosine {pairs} people"] = one | {"sds": effect}
        found[f"its deviation, {pairs}"] = _difference(before[pairs]["sd"], after[pairs]["sd"])
    return found | {"mean shift": _mean_shift(before["mean"], after["mean"])}


def _mean_shift(before: list[float] | None, after: list[float] | None) -> float | None:
    """How far the mean vector went, in root mean square distances of the vectors from it."""
    if before is None or after is None:
        return None
    a, b = np.array(before), np.array(after)
    # Of unit vectors x with mean m, E|x - m|² = 1 - |m|².
    spread = 1 - float(a @ a)
    return round(float(np.linalg.norm(a - b)) / spread**0.5, 4) if spread > 1e-9 else None


def _figures(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _difference(before.get(key), after.get(key))
        for key in FIGURES
        if key in before or key in after
    }


def _change(before: list[float] | None, after: list[float] | None, place: int) -> dict[str, Any]:
    return _difference(
        before[place] if before is not None else None, after[place] if after is not None else None
    )


def _difference(before: float | None, after: float | None) -> dict[str, Any]:
    difference = None if before is None or after is None else round(after - before, 6)
    return {"before": before, "after": after, "difference": difference}
