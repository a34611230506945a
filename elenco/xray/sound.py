"""The sound of a film, carried over into another file."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet

from elenco.progress import say

COPIED = frozenset({"aac", "ac3", "alac", "eac3", "flac", "mp3", "opus"})  # that MP4 holds
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}  # of AAC; what has others becomes stereo
_RATES = frozenset(
    {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000}
)


class Sound:
    """The main sound of a file on its way into an MP4, a little at a time.

    It is copied, or encoded as AAC where MP4 does not hold it. What can't be read is left out, and
    said. Make it before anything is written into the container.

    Args:
        path: of the film.
        container: that it goes into.

    Raises:
        OSError: the file can't be opened.
    """

    def __init__(self, path: Path, container: OutputContainer) -> None:
        self._path, self._to = path, container
        self._from = av.open(str(path), metadata_errors="ignore")
        self._start = Fraction(self._from.start_time or 0, av.time_base)
        self._lost = 0
        found = self._from.streams.best("audio")
        self._stream = found if isinstance(found, AudioStream) else None
        self._packets: Iterator[Packet] = iter(())
        self._waiting: Packet | None = None
        if self._stream is None:
            return
        context = self._stream.codec_context
        if context.codec.canonical_name in COPIED:
            self._out = container.add_stream_from_template(self._stream)
            self._packets = self._copied(self._stream)
        else:
            rate = context.sample_rate if context.sample_rate in _RATES else 48_000
            self._out = container.add_stream("aac", rate=rate)
            assert isinstance(self._out, AudioStream)
            self._out.codec_context.layout = _LAYOUTS.get(context.channels, "stereo")
            self._packets = self._encoded(self._stream, self._out)

    def copy_until(self, seconds: float) -> None:
        """Write what is heard before a time; `inf` for the rest."""
        while True:
            packet = self._waiting or next(self._packets, None)
            self._waiting = None
            if packet is None:
                break
            if float((packet.pts or 0) * (packet.time_base or 0)) > seconds:
                self._waiting = packet
                break
            self._to.mux(packet)

    def close(self) -> None:
        """Close the film."""
        if self._lost:
            say(f"{self._path.name}: {self._lost:,} part(s) of its sound can't be read: left out")
        self._from.close()

    def _read(self, stream: AudioStream) -> Iterator[Packet]:
        """The packets, from the start of the film on."""
        try:
            for packet in self._from.demux(stream):
                if packet.size:
                    yield packet
        except FFmpegError:
            self._lost += 1

    def _copied(self, stream: AudioStream) -> Iterator[Packet]:
        last = None
        for packet in self._read(stream):
            if (
                packet.dts is None
                or packet.pts is None
                or (last is not None and packet.dts <= last)
            ):
                self._lost += 1
                continue
            last = packet.dts
            shift = round(self._start / packet.time_base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = self._out
            yield packet

    def _encoded(self, stream: AudioStream, out: AudioStream) -> Iterator[Packet]:
        for packet in self._read(stream):
            try:
                for frame in packet.decode():
                    if frame.pts is not None and frame.time_base is not None:
                        frame.pts -= round(self._start / frame.time_base)
                    yield from out.encode(frame)
            except FFmpegError:
                self._lost += 1
        if out.codec_context.is_open:
            yield from out.encode(None)
