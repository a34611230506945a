"""Pictures for reports: faces side by side, and names on faces.

Text is drawn with the scalable font that OpenCV 5 carries: names are written in any script, which
neither its Hershey fonts nor Pillow's default font can do.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from elenco.faces.images import Picture, encode_jpeg

NAMED = (0, 135, 62)  # RGB: white text on it is readable (contrast over 4.5)
UNKNOWN = (97, 97, 97)
WHITE = (255, 255, 255)
BLACK = (32, 32, 32)
WEIGHT = 500  # of the font: 400 is regular, 800 bold
TEXT = 12  # pixels: size of captions
CELL = 128  # pixels: side of a face in a contact sheet
CAPTION = 20  # pixels: height of the text under it
GAP = 6
COLUMNS = 8

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Label:
    """What is drawn of a face.

    Attributes:
        box: x1, y1, x2, y2 in pixels of the picture.
        text: who it is.
        known: whether that is somebody's name.
    """

    box: tuple[float, float, float, float]
    text: str
    known: bool


class Named(Protocol):
    """What a recogniser says of a face: `elenco.recognition.pipeline.Face`."""

    @property
    def box(self) -> tuple[float, float, float, float]: ...
    @property
    def name(self) -> str | None: ...
    @property
    def probability(self) -> float: ...


def annotate(picture: Picture, faces: Sequence[Named]) -> Picture:
    """A copy with a box around each face, who it is, and how probably.

    Args:
        picture: RGB.
        faces: boxes in its pixels.
    """
    labels = [
        Label(face.box, f"{face.name or 'unknown'} {face.probability:.0%}", bool(face.name))
        for face in faces
    ]
    return draw(picture, labels)


def draw(picture: Picture, labels: Sequence[Label]) -> Picture:
    """A copy with a box around each face and a text at it: green for a name, grey for unknown.

    Args:
        picture: RGB.
        labels: those of unknown are drawn first, so that names lie on top.
    """
    image = np.ascontiguousarray(picture).copy()
    height, width = image.shape[:2]
    short = min(height, width)
    line, size = max(2, short // 200), max(12, short // 28)
    for label in sorted(labels, key=lambda label: label.known):
        colour = NAMED if label.known else UNKNOWN
        x1, y1, x2, y2 = (round(value) for value in label.box)
        # White around the colour is seen on pictures of any brightness.
        cv2.rectangle(image, (x1, y1), (x2, y2), WHITE, line + 2)
        cv2.rectangle(image, (x1, y1), (x2, y2), colour, line)
        text = _fit(label.text, width - 8, size)
        across, down = _width(text, size) + 8, round(size * 1.5)
        left = min(max(0, x1), max(0, width - across))
        # Above the box where there is room, else below, else inside.
        top = y1 - down if y1 >= down else min(y2, height - down)
        cv2.rectangle(image, (left, top), (left + across, top + down), colour, cv2.FILLED)
        _write(image, text, left + 4, top + round(size * 1.1), size, WHITE)
    return image


def contact_sheet(faces: Sequence[Picture], captions: Sequence[str]) -> bytes:
    """Faces in rows, each with a caption, as JPEG.

    Args:
        faces: RGB, of any sizes; made to fit squares of CELL pixels.
        captions: one a face; cut short where too long.

    Raises:
        ValueError: there is no face, or not a caption a face.
    """
    if not faces:
        raise ValueError("a contact sheet needs a face")
    columns = min(COLUMNS, len(faces))
    rows = -(-len(faces) // columns)
    across, down = CELL + GAP, CELL + CAPTION + GAP
    sheet = np.full((rows * down + GAP, columns * across + GAP, 3), 255, np.uint8)
    for index, (face, caption) in enumerate(zip(faces, captions, strict=True)):
        x, y = GAP + index % columns * across, GAP + index // columns * down
        ratio = CELL / max(face.shape[:2])
        height, width = (max(1, round(side * ratio)) for side in face.shape[:2])
        way = cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR
        left, top = x + (CELL - width) // 2, y + (CELL - height) // 2
        resized = cv2.resize(face, (width, height), interpolation=way)
        sheet[top : top + height, left : left + width] = resized
        text = _fit(caption, CELL, TEXT)
        middle = x + (CELL - _width(text, TEXT)) // 2
        _write(sheet, text, middle, y + CELL + TEXT + 2, TEXT, BLACK)
    return encode_jpeg(sheet, quality=85)


def data_uri(data: bytes, mime: str = "image/jpeg") -> str:
    """A picture as an address that Markdown and HTML take in place of a file's."""
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def _write(image: Picture, text: str, x: int, y: int, size: int, colour: Colour) -> None:
    """Draw a line of text in place; `x` and `y` are where its baseline starts."""
    cv2.putText(image, text, (x, y), colour, cv2.FontFace("sans"), size, WEIGHT)


def _width(text: str, size: int) -> int:
    room = (1 << 15, size * 2)  # of one line, as long as it may be
    return cv2.getTextSize(room, text, (0, size), cv2.FontFace("sans"), size, WEIGHT)[2]


def _fit(text: str, width: int, size: int) -> str:
    """`text` on one line, cut short with an ellipsis to be at most `width` pixels wide."""
    text = " ".join(text.split())[:200]
    if _width(text, size) <= width:
        return text
    while text and _width(text + "…", size) > width:
        text = text[:-1]
    return text + "…"
