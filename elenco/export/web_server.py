"""Hands out the exported page on this machine, with the headers that keep it to itself."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

from aiohttp import web

from elenco.errors import ConfigError

HOST = "127.0.0.1"
NAMES = {"127.0.0.1", "localhost"}
# As in the page's <meta>, which can't say who may frame it.
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "img-src 'self' blob:; media-src blob:; connect-src 'self'; worker-src 'self' blob:; "
    "base-uri 'none'; form-action 'none'"
)
HEADERS = {
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
# What the machine's own table says of them differs from machine to machine.
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}


def serve_forever(folder: Path, port: int, write: Callable[[str], None]) -> None:
    """Serve a folder on loopback until SIGINT or SIGTERM. Must be called in the main thread.

    Args:
        folder: the exported page.
        port: 0 for any free one.
        write: is told the address.

    Raises:
        ConfigError: the port can't be listened on.
    """

    async def serve() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        async with _started(folder, port) as url:
            write(url)
            await stop.wait()

    asyncio.run(serve())


@contextlib.contextmanager
def serving(folder: Path, port: int = 0) -> Iterator[str]:
    """Serve a folder on loopback in a thread of its own; yields the address.

    Raises:
        ConfigError: the port can't be listened on.
    """
    started: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        stop = asyncio.Event()
        async with _started(folder, port) as url:
            started.set_result((url, asyncio.get_running_loop(), stop))
            await stop.wait()

    def work() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=work, name="web-server", daemon=True)
    thread.start()
    url, loop, stop = started.result()
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


@contextlib.asynccontextmanager
async def _started(folder: Path, port: int) -> AsyncIterator[str]:
    runner = web.AppRunner(_application(folder), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, HOST, port).start()
        except OSError as error:
            why = error.strerror or str(error)
            raise ConfigError(
                f"can't listen on port {port} ({why}): choose another with --port, 0 for a free one"
            ) from None
        yield f"http://{HOST}:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


def _application(folder: Path) -> web.Application:
    # Only what was there at the start is handed out: no path leads anywhere else.
    files = {
        path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()
    }

    async def answer(request: web.Request) -> web.StreamResponse:
        path = files.get(request.match_info["path"] or "index.html")
        if path is None:
            raise web.HTTPNotFound
        return web.FileResponse(path, headers={"Content-Type": TYPES.get(path.suffix, _BYTES)})

    application = web.Application(middlewares=[_guarded])
    application.router.add_get("/{path:.*}", answer)
    return application


@web.middleware
async def _guarded(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Every answer with the headers; none to a name that another site has made this machine's."""
    try:
        if request.url.host not in NAMES:
            raise web.HTTPMisdirectedRequest
        response = await handler(request)
    except web.HTTPException as error:
        error.headers.update(HEADERS)
        raise
    response.headers.update(HEADERS)
    return response


_BYTES = "application/octet-stream"
