"""`elenco refresh` on a disk that is too small, stage by stage, until there is room."""

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from elenco.demo.serve import running
from elenco.demo.server import DemoServer
from elenco.demo.synthetic import SyntheticCast
from tests.ops.conftest import BIN, HEAVY, PEOPLE, ROOT
from tests.ops.real_place import collecting_from
from tests.refresh_stages import outputs

pytestmark = [HEAVY, pytest.mark.timeout(3600)]
PAGE = 4096  # of a file, the disk has whole ones
STAGES = ("images", "output", "processed")
NEWEST = """
SELECT flow_run_state.name, flow_run_state.message
FROM flow_run JOIN flow_run_state ON flow_run_state.id = flow_run.state_id
JOIN flow ON flow.id = flow_run.flow_id WHERE flow.name = 'daily_refresh'
ORDER BY flow_run.start_time DESC LIMIT 1
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small one; its size is set later."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "elenco-test", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with running(SyntheticCast(PEOPLE), rate_per_second=None) as found:
        yield found


def refresh(
    folder: Path, data: Path, server: DemoServer, home: Path
) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("ELENCO_", "PREFECT_"))}
    own = {
        "ELENCO_PATHS__DATA": str(data),
        "ELENCO_PATHS__MODELS": str(folder / "models"),
        "ELENCO_COLLECT__SHARDS": "1",  # one stage after the other
        "PREFECT_HOME": str(home),
    }
    return subprocess.run(
        [BIN / "elenco", "refresh"],
        env=clean | collecting_from(server) | own,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
    )


def files(folder: Path, *names: str) -> dict[str, bytes]:
    roots = [folder / name for name in names]
    found = [p for root in roots for p in root.rglob("*") if p.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def room(folder: Path, *names: str) -> int:
    return sum(-(-len(content) // PAGE) * PAGE for content in files(folder, *names).values())


def last_run(home: Path) -> tuple[str, str]:
    """The state of the newest run, and its message, from the database of runs without a server."""
    with closing(sqlite3.connect(home / "prefect.db")) as database:
        return database.execute(NEWEST).fetchone()


def test_a_full_disk_ends_each_stage_in_words_and_loses_nothing(tmp_path, disk, server):
    home, elsewhere = tmp_path / "prefect", tmp_path / "elsewhere"
    done = refresh(elsewhere, elsewhere / "data", server, home)
    assert done.returncode == 0, done.stderr
    assert last_run(home)[0] == "Promoted"
    undisturbed = outputs(elsewhere / "data", elsewhere / "models")
    all_of = {stage: files(elsewhere / "data", stage) for stage in STAGES}
    size, there = room(elsewhere / "data", "state"), {}
    for stage in STAGES:
        needed = room(elsewhere / "data", stage)
        _resize(disk, size + needed // 2)
        done = refresh(tmp_path, disk / "data", server, home)
        assert done.returncode == 1, f"{stage}: {done.stdout}"
        assert "No space left on device" in done.stderr
        assert "make room" in done.stderr
        state, message = last_run(home)
        assert (state, "make room" in message) == ("Failed", True), message
        now = files(disk / "data", *STAGES)
        assert there.items() <= now.items(), "what was there stays"
        before = [one for one in STAGES[: STAGES.index(stage)] if one != stage]
        for one in before:
            assert files(disk / "data", one) == all_of[one]
        assert len(files(disk / "data", stage)) < len(all_of[stage])
        assert not [name for name in now if "/.tmp-" in name]
        there, size = now, size + needed
    _resize(disk, 256 * 1024**2)
    done = refresh(tmp_path, disk / "data", server, home)
    assert done.returncode == 0, done.stderr
    assert outputs(disk / "data", tmp_path / "models") == undisturbed


def _resize(disk: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)
