"""The `elenco` command."""

from elenco.cli.main import main

__all__ = ["main"]
