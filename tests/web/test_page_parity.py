"""The page answers as `elenco recognise`: the same faces, names and probabilities."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from elenco.demo.synthetic import SyntheticCast
from elenco.export.web_server import serving
from elenco.faces.geometry import iou
from elenco.faces.images import decode
from elenco.layout import Layout
from elenco.recognition.pipeline import Face, load_pipeline
from elenco.settings import Settings
from elenco.types import Person
from tests.web.conftest import known
from tests.web.version import export, make_version

OVERLAP = 0.9  # least intersection over union of one face, said by both
PROBABILITY = 0.02  # what its probability may differ by
PICTURES = 200
INVENTED = 60  # they are larger
AT_ONCE = 25
LOAD = """async (backend) => {
  const { load } = await import("/recognise.js");
  globalThis.recogniser = await load({ backend });
  const input = document.createElement("input");
  document.body.append(Object.assign(input, { type: "file", id: "many", multiple: true }));
  return recogniser.backend;
}"""
RECOGNISE = """async () => {
  const answers = [];
  const { files } = document.querySelector("#many");
  for (const file of files) answers.push(await recogniser.recognise(file));
  return answers;
}"""


def in_browser(page, paths: Sequence[Path], backend: str = "wasm") -> list[list[dict]]:
    assert page.evaluate(LOAD, backend) == backend
    answers = []
    for start in range(0, len(paths), AT_ONCE):
        page.set_input_files("#many", paths[start : start + AT_ONCE])
        answers += page.evaluate(RECOGNISE)
    return answers


def in_python(paths: Sequence[Path], settings: Settings) -> list[list[Face]]:
    pipeline = load_pipeline(settings, Layout.of(settings))
    answers = []
    for start in range(0, len(paths), AT_ONCE):
        pictures = [decode(path.read_bytes(), 40) for path in paths[start : start + AT_ONCE]]
        answers += pipeline.recognise(pictures)
    return answers


def assert_same(expected: list[list[Face]], found: list[list[dict]], paths: Sequence[Path]) -> None:
    for path, faces, answers in zip(paths, expected, found, strict=True):
        assert len(faces) == len(answers), path.name
        for face, answer in zip(faces, answers, strict=True):
            ours, theirs = np.array([face.box]), np.array([answer["box"]])
            assert iou(ours, theirs)[0, 0] >= OVERLAP, path.name
            assert answer["person_id"] == face.person_id, path.name
            assert answer["name"] == face.name, path.name
            assert abs(answer["probability"] - face.probability) <= PROBABILITY, path.name


def test_new_pictures_of_invented_people(site, blank, tmp_path):
    cast = SyntheticCast(len(known(site)) + 6)  # six more, whom the version does not know
    people = [str(person.id) for person in cast.people]
    order = [people[i % len(people) :] + people[: i % len(people)] for i in range(INVENTED)]
    paths = []
    for number, ids in enumerate(order):
        shown = [cast.find(int(i)) for i in ids[: 1 + number % 2]]
        path = tmp_path / f"{number:03d}.jpg"
        path.write_bytes(cast.new_picture(number, *shown).data)
        paths.append(path)
    expected = in_python(paths, site.settings)
    assert sum(face.name is not None for faces in expected for face in faces) > INVENTED / 2
    assert any(face.name is None for faces in expected for face in faces)
    assert_same(expected, in_browser(blank, paths), paths)


def test_two_hundred_photographs_of_lfw(shared, site, open_page, tmp_path):
    people = sorted(path for path in (shared / "lfw" / "images").iterdir())
    several = [(path, sorted(path.glob("*.jpg"))) for path in people]
    several = [(path, photographs) for path, photographs in several if len(photographs) >= 6][:40]
    trained = {
        Person(path.name, path.name.replace("_", " ")): [p.read_bytes() for p in photographs[:4]]
        for path, photographs in several
    }
    settings = make_version(tmp_path, trained, like=site.settings)
    held_out = [p for _, photographs in several for p in photographs[4:9]]
    strangers = [next(path.glob("*.jpg")) for path in people if path not in dict(several)]
    paths = [*held_out[: PICTURES - 60], *strangers[:: len(strangers) // 60]][:PICTURES]
    assert len(paths) == PICTURES
    expected = in_python(paths, settings)
    with serving(export(tmp_path, settings)) as url:
        blank = open_page(f"{url}labels.json", ready=False)
        assert_same(expected, in_browser(blank, paths), paths)


def test_webgl_answers_the_same(site, blank, pictures, tmp_path):
    # One small picture: without a graphics card this is slow.
    picture = Image.open(pictures[1])
    paths = [tmp_path / "half.png"]
    picture.resize((picture.width // 2, picture.height // 2)).save(paths[0])
    found = in_browser(blank, paths, "webgl")
    assert_same(in_python(paths, site.settings), found, paths)


def saved(picture: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def forms_of(path: Path) -> dict[str, bytes]:
    """A picture in the forms that pictures come in."""
    picture = Image.open(path).convert("RGB")
    forms = {
        "plain.png": saved(picture, "PNG"),
        "grey.png": saved(picture.convert("L"), "PNG"),
        "palette.gif": saved(picture.convert("P", palette=Image.Palette.ADAPTIVE), "GIF"),
        "cmyk.jpg": saved(picture.convert("CMYK"), "JPEG", quality=92),
        "progressive.jpg": saved(picture, "JPEG", progressive=True),
        "lossy.webp": saved(picture, "WEBP", quality=85),
        "large.jpg": saved(picture.resize((1403, 2107), Image.Resampling.BICUBIC), "JPEG"),
    }
    see_through = picture.convert("RGBA")
    ramp = np.tile(np.linspace(90, 255, picture.width).astype(np.uint8), (picture.height, 1))
    see_through.putalpha(Image.fromarray(ramp))
    forms["alpha.png"] = saved(see_through, "PNG")
    turned = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}
    for orientation, turn in turned.items():
        exif = Image.Exif()
        exif[0x112] = orientation
        forms[f"exif-{orientation}.jpg"] = saved(picture.transpose(turn), "JPEG", exif=exif)
    return forms


def test_a_picture_of_any_form_is_decoded_the_same(site, blank, pictures, tmp_path):
    paths = []
    for name, data in forms_of(pictures[0]).items():
        path = tmp_path / name
        path.write_bytes(data)
        paths.append(path)
    expected = in_python(paths, site.settings)
    assert all(len(faces) == 1 for faces in expected)
    assert_same(expected, in_browser(blank, paths), paths)
