"""What an operator reads: one Markdown artifact at the end of each flow, and the run's state."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.states import Completed

from elenco import publication
from elenco.curation.quarantine import the_quarantine
from elenco.documents import EVALUATION
from elenco.layout import Layout
from elenco.report.evaluation_files import with_pictures
from elenco.report.faces import face_sheet
from elenco.report.markdown import publication_report, stages_report, training_report
from elenco.report.quarantine import quarantine_markdown
from elenco.report.retention import retention_report
from elenco.settings import Settings
from elenco.types import (
    CuratedRef,
    Listing,
    PublishedRef,
    RefreshResult,
    ShardRef,
    StageReport,
    TrainedRef,
)


def settle(futures: Iterable[PrefectFuture[ShardRef]]) -> list[ShardRef]:
    """Results of all, raising the first failure; stored answers count as work of an earlier run."""
    settled: list[ShardRef] = []
    for future in futures:
        ref = future.result()
        cached = future.state.name == "Cached"
        settled.append(replace(ref, report=ref.report.again()) if cached else ref)
    return settled


def report_shards(
    stages: Mapping[str, Sequence[ShardRef]],
    settings: Settings,
    listing: Listing | None = None,
    published: PublishedRef | None = None,
    curated: CuratedRef | None = None,
) -> dict[str, StageReport]:
    """Sum up the shards of each stage; the artifact has counts, times, figures, people, faces."""
    nothing = StageReport(0, 0)
    totals = {name: sum((r.report for r in refs), nothing) for name, refs in stages.items()}
    if curated is not None:
        totals["curate"] = curated.report
    if listing is not None:
        totals = {"list": listing.report} | totals
    sheet = face_sheet(stages["detect"], Layout.of(settings)) if "detect" in stages else None
    drift = publication.drift(published, Layout.of(settings)) if published else None
    key = "daily-refresh" if published else "-".join(stages)
    create_markdown_artifact(stages_report(totals, sheet, listing, published, drift), key=key)
    return totals


def report_curation(curated: CuratedRef, settings: Settings) -> None:
    """What is left out and why, in numbers, and where the page with the faces is."""
    layout = Layout.of(settings)
    path = layout.data / curated.quarantine
    page = layout.quarantine_sheet(path.parent.name)
    report = quarantine_markdown(the_quarantine(path), str(page), curated.report.given)
    create_markdown_artifact(report, key="curate")


def report_training(trained: TrainedRef, settings: Settings) -> None:
    """Measurements of a candidate, with plots and faces."""
    folder = settings.paths.models / trained.path / EVALUATION
    report = training_report(trained, with_pictures(folder))
    create_markdown_artifact(report, key="train-recogniser")


def report_publication(published: PublishedRef, settings: Settings) -> None:
    """What became of a candidate and why, and what moved."""
    drift = publication.drift(published, Layout.of(settings))
    create_markdown_artifact(publication_report(published, drift), key="publish-model")


def report_retention(removed: Mapping[str, int], settings: Settings) -> None:
    """What was deleted for its age, in numbers."""
    report = retention_report(removed, settings.retention)
    create_markdown_artifact(report, key="enforce-retention")


def refresh_state(stages: dict[str, StageReport], published: PublishedRef) -> State[RefreshResult]:
    """Completed, with a message that says whether there is a new model and why not if not."""
    message = f"{published.version} {published.outcome}: {published.reason}"
    return Completed(message=message, data=RefreshResult(stages, published))
