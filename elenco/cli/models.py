"""`elenco models …`."""

from pathlib import Path

from elenco.layout import Layout
from elenco.registry import Registry
from elenco.settings import load_settings


def _registry(config: Path | None) -> Registry:
    return Registry(Layout.of(load_settings(config)).recogniser)


def list_versions(config: Path | None) -> None:
    """Print a line a version."""
    versions = _registry(config).list_versions()
    print("\n".join(v.line() for v in versions) or "no version yet: run `elenco refresh`")


def show(version: str, config: Path | None) -> None:
    """Print a version's model card."""
    print(_registry(config).show(version))


def promote(version: str, config: Path | None) -> None:
    """Make a version current, by hand."""
    _registry(config).promote(version, "by hand")
    print(f"{version} is current")


def rollback(config: Path | None) -> None:
    """Make the version current that was before."""
    print(f"{_registry(config).rollback()} is current again")
