"""What is written beside `xray.json`: the same content in the forms that others read."""

import json
import os
from pathlib import Path
from urllib.parse import quote

from elenco.errors import ConfigError
from elenco.progress import say
from elenco.storage import write_bytes
from elenco.xray.annotations import annotations
from elenco.xray.burn_in import burn_in, burnt_in
from elenco.xray.files import FILE
from elenco.xray.player import MARK, player_page
from elenco.xray.screen_time import screen_time_csv
from elenco.xray.types import XRay
from elenco.xray.webvtt import captions_vtt, metadata_vtt

PAGE = "index.html"
FILM = "annotated.mp4"


def check_outputs(path: Path, out: Path, annotated: bool) -> None:
    """Refuse a folder in which something of somebody else's would be written over.

    Args:
        path: of the video.
        out: the folder.
        annotated: whether the film is written as well.

    Raises:
        ConfigError: the video itself, or a page that is not ours.
    """
    if annotated and path.resolve() == (out / FILM).resolve():
        raise ConfigError(f"{path} would be written over: give another --out")
    page = out / PAGE
    if page.is_file() and MARK.encode() not in page.read_bytes()[:4096]:
        raise ConfigError(f"{page} is a page of something else: give another --out")


def write_outputs(xray: XRay, path: Path, out: Path, annotated: bool) -> list[Path]:
    """Bring all forms up to date; what is as it should be is left as it is.

    Args:
        xray: what was found.
        path: of the video; the page refers to it from the folder.
        out: the folder, with `xray.json` and faces.
        annotated: whether to write the film with boxes and names as well.

    Returns:
        The paths: `xray.json`, the forms, and the film if it was asked for.

    Raises:
        VideoError: the video can't be read.
        OSError: the disk is full, or the folder can't be written.
    """
    source = address_of(path, out)
    forms = {
        PAGE: player_page(xray, source),
        "metadata.vtt": metadata_vtt(xray),
        "captions.vtt": captions_vtt(xray),
        "annotations.jsonld": json.dumps(annotations(xray, source), ensure_ascii=False, indent=1)
        + "\n",
        "screen_time.csv": screen_time_csv(xray),
    }
    for name, text in forms.items():
        _bring_up_to_date(out / name, text.encode())
    of = burnt_in(out / FILM)
    if annotated and of != xray.fingerprint:
        burn_in(xray, path, out / FILM)
    elif not annotated and of not in (None, xray.fingerprint):
        (out / FILM).unlink()  # it may name somebody who is to be named no more
        say(f"{out / FILM} was of an earlier run: removed; --burn-in makes it again")
    return output_paths(out, annotated)


def output_paths(out: Path, annotated: bool) -> list[Path]:
    """What a run writes into a folder, but for faces."""
    names = [FILE, PAGE, "metadata.vtt", "captions.vtt", "annotations.jsonld", "screen_time.csv"]
    return [out / name for name in (*names, *([FILM] if annotated else []))]


def address_of(path: Path, out: Path) -> str:
    """The address of a file for what lies in `out`: relative, percent-encoded."""
    return quote(os.fsencode(os.path.relpath(path.absolute(), out.absolute())))


def _bring_up_to_date(path: Path, data: bytes) -> None:
    try:
        if path.read_bytes() == data:
            return
    except FileNotFoundError:
        pass
    write_bytes(path, data)
