"""Deletes photographs that were kept for as long as they may be; asks no source for anything.

A refresh does the same for what it sees. This is for the days on which there is none, or on which
it fails. Where one is at work, this waits for it, and leaves the rest to it after that.
"""

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from elenco.settings import load_settings
from tasks.failure import says_what_to_do
from tasks.names import of_day
from tasks.report import report_retention, retention_state, skipped_state
from tasks.retention import delete_expired, patient_lock


@flow(name="enforce_retention", flow_run_name=of_day("retention"))
@says_what_to_do
def enforce_retention(
    config: str | None = None,
    wait_minutes: Annotated[float, Field(ge=0)] = 60,
    clock_is_right: bool = False,
) -> State[dict[str, int]]:
    """Delete what is too old.

    Args:
        config: a settings file; by default the one named by ELENCO_CONFIG or config/default.toml.
        wait_minutes: how long to wait for a refresh that is at work.
        clock_is_right: delete although nothing is known of the last 30 days, as after months in
            which the machine was off and no refresh succeeded since.
    """
    settings = load_settings(config)
    with patient_lock(settings, 60 * wait_minutes) as holder:
        if holder:
            return skipped_state(holder)
        removed = delete_expired(settings, clock_is_right)
    report_retention(removed, settings)
    return retention_state(removed)
