"""What the stages did, as a Markdown table."""

from collections.abc import Mapping

from elenco.types import StageReport


def stage_table(stages: Mapping[str, StageReport]) -> str:
    """A row a stage: given, kept, of those reused, skipped by reason, seconds, and speed.

    Speed is of what was worked on: given less reused, a second.
    """
    lines = [
        "| stage | given | kept | of it reused | skipped | seconds | per second |",
        "|---|---:|---:|---:|---|---:|---:|",
    ]
    for name, report in stages.items():
        skipped = ", ".join(f"{count:,} {reason}" for reason, count in report.skipped.items())
        worked = report.given - report.reused
        speed = f"{worked / report.seconds:,.1f}" if worked and report.seconds else "–"
        lines.append(
            f"| {name} | {report.given:,} | {report.kept:,} | {report.reused:,} | "
            f"{skipped or 'none'} | {report.seconds:,.1f} | {speed} |"
        )
    return "\n".join(lines) + "\n"
