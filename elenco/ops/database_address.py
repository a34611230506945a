"""The address of a PostgreSQL, as Prefect's server is told of it."""

import ssl
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from elenco.errors import ConfigError

# Whether Prefect compares the name of the database's host with its certificate; with an authority
# libpq's `require` is its `verify-ca`.
_VERIFIED = {"require": "false", "verify-ca": "false", "verify-full": "true"}
# What Prefect has no setting for: its driver takes it from libpq's variable.
_UNVERIFIED = ("disable", "prefer", "require")


def variables(address: str) -> dict[str, str]:
    """Prefect's settings of the database, all but the password.

    Args:
        address: `postgresql://user@host:port/name`, with libpq's `sslmode` and `sslrootcert` after
            a `?`.

    Raises:
        ConfigError: it is no such address, holds a password, or asks for a connection that the
            server can't make.
    """
    wanted = "--database wants postgresql://user@host:port/name, its port from 1 to 65535"
    try:
        parts = urlsplit(address)
        port = 5432 if parts.port is None else parts.port
    except ValueError:  # it repeats what it was given, which may be half a password
        raise ConfigError(wanted) from None
    name = parts.path.removeprefix("/")
    known = parts.scheme in ("postgresql", "postgres") and not parts.fragment
    if not (known and parts.username and name and port):
        raise ConfigError(wanted)
    if parts.password:
        raise ConfigError(
            "--database holds a password: write it into data/state/ops/secrets/database_password "
            "and leave it out of the address"
        )
    return {
        "PREFECT_SERVER_DATABASE_DRIVER": "postgresql+asyncpg",
        "PREFECT_SERVER_DATABASE_HOST": parts.hostname or "127.0.0.1",
        "PREFECT_SERVER_DATABASE_PORT": str(port),
        "PREFECT_SERVER_DATABASE_USER": unquote(parts.username),
        "PREFECT_SERVER_DATABASE_NAME": unquote(name),
        **_encryption(parts.query),
    }


def _encryption(query: str) -> dict[str, str]:
    """What an address says after `?`, as the server is told. Raises ConfigError: it can't be."""
    asked = parse_qsl(query, keep_blank_values=True)
    said = dict(asked)
    if len(said) < len(asked) or not said.keys() <= {"sslmode", "sslrootcert"}:
        raise ConfigError(
            "--database takes sslmode and sslrootcert after its ?, each once: leave out what else "
            "is there"
        )
    mode, authority = said.get("sslmode"), said.get("sslrootcert")
    if mode is not None and mode not in (*_UNVERIFIED, *_VERIFIED):
        raise ConfigError(
            "--database takes sslmode=disable, prefer, require, verify-ca or verify-full: give one"
        )
    if authority is None:
        if mode is None:
            return {}
        if mode not in _UNVERIFIED:
            raise ConfigError(
                f"--database: sslmode={mode} wants &sslrootcert=/path/of/authority.pem"
            )
        return {"PGSSLMODE": mode}
    if mode not in _VERIFIED:
        raise ConfigError("--database: sslrootcert wants sslmode=verify-full, verify-ca or require")
    try:
        # A relative path is another one where the server or a backup is started.
        readable = Path(authority).is_absolute() and ssl.create_default_context(cafile=authority)
    except (OSError, ValueError):
        readable = None
    if not readable:
        raise ConfigError(
            "--database: sslrootcert names no certificates that can be read: give the absolute "
            "path of a PEM file"
        )
    prefix = "PREFECT_SERVER_DATABASE_SQLALCHEMY_CONNECT_ARGS_TLS"
    return {
        f"{prefix}_ENABLED": "true",
        f"{prefix}_CA_FILE": authority,
        f"{prefix}_CHECK_HOSTNAME": _VERIFIED[mode],
    }
