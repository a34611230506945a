"""Where one shot ends and the next begins.

Every frame is looked at, at 64x36 pixels. A cut is a frame that differs from those before it, by
colour histogram and by pixels, far more than its neighbours differ from one another, and from all
that follow within a fifth of a second: a flash is none. A dissolve is a stretch whose frames are
mixtures of its first and its last, and these two do not resemble one another.

Zhang, Kankanhalli & Smoliar 1993, "Automatic partitioning of full-motion video" (histograms and
pixels, adaptive thresholds); Lienhart 1999, "Comparison of automatic shot boundary detection
algorithms" (dissolves as linear mixtures).
"""

from collections import deque
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from av.video.frame import VideoFrame
from jaxtyping import Float32, UInt8

Small = UInt8[np.ndarray, "3 36 64"]  # Y, U, V
Look = Float32[np.ndarray, " bins"]

WIDTH, HEIGHT = 64, 36
LUMA_BINS, COLOUR_BINS = 32, 8
SHIFT = 2  # pixels that a frame may have moved as a whole, either way
_NOISE = 4.0  # grey levels: added to the contrast that a difference is set against

LEAST = 0.2  # difference of two neighbours that may be a cut
OVER_NEIGHBOURS = 3.0  # and how many times the middle difference around it has to be exceeded
AROUND = 0.5  # seconds of neighbours on either side that count for that
AHEAD = 0.21  # seconds on either side of a cut in which nothing resembles the other side
SHORTEST = 0.1  # seconds: no shot is shorter
MOST_AHEAD = 16  # frames; a film of more frames a second is looked at that far

# Seconds between first and last frame of what may be a dissolve.
DISSOLVES = (0.35, 0.7, 1.1)
_MIXTURE = 0.2  # share of the change that mixing the first and the last leaves unexplained
_ALIKE = 0.5  # correlation of first and last: light that changes on one scene is no dissolve
_EVERY = 3  # frames between two looks for a dissolve
_PATIENCE = 0.2  # seconds for which a window with a greater change is waited for

Kind = Literal["cut", "dissolve"]


@dataclass(frozen=True)
class Boundary:
    """A shot begins. `index` is that of its first frame, counted from the detector's first."""

    index: int
    kind: Kind


@dataclass(frozen=True)
class _Seen:
    index: int
    time: float
    small: Small
    look: Look


def shrink(picture: VideoFrame) -> Small:
    """The frame at 64x36 pixels, averaged down; of any format."""
    small = picture.reformat(WIDTH, HEIGHT, "yuv444p", interpolation="AREA")
    return small.to_ndarray()


def look_of(small: Small) -> Look:
    """Histogram of luma, and joint histogram of chroma, each of sum 0.5."""
    luma = np.asarray(cv2.calcHist([small[0]], [0], None, [LUMA_BINS], [0, 256]), np.float32)
    # A step of brightness should not move all pixels at once.
    luma = np.convolve(luma.ravel(), np.array([0.25, 0.5, 0.25], np.float32), "same")
    bins = [COLOUR_BINS, COLOUR_BINS]
    chroma = cv2.calcHist([small[1], small[2]], [0, 1], None, bins, [64, 192, 64, 192]).ravel()
    parts = [part / max(float(part.sum()), 1e-6) / 2 for part in (luma, chroma)]
    return np.concatenate(parts).astype(np.float32)


def difference(a: Small, b: Small, look_a: Look, look_b: Look) -> float:
    """How much two frames differ, 0..1: the mean of what histograms and pixels say."""
    colours = float(np.abs(look_a - look_b).sum()) / 2
    inner = b[0, SHIFT:-SHIFT, SHIFT:-SHIFT]
    squares = cv2.matchTemplate(a[0], np.ascontiguousarray(inner), cv2.TM_SQDIFF)
    residual = float(max(0.0, squares.min()) / inner.size) ** 0.5
    contrast = float(a[0].std() + b[0].std()) + _NOISE
    return (colours + min(1.0, residual / contrast)) / 2


class ShotDetector:
    """Finds boundaries in frames that are shown to it one by one."""

    def __init__(self) -> None:
        self._frames: deque[_Seen] = deque()
        self._changes: deque[tuple[int, float, float]] = deque()  # index, time, difference
        self._next_change = 0  # index of the first change that is not judged yet
        self._begun = 0  # index of the shot's first frame
        self._begun_at = -1.0
        self._mixture: tuple[float, float, int] | None = None  # change, time, index of its middle
        self._mixed_until = -1.0  # time of the last frame of the last dissolve
        self._count = 0

    @property
    def sure_of_cuts(self) -> int:
        """No cut is before the frame of this index any more that was not told of."""
        return self._next_change

    @property
    def sure(self) -> int:
        """Nor any boundary before the frame of this index."""
        return self._frames[0].index if self._frames else 0

    def push(self, time: float, small: Small) -> list[Boundary]:
        """Show the next frame; what has become certain."""
        seen = _Seen(self._count, time, small, look_of(small))
        self._count += 1
        if self._frames:
            before = self._frames[-1]
            change = difference(before.small, small, before.look, seen.look)
            self._changes.append((seen.index, time, change))
        self._frames.append(seen)
        found = self._judge(time)
        if seen.index % _EVERY == 0:
            found += self._dissolve()
        self._forget(time)
        return found

    def finish(self) -> list[Boundary]:
        """There are no more frames; what is left."""
        return self._judge(float("inf"))

    def _judge(self, now: float) -> list[Boundary]:
        """Cuts among the changes that enough is known about."""
        found = []
        for index, time, change in self._changes:
            if index < self._next_change:
                continue
            if time + AHEAD > now and self._count - index <= MOST_AHEAD:
                break
            self._next_change = index + 1
            if time < self._begun_at + SHORTEST or change < LEAST:
                continue
            if self._stands_out(index, time, change) and self._parts(index):
                found.append(Boundary(index, "cut"))
                self._begun, self._begun_at, self._mixture = index, time, None
        return found

    def _stands_out(self, index: int, time: float, change: float) -> bool:
        others = [c for i, t, c in self._changes if i != index and abs(t - time) <= AROUND]
        return change >= OVER_NEIGHBOURS * float(np.median(others)) if others else True

    def _parts(self, index: int) -> bool:
        """Whether nothing shortly before a frame resembles anything shortly after it."""
        frames = {frame.index: frame for frame in self._frames}
        middle = frames[index].time
        near = [f for f in self._frames if abs(f.time - middle) <= AHEAD]
        before = [f for f in near if self._begun <= f.index < index][-MOST_AHEAD:]
        before = before or [frames[index - 1]]
        after = [f for f in near if f.index >= index][:MOST_AHEAD] or [frames[index]]
        return all(
            difference(a.small, b.small, a.look, b.look) >= LEAST for a in before for b in after
        )

    def _dissolve(self) -> list[Boundary]:
        """Of windows in which frames are mixed, the one of the greatest change, when it is past."""
        last = self._frames[-1]
        found = self._window(last)
        if found is not None and (self._mixture is None or found[0] > self._mixture[0]):
            self._mixture = found[0], last.time, found[1]
        elif self._mixture is not None and last.time - self._mixture[1] >= _PATIENCE:
            _, self._mixed_until, index = self._mixture
            self._begun, self._mixture = index, None
            self._begun_at = next(f.time for f in self._frames if f.index == index)
            return [Boundary(index, "dissolve")]
        return []

    def _window(self, last: _Seen) -> tuple[float, int] | None:
        """The change from its first to its last frame, and the index of its middle."""
        best = None
        for seconds in DISSOLVES:
            earliest = max(last.time - seconds - 1e-6, self._mixed_until)
            inside = [f for f in self._frames if f.time >= earliest and f.index >= self._begun]
            if len(inside) < 5 or last.time - inside[0].time < 0.8 * seconds:
                continue
            middle = len(inside) // 2
            steps = [inside[len(inside) // 4], inside[middle], inside[3 * len(inside) // 4]]
            change = mixture(inside[0].small, last.small, [step.small for step in steps])
            if change is not None and (best is None or change > best[0]):
                best = change, inside[middle].index
        return best

    def _forget(self, now: float) -> None:
        while self._frames and self._frames[0].time < now - max(DISSOLVES) - _PATIENCE:
            if self._frames[0].index >= min(self._next_change - 1, self._count - 2):
                break
            self._frames.popleft()
        while self._changes and self._changes[0][1] < now - 2 * AROUND - AHEAD:
            self._changes.popleft()


def mixture(first: Small, last: Small, steps: list[Small]) -> float | None:
    """How far frames go over from the first to the last by being mixed of both.

    Args:
        first: a frame.
        last: a later one.
        steps: three frames between, by time.

    Returns:
        The mean squared difference of first and last in grey levels; None where the steps are no
        mixtures, or the two resemble one another.
    """
    a, b = first[0].astype(np.float32).ravel(), last[0].astype(np.float32).ravel()
    change = b - a
    size = float(change @ change)
    if size / len(change) < (2 * _NOISE) ** 2 or _correlation(a, b) > _ALIKE:
        return None
    shares = []
    for step in steps:
        way = step[0].astype(np.float32).ravel() - a
        share = float(way @ change) / size
        rest = way - share * change
        if float(rest @ rest) > _MIXTURE * size:
            return None
        shares.append(share)
    mixed = 0.05 < shares[0] < shares[1] < shares[2] < 0.95 and 0.25 < shares[1] < 0.75
    return size / len(change) if mixed else None


def _correlation(a: Float32[np.ndarray, " n"], b: Float32[np.ndarray, " n"]) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b) / (float(np.sqrt((a @ a) * (b @ b))) + 1e-6)
