"""Secrets come from files and are shown nowhere."""

import os
import stat
import subprocess
import sys

import pytest

from elenco.errors import ConfigError
from elenco.ops.secret_files import make_secret, read_secret
from elenco.ops.with_secrets import with_secrets
from elenco.settings import load_settings
from tests.ops.conftest import ROOT

DEFAULT = ROOT / "config" / "default.toml"


def test_a_setting_is_read_from_the_file_that_its_variable_names(tmp_path, monkeypatch):
    (tmp_path / "token").write_text("hush-hush\n")
    monkeypatch.setenv("ELENCO_TMDB__TOKEN_FILE", str(tmp_path / "token"))
    settings = load_settings(DEFAULT)
    assert settings.tmdb.token.get_secret_value() == "hush-hush"
    assert "hush" not in repr(settings) + settings.model_dump_json()
    (tmp_path / "token").write_text("")
    assert load_settings(DEFAULT).tmdb.token.get_secret_value() == ""


def test_what_is_wrong_with_such_a_file_is_said_without_what_is_in_it(tmp_path, monkeypatch):
    path = tmp_path / "token"
    monkeypatch.setenv("ELENCO_TMDB__TOKEN_FILE", str(path))
    with pytest.raises(ConfigError, match=r"TOKEN_FILE names .*can't be read"):
        load_settings(DEFAULT)
    path.write_text("hush\nhush\n")
    with pytest.raises(ConfigError, match="no single line") as caught:
        load_settings(DEFAULT)
    assert "hush" not in str(caught.value)
    path.write_text("hush\n")
    monkeypatch.setenv("ELENCO_TMDB__TOKEN", "other")
    with pytest.raises(ConfigError, match="both set") as caught:
        load_settings(DEFAULT)
    assert "hush" not in str(caught.value)
    assert "other" not in str(caught.value)


def test_only_secrets_have_files(monkeypatch):
    monkeypatch.setenv("ELENCO_COLLECT__PEOPLE_FILE", "people.txt")
    with pytest.raises(ConfigError, match=r"no setting collect\.people_file"):
        load_settings(DEFAULT)


def test_a_secret_that_is_made_is_its_owners_and_stays_the_same(tmp_path):
    path = tmp_path / "secrets" / "auth"
    make_secret(path, "elenco:")
    first = read_secret(path, "X")
    assert first.startswith("elenco:")
    assert len(first) == len("elenco:") + 43
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    make_secret(path, "elenco:")
    assert read_secret(path, "X") == first
    assert [p.name for p in path.parent.iterdir()] == ["auth"]


def test_prefect_is_given_what_is_in_the_files(tmp_path):
    (tmp_path / "auth").write_text("elenco:se=cr:et\n")
    given = {"PREFECT_API_AUTH_STRING_FILE": str(tmp_path / "auth"), "OTHER_FILE": "kept"}
    assert with_secrets(given) == {
        "PREFECT_API_AUTH_STRING": "elenco:se=cr:et",
        "OTHER_FILE": "kept",
    }
    with pytest.raises(ConfigError, match="both set"):
        with_secrets(given | {"PREFECT_API_AUTH_STRING": "x"})


def test_the_command_takes_the_place_of_the_one_that_read_them(tmp_path):
    (tmp_path / "auth").write_text("elenco:secret\n")
    show = "import os; print(os.getpid(), os.environ['PREFECT_API_AUTH_STRING'])"
    process = subprocess.Popen(
        [sys.executable, "-m", "elenco.ops.with_secrets", "--", sys.executable, "-c", show],
        env=os.environ | {"PREFECT_API_AUTH_STRING_FILE": str(tmp_path / "auth")},
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    said, _ = process.communicate(timeout=60)
    assert said.split() == [str(process.pid), "elenco:secret"]


@pytest.mark.parametrize(
    ("command", "says"),
    [([], "give a command"), (["--", "no-such-program"], "can't be started")],
)
def test_a_command_that_can_not_be_run_is_a_line(command, says):
    done = subprocess.run(
        [sys.executable, "-m", "elenco.ops.with_secrets", *command],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 1
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_reading_secrets_loads_no_library():
    code = (
        "import sys, elenco.ops.with_secrets, elenco.ops.health\n"
        "heavy = {'pydantic', 'numpy', 'prefect', 'aiohttp'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
