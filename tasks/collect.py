"""Who, and their photographs."""

from prefect import task

from elenco.layout import Layout
from elenco.settings import Settings
from elenco.sources import listing, stage
from elenco.sources.collecting import COLLECT_VERSION
from elenco.sources.network import run
from elenco.stages import shard_refs
from elenco.types import Listing, Person, ShardRef
from tasks.names import of_shard
from tasks.pace import turns
from tasks.policies import ByContent, retry_unreachable
from tasks.progress import progress_artifact

# Connections, rates and retries change how photographs arrive, not which.
_DEPENDS = {"photos_per_person", "image_size", "max_megabytes", "max_megapixels", "test_fraction"}


@task(task_run_name="list the people of the day")
def list_people(settings: Settings) -> Listing:
    """The people of the day, cut into shards; the list is written with its date."""
    with progress_artifact(), turns(settings):
        return run(listing.list_people(settings, Layout.of(settings)))


@task(
    task_run_name=of_shard("collect", "people", "people"),
    cache_policy=ByContent(
        stage="collect",
        depends=lambda i: (
            COLLECT_VERSION,
            sorted(person.id for person in i["people"]),
            i["shard"],
            stage.shard_edition(i["people"], i["shard"], i["settings"], Layout.of(i["settings"])),
            i["settings"].collect.model_dump(mode="json", include=_DEPENDS),
            i["settings"].retention.model_dump(mode="json"),
        ),
    ),
    persist_result=True,
    result_serializer="json",
    retries=1,
    retry_delay_seconds=60,
    retry_jitter_factor=0.5,
    retry_condition_fn=retry_unreachable,
)
def collect_shard(people: list[Person], shard: int, settings: Settings) -> ShardRef:
    """Download what is not there yet; asks about nobody who has not changed."""
    with progress_artifact(), turns(settings):
        return run(stage.collect_shard(people, shard, settings, Layout.of(settings)))


@task(task_run_name="find what was collected")
def find_collected(settings: Settings) -> list[ShardRef]:
    """The shards of photographs that were finished last."""
    return shard_refs("collect", settings.collect.shards, Layout.of(settings))
