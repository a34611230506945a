"""A candidate to a version."""

from prefect import task

from elenco import publication
from elenco.layout import Layout
from elenco.recognition.gate import Verdict
from elenco.settings import Settings
from elenco.types import PublishedRef, TrainedRef
from tasks.progress import progress_artifact
from tasks.stopwatch import timed


@task(task_run_name="export to TensorFlow.js")
def export_tfjs(trained: TrainedRef, settings: Settings) -> dict[str, float]:
    """TF.js forms, compared with Keras in node; there already for a registered version."""
    with progress_artifact(), timed("export"):
        return publication.export(trained, settings, Layout.of(settings))


@task(task_run_name="judge against the version in use")
def judge(trained: TrainedRef, settings: Settings) -> Verdict | None:
    """Candidate against current; nothing to say of a version that was judged so before."""
    with progress_artifact(), timed("judge"):
        return publication.judge(trained, settings, Layout.of(settings))


@task(task_run_name="register as a version")
def register_version(
    trained: TrainedRef, verdict: Verdict | None, settings: Settings
) -> PublishedRef:
    """A new version, current if the verdict says so; versions that are too old go."""
    with timed("register"):
        return publication.register(trained, verdict, settings, Layout.of(settings))
