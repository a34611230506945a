"""What an operator reads: one Markdown artifact at the end of each flow, and the run's state."""

from collections.abc import Mapping

from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
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
from elenco.report.places import places_of
from elenco.report.quarantine import quarantine_markdown
from elenco.report.retention import retention_report
from elenco.report.stages import trained_on
from elenco.settings import Settings
from elenco.types import (
    CuratedRef,
    Listing,
    PublishedRef,
    RefreshResult,
    StageReport,
    TrainedRef,
)
from tasks.ops.events import DRIFT, NOT_PROMOTED, emit
from tasks.shards import Stage
from tasks.stopwatch import Stopwatch

DESCRIPTIONS = {
    "daily-refresh": "What each stage kept and skipped, where the model is, how good it is, faces.",
    "over-days": "People, photographs, accuracy and duration of each refresh.",
    "curate": "Photographs that are left out of training, and why.",
    "train-recogniser": "How good the candidate is, with plots.",
    "publish-model": "Why the version is in use or not, and what moved.",
    "enforce-retention": "What was deleted for its age.",
}


def report_shards(
    stages: Mapping[str, Stage],
    settings: Settings,
    listing: Listing | None = None,
    curated: CuratedRef | None = None,
) -> None:
    """What a flow that is no whole refresh did: counts, times, people, faces."""
    totals = _totals(stages, listing, curated)
    _artifact("-".join(stages), stages_report(totals, _sheet(stages, settings), listing))


def report_refresh(
    stages: Mapping[str, Stage],
    listing: Listing,
    curated: CuratedRef,
    trained: TrainedRef,
    published: PublishedRef,
    watch: Stopwatch,
    settings: Settings,
) -> dict[str, StageReport]:
    """The summary of a refresh, in which everything is; returns the counts of its stages."""
    layout, steps = Layout.of(settings), dict(watch.steps)
    totals = _totals(stages, listing, curated)
    totals["train"] = trained_on(trained, steps.pop("train"))
    report = stages_report(
        totals,
        _sheet(stages, settings),
        listing,
        published,
        publication.drift(published, layout),
        steps,
        places_of(published, curated, layout),
    )
    _artifact("daily-refresh", report)
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
    stages: dict[str, StageReport], published: PublishedRef, watch: Stopwatch, settings: Settings
) -> None:
    """Remember this refresh, and show it with those before. Holding the data directory."""
    layout = Layout.of(settings)
    refresh = history.Refresh.of(stages, published, publication.now(), watch.seconds)
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


def _totals(
    stages: Mapping[str, Stage], listing: Listing | None, curated: CuratedRef | None
) -> dict[str, StageReport]:
    """Counts of all stages up to curating, in the order of the work."""
    totals = {name: stage.report for name, stage in stages.items()}
    if listing is not None:
        totals = {"list": listing.report} | totals
    return totals if curated is None else totals | {"curate": curated.report}


def _sheet(stages: Mapping[str, Stage], settings: Settings) -> bytes | None:
    """A picture of faces, where they were detected."""
    return face_sheet(stages["detect"].refs, Layout.of(settings)) if "detect" in stages else None


def _artifact(key: str, report: str) -> None:
    create_markdown_artifact(report, key=key, description=DESCRIPTIONS.get(key))
