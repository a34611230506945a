"""Turns at a source among workers, kept by one of Prefect's global concurrency limits."""

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from prefect.client.orchestration import get_client
from prefect.concurrency.asyncio import concurrency
from prefect.context import SettingsContext, get_settings_context
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import get_current_settings

from elenco.settings import Settings
from elenco.sources.network import run
from elenco.sources.pace import Pace, shared_pace

LIMIT = "tmdb-api"
LEASE_SECONDS = 60  # after which the turn of a worker that vanished ends
_users = 0
_lock = threading.Lock()


@contextmanager
def turns(settings: Settings) -> Iterator[None]:
    """Let API requests made inside wait for this process's turn, if others may ask too.

    Without a Prefect server or workers of Dask there is one process, and its own bucket is enough.
    The limit is made on first use.
    """
    global _users
    alone = settings.scale.runner == "threads" and not get_current_settings().api.url
    if settings.collect.source != "tmdb" or alone:
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
    # Who begins at the same moment may have made it since this one looked.
    with get_client(sync_client=True) as client, suppress(ObjectAlreadyExists):
        client.upsert_global_concurrency_limit_by_name(LIMIT, 1)
    # The server of this task: a worker of Dask's may know of none by itself.
    server = get_settings_context()
    pace.turn = lambda: _turn(server)


@asynccontextmanager
async def _turn(server: SettingsContext) -> AsyncIterator[None]:
    with server.model_copy():
        async with concurrency(LIMIT, strict=True, lease_duration=LEASE_SECONDS):
            yield
