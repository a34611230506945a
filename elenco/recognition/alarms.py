"""What moved so far between two versions that somebody should look at it."""

from collections.abc import Mapping
from typing import Any

from elenco.types import SPLITS

# From here on something has moved. Shares are 0..1.
PEOPLE_GONE = 0.05  # share of the people before who left in a day
PHOTOGRAPHS_GONE = 0.1  # share of the photographs before that are gone
QUARANTINED_MORE = 0.02  # rise of the share that is quarantined
UNUSABLE_MORE = 0.05  # rise of the share that is unusable
QUALITY_LESS = 0.05  # fall of the median quality
NORM_CHANGE = 0.05  # relative change of the median length
# In standard deviations of the cosine itself, a small effect after Cohen (1988), "Statistical Power
# Analysis", 2.2. Of LFW, 10 % of the people exchanged move it by 0.05 at most in 8 of 9 draws, 2 %
# of the photographs under a wrong name by 0.30.
COSINE_EFFECT = 0.2
# Of the mean vector, in root mean square distances of the vectors from it: of LFW, 2 % of the
# people exchanged move it by 0.04 at most, 10 % by 0.12, half of them by 0.07 to 0.24.
MEAN_SHIFT = 0.2
ACCURACY_LESS = 0.01  # fall of a share of photographs
STRANGERS_LESS = 0.01  # fall of the share of strangers called unknown
ERROR_MORE = 0.05  # rise of the calibration error

# What metrics.json may have of each, a share 0..1; which way it should not go, and how far.
FIGURES: dict[str, tuple[str, int, float]] = {
    "top1": ("top-1", -1, ACCURACY_LESS),
    "named_right": ("named right", -1, ACCURACY_LESS),
    "dir_at_fpir": ("DIR at the asked FPIR", -1, ACCURACY_LESS),
    "strangers_called_unknown": ("strangers called unknown", -1, STRANGERS_LESS),
    "ece": ("expected calibration error", 1, ERROR_MORE),
}


def alarms(drift: Mapping[str, Any]) -> list[str]:
    """What moved beyond a limit, a line each with its figures; empty if nothing did."""
    lines = [*_people_alarms(drift), *_photograph_alarms(drift), *_embedding_alarms(drift)]
    for key, (title, direction, limit) in FIGURES.items():
        found = drift["figures"].get(key)
        if found and found["difference"] is not None and found["difference"] * direction > limit:
            lines.append(
                f"{title} went from {found['before']:.2%} to {found['after']:.2%}, "
                f"by more than {_points(limit)}"
            )
    return lines


def _people_alarms(drift: Mapping[str, Any]) -> list[str]:
    people = drift["people"]
    left, before = len(people["left"]), people["before"]
    if before and left / before > PEOPLE_GONE:
        return [f"{left:,} of {before:,} people left, more than {PEOPLE_GONE:.0%}"]
    return []


def _photograph_alarms(drift: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    photographs, quarantined = drift["photographs"], drift["quarantined"]
    if photographs is not None:
        before = sum(photographs[split]["before"] for split in SPLITS)
        removed = photographs["removed"]
        if before and removed / before > PHOTOGRAPHS_GONE:
            lines.append(
                f"{removed:,} of {before:,} photographs are gone, more than {PHOTOGRAPHS_GONE:.0%}"
            )
        if quarantined is not None:
            shares = [
                quarantined[when] / max(1, quarantined[when] + _total(photographs, when))
                for when in ("before", "after")
            ]
            if shares[1] - shares[0] > QUARANTINED_MORE:
                lines.append(
                    f"{shares[1]:.2%} of the photographs are quarantined, {shares[0]:.2%} before, "
                    f"more by over {_points(QUARANTINED_MORE)}"
                )
    return lines


def _embedding_alarms(drift: Mapping[str, Any]) -> list[str]:
    found = drift["embeddings"]
    if found is None:
        return []
    lines: list[str] = []
    norm, quality, unusable = (
        found[name] for name in ("median norm", "median quality", "unusable")
    )
    if norm["difference"] is not None and norm["before"]:
        relative = norm["difference"] / norm["before"]
        if abs(relative) > NORM_CHANGE:
            lines.append(
                f"the median length of a vector went from {norm['before']:.3f} to "
                f"{norm['after']:.3f}, by more than {NORM_CHANGE:.0%}"
            )
    if quality["difference"] is not None and -quality["difference"] > QUALITY_LESS:
        lines.append(
            f"the median quality fell from {quality['before']:.3f} to {quality['after']:.3f}, "
            f"by more than {QUALITY_LESS:g}"
        )
    if unusable["difference"] is not None and unusable["difference"] > UNUSABLE_MORE:
        lines.append(
            f"{unusable['after']:.2%} of the photographs are unusable, {unusable['before']:.2%} "
            f"before, more by over {_points(UNUSABLE_MORE)}"
        )
    for pairs, which in (("within", "one person"), ("between", "two people")):
        one = found[f"cosine {pairs} people"]
        if one["sds"] is not None and abs(one["sds"]) > COSINE_EFFECT:
            lines.append(
                f"the mean cosine of two photographs of {which} went from {one['before']:.4f} to "
                f"{one['after']:.4f}, {abs(one['sds']):.2f} standard deviations"
            )
    shift = found["mean shift"]
    if shift is not None and shift > MEAN_SHIFT:
        lines.append(f"the mean vector moved by {shift:.2f} spreads, more than {MEAN_SHIFT:g}")
    return lines


def _total(photographs: Mapping[str, Any], when: str) -> int:
    return sum(photographs[split][when] for split in SPLITS)


def _points(share: float) -> str:
    return f"{100 * share:g} points"
