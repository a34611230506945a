"""The daily refresh: people, photographs, faces, embeddings, quarantine, recogniser, current.

Shard i is detected as soon as it is collected. A second run on the same day finds every answer
stored and redoes nothing; a killed one goes on from what is on disk.
"""

from prefect import flow
from prefect.client.schemas.objects import State

from elenco.lock import refresh_lock
from elenco.settings import People, load_settings
from elenco.types import RefreshResult
from flows.publish_model import publish_model
from flows.train_recogniser import train_recogniser
from tasks.collect import collect_shard, list_people
from tasks.curate import curate
from tasks.embed import embed_shard, join_shards, prepare_embedder
from tasks.faces import detect_shard
from tasks.failure import says_what_to_do
from tasks.names import of_day
from tasks.parts import parts
from tasks.report import refresh_state, report_curation, report_over_days, report_refresh
from tasks.runners import ShardRunner
from tasks.shards import all_shards
from tasks.stopwatch import stopwatch


@flow(name="daily_refresh", flow_run_name=of_day("refresh"), task_runner=ShardRunner(threads=8))
@says_what_to_do
def daily_refresh(config: str | None = None, people: People | None = None) -> State[RefreshResult]:
    """Refresh the recogniser once.

    Args:
        config: a settings file; by default the one named by ELENCO_CONFIG or config/default.toml.
        people: how many people, in place of the settings' number.
    """
    settings = load_settings(config, collect={"people": people})
    with stopwatch() as watch:
        prepare_embedder(settings)
        with refresh_lock(settings), all_shards() as shards:
            listing = list_people(settings)
            for shard, members in enumerate(listing.shards):
                collected = shards.add("collect", collect_shard.submit(members, shard, settings))
                detected = shards.add("detect", detect_shard.submit(collected, settings))
                shards.add("embed", embed_shard.submit(detected, settings))
            stages = shards.settle()
            curated = curate(join_shards(stages["embed"].refs, settings), settings)
            report_curation(curated, settings)
            with parts():
                trained = train_recogniser(curated, config, people)
                published = publish_model(trained, config, people)
            totals = report_refresh(stages, listing, curated, trained, published, watch, settings)
            report_over_days(totals, published, watch, settings)
    return refresh_state(totals, published, settings)
