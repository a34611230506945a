"""Reading a video: facts of the file, and its frames by time.

Decoding is FFmpeg's (PyAV), on several threads. What is damaged is counted and left out; it ends
nothing but the frames that it makes unreadable.
"""

from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from elenco.errors import ElencoError
from elenco.faces.images import MIN_SIDE, Picture

WORKING = 1920  # pixels: the longer side of a larger picture is brought down to it
# Seconds before the wanted time to which the file is wound back, until a frame before it is found.
_BACK = (0.0, 5.0, 30.0)
_MOST_FAILURES = 1000  # reads that fail one after another: the rest of the file is not readable
_SAME = 1e-6  # seconds


class VideoError(ElencoError):
    """A file is no video, or nothing of it can be decoded."""


@dataclass(frozen=True)
class Facts:
    """What a file says of its pictures.

    Attributes:
        width: of the upright picture with square pixels.
        height: of the upright picture.
        rotation: degrees counter-clockwise from the stored picture to the upright one.
        stretch: width of a stored pixel over its height.
        codec: as FFmpeg names it.
        seconds: length as the file states it; 0 where it does not.
    """

    width: int
    height: int
    rotation: int
    stretch: float
    codec: str
    seconds: float


@dataclass(frozen=True)
class Frame:
    """A decoded frame.

    Attributes:
        time: seconds from the start of the video.
        until: seconds at which it ends, as the file states it; `time` where it does not.
        picture: as stored: YUV, not upright.
        lost: frames between the one before and this that were left out, by reason.
    """

    time: float
    until: float
    picture: VideoFrame
    lost: dict[str, int]


class Video:
    """A video file.

    Args:
        path: of the file.

    Raises:
        VideoError: it is none, or has no pictures; the message says what it is.
        FileNotFoundError: there is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._opened() as container:
            stream = self._stream(container)
            first = next(self._decoded(container, stream, Counter()), None)
            if first is None:
                raise VideoError(f"{path}: no frame can be decoded: is the file whole?")
            self.facts = _facts(container, stream, first)
            self._start = _start_of(container, stream)

    def frames(self, start: float, lost: Counter[str]) -> Generator[Frame]:
        """The frames from a time on, each later than the one before.

        Args:
            start: seconds; the time of a frame, or 0.
            lost: what is left out, by reason, until the next frame takes it: in the end, what was
                left out after the last one. `corrupt`, `no_time`, `out_of_order`, `too_small`, or
                `undecodable`: a part of the file that gives no frame.

        Raises:
            VideoError: there is no frame at `start` any more: the file has changed.
        """
        for back in (*_BACK, None) if start > 0 else (None,):
            with self._opened() as container:
                stream = self._stream(container)
                if back is not None:
                    _wind(container, stream, self._start + Fraction(start - back))
                lost.clear()
                frames = self._timed(self._decoded(container, stream, lost), lost)
                frame = next(frames, None)
                if back is not None and (frame is None or frame.time > start + _SAME):
                    continue  # it was wound to a place behind
                while frame is not None and frame.time < start - _SAME:
                    frame = next(frames, None)
                if frame is None and start > 0:
                    break
                if frame is not None:
                    yield frame
                    yield from frames
                return
        raise VideoError(f"{self.path} has changed: it has no frame at {start:.2f} s any more")

    def _opened(self) -> InputContainer:
        if self.path.is_dir():
            raise VideoError(f"{self.path} is a folder: name a video file")
        if self.path.stat().st_size == 0:
            raise VideoError(f"{self.path} is empty: name a video file")
        try:
            container = av.open(str(self.path), metadata_errors="ignore")
        except (PermissionError, FileNotFoundError):
            raise
        except (FFmpegError, ValueError) as error:
            raise VideoError(
                f"{self.path} is no video that can be read ({_said(error)}): "
                "name a file such as .mp4, .mkv or .webm"
            ) from None
        if container.format.name.endswith("_pipe") or container.format.name == "image2":
            container.close()
            raise VideoError(f"{self.path} is a picture: `elenco recognise` is for those")
        return container

    def _stream(self, container: InputContainer) -> VideoStream:
        """The main one; cover art is none."""
        covers = Disposition.attached_pic | Disposition.timed_thumbnails
        streams = [s for s in container.streams.video if not s.disposition & covers]
        if not streams:
            kinds = sorted({s.type for s in container.streams if s.type in ("audio", "subtitle")})
            has = f"only {' and '.join(kinds)}" if kinds else "no moving pictures"
            raise VideoError(f"{self.path} has {has}: name a file with a video stream")
        stream = max(streams, key=lambda s: (s.width * s.height, -s.index))
        stream.thread_type = "AUTO"
        return stream

    def _decoded(
        self, container: InputContainer, stream: VideoStream, lost: Counter[str]
    ) -> Iterator[VideoFrame]:
        for packet in _packets(container, stream, lost):
            try:
                frames = packet.decode()
            except (PermissionError, FileNotFoundError):
                raise
            except (FFmpegError, ValueError):
                lost["undecodable"] += 1
                continue
            for frame in frames:
                if frame.is_corrupt:
                    lost["corrupt"] += 1
                elif min(frame.width, frame.height) < 2:
                    lost["too_small"] += 1
                else:
                    yield frame

    def _timed(self, pictures: Iterator[VideoFrame], lost: Counter[str]) -> Iterator[Frame]:
        last = -1.0
        for picture in pictures:
            if picture.pts is None or picture.time_base is None:
                lost["no_time"] += 1
                continue
            unit = picture.time_base
            time = float(picture.pts * unit - self._start)
            if time < -_SAME or time <= last:
                lost["out_of_order"] += 1
                continue
            last = max(0.0, time)
            until = last + float((picture.duration or 0) * unit)
            frame = Frame(last, until, picture, dict(sorted(lost.items())))
            lost.clear()
            yield frame


def upright(frame: VideoFrame, facts: Facts) -> Picture:
    """The frame as RGB, upright, with square pixels, no side over WORKING pixels.

    Safe in threads.
    """
    width, height = max(1, round(frame.width * facts.stretch)), frame.height
    scale = min(1.0, WORKING / max(width, height))
    # What is smaller than the detector takes is enlarged to it: a film may be of any size.
    scale = max(scale, MIN_SIDE / min(width, height))
    size = max(MIN_SIDE, round(width * scale)), max(MIN_SIDE, round(height * scale))
    if size == (frame.width, frame.height):
        rgb = frame.to_ndarray(format="rgb24")
    else:
        how = "AREA" if scale < 1 else "BILINEAR"
        rgb = frame.reformat(*size, format="rgb24", interpolation=how).to_ndarray()
    return np.ascontiguousarray(np.rot90(rgb, facts.rotation // 90))


def _packets(
    container: InputContainer, stream: VideoStream, lost: Counter[str]
) -> Iterator[Packet]:
    """The stream's packets, past places that can't be read."""
    failures = 0
    while failures < _MOST_FAILURES:
        try:
            for packet in container.demux(stream):
                failures = 0
                yield packet
            return
        except (PermissionError, FileNotFoundError):
            raise
        except FFmpegError:
            if not failures:
                lost["undecodable"] += 1
            failures += 1


def _facts(container: InputContainer, stream: VideoStream, first: VideoFrame) -> Facts:
    rotation = round(first.rotation / 90) * 90 % 360
    aspect = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    stretch = float(aspect) if aspect else 1.0
    stretch = stretch if 0.2 <= stretch <= 5 else 1.0  # nonsense in a header
    width, height = max(1, round(first.width * stretch)), first.height
    if rotation % 180:
        width, height = height, width
    seconds = float(container.duration or 0) / av.time_base
    return Facts(width, height, rotation, stretch, stream.codec_context.name, max(0.0, seconds))


def _start_of(container: InputContainer, stream: VideoStream) -> Fraction:
    """When the video starts for a player, in seconds of the file's own clock."""
    if container.start_time is not None:
        return Fraction(container.start_time, av.time_base)
    if stream.start_time is not None and stream.time_base is not None:
        return stream.start_time * stream.time_base
    return Fraction(0)


def _wind(container: InputContainer, stream: VideoStream, seconds: float | Fraction) -> None:
    """To the key frame before a time of the file's own clock, as far as the format can."""
    assert stream.time_base is not None
    try:
        container.seek(int(Fraction(seconds) / stream.time_base), stream=stream)
    except FFmpegError:  # this format can't: it is read from the beginning
        container.seek(0)


def _said(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())[:120]
