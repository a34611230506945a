"""docs/operating.md names every deployment, report and alarm, and no command that there is not."""

import re

import typer
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema import Draft202012Validator

from elenco.cli.main import app
from elenco.settings import Alarms
from tasks.ops import automations
from tasks.report import DESCRIPTIONS
from tests.ops.conftest import ROOT
from tests.ops.operating import DOC, commands, table

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def names(rows: list[list[str]]) -> list[str]:
    """Those in the first column, in the order of the alphabet."""
    return sorted(name for row in rows for name in re.findall(r"`([\w-]+)`", row[0]))


def test_every_command_that_is_named_is_there():
    root = typer.main.get_command(app)
    groups = {name: set(getattr(c, "commands", {})) for name, c in root.commands.items()}  # pyright: ignore[reportAttributeAccessIssue]
    text = "\n".join(commands())
    named = set(re.findall(r"(?<![/\w])elenco ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?", text))
    assert {"models", "up", "run"} <= {first for first, _ in named}
    for first, second in named:
        assert first in groups
        assert not groups[first] or second in groups[first], f"elenco {first} {second}"


def test_every_deployment_is_in_the_table():
    wanted = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    rows = table("deployment | when | setting")
    assert names(rows) == sorted(one["name"] for one in wanted)


def test_every_artifact_is_in_the_table():
    keys = {*DESCRIPTIONS, "collect", "detect-embed"}
    keys |= set(re.findall(r'key="([\w-]+)"', (ROOT / "tasks" / "xray.py").read_text()))
    assert {"annotate-video", "over-days"} <= keys
    assert names(table("artifact |")) == sorted(keys)


def test_every_alarm_is_in_the_table_with_something_to_do():
    anywhere = Alarms.model_validate({"webhook_url": "https://example.com/hook"})
    one = "00000000-0000-0000-0000-000000000000"
    made = automations.wanted(anywhere, one, {"webhook": one})  # pyright: ignore[reportArgumentType]
    told = [a.name.removeprefix("elenco: alarm ") for a in made if "elenco: alarm " in a.name]
    rows = table("alarm | when | what to do")
    assert len(told) >= 7
    assert sorted(row[0].strip("`") for row in rows) == sorted(told)
    assert all(len(row) == 3 and all(row) for row in rows)


def test_the_worker_s_folders_of_videos_are_a_file_that_compose_takes():
    [text] = re.findall(r"^```yaml\n(.*?)^```$", DOC, re.M | re.S)
    override = yaml.safe_load(text)
    schema = get_builtin_schema("vendor.compose-spec")
    assert list(Draft202012Validator(schema).iter_errors(override)) == []
    [(name, changed)] = override["services"].items()
    places = [mount.split(":")[1] for mount in changed["volumes"]]
    there = [mount.split(":")[1] for mount in COMPOSE["services"][name]["volumes"]]
    assert not set(places) & set(there)
    [line] = [line for line in commands() if "annotate_video" in line and "docker" in line]
    for parameter, place in zip(("video", "out"), places, strict=True):
        assert f"--param {parameter}={place}/" in line
