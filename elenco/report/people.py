"""Who came and who left, as Markdown."""

from collections.abc import Sequence

from elenco.text import escaped
from elenco.types import Listing, Person

NAMES = 20  # of each, the most popular first


def people_section(listing: Listing) -> str:
    """How many people the day has, who is new since the last day's list, and who is gone."""
    total = sum(map(len, listing.shards))
    stayed = f"- **stayed** {listing.stayed:,} of whom it could not be had what the source says"
    return "\n".join(
        [
            "## People",
            "",
            f"{total:,} people in `{listing.path}`; of {listing.changed:,} the source said that "
            "something changed.",
            "",
            f"- **came** {_names(listing.came)}",
            f"- **left** {_names(listing.left)}",
            *([stayed] if listing.stayed else []),
        ]
    )


def _names(people: Sequence[Person]) -> str:
    if not people:
        return "nobody"
    ranked = sorted(people, key=lambda person: (-person.popularity, person.id))
    named = ", ".join(f"{escaped(person.name)} ({escaped(person.id)})" for person in ranked[:NAMES])
    more = f", and {len(people) - NAMES:,} more" if len(people) > NAMES else ""
    return f"{len(people):,}: {named}{more}"
