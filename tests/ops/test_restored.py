"""A machine is lost, and what `elenco up` ran on it comes back from a backup."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from elenco.backup import postgresql
from elenco.backup.database import DatabaseUrl, require_vacant
from elenco.backup.known import URLS, database_to_fill
from elenco.demo.serve import running
from elenco.demo.synthetic import SyntheticCast
from elenco.errors import ElencoError, Locked
from elenco.layout import Layout
from elenco.ops import processes
from elenco.ops.errors import OperationsError
from elenco.ops.places import Places
from elenco.ops.up import down
from elenco.settings import Settings, load_settings
from elenco.storage import write_json
from tests.ops.conftest import BIN, HEAVY, NOWHERE, PEOPLE, Place, make_place, until
from tests.ops.real_place import is_up, make_real_place

pytestmark = pytest.mark.timeout(2400)
PATIENCE = 900  # seconds; a refresh takes one minute where nothing else runs


def recogniser(place: Place) -> dict[str, bytes]:
    root = place.folder / "models" / "recogniser"
    files = (path for path in root.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


@pytest.fixture
def settings(open_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    data = open_folder / tmp_path.name / "data"
    return load_settings(paths={"data": data, "models": data.parent / "models"})


def ask(url: DatabaseUrl, statement: str) -> str:
    assert url.variables is not None
    return postgresql._run("psql", ["--no-psqlrc", "-Atqc", statement], url.variables)


def test_the_database_of_up_is_there_while_it_is_filled_and_keeps_what_it_got(settings):
    layout = Layout.of(settings)
    with database_to_fill(layout) as url:
        require_vacant(url)
        ask(url, "CREATE TABLE kept (id int)")
        with pytest.raises(Locked, match="another `elenco up`, `elenco down` or `elenco restore`"):
            down(settings)
    with pytest.raises(ElencoError, match="failed"):
        ask(url, "SELECT 1")
    with database_to_fill(layout) as url:
        assert ask(url, "SELECT count(*) FROM kept") == "0\n"
    # What keeps it from starting is said at once, and where more is.
    (Places.of(layout.data).database / "postgresql.conf").unlink()
    with (
        pytest.raises(OperationsError, match=r"does not start: .*database\.log says why"),
        database_to_fill(layout),
    ):
        pass


def test_where_a_restore_goes_if_nothing_is_said(settings, monkeypatch):
    layout = Layout.of(settings)
    topology = Places.of(layout.data).topology
    mine = {"pid": os.getpid(), "started": processes.start_time(os.getpid())}
    now = {"phase": "up", "processes": {}, "ports": {}, "database": "postgresql://me@db.example/p"}
    write_json(topology, now | {"supervisor": mine})
    with (
        pytest.raises(OperationsError, match="is at work here: `elenco down` first"),
        database_to_fill(layout),
    ):
        pass
    write_json(topology, now | {"supervisor": mine | {"started": 1}, "phase": "down"})
    with database_to_fill(layout) as url:
        assert dict(url.variables or {})["PGHOST"] == "db.example"
    monkeypatch.setenv(URLS[0], "postgresql://me@told/p")
    with database_to_fill(layout) as url:
        assert dict(url.variables or {})["PGHOST"] == "told"


@HEAVY
def test_a_lost_machine_comes_back_with_its_runs(open_folder: Path):
    backups = str(open_folder / "backups")
    with running(SyntheticCast(PEOPLE), rate_per_second=None) as server:
        place = make_real_place(open_folder / "lost", server)
        with is_up(place):
            run = place.ended(place.start(), PATIENCE)
            assert run["state"]["name"] == "Promoted", run["state"]
            done = place.elenco("backup", backups)
            assert done.returncode == 0, done.stderr
            at_work = place.elenco("restore", backups)
            assert at_work.returncode == 1
            assert "is at work here: `elenco down` first" in at_work.stderr
        before, asked = recogniser(place), server.counts["image"]
        assert "v000001/classifier.keras" in before
        for folder in (place.data, place.folder / "models"):
            shutil.rmtree(folder)
        killed_while_it_restores(place, backups)
        refused = place.elenco("refresh")
        assert "is half restored: repeat the `elenco restore`" in refused.stderr
        done = place.elenco("restore", backups)
        assert done.returncode == 0, done.stderr
        assert "Prefect's database: restored" in done.stdout
        assert not place.processes()
        assert recogniser(place) == before
        with is_up(place):
            assert place.run(run["id"])["state"] == run["state"]
            again = place.ended(place.start(), PATIENCE)
            assert again["state"]["name"] == "Nothing new", again["state"]
        assert recogniser(place) == before
        assert server.counts["image"] == asked


def killed_while_it_restores(place: Place, backups: str) -> None:
    process = subprocess.Popen(
        [BIN / "elenco", "restore", backups],
        env=place.environment,
        cwd=place.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    mark = place.data / "state" / "restoring.json"
    until("a restore at work", lambda: mark.exists() or process.poll() is not None)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert mark.exists()


@HEAVY
def test_what_was_at_work_when_the_backup_was_made_stands_in_nobodys_way(open_folder: Path):
    """Its place among the deployment's runs is in the backup, and what holds it is not."""
    backups = str(open_folder / "of-a-run")
    place = make_place(
        open_folder / "at-work",
        **NOWHERE,
        ELENCO_ALARMS__VANISHED_SECONDS="60",
        ELENCO_ALARMS__UNSTARTED_SECONDS="60",
    )
    with is_up(place):
        place.hold()
        run = place.start()
        until("a held run", (place.data / "held").exists, PATIENCE)
        done = place.elenco("backup", backups)
        assert done.returncode == 0, done.stderr
        place.let_go()
        assert place.ended(run, PATIENCE)["state_type"] == "COMPLETED"
    shutil.rmtree(place.data)
    done = place.elenco("restore", backups)
    assert done.returncode == 0, done.stderr
    with is_up(place):
        place.let_go()
        assert place.ended(run, PATIENCE)["state_type"] == "CRASHED"
        assert place.ended(place.start(), PATIENCE)["state_type"] == "COMPLETED"
