"""The commands as they are typed, in processes of their own."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from elenco.registry import Registry
from tests.small_data import SmallData, add_version, says

ROOT = Path(__file__).resolve().parents[2]
ELENCO = str(Path(sys.executable).parent / "elenco")


@pytest.fixture
def data(tmp_path) -> SmallData:
    data = SmallData(tmp_path)
    data.person("12", "Bo")
    data.person("31", "Cy Young")
    data.write()
    people = {"12": "Bo", "31": "Cy Young"}
    Registry(data.layout.recogniser).promote(add_version(data.layout, people), "test")
    return data


def environment(data: SmallData) -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k != "PREFECT_API_URL"} | {
        "ELENCO_PATHS__DATA": str(data.folder / "data"),
        "ELENCO_PATHS__MODELS": str(data.folder / "models"),
    }


def elenco(data: SmallData, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ELENCO, *arguments],
        env=environment(data) | variables,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_forget_says_what_is_deleted_and_what_comes_next(data):
    done = elenco(data, "forget", "cy young")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "forgot 31: deleted 3 photographs, 3 crops, 3 embeddings, 12 entries of records; v000001 "
        "names them no more and goes with the next `elenco refresh`\n"
    )
    assert "forgetting 31" in done.stderr
    assert not says(data.folder / "data", "Cy Young")
    assert "withdrawn" in elenco(data, "models", "list").stdout
    lifted = elenco(data, "forget", "31", "--lift")
    assert lifted.stdout == "31 may come back with the next refresh\n"


def test_what_is_not_known_is_one_line(data):
    done = elenco(data, "forget", "cy jung")
    assert done.returncode == 1
    assert done.stderr.startswith("elenco: nobody here is called 'cy jung'")
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_verify_prints_a_line_a_problem_and_says_so_by_its_exit(data):
    done = elenco(data, "verify")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "verify: 6 photographs in the manifests, no problem\n"
    data.layout.image("train", "12", "k0").unlink()
    data.layout.image("train", "12", "k1").write_bytes(b"other")
    done = elenco(data, "verify")
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 3
    assert done.stdout.endswith("6 photographs in the manifests, 1 changed, 1 missing\n")


def test_purge_wants_to_be_told_twice(data):
    done = elenco(data, "purge", "--source", "tmdb")
    assert done.returncode == 1
    assert "add --yes" in done.stderr
    assert data.layout.state.exists()
    done = elenco(data, "purge", "--source", "tmdb", "--yes")
    assert done.stdout == ("purged tmdb: deleted 6 photographs, 6 crops, 6 embeddings, 1 version\n")
    assert not says(data.folder, "Cy Young", "Bo")
    assert done.stderr == ""
    done = elenco(data, "purge", "--source", "tmdb", "--yes", PREFECT_API_URL="http://127.0.0.1:9")
    assert done.stdout == "purged tmdb: deleted nothing\n"
    assert "delete its artifacts" in done.stderr
    assert "give tmdb or folder" in elenco(data, "purge", "--source", "x", "--yes").stderr


@pytest.mark.parametrize(("answer", "stays"), [(b"n\n", True), (b"y\n", False)])
def test_on_a_terminal_purge_asks(data, answer, stays):
    ours, theirs = pty.openpty()
    os.write(ours, answer)
    done = subprocess.run(
        [ELENCO, "purge", "--source", "tmdb"],
        env=environment(data),
        cwd=ROOT,
        stdin=theirs,
        capture_output=True,
        text=True,
        timeout=120,
    )
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0, done.stderr
    assert data.layout.state.exists() is stays
