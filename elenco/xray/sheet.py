"""A picture of everybody who is seen."""

from pathlib import Path

from elenco.faces.images import decode
from elenco.report.sheet import contact_sheet
from elenco.xray.report import captions
from elenco.xray.types import XRay


def face_sheet(xray: XRay, out: Path) -> bytes | None:
    """The best faces with names under them, as JPEG; None where nobody is seen.

    Args:
        xray: who is seen.
        out: the folder that it was written into.

    Raises:
        FileNotFoundError: a face is gone.
    """
    named = captions(xray)
    faces = [decode((out / path).read_bytes(), 1.0) for path in named]
    return contact_sheet(faces, list(named.values())) if faces else None
