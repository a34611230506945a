"""The curate stage: a data set, and what of it is neither trained nor measured on.

Nothing is deleted: photographs, faces and embeddings stay, and an operator overrules what was found
(`elenco curate`).
"""

import time

from elenco.curation.account import likenesses, written_down
from elenco.curation.decisions import read_decisions
from elenco.curation.find import find
from elenco.curation.quarantine import load_quarantine
from elenco.curation.rows import faces_of, read_rows
from elenco.embedding.stage import dataset_ref
from elenco.fingerprint import digest
from elenco.layout import Layout
from elenco.progress import say
from elenco.report.quarantine import quarantine_page
from elenco.settings import Settings
from elenco.storage import write_text
from elenco.turns import in_turn
from elenco.types import CuratedRef, DatasetRef, Skipped, StageReport

# Raise it when the same data set, decisions and settings would give another quarantine or sheet.
CURATE_VERSION = "1"


@in_turn
def curate(dataset: DatasetRef, settings: Settings, layout: Layout) -> CuratedRef:
    """Find what is wrong, double or unusable in a data set, and write down what is left out.

    Writes `layout.quarantine(...)`, see `elenco.curation.quarantine`, and beside it a page with
    the faces; both are used again where data set, decisions and settings are the same.

    Args:
        dataset: as `join_shards` left it.
        settings: `curation` is used.
        layout: where.

    Returns:
        The reference; kept + skipped = the rows of both splits.

    Raises:
        NotEnoughData: the embeddings are gone, or of an earlier version.
        ElencoError: the operator's decisions can't be read.
    """
    started = time.monotonic()
    decisions = read_decisions(layout)
    how = settings.curation.model_dump()
    inputs = digest("curate", CURATE_VERSION, dataset.digest, decisions, how)
    embedder = (layout.data / dataset.train).parent.name
    path, page = layout.quarantine(embedder), layout.quarantine_sheet(embedder)
    there = load_quarantine(path)
    reused = there is not None and there.inputs == inputs and page.exists()
    if there is None or not reused:
        rows = read_rows(dataset, layout)
        faces = faces_of(rows, decisions)
        found = find(faces, len(rows.people), settings.curation)
        there = written_down(inputs, rows, faces, found, decisions, settings.curation)
        write_text(page, quarantine_page(there, likenesses(rows, faces, found), rows.crop(layout)))
        # The list last: with it the stage is done.
        there.save(path)
    given = dataset.train_rows + dataset.test_rows
    skipped = [Skipped(entry.id, entry.reason, entry.detail) for entry in there.entries]
    kept = given - len(skipped)
    seconds = time.monotonic() - started
    report = StageReport.of(kept, skipped, kept if reused else 0, seconds)
    if skipped:
        say(f"curate: {len(skipped):,} of {given:,} photographs are left out, see {page}")
    return CuratedRef(dataset, layout.relative(path), inputs, report)


def last_curated(settings: Settings, layout: Layout) -> CuratedRef:
    """The data set that was joined last, curated, with what was decided since.

    Raises:
        NotEnoughData: nothing was joined yet.
        ElencoError: the operator's decisions can't be read.
    """
    return curate(dataset_ref(layout, settings.embedding.embedder), settings, layout)
