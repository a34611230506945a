import numpy as np
import pytest

from elenco.xray.document import film_of
from elenco.xray.sampling import ShotSpan
from elenco.xray.segments import Segment, read_segment, write_segment
from tests.xray_help import directions, face_track


def looks(count: int) -> np.ndarray:
    return np.random.default_rng(count).random((count, 6), np.float32)


def segment(start: float, end: float | None, shots, tracks) -> Segment:
    last = shots[-1].end if shots else start
    return Segment(
        start, end, last, shots, tracks, {"given": 9, "kept": 9}, {"given": 0, "kept": 0}
    )


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_segment_is_read_as_it_was_written(tmp_path, count):
    shots = [ShotSpan(n, n + 1.0, looks(n + 1), n == 1) for n in range(count)]
    tracks = [face_track(n, n + 0.9, directions(n + 1)) for n in range(count)]
    path = tmp_path / "deep" / "segment.npz"
    write_segment(segment(0.0, None if count else 4.0, shots, tracks), path)
    read = read_segment(path)
    assert read is not None
    assert (read.start, read.end) == (0.0, None if count else 4.0)
    assert [(s.start, s.end, s.joined) for s in read.shots] == [
        (s.start, s.end, s.joined) for s in shots
    ]
    for mine, theirs in zip(shots, read.shots, strict=True):
        assert np.array_equal(mine.looks, theirs.looks)
    for mine, theirs in zip(tracks, read.tracks, strict=True):
        assert (mine.start, mine.end, mine.face) == (theirs.start, theirs.end, theirs.face)
        for name in ("boxes", "vectors", "quality"):
            assert np.array_equal(getattr(mine, name), getattr(theirs, name))
    before = path.read_bytes()
    write_segment(read, path)
    assert path.read_bytes() == before


def test_what_is_not_there_or_damaged_is_none(tmp_path):
    path = tmp_path / "segment.npz"
    assert read_segment(path) is None
    write_segment(segment(0, None, [ShotSpan(0, 1, looks(1))], []), path)
    data = path.read_bytes()
    for damaged in (b"", data[: len(data) // 2], b"no npz"):
        path.write_bytes(damaged)
        assert read_segment(path) is None


def test_a_shot_that_goes_on_in_the_next_segment_is_one_shot():
    one = segment(
        0,
        5,
        [ShotSpan(0, 2, looks(1)), ShotSpan(2, 5, looks(1), True)],
        [face_track(0.5, 1.5, directions(1)), face_track(3, 5, directions(1))],
    )
    other = segment(
        5,
        None,
        [ShotSpan(5, 6, looks(2)), ShotSpan(6, 8, looks(1))],
        [face_track(5, 5.9, directions(1)), face_track(6.5, 8, directions(1))],
    )
    film = film_of([one, other])
    assert [(s.start, s.end) for s in film.shots] == [(0, 2), (2, 6), (6, 8)]
    assert len(film.shots[1].looks) == 3
    assert film.shot_of.tolist() == [0, 1, 1, 2]
    assert film.end == 8
