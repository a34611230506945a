from collections import Counter

import numpy as np
import pytest

from elenco.demo.film import demo_takes, render, write_film
from elenco.demo.synthetic import SyntheticCast
from elenco.xray.video import Video
from tests.xray_help import head, stays, take

SIZE = (160, 90)


def rendered(*takes):
    cuts: list[float] = []
    frames = list(render(takes, SIZE, 25, 0, cuts))
    return [p for p, _ in frames], [f for _, f in frames], cuts


def test_takes_follow_one_another():
    pictures, faces, cuts = rendered(take(1, stays(head(0, 0), 0.3)), take(2, seconds=0.6))
    assert len(pictures) == 40
    assert cuts == [1.0]
    assert [len(f) for f in faces] == [1] * 25 + [0] * 15
    [face] = faces[0]
    x, y, w, h = face.box
    assert (x + w / 2, y + h / 2) == pytest.approx((0.3, 0.5), abs=0.02)
    assert h == pytest.approx(0.4, abs=0.01)
    assert face.visible == 1


def test_what_is_behind_or_outside_is_less_visible():
    behind, before = stays(head(0, 0), 0.5), stays(head(1, 0), 0.55)
    _, faces, _ = rendered(take(1, behind, before, stays(head(2, 0), 0.0)))
    hidden, shown, half = (face.visible for face in faces[0])
    assert hidden < 0.5
    assert shown == 1
    assert half == pytest.approx(0.5, abs=0.1)


def test_a_dissolve_shows_both():
    one = take(1, stays(head(0, 0), 0.3), dissolve=0.4)
    _, faces, cuts = rendered(one, take(2, stays(head(1, 0), 0.7)))
    assert cuts == [1.0]
    middle = {face.who: face.visible for face in faces[25]}
    assert middle["p0"] == pytest.approx(0.5, abs=0.1)
    assert middle["p1"] == pytest.approx(0.5, abs=0.1)
    assert [face.who for face in faces[10]] == ["p0"]
    assert [face.who for face in faces[40]] == ["p1"]


def test_the_same_takes_give_the_same_pictures():
    takes = [take(1, stays(head(0, 0), 0.4, sway=0.02), zoom=1.2, flash=0.5)]
    first, again = (np.stack(rendered(*takes)[0]) for _ in range(2))
    assert np.array_equal(first, again)


@pytest.mark.parametrize("rotation", [0, 90])
def test_a_film_is_written_as_it_is_told(tmp_path, rotation):
    path = tmp_path / "a.mp4"
    truth = write_film(
        path, [take(1, stays(head(0, 0), 0.4))], size=SIZE, codec="mpeg4", rotation=rotation
    )
    video = Video(path)
    assert (video.facts.width, video.facts.height) == SIZE
    found = [frame.time for frame in video.frames(0, Counter())]
    assert np.allclose(found, truth.times)
    assert len(truth.faces) == 25


def test_the_demos_film_shows_its_people_and_a_stranger():
    cast = SyntheticCast(10)
    people = list(cast.people[:3])
    takes = demo_takes(cast, people)
    shown = {role.head.who for one in takes for role in one.roles}
    assert shown == {str(person.id) for person in people} | {"stranger"}
