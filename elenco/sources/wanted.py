"""An explicit list of people, in TOML, to collect instead of the most popular."""

import tomllib
from pathlib import Path

from elenco.errors import ConfigError, UnexpectedAnswer
from elenco.layout import safe_name
from elenco.types import Person

FORM = '[[person]] tables with id = 287 (or "a folder\'s name"): see config/cast.example.toml'


def read_cast(path: Path) -> list[Person]:
    """The people of a list, in its order; a name is for the reader, the source's own counts.

    Raises:
        ConfigError: there is no such file, it is no such list, or someone is named twice.
    """
    try:
        entries = tomllib.loads(path.read_text("utf-8")).get("person")
    except FileNotFoundError:
        raise ConfigError(f"there is no list of people {path}: set collect.cast") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, IsADirectoryError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    if not isinstance(entries, list) or not entries:
        raise ConfigError(f"{path} lists nobody: write {FORM}")
    people: dict[str, Person] = {}
    for number, entry in enumerate(entries, 1):
        found = entry.get("id") if isinstance(entry, dict) else None
        if not isinstance(found, str | int) or isinstance(found, bool):
            raise ConfigError(f"{path}, person {number}, has no id: write {FORM}")
        try:
            person_id = safe_name(str(found))
        except UnexpectedAnswer as error:
            raise ConfigError(f"{path}, person {number}: {error}") from None
        if person_id in people:
            raise ConfigError(f"{path} lists {person_id} twice: delete one")
        people[person_id] = Person(person_id, str(entry.get("name", person_id)))
    return list(people.values())
