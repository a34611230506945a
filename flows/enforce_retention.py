"""Deletes photographs that were kept for as long as they may be; asks no source for anything.

A refresh does the same for what it sees. This is for the days on which there is none, or on which
it fails.
"""

from prefect import flow

from elenco.lock import refresh_lock
from elenco.settings import load_settings
from tasks.report import report_retention
from tasks.retention import delete_expired


@flow(name="enforce_retention")
def enforce_retention(config: str | None = None) -> dict[str, int]:
    """Delete what is too old.

    Args:
        config: a settings file; by default the one named by ELENCO_CONFIG or config/default.toml.
    """
    settings = load_settings(config)
    with refresh_lock(settings):
        removed = delete_expired(settings)
    report_retention(removed, settings)
    return removed
