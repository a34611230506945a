"""Two workers on one pool: they share what there is to do, and one can do without the other."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from elenco.ops.health import free_port
from elenco.ops.services import Ports, Topology, plan
from tests.ops.conftest import HEAVY, NOWHERE, ROOT, Place, make_place, of_worker_at, tree, until
from tests.ops.real_place import is_up

pytestmark = pytest.mark.timeout(2400)
PATIENCE = 600  # seconds; a run starts within some fifteen where nothing else runs
PORT = "PREFECT_WORKER_WEBSERVER_PORT"


@dataclass(frozen=True)
class Worker:
    """One of the two; whatever it starts has its port in the environment."""

    pid: int
    port: int

    def signal(self, number: int) -> None:
        """To the worker alone, not to its runs."""
        for pid in tree(self.pid):
            os.kill(pid, number)

    def kill(self) -> None:
        """With its runs."""
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)

    def processes(self) -> list[int]:
        return of_worker_at(self.port)

    def has(self, run: dict) -> bool:
        """Whether it started the process of a run."""
        return int(run["infrastructure_pid"].rpartition(":")[2]) in self.processes()


@pytest.fixture
def place(open_folder: Path) -> Iterator[Place]:
    made = make_place(
        open_folder / "workers",
        **NOWHERE,
        ELENCO_ALARMS__VANISHED_SECONDS="60",
        ELENCO_ALARMS__UNSTARTED_SECONDS="60",
    )
    with is_up(made) as up:
        yield up


@pytest.fixture
def first(place: Place) -> Worker:
    """That of `elenco up`."""
    return Worker(place.pid("worker"), place.state["ports"]["worker"])


@pytest.fixture
def second(place: Place) -> Iterator[Worker]:
    """The same command again."""
    now = place.state
    ports = Ports(now["ports"]["database"], now["ports"]["server"], free_port())
    folder, models = place.folder, place.folder / "models"
    service = plan(Topology(folder, place.data, models, ports), place.environment)[-1]
    assert service.command[0] == sys.executable
    process = subprocess.Popen(
        service.command, env=service.environment, cwd=folder, stdout=subprocess.DEVNULL
    )
    worker = Worker(process.pid, ports.worker)
    yield worker
    worker.kill()
    process.wait()


def online(place: Place) -> int:
    workers = place.api("work_pools/elenco/workers/filter", {})
    return sum(worker["status"] == "ONLINE" for worker in workers)


def test_nothing_of_the_worker_s_container_is_there_only_once():
    """`docker compose up --scale worker=2`: a name, a port, a volume of its own would forbid it."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    worker = compose["services"]["worker"]
    assert not {"container_name", "hostname", "ports", "network_mode"} & set(worker)
    mounts = {mount.split(":")[0] for mount in worker["volumes"]}
    assert mounts == {"data", "models"}
    assert mounts <= set(compose["volumes"])
    assert worker["environment"][f"{PORT.removesuffix('PORT')}HOST"] == "127.0.0.1"


@HEAVY
def test_two_workers_share_the_work_and_one_goes_on_without_the_other(
    place: Place, first: Worker, second: Worker
):
    until("two workers", lambda: online(place) == 2)
    place.hold()
    first.signal(signal.SIGSTOP)
    refresh = place.start()
    until("a held run", (place.data / "held").exists, PATIENCE)
    assert second.has(place.run(refresh))
    first.signal(signal.SIGCONT)
    assert place.ended(place.start(), PATIENCE)["state_type"] == "CANCELLED"
    assert place.run(refresh)["state_type"] == "RUNNING"
    # The one that is busy takes nothing more: the other does.
    second.signal(signal.SIGSTOP)
    done = place.elenco("run", "enforce_retention", "--watch")
    assert done.returncode == 0, done.stdout + done.stderr
    assert place.run(refresh)["state_type"] == "RUNNING"
    second.kill()
    crashed = place.ended(refresh, PATIENCE)
    assert crashed["state_type"] == "CRASHED"
    assert "its worker has vanished" in crashed["state"]["message"]
    place.let_go()
    (place.data / "held").unlink()  # of the one that was killed
    assert place.ended(place.start(), PATIENCE)["state_type"] == "COMPLETED"
