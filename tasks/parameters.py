"""What a flow takes from whoever starts it."""

from typing import Any

from prefect import Flow
from prefect.utilities.callables import parameter_schema, parameter_schema_from_entrypoint
from prefect.utilities.schema_tools.validation import ValidationError, validate

from elenco.errors import ConfigError


def form(entrypoint: str) -> dict[str, Any]:
    """The JSON Schema that a server makes its form of, and refuses other parameters by.

    What one flow hands to another (a reference, several fields deep) is nothing for a form: a
    flow that is given none finds it.
    """
    schema = parameter_schema_from_entrypoint(entrypoint).model_dump_for_openapi()
    told = {name: one for name, one in schema["properties"].items() if not _is_reference(one)}
    return schema | {"properties": told, "definitions": {}}


def check(flow: Flow[..., Any], parameters: dict[str, Any]) -> None:
    """Refuse what a server would refuse, before there is a run.

    Raises:
        ConfigError: one line that names the parameter and says what is wrong.
    """
    schema = parameter_schema(flow.fn).model_dump_for_openapi()
    try:
        validate(parameters, schema, raise_on_error=True)
    except ValidationError as error:
        raise ConfigError(f"{flow.name} does not take these parameters: {error}") from None


def _is_reference(parameter: dict[str, Any]) -> bool:
    return any("$ref" in kind for kind in (parameter, *parameter.get("anyOf", [])))
