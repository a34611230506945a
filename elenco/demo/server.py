"""A local server that answers as TMDB does: endpoints, paging, limits, errors, images.

The API is under `/3` (bearer token or `api_key`, rate limited), images under `/t/p/{size}/` and
the daily id exports under `/p/exports/` (neither needs a token nor counts against the rate). Not
TMDB's: `/stats`, what was asked for so far.
"""

from collections import Counter
from types import TracebackType

from aiohttp import web

from elenco.demo.api import Api
from elenco.demo.cast import Cast
from elenco.demo.faults import Faults
from elenco.demo.files import Files
from elenco.demo.gate import Gate
from elenco.errors import ConfigError


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
            `changes`, `export`, `image`, `other`; `image_again` for an image asked for before), by
            what became of them (`status:200`, …; `cut` or `fault:reset` where none was answered
            whole), by the fault that struck if any (`fault:<name>`), and `image:<file_path>` for
            each image.

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
        self._gate = Gate(token, rate_per_second, faults, self.counts)
        self._api, self._files = Api(cast, faults), Files(cast, faults)
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

    @property
    def highest_rate(self) -> int:
        """The most API requests that arrived in any one second, refused ones included."""
        return self._gate.seen.highest

    @property
    def api_seconds(self) -> float:
        """Seconds from the arrival of the first API request to that of the last."""
        return self._gate.seen.seconds

    async def __aenter__(self) -> "DemoServer":
        app = web.Application(middlewares=[self._gate.middleware])
        app.add_routes([*self._api.routes(), *self._files.routes()])
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

    async def _stats(self, request: web.Request) -> web.Response:
        """As JSON: `requests` by kind, `statuses`, `faults`, `images` by file_path, and `api`."""
        groups: dict[str, dict[str, int]] = {
            "requests": {},
            "statuses": {},
            "faults": {},
            "images": {},
        }
        heads = {"status": "statuses", "fault": "faults", "image": "images"}
        for name, count in self.counts.items():
            head, _, rest = name.partition(":")
            groups[heads[head] if rest else "requests"][rest or head] = count
        seen = self._gate.seen
        api = {
            "requests": seen.requests,
            "seconds": round(seen.seconds, 3),
            "highest_in_a_second": seen.highest,
        }
        return web.json_response(groups | {"api": api})
