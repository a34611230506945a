"""The player: a page that opens from disk, asks nothing of any network, and shows who is there."""

import base64
import hashlib
import html
import re
from pathlib import Path
from typing import Any

from elenco.rights.notice import notice_of
from elenco.xray.presence import thinned
from elenco.xray.report import clock
from elenco.xray.text import embedded_json, one_line
from elenco.xray.types import OnScreen, Unknown, XRay

SOURCES = Path(__file__).with_name("player")
THEME = Path(__file__).parents[1] / "web" / "theme.css"
MARK = '<meta name="generator" content="Elenco X-Ray" />'
_SLOT = re.compile(r"\{\{(\w+)\}\}")


def player_page(xray: XRay, source: str) -> str:
    """The page, whole but for the video and the faces that it lies beside.

    Args:
        xray: what was found.
        source: address of the video, relative to the page; percent-encoded.
    """
    style = THEME.read_text("utf-8") + (SOURCES / "player.css").read_text("utf-8")
    script = "".join((SOURCES / name).read_text("utf-8") for name in ("film.js", "timelines.js"))
    texts = {
        "title": one_line(xray.video.name),
        "about": _about(xray),
        "away": _away(xray),
        "model": f"Recogniser {one_line(xray.model.version)}, {xray.model.people:,} people known.",
        "policy": _policy(style, script),
    }
    notice = notice_of(xray.cast.source, xray.model.source)
    slots = {name: html.escape(text) for name, text in texts.items()} | {
        "style": style,
        "script": script,
        "data": embedded_json(_data(xray, source)),
        "notice": f"<p>{notice}</p>" if notice else "",
    }
    # In one go: what is put in may itself look like a place to fill.
    return _SLOT.sub(lambda slot: slots[slot[1]], (SOURCES / "index.html").read_text("utf-8"))


def _policy(style: str, script: str) -> str:
    """Nothing but what is in the page, and files beside it; `'self'` is none of disk in all."""
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src '{_digest(script)}'",
            f"style-src '{_digest(style)}'",
            "img-src 'self' file:",
            "media-src 'self' file: blob:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
        ]
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _about(xray: XRay) -> str:
    video = xray.video
    return (
        f"{clock(video.duration)} · {video.width}×{video.height} · {len(xray.people):,} named, "
        f"{len(xray.unknown):,} unknown · {len(xray.shots):,} shots in {len(xray.scenes):,} scenes"
    )


def _away(xray: XRay) -> str:
    said = []
    for standing, words in (
        ("not_seen", "Not seen"),
        ("not_in_model", "Not known to the recogniser"),
    ):
        names = [one_line(m.name) for m in xray.cast.members if m.standing == standing]
        if names:
            said.append(f"{words}: {', '.join(names)}.")
    return " ".join(said)


def _data(xray: XRay, source: str) -> dict[str, Any]:
    everybody: list[OnScreen | Unknown] = [*xray.people, *xray.unknown]
    whose = {
        track: number
        for number, who in enumerate(everybody)
        for appearance in who.appearances
        for track in appearance.tracks
    }
    video = xray.video
    return {
        "name": one_line(video.name),
        "source": source,
        "width": video.width,
        "height": video.height,
        "duration": video.duration,
        "fps": video.fps,
        "people": [_person(who) for who in everybody],
        "tracks": [
            {
                "who": whose[track.id],
                "start": track.start,
                "end": track.end,
                "boxes": thinned(track.boxes),
            }
            for track in xray.tracks
        ],
        "scenes": [(scene.start, scene.end) for scene in xray.scenes],
    }


def _person(who: OnScreen | Unknown) -> dict[str, Any]:
    named = isinstance(who, OnScreen)
    return {
        "name": one_line(who.name) if named else who.label,
        "character": one_line(who.character or "") if named else "",
        "unknown": not named,
        "face": who.face,
        "seconds": who.seconds,
        "spans": [(a.start, a.end, a.confidence) for a in who.appearances],
    }
