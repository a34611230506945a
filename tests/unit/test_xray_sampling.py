from collections import Counter

import numpy as np
import pytest

from elenco.xray.sampling import Passed, Sample, ShotSpan, take_samples
from elenco.xray.video import Video
from tests.xray_help import patterns, write_video


def film(tmp_path, *lengths, fps=25):
    pictures = [p for n, length in enumerate(lengths) for p in patterns(length, seed=n)]
    return Video(write_video(tmp_path / "a.mp4", pictures, fps=fps, options={"qscale": "2"}))


def taken(video, rate=5.0, seconds=100.0, start=0.0):
    passed, lost = Passed(), Counter()
    items = list(take_samples(video.frames(start, lost), rate, seconds, passed))
    samples = [one.time for one in items if isinstance(one, Sample)]
    spans = [one for one in items if isinstance(one, ShotSpan)]
    return samples, spans, passed, items


def test_some_a_second_and_the_borders_of_shots(tmp_path):
    samples, spans, _, items = taken(film(tmp_path, 52, 40))
    assert [(s.start, s.end) for s in spans] == [(0, 2.08), (2.08, pytest.approx(3.68))]
    for border in (0.0, 2.04, 2.08, 3.64):
        assert np.abs(np.array(samples) - border).min() < 1e-6
    assert np.diff(samples).max() <= 1.4 * 0.2  # a sample beside a border's is left out
    # Those of the first shot come before its span.
    assert [isinstance(one, ShotSpan) for one in items].count(True) == 2
    assert isinstance(items[-1], ShotSpan)
    assert samples == sorted(samples)
    first = items.index(spans[0])
    assert all(one.time < 2.08 for one in items[:first] if isinstance(one, Sample))


def test_counts(tmp_path):
    samples, _, passed, _ = taken(film(tmp_path, 30, 30))
    assert passed.frames == 60
    assert passed.samples == len(samples)
    assert passed.end is None
    assert passed.last == pytest.approx(60 / 25)


def test_a_segment_ends_at_the_next_cut_and_the_rest_follows_from_there(tmp_path):
    video = film(tmp_path, 30, 20, 30)
    first, spans, passed, _ = taken(video, seconds=1.5)
    assert passed.end == pytest.approx(2.0)
    assert [s.joined for s in spans] == [False, False]
    assert passed.frames == 50
    second, rest, after, _ = taken(video, seconds=1.5, start=passed.end)
    assert after.end is None
    assert after.frames == 30
    _, all_spans, _, _ = taken(video)
    assert [(s.start, s.end) for s in spans + rest] == [(s.start, s.end) for s in all_spans]
    assert {1.96, 2.0} <= set(np.round(first + second, 3))


def test_a_shot_that_does_not_end_is_cut_and_said_to_go_on(tmp_path):
    video = film(tmp_path, 80)
    samples, spans, passed, _ = taken(video, seconds=1.0)
    assert passed.end == pytest.approx(1.52)
    assert [(s.end, s.joined) for s in spans] == [(passed.end, True)]
    assert passed.frames == 38
    assert samples[-1] == pytest.approx(1.48)


def test_a_low_frame_rate_takes_every_frame(tmp_path):
    samples, *_ = taken(film(tmp_path, 8, fps=2))
    assert samples == [n / 2 for n in range(8)]


def test_one_frame(tmp_path):
    samples, spans, passed, _ = taken(film(tmp_path, 1))
    assert samples == [0.0]
    assert len(spans) == 1
    assert passed.frames == 1


def test_no_frame_at_all():
    assert list(take_samples([], 5, 10, Passed())) == []


def test_a_cut_just_before_a_forced_end_is_not_lost(tmp_path):
    _, spans, passed, _ = taken(film(tmp_path, 36, 40), seconds=1.0)
    assert passed.end == pytest.approx(1.44)
    assert [s.joined for s in spans] == [False]
