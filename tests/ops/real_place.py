"""A topology of a test's own, in which every flow is the real one."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from elenco.demo.server import DemoServer
from tests.ops.conftest import NOWHERE, PEOPLE, ROOT, Place, make_place


def collecting_from(server: DemoServer) -> dict[str, str]:
    """The settings of a small refresh of whom a server has."""
    return {
        "ELENCO_TMDB__API_URL": server.api_url,
        "ELENCO_TMDB__TOKEN": "demo",
        "ELENCO_TMDB__TERMS_ACCEPTED": "true",
        "ELENCO_COLLECT__PEOPLE": str(PEOPLE),
        "ELENCO_COLLECT__PHOTOS_PER_PERSON": "5",
        "ELENCO_COLLECT__SHARDS": "2",
        "ELENCO_COLLECT__CONNECTIONS": "4",
        "ELENCO_EMBEDDING__EMBEDDER": "dlib_resnet",
    }


def make_real_place(folder: Path, server: DemoServer, **environment: str) -> Place:
    """A checkout whose refresh collects from a server; alarms go nowhere."""
    place = make_place(folder, **NOWHERE, **collecting_from(server), **environment)
    shutil.copy(ROOT / "flows" / "daily_refresh.py", folder / "flows")
    return place


@contextmanager
def is_up(place: Place) -> Iterator[Place]:
    """`elenco up`, and `elenco down` in the end."""
    done = place.elenco("up")
    assert done.returncode == 0, done.stderr
    try:
        yield place
    finally:
        done = place.elenco("down")
        assert done.returncode == 0, done.stderr
