"""Runs a command with secrets from files: `python -m elenco.ops.with_secrets -- prefect …`.

Prefect reads its secrets from the environment only. This takes the place of a shell line: no
secret is an argument of a process or in what an image or compose file says.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from elenco.errors import ConfigError
from elenco.ops.secret_files import read_secret

SECRETS = (
    "PREFECT_API_AUTH_STRING",
    "PREFECT_SERVER_API_AUTH_STRING",
    "PREFECT_SERVER_DATABASE_PASSWORD",
)


def with_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment, each `NAME_FILE` of SECRETS replaced by `NAME` with the file's line.

    Raises:
        ConfigError: a file can't be read, or both are set.
    """
    found = dict(environment)
    for name in SECRETS:
        path = found.pop(f"{name}_FILE", None)
        if not path:
            continue
        if found.get(name):
            raise ConfigError(f"{name} and {name}_FILE are both set: unset one")
        found[name] = read_secret(Path(path), f"{name}_FILE")
    return found


def take_secrets() -> None:
    """Do that to the environment of this process. Raises as `with_secrets`."""
    found = with_secrets(os.environ)
    for name in SECRETS:
        os.environ.pop(f"{name}_FILE", None)
    os.environ.update(found)


def main(arguments: Sequence[str]) -> None:
    """Become the command; exits 1 with one line if that can't be."""
    command = list(arguments[1:] if arguments[:1] == ["--"] else arguments)
    if not command:
        sys.exit("elenco: give a command after --")
    try:
        os.execvpe(command[0], command, with_secrets(os.environ))
    except ConfigError as error:
        sys.exit(f"elenco: {error}")
    except OSError as error:
        sys.exit(f"elenco: {command[0]} can't be started: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
