"""Figures by what a photograph is like, as Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from elenco.evaluation.bootstrap import Estimate
from elenco.report.estimates import with_interval

COLUMNS = ("top1", "named_right", "called_unknown", "named_wrong", "strangers_called_unknown")


def groups_section(groupings: Sequence[Mapping[str, Any]] | None) -> str:
    """A table a grouping, each share with its 95 % interval.

    Args:
        groupings: JSON of `elenco.evaluation.groups.Grouping`; None where they were not measured.
    """
    if not groupings:
        return "Not measured.\n"
    return "\n".join(_table(grouping) for grouping in groupings)


def _table(grouping: Mapping[str, Any]) -> str:
    by = f"{grouping['by']} ({grouping['unit']})" if grouping["unit"] else grouping["by"]
    lines = [
        f"| {by} | photographs | people | top-1 | named right | called unknown | named wrong | "
        "strangers called unknown |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for group in grouping["groups"]:
        found = [Estimate(**group[name]) if group[name] else None for name in COLUMNS]
        figures = " | ".join(with_interval(one) for one in found)
        counts = f"{group['photographs']:,} | {group['people']:,}"
        lines.append(f"| {group['label']} | {counts} | {figures} |")
    return "\n".join(lines) + "\n"
