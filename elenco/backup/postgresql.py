"""PostgreSQL's own programs: `pg_dump`, `pg_restore` and `psql`."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from elenco.errors import ConfigError, ElencoError

if TYPE_CHECKING:
    from sqlalchemy import URL

_DEBIAN = Path("/usr/lib/postgresql")
# What of this process's environment the programs see: no token of Elenco's or Prefect's.
_PASSED = ("PATH", "HOME", "TMPDIR", "PGPASSFILE", "PGPASSWORD", "PGSSLROOTCERT", "PGSSLCERT")
# How `pg_restore` begins since August 2025: from here on psql takes no command but SQL.
_RESTRICTED = "--\n-- PostgreSQL database dump\n--\n\n\\restrict "
_RELATIONS = (
    "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast'"
)
# A schema without a relation is left: whoever restores into an empty database may not own it.
_EMPTY = """
SET client_min_messages = warning;
DO $$
DECLARE name text;
BEGIN
    FOR name IN
        SELECT nspname FROM pg_namespace n
        WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
        AND EXISTS (SELECT FROM pg_class WHERE relnamespace = n.oid)
    LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', name);
    END LOOP;
END $$;
CREATE SCHEMA IF NOT EXISTS public;
"""


def variables(url: "URL") -> dict[str, str]:
    """What libpq reads from its environment, as a URL says it.

    Without a password in the URL, libpq takes `PGPASSWORD`, or the file that `PGPASSFILE` names.
    """
    host, port = url.query.get("host"), url.query.get("port")
    ssl = url.query.get("sslmode") or url.query.get("ssl")
    authority = url.query.get("sslrootcert")
    found = {
        "PGHOST": url.host or (host if isinstance(host, str) else None),
        "PGPORT": str(url.port) if url.port else (port if isinstance(port, str) else None),
        "PGUSER": url.username,
        "PGPASSWORD": str(url.password) if url.password else None,
        "PGDATABASE": url.database,
        "PGSSLMODE": ssl if isinstance(ssl, str) else None,
        "PGSSLROOTCERT": authority if isinstance(authority, str) else None,
    }
    return {name: value for name, value in found.items() if value}


def dump(server: Mapping[str, str], file: Path) -> None:
    """`pg_dump` in the custom format: what all transactions had done at one moment.

    Raises:
        ConfigError: it is not installed.
        ElencoError: the server can't be reached or refuses.
    """
    _run("pg_dump", ["--format=custom", "--no-owner", "--no-privileges", f"--file={file}"], server)


def require_vacant(server: Mapping[str, str]) -> None:
    """Refuse a database with a relation in it. Raises ConfigError or ElencoError."""
    count = _run("psql", ["--no-psqlrc", "-Atqc", _RELATIONS], server).strip()
    if count != "0":
        raise ElencoError(
            f"the database {server.get('PGDATABASE', '')} is not empty ({count} relations): "
            "give an empty one, or add --force to replace what is there"
        )


def load(server: Mapping[str, str], file: Path) -> None:
    """Put what is in a file in place of all that is in the database, in one transaction.

    `pg_restore --clean` would drop what it knows of, and leave what a newer Prefect has added.

    Args:
        server: as `variables` gives it.
        file: as `dump` wrote it.

    Raises:
        ConfigError: PostgreSQL's programs are not installed, or too old.
        ElencoError: the server can't be reached or refuses; nothing is changed.
    """
    with TemporaryDirectory(prefix="elenco-restore-") as scratch:
        script = Path(scratch) / "script"  # all of it first: in half of one psql sees no fault
        _run("pg_restore", ["--no-owner", "--no-privileges", f"--file={script}", str(file)], {})
        with script.open(encoding="utf-8", errors="replace") as text:
            if text.read(len(_RESTRICTED)) != _RESTRICTED:
                raise ConfigError(
                    "this pg_restore lets a dump run commands of this machine's shell: install "
                    "client programs of PostgreSQL of August 2025 or later"
                )
        options = ["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"]
        _run("psql", [*options, f"--command={_EMPTY}", f"--file={script}"], server)


def program(name: str) -> str:
    """Where one of PostgreSQL's programs is: Debian's newest, else the one on the path.

    Raises:
        ConfigError: nowhere.
    """

    def release(path: Path) -> int:
        return int(path.parent.parent.name) if path.parent.parent.name.isdigit() else 0

    found = sorted(_DEBIAN.glob(f"*/bin/{name}"), key=release)
    path = str(found[-1]) if found else shutil.which(name)
    if path is None:
        raise ConfigError(
            f"{name} is not installed: install PostgreSQL's client programs, no older than the "
            "server (Debian: postgresql-client)"
        )
    return path


def _run(name: str, options: Sequence[str], server: Mapping[str, str]) -> str:
    """Standard output of a program; ElencoError with its first line of complaint if it fails."""
    passed = {key: os.environ[key] for key in _PASSED if key in os.environ}
    fixed = {"LC_ALL": "C", "PGCONNECT_TIMEOUT": "30", "PGAPPNAME": "elenco"}
    done = subprocess.run(
        [program(name), "--no-password", *options],
        env=passed | fixed | dict(server),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = next((line for line in done.stderr.splitlines() if line.strip()), "it said nothing")
        raise ElencoError(
            f"Prefect's database: {name} failed: {said.strip()[:300]} (--no-database leaves it out)"
        )
    return done.stdout
