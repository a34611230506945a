"""A trained candidate -> its TF.js form, a version, and `current` if it is not worse.

A step of the daily refresh, or what an operator runs by hand.
"""

from prefect import flow

from elenco.lock import step_lock
from elenco.settings import People, load_settings
from elenco.types import PublishedRef, TrainedRef
from tasks.failure import says_what_to_do
from tasks.names import of_day
from tasks.publish import export_tfjs, judge, register_version
from tasks.report import report_publication
from tasks.train import find_candidate


@flow(name="publish_model", flow_run_name=of_day("publish"))
@says_what_to_do
def publish_model(
    trained: TrainedRef | None = None, config: str | None = None, people: People | None = None
) -> PublishedRef:
    """Publish a candidate.

    Args:
        trained: the candidate; by default the one trained last.
        config: a settings file; by default the one named by ELENCO_CONFIG or config/default.toml.
        people: how many people, in place of the settings' number.
    """
    settings = load_settings(config, collect={"people": people})
    with step_lock(settings):
        trained = trained or find_candidate(settings)
        export_tfjs(trained, settings)
        published = register_version(trained, judge(trained, settings), settings)
        report_publication(published, settings)
    return published
