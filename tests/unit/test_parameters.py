"""What a deployment's form asks, and what is refused before there is a run."""

from importlib import import_module
from pathlib import Path

import pytest
from prefect.utilities.schema_tools.validation import ValidationError, is_valid_schema, validate

from elenco.errors import ConfigError
from elenco.settings import load_settings
from tasks.ops.deployments import wanted
from tasks.parameters import check

ROOT = Path(__file__).resolve().parents[2]
OF_A_FLOW = {"curated", "trained"}  # what one flow hands to another
FLOWS = sorted(path.stem for path in (ROOT / "flows").glob("[!_]*.py"))
REFUSED = [
    *((flow, {"people": -5}, "'people'.* -5 is less than the minimum of 2") for flow in FLOWS),
    *((flow, {"people": 1}, "'people'.* 1 is less than the minimum of 2") for flow in FLOWS),
    *((flow, {"people": "many"}, "'people'.* 'many' is not valid") for flow in FLOWS),
    ("enforce_retention", {"wait_minutes": -1}, "'wait_minutes'.* less than the minimum of 0"),
    ("annotate_video", {"video": "a", "out": "b", "movie": 0}, "'movie'.* the minimum of 1"),
    ("annotate_video", {"video": "a"}, "'out' is a required property"),
]
ACCEPTED = [
    *((flow, {"people": people}) for flow in FLOWS for people in (None, 2, 10_000)),
    ("enforce_retention", {"wait_minutes": 0}),
    ("annotate_video", {"video": "a", "out": "b", "movie": 603}),
]


def function(flow):
    return getattr(import_module(f"flows.{flow}"), flow)


def asked(flow):
    return function(flow).fn.__annotations__.keys() - {"return"}


def of_those_that_take_them(cases):
    """Without those flows that have no such parameter."""
    return [case for case in cases if case[1].keys() <= asked(case[0])]


@pytest.fixture(scope="module")
def forms():
    """Flow -> the schema that its deployment has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        found = wanted(ROOT, load_settings(), "1")
    return {one.name: one.fields["parameter_openapi_schema"] for one in found}


@pytest.mark.parametrize("flow", FLOWS)
def test_a_form_asks_for_what_an_operator_can_say(forms, flow):
    properties = forms[flow]["properties"]
    assert properties.keys() == asked(flow) - OF_A_FLOW
    assert "$ref" not in str(forms[flow])
    for name, parameter in properties.items():
        assert parameter["description"], name
    is_valid_schema(forms[flow])


@pytest.mark.parametrize(("flow", "parameters", "says"), of_those_that_take_them(REFUSED))
def test_what_the_settings_would_not_take_is_refused(forms, flow, parameters, says):
    with pytest.raises(ValidationError, match=says):  # as the server does
        validate(parameters, forms[flow], raise_on_error=True)
    with pytest.raises(ConfigError, match=f"^{flow} does not take these parameters: .*{says}"):
        check(function(flow), parameters)


@pytest.mark.parametrize(("flow", "parameters"), of_those_that_take_them(ACCEPTED))
def test_what_they_take_is_not(forms, flow, parameters):
    validate(parameters, forms[flow], raise_on_error=True)
    check(function(flow), parameters)
    function(flow).validate_parameters(parameters)
