import numpy as np
import pytest

from elenco.xray.tracks import Tracker
from tests.xray_help import frame, seen


def follow(frames, most=8):
    tracker = Tracker(0.9, most)
    ended = [track for one in frames for track in tracker.step(one)]
    return ended + tracker.finish(), tracker


def test_a_face_that_moves_is_one_track():
    tracks, tracker = follow([frame(n / 5, seen(0.1 + 0.04 * n)) for n in range(15)])
    [track] = tracks
    assert len(track.times) == 15
    assert track.before is None
    assert track.after is None
    assert not tracker.skipped


def test_a_fast_face_is_followed_by_its_motion():
    """Its boxes of two samples do not overlap."""
    places = [0.05, 0.09, 0.15, 0.23, 0.33, 0.44, 0.55, 0.66]
    tracks, _ = follow([frame(n / 5, seen(x)) for n, x in enumerate(places)])
    assert len(tracks) == 1


def test_two_faces_are_two_tracks():
    frames = [frame(n / 5, seen(0.2, look=1), seen(0.6, look=2)) for n in range(6)]
    tracks, _ = follow(frames)
    assert sorted(float(t.boxes[0][0]) for t in tracks) == pytest.approx([0.2, 0.6])


def test_another_face_in_the_same_place_is_another_track():
    frames = [frame(n / 5, seen(0.3, look=1 if n < 6 else 2)) for n in range(12)]
    tracks, _ = follow(frames)
    assert [len(t.times) for t in tracks] == [6, 6]
    assert tracks[0].after == pytest.approx(1.2)
    assert tracks[1].before == pytest.approx(1.0)


def test_a_face_that_is_lost_for_a_moment_goes_on():
    frames = [frame(n / 5, *([] if n in (4, 5) else [seen(0.3)])) for n in range(10)]
    [track], _ = follow(frames)
    assert len(track.times) == 8


def test_a_face_that_is_away_for_long_comes_back_as_another_track():
    frames = [frame(n / 5, *([] if 4 <= n < 12 else [seen(0.3)])) for n in range(20)]
    tracks, _ = follow(frames)
    assert [len(t.times) for t in tracks] == [4, 8]
    assert tracks[0].after == pytest.approx(0.8)
    assert tracks[1].before == pytest.approx(2.2)


def test_a_weak_face_goes_on_with_a_track_and_begins_none():
    frames = [frame(n / 5, seen(0.3, score=0.95 if n < 3 else 0.85)) for n in range(6)]
    [track], tracker = follow([*frames, frame(1.2, seen(0.8, look=9, score=0.85))])
    assert len(track.times) == 6
    assert tracker.skipped == {"low_score": 1}


def test_what_is_seen_once_is_no_track():
    tracks, tracker = follow([frame(0.0, seen(0.3)), frame(0.2), frame(0.4)])
    assert tracks == []
    assert tracker.skipped == {"short_track": 1}


def test_the_faces_to_embed_are_good_and_spread_over_time():
    frames = [frame(n / 5, seen(0.3, quality=0.9 if n % 10 == 5 else 0.2)) for n in range(60)]
    [track], _ = follow(frames, most=6)
    times = np.array([time for time, _ in track.best])
    assert len(times) == 6
    assert [face.quality for _, face in track.best] == [0.9] * 6
    assert np.all(np.diff(times) > 0)


def test_few_faces_are_all_kept():
    [track], _ = follow([frame(n / 5, seen(0.3)) for n in range(5)], most=6)
    assert [time for time, _ in track.best] == track.times


def test_a_split_track_knows_when_both_parts_were_there():
    [track], _ = follow([frame(n / 5, seen(0.3)) for n in range(6)])
    first, second = track.split(0.5)
    assert (len(first.times), len(second.times)) == (3, 3)
    assert (first.before, first.after) == (None, pytest.approx(0.6))
    assert (second.before, second.after) == (pytest.approx(0.4), None)
    assert first.whole is second.whole is track
    assert [t for t, _ in first.best + second.best] == track.times


def test_two_who_look_alike_and_meet_are_not_confused():
    """Where it is not plain who is who, tracks end."""
    left = [0.2, 0.24, 0.28, 0.32, 0.36, 0.4]
    frames = [frame(n / 5, seen(x, look=1), seen(0.74 - x, look=1)) for n, x in enumerate(left)]
    tracks, tracker = follow(frames)
    found = sum(len(t.times) for t in tracks) + sum(tracker.skipped.values())
    assert found == 2 * len(left)
    for track in tracks:
        steps = np.diff([float(box[0]) for box in track.boxes])
        assert np.all(steps > 0) or np.all(steps < 0)


def test_a_small_face_that_leaves_its_box_behind_is_known_by_its_look():
    """Its first two boxes are two sides apart: no motion is known yet."""
    places = [0.1, 0.3, 0.5, 0.7]
    tracks, _ = follow([frame(n / 5, seen(x, look=1)) for n, x in enumerate(places)])
    assert [len(track.times) for track in tracks] == [4]
    others, tracker = follow([frame(n / 5, seen(x, look=n)) for n, x in enumerate(places)])
    assert others == []
    assert tracker.skipped == {"short_track": 4}
