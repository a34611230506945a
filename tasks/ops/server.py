"""The client of the Prefect server that the environment names, and what it says when it fails."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, get_current_settings, temporary_settings

from elenco.errors import ConfigError
from elenco.ops.errors import OperationsError, ServerRefused, ServerUnreachable
from tasks.ops.answers import said


@contextmanager
def connected() -> Iterator[SyncPrefectClient]:
    """A client of the server at `PREFECT_API_URL`.

    Raises:
        ConfigError: no server is named.
        ServerUnreachable: nobody answers there.
        ServerRefused: it wants another `PREFECT_API_AUTH_STRING`.
        OperationsError: it says no to a request made inside; the message has its words.
    """
    url = get_current_settings().api.url
    if not url:
        raise ConfigError(
            "no Prefect server is named: start one with `elenco up`, or set PREFECT_API_URL"
        )
    try:
        # Whoever waits in front of a terminal wants to know it now.
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 2}), get_client(sync_client=True) as c:
            c.request("GET", "/admin/version")
            yield c
    except PrefectHTTPStatusError as error:
        if error.response.status_code in (401, 403):
            raise ServerRefused(
                f"the Prefect server at {url} wants another user and password: set "
                "PREFECT_API_AUTH_STRING or PREFECT_API_AUTH_STRING_FILE to `user:password`"
            ) from None
        raise OperationsError(f"the Prefect server at {url} says {said(error.response)}") from None
    except httpx.TransportError as error:
        raise ServerUnreachable(
            f"no Prefect server answers at {url} ({type(error).__name__}): start it, or correct "
            "PREFECT_API_URL"
        ) from None
