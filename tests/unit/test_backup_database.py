"""Prefect's database: PostgreSQL by its own programs, SQLite by its own API."""

import os
import pwd
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from elenco.backup import postgresql
from elenco.backup.check import check
from elenco.backup.database import DatabaseUrl, dump, load, require_vacant
from elenco.backup.known import URLS, known_database
from elenco.backup.restore import choose, restore
from elenco.backup.save import save
from elenco.backup.store import Store
from elenco.backup.tree import DATABASE
from elenco.cli.backup import run_backup, run_restore
from elenco.errors import ConfigError, ElencoError
from elenco.storage import write_bytes, write_json
from tests.flows.conftest import free_port

NOW = datetime(2026, 11, 25, 6, 0, tzinfo=UTC)
PASSWORD = "it's a \"p%40ss/wörd"
QUOTED = "it%27s%20a%20%22p%2540ss%2Fw%C3%B6rd"


@dataclass(frozen=True)
class Server:
    """A PostgreSQL of these tests' own."""

    port: int
    bin: Path

    def url(self, database: str, password: str = QUOTED) -> str:
        return f"postgresql+asyncpg://prefect:{password}@127.0.0.1:{self.port}/{database}"

    def ask(self, database: str, statement: str) -> str:
        url = DatabaseUrl.parse(self.url(database))
        assert url.variables is not None
        return postgresql._run("psql", ["--no-psqlrc", "-Atqc", statement], url.variables)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """PostgreSQL refuses to run as root: it is started as another user then."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("needs PostgreSQL's programs in /usr/lib/postgresql")
    programs = found[-1].parent
    root = Path(tempfile.mkdtemp(prefix="elenco-postgresql-"))
    user: dict[str, int] = {}
    if not os.getuid():
        nobody = pwd.getpwnam("nobody")
        os.chown(root, nobody.pw_uid, nobody.pw_gid)
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid}
    (root / "password").write_text(PASSWORD)
    (root / "password").chmod(0o644)
    port = free_port()

    def run(*command: str) -> None:
        subprocess.run(
            [str(programs / command[0]), *command[1:]],
            cwd=root,
            env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=120,
            **user,
        )

    data = str(root / "data")
    secret = ["--auth=scram-sha-256", "--username=prefect", f"--pwfile={root / 'password'}"]
    options = f"-p {port} -k {root} -c listen_addresses=127.0.0.1 -c fsync=off"
    try:
        run("initdb", "-D", data, "--encoding=UTF8", *secret)
        run("pg_ctl", "-D", data, "-l", str(root / "log"), "-o", options, "-w", "start")
        try:
            yield Server(port, programs)
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def database(server) -> str:
    """A database with a table, an index, a sequence and an extension, as Prefect's has."""
    for name in ("prefect", "other"):
        server.ask("postgres", f"DROP DATABASE IF EXISTS {name}")
        server.ask("postgres", f"CREATE DATABASE {name}")
    server.ask(
        "prefect",
        "CREATE EXTENSION IF NOT EXISTS pg_trgm;"
        "CREATE TABLE flow_run (id serial PRIMARY KEY, name text, told jsonb);"
        "CREATE INDEX trigrams ON flow_run USING gin (name gin_trgm_ops);"
        "INSERT INTO flow_run (name, told) VALUES ('daily', '{\"a\": 1}'), ('Jo''ão', NULL);",
    )
    return server.url("prefect")


RELATIONS = (
    "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace "
    "WHERE relkind = 'r' AND nspname !~ '^pg_' AND nspname <> 'information_schema'"
)
ROWS = "SELECT id, name, told FROM flow_run ORDER BY id"


def test_a_postgresql_database_comes_back_as_it_was(
    server, database, tmp_path, settings, layout, monkeypatch
):
    monkeypatch.setenv(URLS[1], database)
    write_bytes(layout.image("train", "1", "k0"), b"one")
    store = Store(str(tmp_path / "backups"))
    saved = save(store, settings, layout, known_database(None, layout), now=NOW)
    assert saved.manifest.head.database == "postgresql"
    assert check(store) == []
    before = server.ask("prefect", ROWS)
    assert "Jo'ão" in before
    # Lost: the database and the data directory.
    server.ask("postgres", "DROP DATABASE prefect")
    server.ask("postgres", "CREATE DATABASE prefect")
    shutil.rmtree(layout.data)
    done = restore(store, settings, layout, choose(store), DatabaseUrl.parse(database))
    assert (done.written, server.ask("prefect", ROWS)) == (1, before)
    # Not written over, unless told so; and another one beside it.
    server.ask("prefect", "DELETE FROM flow_run; CREATE TABLE more (id int)")
    with pytest.raises(ElencoError, match=r"database prefect is not empty .*--force"):
        restore(store, settings, layout, choose(store), DatabaseUrl.parse(database))
    restore(store, settings, layout, choose(store), DatabaseUrl.parse(database), force=True)
    assert server.ask("prefect", ROWS) == before
    restore(store, settings, layout, choose(store), DatabaseUrl.parse(server.url("other")))
    assert server.ask("other", ROWS) == before


def test_what_a_newer_release_has_added_goes_with_the_rest(server, database, tmp_path):
    """A newer Prefect has tables that lead to older ones; the older Prefect knows none of them."""
    url = DatabaseUrl.parse(database)
    dump(url, tmp_path / "dump")
    before = server.ask("prefect", ROWS)
    server.ask(
        "prefect",
        "CREATE TABLE newer (id int REFERENCES flow_run); CREATE TYPE state AS ENUM ('a');"
        "ALTER TABLE flow_run ADD COLUMN newest state; CREATE SCHEMA apart;"
        "CREATE TABLE apart.newer (id int REFERENCES public.flow_run)",
    )
    for _ in range(2):  # what was put back can be dumped and put back like any other
        load(url, tmp_path / "dump")
        assert server.ask("prefect", ROWS) == before
        assert server.ask("prefect", RELATIONS) == "flow_run\n"
        assert server.ask("prefect", "SELECT FROM pg_type WHERE typname = 'state'") == ""
        (tmp_path / "dump").unlink()
        dump(url, tmp_path / "dump")
    server.ask("prefect", "INSERT INTO flow_run (name) VALUES ('next')")
    assert "3|next|" in server.ask("prefect", ROWS)


def test_a_database_that_can_not_be_filled_stays_as_it_was(server, database, tmp_path):
    """All is dropped, and then something can't be made: the drop did not happen."""
    url = DatabaseUrl.parse(database)
    function = "FUNCTION pid() RETURNS int LANGUAGE internal AS 'pg_backend_pid'"
    server.ask("prefect", f"CREATE {function}")  # for superusers alone
    dump(url, tmp_path / "dump")
    server.ask("postgres", "DROP ROLE IF EXISTS guest; CREATE ROLE guest LOGIN PASSWORD 'guest'")
    server.ask("other", "CREATE TABLE there (id int); ALTER SCHEMA public OWNER TO guest")
    server.ask("postgres", "GRANT CREATE ON DATABASE other TO guest")
    assert url.variables is not None
    guest = dict(url.variables) | {"PGUSER": "guest", "PGPASSWORD": "guest", "PGDATABASE": "other"}
    with pytest.raises(ElencoError, match=r"psql failed: .*permission denied for language"):
        load(DatabaseUrl("postgresql", variables=guest), tmp_path / "dump")
    assert server.ask("other", RELATIONS) == "there\n"


def test_a_pg_restore_whose_script_may_run_commands_is_not_used(tmp_path, monkeypatch):
    script = tmp_path / "pg_restore"
    script.write_text(
        '#!/bin/sh\nfor a in "$@"; do case $a in --file=*) printf "%s" '
        "'--\n-- PostgreSQL database dump\n--\n\n\\! touch x\n' >\"${a#--file=}\";; esac; done\n"
    )
    script.chmod(0o755)
    monkeypatch.setattr(postgresql, "program", lambda name: str(tmp_path / name))
    with pytest.raises(ConfigError, match="install client programs of PostgreSQL of August 2025"):
        load(DatabaseUrl.parse("postgresql://a@b/c"), tmp_path / "dump")


def test_a_server_that_refuses_is_one_line_without_the_password(server, database, tmp_path):
    wrong = DatabaseUrl.parse(server.url("prefect", "hunter2"))
    nowhere = DatabaseUrl.parse(f"postgresql://a:hunter2@127.0.0.1:{free_port()}/x")
    for url in (wrong, nowhere, DatabaseUrl.parse(server.url("absent"))):
        for work in (
            lambda url=url: dump(url, tmp_path / "x"),
            lambda url=url: require_vacant(url),
        ):
            with pytest.raises(ElencoError, match=r"Prefect's database: \w+ failed: ") as caught:
                work()
            assert "hunter2" not in str(caught.value)
            assert "\n" not in str(caught.value)
    with pytest.raises(ElencoError, match="pg_restore failed"):
        write_bytes(tmp_path / "torn", b"PGDMP no more")
        load(DatabaseUrl.parse(database), tmp_path / "torn")
    assert "daily" in server.ask("prefect", ROWS)


def test_a_torn_dump_changes_nothing(server, database, tmp_path):
    url = DatabaseUrl.parse(database)
    dump(url, tmp_path / "whole")
    before = server.ask("prefect", ROWS)
    whole = (tmp_path / "whole").read_bytes()
    (tmp_path / "torn").write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(ElencoError, match="pg_restore failed"):
        load(url, tmp_path / "torn")
    assert server.ask("prefect", ROWS) == before


def test_the_password_is_in_no_argument_and_other_secrets_in_no_environment(tmp_path, monkeypatch):
    told = tmp_path / "told"
    script = tmp_path / "pg_dump"
    script.write_text(f'#!/bin/sh\necho "$@" >{told}\nenv >>{told}\n')
    script.chmod(0o755)
    monkeypatch.setattr(postgresql, "program", lambda name: str(script))
    monkeypatch.setenv("ELENCO_TMDB__TOKEN", "a token")
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "admin:secret")
    dump(DatabaseUrl.parse("postgresql+asyncpg://me:hunter2@db:5433/p?ssl=require"), tmp_path / "x")
    arguments, *variables = told.read_text().splitlines()
    assert "hunter2" not in arguments
    assert {
        "PGHOST=db",
        "PGPORT=5433",
        "PGUSER=me",
        "PGPASSWORD=hunter2",
        "PGDATABASE=p",
        "PGSSLMODE=require",
    } <= set(variables)
    assert not any("token" in line or "secret" in line for line in variables)


def test_without_a_password_the_password_file_is_used(server, database, tmp_path, monkeypatch):
    file = tmp_path / "pgpass"
    escaped = PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
    file.write_text(f"127.0.0.1:{server.port}:prefect:prefect:{escaped}\n")
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    bare = DatabaseUrl.parse(f"postgresql://prefect@127.0.0.1:{server.port}/prefect")
    dump(bare, tmp_path / "dumped")
    assert (tmp_path / "dumped").read_bytes().startswith(b"PGDMP")


def test_programs_that_are_not_there_are_said(monkeypatch, tmp_path):
    monkeypatch.setattr(postgresql, "_DEBIAN", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="pg_dump is not installed: install PostgreSQL's client"):
        dump(DatabaseUrl.parse("postgresql://a@b/c"), tmp_path / "x")


@pytest.mark.parametrize(
    "url", ["hunter2", "mysql://a:hunter2@b/c", "sqlite://", "sqlite:///:memory:"]
)
def test_what_is_no_such_url_is_refused_and_not_repeated(url):
    with pytest.raises(ConfigError) as caught:
        DatabaseUrl.parse(url)
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(DatabaseUrl.parse("postgresql://a:hunter2@b/c"))


# SQLite


def fill(path: Path, rows: int, journal: str = "wal") -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA journal_mode={journal}")
    connection.execute("CREATE TABLE flow_run (id INTEGER PRIMARY KEY, name TEXT)")
    connection.executemany(
        "INSERT INTO flow_run (name) VALUES (?)", [(f"r{n}",) for n in range(rows)]
    )
    connection.commit()
    return connection


def names(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM flow_run ORDER BY id")]


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_the_database_of_runs_without_a_server_comes_back(tmp_path, settings, layout, journal):
    own = layout.data / DATABASE
    store = Store(str(tmp_path / "backups"))
    with closing(fill(own, 500, journal)) as writer:
        # Written and not yet in the file itself; and something begun that is not to be seen.
        writer.execute("INSERT INTO flow_run (name) VALUES ('not committed')")
        saved = save(store, settings, layout, known_database(None, layout), now=NOW)
        writer.rollback()
    assert saved.manifest.head.database == "sqlite"
    again = save(store, settings, layout, known_database(None, layout))
    assert again.new == (0, 0)
    expected = names(own)
    assert len(expected) == 500
    shutil.rmtree(layout.data)
    url = DatabaseUrl("sqlite", own)
    restore(store, settings, layout, choose(store), url)
    assert names(own) == expected
    with pytest.raises(ElencoError, match="is there already: add --force"):
        restore(store, settings, layout, choose(store), url)
    fill(tmp_path / "other", 3).close()
    shutil.copy(tmp_path / "other", own)
    Path(f"{own}-wal").write_bytes(b"of another database")
    restore(store, settings, layout, choose(store), url, force=True)
    assert names(own) == expected


def test_a_file_that_is_no_database_or_damaged_is_refused(tmp_path):
    write_bytes(tmp_path / "x.db", b"no database" * 1000)
    with pytest.raises(ElencoError, match=r"can't be copied .* is it Prefect's"):
        dump(DatabaseUrl("sqlite", tmp_path / "x.db"), tmp_path / "out")
    with pytest.raises(ElencoError, match="there is no database"):
        dump(DatabaseUrl("sqlite", tmp_path / "absent.db"), tmp_path / "out2")
    fill(tmp_path / "y.db", 2000, "delete").close()
    torn = bytearray((tmp_path / "y.db").read_bytes())
    torn[4096:8192] = b"\xff" * 4096
    (tmp_path / "y.db").write_bytes(torn)
    with pytest.raises(ElencoError, match=r"is damaged|can't be copied"):
        dump(DatabaseUrl("sqlite", tmp_path / "y.db"), tmp_path / "out3")


@pytest.fixture(autouse=True)
def no_database_of_this_machine(monkeypatch):
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)


def variables(layout) -> dict[str, str]:
    found = known_database(None, layout)
    assert found is not None
    assert found.variables is not None
    return dict(found.variables)


def test_the_database_in_use_is_found_where_it_is_told(layout, monkeypatch):
    """Address, parts of one, what `elenco up` started, that of runs without a server; or none."""
    assert known_database(None, layout) is None
    write_bytes(layout.data / DATABASE, b"x")
    assert known_database(None, layout) == DatabaseUrl("sqlite", layout.data / DATABASE)
    ops = layout.data / "state" / "ops"
    running = {"supervisor": {"pid": 1}, "phase": "down", "processes": {}}
    write_json(ops / "topology.json", running | {"database": "", "ports": {"database": 4}})
    write_bytes(ops / "secrets" / "database_password", b"hunter2\n")
    own = {"PGHOST": "127.0.0.1", "PGPORT": "4", "PGUSER": "prefect", "PGDATABASE": "prefect"}
    assert variables(layout) == own | {"PGPASSWORD": "hunter2"}
    link = "sslmode=verify-full&sslrootcert=/ca.pem"
    other = {"database": f"postgresql://me@db.example/p?{link}", "ports": {}}
    write_json(ops / "topology.json", running | other)
    told = {"PGHOST": "db.example", "PGUSER": "me", "PGDATABASE": "p"}
    told |= {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/ca.pem"}
    assert variables(layout) == told | {"PGPASSWORD": "hunter2"}
    for name, value in {
        "DRIVER": "postgresql+asyncpg",
        "HOST": "database",
        "PORT": "5432",
        "USER": "prefect",
        "NAME": "prefect",
        "PASSWORD_FILE": str(ops / "secrets" / "database_password"),
    }.items():
        monkeypatch.setenv(f"PREFECT_SERVER_DATABASE_{name}", value)
    own |= {"PGHOST": "database", "PGPORT": "5432"}
    assert variables(layout) == own | {"PGPASSWORD": "hunter2"}
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_PASSWORD", "hunter3")
    assert variables(layout)["PGPASSWORD"] == "hunter3"
    monkeypatch.setenv(URLS[1], "postgresql://old@a/b")
    assert variables(layout)["PGUSER"] == "old"
    monkeypatch.setenv(URLS[0], "postgresql://new@a/b")
    assert variables(layout)["PGUSER"] == "new"
    monkeypatch.setenv(URLS[0], "nothing")
    with pytest.raises(ConfigError, match=f"{URLS[0]} is no database's URL"):
        known_database(None, layout)
    given = known_database("postgresql://given@a/b", layout)
    assert given is not None
    assert given.variables == {"PGHOST": "a", "PGUSER": "given", "PGDATABASE": "b"}


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hunter2@127.0.0.1:1/p",
        "postgresql+asyncpg://me:hunter2@127.0.0.1:1/p?sslmode=require",
        "postgresql://me@127.0.0.1:1/p?password=hunter2",
    ],
)
def test_a_password_is_taken_from_the_environment_and_refused_as_an_argument(
    url, tmp_path, settings, layout, monkeypatch
):
    """Every user of the machine can read arguments; Prefect's own variables are none."""
    write_bytes(layout.image("train", "1", "k0"), b"one")
    place = str(tmp_path / "backups")
    save(Store(place), settings, layout, None, now=NOW)
    for work in (
        lambda: known_database(url, layout),
        lambda: run_backup(place, None, url, False, False, None),
        lambda: run_restore(place, None, None, True, url, False, None),
    ):
        with pytest.raises(ConfigError, match=r"a password.* PGPASSWORD, or PGPASS") as caught:
            work()
        assert "hunter2" not in str(caught.value)
        assert caught.value.__context__ is None
    for variable in URLS:
        monkeypatch.setenv(variable, "postgresql://me:hunter2@h/p")
        assert variables(layout)["PGPASSWORD"] == "hunter2"
        monkeypatch.delenv(variable)


def test_a_trial_elsewhere_does_not_touch_the_server_in_use(
    tmp_path, settings, layout, monkeypatch
):
    """The environment's database is that of the installation: never of a restore elsewhere."""
    write_bytes(layout.image("train", "1", "k0"), b"one")
    place = str(tmp_path / "backups")
    dumped: list[str] = []
    monkeypatch.setattr(postgresql, "dump", lambda server, file: file.write_bytes(b"PGDMP"))
    monkeypatch.setattr(postgresql, "load", lambda server, file: dumped.append(server["PGHOST"]))
    monkeypatch.setattr(postgresql, "require_vacant", lambda server: None)
    monkeypatch.setenv(URLS[1], "postgresql://a@in-use/p")
    save(Store(place), settings, layout, known_database(None, layout), now=NOW)
    trial = tmp_path / "trial"
    with pytest.raises(ConfigError, match="say where it goes with --database, or add --no-data"):
        run_restore(place, None, trial, True, None, False, None)
    run_restore(place, None, trial, False, None, True, None)
    run_restore(place, None, trial, False, "postgresql://a@other/p", False, None)
    assert dumped == ["other"]
    with pytest.raises(ConfigError, match="has postgresql database, not sqlite"):
        run_restore(place, None, trial, False, f"sqlite:///{tmp_path}/x.db", False, None)
