"""What an operator reads: one Markdown artifact at the end of each flow, and the run's state."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.futures import PrefectFuture
from prefect.states import Completed

from elenco import publication
from elenco.curation.quarantine import the_quarantine
from elenco.documents import EVALUATION
from elenco.layout import Layout
from elenco.report import history
from elenco.report.evaluation_files import with_pictures
from elenco.report.faces import face_sheet
from elenco.report.markdown import publication_report, stages_report, training_report
from elenco.report.over_days import over_days_markdown
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
from tasks.ops.events import DRIFT, NOT_PROMOTED, emit

DESCRIPTIONS = {
    "daily-refresh": "What each stage kept and skipped, who came and left, the model, faces.",
    "over-days": "People, photographs, accuracy and duration of each refresh.",
    "curate": "Photographs that are left out of training, and why.",
    "train-recogniser": "How good the candidate is, with plots.",
    "publish-model": "Why the version is in use or not, and what moved.",
    "enforce-retention": "What was deleted for its age.",
}


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
    _artifact(key, stages_report(totals, sheet, listing, published, drift))
    return totals


def report_curation(curated: CuratedRef, settings: Settings) -> None:
    """What is left out and why, in numbers, and where the page with the faces is."""
    layout = Layout.of(settings)
    path = layout.data / curated.quarantine
    page = layout.quarantine_sheet(path.parent.name)
    report = quarantine_markdown(the_quarantine(path), str(page), curated.report.given)
    _artifact("curate", report)


def report_training(trained: TrainedRef, settings: Settings) -> None:
    """Measurements of a candidate, with plots and faces."""
    folder = settings.paths.models / trained.path / EVALUATION
    report = training_report(trained, with_pictures(folder))
    _artifact("train-recogniser", report)


def report_publication(published: PublishedRef, settings: Settings) -> None:
    """What became of a candidate and why, and what moved."""
    drift = publication.drift(published, Layout.of(settings))
    _artifact("publish-model", publication_report(published, drift))


def report_retention(removed: Mapping[str, int], settings: Settings) -> None:
    """What was deleted for its age, in numbers."""
    report = retention_report(removed, settings.retention)
    _artifact("enforce-retention", report)


def report_over_days(
    stages: dict[str, StageReport], published: PublishedRef, settings: Settings
) -> None:
    """Remember this refresh, and show it with those before. Holding the data directory."""
    context, layout = FlowRunContext.get(), Layout.of(settings)
    assert context is not None
    seconds = (datetime.now(UTC) - context.start_time).total_seconds()
    refresh = history.Refresh.of(stages, published, publication.now(), seconds)
    history.note(refresh, layout)
    _artifact("over-days", over_days_markdown(history.read(layout)))


def refresh_state(
    stages: dict[str, StageReport], published: PublishedRef, settings: Settings
) -> State[RefreshResult]:
    """Completed, named after what became of the model, with why; alarms where there is cause."""
    version, reason = published.version, published.reason
    message = reason if reason.startswith(f"{version} ") else f"{version}: {reason}"
    if published.outcome == "not promoted":
        emit(NOT_PROMOTED, message, version=version)
    if published.outcome != "nothing new":
        drift = publication.drift(published, Layout.of(settings)) or {}
        for line in drift.get("alarm", []):
            emit(DRIFT, line, version=version)
    return Completed(
        name=published.outcome.capitalize(),
        message=message,
        data=RefreshResult(stages, published),
    )


def retention_state(removed: dict[str, int]) -> State[dict[str, int]]:
    """Completed, with a message that says how much is gone."""
    gone = ", ".join(f"{count:,} {name}" for name, count in removed.items())
    return Completed(message=f"deleted: {gone or 'nothing'}", data=removed)


def skipped_state(holder: str) -> State[dict[str, int]]:
    """Completed without doing anything, because something else is at work in the directory."""
    return Completed(name="Skipped", message=f"a refresh runs: {holder}", data={})


def _artifact(key: str, report: str) -> None:
    create_markdown_artifact(report, key=key, description=DESCRIPTIONS.get(key))
