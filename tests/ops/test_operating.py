"""The commands of docs/operating.md, run as they stand there, in their order, for one machine."""

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from elenco.demo.serve import running
from elenco.demo.synthetic import SyntheticCast
from elenco.ops import postgres
from elenco.ops.health import free_port
from tests.ops.conftest import BIN, HEAVY, NOWHERE, PEOPLE, ROOT, Place, Sink
from tests.ops.operating import BLOCKS, COMMIT, DOC, NOT_RUN, bash, block, lines
from tests.ops.real_place import make_real_place
from tests.ops.sinks import Sinks
from tests.s3 import s3_bucket

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
pytestmark = pytest.mark.timeout(1800)


def test_every_block_of_commands_is_run_here_or_says_that_it_is_not():
    starts = [text.split("\n")[0].split("  ")[0] for text in BLOCKS if text[0] != "#"]
    assert starts == [
        "mkdir -p -m 700 data/state/ops/secrets && cd data/state/ops/secrets",
        "ELENCO_TMDB__TERMS_ACCEPTED=true",
        "touch .env && sed -i '/^ELENCO_VERSION=/d; /^ELENCO_REVISION=/d' .env",
        "make up",
        "elenco run daily_refresh --param people=50 --watch",
        "elenco deploy",
        "elenco run daily_refresh --watch",
        "elenco alarms test",
        "elenco up",
        "elenco backup /mnt/backups/elenco",
        "elenco backup /mnt/backups/elenco --keep 30",
        "elenco restore /mnt/backups/elenco --into /mnt/trial --no-database",
    ]
    for text in (text for text in BLOCKS if text[0] == "#"):
        assert text.startswith(NOT_RUN)
        assert lines(text)
        assert all(line.startswith("docker compose ") for line in lines(text))
    assert not re.findall(r"^```(?:bash|shell|console)", DOC, re.M)


def test_the_secrets_are_those_that_the_containers_want(tmp_path):
    place = Place(tmp_path, dict(os.environ) | {"TMDB_TOKEN": "hush"})
    bash(block("mkdir -p -m 700"), place)
    folder = place.ops / "secrets"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {file.name for file in folder.iterdir()} == set(COMPOSE["secrets"])
    for file in folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o444
        assert bool(file.read_text()) != file.name.endswith("_url")
    assert re.fullmatch(r"elenco:[0-9a-f]{48}\n", (folder / "server_auth").read_text())


def test_the_release_of_the_images_comes_from_git_and_what_else_is_set_stays(tmp_path):
    place = Place(tmp_path, dict(os.environ))
    (tmp_path / ".env").write_text("ELENCO_PORT=4300\n")
    bash("git init -q", place)
    for tag in ("v1.0.0", "v1.1.0"):
        bash(f"{COMMIT} --allow-empty; git tag {tag}", place)
        bash(block("touch .env"), place)
        head = bash("git rev-parse HEAD", place).stdout.strip()
        written = (tmp_path / ".env").read_text().splitlines()
        assert written == ["ELENCO_PORT=4300", f"ELENCO_VERSION={tag}", f"ELENCO_REVISION={head}"]
    assert by_names(COMPOSE["services"]["worker"]["build"]["args"].values()) == {
        "ELENCO_VERSION",
        "ELENCO_REVISION",
    }


def by_names(values) -> set[str]:
    return {name for value in values for name in re.findall(r"\$\{(\w+)", value)}


@pytest.fixture(scope="module")
def machine(open_folder: Path, sink: Sink, sinks: Sinks) -> Iterator[Place]:
    """A clone of a checkout, as an operator has it, that is up; its alarms arrive at sinks."""
    with running(SyntheticCast(PEOPLE), rate_per_second=None) as server:
        place = make_real_place(open_folder / "operating", server)
        place.environment |= sinks.environment
        for variable, url in zip(NOWHERE, (sink.url, sinks.slack.url, sinks.mail.url), strict=True):
            (open_folder / f"operating-{variable}").write_text(url)
            place.environment[variable] = str(open_folder / f"operating-{variable}")
        for name in ("Makefile", "requirements", "pyproject.toml", ".gitignore"):
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, place.folder / name)
        (place.folder / ".venv").mkdir()
        (place.folder / ".venv" / "bin").symlink_to(BIN)
        (place.folder / ".venv" / ".run-installed").touch()  # all that is pinned is there
        bash(
            f"git init -q -b main; git add .; {COMMIT}; git tag v1.0.0; git clone -q --bare . "
            "../origin; git remote add origin ../origin; git fetch -q; "
            "git branch -q -u origin/main",
            place,
        )
        try:
            assert "up: http://127.0.0.1:" in bash(lines(block("make up"))[0], place).stdout
            yield place
        finally:
            place.elenco("down")


@contextmanager
def own_database(folder: Path, password: str) -> Iterator[str]:
    """A PostgreSQL that `elenco up` did not start; its port."""
    who, binaries, port = postgres.account(), postgres.find_binaries(folder), free_port()
    postgres.initialise(binaries, folder, password, who)
    with subprocess.Popen(
        postgres.command(binaries, folder, port), cwd="/", user=who.uid, group=who.gid
    ) as server:
        try:
            yield str(port)
        finally:
            server.terminate()


@HEAVY
def test_up_and_down(machine: Place, open_folder: Path):
    own, with_port, with_database, down = lines(block("make up"))
    assert bash(down, machine).stdout == "down\n"
    port = str(free_port())
    assert f"up: http://127.0.0.1:{port}\n" in bash(with_port.replace("4200", port), machine).stdout
    assert bash(down, machine).stdout == "down\n"
    password = (machine.ops / "secrets" / "database_password").read_text().strip()
    with own_database(open_folder / "own-database", password) as at:
        bash(with_database.replace("db.example", f"127.0.0.1:{at}"), machine)
        assert "database" not in machine.state["processes"]
        assert machine.deployment("daily_refresh")["version"] == "v1.0.0"
        assert bash(down, machine).stdout == "down\n"
    bash(own, machine)


@HEAVY
def test_the_settings_and_deploying(machine: Place):
    script = f"set -a\n{block('ELENCO_TMDB__TERMS_ACCEPTED')}\n{block('elenco deploy')}"
    assert "deployment daily_refresh changed" in bash(script, machine).stdout
    [schedule] = machine.deployment("daily_refresh")["schedules"]
    assert schedule["schedule"]["timezone"] == "Europe/Lisbon"
    assert "deployment daily_refresh changed" in bash(block("elenco deploy"), machine).stdout
    assert bash(block("elenco deploy"), machine).stdout == "nothing has changed\n"


@HEAVY
def test_the_first_day(machine: Place):
    cast = SyntheticCast(PEOPLE)
    picture = cast.new_picture(1, cast.people[0]).data
    (machine.folder / "someone.jpg").write_bytes(picture)
    few = PEOPLE - 2
    said = bash(block("elenco run daily_refresh --param").replace("=50", f"={few}"), machine).stdout
    assert "Promoted: v000001: first version" in said
    assert re.search(r"^\* v000001 ", said, re.M)
    assert "someone.jpg: 1 face" in said
    assert "Nothing new" in said.split("someone.jpg")[1]


@HEAVY
def test_by_hand(machine: Place):
    whole, some, here = lines(block("elenco run daily_refresh --watch"))
    assert "v000002" in bash(whole, machine).stdout
    started = bash(some.replace("=500", f"={PEOPLE}"), machine).stdout
    [run] = re.findall(r"/flow-run/([0-9a-f-]{36})", started)
    assert machine.ended(run, 600)["state"]["name"] == "Nothing new"
    assert "nothing new" in bash(here, machine).stdout.lower()


@HEAVY
def test_alarms(machine: Place):
    said = bash(block("elenco alarms test"), machine).stdout.splitlines()
    assert sorted(said) == ["Slack: sent", "e-mail: sent", "webhook: sent"]


@HEAVY
def test_first_looks_and_ways_back(machine: Place):
    said = bash(block("elenco up "), machine).stdout
    assert "already up: " in said
    assert "# v000001 to v000002" in said
    current = machine.folder / "models" / "recogniser" / "current"
    assert current.readlink().name == "v000002"
    assert "v000001" in said.split("no problem")[1], "the version that it went back to"


@HEAVY
def test_a_new_release(machine: Place, open_folder: Path):
    bash(
        f"git clone -q ../origin ../other; cd ../other; "
        f"sed -i 's/^    description: The daily refresh/& of the new release/' prefect.yaml; "
        f"{COMMIT} -a; git tag v1.1.0; git push -q --tags origin main",
        machine,
    )
    said = bash(_here(block("elenco backup /mnt/backups/elenco  "), open_folder), machine).stdout
    assert "down\n" in said
    there = machine.deployment("daily_refresh")
    assert there["version"] == "v1.1.0"
    assert there["description"].startswith("The daily refresh of the new release")


def _here(script: str, folder: Path) -> str:
    return script.replace("/mnt/", f"{folder}/mnt/")


@HEAVY
def test_backups(machine: Place, open_folder: Path):
    script = _here(block("elenco backup /mnt/backups/elenco --keep"), open_folder).splitlines()
    remote = [line for line in script if "s3://" in line]
    said = bash("\n".join(line for line in script if line not in remote), machine).stdout
    assert "everything is there and as it was stored" in said
    assert said.count("Prefect's database: postgresql") == 2
    assert remote
    with s3_bucket("bucket") as environment:
        assert "new: " in bash("\n".join(remote), machine, **environment).stdout


@HEAVY
def test_a_restore(machine: Place, open_folder: Path):
    """Each line but a trial and one with --force finds a machine on which nothing is left."""
    (newest, *_) = sorted((open_folder / "mnt/backups/elenco/manifests").iterdir(), reverse=True)
    script = _here(block("elenco restore"), open_folder)
    script = re.sub(r"\d{8}T\d{6}Z", newest.name.split(".")[0], script)
    bash("make down", machine)
    model = Path("models") / "recogniser" / "current" / "gallery.npz"
    before = (machine.folder / model).read_bytes()
    for line in script.splitlines():
        if not {"--into", "--force"} & set(line.split()):
            shutil.rmtree(machine.data)
            shutil.rmtree(machine.folder / "models")
        assert "restored " in bash(line, machine).stdout
        assert (machine.folder / model).read_bytes() == before
    assert (open_folder / "mnt" / "trial" / model).read_bytes() == before
    said = bash("make up; elenco deploy; elenco verify; elenco models list", machine).stdout
    assert "no problem" in said
