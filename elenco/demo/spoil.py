"""How an answer goes wrong on the wire.

Where the connection is closed here, what is returned is never sent: aiohttp sees the closed
connection and drops it.
"""

import asyncio
import contextlib
import socket
import struct

from aiohttp import web

PIECES = 10  # that a slow body comes in
_HTML = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body></body>\r\n</html>\r\n"
_NO_LINGER = struct.pack("ii", 1, 0)
# Between the announced bytes and the rest, so that a client has taken the first for the whole:
# clients that get both at once notice that something is wrong.
_PAUSE = 0.05


def reset(request: web.Request) -> web.Response:
    """Reset the connection (RST) without a byte of an answer."""
    transport = request.transport
    if transport is not None:
        endpoint: socket.socket = transport.get_extra_info("socket")
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        transport.abort()
    return web.Response()


async def spoil(
    fault: str, request: web.Request, response: web.Response, slow_seconds: float
) -> web.StreamResponse:
    """A good answer with one of the faults that need one: what to return for it."""
    body = response.body
    assert isinstance(body, bytes)
    # Who asked may leave meanwhile, which for aiohttp is an error of what writes here.
    with contextlib.suppress(ConnectionError):
        match fault:
            case "slow":
                return await _dribble(request, response, body, slow_seconds)
            case "cut":
                return await _cut(request, response, body)
            case "wrong_length":
                return await _announce_half(request, response, body)
            case "html":
                return web.Response(body=_HTML, content_type="text/html")
            case "wrong_type":
                response.headers["Content-Type"] = "text/plain"
            case "bad_json":
                response.body = body[: len(body) // 2]
    return response


async def _dribble(
    request: web.Request, response: web.Response, body: bytes, seconds: float
) -> web.StreamResponse:
    slow = await _announce(request, response, len(body))
    step = -(-len(body) // PIECES)
    starts = range(0, len(body), step)
    for start in starts:
        await asyncio.sleep(seconds / len(starts))
        await slow.write(body[start : start + step])
    return slow


async def _cut(request: web.Request, response: web.Response, body: bytes) -> web.StreamResponse:
    """Announce the whole body, send half of it, and close the connection."""
    partial = await _announce(request, response, len(body))
    await partial.write(body[: len(body) // 2])
    partial.force_close()
    if request.transport is not None:
        request.transport.close()
    return partial


async def _announce(
    request: web.Request, response: web.Response, length: int
) -> web.StreamResponse:
    """Send the head of an answer at once."""
    stream = web.StreamResponse(status=response.status, headers=response.headers)
    stream.content_length = length
    await stream.prepare(request)
    return stream


async def _announce_half(
    request: web.Request, response: web.Response, body: bytes
) -> web.StreamResponse:
    """Announce half of the body, send it all, and close; aiohttp itself would refuse to."""
    half = len(body) // 2
    headers = {**response.headers, "Content-Length": str(half), "Connection": "close"}
    lines = [f"HTTP/1.1 {response.status} {response.reason}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join([*lines, "", ""]).encode()
    transport = request.transport
    if transport is not None:
        transport.write(head + body[:half])
        await asyncio.sleep(_PAUSE)
        transport.write(body[half:])
        transport.close()
    return response
