"""Who, and their photographs."""

import asyncio

from prefect import task

from elenco.layout import Layout
from elenco.settings import Settings
from elenco.sources import stage
from elenco.sources.base import edition
from elenco.stages import shard_refs
from elenco.types import Person, ShardRef
from tasks.policies import ByContent, retry_unreachable
from tasks.progress import progress_artifact

# Connections, rates and retries change how photographs arrive, not which.
_DEPENDS = {"photos_per_person", "image_size", "max_megabytes", "max_megapixels", "test_fraction"}


@task(task_run_name="list the {settings.collect.people} most popular people")
def list_people(settings: Settings) -> list[list[Person]]:
    """The people of the day, cut into shards; written to `people.json`."""
    people = asyncio.run(stage.list_people(settings, Layout.of(settings)))
    return stage.shards_of(people, settings.collect.shards)


@task(
    task_run_name="collect {shard}",
    cache_policy=ByContent(
        stage="collect",
        depends=lambda i: (
            stage.COLLECT_VERSION,
            sorted(person.id for person in i["people"]),
            i["shard"],
            edition(i["settings"], i["people"]),
            i["settings"].collect.model_dump(mode="json", include=_DEPENDS),
        ),
    ),
    persist_result=True,
    result_serializer="json",
    retries=2,
    retry_delay_seconds=[30, 120],
    retry_jitter_factor=0.5,
    retry_condition_fn=retry_unreachable,
)
def collect_shard(people: list[Person], shard: int, settings: Settings) -> ShardRef:
    """Download what is not there yet. TMDB is asked about a person once a day."""
    with progress_artifact():
        return asyncio.run(stage.collect_shard(people, shard, settings, Layout.of(settings)))


@task(task_run_name="find what was collected")
def find_collected(settings: Settings) -> list[ShardRef]:
    """The shards of photographs that were finished last."""
    return shard_refs("collect", settings.collect.shards, Layout.of(settings))
