"""What moved between two versions, as Markdown."""

from collections.abc import Mapping
from typing import Any

from elenco.recognition.alarms import FIGURES
from elenco.text import escaped
from elenco.types import SPLITS

NAMES = 20  # of each who came or left


def drift_markdown(drift: Mapping[str, Any], title: str = "## Drift") -> str:
    """Alarms first, then counts, embeddings and figures, before and after.

    Args:
        drift: as `elenco.recognition.drift.drift_of` returns it, or as it is stored.
        title: with its number signs.
    """
    if damage := drift.get("damage"):
        return f"{title}\n\nNot measured: {damage}\n"
    parts = [title, "", f"Against {drift['from']}.", "", *_alarms(drift["alarm"]), ""]
    people = drift["people"]
    parts += [
        f"- people: {people['before']:,} before, {people['after']:,} now",
        f"- **came** {_names(people['came'])}",
        f"- **left** {_names(people['left'])}",
        _photographs(drift["photographs"]),
        _quarantined(drift["quarantined"]),
        "",
        *_table("embeddings", _embeddings(drift["embeddings"])),
        "",
        *_table("figure, each of its own held-out photographs", _figures(drift["figures"])),
    ]
    return "\n".join(parts) + "\n"


def _alarms(lines: list[str]) -> list[str]:
    if not lines:
        return ["Nothing moved beyond the limits."]
    return [f"- **{line}**" for line in lines]


def _names(people: Mapping[str, str] | int) -> str:
    if isinstance(people, int):
        return f"{people:,}" if people else "nobody"
    if not people:
        return "nobody"
    named = ", ".join(
        f"{escaped(name)} ({escaped(person)})" for person, name in list(people.items())[:NAMES]
    )
    more = f", and {len(people) - NAMES:,} more" if len(people) > NAMES else ""
    return f"{len(people):,}: {named}{more}"


def _photographs(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "- photographs: not known which there were"
    counts = ", ".join(
        f"{split} {found[split]['before']:,} to {found[split]['after']:,}" for split in SPLITS
    )
    return (
        f"- photographs: {counts}; {found['added']:,} added, {found['removed']:,} removed, "
        f"{found['moved']:,} moved to the other split"
    )


def _quarantined(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "- quarantined: not known how many there were"
    reasons = "; ".join(
        f"{reason} {one['before']:,} to {one['after']:,}"
        for reason, one in found["reasons"].items()
    )
    counts = f"{found['before']:,} to {found['after']:,}"
    return f"- quarantined: {counts}{f' ({reasons})' if reasons else ''}"


def _embeddings(found: Mapping[str, Any] | None) -> list[tuple[str, str, str, str]] | None:
    if found is None:
        return None
    rows: list[tuple[str, str, str, str]] = []
    for name, one in found.items():
        if isinstance(one, Mapping):
            sds = f" ({one['sds']:+.2f} sd)" if one.get("sds") is not None else ""
            change = _number(one["difference"], "{:+.4f}") + sds
            rows.append((name, _number(one["before"]), _number(one["after"]), change))
        else:
            rows.append((f"{name}, in spreads", "", "", _number(one)))
    return rows


def _figures(found: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    return [
        (
            FIGURES[key][0],
            _number(one["before"], "{:.2%}"),
            _number(one["after"], "{:.2%}"),
            _number(
                None if one["difference"] is None else 100 * one["difference"], "{:+.2f} points"
            ),
        )
        for key, one in found.items()
    ]


def _table(title: str, rows: list[tuple[str, str, str, str]] | None) -> list[str]:
    if rows is None:
        return [f"The {title} can't be compared: another space, or not measured before."]
    head = [f"| {title} | before | now | change |", "|---|---:|---:|---:|"]
    return head + [f"| {' | '.join(row)} |" for row in rows]


def _number(value: float | None, form: str = "{:.4f}") -> str:
    return "not measured" if value is None else form.format(value)
