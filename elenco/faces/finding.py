"""The detect stage's work on a few photographs: read, search, align, write."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Protocol

import numpy as np

from elenco.compute.isolate import isolate
from elenco.errors import ImageError
from elenco.faces.entries import Entry, crop_of, entry_of, keep_face
from elenco.faces.images import Picture
from elenco.faces.mtcnn import MAX_SIDE
from elenco.faces.photograph import Photograph, read_photograph
from elenco.layout import Layout
from elenco.settings import Settings
from elenco.types import Detections

REFERENCE_PIXELS = 421 * 632  # a chunk of larger pictures than TMDB's h632 holds fewer of them


class FaceDetector(Protocol):
    """What the stage asks of a detector: `elenco.faces.mtcnn.Detector` is one.

    `version` names everything that changes its answers.
    """

    version: str

    def detect(
        self, images: Sequence[Picture], smallest: int | None = None
    ) -> list[Detections]: ...


def chunks_of(todo: list[Entry], batch: int) -> Iterator[list[Entry]]:
    """Cut the work so that memory stays flat and pictures of one size come together.

    The cuts depend on the photographs alone: a resumed run forms the same batches.
    """
    chunk: list[Entry] = []
    pixels = 0
    for entry in sorted(todo, key=lambda e: (e["width"], e["height"], *key_of(e))):
        size = entry["width"] * entry["height"]
        if chunk and (len(chunk) == batch or pixels + size > batch * REFERENCE_PIXELS):
            yield chunk
            chunk, pixels = [], 0
        chunk.append(entry)
        pixels += size
    if chunk:
        yield chunk


def find_faces(
    chunk: list[Entry], settings: Settings, layout: Layout, detector: FaceDetector
) -> list[tuple[Entry, Entry | ImageError]]:
    """Find the faces of a chunk's photographs; where there is one, write its crop.

    Small faces are looked for only where there is no larger one: that is most of the work.
    """
    results = {
        i: read_photograph(entry, layout, settings.collect.max_megapixels, MAX_SIDE)
        for i, entry in enumerate(chunk)
    }
    photographs = {i: read for i, read in results.items() if isinstance(read, Photograph)}
    found: dict[int, Detections | Exception] = {}
    least = settings.faces.min_face_pixels
    for smallest in sorted({max(settings.faces.first_look_pixels, least), least}, reverse=True):
        todo = [i for i in photographs if i not in found or not _sure(found[i], settings)]
        pictures = [photographs[i].small for i in todo]
        looked = isolate(partial(detector.detect, smallest=smallest), pictures)
        found |= dict(zip(todo, looked, strict=True))
    done: list[tuple[Entry, Entry | ImageError]] = []
    for i, entry in enumerate(chunk):
        read = results[i]
        if isinstance(read, Photograph):
            done.append((entry, _kept(entry, read, found[i], settings, layout)))
        else:
            done.append((entry, read))
    return done


def _kept(
    entry: Entry,
    photograph: Photograph,
    found: Detections | Exception,
    settings: Settings,
    layout: Layout,
) -> Entry | ImageError:
    """The entry of a photograph, or why there is none."""
    if isinstance(found, Exception):
        return ImageError("detector_failed", f"{type(found).__name__}: {found}")
    sure = _sure(found, settings)
    if not len(found):
        return ImageError("no_face", f"{photograph.width}x{photograph.height} pixels")
    if not sure:
        least = f"{settings.faces.min_score:g}"
        return ImageError("low_score", f"best score {found.scores.max():.3f} < {least}")
    own = entry_of(entry, photograph.in_full(sure), photograph.width, photograph.height)
    if len(sure) > 1:
        return own
    try:
        crop = crop_of(own, 0, photograph.full())
    except ImageError as error:
        return error
    except ValueError as error:
        return ImageError("no_alignment", str(error))
    return keep_face(own, 0, crop, {"by": "only"}, layout)


def _sure(found: Detections | Exception, settings: Settings) -> Detections:
    """The faces that count."""
    if isinstance(found, Exception):
        return Detections(*(np.empty(shape, np.float32) for shape in ((0, 4), 0, (0, 5, 2))))
    sure = found.scores >= settings.faces.min_score
    return Detections(found.boxes[sure], found.scores[sure], found.landmarks[sure])


def key_of(entry: Entry) -> tuple[str, str]:
    """What names a photograph, whatever its split."""
    return entry["person_id"], entry["key"]
