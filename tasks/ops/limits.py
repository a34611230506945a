"""Limits that hold over all workers of a server."""

from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound

from tasks.pace import LIMIT

LIMITS = {LIMIT: 1}  # turns at TMDB: one worker asks at a time, at the pace of the settings


def apply(client: SyncPrefectClient) -> list[str]:
    """Create or change them; what was done. Those in use keep their slots."""
    done = []
    for name, number in LIMITS.items():
        try:
            there = client.read_global_concurrency_limit_by_name(name)
        except ObjectNotFound:
            there = None
        if there is None or there.limit != number:
            client.upsert_global_concurrency_limit_by_name(name, number)
            done.append(f"limit {name} {'changed' if there is not None else 'created'}")
    return done
