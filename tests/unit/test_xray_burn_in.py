"""The film with boxes and names."""

from fractions import Fraction

import av
import numpy as np
import pytest

from elenco.report.sheet import Label, draw
from elenco.xray import burn_in as burning
from elenco.xray.burn_in import burn_in, burnt_in
from elenco.xray.outputs import write_outputs
from tests.xray_document import document
from tests.xray_help import patterns, write_video

FPS, SECONDS = 25, 2


def grey(width=320, height=180, count=FPS * SECONDS):
    return [np.full((height, width, 3), 90 + n % 3, np.uint8) for n in range(count)]


def xray(**changes):
    """A person for the first second, somebody unknown for half of the next."""
    return document(
        [("1", "Ana", None, [(0.0, 1.0)])], [[(1.0, 1.5)]], duration=float(SECONDS), **changes
    )


def frames(path):
    """Times and pictures."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield float(frame.time), frame.to_ndarray(format="rgb24")


def with_sound(path, codec, container_format=None, start=0):
    """A grey film with a tone; `start` in seconds of the file's own clock."""
    with av.open(str(path), "w", format=container_format) as container:
        video = container.add_stream("mpeg4", rate=FPS)
        video.width, video.height, video.pix_fmt = 320, 180, "yuv420p"
        sound = container.add_stream(codec, rate=48000)
        sound.layout = "stereo"
        for number, picture in enumerate(grey()):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = number + start * FPS, Fraction(1, FPS)
            container.mux(video.encode(frame))
            wave = np.sin(np.arange(1920) * 2 * np.pi * 440 / 48000) * 0.3
            heard = av.AudioFrame.from_ndarray(
                np.stack([wave, wave]).astype(np.float32), "fltp", "stereo"
            )
            heard.sample_rate = 48000
            heard.pts, heard.time_base = number * 1920 + start * 48000, Fraction(1, 48000)
            container.mux(sound.encode(heard))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))
    return path


def heard(path):
    """Codec, bytes of the packets, and the mean power in each fifth of a second."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        packets = [bytes(packet) for packet in container.demux(stream) if packet.size]
        codec = stream.codec_context.codec.canonical_name
    power = np.zeros(5 * SECONDS + 1)
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            samples = frame.to_ndarray().astype(np.float64)
            power[min(len(power) - 1, max(0, int(5 * frame.time)))] += (samples**2).mean()
    return codec, packets, power


def test_boxes_are_where_and_when_faces_are(tmp_path):
    path = write_video(tmp_path / "a.mp4", grey(), options={"qscale": "2"})
    burn_in(xray(), path, tmp_path / "out.mp4")
    shown = list(frames(tmp_path / "out.mp4"))
    assert [time for time, _ in shown] == pytest.approx([n / FPS for n in range(50)], abs=1e-3)
    left, right = slice(60, 100), slice(188, 230)  # the places are 0.2 and 0.6 of 320 pixels
    for time, picture in shown:
        marked = np.abs(picture.astype(int) - 91).max(axis=2) > 60
        assert marked[:, left].any() == (time < 0.999), time
        assert marked[:, right].any() == (0.999 < time < 1.499), time
    top = np.flatnonzero((np.abs(shown[0][1][:, 62:66].astype(int) - 91) > 60).any(axis=(1, 2)))
    assert abs(top.max() - 0.6 * 180) < 4  # the box reaches from 0.3 to 0.6


def test_who_is_not_named_is_labelled_as_in_the_document(tmp_path):
    path = write_video(tmp_path / "a.mp4", grey(640, 360), options={"qscale": "2"})
    described = xray()
    burn_in(described, path, tmp_path / "out.mp4")
    shown = [picture for _, picture in frames(tmp_path / "out.mp4")]
    boxes = {track.person is not None: track.boxes[0][1:] for track in described.tracks}

    def nearest(frame, texts, known):
        x, y, w, h = (side * size for side, size in zip(boxes[known], (640, 360) * 2, strict=True))
        grounds = np.full((360, 640, 3), 91, np.uint8)
        drawn = {t: draw(grounds, [Label((x, y, x + w, y + h), t, known)]) for t in texts}
        off = {t: np.abs(frame.astype(int) - picture).mean() for t, picture in drawn.items()}
        return min(off, key=off.__getitem__)

    assert nearest(shown[0], ["Ana", "Ana 90%", "Ana 80%", "Unknown 1"], True) == "Ana 90%"
    wrong = ["Unknown 2", "Unknown 1 90%", "unknown 90%", "unknown"]
    assert nearest(shown[25], ["Unknown 1", *wrong], False) == "Unknown 1"


def test_colours_stay(tmp_path):
    colours = [np.full((90, 160, 3), colour, np.uint8) for colour in [(200, 40, 30)] * 5]
    path = write_video(tmp_path / "a.mp4", colours, options={"qscale": "2"})
    burn_in(document([], duration=0.2), path, tmp_path / "out.mp4")
    was, now = (next(frames(p))[1].mean(axis=(0, 1)) for p in (path, tmp_path / "out.mp4"))
    assert now == pytest.approx(was, abs=6)


@pytest.mark.parametrize(
    ("name", "codec", "kept"),
    [
        ("a.mp4", "aac", "aac"),
        ("a.mkv", "libmp3lame", "mp3"),
        ("a.ts", "aac", "aac"),
        ("a.mkv", "pcm_s16le", "aac"),
        ("a.mkv", "flac", "flac"),
    ],
)
def test_sound_is_carried_over(tmp_path, name, codec, kept):
    if codec not in av.codecs_available:
        pytest.skip(f"needs an FFmpeg with {codec}")
    path = with_sound(tmp_path / name, codec, start=5 if name.endswith(".ts") else 0)
    burn_in(xray(), path, tmp_path / "out.mp4")
    was, now = heard(path), heard(tmp_path / "out.mp4")
    assert now[0] == kept
    if codec != "pcm_s16le" and not name.endswith(".ts"):  # in .ts a packet has a header
        assert now[1] == was[1]
    assert (now[2][:-1] > 0.01).all()
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.duration / av.time_base == pytest.approx(SECONDS, abs=0.1)


def test_odd_sizes_and_turned_films(tmp_path):
    path = write_video(tmp_path / "a.mkv", patterns(5, 101, 75), codec="ffv1", pix_fmt="yuv444p")
    burn_in(document([], duration=0.2), path, tmp_path / "odd.mp4")
    assert next(frames(tmp_path / "odd.mp4"))[1].shape == (74, 100, 3)
    path = write_video(tmp_path / "b.mp4", patterns(5, 96, 64), rotation=90)
    burn_in(document([], duration=0.2), path, tmp_path / "turned.mp4")
    assert next(frames(tmp_path / "turned.mp4"))[1].shape == (96, 64, 3)


def test_times_that_are_uneven_stay(tmp_path):
    times = [0, 40, 100, 400, 410]
    path = write_video(tmp_path / "a.mkv", patterns(5), times=times)
    burn_in(document([], duration=0.45), path, tmp_path / "out.mp4")
    assert [t for t, _ in frames(tmp_path / "out.mp4")] == pytest.approx(
        [t / 1000 for t in times], abs=1e-3
    )


def test_a_film_that_breaks_off_leaves_nothing(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4", grey())
    out = tmp_path / "out" / "annotated.mp4"

    def breaks(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(burning, "_frame", breaks)
        with pytest.raises(KeyboardInterrupt):
            burn_in(xray(), path, out)
    assert list(out.parent.iterdir()) == []


def test_without_libx264_it_is_mpeg4(tmp_path, monkeypatch):
    monkeypatch.setattr(burning.av, "codecs_available", {"mpeg4"})
    path = write_video(tmp_path / "a.mp4", grey())
    burn_in(xray(), path, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    assert len(list(frames(tmp_path / "out.mp4"))) == 50


def test_it_is_made_once_and_goes_when_it_is_out_of_date(tmp_path):
    path = write_video(tmp_path / "a.mp4", grey())
    out = tmp_path / "out"
    film = out / "annotated.mp4"
    assert film in write_outputs(xray(), path, out, annotated=True)
    assert burnt_in(film) == xray().fingerprint
    made = film.stat().st_mtime_ns
    write_outputs(xray(), path, out, annotated=True)
    write_outputs(xray(), path, out, annotated=False)
    assert film.stat().st_mtime_ns == made
    write_outputs(xray(fingerprint="other"), path, out, annotated=True)
    assert burnt_in(film) == "other"
    write_outputs(xray(), path, out, annotated=False)
    assert not film.exists()


def test_a_film_of_somebody_elses_is_left(tmp_path):
    path = write_video(tmp_path / "annotated.mp4", grey())
    write_outputs(xray(), tmp_path / "a.mp4", tmp_path, annotated=False)
    assert path.exists()
    assert burnt_in(path) is None
    assert burnt_in(tmp_path / "gone.mp4") is None
