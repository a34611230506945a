"""Which addresses may be asked. What a server says never leads anywhere else.

An answer that names images on an internal host would turn the collector into a way into the
network it runs in (server-side request forgery, OWASP A10:2021).
"""

import ipaddress
import socket
from typing import Any

from aiohttp import DefaultResolver
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from elenco.settings import Tmdb

# TMDB's own; they are on the public internet, whatever a name server says.
API_HOST, EXPORT_HOST = "api.themoviedb.org", "files.tmdb.org"
EXPORT_URL = f"https://{EXPORT_HOST}/p/exports"
PUBLIC = frozenset({API_HOST, EXPORT_HOST, "image.tmdb.org"})


def web_address(text: str) -> URL | None:
    """http(s)://host/path, or None: what else an address may hold could be a secret."""
    try:
        url = URL(text)
    except ValueError:
        return None
    plain = not (url.user or url.password or url.query_string or url.fragment)
    return url if url.scheme in ("http", "https") and url.host and plain else None


def export_url(settings: Tmdb) -> str:
    """Where the daily id exports are: as set, else TMDB's, or beside another API."""
    if settings.export_url:
        return settings.export_url.rstrip("/")
    api = URL(settings.api_url)
    return EXPORT_URL if api.host == API_HOST else f"{api.origin()}/p/exports"


def allowed_hosts(settings: Tmdb) -> frozenset[str]:
    """The API's host, that of the exports, and those that settings name for images."""
    named = (settings.api_url, export_url(settings))
    found = {url.host for text in named if (url := web_address(text))}
    return frozenset(host for host in found if host) | frozenset(settings.image_hosts)


class Resolver(AbstractResolver):
    """Looks names up; those of TMDB must lead to public addresses, others may not be asked.

    Args:
        allowed: hosts that may be asked. One that is not TMDB's was named by the operator, and may
            be in a private network.
    """

    def __init__(self, allowed: frozenset[str]) -> None:
        self._allowed, self._names = allowed, DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises OSError for a host that may not be asked or leads into a private network."""
        if host not in self._allowed:
            raise OSError(None, f"{host} is not an allowed host")
        found: list[Any] = await self._names.resolve(host, port, family)
        if host in PUBLIC:
            public = [one for one in found if ipaddress.ip_address(one["host"]).is_global]
            if not public:
                raise OSError(None, f"{host} leads to no public address")
            return public
        return found

    async def close(self) -> None:
        await self._names.close()
