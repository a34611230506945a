"""The JSON that TMDB answers with, as pure functions of a cast.

Shapes and messages: developer.themoviedb.org, `reference/person-*` and `docs/errors`.
"""

import gzip
import json
from collections.abc import Iterable, Sequence
from typing import Any

from elenco.demo.cast import SIZES, CastPerson, Photo
from elenco.fingerprint import unit_interval

PAGE_LENGTH, LAST_PAGE = 20, 500
CHANGES_PAGE_LENGTH, CHANGES_DAYS = 100, 14
MOST_APPENDED = 20
_LANGUAGES = ("en", "fr", "de", "ja")
_IN_A_LANGUAGE = 0.1  # share of photographs, those with writing on them
_ASPECTS = {
    "backdrop": ["w300", "w780", "w1280"],
    "logo": ["w45", "w92", "w154", "w185", "w300", "w500"],
    "poster": ["w92", "w154", "w185", "w342", "w500", "w780"],
    "still": ["w92", "w185", "w300"],
}
# TMDB's status_code -> HTTP status and message.
ERRORS: dict[int, tuple[int, str]] = {
    7: (401, "Invalid API key: You must be granted a valid key."),
    9: (503, "Service offline: This service is temporarily offline, try again later."),
    11: (500, "Internal error: Something went wrong, contact TMDB."),
    20: (422, "Invalid date range: Should be a range no longer than 14 days."),
    22: (400, "Invalid page: Pages start at 1 and max at 500. They are expected to be an integer."),
    23: (400, "Invalid date: Format needs to be YYYY-MM-DD."),
    25: (429, "Your request count (#) is over the allowed limit of (40)."),
    27: (400, "Too many append to response objects: The maximum number of remote calls is 20."),
    34: (404, "The resource you requested could not be found."),
    42: (405, "This request method is not supported for this resource."),
}


def error(code: int) -> dict[str, Any]:
    """The body of an error; its HTTP status is in `ERRORS`."""
    return {"status_code": code, "status_message": ERRORS[code][1], "success": False}


def configuration(image_url: str) -> dict[str, Any]:
    """`/configuration`. `image_url` ends in a slash; sizes and file_path follow it."""
    sizes = {f"{name}_sizes": [*widths, "original"] for name, widths in _ASPECTS.items()}
    return {
        "images": {
            "base_url": image_url,
            "secure_base_url": image_url,
            **sizes,
            "profile_sizes": list(SIZES),
        },
        "change_keys": ["adult", "biography", "birthday", "images", "name", "place_of_birth"],
    }


def page_of(results: list[dict[str, Any]], page: int, total: int, length: int) -> dict[str, Any]:
    """One page of a list; `total_pages` may be more than can be asked for."""
    pages = max(1, -(-total // length))
    return {"page": page, "results": results, "total_pages": pages, "total_results": total}


def popular_entry(person: CastPerson, photos: Sequence[Photo]) -> dict[str, Any]:
    """A person as `/person/popular` lists them."""
    return _summary(person, photos) | {"known_for": []}


def person(person: CastPerson, photos: Sequence[Photo], appended: Iterable[str]) -> dict[str, Any]:
    """`/person/{id}` with what `append_to_response` names; names it does not know are ignored."""
    body = _summary(person, photos) | {
        "also_known_as": [],
        "biography": "",
        "birthday": None,
        "deathday": None,
        "homepage": None,
        "imdb_id": None,
        "place_of_birth": None,
    }
    del body["original_name"]
    if "images" in appended:
        body["images"] = {"profiles": profiles(photos)}
    if "external_ids" in appended:
        keys = ("freebase_mid", "freebase_id", "imdb_id", "tvrage_id", "wikidata_id", "facebook_id")
        body["external_ids"] = dict.fromkeys(
            (*keys, "instagram_id", "tiktok_id", "twitter_id", "youtube_id")
        )
    return body


def profiles(photos: Sequence[Photo]) -> list[dict[str, Any]]:
    """A person's photographs, the best voted first, as TMDB orders them."""
    return [
        {
            "aspect_ratio": round(photo.width / photo.height, 3) if photo.height else 0.667,
            "height": photo.height,
            "iso_639_1": _language(photo.path),
            "file_path": photo.path,
            "vote_average": round(max(0.0, 5.9 - 0.17 * rank), 3),
            "vote_count": max(0, 24 - 2 * rank),
            "width": photo.width,
        }
        for rank, photo in enumerate(photos)
    ]


def export(people: Iterable[CastPerson]) -> bytes:
    """The daily id export: gzip, one JSON object a line, in order of ids."""
    lines = (
        json.dumps(
            {"adult": p.adult, "id": p.id, "name": p.name, "popularity": p.popularity},
            ensure_ascii=False,
            separators=(",", ":"),
        )
        for p in sorted(people, key=lambda p: p.id)
    )
    return gzip.compress(("\n".join(lines) + "\n").encode(), 6, mtime=0)


def _language(path: str) -> str | None:
    place = unit_interval(path) / _IN_A_LANGUAGE
    return _LANGUAGES[int(place * len(_LANGUAGES))] if place < 1 else None


def _summary(person: CastPerson, photos: Sequence[Photo]) -> dict[str, Any]:
    return {
        "adult": person.adult,
        "gender": 0,
        "id": person.id,
        "known_for_department": person.department,
        "name": person.name,
        "original_name": person.name,
        "popularity": person.popularity,
        "profile_path": photos[0].path if photos else None,
    }
