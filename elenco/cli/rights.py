"""`elenco forget` and `elenco purge`."""

import os
import sys
from pathlib import Path

import typer

from elenco.errors import ConfigError
from elenco.layout import Layout
from elenco.progress import console_sink
from elenco.rights.forget import forget, lift
from elenco.rights.purge import purge
from elenco.settings import load_settings

SERVER = "elenco: your Prefect server keeps reports with faces and names: delete its artifacts"


def run_forget(person: str, lifted: bool, config: Path | None) -> None:
    """Forget a person, or let them come back; print what came of it."""
    settings = load_settings(config)
    layout = Layout.of(settings)
    with console_sink():
        if lifted:
            print(f"{lift(person, settings, layout)} may come back with the next refresh")
            return
        done = forget(person, settings, layout)
    after = (
        f"; {done.withdrawn} names them no more and goes with the next `elenco refresh`"
        if done.withdrawn
        else ""
    )
    print(f"forgot {done.person_id}: deleted {done.removed.line()}{after}")
    _remind()


def run_purge(source: str, yes: bool, config: Path | None) -> None:
    """Delete all that came from a source, after asking; print what there was.

    Raises:
        ConfigError: there is nobody to ask, and no --yes.
    """
    settings = load_settings(config)
    question = (
        f"delete every photograph, face, embedding and model from {source} "
        f"in {settings.paths.data} and {settings.paths.models}?"
    )
    if not yes:
        if not sys.stdin.isatty():
            raise ConfigError(f"{question} add --yes to say so")
        if not typer.confirm(question):
            print("nothing was deleted")
            return
    with console_sink():
        removed = purge(source, settings, Layout.of(settings))
    print(f"purged {source}: deleted {removed.line()}")
    _remind()


def _remind() -> None:
    """Say what is out of reach, if runs report to a server and not into the data directory."""
    if "PREFECT_API_URL" in os.environ:
        print(SERVER, file=sys.stderr)
