"""What is asked of a Prefect server, and what is made of its answers, over HTTP to one of ours."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.client.schemas.objects import Flow
from prefect.settings import PREFECT_API_URL, temporary_settings

from elenco.ops.errors import OperationsError, ServerUnreachable
from tasks.ops import automations, runs
from tasks.ops.answers import said
from tasks.ops.server import connected

SECRET = "https://hooks.slack.com/services/T0/B0/s3cr3t"
Answer = tuple[int, Any]


class _Api(ThreadingHTTPServer):
    """Answers what `answer` makes of a path and the body; keeps what was asked."""

    daemon_threads = True

    def __init__(self, answer: Callable[[str, Any], Answer]) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str]] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Api

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.removeprefix("/api")
        self.server.asked.append((self.command, path))
        if path == "/admin/version":
            status, value = 200, "3.8.8"
        elif path.startswith("/csrf-token"):
            status, value = 422, {"detail": "CSRF protection is disabled."}
        else:
            status, value = self.server.answer(path, json.loads(body or "null"))
        text = value if isinstance(value, bytes) else json.dumps(value, default=str).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_DELETE = do_PUT = do_GET

    def log_message(self, format: str, *_: object) -> None:
        """Say nothing."""


@contextmanager
def api(answer: Callable[[str, Any], Answer]) -> Iterator[_Api]:
    with _Api(answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/api"
        with temporary_settings({PREFECT_API_URL: url}):
            yield server
        server.shutdown()


def refuses(path: str, body: Any) -> Answer:
    """As Prefect's handler of requests that it can't read: with the request in it."""
    wrong = {"type": "url", "loc": ["body", "data", "url"], "msg": "not\nwanted", "input": SECRET}
    return 422, {
        "exception_message": "Invalid request received.",
        "exception_detail": [wrong | {"ctx": {"given": SECRET}}],
        "request_body": body,
    }


def test_a_refused_block_is_not_shown():
    with api(refuses), pytest.raises(OperationsError) as caught, connected() as client:
        client.request("POST", "/block_documents/", json={"data": {"url": SECRET}})
    message = str(caught.value)
    assert message.endswith(" says 422: Invalid request received.; body.data.url: not wanted"), (
        message
    )
    assert "s3cr3t" not in message


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"detail": "Block not found"}, "400: Block not found"),
        ({"detail": [{"loc": ["body", 0], "msg": "no", "input": SECRET}]}, "400: body.0: no"),
        ({"detail": [{"msg": "no", "input": SECRET}, SECRET]}, "400: no"),
        ({"exception_message": "x" * 999}, f"400: {'x' * 300}"),
        ({"detail": {"url": SECRET}}, "400"),
        ({"request_body": SECRET}, "400"),
        ([SECRET], "400"),
        (SECRET, "400"),
        (SECRET.encode(), "400"),  # a proxy's page
    ],
)
def test_of_an_answer_messages_alone_are_said(answer, says):
    content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    assert said(httpx.Response(400, content=content)) == says


def test_a_refused_run_says_why_and_not_what_was_sent():
    deployment = uuid4()

    def answer(path: str, body: Any) -> Answer:
        if path.startswith("/deployments/name/"):
            flow = Flow(id=uuid4(), name="daily_refresh")
            return 200, {"id": deployment, "name": "daily_refresh", "flow_id": flow.id} | {
                "parameter_openapi_schema": {"properties": {"people": {}}}
            }
        return refuses(path, body)

    refused = pytest.raises(OperationsError)
    with api(answer) as server, connected() as client, refused as caught:
        runs.start(client, "daily_refresh", {"people": SECRET})
    assert str(caught.value).startswith("daily_refresh does not take these parameters: 422: Inv")
    assert "s3cr3t" not in str(caught.value)
    assert ("POST", f"/deployments/{deployment}/create_flow_run") in server.asked


@pytest.mark.parametrize(
    "error", [FileNotFoundError(2, "No such file", "prefect.yaml"), BrokenPipeError(32, "Broken")]
)
def test_what_goes_wrong_meanwhile_on_this_machine_is_not_the_servers_fault(error):
    with api(refuses), pytest.raises(type(error)), connected():
        raise error


def test_a_server_that_goes_away_meanwhile_is_said():
    gone = pytest.raises(ServerUnreachable, match=r"no Prefect server answers at .* \(ReadError\)")
    with api(refuses), gone, connected():
        raise httpx.ReadError("connection reset")


class _Logs:
    """Of a run whose process sends its last lines when it has ended already."""

    def __init__(self, lines: int, late: list[int]) -> None:
        self.lines = [SimpleNamespace(message=str(n)) for n in range(lines)]
        self.late = late  # how many more there are at each further look
        self.pages: list[int] = []

    def read_flow_run(self, _: UUID) -> Any:
        return SimpleNamespace(
            state=SimpleNamespace(name="Failed", message="", is_final=lambda: True)
        )

    def read_logs(self, *, log_filter: Any, limit: int, offset: int, sort: Any) -> list[Any]:
        assert limit <= 200  # more is refused
        page = self.lines[offset : offset + limit]
        self.pages.append(len(page))
        if len(page) < limit and self.late:
            start = len(self.lines)
            self.lines += [
                SimpleNamespace(message=str(n)) for n in range(start, start + self.late.pop(0))
            ]
        return page


@pytest.mark.parametrize(
    ("lines", "late"), [(1000, []), (199, [1, 400]), (0, [0, 0, 3]), (0, [0, 250])]
)
def test_all_that_a_run_logged_is_said_to_the_last_line(lines, late, monkeypatch):
    monkeypatch.setattr(runs, "LOOK_SECONDS", 0)
    logs, heard = _Logs(lines, [*late]), list[str]()
    state = runs.watch(logs, uuid4(), heard.append)  # pyright: ignore[reportArgumentType]
    assert state.name == "Failed"
    assert heard == ["Failed", *(f"  {n}" for n in range(lines + sum(late)))]
    assert logs.pages[-runs.SILENT_LOOKS :] == [0] * runs.SILENT_LOOKS


class _Automations:
    """A server that many share, whose pages are short."""

    def __init__(self, page: int) -> None:
        self.page, self.there = page, list[dict[str, Any]]()

    def __call__(self, path: str, body: Any) -> Answer:
        if path == "/automations/filter":
            offset = body.get("offset", 0)
            ordered = sorted(self.there, key=lambda one: one["name"])
            return 200, ordered[offset : offset + self.page]
        if path == "/automations/":
            self.add(body)
            return 201, self.there[-1]
        self.there = [one for one in self.there if not path.endswith(one["id"])]
        return 204, b""

    def add(self, body: dict[str, Any]) -> None:
        self.there.append(body | {"id": str(uuid4())})

    @property
    def names(self) -> list[str]:
        return sorted(one["name"] for one in self.there)


def _wanted(names: list[str]) -> list[Any]:
    found = {a.name: a for a in automations.wanted(_alarms(), uuid4(), {})}
    one = next(iter(found.values()))
    return [one.model_copy(update={"name": name}) for name in names]


def _alarms() -> Any:
    return SimpleNamespace(vanished_seconds=180, unstarted_seconds=600, silence_hours=36.0)


def test_automations_beyond_a_page_are_found_and_made_once():
    server = _Automations(3)
    names = [f"elenco: {n}" for n in range(4)]
    for n in range(7):
        server.add(_wanted([f"another {n}"])[0].model_dump(mode="json"))
    others = server.names
    wanted = _wanted(names)
    with api(server), connected() as client:
        done = automations.apply(client, wanted)
        assert done == [f"automation '{n}' created" for n in range(4)]
        assert automations.apply(client, wanted) == []
        assert server.names == sorted(others + names)
        server.add(server.there[-1])  # as it was made before all pages were read
        assert automations.apply(client, wanted) == ["automation '3' deleted"]
        assert automations.apply(client, wanted[1:]) == ["automation '0' deleted"]
    assert server.names == sorted(others + names[1:])
