"""A version's figures, as a Markdown table."""

from collections.abc import Mapping
from typing import Any


def metrics_table(metrics: Mapping[str, Any]) -> str:
    """A row a figure, each with how many photographs it is of.

    Args:
        metrics: as `elenco.recognition.train.train_candidate` returns them.
    """
    n = metrics["test_photographs"]
    held_out = f"{n:,} held-out photographs of {metrics['people']:,} people"
    strangers = f"{metrics['strangers_n']:,} photographs of people left out of training"
    svm = f"{metrics.get('svm_test_photographs', n):,} of {metrics['svm_people']:,} people"
    fpir = f"{metrics['fpir']:.1%}" if metrics["fpir"] is not None else "–"
    rows = [
        ("**top-1**: the best person is the right one", "top1", held_out),
        ("**top-5**: the right one is among the best five", "top5", held_out),
        ("named right, where unknown is an answer too", "named_right", held_out),
        ("called unknown, though known", "called_unknown", held_out),
        ("named wrong", "named_wrong", held_out),
        (f"DIR at FPIR {fpir}", "dir_at_fpir", held_out),
        ("**strangers called unknown**", "strangers_called_unknown", strangers),
        ("baseline: linear SVM, top-1", "svm_top1", svm),
        ("baseline: nearest mean, top-1", "nearest_mean_top1", held_out),
    ]
    lines = ["| figure | | of |", "|---|---:|---|"]
    lines += [f"| {title} | {share(metrics[key])} | {of} |" for title, key, of in rows]
    return "\n".join(lines) + "\n"


def share(value: float | None) -> str:
    """A share in per cent; says so where nothing was measured."""
    return "not measured" if value is None else f"{value:.2%}"
