import re
import tomllib
from pathlib import Path

import pytest

from elenco.errors import ConfigError
from elenco.settings import Settings, load_settings

CONFIG = Path(__file__).resolve().parents[2] / "config"


def test_default_file_documents_every_setting_with_its_default():
    file = load_settings(CONFIG / "default.toml")
    assert file == Settings()
    text = (CONFIG / "default.toml").read_text()
    for section in Settings.model_fields:
        body = text.split(f"[{section}]")[1].split("\n[")[0]
        for key in type(getattr(file, section)).model_fields:
            assert re.search(rf"^(# )?{key}( =|:)", body, re.MULTILINE), f"{section}.{key}"


def test_demo_file_is_valid():
    demo = load_settings(CONFIG / "demo.toml")
    assert demo.embedding.embedder == "dlib_resnet"
    assert demo.collect.people < 100


def test_environment_wins_over_file_and_options_win_over_both(monkeypatch):
    monkeypatch.setenv("ELENCO_COLLECT__PEOPLE", "7")
    monkeypatch.setenv("ELENCO_PATHS__DATA", "elsewhere")
    settings = load_settings(CONFIG / "demo.toml")
    assert settings.collect.people == 7
    assert (
        settings.collect.shards
        == tomllib.loads((CONFIG / "demo.toml").read_text())["collect"]["shards"]
    )
    assert settings.paths.data == Path("elsewhere")
    assert load_settings(CONFIG / "demo.toml", collect={"people": 9}).collect.people == 9
    assert load_settings(CONFIG / "demo.toml", collect={"people": None}).collect.people == 7


def test_config_variable_names_the_file(monkeypatch):
    monkeypatch.setenv("ELENCO_CONFIG", str(CONFIG / "demo.toml"))
    assert load_settings().embedding.embedder == "dlib_resnet"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[collect]\npeople = 1\n", "collect.people"),
        ("[collect]\npeople = 'many'\n", "ELENCO_COLLECT__PEOPLE"),
        ("[collect]\npeeple = 5\n", "there is no setting collect.peeple"),
        ("[kollect]\npeople = 5\n", "there is no setting kollect"),
        ("[collect\n", "not valid TOML"),
    ],
)
def test_a_wrong_file_gives_one_line_that_names_the_key(tmp_path, text, says):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_option_or_variable_names_the_key(monkeypatch):
    with pytest.raises(ConfigError, match=r"collect\.people"):
        load_settings(CONFIG / "default.toml", collect={"people": 0})
    monkeypatch.setenv("ELENCO_COLLECT__PEEPLE", "3")
    with pytest.raises(ConfigError, match=r"collect\.peeple"):
        load_settings(CONFIG / "default.toml")


def test_a_missing_file_says_so():
    with pytest.raises(ConfigError, match="--config"):
        load_settings(Path("nowhere.toml"))


def test_the_token_does_not_show(monkeypatch):
    monkeypatch.setenv("ELENCO_TMDB__TOKEN", "hush-hush")
    settings = load_settings(CONFIG / "default.toml")
    assert "hush" not in repr(settings) + str(settings) + settings.model_dump_json()
    assert settings.tmdb.token.get_secret_value() == "hush-hush"


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("webhook_url", "hush.example.com/hook"),
        ("webhook_url", "https://hush.example.com/a b"),
        ("slack_url", "https://hush.example.com/services/T1/B1/x"),
        ("slack_url", "http://hooks.slack.com/services/T1/B1/hush"),
        ("slack_url", "https://hooks.slack.com/services/T1/hush"),
        ("email_url", "ops@hush.example.com"),
        ("email_url", "smtp://user:hush@smtp.example.com"),
    ],
)
def test_an_address_for_alarms_that_is_none_is_said_without_it(monkeypatch, key, wrong):
    monkeypatch.setenv(f"ELENCO_ALARMS__{key.upper()}", wrong)
    with pytest.raises(ConfigError, match=rf"alarms\.{key}: .*not of the form") as caught:
        load_settings(CONFIG / "default.toml")
    assert "\n" not in str(caught.value)
    assert "hush" not in f"{caught.value} {caught.value.__context__}"


def test_addresses_for_alarms_are_known_by_kind_and_do_not_show(monkeypatch, tmp_path):
    assert load_settings(CONFIG / "default.toml").alarms.addresses == {}
    (tmp_path / "slack").write_text("https://hooks.slack.com/services/T1/B1/hush\n")
    monkeypatch.setenv("ELENCO_ALARMS__SLACK_URL_FILE", str(tmp_path / "slack"))
    monkeypatch.setenv("ELENCO_ALARMS__EMAIL_URL", "mailtos://user:hush@smtp.example.com")
    alarms = load_settings(CONFIG / "default.toml").alarms
    assert list(alarms.addresses) == ["Slack", "e-mail"]
    assert "hush" not in f"{alarms!r} {alarms.addresses} {alarms.model_dump_json()}"


@pytest.fixture
def kept(tmp_path, monkeypatch) -> Path:
    """The folder of secrets of a data directory, with a token and an address in it."""
    folder = tmp_path / "data" / "state" / "ops" / "secrets"
    folder.mkdir(parents=True)
    (folder / "tmdb_token").write_text("hush-hush\n")
    (folder / "webhook_url").write_text("https://example.com/hush\n")
    (folder / "slack_url").write_text("")
    monkeypatch.setenv("ELENCO_PATHS__DATA", str(tmp_path / "data"))
    return folder


def test_secrets_that_nothing_gives_are_those_of_the_data_directory(kept):
    settings = load_settings(CONFIG / "default.toml")
    assert settings.tmdb.token.get_secret_value() == "hush-hush"
    assert list(settings.alarms.addresses) == ["webhook"]
    assert "hush" not in f"{settings!r} {settings.model_dump_json()}"
    elsewhere = load_settings(CONFIG / "default.toml", paths={"data": kept})
    assert elsewhere.tmdb.token.get_secret_value() == ""


def test_what_is_given_wins_over_the_data_directory_even_if_it_is_empty(kept, monkeypatch):
    monkeypatch.setenv("ELENCO_ALARMS__WEBHOOK_URL", "")
    monkeypatch.setenv("ELENCO_TMDB__TOKEN", "mine")
    settings = load_settings(CONFIG / "default.toml")
    assert settings.tmdb.token.get_secret_value() == "mine"
    assert settings.alarms.addresses == {}


def test_what_is_wrong_in_the_data_directory_is_said_without_it(kept):
    (kept / "webhook_url").write_text("hush.example.com\n")
    with pytest.raises(ConfigError, match=r"alarms\.webhook_url: .*not of the form") as caught:
        load_settings(CONFIG / "default.toml")
    assert "hush" not in str(caught.value)
    (kept / "webhook_url").write_text("hush\nhush\n")
    with pytest.raises(ConfigError, match=r"setting alarms\.webhook_url names .* no single line"):
        load_settings(CONFIG / "default.toml")


def test_variables_may_stand_in_a_file(tmp_path, monkeypatch):
    file = tmp_path / "elenco.env"
    file.write_text(
        "# settings\nELENCO_COLLECT__PEOPLE=50\nELENCO_SCHEDULE__TIMEZONE='Europe/Lisbon'\n"
        "ELENCO_TMDB__TOKEN=hush$x\nHTTPS_PROXY=http://proxy\n"
    )
    monkeypatch.setattr("elenco.settings.ENVIRONMENT_FILE", file)
    monkeypatch.setenv("ELENCO_COLLECT__PEOPLE", "60")
    settings = load_settings(CONFIG / "default.toml")
    assert settings.collect.people == 60
    assert settings.schedule.timezone == "Europe/Lisbon"
    assert settings.tmdb.token.get_secret_value() == "hush$x"
    file.write_text("ELENCO_COLLECT__PEOPLES=50\n")
    with pytest.raises(ConfigError, match=r"no setting collect\.peoples"):
        load_settings(CONFIG / "default.toml")


def test_a_store_of_shards_needs_the_workers_that_use_it(monkeypatch):
    monkeypatch.setenv("ELENCO_SCALE__STORE", "s3://bucket/work")
    with pytest.raises(ConfigError, match=r"scale: store is for the workers at dask_address"):
        load_settings(CONFIG / "default.toml")
    monkeypatch.setenv("ELENCO_SCALE__RUNNER", "dask")
    monkeypatch.setenv("ELENCO_SCALE__DASK_ADDRESS", "tcp://first:8786")
    assert load_settings(CONFIG / "default.toml").scale.store == "s3://bucket/work"
    monkeypatch.setenv("ELENCO_SCALE__STORE", "work")
    with pytest.raises(ConfigError, match="an address, or a whole path"):
        load_settings(CONFIG / "default.toml")
