"""Fetching weights: the checked file or nothing."""

import hashlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from elenco.embedding.weights import RemoteFile, check_sha256, fetch
from elenco.errors import WeightsError

CONTENT = bytes(range(256)) * 9000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server():
    """Serves /good, /other (other bytes), /short (less than it says) and 404s; counts requests."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            if self.path not in ("/good", "/other", "/short"):
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            body = {"/good": CONTENT, "/other": CONTENT[::-1], "/short": CONTENT[:5000]}
            self.wfile.write(body[self.path])

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.asked = []
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield http
    http.shutdown()
    thread.join()
    http.server_close()


def remote(server, path):
    return RemoteFile("net.h5", f"http://127.0.0.1:{server.server_port}{path}", SHA256)


def test_it_is_fetched_once(server, tmp_path):
    file = remote(server, "/good")
    path = fetch(file, tmp_path / "weights")
    assert path == tmp_path / "weights" / "net.h5"
    assert path.read_bytes() == CONTENT
    assert fetch(file, tmp_path / "weights") == path
    assert server.asked == ["/good"]


@pytest.mark.parametrize("path", ["/other", "/short", "/missing"])
def test_what_is_not_the_file_leaves_nothing_and_says_what_to_do(server, tmp_path, path):
    file = remote(server, path)
    with pytest.raises(WeightsError) as error:
        fetch(file, tmp_path)
    message = str(error.value)
    for part in ("net.h5", file.url, SHA256, str(tmp_path), "EMBEDDER=dlib_resnet"):
        assert part in message
    assert "\n" not in message
    assert list(tmp_path.iterdir()) == []


def test_an_address_that_nobody_answers(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = RemoteFile("net.h5", f"http://127.0.0.1:{port}/net.h5", SHA256)
    with pytest.raises(WeightsError, match=r"net.h5 can't be fetched"):
        fetch(file, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_sha256_is_refused_and_kept(server, tmp_path):
    (tmp_path / "net.h5").write_bytes(b"mine")
    with pytest.raises(WeightsError, match="damaged or another file"):
        fetch(remote(server, "/good"), tmp_path)
    assert (tmp_path / "net.h5").read_bytes() == b"mine"
    assert server.asked == []


def test_a_file_placed_by_hand_is_taken(server, tmp_path):
    (tmp_path / "net.h5").write_bytes(CONTENT)
    assert fetch(remote(server, "/missing"), tmp_path).read_bytes() == CONTENT
    assert server.asked == []


def test_a_missing_file_says_the_remedy(tmp_path):
    with pytest.raises(WeightsError, match=r"gone.npz can't be read.*: install again"):
        check_sha256(tmp_path / "gone.npz", SHA256, "install again")
