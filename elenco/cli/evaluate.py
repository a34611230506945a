"""`elenco evaluate`: how good the version in use is, or a recogniser of a folder's photographs."""

from pathlib import Path

from elenco.embedding.base import load_embedder
from elenco.errors import ConfigError
from elenco.evaluation.folder import look_into
from elenco.evaluation.of_folder import evaluate_folder
from elenco.evaluation.verification import read_pairs
from elenco.evaluation.version import evaluate_version
from elenco.lock import hold
from elenco.progress import console_sink
from elenco.recognition.files import load_gallery
from elenco.registry import Registry
from elenco.report.evaluation import summary_lines
from elenco.report.evaluation_files import write_evaluation
from elenco.schema import layout_to_read
from elenco.settings import Settings, load_settings


def run(
    photos: Path | None,
    pairs: Path | None,
    min_photos: int,
    out: Path | None,
    config: Path | None,
) -> None:
    """Measure, write the report, and print a short table and where the report is.

    Raises:
        ConfigError: pairs are given without the photographs that they are of.
    """
    if pairs is not None and photos is None:
        raise ConfigError("--pairs names photographs of a folder: give it with --photos DIR")
    settings = load_settings(config)
    with hold(settings), console_sink():
        if photos is None:
            lines = _version(settings, out)
        else:
            lines = _folder(photos, pairs, min_photos, settings, out)
    print("\n".join(lines))


def _version(settings: Settings, out: Path | None) -> list[str]:
    layout = layout_to_read(settings)
    directory = Registry(layout.recogniser).current()
    embedder = load_embedder(load_gallery(directory).space.embedder, settings, layout)
    found = evaluate_version(directory, settings, layout, embedder, larger=True)
    out = out or layout.data / "evaluations" / found.name
    report = write_evaluation(found, settings, layout, out)
    return [*summary_lines(found), f"report: {report}"]


def _folder(
    photos: Path, pairs: Path | None, min_photos: int, settings: Settings, out: Path | None
) -> list[str]:
    layout = layout_to_read(settings)
    folder = look_into(photos, settings, layout)
    given = read_pairs(pairs) if pairs is not None else None
    embedder = load_embedder(settings.embedding.embedder, settings, layout)
    found = evaluate_folder(folder, min_photos, given, settings, layout, embedder)
    report = write_evaluation(found, settings, folder.layout, out or folder.layout.data)
    return [*summary_lines(found), f"report: {report}"]
