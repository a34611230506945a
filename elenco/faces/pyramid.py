"""The image pyramid, all levels of a picture side by side on one canvas.

One call of a fully convolutional network then searches every scale, and pictures of different sizes
share a canvas size: networks meet fewer shapes. The idea is dlib's (create_tiled_pyramid).
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float64, Int8, Int64, UInt8

from elenco.faces.images import Picture

CELL = 12  # pixels: side of the window that P-Net judges
STRIDE = 2  # pixels between windows
STEP = 0.709  # between levels: half the area
ROUND = 16  # pixels that a canvas's sides are multiples of
GREY = 128  # between levels
LARGE = 256  # pixels: a picture with a longer side is halved before levels are made of it
MOST_HALVED = 8

_Rectangle = tuple[int, int, int, int]  # x, y, width, height


@dataclass(frozen=True, eq=False)
class Pyramid:
    """Where the levels of a picture of one size lie on their canvas.

    Attributes:
        levels: x, y, width and height of each on the canvas, in pixels; the largest first.
        scales: pixels of each for a pixel of the picture, before sides are cut to whole pixels.
        height: of the canvas.
        width: of the canvas.
        level_of: the level that a window lies in as a whole, by the window's place in the grid
            of windows; -1 where it lies in none.
        size: height and width of the picture, in pixels.
    """

    levels: tuple[_Rectangle, ...]
    scales: tuple[float, ...]
    height: int
    width: int
    level_of: Int8[np.ndarray, "rows columns"]
    size: tuple[int, int]

    def draw(self, picture: Picture) -> UInt8[np.ndarray, "height width 3"]:
        """Put every level of a picture on the canvas, averaged down."""
        canvas = np.full((self.height, self.width, 3), GREY, np.uint8)
        down, across = self.size
        # OpenCV averages slowly by factors other than two: a large picture is halved first, with
        # sides that can be halved without a remainder, which would shift what is on it.
        border = (0, -down % MOST_HALVED, 0, -across % MOST_HALVED)
        source = cv2.copyMakeBorder(picture, *border, cv2.BORDER_REPLICATE)
        halved = 1
        for x, y, width, height in self.levels:
            while (
                max(source.shape) > LARGE
                and halved < MOST_HALVED
                and down >= 2 * halved * height
                and across >= 2 * halved * width
            ):
                source = cv2.resize(source, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
                halved *= 2
            fx, fy = halved * width / across, halved * height / down
            level = cv2.resize(source, None, fx=fx, fy=fy, interpolation=cv2.INTER_AREA)
            canvas[y : y + height, x : x + width] = level[:height, :width]
        return canvas

    def corners(
        self, rows: Int64[np.ndarray, " n"], columns: Int64[np.ndarray, " n"]
    ) -> tuple[Int64[np.ndarray, " n"], Float64[np.ndarray, "n 2"], Float64[np.ndarray, " n"]]:
        """Say where windows are, by their place in the grid of windows.

        Returns:
            Their levels; their upper left corners, x and y, in pixels of the level; and pixels
            of the picture that a pixel of the level stands for.
        """
        level = self.level_of[rows, columns].astype(np.int64)
        places = np.array(self.levels, np.float64)[level]
        corner = np.stack([columns, rows], axis=1) * STRIDE - places[:, :2]
        return level, corner, 1 / np.array(self.scales)[level]


@lru_cache(maxsize=1024)
def pyramid(height: int, width: int, smallest: int) -> Pyramid:
    """Lay out the pyramid of a picture in which faces from `smallest` pixels on are looked for.

    Args:
        height: of the picture, in pixels.
        width: of the picture.
        smallest: side of the smallest face, in pixels. It fills P-Net's window in the first level;
            in the last, the picture's shorter side nearly does.
    """
    # Where nothing so small fits, the picture as a whole is looked at.
    scale = max(CELL / smallest, CELL / min(height, width))
    scales = [min(scale, 1.0)]
    while min(height, width) * scales[-1] * STEP >= CELL:
        scales.append(scales[-1] * STEP)
    levels: list[_Rectangle] = []
    for scale in scales:
        levels.append(_place(levels, int(width * scale), int(height * scale)))
    canvas_width, canvas_height = _extent(levels)
    columns, rows = (_up(side) for side in (canvas_width, canvas_height))
    # A byte each: a thousand sizes of pictures are remembered.
    shape = (rows - CELL) // STRIDE + 1, (columns - CELL) // STRIDE + 1
    level_of = np.full(shape, -1, np.int8)
    for number, (x, y, w, h) in enumerate(levels):
        down, across = (h - CELL) // STRIDE + 1, (w - CELL) // STRIDE + 1
        level_of[y // STRIDE :, x // STRIDE :][:down, :across] = number
    return Pyramid(tuple(levels), tuple(scales), rows, columns, level_of, (height, width))


def _place(levels: list[_Rectangle], width: int, height: int) -> _Rectangle:
    """Find the place beside or under an earlier level that makes the canvas grow least.

    At even pixels: the network halves its input once, and its windows must fall as they would if
    the level were alone.
    """
    places = [(0, 0)]
    places += [(_even(x + w), y) for x, y, w, _ in levels]
    places += [(x, _even(y + h)) for x, y, _, h in levels]
    free = [
        (x, y, width, height)
        for x, y in places
        if all(
            x + width <= a or a + w <= x or y + height <= b or b + h <= y for a, b, w, h in levels
        )
    ]

    def area(place: _Rectangle) -> tuple[int, int, int]:
        columns, rows = _extent([*levels, place])
        return columns * rows, place[1], place[0]

    return min(free, key=area)


def _extent(levels: list[_Rectangle]) -> tuple[int, int]:
    return max(x + w for x, _, w, _ in levels), max(y + h for _, y, _, h in levels)


def _even(pixels: int) -> int:
    return pixels + pixels % 2


def _up(pixels: int) -> int:
    return -(-pixels // ROUND) * ROUND
