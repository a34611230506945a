"""What tests of X-Ray have in common: small films, faces without pictures, a gallery of vectors."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from elenco.demo.face_model import DIM, face_model
from elenco.demo.film import Head, Move, Role, Take
from elenco.demo.portraits import FACE_BOX
from elenco.recognition.dataset import Dataset
from elenco.recognition.fit import fit
from elenco.recognition.gallery import Gallery
from elenco.settings import Settings
from elenco.types import EmbeddingSpace
from elenco.vectors import unit
from elenco.xray.faces import SeenFace, SeenFrame
from elenco.xray.segments import FaceTrack

SPACE = EmbeddingSpace("made_up", "ab" * 32, 32, "none")


def write_video(
    path: Path,
    pictures,
    *,
    codec: str = "mpeg4",
    times=None,
    fps: int = 25,
    rotation: int = 0,
    pix_fmt: str = "yuv420p",
    options=None,
) -> Path:
    """RGB pictures as a video; `times` in thousandths of a second, where they are uneven."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.options = options or {}
        if rotation:
            stream.set_display_rotation(rotation)
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts = number if times is None else times[number]
            frame.time_base = Fraction(1, fps if times is None else 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def patterns(count: int, width: int = 64, height: int = 48, seed: int = 0) -> list[np.ndarray]:
    """Pictures that hardly differ: one pattern that moves by a pixel now and then."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (6, 8, 3), np.uint8)
    large = np.kron(small, np.ones((-(-height // 6), -(-width // 8), 1), np.uint8))
    large = large[:height, :width]
    return [np.ascontiguousarray(np.roll(large, n // 10, axis=1)) for n in range(count)]


def person(number: int) -> np.ndarray:
    """Somebody of the face model."""
    return np.random.default_rng((7, number)).standard_normal(DIM).astype(np.float32)


def head(number: int, look: int, who: str | None = None) -> Head:
    """A head of the face model; another `look`, another photograph of the same person."""
    rng = np.random.default_rng((8, number, look))
    face = face_model().sample(person(number), rng.standard_normal(DIM).astype(np.float32))
    edge = 40  # pixels: a head is wider than the model's picture
    face = cv2.copyMakeBorder(face, edge, edge, edge, edge, cv2.BORDER_REPLICATE)
    return Head.of(who or f"p{number}", face, [v + edge for v in FACE_BOX])


def stays(one: Head, x: float, y: float = 0.5, size: float = 0.4, **options) -> Role:
    """A head that stays where it is."""
    place = (x, y, size, 0.0)
    return Role(one, Move(place, place, options.pop("sway", 0.0)), **options)


def wall(seed: int) -> np.ndarray:
    """Plain colours."""
    rng = np.random.default_rng((9, seed))
    small = rng.integers(30, 220, (3, 4, 3), np.uint8)
    return np.kron(small, np.ones((60, 80, 1), np.uint8))


def take(seed: int, *roles: Role, seconds: float = 1.0, **options) -> Take:
    return Take(seconds, wall(seed), roles, **options)


def seen(x: float, y: float = 0.4, look: int = 0, score: float = 0.99, quality=0.8) -> SeenFace:
    """A face of a tenth of the picture; another look, another face."""
    rng = np.random.default_rng((3, look))
    crop = np.kron(rng.integers(0, 256, (16, 16, 3), np.uint8), np.ones((16, 16, 1), np.uint8))
    box = np.array([x, y, 0.1, 0.15], np.float32)
    return SeenFace(box, 1.5, score, crop, (40.0, 1.0, 0.0), quality)


def frame(time: float, *faces: SeenFace) -> SeenFrame:
    return SeenFrame(time, list(faces), {})


def directions(count: int, seed: int = 0) -> np.ndarray:
    """Unit vectors of people."""
    rng = np.random.default_rng(seed)
    return unit(rng.standard_normal((count, SPACE.dim)).astype(np.float32))


def photographs(vector: np.ndarray, count: int, seed: int, spread: float = 0.5) -> np.ndarray:
    """Vectors of photographs of a person; unit length, `spread` away from their direction."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((count, len(vector))) * spread / len(vector) ** 0.5
    return unit((vector + noise).astype(np.float32))


def make_gallery(people: np.ndarray, settings: Settings, each: int = 6) -> Gallery:
    """A gallery of people `p00`, `p01`, … of these directions."""
    ids = np.array([f"p{n:02d}" for n in range(len(people))])
    vectors = np.concatenate([photographs(v, each, n) for n, v in enumerate(people)])
    labels = np.repeat(np.arange(len(people)), each)
    ones = np.ones(len(labels), np.float32)
    data = Dataset(
        vectors,
        labels,
        ids[labels],
        np.array([f"Person {i}" for i in ids])[labels],
        np.array([f"k{n}" for n in range(len(labels))]),
        ids,
        ones,
        ones,
        ones,
        ones,
        SPACE,
    )
    return fit(data, settings)


def face_track(
    start: float, end: float, vectors: np.ndarray, quality: float = 0.9, x: float = 0.2
) -> FaceTrack:
    """A track with a box at its start and one at its end."""
    boxes = np.array([[start, x, 0.3, 0.1, 0.2], [end, x, 0.3, 0.1, 0.2]])
    good = np.full(len(vectors), quality, np.float32)
    return FaceTrack(start, end, boxes, vectors, good, b"jpeg")
