"""A worker that is told to stop lets its runs finish first."""

import signal
import subprocess
import sys
from pathlib import Path

from elenco.ops.processes import start_time
from tests.ops.conftest import ROOT, until

# Stands for `prefect flow-run execute`: takes a second to give its run back.
RUN = """
import pathlib, signal, sys, time
def stop(*_):
    time.sleep(1)
    pathlib.Path(sys.argv[3]).write_text("given back")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
pathlib.Path(sys.argv[3]).write_text("running")
time.sleep(600)
"""
# Stands for the worker: kills its run at once.
WORKER = """
import pathlib, signal, subprocess, sys, time
run = subprocess.Popen([sys.executable, "-c", sys.argv[1], "flow-run", "execute", sys.argv[2]])
def stop(*_):
    run.kill()
    sys.exit(7)
signal.signal(signal.SIGTERM, stop)
run.wait()
time.sleep(600)
"""
DRAIN = [sys.executable, "-m", "elenco.ops.drain", "--"]


def test_runs_are_asked_before_the_worker_is(tmp_path):
    said = tmp_path / "said"
    process = subprocess.Popen([*DRAIN, sys.executable, "-c", WORKER, RUN, str(said)], cwd=ROOT)
    until("a run", lambda: said.exists() and said.read_text() == "running")
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 7
    assert said.read_text() == "given back"


def test_a_worker_without_runs_stops_at_once_and_its_status_is_passed_on():
    process = subprocess.Popen([*DRAIN, sys.executable, "-c", "import time; time.sleep(600)"])
    until("the worker", lambda: _children(process.pid))
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 128 + signal.SIGTERM
    done = subprocess.run([*DRAIN, sys.executable, "-c", "import sys; sys.exit(3)"], cwd=ROOT)
    assert done.returncode == 3


DEAF = """
import pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
run = subprocess.Popen([sys.executable, "-c", code, "flow-run", "execute"])
time.sleep(1)  # until both are deaf
pathlib.Path(sys.argv[1]).write_text(str(run.pid))
time.sleep(600)
"""
IN_A_HURRY = """
import sys
from elenco.ops import drain
drain.GRACE_SECONDS = drain.WORKER_SECONDS = 0.5
sys.exit(drain.main(sys.argv[1:]))
"""


def test_a_worker_that_does_not_stop_is_killed_with_its_runs(tmp_path):
    """As one whose server is gone: nobody may be there who would kill it."""
    said = tmp_path / "said"
    command = [sys.executable, "-c", IN_A_HURRY, "--", sys.executable, "-c", DEAF, str(said)]
    process = subprocess.Popen(command, cwd=ROOT)
    until("a run", lambda: said.exists() and said.read_text())
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 128 + signal.SIGKILL
    until("the end of the run", lambda: start_time(int(said.read_text())) is None, 30)


def _children(pid: int) -> str:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text()


def test_what_can_not_be_started_is_a_line():
    done = subprocess.run([*DRAIN, "no-such-program"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    assert done.stderr.startswith("elenco: no-such-program can't be started")
