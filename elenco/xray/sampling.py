"""Which frames faces are looked for in: some a second, and the first and last of every shot."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from av.video.frame import VideoFrame
from jaxtyping import Float32

from elenco.xray.shots import Boundary, Look, ShotDetector, look_of, shrink
from elenco.xray.video import Frame

# A frame of the grid so near to the first or last of its shot, in steps of the grid, adds nothing.
_NEAR = 0.4
# Of a segment's length: where no cut ends it by then, it ends all the same.
_AT_MOST = 1.5
MOST_LOOKS = 3


@dataclass(frozen=True)
class Sample:
    """A frame in which faces are looked for. `picture` is as stored: see `upright`."""

    time: float
    picture: VideoFrame


@dataclass(frozen=True)
class ShotSpan:
    """A shot that is over; it comes after its samples.

    Attributes:
        start: seconds.
        end: seconds.
        looks: colour histograms of some samples, its first and its last among them.
        joined: it goes on in the next segment: nothing was cut at its end.
    """

    start: float
    end: float
    looks: Float32[np.ndarray, "k bins"]
    joined: bool = False


@dataclass
class Passed:
    """What went by, filled as samples are taken.

    Attributes:
        frames: how many were decoded.
        samples: how many of them were kept.
        lost: those left out before, by reason.
        end: seconds at which the segment ends, which is where the next one starts; None where the
            video ends.
        last: seconds at which the last frame ends.
    """

    frames: int = 0
    samples: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    end: float | None = None
    last: float = 0.0


@dataclass
class _Held:
    """A frame that waits until it is known whether a shot begins at it."""

    index: int
    frame: Frame
    look: Look
    wanted: bool  # by the grid
    picture: VideoFrame | None
    border: bool = False


def take_samples(
    frames: Iterable[Frame], rate: float, seconds: float, passed: Passed
) -> Iterator[Sample | ShotSpan]:
    """The samples of one segment, shot by shot, each shot followed by its span.

    Args:
        frames: from the segment's first frame on; no more are taken than are needed.
        rate: samples a second.
        seconds: after which the segment ends at the next cut.
        passed: is filled in.
    """
    return _Sampling(rate, seconds, passed).run(frames)


class _Sampling:
    def __init__(self, rate: float, seconds: float, passed: Passed) -> None:
        self._step, self._seconds, self._passed = 1 / rate, seconds, passed
        self._detector = ShotDetector()
        self._held: deque[_Held] = deque()
        self._begins: dict[int, Boundary] = {}
        self._next = 0.0  # of the grid
        self._origin = 0.0
        self._shot = 0.0  # when it began
        self._looks: list[Look] = []
        self._after_border = -np.inf
        self._previous = 0.0

    def run(self, frames: Iterable[Frame]) -> Iterator[Sample | ShotSpan]:
        last = None
        for index, frame in enumerate(frames):
            if last is None:
                self._origin = self._next = self._shot = self._previous = frame.time
            elif frame.time - self._origin >= _AT_MOST * self._seconds:
                ending = self._last_cut()
                yield from self._finish(ending or frame, joined=ending is None)
                return
            found = self._detector.push(frame.time, small := shrink(frame.picture))
            self._hold(index, frame, look_of(small), first=last is None)
            last = frame
            for boundary in found:
                self._begins[boundary.index] = boundary
                if boundary.kind == "cut" and (ending := self._mark(boundary.index)) is not None:
                    yield from self._finish(ending, joined=False)
                    return
            self._drop_pictures(self._detector.sure_of_cuts)
            yield from self._release(self._detector.sure)
        self._last_cut()
        if last is not None:
            yield from self._finish(None, joined=False)

    def _hold(self, index: int, frame: Frame, look: Look, first: bool) -> None:
        wanted = frame.time >= self._next - 1e-6
        if wanted:  # the grid stays where it is, however late a frame is
            steps = np.floor((frame.time - self._origin) / self._step + 1e-6) + 1
            self._next = self._origin + float(steps) * self._step
        self._held.append(_Held(index, frame, look, wanted, frame.picture, border=first))

    def _mark(self, index: int) -> Frame | None:
        """Want the frames on both sides of a cut; the first of the next segment, if it is there."""
        ending = None
        for held in self._held:
            if held.index in (index - 1, index):
                held.border = True
            if held.index == index and held.frame.time - self._origin >= self._seconds:
                ending = held.frame
        return ending

    def _last_cut(self) -> Frame | None:
        """Judge the last frames by what there is of them; as `_mark`, where one is a cut."""
        ending = None
        for boundary in self._detector.finish():
            self._begins[boundary.index] = boundary
            ending = ending or self._mark(boundary.index)
        return ending

    def _drop_pictures(self, sure: int) -> None:
        """A frame that is no sample takes memory no longer than needed."""
        for held in self._held:
            if held.index >= sure - 1:
                break
            if not (held.wanted or held.border):
                held.picture = None

    def _release(self, sure: int) -> Iterator[Sample | ShotSpan]:
        while self._held and self._held[0].index < sure:
            yield from self._pass(self._held.popleft())

    def _finish(self, ending: Frame | None, joined: bool) -> Iterator[Sample | ShotSpan]:
        """Let go of what is before a frame, or of all."""
        until = np.inf if ending is None else ending.time
        kept = [held for held in self._held if held.frame.time < until]
        if kept and (ending is None or joined):
            kept[-1].border = True
        for held in kept:
            yield from self._pass(held)
        passed = self._passed
        passed.end = None if ending is None else ending.time
        if ending is not None:
            passed.last = ending.time
        yield self._span(passed.last, joined)

    def _pass(self, held: _Held) -> Iterator[Sample | ShotSpan]:
        time = held.frame.time
        if held.index in self._begins:
            yield self._span(time, joined=False)
            self._shot, self._looks, self._after_border = time, [], -np.inf
        passed = self._passed
        passed.frames += 1
        passed.lost.update(held.frame.lost)
        # Where the file does not say how long a frame is, it is as long as the one before.
        known = held.frame.until > time
        passed.last = held.frame.until if known else 2 * time - self._previous
        self._previous = time
        if held.border or (held.wanted and not self._is_near_a_border(time)):
            assert held.picture is not None
            passed.samples += 1
            self._add_look(held.look)
            yield Sample(time, held.picture)
        if held.border:
            self._after_border = time

    def _is_near_a_border(self, time: float) -> bool:
        near = _NEAR * self._step
        if time - self._after_border < near:
            return True
        for held in self._held:
            if held.index in self._begins or held.frame.time - time >= near:
                return False
            if held.border:
                return True
        return False

    def _add_look(self, look: Look) -> None:
        """The first ones and the last."""
        if len(self._looks) == MOST_LOOKS:
            self._looks.pop()
        self._looks.append(look)

    def _span(self, end: float, joined: bool) -> ShotSpan:
        looks = np.stack(self._looks) if self._looks else np.zeros((0, 1), np.float32)
        return ShotSpan(self._shot, end, looks, joined)
