"""A proxy that makes a server on this machine as slow to reach as one that is far away.

    python benchmarks/far.py PORT SERVER_PORT MILLISECONDS

What passes is held back for that long, each way. As much is under way at once as is sent: it is the
journey that is long, not the line that is narrow.
"""

import asyncio
import sys
from contextlib import suppress


async def main(port: int, server_port: int, seconds: float) -> None:
    async def join(here: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        there, on = await asyncio.open_connection("127.0.0.1", server_port)
        with suppress(ConnectionError):
            await asyncio.gather(carry(here, on, seconds), carry(there, back, seconds))

    server = await asyncio.start_server(join, "127.0.0.1", port)
    await server.serve_forever()


async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter, seconds: float) -> None:
    """Pass on what comes, each piece its time after it came."""
    loop = asyncio.get_running_loop()
    travelling: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def leave() -> None:
        while True:
            data = await source.read(1 << 16)
            travelling.put_nowait((loop.time() + seconds, data))
            if not data:
                return

    async def arrive() -> None:
        while True:
            due, data = await travelling.get()
            await asyncio.sleep(due - loop.time())
            if not data:
                sink.close()
                return
            sink.write(data)
            await sink.drain()

    await asyncio.gather(leave(), arrive())


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000))
