"""Real runs: the command in its own process, a Prefect server, and the demo server over HTTP."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

ROOT = Path(__file__).resolve().parents[2]
ELENCO = str(Path(sys.executable).parent / "elenco")
PEOPLE = 12
T = TypeVar("T")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get_json(url: str, data: dict[str, Any] | None = None) -> Any:
    body = None if data is None else json.dumps(data).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def eventually(ask: Callable[[], T], good: Callable[[T], Any], seconds: float = 60) -> T:
    """The first answer that is good, or the last one: a server notes some things after the run."""
    deadline = time.monotonic() + seconds
    while not good(answer := ask()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return answer


def artifacts(api: str, *keys: str) -> dict[str, str]:
    """What the server's first artifact of each of these keys says.

    Asked for by key: the tests share one server, which answers with the first hundreds only.
    """
    asked = {"artifacts": {"key": {"any_": keys}}, "sort": "CREATED_DESC"}
    return {one["key"]: one["data"] for one in get_json(f"{api}/artifacts/filter", asked)}


def wait_for(url: str, process: subprocess.Popen, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while True:
        assert process.poll() is None, f"the server for {url} ended with {process.returncode}"
        try:
            get_json(url)
        except OSError:
            assert time.monotonic() < deadline, f"{url} did not answer"
            time.sleep(0.2)
        else:
            return


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the Prefect server keeps its database and its log."""
    return tmp_path_factory.mktemp("prefect-server")


@pytest.fixture(scope="session")
def prefect_api(prefect_home: Path) -> Iterator[str]:
    """A Prefect server of these tests' own."""
    home = prefect_home
    port = free_port()
    environment = os.environ | {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
    }
    environment.pop("PREFECT_API_URL", None)
    log = (home / "log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)],
        env=environment,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/api/health", process)
        yield f"http://127.0.0.1:{port}/api"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
        log.close()


@dataclass
class CastServer:
    """`elenco demo-server` in a process of its own."""

    url: str

    def images(self) -> dict[str, int]:
        """How often each photograph was asked for, by key."""
        asked = get_json(f"{self.url}/stats")["images"]
        return {path.strip("/").removesuffix(".jpg"): count for path, count in asked.items()}


@contextmanager
def start_cast_server(*options: str, people: int = PEOPLE) -> Iterator[CastServer]:
    port = free_port()
    process = subprocess.Popen(
        [ELENCO, "demo-server", "--port", str(port), "--people", str(people), *options],
        stdout=subprocess.DEVNULL,
        cwd=ROOT,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/stats", process)
        yield CastServer(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="session")
def cast_server() -> Iterator[CastServer]:
    with start_cast_server() as server:
        yield server


@dataclass
class Workplace:
    """A data and a models directory, and the environment and folder that commands run in."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    cwd: Path = ROOT

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def models(self) -> Path:
        return self.folder / "models"

    def elenco(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [ELENCO, *arguments],
            env=self.environment | environment,
            cwd=self.cwd,
            capture_output=True,
            text=True,
            timeout=900,
        )

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command in a process group of its own."""
        return subprocess.Popen(
            [ELENCO, *arguments],
            env=self.environment,
            cwd=self.cwd,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def make_workplace(folder: Path, prefect_api: str, server: CastServer) -> Workplace:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("ELENCO_", "PREFECT_"))}
    return Workplace(
        folder,
        clean
        | {
            "PREFECT_API_URL": prefect_api,
            "ELENCO_CONFIG": str(ROOT / "config" / "demo.toml"),
            "ELENCO_PATHS__DATA": str(folder / "data"),
            "ELENCO_PATHS__MODELS": str(folder / "models"),
            "ELENCO_TMDB__API_URL": f"{server.url}/3",
            "ELENCO_TMDB__TOKEN": "demo",
            "ELENCO_TMDB__TERMS_ACCEPTED": "true",
            "ELENCO_COLLECT__PEOPLE": str(PEOPLE),
            "ELENCO_COLLECT__SHARDS": "2",
        },
    )


@pytest.fixture(scope="session")
def refreshed(
    tmp_path_factory: pytest.TempPathFactory, prefect_api: str, cast_server: CastServer
) -> Workplace:
    """A workplace after one refresh."""
    place = make_workplace(tmp_path_factory.mktemp("refreshed"), prefect_api, cast_server)
    done = place.elenco("refresh")
    assert done.returncode == 0, done.stderr
    return place
