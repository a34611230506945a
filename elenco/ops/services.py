"""The processes of the topology: what starts each, with which environment, and when it is ready.

docker-compose.yml has the same ones as containers; a test keeps commands and settings equal.
"""

import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from elenco.ops import database_address, postgres, processes
from elenco.ops.errors import OperationsError
from elenco.ops.places import Places

POOL = "elenco"
_LEASES = "prefect.server.concurrency.lease_storage"

# What the server needs to run for years; also in docker-compose.yml.
SERVER = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # In memory, where they are by default, leases go with the server: a run that holds one is
    # cancelled when the server was restarted meanwhile.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": f"{_LEASES}.filesystem",
    # Runs, their logs and reports go after 90 days; otherwise the database grows for ever.
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": "7776000",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "300",
}
# What a worker and the runs that it starts need.
WORKER = {
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    # A worker that is stopped gives its run back, and the next one goes on with it.
    "PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR": "reschedule",
    "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500",
    "PREFECT_CLIENT_MAX_RETRIES": "8",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "elenco",
    "PREFECT_RUNNER_SERVER_ENABLE": "false",
}
WITH_SECRETS = ["-m", "elenco.ops.with_secrets", "--"]
SERVER_COMMAND = ["prefect", "server", "start"]
WORKER_COMMAND = [
    *["python", "-m", "elenco.ops.drain", "--"],
    *["prefect", "worker", "start", "--pool", POOL, "--type", "process", "--with-healthcheck"],
]


@dataclass(frozen=True)
class Service:
    """One process.

    Attributes:
        name: of its log, and in messages.
        command: what starts it, in the foreground.
        environment: its whole environment.
        folder: its working directory.
        url: answers with 200 when it is ready; "" for none.
        port: accepts connections when it is ready; 0 for none.
        once: it ends by itself when its work is done; the next one starts after that.
        stop: the signal that it ends on.
        stop_seconds: how long that may take until it is killed.
        uid: of its user; None for this process's.
        gid: of its group.
    """

    name: str
    command: list[str]
    environment: dict[str, str]
    folder: Path
    url: str = ""
    port: int = 0
    once: bool = False
    stop: int = signal.SIGTERM
    stop_seconds: float = 30
    uid: int | None = None
    gid: int | None = None

    def start(self) -> "subprocess.Popen[bytes]":
        """Start it in a session of its own; what it says is to be read. It ends with its parent."""
        return subprocess.Popen(
            self.command,
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
            preexec_fn=partial(processes.die_with_parent, self.stop),
        )


@dataclass(frozen=True)
class Ports:
    """Of the loopback interface."""

    database: int
    server: int
    worker: int


@dataclass(frozen=True)
class Topology:
    """What `plan` needs to know.

    Attributes:
        root: the checkout, with flows/ and prefect.yaml.
        data: the data directory, absolute.
        models: the models directory, absolute.
        ports: where the processes listen.
        database: a PostgreSQL of one's own, `postgresql://user@host:port/name`, with libpq's
            `sslmode` and `sslrootcert` after a `?`; "": one is started. Its password is in
            `places.database_password`.
        extra: further variables for every process.
    """

    root: Path
    data: Path
    models: Path
    ports: Ports
    database: str = ""
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def places(self) -> Places:
        return Places.of(self.data)

    @property
    def url(self) -> str:
        """The user interface."""
        return f"http://127.0.0.1:{self.ports.server}"

    @property
    def api(self) -> str:
        return f"{self.url}/api"


def plan(topology: Topology, environment: Mapping[str, str]) -> list[Service]:
    """The processes in the order in which they are started; stopped in the opposite one.

    Raises:
        ConfigError: the database's address is none.
        OperationsError: PostgreSQL is wanted and not installed, or there is no place for temporary
            files.
    """
    return [
        *([] if topology.database else [database(topology.places, topology.ports.database)]),
        _server(topology, environment),
        _setup(topology, environment),
        _worker(topology, environment),
    ]


def database(places: Places, port: int) -> Service:
    """The cluster of a data directory. Raises OperationsError: PostgreSQL is not installed."""
    who = postgres.account()
    return Service(
        "database",
        postgres.command(postgres.find_binaries(places.database), places.database, port),
        postgres.environment(),
        Path("/"),
        port=port,
        stop=signal.SIGINT,  # fast: connections are closed, transactions rolled back
        stop_seconds=60,
        uid=who.uid,
        gid=who.gid,
    )


def _server(topology: Topology, environment: Mapping[str, str]) -> Service:
    places = topology.places
    return Service(
        "server",
        [sys.executable, *WITH_SECRETS, *SERVER_COMMAND],
        _base(topology, environment)
        | SERVER
        | database_address.variables(topology.database or postgres.address(topology.ports.database))
        | {
            "PREFECT_HOME": str(places.prefect_home),
            "PREFECT_SERVER_API_HOST": "127.0.0.1",
            "PREFECT_SERVER_API_PORT": str(topology.ports.server),
            # A path: where the interface was loaded from, through a proxy or another port too.
            "PREFECT_SERVER_UI_API_URL": "/api",
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": topology.url,
            "PREFECT_SERVER_API_AUTH_STRING_FILE": str(places.server_auth),
        }
        | (
            {"PREFECT_SERVER_DATABASE_PASSWORD_FILE": str(places.database_password)}
            if places.database_password.exists()
            else {}
        ),
        topology.root,
        url=f"{topology.api}/ready",
    )


def _setup(topology: Topology, environment: Mapping[str, str]) -> Service:
    return Service(
        "setup",
        [sys.executable, *WITH_SECRETS, "elenco", "deploy"],
        _client(topology, environment),
        topology.root,
        once=True,
    )


def _worker(topology: Topology, environment: Mapping[str, str]) -> Service:
    port = topology.ports.worker
    return Service(
        "worker",
        [sys.executable, *WITH_SECRETS, *WORKER_COMMAND],
        _client(topology, environment)
        | WORKER
        | {
            "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(
                topology.data / "state" / "prefect" / "results"
            ),
            "TMPDIR": str(own_temporary()),
            "PREFECT_WORKER_WEBSERVER_HOST": "127.0.0.1",
            "PREFECT_WORKER_WEBSERVER_PORT": str(port),
        },
        topology.root,
        url=f"http://127.0.0.1:{port}/health",
        stop_seconds=60,
    )


def _base(topology: Topology, environment: Mapping[str, str]) -> dict[str, str]:
    # Prefect's variables of whoever starts this would send runs elsewhere.
    kept = {k: v for k, v in environment.items() if not k.startswith("PREFECT_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}"
    return kept | {"PATH": path, "PYTHONUNBUFFERED": "1"} | topology.extra


def _client(topology: Topology, environment: Mapping[str, str]) -> dict[str, str]:
    variables = _base(topology, environment) | {
        "PREFECT_HOME": str(topology.places.prefect_home),
        "PREFECT_API_URL": topology.api,
        "PREFECT_API_AUTH_STRING_FILE": str(topology.places.server_auth),
        "PYTHONPATH": str(topology.root),
        "ELENCO_HOME": str(topology.root),
        "ELENCO_PATHS__DATA": str(topology.data),
        "ELENCO_PATHS__MODELS": str(topology.models),
    }
    return variables | topology.extra


def own_temporary() -> Path:
    """A folder for temporary files that is this user's alone, made if there is none.

    Prefect's runner makes a folder of a fixed name where temporary files go: where all users share
    that, nobody but the first of a machine could start a worker.

    Raises:
        OperationsError: there is something else of that name.
    """
    path = Path(tempfile.gettempdir()) / f"elenco-{os.geteuid()}"
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise OperationsError(f"{path} is somebody else's: set TMPDIR to a folder of your own")
    return path
