"""What a process says, in files that don't grow for ever."""

import logging
import logging.handlers
import threading
from pathlib import Path
from typing import IO

MEGABYTES = 10
FILES = 5
LONGEST_LINE = 65536  # bytes; what is longer is cut into several lines


def log_to(path: Path) -> logging.handlers.RotatingFileHandler:
    """A handler that starts a new file every MEGABYTES and keeps FILES old ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Opened at the first line: what can't be written is passed over, and a full disk stops nobody.
    handler = logging.handlers.RotatingFileHandler(
        path, maxBytes=MEGABYTES * 1024**2, backupCount=FILES, encoding="utf-8", delay=True
    )
    handler.setFormatter(logging.Formatter("%(message)s"))
    return handler


def pump(stream: IO[bytes], path: Path) -> threading.Thread:
    """Write a pipe's lines to rotating files until it is closed, in a thread of its own."""

    def work() -> None:
        handler = log_to(path)
        try:
            while line := stream.readline(LONGEST_LINE):
                text = line.decode(errors="replace").rstrip("\n")
                handler.emit(logging.makeLogRecord({"msg": text}))
        finally:
            handler.close()
            stream.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread
