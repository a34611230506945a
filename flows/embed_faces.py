"""Photographs that were collected -> faces -> embeddings, curated; asks no source for anything."""

from prefect import flow

from elenco.lock import refresh_lock
from elenco.settings import load_settings
from elenco.types import CuratedRef
from tasks.collect import find_collected
from tasks.curate import curate
from tasks.embed import embed_shard, join_shards, prepare_embedder
from tasks.faces import detect_shard
from tasks.failure import says_what_to_do
from tasks.names import of_day
from tasks.report import report_curation, report_shards
from tasks.runners import ShardRunner
from tasks.shards import all_shards


@flow(name="embed_faces", flow_run_name=of_day("embed"), task_runner=ShardRunner(threads=4))
@says_what_to_do
def embed_faces(config: str | None = None) -> CuratedRef:
    """Detect, embed and curate: what to run after choosing another embedder.

    Args:
        config: a settings file; by default the one named by ELENCO_CONFIG or config/default.toml.
    """
    settings = load_settings(config)
    prepare_embedder(settings)
    with refresh_lock(settings), all_shards() as shards:
        detected = [
            shards.add("detect", detect_shard.submit(ref, settings))
            for ref in find_collected(settings)
        ]
        for ref in detected:
            shards.add("embed", embed_shard.submit(ref, settings))
        stages = shards.settle()
        curated = curate(join_shards(stages["embed"].refs, settings), settings)
    report_shards(stages, settings, curated=curated)
    report_curation(curated, settings)
    return curated
