"""What was kept for long enough."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

from prefect import task
from prefect.settings import get_current_settings

from elenco.errors import Locked
from elenco.layout import Layout
from elenco.lock import refresh_lock
from elenco.ops.stored_answers import delete_old
from elenco.progress import say
from elenco.rights import retention
from elenco.settings import Settings

LOOK_SECONDS = 5.0


@contextmanager
def patient_lock(settings: Settings, seconds: float) -> Iterator[str]:
    """`refresh_lock`, waited for; who has it still after so many seconds, or "" if it is held."""
    deadline = time.monotonic() + seconds
    with ExitStack() as stack:
        holder, told = _enter(stack, settings), ""
        while holder and time.monotonic() < deadline:
            if holder != told:
                say(f"waiting for at most {seconds / 60:.0f} minutes: {holder}")
                told = holder
            time.sleep(min(LOOK_SECONDS, seconds))
            holder = _enter(stack, settings)
        yield holder


def _enter(stack: ExitStack, settings: Settings) -> str:
    try:
        stack.enter_context(refresh_lock(settings))
    except Locked as error:
        return str(error)
    return ""


@task(task_run_name="delete what is too old")
def delete_expired(settings: Settings, clock_is_right: bool = False) -> dict[str, int]:
    """Delete it, with all that was made of it, and Prefect's old answers; how much of what."""
    layout = Layout.of(settings)
    removed = retention.enforce_retention(settings, layout, clock_is_right=clock_is_right).counts()
    folder = get_current_settings().results.local_storage_path
    answers = delete_old(folder, datetime.now(UTC)) if folder else 0
    return removed | ({"stored answers": answers} if answers else {})
