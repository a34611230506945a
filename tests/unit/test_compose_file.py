"""docker-compose.yml against the compose specification, without Docker."""

import copy
from typing import Any

import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema import Draft202012Validator

from tests.small_data import ROOT

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SPECIFICATION = Draft202012Validator(get_builtin_schema("vendor.compose-spec"))
# What is easily written wrong, and where: the keys of the file down to it.
MISTAKES: dict[str, tuple[tuple[str, ...], Any]] = {
    "a key that there is not": (("services", "server", "restart_policy"), "always"),
    "a key with a letter too many": (("services", "worker", "tmpfss"), ["/tmp"]),
    "a limit that is none": (("services", "server", "pids_limit"), {"most": 5}),
    "a condition that there is not": (("services", "worker", "depends_on", "setup"), {"wait": 1}),
    "a file's path as a secret": (("secrets", "server_auth"), "./server_auth"),
    "a health check in words": (("services", "server", "healthcheck"), "curl localhost"),
    "a section that there is not": (("volume",), {"data": {}}),
}


def problems(compose: dict[str, Any]) -> list[str]:
    return [f"{one.json_path}: {one.message}" for one in SPECIFICATION.iter_errors(compose)]


def test_it_is_as_the_specification_says():
    assert problems(COMPOSE) == []


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_in_it_would_be_seen(what):
    (*path, last), value = MISTAKES[what]
    wrong = copy.deepcopy(COMPOSE)
    inside = wrong
    for key in path:
        inside = inside[key]
    inside[last] = value
    assert problems(wrong)


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_what_a_service_names_is_in_the_file(name):
    service = COMPOSE["services"][name]
    assert set(service.get("depends_on", {})) < set(COMPOSE["services"])
    for kind in ("networks", "secrets"):
        assert set(service.get(kind, [])) <= set(COMPOSE[kind])
