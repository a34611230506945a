"""Embeddings to a candidate."""

from prefect import task

from elenco import publication
from elenco.layout import Layout
from elenco.settings import Settings
from elenco.types import CuratedRef, TrainedRef
from tasks.progress import progress_artifact
from tasks.stopwatch import timed


@task(task_run_name="train on {curated.dataset.train_rows:,} faces")
def train_candidate(curated: CuratedRef, settings: Settings) -> TrainedRef:
    """Train and measure; finds what was trained from the same inputs in the registry itself."""
    with progress_artifact(), timed("train"):
        return publication.train(curated, settings, Layout.of(settings))


@task(task_run_name="find the candidate that was trained last")
def find_candidate(settings: Settings) -> TrainedRef:
    """The candidate that was trained last."""
    return publication.last_candidate(Layout.of(settings))
