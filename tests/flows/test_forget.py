"""A person is forgotten: at once by name, and with the next refresh by the model."""

import json

from elenco.storage import read_json, read_npz
from tests.flows.conftest import PEOPLE, CastServer, make_workplace
from tests.small_data import says


def test_forgotten_they_are_named_no_more_and_do_not_come_back(
    tmp_path, prefect_api, cast_server: CastServer
):
    place = make_workplace(tmp_path, prefect_api, cast_server)
    done = place.elenco("refresh")
    assert done.returncode == 0, done.stderr
    current = place.models / "recogniser" / "current"
    people = {p["id"]: p["name"] for p in read_json(current / "labels.json")["people"]}
    assert len(people) == PEOPLE
    person, name = next(iter(people.items()))
    picture = tmp_path / "theirs.jpg"
    faces = sorted((place.data / "output" / "train" / person).glob("*.jpg"))
    photograph = place.data / "images" / "train" / person / faces[0].name
    picture.write_bytes(photograph.read_bytes())
    assert name in place.elenco("recognise", str(picture)).stdout

    done = place.elenco("forget", name)
    assert done.returncode == 0, done.stderr
    assert "v000001 names them no more" in done.stdout
    answers = json.loads(place.elenco("recognise", "--json", str(picture)).stdout)
    assert [face["person_id"] for face in answers[0]["faces"]] == [None]
    assert says(place.data, name) == []
    asked = cast_server.images()

    done = place.elenco("refresh")
    assert done.returncode == 0, done.stderr
    assert "v000001 holds a person who was forgotten" in done.stdout + done.stderr
    assert current.resolve().name == "v000002"
    assert not (place.models / "recogniser" / "v000001").exists()
    assert person not in {p["id"] for p in read_json(current / "labels.json")["people"]}
    assert not list(place.data.rglob(person))
    for split in ("train", "test"):
        rows = read_npz(place.data / "processed" / "dlib_resnet" / f"{split}.npz")
        assert person not in rows["people"].tolist()
    assert not {k for k, n in cast_server.images().items() if n > asked.get(k, 0)} & set(
        path.stem for path in faces
    )
    assert place.elenco("verify").returncode == 0
