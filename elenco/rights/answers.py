"""What a source said of people, as far as it has to be deleted."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from elenco.errors import ElencoError
from elenco.layout import Layout
from elenco.settings import Retention
from elenco.storage import read_json, write_json

Said = dict[str, Any]  # of one person


def erase_answers(source: Layout, chosen: Callable[[str, Said], bool]) -> int:
    """Forget what a source said of some people; of how many.

    Call it while holding the data directory.

    Args:
        source: whose answers.
        chosen: whether it is to go, of a person's id and what was said.

    Raises:
        ElencoError: a file holds no answers; the message says what to do.
    """
    return sum(_erase(path, chosen) for path in sorted(source.answers(0).parent.glob("*.json")))


def expire_answers(source: Layout, retention: Retention, now: datetime) -> int:
    """Forget what is over age, of whomever; of how many people. Raises as `erase_answers`."""
    today = now.astimezone(UTC).date()
    return erase_answers(source, lambda _, said: over_age(said, today, retention))


def over_age(said: Said, today: date, retention: Retention) -> bool:
    """Whether it was said `retention.max_days` ago or earlier.

    What has no date is of an older version, and nobody's any more.
    """
    last = today - timedelta(days=retention.max_days)
    return said.get("asked", "") <= last.isoformat()


def _erase(path: Path, chosen: Callable[[str, Said], bool]) -> int:
    try:
        answers = read_json(path)
        rest = {p: said for p, said in answers["people"].items() if not chosen(p, said)}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"{type(error).__name__}: {error}"
        raise ElencoError(
            f"{path} holds no answers ({problem}): delete it, then run the same command again"
        ) from None
    gone = len(answers["people"]) - len(rest)
    if gone:
        write_json(path, answers | {"people": rest})
    return gone
