"""The day's people and their photographs, without going further."""

from prefect import flow

from elenco.lock import refresh_lock
from elenco.settings import load_settings
from elenco.types import ShardRef
from tasks.collect import collect_shard, list_people
from tasks.names import of_day
from tasks.report import report_shards, settle
from tasks.runners import ShardRunner


@flow(name="collect_images", flow_run_name=of_day("collect"), task_runner=ShardRunner(threads=4))
def collect_images(config: str | None = None, people: int | None = None) -> list[ShardRef]:
    """Collect photographs.

    Args:
        config: a settings file; by default the one named by ELENCO_CONFIG or config/default.toml.
        people: how many people, in place of the settings' number.
    """
    settings = load_settings(config, collect={"people": people})
    with refresh_lock(settings):
        listing = list_people(settings)
        futures = [
            collect_shard.submit(members, shard, settings)
            for shard, members in enumerate(listing.shards)
        ]
        collected = settle(futures)
    report_shards({"collect": collected}, settings, listing)
    return collected
