"""Photographs to aligned faces."""

from prefect import task

from elenco.faces import stage
from elenco.faces.agreement import load_chooser
from elenco.settings import Settings
from elenco.types import ShardRef
from tasks.handover import handed_over
from tasks.names import of_shard
from tasks.policies import ByContent
from tasks.progress import progress_artifact


@task(
    task_run_name=of_shard("detect", "collected", "photos"),
    cache_policy=ByContent(
        stage="detect",
        depends=lambda i: (
            stage.DETECT_VERSION,
            i["collected"].digest,
            i["collected"].shard,
            i["settings"].faces.model_dump(mode="json", exclude={"batch"}),
        ),
    ),
    persist_result=True,
    result_serializer="json",
)
def detect_shard(collected: ShardRef, settings: Settings) -> ShardRef:
    """Detect, choose, align and write the face of every photograph of a shard."""
    from elenco.faces.mtcnn import load_detector

    with handed_over(collected, settings) as layout, progress_artifact():
        detector, chooser = load_detector(settings), load_chooser(settings, layout)
        return stage.detect_shard(collected, settings, layout, detector, chooser)
