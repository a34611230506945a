"""`xray.json` on disk, and its schema."""

import inspect
import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from elenco.errors import UnexpectedAnswer
from elenco.storage import write_json, write_text
from elenco.xray.types import FORMAT, Box, XRay

FILE = "xray.json"
SCHEMA = Path(__file__).with_name("xray.schema.json")


def write_xray(xray: XRay, out: Path) -> Path:
    """Write `xray.json` into a folder; equal content gives equal bytes. Returns its path."""
    path = out / FILE
    write_json(path, xray.model_dump(mode="json"))
    return path


def read_xray(path: Path) -> XRay:
    """Read an `xray.json`.

    Args:
        path: the file, or the folder that it is in.

    Raises:
        UnexpectedAnswer: there is none, or it is of another form.
    """
    file = path / FILE if path.is_dir() else path
    try:
        return XRay.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        raise UnexpectedAnswer(f"there is no {file}: make it with `elenco xray`") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "as a whole"
        raise UnexpectedAnswer(
            f"{file} is not of the form {FORMAT} ({where}: {first['msg']}): "
            "make it again with `elenco xray`"
        ) from None


def json_schema() -> dict[str, Any]:
    """The JSON Schema of `xray.json`: what `xray.schema.json` holds."""
    schema = XRay.model_json_schema(mode="serialization")
    schema["$defs"]["Box"]["description"] = inspect.cleandoc(Box.__doc__ or "")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def write_schema() -> None:
    """Bring `xray.schema.json` up to date with the types."""
    write_text(SCHEMA, json.dumps(json_schema(), indent=1) + "\n")
