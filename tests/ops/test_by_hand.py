"""Every flow by hand, `elenco run`, one after the other through server and worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from elenco.demo.credits import cast_of
from elenco.demo.film import demo_takes, write_film
from elenco.demo.serve import running
from elenco.demo.synthetic import SyntheticCast
from elenco.storage import read_json
from elenco.xray.burn_in import burnt_in
from elenco.xray.files import read_xray
from tests.ops.conftest import HEAVY, PEOPLE, Place
from tests.ops.real_place import is_up, make_real_place

pytestmark = [HEAVY, pytest.mark.timeout(1800)]
CAST = SyntheticCast(PEOPLE)
FEWER = PEOPLE - 2


@pytest.fixture(scope="module")
def place(open_folder: Path) -> Iterator[Place]:
    with (
        running(CAST, rate_per_second=None) as server,
        is_up(make_real_place(open_folder / "by-hand", server)) as up,
    ):
        yield up


def run_by_hand(place: Place, flow: str, **parameters: object) -> str:
    """Its end; the name of its last state."""
    given = [part for name, value in parameters.items() for part in ("--param", f"{name}={value}")]
    done = place.elenco("run", flow, *given, "--watch")
    assert done.returncode == 0, done.stdout + done.stderr
    [run] = [run for run in place.runs(flow) if "by-hand" in run["tags"]]
    assert (run["state_type"], run["work_pool_name"]) == ("COMPLETED", "elenco")
    return run["state"]["name"]


def test_every_flow_by_hand_in_order(place: Place):
    """What the parts come to is what a refresh comes to: it finds nothing new."""
    assert run_by_hand(place, "collect_images", people=FEWER) == "Completed"
    listed = read_json(next(place.data.glob("state/tmdb/people/*.json")))
    assert len(listed["people"]) == FEWER
    assert run_by_hand(place, "embed_faces") == "Completed"
    assert list(place.data.glob("processed/*/train.npz"))
    assert run_by_hand(place, "train_recogniser", people=FEWER) == "Completed"
    versions = place.folder / "models" / "recogniser"
    assert not (versions / "current").exists()
    assert run_by_hand(place, "publish_model", people=FEWER) == "Completed"
    assert len(read_json(versions / "current" / "labels.json")["people"]) == FEWER
    assert run_by_hand(place, "daily_refresh", people=FEWER) == "Nothing new"
    film, out = place.folder / "film.mp4", place.folder / "xray"
    known = {person["id"] for person in listed["people"]}
    people = [one for one, _ in cast_of(1, CAST.people) if str(one.id) in known][:3]
    write_film(
        film,
        demo_takes(CAST, people),
        size=(640, 360),
        options={"crf": "22", "preset": "veryfast"},
    )
    ended = run_by_hand(place, "annotate_video", video=film, out=out, movie=1, burn_in="true")
    assert ended == "Completed"
    assert {person.id for person in read_xray(out).people} == {str(one.id) for one in people}
    assert burnt_in(out / "annotated.mp4")
    assert run_by_hand(place, "enforce_retention", wait_minutes=0) == "Completed"
    assert len(list(place.data.glob("images/*/*/*.jpg"))) == listed_photographs(place)


def listed_photographs(place: Place) -> int:
    records = place.data.glob("state/tmdb/collect/*.json")
    return sum(len(read_json(record)["kept"]) for record in records)
