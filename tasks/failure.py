"""How a flow fails: with a state whose message is what a person can do about it."""

import errno
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from prefect.logging import get_run_logger
from prefect.states import Failed

from elenco.errors import ElencoError

P = ParamSpec("P")
R = TypeVar("R")


def says_what_to_do(work: Callable[P, R]) -> Callable[P, R]:
    """Around a flow's function: an exception becomes a failed state; whoever calls gets it raised.

    Its traceback is in the run's log.
    """

    @wraps(work)
    def told(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return work(*args, **kwargs)
        except Exception as error:
            message = advice(error)
            get_run_logger().error(message, exc_info=True)
            # Whatever a flow is said to return, Prefect takes a state for it.
            failed: Any = Failed(message=message, data=error)
            return failed

    return told


def advice(error: Exception) -> str:
    """What went wrong and what to do, in one line."""
    if isinstance(error, ElencoError):
        return str(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{error}: make room there and run it again; it goes on with what is on disk"
    return (
        f"{type(error).__name__}: {error}: nobody foresaw this; the run's log says where. Run it "
        "again: it goes on with what is on disk. If it fails there again, report it"
    )
