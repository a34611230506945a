"""Who is on screen as W3C Web Annotations: an appearance an annotation, a track a target.

A target is the video with a media fragment (Media Fragments URI 1.0): the time of the track, and
what holds the face all that time.
"""

import uuid
from typing import Any

import numpy as np

from elenco.xray.presence import around
from elenco.xray.types import OnScreen, Track, Unknown, Video, XRay

CONTEXT = ("http://www.w3.org/ns/anno.jsonld", {"schema": "https://schema.org/"})


def annotations(xray: XRay, source: str) -> dict[str, Any]:
    """An AnnotationCollection with its one page; equal content gives equal ids.

    Args:
        xray: what was found.
        source: address of the video, relative to where this will lie; percent-encoded.

    Returns:
        JSON-LD. An annotation's first body is the name; `schema:identifier` is the id of
        `xray.json`, `schema:characterName` whom they play.
    """
    tracks = {track.id: track for track in xray.tracks}
    items = [
        {
            "id": _urn(
                xray, f"{'person' if isinstance(who, OnScreen) else 'unknown'}/{who.id}/{n}"
            ),
            "type": "Annotation",
            "motivation": "identifying",
            "body": _body(who),
            "target": [_target(tracks[track], source, xray.video) for track in appearance.tracks],
        }
        for who in (*xray.people, *xray.unknown)
        for n, appearance in enumerate(who.appearances)
    ]
    return {
        "@context": list(CONTEXT),
        "id": _urn(xray, "collection"),
        "type": "AnnotationCollection",
        "label": f"Who is on screen in {xray.video.name}",
        "generator": {"type": "Software", "name": "Elenco"},
        "total": len(items),
        "first": {
            "id": _urn(xray, "page"),
            "type": "AnnotationPage",
            "startIndex": 0,
            "items": items,
        },
    }


def _body(who: OnScreen | Unknown) -> dict[str, Any]:
    named = isinstance(who, OnScreen)
    body = {
        "type": "TextualBody",
        "purpose": "identifying" if named else "tagging",
        "format": "text/plain",
        "value": who.name if named else who.label,
        "schema:identifier": str(who.id),
    }
    if named and who.character is not None:
        body["schema:characterName"] = who.character
    return body


def _target(track: Track, source: str, video: Video) -> dict[str, str]:
    """In whole pixels: Media Fragments URI 1.0, 4.2.2, has no fractions."""
    sides = np.array([video.width, video.height])
    x, y, w, h = around(track.boxes)
    first = np.floor(np.round(sides * (x, y), 6)).astype(int)
    last = np.ceil(np.round(sides * (x + w, y + h), 6)).astype(int)
    where = ",".join(map(str, (*first, *np.maximum(last - first, 1))))
    when = f"t=npt:{track.start:.3f},{track.end:.3f}"
    return {"id": f"{source}#{when}&xywh=pixel:{where}", "type": "Video"}


def _urn(xray: XRay, part: str) -> str:
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{xray.fingerprint}/{part}").urn
