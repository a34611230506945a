"""`elenco demo`: the daily refresh from a server on this machine, then a few new pictures."""

import os
from pathlib import Path

from elenco.cli.launch import application_root, run_refresh
from elenco.cli.recognise import recognise_files
from elenco.demo.cast import Cast, Picture
from elenco.demo.folder_cast import FolderCast
from elenco.demo.serve import running
from elenco.demo.synthetic import SyntheticCast
from elenco.errors import ElencoError
from elenco.layout import Layout
from elenco.settings import CONFIG_VARIABLE, Settings, load_settings
from elenco.sources.people import read_people
from elenco.storage import write_bytes

PICTURES = 6


def make_cast(photos: Path | None, people: int) -> Cast:
    """Invented people, or those of a folder with some photographs held back for the end."""
    return FolderCast(photos, hold_back=PICTURES) if photos else SyntheticCast(people)


def run(photos: Path | None, people: int | None) -> None:
    """Serve, refresh, and show who is in pictures that the recogniser has never seen."""
    os.environ.setdefault(CONFIG_VARIABLE, str(application_root() / "config" / "demo.toml"))
    people = people or load_settings().collect.people
    cast = make_cast(photos, people)
    with running(cast) as server:
        os.environ |= {
            "ELENCO_COLLECT__SOURCE": "tmdb",
            "ELENCO_TMDB__API_URL": server.api_url,
            "ELENCO_TMDB__TOKEN": server.token,
            "ELENCO_TMDB__TERMS_ACCEPTED": "true",
        }
        what = photos or "people who do not exist"
        print(f"demo: serving {what} at {server.api_url}", flush=True)
        run_refresh(None, people)
        print(f"demo: the server was asked for {server.counts['image']:,} photographs", flush=True)
    settings = load_settings(collect={"people": people})
    _show(cast, settings)


def _show(cast: Cast, settings: Settings) -> None:
    """Recognise new pictures, print truth and answer, and write them with the names on."""
    from elenco.faces.images import decode, encode_jpeg
    from elenco.report.sheet import annotate

    layout = Layout.of(settings)
    known = [person.id for person in read_people(layout)]
    folder = settings.paths.data / "demo"
    pictures = cast.new_pictures(known, PICTURES)
    paths = [_write(folder, picture) for picture in pictures]
    print("demo: pictures that the recogniser has never seen")
    for picture, (path, faces) in zip(pictures, recognise_files(paths, settings), strict=True):
        if isinstance(faces, Exception):
            raise ElencoError(f"{path}: {faces}")
        truth = ", ".join(face.name or "a stranger" for face in picture.faces)
        answer = ", ".join(f"{f.name or 'unknown'} {f.probability:.0%}" for f in faces) or "no face"
        print(f"  {path}: shows {truth}; recognised: {answer}")
        rgb = decode(path.read_bytes(), settings.collect.max_megapixels)
        write_bytes(path.with_suffix(".named.jpg"), encode_jpeg(annotate(rgb, faces)))
    print(f"demo: the same with names on the faces: {folder}/*.named.jpg")
    print(f"demo: try it yourself: elenco recognise {paths[0]}")


def _write(folder: Path, picture: Picture) -> Path:
    path = folder / picture.name
    write_bytes(path, picture.data)
    return path
