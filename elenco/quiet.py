"""Imports TensorFlow without its start-up chatter; anything else it says is passed on."""

import os
import re
import sys
import tempfile
import threading

# Printed by C++ code at import on every machine, before any log level is read.
_NOISE = re.compile(
    r"All log messages before absl::InitializeLog|Unable to register cu\w+ factory"
    r"|computation placer already registered|oneDNN custom operations are on"
    r"|This TensorFlow binary is optimized|To enable the following instructions"
)
_lock = threading.Lock()


def import_tensorflow() -> None:
    """Import it once; what it writes to file descriptor 2 meanwhile is filtered by line."""
    with _lock:
        if "tensorflow" in sys.modules:
            return
        # Failures are raised; what C++ would log is that there is no GPU.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        sys.stderr.flush()
        stderr = os.dup(2)
        with tempfile.TemporaryFile() as said:
            os.dup2(said.fileno(), 2)
            try:
                import tensorflow  # noqa: F401
            finally:
                os.dup2(stderr, 2)
                os.close(stderr)
                said.seek(0)
                for line in said.read().decode(errors="replace").splitlines():
                    if not _NOISE.search(line):
                        print(line, file=sys.stderr)
