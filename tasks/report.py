"""What an operator reads: one Markdown artifact at the end of each flow, and the run's state."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.states import Completed

from elenco.layout import Layout
from elenco.report.faces import face_sheet
from elenco.report.markdown import publication_report, stages_report, training_report
from elenco.report.retention import retention_report
from elenco.settings import Settings
from elenco.types import Listing, PublishedRef, RefreshResult, ShardRef, StageReport, TrainedRef


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
) -> dict[str, StageReport]:
    """Sum up the shards of each stage; the artifact has counts, times, figures, people, faces."""
    nothing = StageReport(0, 0)
    totals = {name: sum((r.report for r in refs), nothing) for name, refs in stages.items()}
    if listing is not None:
        totals = {"list": listing.report} | totals
    sheet = face_sheet(stages["detect"], Layout.of(settings)) if "detect" in stages else None
    key = "daily-refresh" if published else "-".join(stages)
    create_markdown_artifact(stages_report(totals, sheet, listing, published), key=key)
    return totals


def report_training(trained: TrainedRef, settings: Settings) -> None:
    """Measurements of a candidate."""
    create_markdown_artifact(training_report(trained), key="train-recogniser")


def report_publication(published: PublishedRef, settings: Settings) -> None:
    """What became of a candidate and why."""
    create_markdown_artifact(publication_report(published), key="publish-model")


def report_retention(removed: Mapping[str, int], settings: Settings) -> None:
    """What was deleted for its age, in numbers."""
    report = retention_report(removed, settings.retention)
    create_markdown_artifact(report, key="enforce-retention")


def refresh_state(stages: dict[str, StageReport], published: PublishedRef) -> State[RefreshResult]:
    """Completed, with a message that says whether there is a new model and why not if not."""
    message = f"{published.version} {published.outcome}: {published.reason}"
    return Completed(message=message, data=RefreshResult(stages, published))
