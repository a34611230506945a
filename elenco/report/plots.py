"""Plots of an evaluation as PNG: equal figures give equal bytes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from elenco.evaluation.bootstrap import Estimate
from elenco.evaluation.calibration import Reliability
from elenco.evaluation.evaluation import Evaluation
from elenco.evaluation.open_set import Curve
from elenco.evaluation.robustness import Robustness
from elenco.evaluation.scale import Scale, ScalePoint
from elenco.report.figure import BLUE, GREEN, GREY, ORANGE, PURPLE, Draw, draw_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def evaluation_plots(evaluation: Evaluation) -> dict[str, bytes]:
    """File name -> PNG, of what was measured: what was not has no plot."""
    plots: dict[str, Draw] = {}
    curve, robust, points = evaluation.figures.curve, evaluation.robustness, evaluation.scale
    if curve is not None:
        plots["dir_fpir.png"] = lambda axes: _dir_fpir(axes, curve, evaluation)
    if evaluation.calibration.all.ece.value is not None:
        plots["reliability.png"] = lambda axes: _reliability(axes, evaluation)
    plots["scores.png"] = lambda axes: _scores(axes, evaluation)
    if len(points.points) > 1:
        plots["gallery_size.png"] = lambda axes: _gallery_size(axes, points)
    if robust is not None:
        plots["robustness.png"] = lambda axes: _robustness(axes, robust)
    return {name: draw_plot(draw) for name, draw in plots.items()}


def _dir_fpir(axes: "Axes", curve: Curve, evaluation: Evaluation) -> None:
    asked, figures = evaluation.false_positive_rate, evaluation.figures
    x, y, low, high = (100 * np.array(c) for c in (curve.fpir, curve.dir, curve.low, curve.high))
    axes.fill_between(x, low, high, color=BLUE, alpha=0.2, linewidth=0, label="95 % interval")
    axes.plot(x, y, color=BLUE, label="named right (DIR)")
    axes.axvline(100 * asked, color=GREY, linestyle=":", label=f"asked for: {100 * asked:g} %")
    unknown, right = figures.strangers_called_unknown.value, figures.named_right.value
    if unknown is not None and right is not None and unknown < 1:
        at = (100 * (1 - unknown), 100 * right)
        axes.plot(*at, "D", color=ORANGE, label="threshold in use", clip_on=False, zorder=3)
    axes.set_xscale("log")
    axes.set_xlabel("strangers who get a name, % (FPIR)")
    axes.set_ylabel("known people named right, %")
    axes.set_title("Named right, by strangers let through")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.legend(loc="lower right")


def _reliability(axes: "Axes", evaluation: Evaluation) -> None:
    axes.plot([0, 100], [0, 100], color=GREY, linestyle=":", linewidth=1.2)
    both = (
        ("known people", evaluation.calibration.known, BLUE, "o"),
        ("with strangers", evaluation.calibration.all, ORANGE, "s"),
    )
    for label, found, colour, mark in both:
        if found.ece.value is not None:
            _points(axes, label, found, colour, mark)
    axes.set_xlim(-3, 103)
    axes.set_ylim(-3, 103)
    axes.set_xlabel("probability given, %")
    axes.set_ylabel("answers that are right, %")
    axes.set_title("Do probabilities mean what they say?")
    axes.legend(loc="upper left")


def _points(axes: "Axes", label: str, found: Reliability, colour: str, mark: str) -> None:
    """A point a bin, the larger, the more answers are in it."""
    bins = [(b.confidence, b.right, b.share) for b in found.bins if b.confidence is not None]
    x, y, share = (np.array(column, float) for column in zip(*bins, strict=True))
    axes.plot(100 * x, 100 * y, color=colour, linewidth=1, alpha=0.6)
    axes.scatter(
        100 * x,
        100 * y,
        s=12 + 140 * np.sqrt(share),
        marker=mark,
        color=colour,
        alpha=0.75,
        linewidths=0,
        label=f"{label}: ECE {100 * (found.ece.value or 0):.1f} %",
    )


def _scores(axes: "Axes", evaluation: Evaluation) -> None:
    found, threshold = evaluation.histograms, evaluation.figures.threshold
    edges = np.array(found.edges)
    parts = (
        ("strangers", found.strangers, ORANGE, "-"),
        ("known, right", found.right, BLUE, "-"),
        ("known, wrong", found.wrong, PURPLE, "--"),
    )
    known = sum(found.right) + sum(found.wrong)
    for label, counts, colour, line in parts:
        of = sum(found.strangers) if label == "strangers" else known
        if sum(counts):
            shares = 100 * np.array(counts) / of
            axes.stairs(shares, edges, color=colour, linestyle=line, linewidth=1.6, label=label)
            axes.stairs(shares, edges, color=colour, alpha=0.2, fill=True)
    axes.axvline(threshold, color="black", linestyle=":", label="unknown below")
    axes.set_xlabel("score of the best candidate")
    axes.set_ylabel("photographs, %")
    axes.set_title("Scores of known people and strangers")
    axes.legend(loc="upper left")


def _gallery_size(axes: "Axes", found: Scale) -> None:
    points = found.points
    _line(axes, points, [p.top1 for p in points], "top-1", BLUE, "o")
    rates = [at.rate for at in points[0].dir_at_fpir]
    for j, (rate, colour, mark) in enumerate(
        zip(rates, (GREEN, ORANGE, PURPLE), "s^D", strict=True)
    ):
        figures = [p.dir_at_fpir[j].found for p in points]
        _line(axes, points, figures, f"DIR at FPIR {100 * rate:g} %", colour, mark)
    if any(p.sampled for p in points):
        axes.plot([], [], "o", color=GREY, markerfacecolor="white", label="some people sampled")
    axes.set_xscale("log")
    axes.set_xlabel("people in the gallery")
    axes.set_ylabel("known people named right, %")
    axes.set_title("More people to tell apart")
    axes.set_xticks([p.people for p in points], [f"{p.people:,}" for p in points])
    axes.minorticks_off()
    # Intervals of few strangers reach far down: what is of interest would be a line at the top.
    values = [e.value for p in points for e in (p.top1, *(at.found for at in p.dir_at_fpir))]
    lowest = 100 * min(value for value in values if value is not None)
    axes.set_ylim(max(-2.0, lowest - 0.6 * (102 - lowest) - 4), 101.5)
    axes.legend(loc="lower left")


def _line(
    axes: "Axes",
    points: Sequence[ScalePoint],
    figures: Sequence[Estimate],
    label: str,
    colour: str,
    mark: str,
) -> None:
    made = [(p, e) for p, e in zip(points, figures, strict=True) if e.value is not None]
    if not made:
        return
    x = [p.people for p, _ in made]
    axes.plot(x, [100 * (e.value or 0) for _, e in made], color=colour)
    ends = [(100 * (e.low or 0), 100 * (e.high or 0)) for _, e in made if e.low is not None]
    if len(ends) == len(made):
        low, high = zip(*ends, strict=True)
        axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    for point, figure in made:
        fill = "white" if point.sampled else colour
        axes.plot(point.people, 100 * (figure.value or 0), mark, color=colour, markerfacecolor=fill)
    axes.plot([], [], mark + "-", color=colour, label=label)


def _robustness(axes: "Axes", found: Robustness) -> None:
    conditions = found.conditions
    kinds = (
        ("top-1", BLUE, [c.figures.top1 for c in conditions]),
        ("named right", GREEN, [c.figures.named_right for c in conditions]),
        ("strangers unknown", ORANGE, [c.figures.strangers_called_unknown for c in conditions]),
    )
    height = 0.8 / len(kinds)
    places = np.arange(len(conditions))
    for k, (label, colour, figures) in enumerate(kinds):
        values = np.array([100 * (e.value or 0) for e in figures])
        ends = np.array(
            [
                (v - 100 * e.low, 100 * e.high - v)
                if e.low is not None and e.high is not None
                else (0, 0)
                for v, e in zip(values, figures, strict=True)
            ]
        )
        axes.barh(
            places + (k - 1) * height,
            values,
            height * 0.92,
            xerr=np.maximum(ends.T, 0),
            color=colour,
            label=label,
            error_kw={"ecolor": "#333333", "elinewidth": 1},
        )
    axes.set_yticks(places, [condition.label for condition in conditions])
    axes.invert_yaxis()
    axes.set_xlim(0, 104)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("%")
    axes.set_title("Smaller and blurred photographs")
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.18), ncols=3, columnspacing=1)
