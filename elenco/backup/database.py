"""Prefect's database into a file and back: PostgreSQL by its own programs, SQLite by its own API.

A password reaches PostgreSQL's programs in their environment alone: never in arguments, which every
user of the machine can read, and never in a message.
"""

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from elenco.backup import postgresql
from elenco.errors import ConfigError, ElencoError
from elenco.storage import TEMPORARY


@dataclass(frozen=True, repr=False)
class DatabaseUrl:
    """Where a database is.

    Attributes:
        kind: of server.
        path: of SQLite's file; None for PostgreSQL.
        variables: what PostgreSQL's programs are told by their environment, the password with it.
    """

    kind: Literal["postgresql", "sqlite"]
    path: Path | None = None
    variables: Mapping[str, str] | None = None

    @staticmethod
    def parse(url: str, name: str = "--database", argument: bool = False) -> "DatabaseUrl":
        """A URL as Prefect takes it: `postgresql+asyncpg://…`, `sqlite+aiosqlite:////…`.

        Args:
            url: the URL.
            name: where it was said, for the message.
            argument: it is one of this process, which every user of the machine can read.

        Raises:
            ConfigError: it is none, or an argument with a password; the message does not repeat it.
        """
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError

        try:
            told = make_url(url)
        except (ArgumentError, ValueError):
            raise ConfigError(f"{name} is no database's URL") from None
        if argument and (told.password or "password" in told.query):
            raise ConfigError(
                f"{name} holds a password, which every user of this machine can read: leave it out "
                "and set PGPASSWORD, or PGPASSFILE to a file that has it"
            )
        kind = told.get_backend_name()
        if kind == "postgresql":
            return DatabaseUrl("postgresql", variables=postgresql.variables(told))
        if kind == "sqlite" and told.database and told.database != ":memory:":
            return DatabaseUrl("sqlite", Path(told.database))
        raise ConfigError(f"{name}: the URL of a PostgreSQL or SQLite file is wanted")


def dump(url: DatabaseUrl, file: Path) -> None:
    """Write a database to a file that is not there yet, as it is at one moment.

    Raises:
        ConfigError: PostgreSQL's programs are not installed.
        ElencoError: it can't be reached or read; says what the program said.
    """
    if url.variables is not None:
        postgresql.dump(url.variables, file)
        return
    assert url.path is not None
    if not url.path.is_file():
        raise ElencoError(f"there is no database {url.path}: give another with --database")
    _copy_sqlite(url.path, file)


def require_vacant(url: DatabaseUrl) -> None:
    """Refuse a database that has something in it.

    Raises:
        ConfigError: PostgreSQL's programs are not installed.
        ElencoError: it has, or can't be reached.
    """
    if url.variables is not None:
        postgresql.require_vacant(url.variables)
    elif url.path is not None and url.path.exists():
        raise ElencoError(f"{url.path} is there already: add --force to replace it")


def load(url: DatabaseUrl, file: Path) -> None:
    """Put a dumped database back in place of all that is there, whole or not at all.

    Raises:
        ConfigError: PostgreSQL's programs are not installed, or too old.
        ElencoError: it can't be reached, or the file can't be read.
    """
    if url.variables is not None:
        postgresql.load(url.variables, file)
        return
    assert url.path is not None
    url.path.parent.mkdir(parents=True, exist_ok=True)
    temporary = url.path.parent / f"{TEMPORARY}{os.urandom(8).hex()}"
    try:
        _copy_sqlite(file, temporary)
        for suffix in ("-wal", "-shm", "-journal"):  # of what was there: they are no part of it
            url.path.with_name(url.path.name + suffix).unlink(missing_ok=True)
        os.replace(temporary, url.path)
    finally:
        temporary.unlink(missing_ok=True)


def _copy_sqlite(source: Path, target: Path) -> None:
    """By SQLite's backup API, which sees one moment while others write. Raises ElencoError."""
    try:
        uri = f"{source.resolve().as_uri()}?mode=ro"
        with (
            closing(sqlite3.connect(uri, uri=True)) as before,
            closing(sqlite3.connect(target)) as after,
        ):
            before.backup(after)
            (said,) = after.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise ElencoError(
            f"{source} can't be copied ({error}): is it Prefect's database?"
        ) from None
    if said != "ok":
        raise ElencoError(f"{source} is damaged ({said}): mend it with sqlite3's .recover")
