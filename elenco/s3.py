"""S3 in as few requests as it takes: each is a journey, and many a service charges for it."""

from collections.abc import Iterator, Sequence
from typing import Any

SCHEMES = ("s3", "s3a")
PIECE = 8 << 20  # bytes of an object that are in memory at a time
BATCH = 1000  # objects that one request deletes; the protocol allows no more


def options(scheme: str, connections: int) -> dict[str, Any]:
    """What s3fs has to be told to take that many requests at once.

    The user's own settings (https://filesystem-spec.readthedocs.io, Configuration) win.
    """
    from fsspec.config import conf

    told = conf.get(scheme, {})
    pool = {"max_pool_connections": connections} | told.get("config_kwargs", {})
    return {"max_concurrency": 2} | told | {"config_kwargs": pool}


def read(fs: Any, path: str) -> Iterator[bytes]:
    """An object, piece by piece; nobody is asked for its size before.

    Args:
        fs: `s3fs.S3FileSystem`.
        path: of the object, with its bucket.

    Raises:
        FileNotFoundError: there is none.
        OSError: the service refuses.
    """
    start = 0
    while True:
        try:
            piece = fs.cat_file(path, start=start, end=start + PIECE)
        except FileNotFoundError:
            raise
        except OSError:
            # Nothing begins where an object ends, nor in an empty one, which services refuse.
            if fs.info(path)["size"] != start:
                raise
            return
        yield piece
        if len(piece) != PIECE:
            return
        start += PIECE


def delete(fs: Any, paths: Sequence[str]) -> list[str]:
    """Delete objects, many with a request.

    Args:
        fs: `s3fs.S3FileSystem`.
        paths: of one bucket.

    Returns:
        Those that are still there, for whatever reason: deleted one by one, each says its own.
    """
    left: list[str] = []
    for start in range(0, len(paths), BATCH):
        keys = {fs.split_path(path)[1]: path for path in paths[start : start + BATCH]}
        told = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        try:
            bucket = fs.split_path(paths[start])[0]
            answer = fs.call_s3("delete_objects", Bucket=bucket, Delete=told)
        except OSError:  # not every service that speaks S3 has this request
            left += keys.values()
            continue
        left += [keys[error["Key"]] for error in answer.get("Errors", [])]
    return left
