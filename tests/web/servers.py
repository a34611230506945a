"""Web servers that a page may meet: a plain one, and another site's."""

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Collector(http.server.BaseHTTPRequestHandler):
    """Another site, which answers everybody."""

    def do_GET(self):
        self.server.asked.append(self.path)
        self.send_response(200)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Content-Type", "text/javascript")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, format, *args):
        pass


class Plain(http.server.SimpleHTTPRequestHandler):
    """A web server that knows of no headers: `python -m http.server`."""

    def log_message(self, format, *args):
        pass


@contextmanager
def serving_with(handler) -> Iterator[tuple[str, list[str]]]:
    """The address, and what a `Collector` was asked for."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", server.asked
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def plainly_serving(folder: Path) -> Iterator[str]:
    with serving_with(functools.partial(Plain, directory=str(folder))) as (url, _):
        yield url
