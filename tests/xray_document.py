"""An `XRay` of whoever is said to be on screen when."""

from collections.abc import Sequence
from pathlib import Path

from elenco.storage import write_bytes
from elenco.xray.types import XRay

NOTHING = {"given": 0, "kept": 0, "skipped": {}}
Spans = Sequence[tuple[float, float]]


def document(
    people: Sequence[tuple[str, str, str | None, Spans]],
    unknown: Sequence[Spans] = (),
    *,
    duration: float = 60.0,
    scenes: Spans = ((0.0, 60.0),),
    size: tuple[int, int] = (640, 360),
    places: Sequence[float] = (0.2, 0.6),
    **changes,
) -> XRay:
    """A document; a span is a track and an appearance, its box moves down by a tenth.

    Args:
        people: id, name, character and spans of each.
        unknown: spans of each.
        places: left edges of the boxes, of the people and unknown ones in turn.
        changes: of what is at the root.
    """
    everybody = [(one[0], None, one[3]) for one in people]
    everybody += [(None, number, spans) for number, spans in enumerate(unknown, 1)]
    owned = sorted(
        (start, end, n, person, stranger)
        for n, (person, stranger, spans) in enumerate(everybody)
        for start, end in spans
    )
    tracks = [
        {
            "id": number,
            "shot": 0,
            "start": start,
            "end": end,
            "person": person,
            "unknown": stranger,
            "confidence": 0.9,
            "candidates": [],
            "quality": 0.5,
            "boxes": [
                (t, places[n % len(places)], y, 0.1, 0.3)
                for t, y in ((start, 0.3), ((start + end) / 2, 0.35), (end - 0.04, 0.4))
            ],
        }
        for number, (start, end, n, person, stranger) in enumerate(owned)
    ]

    def seen(whose: int) -> dict:
        mine = [(number, *one) for number, one in enumerate(owned) if one[2] == whose]
        return {
            "seconds": round(sum(end - start for _, start, end, *_ in mine), 3),
            "face": f"faces/track-{mine[0][0]:06d}.jpg",
            "appearances": [
                {"start": start, "end": end, "confidence": 0.9, "tracks": [number]}
                for number, start, end, *_ in mine
            ],
        }

    width, height = size
    value = {
        "fingerprint": "ab" * 32,
        "video": {
            "name": "film.mp4",
            "sha256": "cd" * 32,
            "duration": duration,
            "width": width,
            "height": height,
            "fps": 25.0,
            "rotation": 0,
            "codec": "h264",
        },
        "model": {
            "version": "v000001",
            "embedder": "dlib_resnet",
            "people": 40,
            "threshold": 0.6,
            "pooled_threshold": 0.7,
            "scale": 100.0,
        },
        "cast": {"source": "everyone"},
        "settings": {},
        "people": [
            {"id": one[0], "name": one[1], "character": one[2], "confidence": 0.9} | seen(n)
            for n, one in enumerate(people)
        ],
        "unknown": [
            {"id": n, "label": f"Unknown {n}", "scenes": 1} | seen(len(people) + n - 1)
            for n in range(1, len(unknown) + 1)
        ],
        "scenes": [{"id": n, "start": a, "end": b} for n, (a, b) in enumerate(scenes)],
        "shots": [{"id": n, "scene": n, "start": a, "end": b} for n, (a, b) in enumerate(scenes)],
        "tracks": tracks,
        "counts": {"frames": NOTHING, "faces": NOTHING, "cast": NOTHING},
    }
    return XRay.model_validate(value | changes)


def write_faces(xray: XRay, out: Path, face: bytes) -> None:
    """A picture for everybody who is seen."""
    for one in (*xray.people, *xray.unknown):
        write_bytes(out / one.face, face)
