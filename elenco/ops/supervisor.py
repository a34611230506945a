"""Keeps the processes of a topology running: `python -m elenco.ops.supervisor`, a plan on stdin.

Starts one after the other, each once the one before is ready; starts again what ends; rotates what
they say; stops them all in the opposite order on SIGTERM. If it is killed, the kernel stops them.
"""

import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from elenco.ops import processes, state
from elenco.ops.health import answers, listens
from elenco.ops.places import Places
from elenco.ops.rotation import log_to, pump
from elenco.ops.services import Service

READY_SECONDS = 180  # to become ready, and as long for what is done once
PAUSES = (1, 2, 4, 8, 16, 32, 60)  # seconds until what has ended is started again; then the last
_ERROR = re.compile(r"\w(Error|Exception): |FATAL: |^elenco: ")
STEADY_SECONDS = 120.0  # of life after which a process counts as having started well


@dataclass
class Running:
    """A service and the process that it has now."""

    service: Service
    process: subprocess.Popen[bytes]
    log: threading.Thread
    started: int
    since: float = field(default_factory=time.monotonic)
    failures: int = 0
    due: float = 0.0  # when it is to be started again, if it has ended


class Supervisor:
    """Runs services until `stop` is called.

    Args:
        services: in the order of their start.
        places: where logs and state go.
        about: what the state file says besides the processes: address, root.
    """

    def __init__(self, services: list[Service], places: Places, about: dict[str, Any]) -> None:
        self._services = services
        self._places = places
        self._about = about
        self._running: dict[str, Running] = {}
        self._noted = True  # the state file says what runs
        self._stopping = threading.Event()
        self._log = log_to(places.log / "supervisor.log")

    def stop(self, *_: object) -> None:
        """Ask it to stop everything; it may be called from a signal handler."""
        self._stopping.set()

    def run(self) -> int:
        """Start, keep, stop; 0 if it was asked to stop, 1 if something did not start."""
        failure = ""
        try:
            for service in self._services:
                failure = self._begin(service)
                if failure or self._stopping.is_set():
                    break
            if not failure and not self._stopping.is_set():
                self._write("up")
                while not self._stopping.wait(0.5):
                    self._look()
        finally:
            self._note("stopping" if not failure else "failed", failure)
            self._end_all()
            self._note("failed" if failure else "down", failure)
            self._log.close()
        return 1 if failure else 0

    def _begin(self, service: Service) -> str:
        """Start it and wait until it is ready; why it is not, or ""."""
        running = self._start(service)
        self._write("starting")
        deadline = time.monotonic() + READY_SECONDS
        while not self._stopping.wait(0.1):
            code = running.process.poll()
            if code is not None:
                running.log.join(5)
                if service.once and not code:
                    del self._running[service.name]
                    return ""
                return self._why(service, f"ended with {code}")
            if not service.once and self._ready(service):
                self._say(f"{service.name} is ready")
                return ""
            if time.monotonic() > deadline:
                return self._why(service, f"was not ready after {READY_SECONDS} s")
        return ""

    def _start(self, service: Service) -> Running:
        process = service.start()
        assert process.stdout is not None
        log = pump(process.stdout, self._places.log / f"{service.name}.log")
        running = Running(service, process, log, processes.start_time(process.pid) or 0)
        self._running[service.name] = running
        self._say(f"{service.name} started, process {process.pid}")
        return running

    def _ready(self, service: Service) -> bool:
        if service.url:
            return answers(service.url)
        return not service.port or listens(service.port)

    def _look(self) -> None:
        """Start again what has ended, later each time that it did not last."""
        for running in list(self._running.values()):
            code = running.process.poll()
            if code is None:
                continue
            now = time.monotonic()
            if not running.due:
                lasted = now - running.since >= STEADY_SECONDS
                running.failures = 0 if lasted else running.failures
                self._later(running, f"ended with {code}")
            elif now >= running.due:
                try:
                    self._start(running.service).failures = running.failures
                except OSError as error:  # no memory for it, no process left
                    self._later(running, f"can't be started ({error})")
                else:
                    self._note("up")
        if not self._noted:
            self._note("up")

    def _later(self, running: Running, why: str) -> None:
        pause = PAUSES[min(running.failures, len(PAUSES) - 1)]
        running.failures += 1
        running.due = time.monotonic() + pause
        self._say(f"{running.service.name} {why}; starting it again in {pause} s")

    def _end_all(self) -> None:
        for name, running in reversed(list(self._running.items())):
            service, pid = running.service, running.process.pid
            if running.process.poll() is None:
                running.process.send_signal(service.stop)
                try:
                    running.process.wait(service.stop_seconds)
                except subprocess.TimeoutExpired:
                    self._say(f"{name} did not end in {service.stop_seconds:.0f} s: killed")
            # Whatever it started is in its session: nothing is left.
            state.kill_session(pid)
            running.process.wait()
            running.log.join(5)
            self._say(f"{name} ended with {running.process.returncode}")
            del self._running[name]
        state.kill_of_home(self._places.prefect_home)

    def _why(self, service: Service, what: str) -> str:
        path = self._places.log / f"{service.name}.log"
        text = path.read_text(errors="replace") if path.exists() else ""
        lines = [line.strip() for line in reversed(text.splitlines()) if line.strip()]
        said = next(filter(_ERROR.search, lines), (lines or ["it said nothing"])[0])
        return f"{service.name} {what}: {said} (see {path})"

    def _note(self, phase: str, failure: str = "") -> None:
        """Write it as soon as that can be: a full disk ends nothing that runs."""
        try:
            self._write(phase, failure)
            self._noted = True
        except OSError as error:
            if self._noted:
                self._say(f"{self._places.topology} can't be written ({error}); trying again")
            self._noted = False

    def _write(self, phase: str, failure: str = "") -> None:
        own = os.getpid()
        state.write(
            self._places.topology,
            self._about
            | {
                "phase": phase,
                "failure": failure,
                "supervisor": {"pid": own, "started": processes.start_time(own)},
                "processes": {
                    name: {"pid": running.process.pid, "started": running.started}
                    for name, running in self._running.items()
                },
            },
        )

    def _say(self, text: str) -> None:
        self._log.emit(logging.makeLogRecord({"msg": f"{time.strftime('%FT%T%z')} {text}"}))


def to_json(services: list[Service]) -> str:
    """A plan as the supervisor reads it."""
    return json.dumps([asdict(s) | {"folder": str(s.folder)} for s in services])


def from_json(text: str) -> list[Service]:
    """The reverse."""
    return [Service(**(s | {"folder": Path(s["folder"])})) for s in json.loads(text)]


def main() -> int:
    """Read from standard input what to run, so that no environment is on a disk."""
    given = json.load(sys.stdin)
    supervisor = Supervisor(
        from_json(given["services"]), Places(Path(given["root"])), given["about"]
    )
    signal.signal(signal.SIGTERM, supervisor.stop)
    signal.signal(signal.SIGINT, supervisor.stop)
    return supervisor.run()


if __name__ == "__main__":
    raise SystemExit(main())
