"""The supervisor, with processes of a line each."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from elenco.ops import postgres, processes, rotation, state
from elenco.ops import supervisor as supervisor_module
from elenco.ops.errors import OperationsError
from elenco.ops.health import answers, free_port, listens
from elenco.ops.places import Places
from elenco.ops.services import Service, own_temporary
from elenco.ops.supervisor import Supervisor, from_json, to_json
from tests.ops.conftest import ROOT, until

SLEEP = "import time; print('here', flush=True); time.sleep(600)"


def service(name: str, code: str, **fields) -> Service:
    return Service(name, [sys.executable, "-c", code], dict(os.environ), Path("/"), **fields)


class Kept:
    """A supervisor in a process of its own."""

    def __init__(self, root: Path, services: list[Service]) -> None:
        self.places = Places(root)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "elenco.ops.supervisor"],
            stdin=subprocess.PIPE,
            cwd=ROOT,
            start_new_session=True,
        )
        given = {"services": to_json(services), "root": str(root), "about": {"url": "x"}}
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(given).encode())
        self.process.stdin.close()

    def state(self) -> dict:
        return state.read(self.places.topology) or {"phase": "", "processes": {}}

    def up(self) -> None:
        until("up", lambda: self.state()["phase"] == "up")

    def pid(self, name: str) -> int:
        return self.state()["processes"][name]["pid"]


def phase_of(root: Path) -> str:
    return (state.read(Places(root).topology) or {"phase": ""})["phase"]


def pid_of(root: Path) -> int:
    return (state.read(Places(root).topology) or {})["processes"]["only"]["pid"]


def test_services_survive_being_written_down():
    services = [service("a", SLEEP, once=True, stop=signal.SIGINT, uid=5), service("b", SLEEP)]
    assert from_json(to_json(services)) == services


def test_what_ends_is_started_again_and_all_is_stopped(tmp_path):
    kept = Kept(tmp_path, [service("first", SLEEP), service("second", SLEEP)])
    kept.up()
    first = kept.pid("first")
    os.kill(first, signal.SIGKILL)
    until("another one", lambda: kept.pid("first") != first)
    pids = [kept.pid("first"), kept.pid("second")]
    kept.process.terminate()
    assert kept.process.wait(30) == 0
    assert kept.state()["phase"] == "down"
    assert not any(processes.start_time(pid) for pid in pids)
    assert "here" in (kept.places.log / "first.log").read_text()


def test_a_full_disk_ends_nothing_that_runs(tmp_path, monkeypatch):
    supervisor = Supervisor([service("only", SLEEP)], Places(tmp_path), {})
    write, full = state.write, threading.Event()

    def write_if_there_is_room(*arguments) -> None:
        if full.is_set():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(*arguments)

    monkeypatch.setattr(state, "write", write_if_there_is_room)
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    log = Places(tmp_path).log / "supervisor.log"
    until("up", lambda: phase_of(tmp_path) == "up")
    first = pid_of(tmp_path)
    full.set()
    os.kill(first, signal.SIGKILL)
    until("another one", lambda: log.read_text().count("only started") == 2)
    until("what is wrong", lambda: "No space left on device); trying again" in log.read_text())
    assert pid_of(tmp_path) == first
    full.clear()
    until("its number", lambda: pid_of(tmp_path) != first)
    second = pid_of(tmp_path)
    full.set()
    supervisor.stop()
    thread.join(30)
    assert processes.start_time(second) is None


def test_what_keeps_ending_or_can_not_start_is_tried_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor_module, "PAUSES", (0, 0.1))
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    kept = Service("only", [str(program)], dict(os.environ), Path("/"))
    supervisor = Supervisor([kept], Places(tmp_path), {})
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    log = Places(tmp_path).log / "supervisor.log"
    until("up", lambda: phase_of(tmp_path) == "up")
    running = program.rename(tmp_path / "gone")
    os.kill(pid_of(tmp_path), signal.SIGKILL)
    until("three tries", lambda: log.read_text().count("can't be started") >= 3)
    running.rename(program)
    until("its start", lambda: log.read_text().count("only started") == 2)
    supervisor.stop()
    thread.join(30)
    assert not thread.is_alive()


def test_nothing_outlives_a_supervisor_that_is_killed(tmp_path):
    kept = Kept(tmp_path, [service("only", SLEEP)])
    kept.up()
    pid = kept.pid("only")
    kept.process.kill()
    kept.process.wait()
    until("its end", lambda: processes.start_time(pid) is None)
    assert not state.is_running(kept.state())


def test_what_a_process_started_ends_with_it(tmp_path):
    child = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}]); {SLEEP}"
    kept = Kept(tmp_path, [service("parent", child)])
    kept.up()
    until("both", lambda: (kept.places.log / "parent.log").read_text().count("here") == 2)
    leader = kept.pid("parent")
    kept.process.terminate()
    assert kept.process.wait(30) == 0
    numbers = [p for p in Path("/proc").iterdir() if p.name.isdigit() and _session(p) == leader]
    assert not [p for p in numbers if processes.start_time(int(p.name))]


def _session(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[3])
    except OSError:
        return 0


@pytest.mark.parametrize(
    ("code", "once", "says"),
    [
        ("import sys; sys.exit('no database')", False, "second ended with 1: no database"),
        ("import sys; sys.exit('refused')", True, "second ended with 1: refused"),
        ("print('x'); 1 / 0", True, "second ended with 1: ZeroDivisionError: division by zero"),
        (
            "print('OSError: no database\\nServer stopped!'); import sys; sys.exit(3)",
            False,
            "second ended with 3: OSError: no database",
        ),
    ],
)
def test_what_does_not_start_is_named_and_the_rest_is_stopped(tmp_path, code, once, says):
    services = [service("first", SLEEP), service("second", code, once=once, port=free_port())]
    kept = Kept(tmp_path, services)
    assert kept.process.wait(30) == 1
    now = kept.state()
    assert now["phase"] == "failed"
    assert says in now["failure"]
    assert now["processes"] == {}


def test_the_next_starts_when_the_one_before_is_ready_or_done(tmp_path):
    port = free_port()
    listen = (
        "import socket, time; time.sleep(1); s = socket.create_server(('127.0.0.1', "
        f"{port})); time.sleep(600)"
    )
    look = f"import socket; socket.create_connection(('127.0.0.1', {port})); print('seen')"
    services = [service("first", listen, port=port), service("look", look, once=True)]
    kept = Kept(tmp_path, services)
    kept.up()
    assert list(kept.state()["processes"]) == ["first"]
    assert (kept.places.log / "look.log").read_text() == "seen\n"
    kept.process.terminate()
    kept.process.wait(30)


def test_a_stop_while_starting_stops(tmp_path):
    supervisor = Supervisor([service("never", SLEEP, port=free_port())], Places(tmp_path), {})
    threading.Timer(1, supervisor.stop).start()
    assert supervisor.run() == 0
    assert (state.read(Places(tmp_path).topology) or {})["phase"] == "down"


def test_logs_rotate(tmp_path, monkeypatch):
    monkeypatch.setattr(rotation, "MEGABYTES", 0.001)
    read, write = os.pipe()
    thread = rotation.pump(os.fdopen(read, "rb"), tmp_path / "x.log")
    with os.fdopen(write, "wb") as stream:
        for number in range(1000):
            stream.write(f"line {number} %s\n".encode())
    thread.join(30)
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["x.log", *(f"x.log.{n}" for n in range(1, rotation.FILES + 1))]
    assert (tmp_path / "x.log").read_text().endswith("line 999 %s\n")
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 8000


def test_a_process_is_not_taken_for_another_of_its_number():
    own = os.getpid()
    started = processes.start_time(own)
    assert started is not None
    assert processes.is_alive(own, started)
    assert not processes.is_alive(own, started - 1)
    assert not state.is_running({"supervisor": {"pid": own, "started": started - 1}})


def test_a_state_file_that_is_none_says_what_to_do(tmp_path):
    (tmp_path / "topology.json").write_text("{}")
    with pytest.raises(OperationsError, match="delete it"):
        state.read(tmp_path / "topology.json")


def test_health(tmp_path):
    port = free_port()
    assert not listens(port)
    assert not answers(f"http://127.0.0.1:{port}/")
    server = subprocess.Popen(
        [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until("an answer", lambda: answers(f"http://127.0.0.1:{port}/"))
        assert not answers(f"http://127.0.0.1:{port}/nothing")
        done = subprocess.run(
            [sys.executable, "-m", "elenco.ops.health", f"http://127.0.0.1:{port}/"], cwd=ROOT
        )
        assert done.returncode == 0
    finally:
        server.kill()
        server.wait()


def binaries_of(folder: Path, version: str) -> Path:
    """What is asked for its version and no more."""
    folder.mkdir(parents=True)
    for name in ("initdb", "postgres"):
        (folder / name).write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")
        (folder / name).chmod(0o755)
    return folder


def test_binaries_are_of_the_version_that_made_the_cluster(tmp_path, monkeypatch):
    monkeypatch.setattr(postgres, "DEBIAN", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    cluster = tmp_path / "cluster"
    with pytest.raises(OperationsError, match="PostgreSQL is not installed"):
        postgres.find_binaries(cluster)
    old, new = (binaries_of(tmp_path / n / "bin", f"{n}.4 (Debian)") for n in ("9", "15"))
    newest = binaries_of(tmp_path / "bin", "17.1")
    assert postgres.find_binaries(cluster) == newest
    cluster.mkdir()
    for version, binaries in (("9\n", old), ("15\n", new), ("17\n", newest)):
        (cluster / "PG_VERSION").write_text(version)
        assert postgres.find_binaries(cluster) == binaries
        postgres.initialise(binaries, cluster, "x", postgres.account())
    (cluster / "PG_VERSION").write_text("16\n")
    with pytest.raises(OperationsError, match=r"made by PostgreSQL 16, .* install that version"):
        postgres.find_binaries(cluster)
    assert [path.name for path in cluster.iterdir()] == ["PG_VERSION"]


def test_who_is_not_root_makes_a_cluster_in_a_folder_of_their_own(tmp_path, monkeypatch):
    """A home that nobody else can enter: PostgreSQL runs as its owner there."""
    closed = tmp_path / "home"
    closed.mkdir(mode=0o700)
    asked = []
    monkeypatch.setattr(postgres, "_run", lambda *arguments: asked.append(arguments))
    postgres.initialise(Path("/bin"), closed / "cluster", "x", postgres.Account(None, None))
    assert [Path(arguments[0][0]).name for arguments in asked] == ["initdb", "postgres"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts it as somebody else")
def test_a_folder_that_postgresql_can_not_enter_is_named(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    who = postgres.Account(65534, 65534)
    with pytest.raises(OperationsError, match=f"can't enter {tmp_path}|can't enter /"):
        postgres.initialise(Path("/usr/lib/postgresql/15/bin"), closed / "d", "x", who)


def test_temporary_files_are_in_a_folder_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = own_temporary()
    assert path == own_temporary() == tmp_path / f"elenco-{os.geteuid()}"
    assert path.stat().st_mode & 0o777 == 0o700
    path.rmdir()
    path.symlink_to(tmp_path)
    with pytest.raises(OperationsError, match="somebody else's: set TMPDIR"):
        own_temporary()
