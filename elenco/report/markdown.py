"""Reports of the flows: data to Markdown."""

from collections.abc import Mapping

from elenco.report.metrics import metrics_table
from elenco.report.people import people_section
from elenco.report.sheet import data_uri
from elenco.report.stages import stage_table
from elenco.types import Listing, PublishedRef, StageReport, TrainedRef


def stages_report(
    stages: Mapping[str, StageReport],
    sheet: bytes | None,
    listing: Listing | None = None,
    published: PublishedRef | None = None,
) -> str:
    """Counts of every stage, who came and left, the model's figures, and a picture of faces.

    Args:
        stages: in order.
        sheet: a JPEG of faces.
        listing: the people of the day, where they were listed.
        published: what became of the model, for a whole refresh.
    """
    parts = ["# Refresh" if published else "# " + ", ".join(stages), stage_table(dict(stages))]
    if listing is not None:
        parts.append(people_section(listing))
    if published is not None:
        parts.append(publication_report(published))
    if sheet is not None:
        parts += ["## Faces", f"![faces]({data_uri(sheet)})"]
    return "\n\n".join(parts) + "\n"


def training_report(trained: TrainedRef) -> str:
    """Figures of a candidate."""
    what = f"`{trained.path}`, fingerprint `{trained.fingerprint[:16]}`"
    return f"# Training\n\n{what}\n\n{metrics_table(trained.metrics)}\n"


def publication_report(published: PublishedRef) -> str:
    """What became of a candidate, why, and its figures."""
    return (
        f"## {published.version}: {published.outcome}\n\n{published.reason}\n\n"
        f"Current is now **{published.current or 'none'}**.\n\n{metrics_table(published.metrics)}\n"
    )
