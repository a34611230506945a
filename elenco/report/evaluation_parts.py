"""Sections of an evaluation's report: groups, numbers of people, degraded photographs, people."""

from collections.abc import Sequence

from elenco.evaluation.confusions import Confusions, PersonFigures
from elenco.evaluation.groups import PHOTOGRAPHS, Grouping
from elenco.evaluation.population import CHECKED, MATCHED
from elenco.evaluation.robustness import Robustness
from elenco.evaluation.scale import Scale
from elenco.report.estimates import percent, rate_text, with_interval
from elenco.text import escaped


def groups_section(grouping: Grouping) -> str:
    """A row a group."""
    unit = f" ({grouping.unit})" if grouping.unit not in ("", PHOTOGRAPHS) else ""
    title = f"### By {grouping.by}{unit}"
    if not grouping.groups:
        return f"{title}\n\nNo photograph of a known person was asked about."
    strangers = any(g.strangers_called_unknown is not None for g in grouping.groups)
    columns = ["photographs", "people", "top-1", "named right", "called unknown", "named wrong"]
    columns += ["strangers called unknown"] if strangers else []
    rows = []
    for g in grouping.groups:
        figures = (g.top1, g.named_right, g.called_unknown, g.named_wrong)
        cells = [f"{g.photographs:,}", f"{g.people:,}", *map(with_interval, figures)]
        if strangers and (unknown := g.strangers_called_unknown) is not None:
            cells.append(f"{with_interval(unknown)} of {unknown.photographs:,}")
        rows.append([g.label, *cells])
    empty = f"\n\n{grouping.empty} more groups have no photograph." if grouping.empty else ""
    return f"{title}\n\n{table(['', *columns], rows)}{empty}"


def scale_section(found: Scale) -> str:
    """A row a number of people."""
    rates = [at.rate for at in found.points[0].dir_at_fpir]
    columns = ["people", "not asked about", "sampled", "photographs", "top-1"]
    columns += [f"DIR at FPIR {rate_text(rate)}" for rate in rates]
    columns += ["named right", "strangers called unknown"]
    rows = []
    for p in found.points:
        figures = (p.top1, *(at.found for at in p.dir_at_fpir))
        cells = map(with_interval, (*figures, p.named_right, p.strangers_called_unknown))
        rows.append([*(f"{n:,}" for n in (p.people, p.others, p.sampled, p.photographs)), *cells])
    strangers = (
        f"The strangers are {found.stranger_photographs:,} photographs of "
        f"{found.stranger_people:,} people, the same in each row. Who is in the gallery and not "
        "asked about is there to be taken for others."
    )
    parts = ["## By the number of people", table(columns, rows), strangers]
    if found.spread is not None:
        parts.append(
            "Sampled people do not exist: their embeddings are drawn from a Gaussian fitted to the "
            f"real ones, at {found.spread:.0%} of its spread, with which as many of them let as "
            f"many strangers through as the real ones do at an FPIR of {rate_text(MATCHED)}. Where "
            f"these have an FPIR of {rate_text(CHECKED)}, sampled ones have "
            f"{percent(found.sampled_fpir)}: real people have look-alikes that sampled ones have "
            "not, and these rows are the best to hope for."
        )
    if found.left_out:
        sizes = ", ".join(f"{size:,}" for size in found.left_out)
        parts.append(f"Not measured at {sizes} people: there are fewer, and none were sampled.")
    return "\n\n".join(parts)


def robustness_section(found: Robustness | None) -> str:
    """A row a degradation."""
    title = "## Smaller and blurred photographs"
    if found is None:
        return f"{title}\n\nNot measured."
    first = found.conditions[0].figures
    dirs = [f"DIR at FPIR {rate_text(at.rate)}" for at in first.dir_at_fpir]
    columns = ["photographs", "eyes, pixels apart", "top-1", *dirs, "named right"]
    columns += ["called unknown", "named wrong", "strangers called unknown"]
    rows = []
    for condition in found.conditions:
        f = condition.figures
        figures = (f.top1, *(at.found for at in f.dir_at_fpir), f.named_right, f.called_unknown)
        cells = map(with_interval, (*figures, f.named_wrong, f.strangers_called_unknown))
        rows.append([condition.label, f"{condition.median_size:.1f}", *cells])
    of = (
        f"Of {first.photographs:,} photographs of {first.people:,} known people and "
        f"{first.stranger_photographs:,} of {first.stranger_people:,} strangers, degraded alike; "
        f"{found.without_crop:,} of {found.photographs:,} had no aligned face on disk. Faces are "
        "those found in the photograph as it is: what a detector would miss is not in it."
    )
    return "\n\n".join([title, table(columns, rows), of])


def people_section(found: Confusions) -> str:
    """The worst people."""
    parts = ["## The worst people", f"Of {found.people:,} people with two photographs or more."]
    lists = (
        ("### Least often named right", found.worst),
        ("### Most often called unknown", found.most_unknown),
    )
    for title, people in lists:
        parts += [title, _people(people) if people else "Nobody."]
    return "\n\n".join(parts)


def _people(people: Sequence[PersonFigures]) -> str:
    counts = ["photographs", "named right", "called unknown", "named wrong", "in the gallery"]
    rows = [
        [
            escaped(p.name),
            *(f"{n:,}" for n in (p.photographs, p.named_right, p.called_unknown, p.named_wrong)),
            f"{p.gallery_photographs:,}",
        ]
        for p in people
    ]
    return table(["person", *counts], rows)


def pairs_section(found: Confusions) -> str:
    """The most confused pairs."""
    title = "## The most confused pairs"
    if not found.pairs:
        return f"{title}\n\nNone."
    columns = ["person", "taken for", "named wrong", "best, but called unknown"]
    rows = [
        [
            escaped(p.name),
            escaped(p.other_name),
            *(f"{n:,}" for n in (p.named_wrong, p.best_but_unknown, p.strangers_named)),
        ]
        for p in found.pairs
    ]
    end = f"{found.pairs_in_all:,} pairs in all; counts are of either direction."
    return "\n\n".join([title, table([*columns, "named as a stranger"], rows), end])


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are figures."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
