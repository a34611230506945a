"""Which database is Prefect's here: whoever started the server has said so somewhere."""

import os
from pathlib import Path

from elenco.backup.database import DatabaseUrl
from elenco.backup.tree import DATABASE
from elenco.errors import ConfigError
from elenco.layout import Layout
from elenco.ops import state
from elenco.ops.places import Places
from elenco.ops.postgres import DATABASE as NAME
from elenco.ops.postgres import USER
from elenco.ops.secret_files import read_secret

# Prefect's own variables: an address, or its parts.
URLS = ("PREFECT_SERVER_DATABASE_CONNECTION_URL", "PREFECT_API_DATABASE_CONNECTION_URL")
_PART = "PREFECT_SERVER_DATABASE_"


def known_database(given: str | None, layout: Layout) -> DatabaseUrl | None:
    """The database of the Prefect server that works here.

    The first of: what is given; what Prefect's variables say; what `elenco up` started for this
    data directory; that of runs without a server. None if there is none of them.

    Args:
        given: a URL, or None.
        layout: of the data directory.

    Raises:
        ConfigError: what is said is no address, or the password's file can't be read.
    """
    if given:
        return DatabaseUrl.parse(given)
    for variable in URLS:
        if url := os.environ.get(variable):
            return DatabaseUrl.parse(url, variable)
    return _of_parts() or _of_topology(layout) or _of_runs(layout)


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
    places = Places.of(layout.data)
    now = state.read(places.topology)
    if now is None:
        return None
    address = now.get("database") or (
        f"postgresql://{USER}@127.0.0.1:{now.get('ports', {}).get('database')}/{NAME}"
    )
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
