"""What is known of one segment of a video, some minutes, and how that is kept on disk.

One npz a segment, written when the segment is done: a killed run goes on after the last one.
"""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from elenco.storage import read_npz, write_npz
from elenco.xray.sampling import ShotSpan


@dataclass(frozen=True, eq=False)
class FaceTrack:
    """A face followed through a shot, with the vectors of its best faces.

    Attributes:
        start: seconds.
        end: seconds.
        boxes: (k, 5) t, x, y, w, h: seconds, and shares of the picture; by time.
        vectors: (n, d) as the network gives them; n is 1 or more.
        quality: (n,) how far each can be trusted, 0..1.
        face: JPEG of the best of them.
    """

    start: float
    end: float
    boxes: Float64[np.ndarray, "k 5"]
    vectors: Float32[np.ndarray, "n d"]
    quality: Float32[np.ndarray, " n"]
    face: bytes


@dataclass(frozen=True)
class Segment:
    """A part of a video that was looked through.

    Attributes:
        start: seconds of its first frame.
        end: seconds of the next segment's first frame; None for the last one.
        last: seconds at which its last frame ends.
        shots: by time.
        tracks: by start; each lies in one shot.
        frames: how many frames were given, `kept` (looked at), and left out by reason.
        faces: the same of faces.
    """

    start: float
    end: float | None
    last: float
    shots: list[ShotSpan]
    tracks: list[FaceTrack]
    frames: dict[str, int]
    faces: dict[str, int]


def write_segment(segment: Segment, path: Path) -> None:
    """Write one atomically; raises OSError."""
    tracks = segment.tracks
    meta: dict[str, Any] = {
        "start": segment.start,
        "end": segment.end,
        "last": segment.last,
        "frames": segment.frames,
        "faces": segment.faces,
        "shots": [[shot.start, shot.end, shot.joined] for shot in segment.shots],
    }
    jpegs = [np.frombuffer(track.face, np.uint8) for track in tracks]
    write_npz(
        path,
        meta=np.array(json.dumps(meta, sort_keys=True)),
        looks=_joined([shot.looks for shot in segment.shots], np.float32),
        looks_each=_lengths([shot.looks for shot in segment.shots]),
        spans=np.array([(track.start, track.end) for track in tracks]).reshape(-1, 2),
        boxes=_joined([track.boxes for track in tracks], np.float64),
        boxes_each=_lengths([track.boxes for track in tracks]),
        vectors=_joined([track.vectors for track in tracks], np.float32),
        quality=_joined([track.quality for track in tracks], np.float32),
        vectors_each=_lengths([track.vectors for track in tracks]),
        jpegs=_joined(jpegs, np.uint8),
        jpegs_each=_lengths(jpegs),
    )


def read_segment(path: Path) -> Segment | None:
    """The segment in a file; None if there is none, or none that is whole."""
    try:
        arrays = read_npz(path)
        meta = json.loads(str(arrays["meta"]))
        looks = _parted(arrays["looks"], arrays["looks_each"])
        tracks = zip(
            arrays["spans"].tolist(),
            _parted(arrays["boxes"], arrays["boxes_each"]),
            _parted(arrays["vectors"], arrays["vectors_each"]),
            _parted(arrays["quality"], arrays["vectors_each"]),
            _parted(arrays["jpegs"], arrays["jpegs_each"]),
            strict=True,
        )
        return Segment(
            meta["start"],
            meta["end"],
            meta["last"],
            [
                ShotSpan(start, end, look, joined)
                for (start, end, joined), look in zip(meta["shots"], looks, strict=True)
            ],
            [
                FaceTrack(start, end, boxes, vectors, quality, jpeg.tobytes())
                for (start, end), boxes, vectors, quality, jpeg in tracks
            ],
            meta["frames"],
            meta["faces"],
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None  # it is written whole or not at all: somebody damaged it, and it is made again


def _joined(parts: list[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate(parts).astype(dtype) if parts else np.zeros((0,), dtype)


def _lengths(parts: list[np.ndarray]) -> np.ndarray:
    return np.array([len(part) for part in parts], np.int64)


def _parted(joined: np.ndarray, each: np.ndarray) -> list[np.ndarray]:
    ends = np.cumsum(each)
    if (len(joined) if len(each) else 0) != (ends[-1] if len(each) else 0):
        raise ValueError("its arrays do not fit one another")
    return np.split(joined, ends[:-1]) if len(each) else []
