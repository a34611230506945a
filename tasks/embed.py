"""Aligned faces to embeddings."""

from prefect import task

from elenco.embedding import stage
from elenco.embedding.base import embedding_space, load_embedder
from elenco.layout import Layout
from elenco.settings import Settings
from elenco.sources.people import read_people
from elenco.types import DatasetRef, ShardRef
from tasks.handover import handed_over
from tasks.names import of_shard
from tasks.policies import ByContent
from tasks.progress import progress_artifact


@task(
    task_run_name=of_shard("embed", "detected", "faces"),
    cache_policy=ByContent(
        stage="embed",
        depends=lambda i: (
            stage.EMBED_VERSION,
            i["detected"].digest,
            i["detected"].shard,
            embedding_space(i["settings"]),
        ),
    ),
    persist_result=True,
    result_serializer="json",
)
def embed_shard(detected: ShardRef, settings: Settings) -> ShardRef:
    """Embed every face of a shard."""
    with handed_over(detected, settings) as layout, progress_artifact():
        embedder = load_embedder(settings.embedding.embedder, settings, layout)
        return stage.embed_shard(detected, settings, layout, embedder)


@task(task_run_name="join {settings.collect.shards} shards")
def join_shards(shards: list[ShardRef], settings: Settings) -> DatasetRef:
    """One npz a split, for the classifier here and for any other."""
    layout = Layout.of(settings)
    names = {person.id: person.name for person in read_people(layout)}
    return stage.join_shards(shards, names, settings, layout, settings.embedding.embedder)


@task(task_run_name="prepare the embedder {settings.embedding.embedder}")
def prepare_embedder(settings: Settings) -> None:
    """Fetch and check its weights before anything else is done: a run should not end on them."""
    load_embedder(settings.embedding.embedder, settings, Layout.of(settings))
