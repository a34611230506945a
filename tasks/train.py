"""Embeddings to a candidate."""

from prefect import task

from elenco import publication
from elenco.embedding.stage import dataset_ref
from elenco.layout import Layout
from elenco.settings import Settings
from elenco.types import DatasetRef, TrainedRef
from tasks.progress import progress_artifact


@task(task_run_name="train on {dataset.train_rows} faces of {dataset.people} people")
def train_candidate(dataset: DatasetRef, settings: Settings) -> TrainedRef:
    """Train and measure; finds what was trained from the same inputs in the registry itself."""
    with progress_artifact():
        return publication.train(dataset, settings, Layout.of(settings))


@task(task_run_name="find the embeddings of {settings.embedding.embedder}")
def find_dataset(settings: Settings) -> DatasetRef:
    """The embeddings that were joined last."""
    return dataset_ref(Layout.of(settings), settings.embedding.embedder)


@task(task_run_name="find the candidate")
def find_candidate(settings: Settings) -> TrainedRef:
    """The candidate that was trained last."""
    return publication.last_candidate(Layout.of(settings))
