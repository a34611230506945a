"""The page's server: what it hands out, with which headers, and to whom."""

import re
import socket
import urllib.error
import urllib.request

import pytest

from elenco.errors import ConfigError
from elenco.export.web import PAGE
from elenco.export.web_server import HEADERS, POLICY, serving

TYPES = {
    "index.html": "text/html; charset=utf-8",
    "app.css": "text/css; charset=utf-8",
    "ui.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "package.json": "application/json",
    "models/x/weights.bin": "application/octet-stream",
    "vendor/a.wasm": "application/wasm",
}


@pytest.fixture
def url(tmp_path):
    folder = tmp_path / "page"
    for name in TYPES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"what is in {name}".encode())
    (tmp_path / "secret.txt").write_text("not for the page")
    with serving(folder) as url:
        yield url


def get(url, method="GET", **headers):
    request = urllib.request.Request(url, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def test_every_file_has_its_type_whatever_the_machines_table_says(url):
    for name, kind in TYPES.items():
        status, headers, body = get(url + name)
        assert (status, headers["Content-Type"]) == (200, kind)
        assert body == f"what is in {name}".encode()
    assert get(url)[2] == b"what is in index.html"


def test_every_answer_has_the_headers(url):
    for path in ("", "ui.js", "there-is-none"):
        headers = get(url + path)[1]
        assert {name: headers[name] for name in HEADERS} == HEADERS


def test_an_unchanged_file_is_not_sent_again(url):
    etag = get(url + "ui.js")[1]["ETag"]
    assert get(url + "ui.js", **{"If-None-Match": etag})[0] == 304


@pytest.mark.parametrize("path", ["../secret.txt", "%2e%2e/secret.txt", "/etc/passwd", "vendor"])
def test_no_path_leads_out_of_the_folder(url, path):
    assert get(url + path)[0] == 404


def test_a_name_that_another_site_gave_this_machine_is_not_answered(url):
    assert get(url, Host="evil.example")[0] == 421
    port = url.rstrip("/").rsplit(":", 1)[1]
    assert get(url, Host=f"localhost:{port}")[0] == 200


def test_only_reading_is_allowed(url):
    assert get(url, method="POST")[0] == 405


def test_it_listens_on_loopback_only(url):
    port = int(url.rstrip("/").rsplit(":", 1)[1])
    with pytest.raises(ConnectionRefusedError):  # which whoever listens everywhere answers
        socket.create_connection(("127.0.0.2", port), timeout=2).close()


def test_a_port_in_use_is_said_in_a_line(url, tmp_path):
    port = int(url.rstrip("/").rsplit(":", 1)[1])
    with (
        pytest.raises(ConfigError, match=r"can't listen on port \d+ .*--port"),
        serving(tmp_path, port),
    ):
        pass


def test_the_page_carries_the_same_policy_for_servers_that_send_none():
    page = (PAGE / "index.html").read_text()
    policy = re.search(r'http-equiv="Content-Security-Policy"\s+content="([^"]+)"', page)
    assert policy is not None
    assert policy[1] == POLICY
    told = re.search(r"Content-Security-Policy: (.+)", (PAGE / "README.md").read_text())
    assert told is not None
    assert told[1] == HEADERS["Content-Security-Policy"]


def test_the_policy_allows_no_other_site_and_no_inline_code():
    sources = re.findall(r"'[^']+'|\S+:|\S+\.\S+", POLICY.replace("-src", "-src "))
    assert set(sources) == {"'none'", "'self'", "'wasm-unsafe-eval'", "blob:"}
    page = (PAGE / "index.html").read_text()
    assert not re.search(r"https?://|<script>|<style| style=| on\w+=", page)
