"""Reports of the flows: data to Markdown."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from elenco.report.drift import drift_markdown
from elenco.report.metrics import metrics_table
from elenco.report.people import people_section
from elenco.report.places import places_section
from elenco.report.sheet import data_uri
from elenco.report.stages import stage_table
from elenco.types import Listing, PublishedRef, StageReport, TrainedRef


def stages_report(
    stages: Mapping[str, StageReport],
    sheet: bytes | None,
    listing: Listing | None = None,
    published: PublishedRef | None = None,
    drift: Mapping[str, Any] | None = None,
    steps: Mapping[str, float] | None = None,
    places: Mapping[str, Path] | None = None,
) -> str:
    """Counts of every stage, where things are, who came and left, the model's figures, and faces.

    Args:
        stages: in order.
        sheet: a JPEG of faces.
        listing: the people of the day, where they were listed.
        published: what became of the model, for a whole refresh.
        drift: what moved since the version that was in use, where there was one.
        steps: what was done after the stages -> wall seconds.
        places: what there is to open -> where it is.
    """
    title = "# Refresh" if published else "# " + ", ".join(stages)
    parts = [title, stage_table(stages, steps)]
    if places is not None:
        parts.append(places_section(places))
    if listing is not None:
        parts.append(people_section(listing))
    if published is not None:
        parts.append(publication_report(published, drift))
    if sheet is not None:
        parts += ["## Faces", f"![faces]({data_uri(sheet)})"]
    return "\n\n".join(parts) + "\n"


def training_report(trained: TrainedRef, evaluation: str = "") -> str:
    """Figures of a candidate, and the report of all that was measured of it, if there is one."""
    what = f"`{trained.path}`, fingerprint `{trained.fingerprint[:16]}`"
    return f"# Training\n\n{what}\n\n{metrics_table(trained.metrics)}\n{evaluation}"


def publication_report(published: PublishedRef, drift: Mapping[str, Any] | None = None) -> str:
    """What became of a candidate, why, its figures, and what moved: as `drift_of` tells it."""
    moved = "" if drift is None else f"\n{drift_markdown(drift)}"
    return (
        f"## {published.version}: {published.outcome}\n\n{published.reason}\n\n"
        f"Current is now **{published.current or 'none'}**.\n\n"
        f"{metrics_table(published.metrics)}{moved}\n"
    )
