"""Where a photograph is, whatever became of it: in either split, or set aside."""

import contextlib

from elenco.layout import Layout
from elenco.sources.photograph import Entry, move
from elenco.types import SPLITS, ImageRef, Split


def bring(layout: Layout, ref: ImageRef, split: Split) -> bool:
    """Whether the photograph's file is on disk, in whatever version; brought to its place."""
    path = layout.image(split, ref.person_id, ref.key)
    if path.exists():
        return True
    places = [layout.image(other, ref.person_id, ref.key) for other in SPLITS]
    for other in (*places, layout.retired(ref.person_id, ref.key)):
        if other.exists():
            move(other, path)
            return True
    return False


def set_aside(layout: Layout, entry: Entry) -> None:
    """Move a photograph that is listed no more to `data/retired`, and delete its face.

    What is left in `data/images` and `data/output` is listed. Does nothing the second time.
    """
    person, key = entry["person_id"], entry["key"]
    for split in SPLITS:
        layout.crop(split, person, key).unlink(missing_ok=True)
        path = layout.image(split, person, key)
        if path.exists():
            move(path, layout.retired(person, key))
            with contextlib.suppress(OSError):  # the folder of a person with others
                path.parent.rmdir()
