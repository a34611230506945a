"""Which database is Prefect's here: whoever started the server has said so somewhere."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from elenco.backup.database import DatabaseUrl
from elenco.backup.tree import DATABASE
from elenco.errors import ConfigError
from elenco.layout import Layout
from elenco.ops import postgres, state
from elenco.ops.database_alone import database_alone, require_down
from elenco.ops.places import Places
from elenco.ops.secret_files import read_secret

# Prefect's own variables: an address, or its parts.
URLS = ("PREFECT_SERVER_DATABASE_CONNECTION_URL", "PREFECT_API_DATABASE_CONNECTION_URL")
_PART = "PREFECT_SERVER_DATABASE_"


def known_database(given: str | None, layout: Layout) -> DatabaseUrl | None:
    """The database of the Prefect server that works here.

    The first of: what is given; what Prefect's variables say; what `elenco up` started for this
    data directory; that of runs without a server. None if there is none of them.

    Args:
        given: a URL without a password, as an argument has it, or None.
        layout: of the data directory.

    Raises:
        ConfigError: what is said is no address, what is given holds a password, or the password's
            file can't be read.
    """
    if given:
        return DatabaseUrl.parse(given, argument=True)
    return _of_variables() or _of_topology(layout) or _of_runs(layout)


@contextmanager
def database_to_fill(layout: Layout) -> Iterator[DatabaseUrl]:
    """Where a backup's PostgreSQL database goes if nothing is given, ready for it.

    The first of: what Prefect's variables say; the database that `elenco up` was given here; its
    own cluster, made if there is none, and up until the end of this.

    Raises:
        ConfigError: as `known_database`.
        OperationsError: the server of `elenco up` is at work, or its cluster can't be started.
        Locked: another process starts or stops it.
    """
    if url := _of_variables():
        yield url
        return
    require_down(layout.data)
    now = state.read(Places.of(layout.data).topology)
    if now and now.get("database"):
        yield _in_topology(layout, now["database"])
        return
    with database_alone(layout.data) as port:
        yield _in_topology(layout, postgres.address(port))


def _of_variables() -> DatabaseUrl | None:
    for variable in URLS:
        if url := os.environ.get(variable):
            return DatabaseUrl.parse(url, variable)
    return _of_parts()


def _of_parts() -> DatabaseUrl | None:
    """As containers are told: `PREFECT_SERVER_DATABASE_HOST` and the like."""
    parts = {"HOST": "PGHOST", "PORT": "PGPORT", "USER": "PGUSER", "NAME": "PGDATABASE"}
    parts["PASSWORD"] = "PGPASSWORD"
    found = {pg: os.environ.get(f"{_PART}{name}", "") for name, pg in parts.items()}
    driver = os.environ.get(f"{_PART}DRIVER", "")
    if not (driver.startswith("postgresql") and found["PGHOST"]):
        return None
    file = os.environ.get(f"{_PART}PASSWORD_FILE")
    if file and not found["PGPASSWORD"]:
        found["PGPASSWORD"] = read_secret(Path(file), f"{_PART}PASSWORD_FILE")
    return DatabaseUrl("postgresql", variables={name: v for name, v in found.items() if v})


def _of_topology(layout: Layout) -> DatabaseUrl | None:
    now = state.read(Places.of(layout.data).topology)
    if now is None:
        return None
    address = now.get("database") or postgres.address(now.get("ports", {}).get("database"))
    return _in_topology(layout, address)


def _in_topology(layout: Layout, address: str) -> DatabaseUrl:
    """With the password that `elenco up` uses."""
    places = Places.of(layout.data)
    try:
        url = DatabaseUrl.parse(address)
    except ConfigError:
        raise ConfigError(f"{places.topology} names no database: run `elenco up` first") from None
    variables = dict(url.variables or {})
    if "PGPASSWORD" not in variables and places.database_password.exists():
        variables["PGPASSWORD"] = read_secret(places.database_password, "database_password")
    return DatabaseUrl("postgresql", variables=variables)


def _of_runs(layout: Layout) -> DatabaseUrl | None:
    own = layout.data / DATABASE
    return DatabaseUrl("sqlite", own) if own.is_file() else None
