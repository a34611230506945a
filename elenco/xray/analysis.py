"""A video to shots and face tracks, segment by segment; nobody is named yet."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from elenco.compute.lanes import in_lanes, lanes_of
from elenco.embedding.base import Embedder
from elenco.fingerprint import digest
from elenco.settings import Settings
from elenco.xray.evidence import face_quality
from elenco.xray.faces import FaceDetector, SeenFrame, look_for_faces
from elenco.xray.parts import EmbeddedTrack, Part, one_face_each
from elenco.xray.sampling import Sample, ShotSpan, take_samples
from elenco.xray.seconds import track_seconds
from elenco.xray.segments import Segment, read_segment, write_segment
from elenco.xray.tracks import Tracker, Tracklet
from elenco.xray.video import Video

# Raise it when the same video and settings would give other shots, tracks or vectors.
ANALYSIS_VERSION = "2"
SAMPLES = 8  # frames of 1280x720 that are worked on at a time
_PIXELS = 1280 * 720
FACES = 48  # to be embedded at a time
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
    lanes = lanes_of(settings.compute)
    with track_seconds(f"look through {video.path.name}", video.facts.seconds) as until:
        work = _Analysis(video, settings, detector, embedder, folder, until)
        # One pool of threads for all segments: what a thread has taken is not given back.
        for done in in_lanes(work.do, work.items(), lanes):
            work.take(done)
        for done in in_lanes(work.do, work.to_embed(least=1), lanes):
            work.take(done)
        until(float("inf"))
    return work.segments


@dataclass(frozen=True)
class _Look:
    """Samples in which faces are to be found; then the faces, in `found`."""

    part: Part
    samples: list[Sample]
    found: list[SeenFrame] | None = None


@dataclass(frozen=True)
class _Embed:
    """Tracks that are to be embedded; then what they have become, in `done`."""

    tracks: list[tuple[Part, Tracklet]]
    done: list[list[EmbeddedTrack]] | None = None


@dataclass(frozen=True)
class _ShotOver:
    """All samples of a shot came before."""

    part: Part
    shot: ShotSpan


@dataclass(frozen=True)
class _PartOver:
    """All shots of a segment came before."""

    part: Part


_Item = _Look | _Embed | _ShotOver | _PartOver


class _Analysis:
    """All segments: frames are decoded here, faces found and embedded in lanes.

    While the last faces of a segment are embedded, the next one is begun.
    """

    def __init__(
        self,
        video: Video,
        settings: Settings,
        detector: FaceDetector,
        embedder: Embedder,
        folder: Path,
        until: Callable[[float], None],
    ) -> None:
        self._video, self._settings = video, settings
        self._detector, self._embedder = detector, embedder
        self._folder, self._until = folder, until
        self._waiting: deque[tuple[Part, Tracklet]] = deque()  # to be embedded
        self._going: deque[tuple[int, Part]] = deque()  # numbers and segments that are not done
        self._done: dict[int, Segment] = {}

    @property
    def segments(self) -> list[Segment]:
        """Those that are done, by time."""
        return [self._done[number] for number in sorted(self._done)]

    def items(self) -> Iterator[_Item]:
        """The work in the order in which it is needed, taken while earlier work is done."""
        start: float | None = 0.0
        number = 0
        while start is not None:
            path = self._folder / f"segment-{number:04d}.npz"
            segment = read_segment(path)
            if segment is not None and segment.start == start:
                self._done[number] = segment
                self._until(segment.last)
                start = segment.end
            else:
                most = self._settings.xray.faces_per_track
                part = Part(start, path, Tracker(self._settings.faces.min_score, most))
                self._going.append((number, part))
                for item in self._of_part(part):
                    yield item
                    # A segment that is over does not wait for the faces of the next one.
                    yield from self.to_embed(1 if self._going[0][1].over else FACES)
                start = part.passed.end
            number += 1

    def to_embed(self, least: int) -> Iterator[_Embed]:
        """Tracks that are over, as soon as they have enough faces to be embedded together."""
        while self._waiting and sum(len(one.best) for _, one in self._waiting) >= least:
            chosen: list[tuple[Part, Tracklet]] = []
            while self._waiting and sum(len(one.best) for _, one in chosen) < FACES:
                chosen.append(self._waiting.popleft())
            yield _Embed(chosen)

    def _of_part(self, part: Part) -> Iterator[_Look | _ShotOver | _PartOver]:
        xray = self._settings.xray
        width, height = self._video.facts.width, self._video.facts.height
        most = max(1, min(SAMPLES, SAMPLES * _PIXELS // (width * height)))
        batch: list[Sample] = []
        rate, seconds = xray.samples_per_second, xray.segment_seconds
        with closing(self._video.frames(part.start, part.lost)) as frames:
            for one in take_samples(frames, rate, seconds, part.passed):
                if isinstance(one, Sample):
                    batch.append(one)
                if batch and (len(batch) == most or isinstance(one, ShotSpan)):
                    yield _Look(part, batch)
                    batch = []
                if isinstance(one, ShotSpan):
                    yield _ShotOver(part, one)
        yield _PartOver(part)

    def do(self, item: _Item) -> _Item:
        """One item, in a lane."""
        if isinstance(item, _Look):
            min_face = self._settings.xray.min_face
            facts = self._video.facts
            found = look_for_faces(item.samples, facts, self._detector, min_face)
            return _Look(item.part, [], found)
        if isinstance(item, _Embed):
            return _Embed(item.tracks, self._embed([one for _, one in item.tracks]))
        return item

    def _embed(self, tracks: list[Tracklet]) -> list[list[EmbeddedTrack]]:
        crops = np.stack([face.crop for one in tracks for _, face in one.best])
        vectors = self._embedder.embed_raw(crops)
        done: list[list[EmbeddedTrack]] = []
        for one in tracks:
            own, vectors = vectors[: len(one.best)], vectors[len(one.best) :]
            faces = [face for _, face in one.best]
            measures = np.array([face.measures for face in faces], np.float32)
            scores = np.array([face.score for face in faces], np.float32)
            quality = face_quality(own, measures, scores, self._embedder.space.embedder)
            done.append(one_face_each(one, own, quality))
        return done

    def take(self, item: _Item) -> None:
        """What a lane has done, in the order of the work."""
        if isinstance(item, _Embed):
            for (part, _), embedded in zip(item.tracks, item.done or [], strict=True):
                part.take_embedded(embedded)
        elif isinstance(item, _Look):
            for frame in item.found or []:
                self._waiting.extend((item.part, one) for one in item.part.take_frame(frame))
                self._until(frame.time)
        elif isinstance(item, _ShotOver):
            self._waiting.extend((item.part, one) for one in item.part.take_shot(item.shot))
        else:
            item.part.over = True
        # In order: a run that goes on starts after the last in a row.
        while self._going and self._going[0][1].done:
            number, part = self._going.popleft()
            self._done[number] = part.segment()
            write_segment(self._done[number], part.path)
