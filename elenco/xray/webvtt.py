"""Who is on screen when, as WebVTT: a metadata track for programs, captions for people.

A cue is a time in which nobody comes or goes. What is in `xray.json` is not rounded: a time of
WebVTT has milliseconds as well.
"""

import html
from collections.abc import Mapping
from typing import Any

from elenco.xray.presence import Presence, Shown, presences, thinned
from elenco.xray.text import embedded_json, one_line, played
from elenco.xray.types import Box, OnScreen, XRay

HEADER = "WEBVTT\n"


def metadata_vtt(xray: XRay) -> str:
    """The metadata track: each cue's payload is one line of JSON.

    Returns:
        WebVTT. A payload has `people` with `id`, `name`, `character` (if one is known),
        `confidence` and `tracks`, and `unknown` with `id`, `label` and `tracks`. A track has its
        `id`, and `boxes` as in `xray.json`, those left out that lie between two others.
    """
    boxes = {track.id: thinned(track.boxes) for track in xray.tracks}
    times = {track.id: (track.start, track.end) for track in xray.tracks}
    cues = [
        _cue(presence, embedded_json(_payload(presence, boxes, times)))
        for presence in presences(xray)
    ]
    return "\n".join([HEADER, *cues])


def captions_vtt(xray: XRay) -> str:
    """Captions such as `Ana Lima (Rosa) · Unknown 3`."""
    cues = [
        _cue(presence, html.escape(" · ".join(map(_label, presence.shown)), quote=False))
        for presence in presences(xray)
    ]
    return "\n".join([HEADER, *cues])


def timestamp(seconds: float) -> str:
    """`01:02:03.004`."""
    whole = round(seconds * 1000)
    minutes, rest = divmod(whole, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def _cue(presence: Presence, payload: str) -> str:
    return f"{timestamp(presence.start)} --> {timestamp(presence.end)}\n{payload}\n"


def _label(shown: Shown) -> str:
    who = shown.who
    if isinstance(who, OnScreen):
        return played(who.name, who.character) or one_line(who.id) or "?"
    return who.label


def _payload(
    presence: Presence,
    boxes: Mapping[int, tuple[Box, ...]],
    times: Mapping[int, tuple[float, float]],
) -> dict[str, list[dict[str, Any]]]:
    said: dict[str, list[dict[str, Any]]] = {"people": [], "unknown": []}
    for shown in presence.shown:
        who = shown.who
        tracks = [
            {
                "id": track,
                "start": times[track][0],
                "end": times[track][1],
                "boxes": _during(boxes[track], presence),
            }
            for track in shown.appearance.tracks
            if times[track][0] < presence.end and times[track][1] > presence.start
        ]
        if isinstance(who, OnScreen):
            part = {} if who.character is None else {"character": who.character}
            sure = {"confidence": shown.appearance.confidence}
            said["people"].append(
                {"id": who.id, "name": who.name, **part, **sure, "tracks": tracks}
            )
        else:
            said["unknown"].append({"id": who.id, "label": who.label, "tracks": tracks})
    return said


def _during(boxes: tuple[Box, ...], presence: Presence) -> list[Box]:
    """Those of a time, and the one before and the one after it: between them the box moves."""
    first = max((n for n, box in enumerate(boxes) if box.t <= presence.start), default=0)
    after = (n for n, box in enumerate(boxes) if box.t >= presence.end)
    return list(boxes[first : next(after, len(boxes)) + 1])
