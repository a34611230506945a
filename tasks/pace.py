"""Turns at a source among workers, kept by one of Prefect's global concurrency limits."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.client.orchestration import get_client
from prefect.concurrency.asyncio import concurrency

from elenco.settings import Settings
from elenco.sources.network import run
from elenco.sources.pace import Pace, shared_pace

LIMIT = "tmdb-api"
LEASE_SECONDS = 60  # after which the turn of a worker that vanished ends
_users = 0
_lock = threading.Lock()


@contextmanager
def turns(settings: Settings) -> Iterator[None]:
    """Let API requests made inside wait for this process's turn, if there is a Prefect server.

    Without one there is one process, and its own bucket is enough. The limit is made on first use.
    """
    global _users
    if settings.collect.source != "tmdb" or "PREFECT_API_URL" not in os.environ:
        yield
        return
    pace = shared_pace(settings.tmdb.api_url.rstrip("/"), settings.tmdb.rate_per_second)
    with _lock:
        _users += 1
        if pace.turn is None:
            _share(pace)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                run(pace.give_back())


def _share(pace: Pace) -> None:
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(LIMIT, 1)
    pace.turn = lambda: concurrency(LIMIT, strict=True, lease_duration=LEASE_SECONDS)
