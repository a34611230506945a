"""A cluster whose machines see none of the data: shards go through a store that speaks S3."""

import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.flows.conftest import ROOT, CastServer, Workplace
from tests.flows.test_dask import (
    Notes,
    machines,
    on_dask,
    outputs,
    stopped_in_the_middle,
)
from tests.s3 import s3_bucket

pytest.importorskip("prefect_dask", reason="needs the extra: pip install 'elenco[dask]'")
WORKER_DATA = Path("data", "state", "ops", "worker")


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    with s3_bucket("elenco-work") as environment:
        yield environment


@dataclass
class Away:
    """Three machines, each with a checkout: the flow's, and two that work.

    Paths in settings are relative: none of them sees what another has.
    """

    home: Workplace
    workers: tuple[Path, Path]
    notes: Notes

    def files(self, worker: int) -> dict[str, bytes]:
        """What a worker has."""
        root = self.workers[worker] / WORKER_DATA
        found = (path for path in root.rglob("*") if path.is_file())
        return {str(path.relative_to(root)): path.read_bytes() for path in found}


@pytest.fixture
def away(tmp_path, prefect_api, cast_server: CastServer, s3, request) -> Away:
    place, notes = on_dask(tmp_path, prefect_api, cast_server, getattr(request, "param", None))
    place.environment |= s3 | {
        "ELENCO_TMDB__TOKEN": "demo",
        "ELENCO_PATHS__DATA": "data",
        "ELENCO_PATHS__MODELS": "models",
        "ELENCO_SCALE__STORE": f"s3://elenco-work/{tmp_path.name}",
    }
    place.cwd = place.folder
    workers = tmp_path / "a", tmp_path / "b"
    for folder in (place.folder, *workers):
        folder.mkdir()
        for name in ("flows", "tasks", "config"):
            (folder / name).symlink_to(ROOT / name)
    return Away(place, workers, notes)


def test_shards_go_through_a_bucket_and_come_home(away: Away, refreshed: Workplace, prefect_api):
    home = away.home
    with machines(away.notes, home, away.workers) as (address, _):
        home.environment["ELENCO_SCALE__DASK_ADDRESS"] = address
        done = home.elenco("refresh")
        assert done.returncode == 0, done.stderr
        assert outputs(home) == outputs(refreshed)
        there = away.files(0) | away.files(1)
        faces = {str(p.relative_to(home.data)) for p in home.data.glob("output/*/*/*.jpg")}
        assert faces
        assert faces <= there.keys()

        # The next day nothing is new, whichever of the two looks at a shard.
        again = home.elenco("refresh")
        assert again.returncode == 0, again.stderr
        assert "nothing new" in again.stdout
        assert away.files(0) | away.files(1) == there
        assert outputs(home) == outputs(refreshed)

        # What is forgotten at home is gone from the workers with the next refresh.
        person = sorted(p.name for p in home.data.glob("images/train/*"))[0]
        forget = home.elenco("forget", person)
        assert forget.returncode == 0, forget.stderr
        last = home.elenco("refresh")
        assert last.returncode == 0, last.stderr
        assert re.search(
            r"deleted what no shard needs: \d+ in the store, \d+ at workers", last.stderr
        )
        for worker in (0, 1):
            assert not [path for path in away.files(worker) if f"/{person}/" in path]
    said = done.stdout + done.stderr + again.stdout + last.stderr
    assert "hunter" not in said


@pytest.mark.parametrize("away", ["detect_shard"], indirect=True)
def test_a_machine_that_is_lost_is_replaced_by_the_other(away: Away, refreshed: Workplace):
    home = away.home
    with machines(away.notes, home, away.workers) as (address, _):
        home.environment["ELENCO_SCALE__DASK_ADDRESS"] = address
        with home.start("refresh") as run:
            _, pid = stopped_in_the_middle(away.notes)
            os.killpg(os.getpgid(pid), signal.SIGKILL)
            assert run.wait(240) == 0
    assert outputs(home) == outputs(refreshed)


def test_what_can_not_be_used_ends_the_run_with_one_line(away: Away):
    home = away.home
    (away.workers[1] / "file").write_text("")
    with machines(away.notes, home, away.workers) as (address, _):
        home.environment["ELENCO_SCALE__DASK_ADDRESS"] = address
        for variable, wrong, says in (
            ("STORE", "s3://no-such-bucket/x", "s3://no-such-bucket/x can't be used"),
            ("WORKER_DATA", "file/x", "file/x can't be used (Not a directory)"),
        ):
            was = home.environment.get(f"ELENCO_SCALE__{variable}", "data/worker")
            home.environment[f"ELENCO_SCALE__{variable}"] = wrong
            done = home.elenco("refresh")
            home.environment[f"ELENCO_SCALE__{variable}"] = was
            assert done.returncode == 1
            assert says in done.stderr.strip().splitlines()[-1]
            assert "Traceback" not in done.stderr
