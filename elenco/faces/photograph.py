"""One stored photograph, as far as it has to be decoded."""

from pathlib import Path
from typing import Any

import numpy as np

from elenco.errors import ImageError
from elenco.faces.images import Picture, decode, probe
from elenco.fingerprint import bytes_sha256
from elenco.layout import Layout
from elenco.types import Detections


def read_photograph(
    entry: dict[str, Any], layout: Layout, max_megapixels: float, longest: int
) -> "Photograph | ImageError":
    """The photograph of an entry, or why it can't be used; otherwise as `Photograph`."""
    path = layout.image(entry["split"], entry["person_id"], entry["key"])
    try:
        return Photograph(path, entry["sha256"], max_megapixels, longest)
    except ImageError as error:
        return error


class Photograph:
    """A photograph of which a small form is decoded to be searched, and the rest on demand.

    Args:
        path: the file.
        sha256: of the file that is meant.
        max_megapixels: width x height allowed, in millions.
        longest: pixels that the longer side of `small` may be reduced to while decoding.

    Attributes:
        small: the picture, upright RGB, at the smallest scale that JPEG decoding offers whose
            longer side is `longest` pixels at least; in full where it has fewer.
        width: of the full picture, in pixels.
        height: of the full picture, in pixels.

    Raises:
        ImageError: `missing` (no such file, or other bytes), or as `decode` says.
    """

    def __init__(self, path: Path, sha256: str, max_megapixels: float, longest: int) -> None:
        try:
            self._data = path.read_bytes()
        except FileNotFoundError:
            raise ImageError("missing", "the file is gone") from None
        if bytes_sha256(self._data) != sha256:
            raise ImageError("missing", "the file is not the one that was collected")
        self._max_megapixels = max_megapixels
        _, self.width, self.height = probe(self._data, max_megapixels)
        self.small: Picture = decode(self._data, max_megapixels, longest)

    def full(self) -> Picture:
        """The picture in full. Raises ImageError where only its small form can be decoded."""
        if self.small.shape[:2] == (self.height, self.width):
            return self.small
        return decode(self._data, self._max_megapixels)

    def in_full(self, found: Detections) -> Detections:
        """What was found in `small`, in pixels of the full picture."""
        ratio = np.array([self.width, self.height]) / self.small.shape[1::-1]
        boxes = found.boxes.reshape(-1, 2, 2) * ratio
        return Detections(
            boxes.reshape(-1, 4).astype(np.float32),
            found.scores,
            (found.landmarks * ratio).astype(np.float32),
        )
