"""An evaluation as a folder: Markdown for people, JSON for machines, plots and faces."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from elenco.evaluation.evaluation import Evaluation
from elenco.evaluation.robustness import read_crop
from elenco.faces.images import Picture
from elenco.layout import Layout
from elenco.report.evaluation import PAIRS, WORST, evaluation_markdown
from elenco.report.plots import evaluation_plots
from elenco.report.sheet import contact_sheet, data_uri
from elenco.settings import Settings
from elenco.storage import write_bytes, write_json, write_text

REPORT, FIGURES = "report.md", "report.json"

Two = tuple[str, str, str, str]  # a photograph and its caption, another and its caption


def write_evaluation(evaluation: Evaluation, settings: Settings, layout: Layout, out: Path) -> Path:
    """Write `report.md`, `report.json`, plots and faces into a folder.

    Args:
        evaluation: the figures; equal ones give equal bytes.
        settings: `collect.max_megapixels`.
        layout: where the aligned faces are.
        out: the folder; made if it is not there.

    Returns:
        The report.
    """
    pictures = evaluation_plots(evaluation) | evaluation_faces(evaluation, settings, layout)
    for name, data in pictures.items():
        write_bytes(out / name, data)
    write_json(out / FIGURES, asdict(evaluation))
    write_text(out / REPORT, evaluation_markdown(evaluation, {name: name for name in pictures}))
    return out / REPORT


def with_pictures(folder: Path) -> str:
    """The report that `write_evaluation` wrote, its pictures within it, for Prefect's UI.

    Empty where there is none: nothing was held out to measure on.
    """
    if not (folder / REPORT).exists():
        return ""
    text = (folder / REPORT).read_text("utf-8")
    for suffix, mime in ((".png", "image/png"), (".jpg", "image/jpeg")):
        for file in sorted(folder.glob(f"*{suffix}")):
            text = text.replace(f"]({file.name})", f"]({data_uri(file.read_bytes(), mime)})")
    return text


def evaluation_faces(
    evaluation: Evaluation, settings: Settings, layout: Layout
) -> dict[str, bytes]:
    """Contact sheets as JPEG by file name, of the worst people and of the most confused pairs.

    Faces go in twos: a photograph that was mistaken, and one of the gallery. A two of which a face
    is not on disk is left out; without any there is no sheet.
    """
    found = evaluation.confusions
    people = {p.person_id: p for p in (*found.worst, *found.most_unknown)}.values()
    twos: dict[str, list[Two]] = {
        WORST: [(p.face, "not named right", p.gallery_face, p.name) for p in people if p.face],
        PAIRS: [(p.face, p.name, p.other_face, p.other_name) for p in found.pairs],
    }
    sheets = {name: _sheet(own, settings, layout) for name, own in twos.items()}
    return {name: sheet for name, sheet in sheets.items() if sheet is not None}


def _sheet(twos: Sequence[Two], settings: Settings, layout: Layout) -> bytes | None:
    faces: list[Picture] = []
    captions: list[str] = []
    for one, caption, other, other_caption in twos:
        own = [_face(photograph, settings, layout) for photograph in (one, other)]
        there = [face for face in own if face is not None]
        if len(there) == len(own):
            faces += there
            captions += [caption, other_caption]
    return contact_sheet(faces, captions) if faces else None


def _face(photograph: str, settings: Settings, layout: Layout) -> Picture | None:
    person, _, key = photograph.rpartition("/")
    return read_crop(person, key, settings, layout) if person else None
