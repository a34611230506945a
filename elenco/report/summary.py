"""A refresh in a few lines of text."""

from elenco.types import RefreshResult, StageReport


def summary_lines(result: RefreshResult) -> list[str]:
    """One line a stage, then what became of the model."""
    lines = [f"{name}: {_counts(report)}" for name, report in result.stages.items()]
    published = result.published
    lines.append(f"recogniser: {published.outcome}: {published.reason}")
    if published.metrics.get("top1") is not None:
        lines.append(f"{published.version}: {headline(published.metrics)}")
    return lines


def headline(metrics: dict) -> str:
    """The figures that matter most, in one line."""
    parts = [
        f"{metrics['people']:,} people",
        f"top-1 {metrics['top1']:.2%} and top-5 {metrics['top5']:.2%} "
        f"of {metrics['test_photographs']:,} test photographs",
    ]
    if metrics.get("svm_top1") is not None:
        parts.append(f"linear SVM {metrics['svm_top1']:.2%}")
    if metrics.get("strangers_called_unknown") is not None:
        called = f"{metrics['strangers_called_unknown']:.1%} of {metrics['strangers_n']:,}"
        parts.append(f"strangers called unknown {called}")
    return "; ".join(parts)


def _counts(report: StageReport) -> str:
    skipped = ", ".join(f"{reason} {count:,}" for reason, count in report.skipped.items())
    return (
        f"{report.given:,} given, {report.kept:,} kept ({report.reused:,} from before), "
        f"{report.given - report.kept:,} skipped{f' ({skipped})' if skipped else ''}, "
        f"{report.seconds:.1f} s"
    )
