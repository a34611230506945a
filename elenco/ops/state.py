"""What runs, as the supervisor writes it down."""

import contextlib
import os
import signal
from pathlib import Path
from typing import Any

from elenco.ops import processes
from elenco.ops.errors import OperationsError
from elenco.storage import read_json, write_json

TRIES = 5


def write(path: Path, state: dict[str, Any]) -> None:
    """Write it. Atomic."""
    for _ in range(TRIES - 1):
        # A refresh that starts sweeps temporary files from the data directory, this one too.
        with contextlib.suppress(FileNotFoundError):
            write_json(path, state)
            return
    write_json(path, state)


def read(path: Path) -> dict[str, Any] | None:
    """The state, or None if nothing was ever started.

    Raises:
        OperationsError: the file is no such state.
    """
    try:
        state = read_json(path)
        _ = state["supervisor"]["pid"], state["phase"], state["processes"]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise OperationsError(
            f"{path} can't be read: see that none of its processes run, and delete it"
        ) from None
    return state


def is_running(state: dict[str, Any] | None) -> bool:
    """Whether the supervisor of that state is alive."""
    return state is not None and processes.is_alive(
        state["supervisor"]["pid"], state["supervisor"]["started"]
    )


def kill_leftovers(state: dict[str, Any]) -> list[str]:
    """Kill what a supervisor left that was killed itself; the names of what there was."""
    left = []
    for name, process in state["processes"].items():
        if processes.is_alive(process["pid"], process["started"]):
            left.append(name)
            number = signal.SIGINT if name == "database" else signal.SIGTERM
            processes.end(process["pid"], process["started"], number, 30)
            kill_session(process["pid"])
    return left


def kill_session(leader: int) -> None:
    """Kill every process of the session that `leader` began: a worker's runs among them."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError, IndexError, ValueError):
            stat = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(stat[3]) == leader and stat[0] not in "ZX":
                os.kill(int(entry.name), signal.SIGKILL)


def kill_of_home(home: Path) -> None:
    """Kill whatever has this `PREFECT_HOME`: runs have sessions of their own."""
    mark = b"PREFECT_HOME=" + os.fsencode(home)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    os.kill(int(entry.name), signal.SIGKILL)
