"""Embeddings to a clean data set."""

from prefect import task

from elenco.curation import stage
from elenco.layout import Layout
from elenco.settings import Settings
from elenco.types import CuratedRef, DatasetRef
from tasks.progress import progress_artifact


@task(task_run_name="curate {dataset.train_rows:,} + {dataset.test_rows:,} faces")
def curate(dataset: DatasetRef, settings: Settings) -> CuratedRef:
    """Find what is wrong, double or unusable; finds by itself what was curated before."""
    with progress_artifact():
        return stage.curate(dataset, settings, Layout.of(settings))


@task(task_run_name="find what was curated of {settings.embedding.embedder}")
def find_curated(settings: Settings) -> CuratedRef:
    """The embeddings that were joined last, curated."""
    return stage.last_curated(settings, Layout.of(settings))
