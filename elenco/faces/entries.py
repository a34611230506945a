"""What the detect stage writes of a photograph: JSON from which a crop can be made again."""

from typing import Any

import numpy as np

from elenco.faces.crops import align
from elenco.faces.images import Picture, encode_jpeg
from elenco.faces.quality import measure
from elenco.fingerprint import bytes_sha256
from elenco.layout import Layout
from elenco.storage import write_bytes
from elenco.types import Detections

JPEG_QUALITY = 95

Entry = dict[str, Any]


def entry_of(collected: Entry, found: Detections, width: int, height: int) -> Entry:
    """An entry of a photograph whose face is not chosen yet.

    Args:
        collected: what `collect` wrote of it.
        found: the faces that count, one at least, in pixels of the photograph.
        width: of the photograph, in pixels.
        height: of the photograph, in pixels.

    Returns:
        `person_id`, `key`, `split`, `sha256`, `width`, `height`, and `faces`: `box`, `score` and
        `landmarks` of each, rounded: crops are made from what is written here.
    """
    faces = [
        {
            "box": np.round(box.astype(np.float64), 2).tolist(),
            "score": round(float(score), 6),
            "landmarks": np.round(landmarks.astype(np.float64), 2).tolist(),
        }
        for box, score, landmarks in zip(found.boxes, found.scores, found.landmarks, strict=True)
    ]
    names = ("person_id", "key", "split", "sha256")
    return {name: collected[name] for name in names} | {
        "width": width,
        "height": height,
        "faces": faces,
    }


def faces_of(entry: Entry) -> Detections:
    """The faces of an entry."""
    faces = entry["faces"]
    return Detections(
        np.array([face["box"] for face in faces], np.float32),
        np.array([face["score"] for face in faces], np.float32),
        np.array([face["landmarks"] for face in faces], np.float32),
    )


def crop_of(entry: Entry, face: int, picture: Picture) -> Picture:
    """The canonical crop of one face of a photograph. Raises ValueError, as `align` does."""
    return align(picture, np.array(entry["faces"][face]["landmarks"]))


def keep_face(
    entry: Entry, face: int, crop: Picture, chosen: dict[str, Any], layout: Layout
) -> Entry:
    """Write the crop of the chosen face.

    Args:
        entry: as `entry_of` made it, or as this function did.
        face: index of the face.
        crop: its canonical crop.
        chosen: what is to be remembered of the choice.
        layout: where.

    Returns:
        The entry with `face`, `chosen`, the crop's `crop_sha256`, and `box`, `score`, `landmarks`
        and the measures (`size`, `sharpness`, `yaw`, `pitch`, `roll`) of that face.
    """
    data = encode_jpeg(crop, JPEG_QUALITY)
    write_bytes(layout.crop(entry["split"], entry["person_id"], entry["key"]), data)
    own = entry["faces"][face]
    measures = measure(crop, np.array(own["landmarks"]))
    return entry | {
        "face": face,
        "chosen": chosen,
        "crop_sha256": bytes_sha256(data),
        **own,
        **{name: round(value, 4) for name, value in vars(measures).items()},
    }
