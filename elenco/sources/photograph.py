"""One photograph from the source's bytes to a whole JPEG in its place, with what is known of it."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from elenco.errors import ImageError
from elenco.faces.images import decode, encode_jpeg, probe
from elenco.fingerprint import bytes_sha256
from elenco.storage import write_bytes
from elenco.types import ImageRef, Split

Entry = dict[str, Any]
_START_OF_SCAN, _END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"


def store(file: BinaryIO, path: Path, max_megapixels: float) -> Entry:
    """Check what has arrived, convert it to JPEG if it is another format, and put it in its place.

    Args:
        file: what was fetched.
        path: its place.
        max_megapixels: width x height allowed, in millions.

    Returns:
        What the manifest says of the file: `sha256`, `width`, `height`.

    Raises:
        ImageError: it is no picture, or not the whole of one.
    """
    file.seek(0)
    data = file.read()
    kind, width, height = probe(data, max_megapixels)
    if kind != "JPEG":
        data = encode_jpeg(decode(data, max_megapixels))
    facts = _facts(data, width, height)
    write_bytes(path, data)
    return facts


def facts_of(path: Path, max_megapixels: float) -> Entry:
    """The same of a JPEG that is in its place. Raises ImageError if it is not the whole of one."""
    data = path.read_bytes()
    _, width, height = probe(data, max_megapixels)
    return _facts(data, width, height)


def _facts(data: bytes, width: int, height: int) -> Entry:
    # In the data of a scan FF is followed by 00 or a restart marker (ITU T.81, B.1.1.5): an end
    # marker before the last scan is that of a thumbnail.
    whole = data.endswith(_END_OF_IMAGE)
    if not whole and data.rfind(_END_OF_IMAGE) < data.rfind(_START_OF_SCAN):
        raise ImageError("truncated", f"no end in {len(data):,} bytes")
    return {"sha256": bytes_sha256(data), "width": width, "height": height}


def entry_of(ref: ImageRef, split: Split, facts: Entry, url: str, fetched_at: datetime) -> Entry:
    """A line of the manifest.

    Args:
        ref: what the source says.
        split: where the file is.
        facts: of the file.
        url: where it is from.
        fetched_at: when.
    """
    return {
        "person_id": ref.person_id,
        "key": ref.key,
        "split": split,
        **{name: facts[name] for name in ("sha256", "width", "height")},
        "origin": {
            "url": url,
            "version": ref.version,
            "fetched_at": fetched_at.astimezone(UTC).isoformat(timespec="seconds"),
            **said_of(ref),
        },
    }


def said_of(ref: ImageRef) -> Entry:
    """What the source says of a photograph beside where it is; votes change without it changing."""
    return {
        "width": ref.width,
        "height": ref.height,
        "vote_average": ref.vote_average,
        "vote_count": ref.vote_count,
        "language": ref.language,
    }


def move(source: Path, target: Path) -> None:
    """Rename a file to another folder, which is made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(source, target)
