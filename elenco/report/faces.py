"""A picture of the faces that a refresh ended with."""

from collections.abc import Sequence

from elenco.faces.images import decode
from elenco.layout import Layout
from elenco.records import Record
from elenco.report.sheet import contact_sheet
from elenco.sources.people import read_people
from elenco.types import ShardRef

FACES = 24
MEGAPIXELS = 1.0  # a crop has a sixteenth of that


def face_sheet(detected: Sequence[ShardRef], layout: Layout, count: int = FACES) -> bytes | None:
    """A contact sheet with one face of each of the most popular people; None without faces.

    Args:
        detected: what `detect_shard` returned.
        layout: where.
        count: how many people at most.
    """
    entries = {
        entry["person_id"]: entry
        for ref in detected
        if (record := Record.read(layout.data / ref.path)) is not None
        for entry in reversed(record.kept)
    }
    chosen = [(p, entries[p.id]) for p in read_people(layout) if p.id in entries][:count]
    crops = [layout.crop(e["split"], e["person_id"], e["key"]) for _, e in chosen]
    faces = [decode(path.read_bytes(), MEGAPIXELS) for path in crops]
    return contact_sheet(faces, [person.name for person, _ in chosen]) if faces else None
