"""Runs a worker, and lets its runs give themselves back before it stops.

    python -m elenco.ops.drain -- prefect worker start …

Prefect's process worker kills its runs when it is told to stop, without a word to the server: they
would count as running until their heartbeat is missed. `prefect flow-run execute`, which each run
is started with (prefect.yaml), reschedules its run on SIGTERM. So they are asked first, while the
worker is halted and can take nothing new.
"""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from elenco.ops.processes import die_with_parent

# Together shorter than the grace of whoever stops this, which kills all. A worker whose server is
# gone goes on asking it for minutes, and whoever started this may be gone too.
GRACE_SECONDS = 40.0  # for the runs
WORKER_SECONDS = 10.0  # for the worker after them
LOOK_SECONDS = 0.5
RUN = ("flow-run", "execute")


class Drained:
    """A worker's process and the runs under it."""

    def __init__(self, command: Sequence[str]) -> None:
        self._stopping = False
        self._deadline = float("inf")
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        # Were this killed and the worker not, its successor would be a second one.
        dies = partial(die_with_parent, signal.SIGTERM)
        self._worker = subprocess.Popen(command, preexec_fn=dies)
        if self._stopping:
            self._worker.terminate()

    def wait(self) -> int:
        """Its exit status, when it has ended; that of a shell where a signal ended it."""
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._worker.wait(LOOK_SECONDS)
                return code if code >= 0 else 128 - code
            if time.monotonic() > self._deadline:
                for pid in [*_runs(self._worker.pid), self._worker.pid]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

    def _stop(self, *_: object) -> None:
        if self._stopping:
            return
        self._stopping = True
        with contextlib.suppress(AttributeError, ProcessLookupError):
            os.kill(self._worker.pid, signal.SIGSTOP)
            try:
                _give_back(self._worker.pid)
            finally:
                self._deadline = time.monotonic() + WORKER_SECONDS
                os.kill(self._worker.pid, signal.SIGTERM)
                os.kill(self._worker.pid, signal.SIGCONT)


def _give_back(worker: int) -> None:
    runs = _runs(worker)
    for pid in runs:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < deadline and any(_is_at_work(pid) for pid in runs):
        time.sleep(0.1)


def _runs(worker: int) -> list[int]:
    return [pid for pid, parent, line in _processes() if parent == worker and _is_run(line)]


def _is_run(line: list[str]) -> bool:
    return any(pair == RUN for pair in itertools.pairwise(line))


def _processes() -> list[tuple[int, int, list[str]]]:
    """(id, parent's id, command line) of all there are, proc(5)."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                line = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                found.append((int(entry.name), parent, line))
    return found


def _is_at_work(pid: int) -> bool:
    """Whether it has not ended; its parent is halted and can't take note of that."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def main(arguments: Sequence[str]) -> int:
    """Run the command after `--`; its exit status."""
    command = list(arguments[1:] if arguments[:1] == ["--"] else arguments)
    if not command:
        sys.exit("elenco: give a command after --")
    try:
        return Drained(command).wait()
    except OSError as error:
        sys.exit(f"elenco: {command[0]} can't be started: {error.strerror}")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
