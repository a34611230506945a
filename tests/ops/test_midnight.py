"""Refreshes whose clock is not the test's: a day ends meanwhile, or it is set back.

clock.c tells every process of a run what time it is; the code under test is as it is.
"""

import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from elenco.demo.serve import running
from elenco.demo.server import DemoServer
from elenco.sources.people import read_people, write_people
from elenco.types import Person
from tests.ops.conftest import BIN, HEAVY, MANY, PEOPLE, ROOT, HeldCast, until
from tests.ops.real_place import collecting_from
from tests.refresh_stages import outputs

TODAY = datetime.now(UTC).date()
PATIENCE = 900  # seconds; a refresh takes one minute where nothing else runs
CLOCKED = pytest.mark.skipif(
    not shutil.which("cc"), reason="needs a C compiler (Debian: gcc libc6-dev)"
)
pytestmark = pytest.mark.timeout(2400)


@dataclass(frozen=True)
class Clocked:
    """A data and a models directory whose commands go by a clock that a test sets."""

    folder: Path
    environment: dict[str, str]

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def set_clock(self, moment: datetime) -> None:
        """From now on it goes on from there."""
        ahead = (moment - datetime.now(UTC)) // timedelta(microseconds=1) * 1000
        # In place: who runs has the file mapped.
        with (self.folder / "clock").open("r+b", buffering=0) as file:
            file.write(struct.pack("q", ahead))

    def start(self, people: int = PEOPLE) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [BIN / "elenco", "refresh", "--people", str(people)],
            env=self.environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def refresh(self, people: int = PEOPLE) -> str:
        """To its end; what it said."""
        with self.start(people) as process:
            said, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said
        return said

    def lists(self) -> list[str]:
        return sorted(p.stem for p in (self.data / "state" / "tmdb" / "people").iterdir())

    def asked_again(self, server: DemoServer) -> set[str]:
        """Photographs that are there and were asked for more than once."""
        names = {path.name for path in self.data.glob("images/*/*/*.jpg")}
        return {name for name in names if server.counts[f"image:/{name}"] != 1}

    def outputs(self) -> dict:
        return outputs(self.data, self.folder / "models")


@pytest.fixture
def cast() -> HeldCast:
    return HeldCast(PEOPLE)


@pytest.fixture
def server(cast: HeldCast) -> Iterator[DemoServer]:
    with running(cast, rate_per_second=None) as found:
        yield found
        cast.allow(MANY)


@pytest.fixture
def clocked(tmp_path: Path, server: DemoServer) -> Clocked:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("ELENCO_", "PREFECT_"))}
    paths = {f"ELENCO_PATHS__{n.upper()}": str(tmp_path / n) for n in ("data", "models")}
    library = tmp_path / "clock.so"
    source = Path(__file__).with_name("clock.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, source], check=True)
    (tmp_path / "clock").write_bytes(bytes(8))
    clock = {"LD_PRELOAD": str(library), "TEST_CLOCK": str(tmp_path / "clock")}
    return Clocked(tmp_path, clean | paths | collecting_from(server) | clock)


def at(day: date, hour: int, minute: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


@HEAVY
@CLOCKED
def test_a_refresh_that_crosses_midnight_is_that_of_its_first_day(clocked, cast, server):
    tomorrow = TODAY + timedelta(days=1)
    clocked.set_clock(at(TODAY, 23, 0))
    with clocked.start() as process:
        cast.allow(6)
        until(
            "a held run",
            lambda: server.counts["image"] >= 6 or process.poll() is not None,
            PATIENCE,
        )
        clocked.set_clock(at(tomorrow, 0, 1))
        cast.allow(MANY)
        said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    assert clocked.lists() == [TODAY.isoformat()]
    assert "promoted: first version" in said
    assert clocked.asked_again(server) == set()
    asked, made = server.counts["image"], clocked.outputs()
    said = clocked.refresh()
    assert "nothing new" in said
    assert clocked.lists() == [TODAY.isoformat(), tomorrow.isoformat()]
    assert (server.counts["image"], clocked.outputs()) == (asked, made)


@HEAVY
@CLOCKED
def test_a_clock_that_is_set_back_a_day_loses_nothing_and_nobody(clocked, cast, server):
    tomorrow = TODAY + timedelta(days=1)
    cast.allow(MANY)
    clocked.set_clock(at(tomorrow, 6, 0))
    assert "promoted: first version" in clocked.refresh(PEOPLE - 1)
    asked, made = server.counts["image"], clocked.outputs()
    clocked.set_clock(at(TODAY, 6, 0))
    assert "nothing new" in clocked.refresh(PEOPLE - 1)
    assert (server.counts["image"], clocked.outputs()) == (asked, made)
    # Somebody comes on the earlier day, whom the list of the later one has not.
    said = clocked.refresh(PEOPLE)
    assert "v000002: 8 people" in said
    assert clocked.asked_again(server) == set()
    assert clocked.lists() == [tomorrow.isoformat(), f"{tomorrow.isoformat()}-2"]
    faces = {name for name in made if name.startswith("output/")}
    assert faces
    now = clocked.outputs()
    assert {name for name in faces if now.get(name) != made[name]} == set()


def test_the_list_that_was_written_last_is_the_last_also_after_the_clock_was_set_back(layout):
    one, other = Person("1", "Ada", 2.0), Person("2", "Alan", 1.0)
    tomorrow = TODAY + timedelta(days=1)
    write_people(layout, tomorrow, [one], [], 1)
    path = write_people(layout, TODAY, [one, other], [], 2)
    assert read_people(layout) == [one, other]
    assert write_people(layout, TODAY, [one, other], [], 2) == path
    write_people(layout, TODAY, [other], [], 1)
    assert read_people(layout) == [other]
    later = write_people(layout, tomorrow + timedelta(days=1), [one], [], 1)
    assert read_people(layout) == [one]
    assert [later.stem] == [(tomorrow + timedelta(days=1)).isoformat()]
