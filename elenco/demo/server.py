"""A local server that answers as TMDB does: endpoints, paging, limits, errors, images.

The API is under `/3` (bearer token or `api_key`, rate limited), images under `/t/p/{size}/` and
the daily id exports under `/p/exports/` (neither needs a token nor counts against the rate). Not
TMDB's: `/stats`, what was asked for so far.
"""

import asyncio
import hashlib
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from types import TracebackType
from typing import Any

from aiohttp import web

from elenco.demo import answers
from elenco.demo.bodies import BodyCache
from elenco.demo.cast import Cast, CastPerson
from elenco.demo.faults import Faults
from elenco.demo.gate import NTH, ApiError, Gate
from elenco.errors import ConfigError

CACHE_BYTES = 64 * 2**20  # of images, the ones asked for last
EXPORTS_KEPT = timedelta(days=90)
_DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
_IMAGE_HEADERS = {"Content-Type": "image/jpeg", "Cache-Control": "public, max-age=31919000"}


class DemoServer:
    """Serves a cast as TMDB would; an async context manager.

    Args:
        cast: who is served.
        token: what the client must present; also accepted as `api_key`.
        host: address to listen on.
        port: 0 for any free one.
        rate_per_second: API requests allowed in any one second; None for no limit.
        faults: what goes wrong on purpose.

    Attributes:
        counts: requests so far by kind (`configuration`, `popular`, `person`, `images`,
            `changes`, `export`, `image`, `other`), by answer (`status:200`, …, `cut`), and
            `image:<file_path>` for each image.

    Raises:
        ConfigError: on entering, the address can't be listened on.
    """

    def __init__(
        self,
        cast: Cast,
        token: str = "demo",
        host: str = "127.0.0.1",
        port: int = 0,
        rate_per_second: float | None = 50.0,
        faults: Faults = Faults(),  # noqa: B008 - frozen
    ) -> None:
        self.token, self.host, self.port = token, host, port
        self.counts: Counter[str] = Counter()
        self._cast, self._faults = cast, faults
        self._gate = Gate(token, rate_per_second, faults, self.counts)
        self._bodies = BodyCache(CACHE_BYTES)
        self._exports: dict[date, bytes] = {}
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """`http://host:port`, once started."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "") else self.host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def api_url(self) -> str:
        """What `ELENCO_TMDB__API_URL` is set to."""
        return f"{self.url}/3"

    async def __aenter__(self) -> "DemoServer":
        app = web.Application(middlewares=[self._gate.middleware])
        app.router.add_get("/3/configuration", self._configuration)
        app.router.add_get("/3/person/popular", self._popular)
        app.router.add_get("/3/person/changes", self._changes)
        app.router.add_get(r"/3/person/{id:\d+}", self._person)
        app.router.add_get(r"/3/person/{id:\d+}/images", self._images)
        app.router.add_get("/t/p/{size}/{file}", self._image)
        app.router.add_get("/p/exports/{file}", self._export)
        app.router.add_get("/stats", self._stats)
        # No access log: it would hold `api_key`.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.host, self.port).start()
        except OSError as error:
            await self._runner.cleanup()
            why = error.strerror or str(error)
            raise ConfigError(
                f"can't listen on {self.host} port {self.port} ({why}): choose another port, "
                "0 for any free one"
            ) from None
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    # The API.

    async def _configuration(self, request: web.Request) -> web.Response:
        return web.json_response(answers.configuration(f"{self._origin(request)}/t/p/"))

    async def _popular(self, request: web.Request) -> web.Response:
        page = _page(request)
        start = (page - 1) * answers.PAGE_LENGTH
        if page > 1:
            start = max(0, start + self._faults.shift(page, request[NTH]))
        people = self._cast.people

        def entries() -> list[dict[str, Any]]:
            chosen = people[start : start + answers.PAGE_LENGTH]
            return [answers.popular_entry(p, self._cast.photos(p)) for p in chosen]

        results = await asyncio.to_thread(entries)
        return web.json_response(answers.page_of(results, page, len(people), answers.PAGE_LENGTH))

    async def _person(self, request: web.Request) -> web.Response:
        appended = [a for a in request.query.get("append_to_response", "").split(",") if a]
        if len(appended) > answers.MOST_APPENDED:
            raise ApiError(27)
        person = self._named(request)
        photos = await asyncio.to_thread(self._cast.photos, person)
        return web.json_response(answers.person(person, photos, appended))

    async def _images(self, request: web.Request) -> web.Response:
        person = self._named(request)
        photos = await asyncio.to_thread(self._cast.photos, person)
        return web.json_response({"id": person.id, "profiles": answers.profiles(photos)})

    async def _changes(self, request: web.Request) -> web.Response:
        page = _page(request)
        end = _date(request, "end_date", _today())
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

    def _named(self, request: web.Request) -> CastPerson:
        digits = request.match_info["id"]
        person = self._cast.find(int(digits)) if len(digits) < 20 else None
        if person is None:
            raise ApiError(34)
        return person

    def _origin(self, request: web.Request) -> str:
        """The address under which the client reached this server."""
        return f"{request.scheme}://{request.host}"

    # Images, exports, stats.

    async def _image(self, request: web.Request) -> web.Response:
        size, path = request.match_info["size"], f"/{request.match_info['file']}"
        # A file_path never changes its content, so its name is enough to tell versions apart.
        etag = f'"{hashlib.sha256(f"{size}{path}".encode()).hexdigest()[:32]}"'
        headers = {**_IMAGE_HEADERS, "ETag": etag}
        body = self._bodies.get((size, path))
        if body is None:
            try:
                body = await asyncio.to_thread(self._cast.image, path, size)
            except LookupError:
                return web.Response(status=404, text="File not found")
            self._bodies.put((size, path), body)
        if etag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, headers=headers)

    async def _export(self, request: web.Request) -> web.Response:
        day = _export_day(request.match_info["file"])
        newest = _today() - timedelta(days=1 if self._faults.export_late else 0)
        if day is None or not newest - EXPORTS_KEPT <= day <= newest:
            # The files are in an object store, which denies what is not there.
            return web.Response(status=403, body=_DENIED, content_type="application/xml")
        if day not in self._exports:
            self._exports[day] = await asyncio.to_thread(answers.export, self._cast.people)
        return web.Response(body=self._exports[day], content_type="application/gzip")

    async def _stats(self, request: web.Request) -> web.Response:
        """Counts as JSON: `requests` by kind, `statuses`, `images` by file_path."""
        groups: dict[str, dict[str, int]] = {"requests": {}, "statuses": {}, "images": {}}
        for name, count in self.counts.items():
            head, _, rest = name.partition(":")
            group = {"status": "statuses", "image": "images"}.get(head) if rest else "requests"
            groups[group or "requests"][rest or head] = count
        return web.json_response(groups)


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


def _today() -> date:
    return datetime.now(UTC).date()


def _export_day(file: str) -> date | None:
    try:
        return datetime.strptime(file, "person_ids_%m_%d_%Y.json.gz").replace(tzinfo=UTC).date()
    except ValueError:
        return None
