"""The film again, with boxes and names in its pictures."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream

from elenco.faces.images import Picture
from elenco.report.sheet import Label, draw
from elenco.storage import TEMPORARY
from elenco.xray.presence import ROUNDING, box_at, is_on
from elenco.xray.seconds import track_seconds
from elenco.xray.sound import Sound
from elenco.xray.text import one_line
from elenco.xray.types import Track, XRay
from elenco.xray.video import Video, upright

UNIT = Fraction(1, 60_000)  # seconds: MPEG-4's encoder takes none that is finer than 1/65535
_OPTIONS = {"libx264": {"crf": "20", "preset": "veryfast"}, "mpeg4": {"qscale": "4"}}
_BT709 = 1  # ISO/IEC 23091-2: what players expect of films in HD
_MARK = "elenco xray "  # begins the comment in the file; the fingerprint of what it shows follows


def burn_in(xray: XRay, path: Path, to: Path) -> None:
    """Write the film with a box around each face and who it is.

    A name with how probable it is, or the label of somebody unknown.
    H.264 where FFmpeg has libx264, else MPEG-4, in MP4; no side over 1920 pixels, times as they
    were. Sound is copied where MP4 takes it, else encoded as AAC. `to` is there as a whole or not
    at all; memory does not grow with the film.

    Args:
        xray: what was found.
        path: of the film that it was found in.
        to: of the new one, .mp4.

    Raises:
        VideoError: the film can't be read.
        OSError: the disk is full, or the folder can't be written.
    """
    video = Video(path)
    with (
        _replaced(to) as temporary,
        av.open(str(temporary), "w", format="mp4", options={"movflags": "+faststart"}) as container,
    ):
        container.metadata["comment"] = f"{_MARK}{xray.fingerprint}"
        with closing(Sound(path, container)) as sound:
            _encode(xray, video, container, sound)


def burnt_in(path: Path) -> str | None:
    """The fingerprint of what was drawn into a film; None where it is no such film."""
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            comment = container.metadata.get("comment", "")
    except (OSError, FFmpegError, ValueError):
        return None
    return comment.removeprefix(_MARK) if comment.startswith(_MARK) else None


def _encode(xray: XRay, video: Video, container: OutputContainer, sound: Sound) -> None:
    stream: VideoStream | None = None
    last = -1
    names = {person.id: one_line(person.name) for person in xray.people}
    labels = {stranger.id: stranger.label for stranger in xray.unknown}
    texts = {track.id: _text(track, names, labels) for track in xray.tracks}
    live = _Live(xray.tracks)
    with track_seconds(f"draw on {video.path.name}", xray.video.duration) as until:
        for frame in video.frames(0, Counter()):
            picture = upright(frame.picture, video.facts)
            here = live.at(frame.time)
            drawn = _even(
                draw(picture, [_label(t, frame.time, picture, texts[t.id]) for t in here])
            )
            if stream is None:
                stream = _stream(container, drawn, xray.video.fps)
            sound.copy_until(frame.time)
            last = max(last + 1, round(frame.time / UNIT))
            container.mux(stream.encode(_frame(drawn, last)))
            until(frame.time)
        if stream is not None:
            container.mux(stream.encode(None))
        sound.copy_until(float("inf"))


def _stream(container: OutputContainer, picture: Picture, fps: float) -> VideoStream:
    codec = next(name for name in _OPTIONS if name in av.codecs_available)
    rate = Fraction(fps).limit_denominator(1001) or Fraction(25)
    stream = container.add_stream(codec, rate=rate, options=_OPTIONS[codec])
    assert isinstance(stream, VideoStream)
    stream.height, stream.width = picture.shape[:2]
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.time_base = UNIT
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = int(ColorRange.MPEG)
    return stream


def _frame(picture: Picture, pts: int) -> VideoFrame:
    frame = VideoFrame.from_ndarray(picture, "rgb24").reformat(
        format="yuv420p",
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
    )
    frame.pts, frame.time_base = pts, UNIT
    return frame


class _Live:
    """The tracks that are on screen, as time goes on.

    Args:
        tracks: by start.
    """

    def __init__(self, tracks: tuple[Track, ...]) -> None:
        self._coming = list(tracks[::-1])
        self._here: list[Track] = []

    def at(self, time: float) -> list[Track]:
        """Those at a time, which is no earlier than the one before."""
        while self._coming and self._coming[-1].start - ROUNDING <= time:
            self._here.append(self._coming.pop())
        self._here = [track for track in self._here if is_on(track, time)]
        return self._here


def _text(track: Track, names: dict[str, str], labels: dict[int, str]) -> str:
    if track.person is not None:
        return f"{names[track.person]} {track.confidence:.0%}"
    assert track.unknown is not None
    # How probably somebody is nobody known says little: the label finds them in `xray.json`.
    return labels[track.unknown]


def _label(track: Track, time: float, picture: Picture, text: str) -> Label:
    height, width = picture.shape[:2]
    box = box_at(track, time)
    x, y, w, h = box.x * width, box.y * height, box.w * width, box.h * height
    return Label((x, y, x + w, y + h), text, track.person is not None)


def _even(picture: Picture) -> Picture:
    """Without the last row or column where there is an odd one: 4:2:0 has none."""
    height, width = picture.shape[:2]
    return np.ascontiguousarray(picture[: height // 2 * 2, : width // 2 * 2])


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    """A temporary sibling, which becomes `path` at the end; deleted on any exception."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f"{TEMPORARY}{os.urandom(8).hex()}"
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
