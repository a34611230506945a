"""Secrets in files: one a file, readable by its owner alone."""

import os
import secrets
from pathlib import Path

from elenco.errors import ConfigError

RANDOM_BYTES = 32


def read_secret(path: Path, variable: str, empty: bool = False) -> str:
    """The text of a file, without the newline that an editor puts at its end.

    Args:
        path: the file.
        variable: what named it, for the message.
        empty: an empty file says that there is none; "" is returned.

    Raises:
        ConfigError: it can't be read, is empty, or holds more than one line.
    """
    try:
        text = path.read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{variable} names {path}, which can't be read ({type(error).__name__}): "
            "put the secret into that file"
        ) from None
    if empty and not text:
        return ""
    if not text.strip() or "\n" in text:
        raise ConfigError(f"{variable} names {path}, which holds no single line: put one into it")
    return text


def make_secret(path: Path, prefix: str = "") -> None:
    """Write `prefix` and 43 random characters to `path`, mode 0600, unless it is there. Atomic."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".new-{secrets.token_hex(8)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(f"{prefix}{secrets.token_urlsafe(RANDOM_BYTES)}\n")
            file.flush()
            os.fsync(handle)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
