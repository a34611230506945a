"""The daily refresh: people, photographs, faces, embeddings, quarantine, recogniser, current.

Shard i is detected as soon as it is collected. A second run on the same day finds every answer
stored and redoes nothing; a killed one goes on from what is on disk.
"""

from prefect import flow
from prefect.client.schemas.objects import State

from elenco.lock import refresh_lock
from elenco.settings import load_settings
from elenco.types import RefreshResult
from flows.publish_model import publish_model
from flows.train_recogniser import train_recogniser
from tasks.collect import collect_shard, list_people
from tasks.curate import curate
from tasks.embed import embed_shard, join_shards, prepare_embedder
from tasks.faces import detect_shard
from tasks.failure import says_what_to_do
from tasks.names import of_day
from tasks.report import (
    refresh_state,
    report_curation,
    report_over_days,
    report_shards,
    settle,
)
from tasks.runners import ShardRunner


@flow(name="daily_refresh", flow_run_name=of_day("refresh"), task_runner=ShardRunner(threads=8))
@says_what_to_do
def daily_refresh(config: str | None = None, people: int | None = None) -> State[RefreshResult]:
    """Refresh the recogniser once.

    Args:
        config: a settings file; by default the one named by ELENCO_CONFIG or config/default.toml.
        people: how many people, in place of the settings' number.
    """
    settings = load_settings(config, collect={"people": people})
    prepare_embedder(settings)
    with refresh_lock(settings):
        collected, detected, embedded = [], [], []
        listing = list_people(settings)
        for shard, members in enumerate(listing.shards):
            collected.append(collect_shard.submit(members, shard, settings))
            detected.append(detect_shard.submit(collected[-1], settings))
            embedded.append(embed_shard.submit(detected[-1], settings))
        # In this order, the first failure to be raised is the one that caused the others.
        stages = {
            "collect": settle(collected),
            "detect": settle(detected),
            "embed": settle(embedded),
        }
        curated = curate(join_shards(stages["embed"], settings), settings)
        report_curation(curated, settings)
        trained = train_recogniser(curated, config, people)
        published = publish_model(trained, config, people)
        totals = report_shards(stages, settings, listing, published, curated)
        report_over_days(totals, published, settings)
    return refresh_state(totals, published, settings)
