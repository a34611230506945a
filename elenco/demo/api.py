"""The endpoints under `/3`."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from aiohttp import web

from elenco.demo import answers
from elenco.demo.cast import Cast, CastPerson, InstantCast, Photo
from elenco.demo.credits import MOVIES, credits_of
from elenco.demo.faults import Faults
from elenco.demo.gate import NTH, ApiError


class Api:
    """Answers API requests that the gate let through.

    Args:
        cast: who is served.
        faults: how far the ranking moves between reads.
    """

    def __init__(self, cast: Cast, faults: Faults) -> None:
        self._cast, self._faults = cast, faults
        self._instant = isinstance(cast, InstantCast)

    def routes(self) -> list[web.RouteDef]:
        """The endpoints."""
        return [
            web.get("/3/configuration", self._configuration),
            web.get("/3/person/popular", self._popular),
            web.get("/3/person/changes", self._changes),
            web.get(r"/3/person/{id:\d+}", self._person),
            web.get(r"/3/person/{id:\d+}/images", self._images),
            web.get(r"/3/movie/{id:\d+}/credits", self._credits),
        ]

    async def _configuration(self, request: web.Request) -> web.Response:
        # The address under which the client reached this server.
        origin = f"{request.scheme}://{request.host}"
        return web.json_response(answers.configuration(f"{origin}/t/p/"))

    async def _popular(self, request: web.Request) -> web.Response:
        page = _page(request)
        start = (page - 1) * answers.PAGE_LENGTH
        if page > 1:
            start = max(0, start + self._faults.shift(page, request[NTH]))
        people = self._cast.people
        chosen = people[start : start + answers.PAGE_LENGTH]
        photos = await self._photos(*chosen)
        results = [answers.popular_entry(*entry) for entry in zip(chosen, photos, strict=True)]
        return web.json_response(answers.page_of(results, page, len(people), answers.PAGE_LENGTH))

    async def _person(self, request: web.Request) -> web.Response:
        appended = [a for a in request.query.get("append_to_response", "").split(",") if a]
        if len(appended) > answers.MOST_APPENDED:
            raise ApiError(27)
        person = self._named(request)
        [photos] = await self._photos(person)
        return web.json_response(answers.person(person, photos, appended))

    async def _images(self, request: web.Request) -> web.Response:
        person = self._named(request)
        [photos] = await self._photos(person)
        return web.json_response({"id": person.id, "profiles": answers.profiles(photos)})

    async def _credits(self, request: web.Request) -> web.Response:
        digits = request.match_info["id"]
        movie = int(digits) if len(digits) < 20 else 0
        if not 1 <= movie <= MOVIES:
            raise ApiError(34)
        return web.json_response(credits_of(movie, self._cast.people))

    async def _changes(self, request: web.Request) -> web.Response:
        page = _page(request)
        end = _date(request, "end_date", datetime.now(UTC).date())
        start = _date(request, "start_date", end - timedelta(days=1))
        if not timedelta(0) <= end - start <= timedelta(days=answers.CHANGES_DAYS):
            raise ApiError(20)
        ids = await asyncio.to_thread(self._cast.changed, start, end)
        first = (page - 1) * answers.CHANGES_PAGE_LENGTH
        shown = ids[first : first + answers.CHANGES_PAGE_LENGTH]
        results = [{"id": i, "adult": getattr(self._cast.find(i), "adult", None)} for i in shown]
        return web.json_response(
            answers.page_of(results, page, len(ids), answers.CHANGES_PAGE_LENGTH)
        )

    async def _photos(self, *people: CastPerson) -> list[Sequence[Photo]]:
        def photos() -> list[Sequence[Photo]]:
            return [self._cast.photos(person) for person in people]

        return photos() if self._instant else await asyncio.to_thread(photos)

    def _named(self, request: web.Request) -> CastPerson:
        digits = request.match_info["id"]
        person = self._cast.find(int(digits)) if len(digits) < 20 else None
        if person is None:
            raise ApiError(34)
        return person


def _page(request: web.Request) -> int:
    text = request.query.get("page", "1")
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= answers.LAST_PAGE):
        raise ApiError(22)
    return int(text)


def _date(request: web.Request, name: str, default: date) -> date:
    try:
        return date.fromisoformat(request.query[name])
    except KeyError:
        return default
    except ValueError:
        raise ApiError(23) from None
