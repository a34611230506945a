"""Figures with their intervals, as text of reports."""

from elenco.evaluation.bootstrap import Estimate


def percent(value: float | None) -> str:
    """A share; says so where nothing was measured."""
    return "not measured" if value is None else f"{value:.2%}"


def interval(found: Estimate) -> str:
    """The ends of an interval; a dash where there is none."""
    if found.low is None or found.high is None:
        return "–"
    return f"{found.low:.2%} – {found.high:.2%}"


def with_interval(found: Estimate | None) -> str:
    """A share and its interval in a few characters, for a cell; a dash for no share."""
    if found is None or found.value is None:
        return "–"
    if found.low is None or found.high is None:
        return f"{found.value:.1%}"
    return f"{found.value:.1%} ({100 * found.low:.1f}–{100 * found.high:.1f})"


def rate_text(rate: float) -> str:
    """A rate of false positives: `0.1 %`."""
    return f"{100 * rate:g} %"
