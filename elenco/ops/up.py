"""Starts a topology in the background, and stops it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from elenco.errors import Locked
from elenco.ops import postgres, processes, state, supervisor
from elenco.ops.errors import OperationsError
from elenco.ops.health import answers, free_port
from elenco.ops.places import Places
from elenco.ops.secret_files import make_secret, read_secret
from elenco.ops.services import Ports, Topology, plan
from elenco.progress import say
from elenco.settings import Settings

UP_SECONDS = 600
DOWN_SECONDS = 180
USER = "elenco"


def up(
    settings: Settings,
    root: Path,
    database: str | None = None,
    port: int = 0,
    environment: Mapping[str, str] = os.environ,
) -> tuple[Topology, bool]:
    """Start database, server, set-up and worker, and wait until they are ready.

    Args:
        settings: whose data and models directories are worked on.
        root: the checkout, with flows/ and prefect.yaml.
        database: a PostgreSQL of one's own; "": one is started; None: as the last time.
        port: of the user interface; 0: that of the last time, else a free one.
        environment: what the processes inherit, Prefect's variables left out.

    Returns:
        What runs, and whether this call started it.

    Raises:
        OperationsError: something did not start; the message names its log. All is stopped.
        Locked: another `up` or `down` is at it.
    """
    places = Places.of(settings.paths.data)
    with lock(places):
        before = state.read(places.topology)
        if before and state.is_running(before) and before["phase"] == "up":
            return _topology(before, settings), False
        if before:
            clear(before, places)
        ports = _ports(before, port)
        if database is None:
            database = str((before or {}).get("database", ""))
        paths = settings.paths
        topology = Topology(root, paths.data.resolve(), paths.models.resolve(), ports, database)
        make_secret(places.server_auth, f"{USER}:")
        if not database:
            make_secret(places.database_password)
            postgres.initialise(
                postgres.find_binaries(places.database),
                places.database,
                read_secret(places.database_password, "database_password"),
                postgres.account(),
            )
        services = plan(topology, environment)
        places.prefect_home.mkdir(parents=True, exist_ok=True)
        _launch(topology, supervisor.to_json(services))
        return topology, True


def down(settings: Settings) -> bool:
    """Stop everything; False if nothing ran.

    Raises:
        OperationsError: something is left after it was killed.
        Locked: another `up` or `down` is at it.
    """
    places = Places.of(settings.paths.data)
    with lock(places):
        now = state.read(places.topology)
        if now is None:
            return False
        ran = state.is_running(now)
        left = clear(now, places)
        return ran or bool(left)


def running(settings: Settings) -> Topology | None:
    """The topology of this data directory, if it is up."""
    now = state.read(Places.of(settings.paths.data).topology)
    return _topology(now, settings) if now and state.is_running(now) else None


def clear(now: dict[str, Any], places: Places) -> list[str]:
    """Stop the supervisor of a state, then whatever it left; what that was. Raises as `down`."""
    owner = now["supervisor"]
    processes.end(owner["pid"], owner["started"], signal.SIGTERM, DOWN_SECONDS)
    left = state.kill_leftovers(now)
    state.kill_of_home(places.prefect_home)
    for name, process in now["processes"].items():
        if processes.is_alive(process["pid"], process["started"]):
            raise OperationsError(f"{name} (process {process['pid']}) does not end: kill it")
    return left


def _ports(before: dict[str, Any] | None, port: int) -> Ports:
    """Those of the last time, so that a bookmark stays good, as far as they are free."""
    old = (before or {}).get("ports", {})
    wanted = dict.fromkeys(("database", "server", "worker"), 0) | old
    if port:
        wanted["server"] = port
    return Ports(**{name: _usable(number, name, port) for name, number in wanted.items()})


def _usable(number: int, name: str, asked: int) -> int:
    if number:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", number))
                return number
            except OSError:
                if name == "server" and asked:
                    raise OperationsError(f"port {number} is in use: give another") from None
    return free_port()


def _launch(topology: Topology, services: str) -> None:
    """Start the supervisor, and wait until it says that all is up."""
    places = topology.places
    about = {
        "url": topology.url,
        "root": str(topology.root),
        "database": topology.database,
        "ports": vars(topology.ports),
    }
    places.log.mkdir(parents=True, exist_ok=True)
    with (places.log / "supervisor.err").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "elenco.ops.supervisor"],
            stdin=subprocess.PIPE,
            stdout=errors,
            stderr=errors,
            cwd=topology.root,
            start_new_session=True,
        )
    given = {"services": services, "root": str(places.root), "about": about}
    assert process.stdin is not None
    process.stdin.write(json.dumps(given).encode())
    process.stdin.close()
    _wait(process, places)


def _wait(process: "subprocess.Popen[bytes]", places: Places) -> None:
    deadline = time.monotonic() + UP_SECONDS
    # A machine that was restarted may give the last one's number again.
    own = {"pid": process.pid, "started": processes.start_time(process.pid)}
    told = ""
    while True:
        now = state.read(places.topology)
        mine = now is not None and now["supervisor"] == own
        code = process.poll()
        if now is not None and mine:
            if now["phase"] == "up":
                return
            newest = ", ".join(now["processes"])
            if newest != told and code is None:
                told = newest
                say(f"starting: {newest}")
        if code is not None:
            failure = now["failure"] if now is not None and mine else ""
            raise OperationsError(failure or f"the supervisor ended with {code}: see {places.log}")
        if time.monotonic() > deadline:
            process.terminate()
            raise OperationsError(f"not up after {UP_SECONDS} s: see {places.log}")
        time.sleep(0.1)


def _topology(now: dict[str, Any], settings: Settings) -> Topology:
    return Topology(
        Path(now["root"]),
        settings.paths.data.resolve(),
        settings.paths.models.resolve(),
        Ports(**now["ports"]),
        now["database"],
    )


def healthy(topology: Topology) -> bool:
    """Whether its server answers and its worker is at work."""
    return answers(f"{topology.api}/ready") and answers(
        f"http://127.0.0.1:{topology.ports.worker}/health"
    )


def lock(places: Places) -> Any:
    """Hold the topology of a data directory, until the end of a `with`. Raises Locked."""
    places.root.mkdir(parents=True, exist_ok=True)
    file = FileLock(places.lock)
    try:
        return file.acquire(timeout=0)
    except Timeout:
        raise Locked(
            "another `elenco up`, `elenco down` or `elenco restore` is at work: wait for it"
        ) from None
