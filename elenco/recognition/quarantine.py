"""Photographs that are left out of training and judging, as the curate stage writes them."""

from pathlib import Path

from elenco.errors import ElencoError
from elenco.storage import read_json


def read_quarantine(path: Path) -> dict[str, str]:
    """`person_id/key` -> reason, by id; empty where there is no such file.

    Raises:
        ElencoError: it is not such a file.
    """
    try:
        entries = read_json(path)["entries"]
        found = {str(entry["id"]): str(entry["reason"]) for entry in entries}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError) as error:
        raise ElencoError(
            f"{path} is no list of quarantined photographs ({type(error).__name__}: {error}): "
            "delete it, then run the same command again"
        ) from None
    return dict(sorted(found.items()))
