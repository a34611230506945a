"""A server on this machine that speaks S3."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import Request, urlopen

import fsspec
import pytest

from tests.flows.conftest import free_port


@contextmanager
def s3_bucket(name: str) -> Iterator[dict[str, str]]:
    """An empty bucket of a server that lasts as long; the environment that leads to it.

    This process has that environment too.
    """
    pytest.importorskip("s3fs", reason="needs the extra elenco[s3]")
    server = pytest.importorskip("moto.server", reason="needs moto")
    port = free_port()
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "hunter1",
        "AWS_SECRET_ACCESS_KEY": "hunter2",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    running.start()
    # What it knows is the process's: buckets of a server before it are there.
    reset = Request(f"{environment['AWS_ENDPOINT_URL']}/moto-api/reset", method="POST")
    urlopen(reset, timeout=30).close()
    try:
        with pytest.MonkeyPatch.context() as patch:
            for variable, value in environment.items():
                patch.setenv(variable, value)
            fsspec.filesystem("s3").mkdir(name)
            yield environment
    finally:
        fsspec.filesystem("s3").clear_instance_cache()
        running.stop()
