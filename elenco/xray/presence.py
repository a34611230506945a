"""Who is on screen at a moment: appearances as a film goes on, and boxes as they move."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from elenco.xray.types import Appearance, Box, OnScreen, Track, Unknown, XRay

ROUNDING = 0.0005  # seconds: times are written in whole milliseconds
TOLERANCE = 0.004  # share of the picture by which a thinned box may be off: 5 pixels of 1280


@dataclass(frozen=True)
class Shown:
    """Somebody who is on screen.

    Attributes:
        who: a person, or somebody unknown.
        appearance: the one that goes on.
    """

    who: OnScreen | Unknown
    appearance: Appearance


@dataclass(frozen=True)
class Presence:
    """A time in which nobody comes or goes.

    Attributes:
        start: seconds.
        end: seconds; later.
        shown: who is on screen, people before unknown ones; never empty.
    """

    start: float
    end: float
    shown: tuple[Shown, ...]


def presences(xray: XRay) -> Iterator[Presence]:
    """The times in which somebody is on screen, in order; they do not overlap."""
    everybody = [
        Shown(who, appearance)
        for who in (*xray.people, *xray.unknown)
        for appearance in who.appearances
        if appearance.end > appearance.start
    ]
    borders = sorted({t for s in everybody for t in (s.appearance.start, s.appearance.end)})
    coming = sorted(range(len(everybody)), key=lambda n: everybody[n].appearance.start)
    here: set[int] = set()
    next_one = 0
    for start, end in pairwise(borders):
        here = {n for n in here if everybody[n].appearance.end > start}
        while next_one < len(coming) and everybody[coming[next_one]].appearance.start <= start:
            here.add(coming[next_one])
            next_one += 1
        if here:
            yield Presence(start, end, tuple(everybody[n] for n in sorted(here)))


def box_at(track: Track, time: float) -> Box:
    """Where a face is: between two boxes on a straight line, outside them where the next one is."""
    times = [box.t for box in track.boxes]
    sides = np.array([box[1:] for box in track.boxes])
    return Box(time, *(float(np.interp(time, times, side)) for side in sides.T))


def is_on(track: Track, time: float) -> bool:
    """Whether a track is on screen at the time of a frame, which is not rounded."""
    return track.start - ROUNDING <= time < track.end - ROUNDING


def thinned(boxes: Sequence[Box]) -> tuple[Box, ...]:
    """Those between which all others are, by TOLERANCE, on straight lines (Douglas, Peucker 1973).

    Args:
        boxes: by time. The first and the last one are kept.
    """
    values = np.array(boxes, np.float64).reshape(-1, 5)
    keep = {0, len(boxes) - 1}
    todo = [(0, len(boxes) - 1)]
    while todo:
        first, last = todo.pop()
        if last - first < 2:
            continue
        a, b, between = values[first], values[last], values[first + 1 : last]
        share = (between[:, :1] - a[0]) / max(b[0] - a[0], 1e-9)
        off = np.abs(between[:, 1:] - a[1:] - share * (b[1:] - a[1:])).max(axis=1)
        worst = int(off.argmax())
        if off[worst] > TOLERANCE:
            middle = first + 1 + worst
            keep.add(middle)
            todo += [(first, middle), (middle, last)]
    return tuple(boxes[n] for n in sorted(keep))


def around(boxes: Sequence[Box]) -> tuple[float, float, float, float]:
    """x, y, w, h of what holds all boxes: shares, inside the picture."""
    corners = np.array([(b.x, b.y, b.x + b.w, b.y + b.h) for b in boxes]).clip(0, 1)
    x1, y1 = corners[:, :2].min(axis=0).tolist()
    x2, y2 = corners[:, 2:].max(axis=0).tolist()
    return x1, y1, x2 - x1, y2 - y1
