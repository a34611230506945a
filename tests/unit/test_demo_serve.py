"""Running the demo server beside blocking work, and as a process of its own."""

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from elenco.demo.serve import how_to_use, running
from elenco.demo.server import DemoServer
from elenco.demo.synthetic import SyntheticCast
from elenco.errors import ConfigError

SCRIPT = """
from elenco.demo.serve import serve_forever
from elenco.demo.synthetic import SyntheticCast
serve_forever(SyntheticCast(3), port=0, token={token!r}, write=lambda text: print(text, flush=True))
"""


def get(url, token=None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as response:
        return json.load(response)


def test_a_server_runs_beside_blocking_work_and_stops():
    with running(SyntheticCast(3), token="t") as server:
        page = get(f"{server.api_url}/person/popular", "t")
        assert page["total_results"] == 3
        assert get(f"{server.url}/stats")["requests"] == {"popular": 1}
        assert server.counts["popular"] == 1
    with pytest.raises(urllib.error.URLError):
        get(f"{server.url}/stats")


async def test_a_server_can_be_started_where_a_loop_runs():
    with running(SyntheticCast(3)) as server:
        assert server.port > 0


def test_an_error_inside_the_block_still_stops_the_server():
    with pytest.raises(ZeroDivisionError), running(SyntheticCast(3)) as server:
        raise ZeroDivisionError
    with pytest.raises(urllib.error.URLError):
        get(f"{server.url}/stats")


def test_what_keeps_it_from_starting_reaches_the_caller():
    with (
        running(SyntheticCast(3)) as server,
        pytest.raises(ConfigError, match="choose another port"),
        running(SyntheticCast(3), port=server.port),
    ):
        pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_how_to_use_it_serves_and_stops_on_a_signal(number):
    command = [sys.executable, "-c", SCRIPT.format(token="own token")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        try:
            lines = [run.stdout.readline() for _ in range(6)]
            [address] = [x.split("=")[1].strip() for x in lines if "ELENCO_TMDB__API_URL" in x]
            assert get(f"{address}/configuration", "own token")["images"]
            run.send_signal(number)
            rest, errors = run.communicate(timeout=20)
        finally:
            run.kill()
    assert run.returncode == 0
    assert errors == ""
    assert "stopped" in rest
    assert "own token" not in "".join(lines) + rest


def test_the_usual_token_is_said_and_ones_own_is_not():
    cast = SyntheticCast(2)
    assert "ELENCO_TMDB__TOKEN=demo" in how_to_use(DemoServer(cast), 2)
    assert "mine" not in how_to_use(DemoServer(cast, token="mine"), 2)
