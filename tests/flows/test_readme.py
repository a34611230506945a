"""The README's commands, run as they stand there."""

import re
import shutil
import signal
import subprocess
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from elenco.demo.film import demo_takes, write_film
from elenco.demo.synthetic import SyntheticCast
from elenco.faces.images import encode_jpeg
from elenco.storage import read_json
from tests.flows.conftest import (
    ELENCO,
    PEOPLE,
    ROOT,
    CastServer,
    Workplace,
    make_workplace,
)

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.M | re.S)


def block(start: str) -> str:
    """The one block that begins so."""
    found = [text for _, text in BLOCKS if text.startswith(start)]
    assert len(found) == 1, start
    return found[0]


def environment_of(place: Workplace) -> dict[str, str]:
    """That of the fixture without its settings."""
    clean = {k: v for k, v in place.environment.items() if not k.startswith("ELENCO_")}
    return clean | {"PATH": f"{Path(ELENCO).parent}:{clean['PATH']}"}


def bash(script: str, folder: Path, place: Workplace, **environment: str):
    """Run a block in a folder, without the settings of the fixture."""
    return subprocess.run(
        ["bash", "-euc", script],
        cwd=folder,
        env=environment_of(place) | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_every_block_of_commands_is_run_by_a_test_or_by_make_demo():
    starts = [text.split("\n")[0] for kind, text in BLOCKS if kind == "sh"]
    assert starts == [
        "make demo    # sets up .venv, serves a synthetic cast, refreshes, recognises new pictures",
        "elenco recognise data/demo/new-1.jpg          # or any picture",
        "export ELENCO_COLLECT__SOURCE=folder",
        "elenco web                                      # serves a page on this machine: open it, "
        "drop a picture on it",
        "export ELENCO_TMDB__TOKEN=…                     # API Read Access Token",
        "elenco verify                         # photographs on disk against the manifest",
        "elenco xray film.mp4 --cast cast.toml --out xray    "
        "# or --movie 603; without either, whoever is known",
        "prefect server start                                        # in another terminal",
        "elenco backup /mnt/backups/elenco --keep 30     # daily, after the refresh; "
        "or s3://bucket/elenco",
    ]


def test_recognise_and_models(refreshed):
    picture = refreshed.data / "demo" / "new-1.jpg"
    picture.parent.mkdir(exist_ok=True)
    cast = SyntheticCast(PEOPLE)
    picture.write_bytes(cast.new_picture(1, cast.people[0], cast.people[1]).data)
    done = bash(block("elenco recognise"), refreshed.folder, refreshed)
    assert done.returncode == 0, done.stderr
    for word in (str(Path("data/demo/new-1.jpg")), '"probability"', "v000001", "top-1"):
        assert word in done.stdout


def test_xray(refreshed):
    cast = SyntheticCast(PEOPLE)
    people = cast.people[:3]
    options = {"crf": "23", "preset": "veryfast"}
    takes = demo_takes(cast, people)[:2]
    write_film(refreshed.folder / "film.mp4", takes, size=(640, 360), options=options)
    listed = "".join(f'[[person]]\nid = {p.id}\ncharacter = "Rosa"\n' for p in people)
    (refreshed.folder / "cast.toml").write_text(listed)
    done = bash(block("elenco xray"), refreshed.folder, refreshed)
    assert done.returncode == 0, done.stderr
    assert f"{people[0].name} as Rosa" in done.stdout
    assert "is up to date" in done.stderr
    written = re.findall(r"^written: (.*)$", done.stdout, re.M)
    assert len(written) == 6 + 7
    assert "xray/annotated.mp4" in written
    assert all((refreshed.folder / path).stat().st_size for path in written)


def test_the_npz_example(refreshed):
    done = bash(f"python - <<'END'\n{block('import numpy')}END\n", refreshed.folder, refreshed)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.rsplit(" ", 1)[1]) >= 0.9


def test_the_page(refreshed):
    serve, write = block("elenco web").splitlines()
    command = ["bash", "-euc", f"exec {serve.replace('elenco web', 'elenco web --port 0')}"]
    with subprocess.Popen(
        command,
        cwd=refreshed.folder,
        env=environment_of(refreshed) | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        said = [server.stdout.readline() for _ in range(2)]
        assert f"{PEOPLE} people" in said[0]
        (url,) = re.findall(r"http://127\.0\.0\.1:\d+/\S*", said[1])
        with urllib.request.urlopen(url, timeout=30) as page:
            assert b"<title>" in page.read()
        server.send_signal(signal.SIGINT)
        assert server.wait(30) == 0
    done = bash(write, refreshed.folder, refreshed)
    assert done.returncode == 0, done.stderr
    assert (refreshed.folder / "page" / "recognise.js").is_file()
    assert len(read_json(refreshed.folder / "page" / "labels.json")["people"]) == PEOPLE


def test_tmdb(tmp_path, refreshed, cast_server: CastServer):
    script = block("export ELENCO_TMDB__TOKEN").replace("=…", "=demo").replace("500", "4")
    done = bash(
        script,
        tmp_path,
        refreshed,
        ELENCO_TMDB__API_URL=f"{cast_server.url}/3",
        ELENCO_EMBEDDING__EMBEDDER="dlib_resnet",
    )
    assert done.returncode == 0, done.stderr
    (listed,) = (tmp_path / "data" / "state" / "tmdb" / "people").iterdir()
    assert len(read_json(listed)["people"]) == 4
    assert (tmp_path / "models" / "recogniser" / "current" / "card.md").exists()


def test_rights(tmp_path, prefect_api, cast_server: CastServer):
    place = make_workplace(tmp_path, prefect_api, cast_server)
    assert place.elenco("refresh").returncode == 0
    done = bash(block("elenco verify"), tmp_path, place)
    assert done.returncode == 0, done.stderr
    assert "no problem" in done.stdout
    assert "forgot 900000001" in done.stdout
    assert "purged tmdb" in done.stdout
    assert not list(tmp_path.rglob("*.jpg"))
    assert not list(tmp_path.rglob("*.npz"))
    assert not (tmp_path / "models" / "recogniser" / "current").exists()


def test_backup(tmp_path, refreshed):
    done = bash(block("elenco backup ").replace("/mnt", str(tmp_path)), refreshed.folder, refreshed)
    assert done.returncode == 0, done.stderr
    assert "everything is there and as it was stored" in done.stdout
    model = Path("models") / "recogniser" / "current" / "gallery.npz"
    assert (tmp_path / "trial" / model).read_bytes() == (refreshed.folder / model).read_bytes()


BROKEN = {
    "empty": b"",
    "not_an_image": b"<html><body>Sorry</body></html>",
    "too_small": encode_jpeg(np.zeros((1, 1, 3), np.uint8)),
    # A header that promises 65,000 x 65,000 pixels.
    "too_large": encode_jpeg(np.zeros((32, 32, 3), np.uint8)).replace(
        b"\x00\x20\x00\x20\x03", b"\xfd\xe8\xfd\xe8\x03"
    ),
    "truncated": encode_jpeg(np.random.default_rng(0).integers(0, 255, (99, 99, 3), np.uint8))[
        :900
    ],
    "no_face": encode_jpeg(np.full((300, 300, 3), 90, np.uint8)),
}


@pytest.fixture
def photos(tmp_path) -> Path:
    """Three people, some of their photographs broken, and one with nothing usable."""
    cast = SyntheticCast(3)
    for person in cast.people:
        for photo in cast.photos(person):
            if photo.kind in ("plain", "grey", "cmyk"):
                path = tmp_path / "photos" / person.name / photo.path.strip("/")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(cast.image(photo.path, "h632"))
    unlucky = tmp_path / "photos" / "Nobody Usable"
    unlucky.mkdir()
    for reason, data in BROKEN.items():
        (unlucky / f"{reason}.jpg").write_bytes(data)
    (tmp_path / "someone.jpg").write_bytes(cast.new_picture(5, cast.people[2]).data)
    return tmp_path / "photos"


def test_a_folder_of_ones_own_people(tmp_path, photos, refreshed):
    done = bash(block("export ELENCO_COLLECT__SOURCE=folder"), tmp_path, refreshed)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    for reason in BROKEN:
        assert f"{reason} 1" in done.stdout, reason
    known = {path.name for path in photos.iterdir()} - {"Nobody Usable"}
    labels = read_json(tmp_path / "models" / "recogniser" / "current" / "labels.json")
    assert {person["id"] for person in labels["people"]} == known
    assert "someone.jpg: 1 face" in done.stdout

    # Another day: one photograph more is one photograph more to do.
    name = sorted(known)[0]
    first = sorted((photos / name).iterdir())[0]
    shutil.copy(first, first.with_name("zz-new.jpeg"))
    again = bash(block("export ELENCO_COLLECT__SOURCE=folder"), tmp_path, refreshed)
    assert again.returncode == 0, again.stderr
    given, kept = (
        int(n) for n in re.findall(r"^collect: (\d+) given, (\d+)", again.stdout, re.M)[0]
    )
    assert f"collect: {given} given, {kept} kept ({kept - 1} from before)" in again.stdout
