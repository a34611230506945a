"""`elenco models …`."""

import json
from pathlib import Path

from elenco.layout import Layout
from elenco.progress import console_sink
from elenco.recognition.drift import drift_of
from elenco.registry import Registry
from elenco.report.drift import drift_markdown
from elenco.schema import layout_to_read
from elenco.settings import Settings, load_settings


def _registry(config: Path | None) -> Registry:
    return Registry(layout_to_read(load_settings(config)).recogniser)


def list_versions(config: Path | None) -> None:
    """Print a line a version."""
    versions = _registry(config).list_versions()
    print("\n".join(v.line() for v in versions) or "no version yet: run `elenco refresh`")


def show(version: str, config: Path | None) -> None:
    """Print a version's model card."""
    print(_registry(config).show(version))


def diff(before: str, after: str, as_json: bool, config: Path | None) -> None:
    """Print what moved from one version to another."""
    registry = _registry(config)
    old, new = registry.path(before), registry.path(after)
    drift = drift_of(old, new)
    title = f"# {old.name} to {new.name}"
    print(
        json.dumps(drift, indent=1, ensure_ascii=False) if as_json else drift_markdown(drift, title)
    )


def add(folder: Path, name: str | None, person_id: str | None, config: Path | None) -> None:
    """Add a person to the version in use; print what became of their photographs."""
    from elenco.amend import add_person

    settings = load_settings(config)
    with console_sink():
        done = add_person(folder, settings, Layout.of(settings), name, person_id)
    report, person = done.photographs, done.person
    left_out = report.given - report.kept
    print(f"photographs: {report.given:,} given, {report.kept:,} used, {left_out:,} left out")
    for skip in done.skipped:
        print(f"  {skip.id}: {skip.reason}{f' ({skip.detail})' if skip.detail else ''}")
    for other, count in done.alike.items():
        print(f"{done.before} takes {count:,} of them for {other}: are these two people?")
    print(f"{done.version} is current: {done.before} and {person.name} ({person.id})")
    print(
        f"a refresh keeps them only if the source lists them: {_how_to_list(settings, person.id)}"
    )


def remove(person_id: str, config: Path | None) -> None:
    """Take a person out of the version in use."""
    from elenco.amend import remove_person

    settings = load_settings(config)
    with console_sink():
        done = remove_person(person_id, settings, Layout.of(settings))
    print(f"{done.version} is current: it does not know {person_id}")
    print(
        "a refresh brings them back if the source lists them: take them off it, or "
        f"`elenco forget {person_id}`, which deletes their photographs too"
    )


def _how_to_list(settings: Settings, person_id: str) -> str:
    if settings.collect.source == "folder":
        folder = settings.collect.folder
        return f"put their photographs into {folder}/{person_id} (collect.folder)"
    return "put their TMDB number into the list of people (collect.cast)"


def promote(version: str, config: Path | None) -> None:
    """Make a version current, by hand."""
    _registry(config).promote(version, "by hand")
    print(f"{version} is current")


def rollback(config: Path | None) -> None:
    """Make the version current that was before."""
    print(f"{_registry(config).rollback()} is current again")
