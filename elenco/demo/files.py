"""Images under `/t/p/{size}/` and the daily id exports under `/p/exports/`."""

import asyncio
from datetime import UTC, date, datetime, timedelta

from aiohttp import web

from elenco.demo import answers
from elenco.demo.bodies import BodyCache
from elenco.demo.cast import Cast, InstantCast
from elenco.demo.faults import Faults

CACHE_BYTES = 64 * 2**20  # of images, the ones asked for last
EXPORTS_KEPT = timedelta(days=90)
_DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
_IMAGE_HEADERS = {"Content-Type": "image/jpeg", "Cache-Control": "public, max-age=31919000"}


class Files:
    """Answers requests for files that the gate let through.

    Args:
        cast: who is served.
        faults: which exports are not there.
    """

    def __init__(self, cast: Cast, faults: Faults) -> None:
        self._cast, self._faults = cast, faults
        self._instant = isinstance(cast, InstantCast)
        self._bodies = BodyCache(CACHE_BYTES)
        self._exports: dict[date, bytes] = {}

    def routes(self) -> list[web.RouteDef]:
        """The addresses of the files."""
        return [
            web.get("/t/p/{size}/{file}", self._image),
            web.get("/p/exports/{file}", self._export),
        ]

    async def _image(self, request: web.Request) -> web.Response:
        size, path = request.match_info["size"], f"/{request.match_info['file']}"
        try:
            body = self._cast.image(path, size) if self._instant else await self._made(path, size)
        except LookupError:
            return web.Response(status=404, text="File not found")
        # A file_path never changes its content, so its name is enough to tell versions apart.
        etag = f'"{size}{path}"'
        headers = {**_IMAGE_HEADERS, "ETag": etag}
        if etag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, headers=headers)

    async def _made(self, path: str, size: str) -> bytes:
        body = self._bodies.get((size, path))
        if body is None:
            body = await asyncio.to_thread(self._cast.image, path, size)
            self._bodies.put((size, path), body)
        return body

    async def _export(self, request: web.Request) -> web.Response:
        day = _export_day(request.match_info["file"])
        late = timedelta(days=1 if self._faults.export_late else 0)
        newest = datetime.now(UTC).date() - late
        missing = self._faults.export_missing
        if day is None or missing or not newest - EXPORTS_KEPT <= day <= newest:
            # The files are in an object store, which denies what is not there.
            return web.Response(status=403, body=_DENIED, content_type="application/xml")
        if day not in self._exports:
            self._exports[day] = await asyncio.to_thread(answers.export, self._cast.people)
        return web.Response(body=self._exports[day], content_type="application/gzip")


def _export_day(file: str) -> date | None:
    try:
        return datetime.strptime(file, "person_ids_%m_%d_%Y.json.gz").replace(tzinfo=UTC).date()
    except ValueError:
        return None
