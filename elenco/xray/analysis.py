"""A video to shots and face tracks, segment by segment; nobody is named yet."""

from collections import Counter, deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from elenco.compute.lanes import in_lanes, lanes_of
from elenco.embedding.base import Embedder
from elenco.faces.crops import DLIB_WINDOW, cut
from elenco.faces.images import encode_jpeg
from elenco.fingerprint import digest
from elenco.progress import track
from elenco.settings import Settings
from elenco.xray.evidence import change_of_face, face_quality
from elenco.xray.faces import FaceDetector, SeenFrame, look_for_faces
from elenco.xray.sampling import Passed, Sample, ShotSpan, take_samples
from elenco.xray.segments import FaceTrack, Segment, read_segment, write_segment
from elenco.xray.tracks import Tracker, Tracklet
from elenco.xray.video import Video

# Raise it when the same video and settings would give other shots, tracks or vectors.
ANALYSIS_VERSION = "1"
SAMPLES = 8  # frames of 1280x720 that are worked on at a time
_PIXELS = 1280 * 720
FACES = 48  # to be embedded at a time
_JPEG_QUALITY = 85
# Settings of the section that change what is found.
_DEPENDS = {"samples_per_second", "min_face", "faces_per_track", "segment_seconds"}


def analysis_key(
    sha256: str, settings: Settings, detector: FaceDetector, embedder: Embedder
) -> str:
    """Names all that segments depend on: the video's bytes, settings, networks, this code."""
    return digest(
        "xray",
        ANALYSIS_VERSION,
        sha256,
        settings.xray.model_dump(include=_DEPENDS),
        settings.faces.min_score,
        settings.compute.precision,
        detector.version,
        embedder.space,
    )


def analyse(
    video: Video, settings: Settings, detector: FaceDetector, embedder: Embedder, folder: Path
) -> list[Segment]:
    """Look through a whole video; what an earlier run has finished is read instead.

    Args:
        video: to look through.
        settings: sections `xray`, `faces` and `compute`.
        detector: finds faces.
        embedder: makes the vectors.
        folder: of the segments' files; its name should depend on `analysis_key`.

    Returns:
        The segments, by time.

    Raises:
        VideoError: the video has changed meanwhile.
        OSError: a segment can't be written.
    """
    segments: list[Segment] = []
    start: float | None = 0.0
    seconds = max(1, round(video.facts.seconds))
    with track(f"look through {video.path.name}, seconds", seconds) as advance:
        told = 0
        while start is not None:
            path = folder / f"segment-{len(segments):04d}.npz"
            segment = read_segment(path)
            if segment is None or segment.start != start:
                segment = _Analysis(video, settings, detector, embedder).run(start)
                write_segment(segment, path)
            segments.append(segment)
            start = segment.end
            now = seconds if start is None else min(seconds, int(segment.last))
            advance(now - told)
            told = now
    return segments


@dataclass(frozen=True, eq=False)
class _Embedded:
    """A track that is over; its crops are gone, as a shot may be long."""

    track: Tracklet
    vectors: np.ndarray
    quality: np.ndarray
    face: bytes

    def in_shot(self, shot: ShotSpan) -> FaceTrack:
        """Between two samples, somebody came or went in the middle, for all that is known."""
        one = self.track
        start = shot.start if one.before is None else (one.before + one.times[0]) / 2
        end = shot.end if one.after is None else (one.times[-1] + one.after) / 2
        boxes = np.column_stack([np.array(one.times), np.stack(one.boxes).astype(np.float64)])
        return FaceTrack(start, end, boxes, self.vectors, self.quality, self.face)


_Item = list[Sample] | list[Tracklet] | ShotSpan
_Result = list[SeenFrame] | list[_Embedded] | ShotSpan


class _Analysis:
    """One segment: frames are decoded here, faces found and embedded in lanes."""

    def __init__(
        self, video: Video, settings: Settings, detector: FaceDetector, embedder: Embedder
    ) -> None:
        self._video, self._settings = video, settings
        self._detector, self._embedder = detector, embedder
        self._tracker = Tracker(settings.faces.min_score, settings.xray.faces_per_track)
        self._waiting: deque[Tracklet] = deque()  # to be embedded
        self._of_shot: list[Tracklet] = []
        self._shot_of: dict[Tracklet, ShotSpan] = {}
        self._embedded: list[_Embedded] = []
        self._shots: list[ShotSpan] = []
        self._faces: Counter[str] = Counter()

    def run(self, start: float) -> Segment:
        xray, lanes = self._settings.xray, lanes_of(self._settings.compute)
        lost: Counter[str] = Counter()
        passed = Passed()
        with closing(self._video.frames(start, lost)) as frames:
            samples = take_samples(frames, xray.samples_per_second, xray.segment_seconds, passed)
            for done in in_lanes(self._work, self._items(samples), lanes):
                self._take(done)
        for done in in_lanes(self._work, self._to_embed(least=1), lanes):
            self._take(done)
        if passed.end is None:
            passed.lost.update(lost)
        self._faces.update(self._tracker.skipped)
        tracks = [one.in_shot(self._shot_of[one.track.whole]) for one in self._embedded]
        return Segment(
            start,
            passed.end,
            passed.last,
            self._shots,
            sorted(tracks, key=lambda t: (t.start, t.end, t.boxes[0].tolist())),
            _frame_counts(passed),
            _face_counts(self._faces),
        )

    def _items(self, samples: Iterator[Sample | ShotSpan]) -> Iterator[_Item]:
        """The work in the order in which it is needed, taken while earlier work is done."""
        width, height = self._video.facts.width, self._video.facts.height
        most = max(1, min(SAMPLES, SAMPLES * _PIXELS // (width * height)))
        batch: list[Sample] = []
        for one in samples:
            if isinstance(one, Sample):
                batch.append(one)
            if batch and (len(batch) == most or isinstance(one, ShotSpan)):
                yield batch
                batch = []
            if isinstance(one, ShotSpan):
                yield one
            yield from self._to_embed(least=FACES)

    def _to_embed(self, least: int) -> Iterator[list[Tracklet]]:
        """Tracks that are over, as soon as they have enough faces to be embedded together."""
        while self._waiting and sum(len(track.best) for track in self._waiting) >= least:
            chosen: list[Tracklet] = []
            while self._waiting and sum(len(track.best) for track in chosen) < FACES:
                chosen.append(self._waiting.popleft())
            yield chosen

    def _work(self, item: _Item) -> _Result:
        if isinstance(item, ShotSpan):
            return item
        if isinstance(item[0], Tracklet):
            return self._embed([one for one in item if isinstance(one, Tracklet)])
        samples = [one for one in item if isinstance(one, Sample)]
        min_face = self._settings.xray.min_face
        return look_for_faces(samples, self._video.facts, self._detector, min_face)

    def _embed(self, tracks: list[Tracklet]) -> list[_Embedded]:
        crops = np.stack([face.crop for one in tracks for _, face in one.best])
        vectors = self._embedder.embed_raw(crops)
        done: list[_Embedded] = []
        for one in tracks:
            own, vectors = vectors[: len(one.best)], vectors[len(one.best) :]
            faces = [face for _, face in one.best]
            measures = np.array([face.measures for face in faces], np.float32)
            scores = np.array([face.score for face in faces], np.float32)
            quality = face_quality(own, measures, scores, self._embedder.space.embedder)
            done += _one_face_each(one, own, quality)
        return done

    def _take(self, done: _Result) -> None:
        """What a lane has done, in the order of the work."""
        if isinstance(done, ShotSpan):
            self._over(self._tracker.finish())
            self._shot_of |= dict.fromkeys(self._of_shot, done)
            self._of_shot = []
            self._shots.append(done)
            return
        for one in done:
            if isinstance(one, _Embedded):
                self._embedded.append(one)
                continue
            self._faces["given"] += len(one.faces) + sum(one.skipped.values())
            self._faces.update(one.skipped)
            self._over(self._tracker.step(one))

    def _over(self, tracks: list[Tracklet]) -> None:
        self._waiting.extend(tracks)
        self._of_shot += tracks


def _one_face_each(one: Tracklet, vectors: np.ndarray, quality: np.ndarray) -> list[_Embedded]:
    """A track as it is, or in parts where it went over to somebody else's face."""
    change = change_of_face(vectors, quality)
    if change is not None:
        first, second = one.split((one.best[change - 1][0] + one.best[change][0]) / 2)
        return [
            *_one_face_each(first, vectors[:change], quality[:change]),
            *_one_face_each(second, vectors[change:], quality[change:]),
        ]
    best = one.best[int(quality.argmax())][1].crop
    jpeg = encode_jpeg(cut(best[None], DLIB_WINDOW)[0], _JPEG_QUALITY)
    one.best.clear()
    return [_Embedded(one, vectors, quality, jpeg)]


def _frame_counts(passed: Passed) -> dict[str, int]:
    between = {"between_samples": passed.frames - passed.samples}
    skipped = {reason: count for reason, count in passed.lost.items() if count} | between
    counts = {"given": passed.samples + sum(skipped.values()), "kept": passed.samples}
    return counts | dict(sorted(skipped.items()))


def _face_counts(found: Counter[str]) -> dict[str, int]:
    skipped = {reason: n for reason, n in sorted(found.items()) if n and reason != "given"}
    given = found["given"]
    return {"given": given, "kept": given - sum(skipped.values())} | skipped
