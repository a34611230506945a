"""What the stages did, as a Markdown table."""

from collections.abc import Mapping

from elenco.types import StageReport, TrainedRef

EXPLAINED = (
    "*Wall seconds* are from the start of a stage's first shard to the end of its last one: shards "
    "are worked on side by side, and stages at the same time. *New per second* is given less "
    "reused, in these seconds."
)


def stage_table(stages: Mapping[str, StageReport], steps: Mapping[str, float] | None = None) -> str:
    """A row a stage: given, kept, of those reused, skipped by reason, seconds, and speed.

    Args:
        stages: in order; their `seconds` are wall seconds of the whole stage.
        steps: what comes after them and has nothing to count -> wall seconds.
    """
    lines = [
        "| stage | given | kept | of it reused | skipped | wall seconds | new per second |",
        "|---|---:|---:|---:|---|---:|---:|",
        *(_row(name, report) for name, report in stages.items()),
        *(f"| {name} | – | – | – | – | {took:,.1f} | – |" for name, took in (steps or {}).items()),
    ]
    return "\n".join([*lines, "", EXPLAINED, ""])


def trained_on(trained: TrainedRef, seconds: float) -> StageReport:
    """What training made of the photographs that curating kept: trained or measured on.

    `not_in_gallery` are held out and of a person without a photograph to train on.

    Args:
        trained: what came of it.
        seconds: how long it took.
    """
    metrics = trained.metrics
    kept = metrics["train_photographs"] + metrics["test_photographs"]
    without = metrics["test_photographs_without_gallery"]
    skipped = {"not_in_gallery": without} if without else {}
    return StageReport(kept + without, kept, kept if trained.reused else 0, skipped, seconds)


def _row(name: str, report: StageReport) -> str:
    skipped = ", ".join(f"{count:,} {reason}" for reason, count in report.skipped.items())
    worked = report.given - report.reused
    speed = f"{worked / report.seconds:,.1f}" if worked and report.seconds else "–"
    return (
        f"| {name} | {report.given:,} | {report.kept:,} | {report.reused:,} | "
        f"{skipped or 'none'} | {report.seconds:,.1f} | {speed} |"
    )
