"""A whole topology in processes: PostgreSQL, Prefect server, worker, and a place to hold runs at.

The checkout that it serves is a copy whose `daily_refresh` waits as long as a test wants.
"""

import base64
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from elenco.demo.serve import running
from elenco.demo.server import DemoServer
from elenco.demo.synthetic import SyntheticCast
from elenco.ops import postgres
from elenco.ops.errors import OperationsError
from tests.ops import sinks as others
from tests.ops.sinks import Sinks

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PEOPLE = 8
CAST = 200  # of the shared place's refresh, the real one
MANY = 1_000_000
HEAVY = pytest.mark.skipif(
    os.environ.get("ELENCO_OPS_TESTS") != "1", reason="takes minutes: make ops-test"
)
# Settings of a place whose alarms go nowhere.
NOWHERE = {f"ELENCO_ALARMS__{k}_URL_FILE": "/dev/null" for k in ("WEBHOOK", "SLACK", "EMAIL")}
HELD_REFRESH = '''"""Stands for the refresh: it runs for as long as a file is there."""

import time
from pathlib import Path

from prefect import flow, task

from elenco.settings import load_settings


@task
def hold(folder: Path) -> None:
    (folder / "held").touch()
    while (folder / "hold").exists():
        time.sleep(0.1)
    (folder / "held").unlink()


@flow(name="daily_refresh")
def daily_refresh(config: str | None = None, people: int | None = None) -> None:
    """Wait.

    Args:
        config: a settings file.
        people: how many people.
    """
    hold(load_settings(config).paths.data)
'''

# Prefect reads it from the home that `elenco up` gives it. A worker looks for runs every ten
# seconds otherwise.
PROFILE = """active = "quick"
[profiles.quick]
PREFECT_WORKER_QUERY_SECONDS = "1"
"""


def until(what: str, seen: Callable[[], Any], seconds: float = 120, pause: float = 0.2) -> Any:
    """Wait until `seen` gives something that is true."""
    deadline = time.monotonic() + seconds
    while not (found := seen()):
        assert time.monotonic() < deadline, f"not seen in {seconds:.0f} s: {what}"
        time.sleep(pause)
    return found


class Sink(http.server.ThreadingHTTPServer):
    """Keeps what is posted to it."""

    def __init__(self) -> None:
        self.posted: list[dict[str, Any]] = []
        super().__init__(("127.0.0.1", 0), _Keep)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook/s3cret"


class _Keep(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert isinstance(self.server, Sink)
        self.server.posted.append(json.loads(body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *_: object) -> None:
        """Say nothing."""


class HeldCast(SyntheticCast):
    """People who do not exist; gives away as many photographs as it may, others wait."""

    def __init__(self, actors: int) -> None:
        super().__init__(actors)
        self._changed = threading.Condition()
        self._given, self._allowed = 0, 0

    def allow(self, photographs: int) -> None:
        """So many more than it has given by now."""
        with self._changed:
            self._allowed = self._given + photographs
            self._changed.notify_all()

    def image(self, path: str, size: str) -> bytes:
        with self._changed:
            self._changed.wait_for(lambda: self._given < self._allowed, 240)
            self._given += 1
        return super().image(path, size)


def of_worker_at(port: int) -> list[int]:
    """A worker, its runs, and all that they started: it hands its own port on to them."""
    mark = f"PREFECT_WORKER_WEBSERVER_PORT={port}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def tree(pid: int) -> list[int]:
    """A process and its children."""
    return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


@dataclass
class Place:
    """A checkout, its data directory, and the topology that may be up for it."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def ops(self) -> Path:
        return self.data / "state" / "ops"

    @property
    def state(self) -> dict[str, Any]:
        return json.loads((self.ops / "topology.json").read_text())

    def elenco(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BIN / "elenco", *arguments],
            env=self.environment | environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=600,
        )

    def pid(self, name: str) -> int:
        return self.state["processes"][name]["pid"]

    def restarted(self, name: str, before: int) -> None:
        until(f"{name} started again", lambda: self.pid(name) != before)

    def api(self, path: str, data: Any = None, method: str = "") -> Any:
        secret = (self.ops / "secrets" / "server_auth").read_text().strip()
        request = urllib.request.Request(
            f"{self.state['url']}/api/{path}",
            None if data is None else json.dumps(data).encode(),
            {
                "Content-Type": "application/json",
                "Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}",
            },
            method=method or None,
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or "null")

    def deployment(self, name: str) -> dict[str, Any]:
        return self.api(f"deployments/name/{name}/{name}")

    def runs(self, flow: str = "daily_refresh") -> list[dict[str, Any]]:
        wanted = {"flows": {"name": {"any_": [flow]}}, "sort": "START_TIME_DESC"}
        return self.api("flow_runs/filter", wanted)

    def run(self, identity: str) -> dict[str, Any]:
        return self.api(f"flow_runs/{identity}")

    def start(self, flow: str = "daily_refresh", **fields: Any) -> str:
        """A run by hand; its id."""
        identity = self.deployment(flow)["id"]
        return self.api(f"deployments/{identity}/create_flow_run", fields)["id"]

    def ended(self, identity: str, seconds: float = 90) -> dict[str, Any]:
        def final() -> dict[str, Any] | None:
            try:
                run = self.run(identity)
            except OSError:
                return None
            ends = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
            return run if run["state_type"] in ends else None

        return until(f"the end of run {identity}", final, seconds)

    def hold(self) -> None:
        self.data.mkdir(exist_ok=True)
        (self.data / "hold").touch()

    def held(self) -> None:
        until("a held run", (self.data / "held").exists, 90)

    def let_go(self) -> None:
        (self.data / "hold").unlink(missing_ok=True)

    def of_worker(self, least: int = 4) -> list[int]:
        """The worker, its run, and all that they started: so many processes at least."""
        found = of_worker_at(self.state["ports"]["worker"])
        assert len(found) >= least
        return found

    def processes(self) -> list[str]:
        """Whatever runs for this place: command lines that name it, or run inside it."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    inside = (entry / "cwd").readlink().is_relative_to(self.folder)
                except OSError:
                    continue
                if str(self.folder) in line or inside:
                    found.append(line.strip())
        return found


def make_place(folder: Path, **environment: str) -> Place:
    for name in ("tasks", "flows", "config"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / "prefect.yaml", folder)
    (folder / "flows" / "daily_refresh.py").write_text(HELD_REFRESH)
    home = folder / "data" / "state" / "ops" / "prefect"
    home.mkdir(parents=True)
    (home / "profiles.toml").write_text(PROFILE)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("ELENCO_", "PREFECT_"))}
    paths = {"ELENCO_PATHS__DATA": "data", "ELENCO_PATHS__MODELS": "models"}
    return Place(folder, clean | paths | environment)


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """A folder that PostgreSQL's user can enter; skips where there is no PostgreSQL."""
    try:
        postgres.find_binaries(Path("none yet"))
        postgres.account()
    except OperationsError as error:
        pytest.skip(f"needs PostgreSQL: {error}")
    folder = Path(tempfile.mkdtemp(prefix="elenco-ops-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def sink() -> Iterator[Sink]:
    server = Sink()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def sinks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sinks]:
    """Of mail, and of what goes to Slack."""
    with others.running(tmp_path_factory.mktemp("sinks")) as found:
        yield found


@pytest.fixture(scope="session")
def held_server() -> Iterator[tuple[HeldCast, DemoServer]]:
    cast = HeldCast(CAST)
    with running(cast, rate_per_second=None) as server:
        yield cast, server
        cast.allow(MANY)


@pytest.fixture(scope="session")
def place(
    open_folder: Path, sink: Sink, sinks: Sinks, held_server: tuple[HeldCast, DemoServer]
) -> Iterator[Place]:
    """A topology that is up, with the shortest times that Prefect allows."""
    addresses = dict(zip(NOWHERE, (sink.url, sinks.slack.url, sinks.mail.url), strict=True))
    for variable, url in addresses.items():
        (open_folder / variable).write_text(f"{url}\n")
    there = make_place(
        open_folder / "place",
        **sinks.environment,
        **{variable: str(open_folder / variable) for variable in addresses},
        ELENCO_ALARMS__VANISHED_SECONDS="60",
        ELENCO_ALARMS__UNSTARTED_SECONDS="60",
        ELENCO_ALARMS__SILENCE_HOURS="0.02",
        ELENCO_TMDB__API_URL=held_server[1].api_url,
        ELENCO_TMDB__TOKEN="demo",
        ELENCO_TMDB__TERMS_ACCEPTED="true",
        ELENCO_COLLECT__PEOPLE=str(CAST),
        ELENCO_COLLECT__PHOTOS_PER_PERSON="2",
        ELENCO_COLLECT__SHARDS="4",
        ELENCO_COLLECT__CONNECTIONS="4",
        ELENCO_EMBEDDING__EMBEDDER="dlib_resnet",
    )
    done = there.elenco("up")
    assert done.returncode == 0, done.stderr
    yield there
    there.elenco("down")
    for pid in [entry["pid"] for entry in there.state["processes"].values()]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
