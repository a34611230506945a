"""Refresh after refresh: people, photographs, accuracy and duration, as a plot and a table."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from elenco.report.estimates import percent
from elenco.report.figure import BLUE, GREEN, GREY, ORANGE, PURPLE, draw_figure
from elenco.report.history import Refresh
from elenco.report.sheet import data_uri

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROWS = 30
SIZE = (7.2, 5.0)  # inches: as wide as the interface shows it


def over_days_markdown(refreshes: Sequence[Refresh]) -> str:
    """A plot of all, and a table of the newest ROWS, the newest first.

    Args:
        refreshes: one at least, the oldest first.
    """
    newest = refreshes[: -ROWS - 1 : -1]
    plot = data_uri(over_days_plot(refreshes), "image/png")
    lines = [
        "# Over days",
        "",
        f"![people, photographs, accuracy, minutes]({plot})",
        "",
        "| refresh, UTC | | version | people | photographs | fetched | top-1 "
        "| strangers unknown | minutes |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|",
        *(_row(refresh) for refresh in newest),
    ]
    if older := len(refreshes) - len(newest):
        lines += ["", f"{older:,} older ones are in the plot alone."]
    return "\n".join(lines) + "\n"


def over_days_plot(refreshes: Sequence[Refresh]) -> bytes:
    """PNG of four plots with the days in common.

    Args:
        refreshes: one at least, the oldest first.
    """
    return draw_figure(lambda figure: _draw(figure, refreshes), SIZE)


def _row(refresh: Refresh) -> str:
    figures = (percent(refresh.top1), percent(refresh.strangers_called_unknown))
    return (
        f"| {refresh.ended[:16].replace('T', ' ')} | {refresh.outcome} | {refresh.version} "
        f"| {refresh.people:,} | {refresh.photographs:,} | {refresh.collected:,} "
        f"| {' | '.join(figures)} | {refresh.seconds / 60:,.1f} |"
    )


def _draw(figure: "Figure", refreshes: Sequence[Refresh]) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

    days = date2num([datetime.fromisoformat(refresh.ended) for refresh in refreshes])
    (people, accuracy), (photographs, minutes) = figure.subplots(2, 2)
    _counts(people, days, [refresh.people for refresh in refreshes], BLUE, "People")
    _counts(photographs, days, [r.photographs for r in refreshes], BLUE, "Photographs")
    _shares(accuracy, days, refreshes)
    _counts(minutes, days, [r.seconds / 60 for r in refreshes], GREY, "Minutes")
    minutes.set_ylim(bottom=0)  # the others show change, this one cost
    room = max(0.5, (days[-1] - days[0]) / 50)
    for axes in figure.axes:
        axes.set_xlim(days[0] - room, days[-1] + room)
        locator = AutoDateLocator(minticks=2, maxticks=5)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _counts(
    axes: "Axes", days: np.ndarray, values: Sequence[float], colour: str, title: str
) -> None:
    axes.plot(days, values, "o-", color=colour, markersize=_mark(days))
    axes.set_title(title)
    axes.margins(y=0.2)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")


def _shares(axes: "Axes", days: np.ndarray, refreshes: Sequence[Refresh]) -> None:
    """Lines of the versions; where one was not promoted, a cross at its top-1."""
    lines = (
        ("top-1", BLUE, "o", [r.top1 for r in refreshes]),
        ("named right", GREEN, "s", [r.named_right for r in refreshes]),
        ("strangers unknown", ORANGE, "^", [r.strangers_called_unknown for r in refreshes]),
    )
    for label, colour, mark, shares in lines:
        made = [(d, 100 * s) for d, s in zip(days, shares, strict=True) if s is not None]
        if made:
            x, y = zip(*made, strict=True)
            axes.plot(x, y, f"{mark}-", color=colour, label=label, markersize=_mark(days))
    declined = [
        (day, 100 * r.top1)
        for day, r in zip(days, refreshes, strict=True)
        if r.outcome == "not promoted" and r.top1 is not None
    ]
    if declined:
        x, y = zip(*declined, strict=True)
        axes.plot(x, y, "x", color=PURPLE, label="not promoted", markersize=8, zorder=3)
    axes.set_title("Held-out photographs, %")
    if axes.lines:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, columnspacing=1)


def _mark(days: np.ndarray) -> float:
    """Points of a mark's size: many refreshes are a line."""
    return 5 if len(days) <= 60 else 2
