"""Curated embeddings -> a trained candidate, measured. The same inputs are trained once.

A step of the daily refresh, or what an operator runs by hand.
"""

from prefect import flow

from elenco.lock import step_lock
from elenco.settings import People, load_settings
from elenco.types import CuratedRef, TrainedRef
from tasks.curate import find_curated
from tasks.failure import says_what_to_do
from tasks.names import of_day
from tasks.report import report_training
from tasks.train import train_candidate


@flow(name="train_recogniser", flow_run_name=of_day("train"))
@says_what_to_do
def train_recogniser(
    curated: CuratedRef | None = None, config: str | None = None, people: People | None = None
) -> TrainedRef:
    """Train the recogniser and measure it.

    Args:
        curated: the embeddings, and which are left out; by default those joined last.
        config: a settings file; by default the one named by ELENCO_CONFIG or config/default.toml.
        people: how many people, in place of the settings' number.
    """
    settings = load_settings(config, collect={"people": people})
    with step_lock(settings):
        trained = train_candidate(curated or find_curated(settings), settings)
        report_training(trained, settings)
    return trained
