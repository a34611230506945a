"""The database of `elenco up` by itself, for as long as a restore takes."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from elenco.ops import postgres, state
from elenco.ops.errors import OperationsError
from elenco.ops.health import free_port
from elenco.ops.places import Places
from elenco.ops.rotation import pump
from elenco.ops.secret_files import make_secret, read_secret
from elenco.ops.services import database
from elenco.ops.up import clear, lock

READY_SECONDS = 180  # after a crash it replays its log first
STOP_SECONDS = 60


@contextlib.contextmanager
def database_alone(data: Path) -> Iterator[int]:
    """Start the cluster of a data directory, made if there is none; its port. It ends with this.

    Nobody can start the rest meanwhile. If this process is killed, so is the database.

    Raises:
        OperationsError: what `elenco up` started is at work, or PostgreSQL is not installed or
            does not start.
        Locked: an `elenco up`, `elenco down` or another of these is at work.
    """
    places = Places.of(data)
    with lock(places):
        before = state.read(places.topology)
        require_down(data)
        if before:
            clear(before, places)
        make_secret(places.database_password)
        binaries, who = postgres.find_binaries(places.database), postgres.account()
        password = read_secret(places.database_password, "database_password")
        postgres.initialise(binaries, places.database, password, who)
        _wait_for_the_last_one(places.database)
        port = free_port()
        service = database(places, port)
        with service.start() as process:
            assert process.stdout is not None
            log = places.log / "database.log"
            said = pump(process.stdout, log)
            try:
                _wait_until_ready(process, binaries, port, log)
                yield port
            finally:
                process.send_signal(service.stop)
                try:
                    process.wait(service.stop_seconds)
                finally:
                    process.kill()
                    said.join(5)


def require_down(data: Path) -> None:
    """Refuse if what `elenco up` started for it is at work. Raises OperationsError."""
    if state.is_running(state.read(Places.of(data).topology)):
        raise OperationsError("what `elenco up` started is at work here: `elenco down` first")


def _wait_until_ready(
    process: "subprocess.Popen[bytes]", binaries: Path, port: int, log: Path
) -> None:
    deadline = time.monotonic() + READY_SECONDS
    asks = [str(binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    # 1 and 2: it refuses, or nobody is there yet
    while (code := subprocess.run(asks, check=False).returncode) in (1, 2):
        if process.poll() is not None or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    if code or process.poll() is not None:
        raise OperationsError(f"the database does not start: {log} says why")


def _wait_for_the_last_one(cluster: Path) -> None:
    """That of a restore that was killed is told to end by the kernel, and may still be at it."""
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        try:
            pid = int((cluster / "postmaster.pid").read_text().split()[0])
            if Path(f"/proc/{pid}/cwd").resolve() != cluster.resolve():
                return
        except (OSError, ValueError, IndexError):
            return
        time.sleep(0.1)
