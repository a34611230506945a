"""Faces of one shot, followed from sample to sample.

A face is taken for the one that was followed so far where the boxes meet, both widened, as faces
move between samples (C-BIoU, Yang et al. 2023, arXiv:2211.13509), after moving on the old one by
its own observations (OC-SORT, Cao et al. 2023, arXiv:2203.14360), and where the aligned faces look
alike pixel by pixel. Faces of a low score go on with a track and begin none (ByteTrack, Zhang et
al. 2022, arXiv:2110.06864). Where it is not plain who is who, as where two people cross, tracks end
and new ones begin: it is for vectors to say later which belong together.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from jaxtyping import Float32, Float64
from scipy.optimize import linear_sum_assignment

from elenco.faces.geometry import iou
from elenco.xray.faces import SeenFace, SeenFrame

WIDEN = 0.35  # of a box's sides, at each of its sides
_MEET = 0.08  # overlap of two widened boxes from which on they may be of one face
# A small face that is fast leaves its box behind: sides that it may be away, and how alike it is.
_FAR, _SAME = 3.0, 0.85
_GROWTH = 2.2  # times that a side may become longer or shorter from one sample to the next
# Correlation of two aligned faces, 16x16 pixels: of 300 pairs of people of LFW 5 % have over 0.65
# and 1 % over 0.73; from sample to sample one face has over 0.9.
_ALIKE, _OTHER = 0.7, 0.35
_PLAIN = 0.25  # by how much the right one leads in overlap and likeness together
PATIENCE = 0.7  # seconds for which a face may not be found
LEAST_SEEN = 2  # samples in which a face is found at least
_BACK = 0.7  # seconds of observations from which its motion is taken


@dataclass(eq=False)
class Tracklet:
    """A face that was followed.

    Attributes:
        times: seconds at which it was found.
        boxes: x, y, w, h as shares of the picture at each.
        before: seconds of the sample before the first; None where that is the shot's first.
        after: seconds of the sample after the last; None where that is the shot's last.
        best: the faces to be embedded, by time.
        look: the last face, small, to be compared with the next.
        part_of: what it was split from.
    """

    times: list[float]
    boxes: list[Float32[np.ndarray, " 4"]]
    before: float | None
    after: float | None = None
    best: list[tuple[float, SeenFace]] = field(default_factory=list)
    look: Float32[np.ndarray, " 256"] = field(default_factory=lambda: np.zeros(256, np.float32))
    part_of: "Tracklet | None" = None

    @property
    def whole(self) -> "Tracklet":
        """What it was split from, or itself."""
        return self if self.part_of is None else self.part_of.whole

    def split(self, time: float) -> "tuple[Tracklet, Tracklet]":
        """In two, where it was found before and from a time on; both sides were."""
        place = int(np.searchsorted(self.times, time))
        times, boxes = self.times, self.boxes
        best = [[f for f in self.best if f[0] < time], [f for f in self.best if f[0] >= time]]
        return (
            Tracklet(
                times[:place], boxes[:place], self.before, times[place], best[0], part_of=self
            ),
            Tracklet(
                times[place:], boxes[place:], times[place - 1], self.after, best[1], part_of=self
            ),
        )

    def expected(self, time: float) -> Float64[np.ndarray, " 4"]:
        """The box, moved on to a time."""
        last = self.boxes[-1].astype(np.float64)
        earlier = [i for i, t in enumerate(self.times[:-1]) if self.times[-1] - t <= _BACK]
        if not earlier:
            return last
        first = earlier[0]
        seconds = self.times[-1] - self.times[first]
        middle, before = (box[:2] + box[2:] / 2 for box in (last, self.boxes[first]))
        # Half of a long way is guessed: nobody keeps going for long.
        ahead = min(time - self.times[-1], PATIENCE / 2)
        last[:2] += (middle - before) / seconds * ahead
        return last


class Tracker:
    """Follows the faces of one shot.

    Args:
        least_score: detector score from which on a face begins a track, 0..1.
        most: faces of a track that are kept to be embedded.

    Attributes:
        skipped: faces that are in no track, by reason: `low_score`, `short_track`.
    """

    def __init__(self, least_score: float, most: int) -> None:
        self._least_score, self._most = least_score, most
        self._open: list[Tracklet] = []
        self._before: float | None = None
        self.skipped: Counter[str] = Counter()

    def step(self, frame: SeenFrame) -> list[Tracklet]:
        """Go on with the next sample; the tracks that have ended."""
        given = list(frame.faces)
        looks = [_look(face) for face in given]
        pairs, unclear = self._match(frame.time, given, looks)
        ended: list[Tracklet] = []
        going: list[Tracklet] = []
        for place, track in enumerate(self._open):
            if place in pairs:
                face = pairs[place]
                self._add(track, frame.time, given[face], looks[face])
                track.after = None
                going.append(track)
                continue
            if track.after is None:
                track.after = frame.time
            late = frame.time - track.times[-1] > PATIENCE
            (ended if late or place in unclear else going).append(track)
        taken = set(pairs.values())
        for place, face in enumerate(given):
            if place in taken:
                continue
            if face.score < self._least_score:
                self.skipped["low_score"] += 1
                continue
            track = Tracklet([], [], self._before)
            self._add(track, frame.time, face, looks[place])
            going.append(track)
        self._open, self._before = going, frame.time
        return self._long_enough(ended)

    def finish(self) -> list[Tracklet]:
        """The shot is over; the tracks that were still going."""
        ended, self._open, self._before = self._open, [], None
        return self._long_enough(ended)

    def _match(
        self,
        time: float,
        faces: Sequence[SeenFace],
        looks: Sequence[Float32[np.ndarray, " 256"]],
    ) -> tuple[dict[int, int], set[int]]:
        """Which open track goes on with which face; and which may go on with several."""
        if not self._open or not faces:
            return {}, set()
        expected = np.stack([track.expected(time) for track in self._open])
        boxes = np.stack([face.box for face in faces]).astype(np.float64)
        meeting = iou(_widened(expected), _widened(boxes))
        alike = np.stack([track.look for track in self._open]) @ np.stack(looks).T
        sides = np.abs(np.log(expected[:, None, 3] / boxes[None, :, 3]))
        near = (meeting >= _MEET) & (alike >= _OTHER)
        fast = (_away(expected, boxes) <= _FAR) & (alike >= _SAME)
        possible = (near | fast) & (sides <= np.log(_GROWTH))
        value = np.where(possible, meeting + alike, -1.0)
        rows, columns = linear_sum_assignment(value, maximize=True)
        pairs: dict[int, int] = {}
        unclear: set[int] = set()
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            if not possible[row, column]:
                continue
            others = np.concatenate(
                [np.delete(value[row], column), np.delete(value[:, column], row)]
            )
            plain = value[row, column] - others.max(initial=-1.0) >= _PLAIN
            if plain or alike[row, column] >= _ALIKE > self._next_alike(alike, row, column):
                pairs[row] = column
            else:
                unclear.add(row)
        return pairs, unclear

    def _next_alike(self, alike: Float32[np.ndarray, "t f"], row: int, column: int) -> float:
        return float(
            np.concatenate([np.delete(alike[row], column), np.delete(alike[:, column], row)]).max(
                initial=-1.0
            )
        )

    def _add(
        self, track: Tracklet, time: float, face: SeenFace, look: Float32[np.ndarray, " 256"]
    ) -> None:
        track.times.append(time)
        track.boxes.append(face.box)
        track.look = look
        track.best.append((time, face))
        if len(track.best) > 2 * self._most:
            track.best.pop(_least_missed(track.best))

    def _long_enough(self, ended: Sequence[Tracklet]) -> list[Tracklet]:
        kept = []
        for track in ended:
            if len(track.times) < LEAST_SEEN:
                self.skipped["short_track"] += len(track.times)
                continue
            while len(track.best) > self._most:
                track.best.pop(_least_missed(track.best))
            kept.append(track)
        return kept


def _least_missed(best: Sequence[tuple[float, SeenFace]]) -> int:
    """Which of the faces to do without: the worse of two neighbours, the nearer and worse first."""
    costs = []
    for place in range(len(best) - 1):
        (before, a), (after, b) = best[place], best[place + 1]
        worse = place if a.quality < b.quality else place + 1
        costs.append(((after - before) * (0.05 + min(a.quality, b.quality)), worse))
    return min(costs)[1]


def _look(face: SeenFace) -> Float32[np.ndarray, " 256"]:
    """The middle of the aligned face at 16x16 pixels, of mean 0 and length 1."""
    grey = cv2.cvtColor(face.crop[62:190, 70:186], cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (16, 16), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    small -= small.mean()
    return small / max(float(np.linalg.norm(small)), 1e-6)


def _away(
    boxes: Float64[np.ndarray, "n 4"], others: Float64[np.ndarray, "m 4"]
) -> Float64[np.ndarray, "n m"]:
    """How far the middles of boxes are apart, in sides of the larger of two."""
    a, b = boxes[:, None], others[None]
    steps = a[..., :2] + a[..., 2:] / 2 - b[..., :2] - b[..., 2:] / 2
    return np.hypot(*np.moveaxis(steps / np.maximum(a[..., 2:], b[..., 2:]), 2, 0))


def _widened(boxes: Float64[np.ndarray, "n 4"]) -> Float64[np.ndarray, "n 4"]:
    """Corners x1, y1, x2, y2 of boxes x, y, w, h that are made larger."""
    corner = boxes[:, :2] - WIDEN * boxes[:, 2:]
    return np.concatenate([corner, corner + (1 + 2 * WIDEN) * boxes[:, 2:]], axis=1)
