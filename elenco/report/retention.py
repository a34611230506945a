"""What was deleted because it was kept for long enough, as Markdown."""

from collections.abc import Mapping

from elenco.settings import Retention


def retention_report(removed: Mapping[str, int], retention: Retention) -> str:
    """The limits, and a row a kind of thing that is gone.

    Args:
        removed: name -> how many; those of which there were none are left out.
        retention: the limits.
    """
    lines = [
        "# Retention",
        "",
        f"TMDB's photographs are kept for at most {retention.max_days} days after they were "
        f"fetched, photographs that are listed no more for {retention.retired_days} days.",
        "",
    ]
    if not removed:
        return "\n".join([*lines, "Nothing was older than that.", ""])
    rows = [f"| {name} | {count:,} |" for name, count in removed.items()]
    return "\n".join([*lines, "| deleted | |", "|---|---:|", *rows, ""])
