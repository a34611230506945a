"""Processes by id, told apart from later ones that were given the same id."""

import contextlib
import ctypes
import os
import signal
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # prctl(2)
_libc = ctypes.CDLL(None, use_errno=True)


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None if there is none or it has ended.

    Field 22 of /proc/PID/stat, proc(5).
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def is_alive(pid: int, started: int) -> bool:
    """Whether that very process still runs."""
    return start_time(pid) == started


def wait_gone(pid: int, started: int, seconds: float) -> bool:
    """Wait for its end; False if it still runs after so long."""
    deadline = time.monotonic() + seconds
    while is_alive(pid, started):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def end(pid: int, started: int, number: int, seconds: float) -> None:
    """Send it a signal, wait, then kill it with all of its process group."""
    if is_alive(pid, started):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    if not wait_gone(pid, started, seconds):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        wait_gone(pid, started, 10)


def die_with_parent(number: int) -> None:
    """Let the kernel send this process a signal when its parent ends, however it ends."""
    if _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
