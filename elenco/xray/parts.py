"""A segment while it is being looked through: what is found of it, piece by piece."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from elenco.faces.crops import DLIB_WINDOW, cut
from elenco.faces.images import encode_jpeg
from elenco.xray.evidence import change_of_face
from elenco.xray.faces import SeenFrame
from elenco.xray.sampling import Passed, ShotSpan
from elenco.xray.segments import FaceTrack, Segment
from elenco.xray.tracks import Tracker, Tracklet

_JPEG_QUALITY = 85


@dataclass(frozen=True, eq=False)
class EmbeddedTrack:
    """A track that is over, with its vectors; its crops are gone, as a shot may be long.

    Attributes:
        track: where it was.
        vectors: (n, d) as the network gives them.
        quality: (n,) how far each can be trusted, 0..1.
        face: JPEG of the best of them.
    """

    track: Tracklet
    vectors: Float32[np.ndarray, "n d"]
    quality: Float32[np.ndarray, " n"]
    face: bytes

    def in_shot(self, shot: ShotSpan) -> FaceTrack:
        """Between two samples, somebody came or went in the middle, for all that is known."""
        one = self.track
        start = shot.start if one.before is None else (one.before + one.times[0]) / 2
        end = shot.end if one.after is None else (one.times[-1] + one.after) / 2
        boxes = np.column_stack([np.array(one.times), np.stack(one.boxes).astype(np.float64)])
        return FaceTrack(start, end, boxes, self.vectors, self.quality, self.face)


def one_face_each(
    one: Tracklet, vectors: Float32[np.ndarray, "n d"], quality: Float32[np.ndarray, " n"]
) -> list[EmbeddedTrack]:
    """A track as it is, or in parts where it went over to somebody else's face."""
    change = change_of_face(vectors, quality)
    if change is not None:
        first, second = one.split((one.best[change - 1][0] + one.best[change][0]) / 2)
        return [
            *one_face_each(first, vectors[:change], quality[:change]),
            *one_face_each(second, vectors[change:], quality[change:]),
        ]
    best = one.best[int(quality.argmax())][1].crop
    jpeg = encode_jpeg(cut(best[None], DLIB_WINDOW)[0], _JPEG_QUALITY)
    one.best.clear()
    return [EmbeddedTrack(one, vectors, quality, jpeg)]


@dataclass(eq=False)
class Part:
    """A segment that is not done yet.

    Attributes:
        start: seconds of its first frame.
        path: of its file, once it is done.
        tracker: follows the faces of the shot that is going on.
        passed: what went by; filled as samples are taken.
        lost: frames that were left out after the last one.
        over: all of its frames were looked at.
        awaited: tracks that are over and not embedded yet.
    """

    start: float
    path: Path
    tracker: Tracker
    passed: Passed = field(default_factory=Passed)
    lost: Counter[str] = field(default_factory=Counter)
    over: bool = False
    awaited: int = 0
    _faces: Counter[str] = field(default_factory=Counter)
    _shots: list[ShotSpan] = field(default_factory=list)
    _of_shot: list[Tracklet] = field(default_factory=list)
    _shot_of: dict[Tracklet, ShotSpan] = field(default_factory=dict)
    _embedded: list[EmbeddedTrack] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """Nothing more will be found."""
        return self.over and not self.awaited

    def take_frame(self, frame: SeenFrame) -> list[Tracklet]:
        """The next frame in time; the tracks that are over, to be embedded."""
        self._faces["given"] += len(frame.faces) + sum(frame.skipped.values())
        self._faces.update(frame.skipped)
        return self._over(self.tracker.step(frame))

    def take_shot(self, shot: ShotSpan) -> list[Tracklet]:
        """The shot of the frames before is over; likewise."""
        ended = self._over(self.tracker.finish())
        self._shot_of |= dict.fromkeys(self._of_shot, shot)
        self._of_shot = []
        self._shots.append(shot)
        return ended

    def take_embedded(self, tracks: list[EmbeddedTrack]) -> None:
        """What one of the tracks that were over has become."""
        self._embedded += tracks
        self.awaited -= 1

    def segment(self) -> Segment:
        """What is known, when it is done."""
        lost = self.passed.lost + (self.lost if self.passed.end is None else Counter())
        faces = self._faces + self.tracker.skipped
        tracks = [one.in_shot(self._shot_of[one.track.whole]) for one in self._embedded]
        between = Counter(between_samples=self.passed.frames - self.passed.samples)
        given = self.passed.frames + sum(lost.values())
        return Segment(
            self.start,
            self.passed.end,
            self.passed.last,
            self._shots,
            sorted(tracks, key=lambda t: (t.start, t.end, t.boxes[0].tolist())),
            _counts(given, lost + between),
            _counts(faces.pop("given", 0), faces),
        )

    def _over(self, tracks: list[Tracklet]) -> list[Tracklet]:
        self._of_shot += tracks
        self.awaited += len(tracks)
        return tracks


def _counts(given: int, skipped: Counter[str]) -> dict[str, int]:
    return {"given": given, "kept": given - sum(skipped.values())} | dict(sorted(skipped.items()))
