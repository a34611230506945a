"""`elenco xray` and the flow, with a recogniser that a refresh made."""

import json
import subprocess
import sys

from elenco.demo.credits import cast_of
from elenco.demo.film import demo_takes, write_film
from elenco.demo.synthetic import SyntheticCast
from elenco.xray.burn_in import burnt_in
from elenco.xray.files import read_xray
from elenco.xray.outputs import output_paths
from tests.flows.conftest import PEOPLE, ROOT, artifacts, get_json

RUN = """
import sys
from pathlib import Path
from flows.annotate_video import annotate_video
print(annotate_video(Path(sys.argv[1]), Path(sys.argv[2]), movie=1, burn_in=True))
"""


def test_who_is_in_a_film(tmp_path, refreshed, prefect_api):
    cast = SyntheticCast(PEOPLE)
    people = [person for person, _ in cast_of(1, cast.people)[:3]]
    video = tmp_path / "cast of 1.mp4"
    truth = write_film(
        video,
        demo_takes(cast, people),
        size=(640, 360),
        options={"crf": "22", "preset": "veryfast"},
    )
    shown = {str(person.id) for person in people}

    done = refreshed.elenco("xray", str(video), "--everyone", "--out", str(tmp_path / "open"))
    assert done.returncode == 0, done.stderr
    for path in output_paths(tmp_path / "open", annotated=False):
        assert f"written: {path}" in done.stdout
        assert path.is_file()
    xray = read_xray(tmp_path / "open")
    assert {person.id for person in xray.people} == shown
    assert xray.unknown
    assert len(xray.shots) == len(truth.cuts) + 1

    cast_file = tmp_path / "cast.json"
    listed = [{"id": person.id, "character": "A"} for person in people[:2]]
    cast_file.write_text(json.dumps(listed))
    done = refreshed.elenco(
        "xray", str(video), "--cast", str(cast_file), "--out", str(tmp_path / "cast")
    )
    assert done.returncode == 0, done.stderr
    named = read_xray(tmp_path / "cast").people
    assert [(p.id, p.character) for p in named] == [(str(p.id), "A") for p in people[:2]]

    # The flow, with TMDB's credits from the demo server.
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(video), str(tmp_path / "movie")],
        env=refreshed.environment | {"PREFECT_API_URL": prefect_api},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    people_seen = read_xray(tmp_path / "movie").people
    assert {person.id for person in people_seen} == shown
    assert people_seen[0].character
    named_so = {"flow_runs": {"name": {"any_": ["annotate cast of 1.mp4"]}}}
    [run] = get_json(f"{prefect_api}/flow_runs/filter", named_so)
    assert f"{len(people_seen)} named" in run["state"]["message"]
    key = "annotate-video"
    said = artifacts(prefect_api, key, f"{key}-screen-time", f"{key}-player")
    assert shown <= {row["id"] for row in json.loads(said[f"{key}-screen-time"])}
    assert (tmp_path / "movie" / "index.html").as_uri() in said[f"{key}-player"]
    assert burnt_in(tmp_path / "movie" / "annotated.mp4")
    for word in ("cast of 1.mp4", people_seen[0].name, "given", "data:image/"):
        assert word in said[key]

    done = refreshed.elenco("xray", str(cast_file), "--out", str(tmp_path / "bad"))
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("elenco: ")
    done = refreshed.elenco("xray", str(video), "--movie", "999", "--out", str(tmp_path / "bad"))
    assert done.returncode == 1
    assert "no film 999" in done.stderr
