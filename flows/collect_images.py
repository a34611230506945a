"""The day's people and their photographs, without going further."""

from prefect import flow

from elenco.lock import refresh_lock
from elenco.settings import People, load_settings
from elenco.types import ShardRef
from tasks.collect import collect_shard, list_people
from tasks.failure import says_what_to_do
from tasks.names import of_day
from tasks.report import report_shards
from tasks.runners import ShardRunner
from tasks.shards import all_shards


@flow(name="collect_images", flow_run_name=of_day("collect"), task_runner=ShardRunner(threads=4))
@says_what_to_do
def collect_images(config: str | None = None, people: People | None = None) -> list[ShardRef]:
    """Collect photographs.

    Args:
        config: a settings file; by default the one named by ELENCO_CONFIG or config/default.toml.
        people: how many people, in place of the settings' number.
    """
    settings = load_settings(config, collect={"people": people})
    with refresh_lock(settings), all_shards() as shards:
        listing = list_people(settings)
        for shard, members in enumerate(listing.shards):
            shards.add("collect", collect_shard.submit(members, shard, settings))
        stages = shards.settle()
    report_shards(stages, settings, listing)
    return stages["collect"].refs
