"""Who came and who left, as Markdown."""

from collections.abc import Sequence

from elenco.types import Listing, Person

NAMES = 20  # of each, the most popular first


def people_section(listing: Listing) -> str:
    """How many people the day has, who is new since the last day's list, and who is gone."""
    total = sum(map(len, listing.shards))
    return "\n".join(
        [
            "## People",
            "",
            f"{total:,} people in `{listing.path}`; of {listing.changed:,} the source said that "
            "something changed.",
            "",
            f"- **came** {_names(listing.came)}",
            f"- **left** {_names(listing.left)}",
        ]
    )


def _names(people: Sequence[Person]) -> str:
    if not people:
        return "nobody"
    ranked = sorted(people, key=lambda person: (-person.popularity, person.id))
    named = ", ".join(f"{person.name} ({person.id})" for person in ranked[:NAMES])
    more = f", and {len(people) - NAMES:,} more" if len(people) > NAMES else ""
    return f"{len(people):,}: {named}{more}"
