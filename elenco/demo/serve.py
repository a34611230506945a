"""Runs the demo server for a command, or beside one."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

from elenco.demo.cast import Cast
from elenco.demo.faults import Faults
from elenco.demo.server import DemoServer

DEFAULT_TOKEN = "demo"


def serve_forever(
    cast: Cast,
    host: str = "127.0.0.1",
    port: int = 8350,
    token: str = DEFAULT_TOKEN,
    rate_per_second: float | None = 50.0,
    faults: Faults = Faults(),  # noqa: B008 - frozen
    write: Callable[[str], None] = print,
) -> None:
    """Serve a cast until SIGINT or SIGTERM; says through `write` how to use it.

    Must be called in the main thread.

    Raises:
        ConfigError: the address can't be listened on.
    """

    async def serve() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        async with DemoServer(cast, token, host, port, rate_per_second, faults) as server:
            write(how_to_use(server, len(cast.people)))
            await stop.wait()
            write(f"stopped after {server.counts['image']:,} images")

    asyncio.run(serve())


def how_to_use(server: DemoServer, people: int) -> str:
    """What to set to collect from this server. A token of one's own is not repeated."""
    token = server.token if server.token == DEFAULT_TOKEN else "'the token you chose'"
    return (
        f"serving {people:,} people at {server.api_url} (Ctrl-C stops). In another terminal:\n"
        f"  export ELENCO_TMDB__API_URL={server.api_url}\n"
        f"  export ELENCO_TMDB__TOKEN={token}\n"
        "  export ELENCO_TMDB__TERMS_ACCEPTED=true   # these photographs are not TMDB's\n"
        "  elenco refresh\n"
        f"What was asked for so far: {server.url}/stats"
    )


@contextlib.contextmanager
def running(
    cast: Cast,
    token: str = DEFAULT_TOKEN,
    port: int = 0,
    rate_per_second: float | None = 50.0,
    faults: Faults = Faults(),  # noqa: B008 - frozen
) -> Iterator[DemoServer]:
    """A server in a thread of its own, for work that blocks; it stops with the block.

    Raises:
        ConfigError: the port can't be listened on.
    """
    started: Future[tuple[DemoServer, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        stop = asyncio.Event()
        server = DemoServer(cast, token, port=port, rate_per_second=rate_per_second, faults=faults)
        async with server:
            started.set_result((server, asyncio.get_running_loop(), stop))
            await stop.wait()

    def work() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=work, name="demo-server", daemon=True)
    thread.start()
    server, loop, stop = started.result()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
