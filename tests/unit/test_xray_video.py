from collections import Counter

import av
import numpy as np
import pytest

from elenco.faces.images import encode_jpeg
from elenco.xray.video import Video, VideoError, upright
from tests.xray_help import patterns, write_video


def times(path, start=0.0):
    lost = Counter()
    return [frame.time for frame in Video(path).frames(start, lost)], lost


def test_frames_have_the_times_of_the_file(tmp_path):
    path = write_video(tmp_path / "a.mp4", patterns(30))
    found, lost = times(path)
    assert np.allclose(found, np.arange(30) / 25)
    assert not lost
    assert Video(path).facts.seconds == pytest.approx(30 / 25, abs=0.05)


def test_frames_from_the_middle_are_the_same_frames(tmp_path):
    options = {"g": "12", "bf": "2"}
    path = write_video(tmp_path / "a.mkv", patterns(60), codec="libx264", options=options)
    video = Video(path)
    whole = list(video.frames(0, Counter()))
    for start in (1, 11, 12, 13, 37, 59):
        part = list(video.frames(whole[start].time, Counter()))
        assert [f.time for f in part] == [f.time for f in whole[start:]]
        pairs = zip(part, whole[start:], strict=True)
        assert all(np.array_equal(a.picture.to_ndarray(), b.picture.to_ndarray()) for a, b in pairs)


def test_a_time_beyond_the_end_says_that_the_file_has_changed(tmp_path):
    video = Video(write_video(tmp_path / "a.mp4", patterns(10)))
    with pytest.raises(VideoError, match="has changed"):
        list(video.frames(5.0, Counter()))


def test_a_variable_frame_rate_keeps_its_times(tmp_path):
    uneven = [0, 40, 50, 200, 210, 900, 1000]
    path = write_video(tmp_path / "a.mkv", patterns(7), codec="libx264", times=uneven)
    assert np.allclose(times(path)[0], np.array(uneven) / 1000)


@pytest.mark.parametrize("size", [(33, 21), (321, 241), (64, 48)])
def test_odd_sizes(tmp_path, size):
    path = write_video(tmp_path / "a.webm", patterns(3, *size), codec="libvpx-vp9")
    video = Video(path)
    assert (video.facts.width, video.facts.height) == size
    frame = next(video.frames(0, Counter()))
    assert upright(frame.picture, video.facts).shape == (size[1], size[0], 3)


@pytest.mark.parametrize(
    ("rotation", "corner"), [(0, (0, 0)), (90, (-1, 0)), (180, (-1, -1)), (270, (0, -1))]
)
def test_a_rotated_video_is_upright(tmp_path, rotation, corner):
    """Stored with a white upper left corner, which a player turns counter-clockwise."""
    picture = np.zeros((48, 96, 3), np.uint8)
    picture[:16, :16] = 255
    path = write_video(tmp_path / "a.mp4", [picture] * 3, rotation=rotation)
    video = Video(path)
    size = (48, 96) if rotation % 180 else (96, 48)
    assert (video.facts.width, video.facts.height) == size
    shown = upright(next(video.frames(0, Counter())).picture, video.facts)
    assert shown.shape[:2] == size[::-1]
    dark = {(0, 0), (0, -1), (-1, 0), (-1, -1)} - {corner}
    assert shown[corner].min() > 200
    assert all(shown[place].max() < 60 for place in dark)


def test_a_tiny_video_is_enlarged_to_what_the_detector_takes(tmp_path):
    video = Video(write_video(tmp_path / "a.mp4", patterns(2, 32, 16)))
    frame = next(video.frames(0, Counter()))
    assert upright(frame.picture, video.facts).shape == (20, 40, 3)


def test_a_large_video_is_brought_down(tmp_path):
    video = Video(
        write_video(tmp_path / "a.mp4", patterns(2, 2560, 1440), codec="mjpeg", pix_fmt="yuvj420p")
    )
    frame = next(video.frames(0, Counter()))
    assert upright(frame.picture, video.facts).shape == (1080, 1920, 3)


def test_damage_in_the_middle_is_counted_and_ends_nothing(tmp_path):
    rng = np.random.default_rng(0)
    noisy = [rng.integers(0, 256, (96, 128, 3), np.uint8) for _ in range(60)]
    path = write_video(tmp_path / "a.mkv", noisy, codec="libx264", options={"g": "10"})
    data = bytearray(path.read_bytes())
    for place in rng.integers(len(data) // 4, 3 * len(data) // 4, 12).tolist():
        data[place : place + 300] = rng.integers(0, 256, 300, np.uint8).tobytes()
    path.write_bytes(data)
    lost = Counter()
    frames = list(Video(path).frames(0, lost))
    skipped = sum((Counter(frame.lost) for frame in frames), lost)
    assert 5 < len(frames) < 60
    assert sum(skipped.values()) > 0
    assert frames[-1].time > 2.0


def test_a_file_that_ends_early_gives_what_there_is(tmp_path):
    path = write_video(tmp_path / "a.mkv", patterns(80), codec="libx264", options={"g": "5"})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert 5 < len(times(path)[0]) < 80


def write_sound(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_what_is_no_video_is_told_of_in_one_line(tmp_path):
    text = tmp_path / "a.mp4"
    text.write_text("nothing to see")
    empty = tmp_path / "b.mp4"
    empty.touch()
    picture = tmp_path / "c.jpg"
    picture.write_bytes(encode_jpeg(np.zeros((30, 30, 3), np.uint8)))
    sound = write_sound(tmp_path / "d.wav")
    cases = {text: "no video", empty: "empty", picture: "picture", sound: "audio"}
    cases[tmp_path] = "folder"
    for path, says in cases.items():
        with pytest.raises(VideoError, match=says) as caught:
            Video(path)
        assert "\n" not in str(caught.value)
        assert str(path) in str(caught.value)
