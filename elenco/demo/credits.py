"""Films that were never made, and who plays in them: `/movie/{id}/credits`."""

from collections.abc import Sequence
from typing import Any

from elenco.demo.cast import CastPerson
from elenco.demo.draws import Draws

MOVIES = 10  # their numbers are 1 to this
CHARACTERS = (
    "The Pilot",
    "The Harpist",
    "The Clerk",
    "The Neighbour",
    "The Ferryman",
    "The Twin",
    "The Caller",
    "The Gardener",
)


def cast_of(movie: int, people: Sequence[CastPerson]) -> list[tuple[CastPerson, str]]:
    """Who plays whom in a film: the most popular in film 1, others in the others.

    Args:
        movie: its number.
        people: the most popular first; those who act and are not flagged adult play.
    """
    most = people[: 40 * MOVIES]
    actors = [one for one in most if one.department == "Acting" and not one.adult]
    if movie != 1:
        order = Draws(0).rng("movie", movie).permutation(len(actors))
        actors = [actors[place] for place in order]
    return list(zip(actors, CHARACTERS, strict=False))


def credits_of(movie: int, people: Sequence[CastPerson]) -> dict[str, Any]:
    """The answer; its list is not in the order of the credits, as TMDB's need not be."""
    cast = [
        {
            "adult": person.adult,
            "gender": 0,
            "id": person.id,
            "known_for_department": person.department,
            "name": person.name,
            "original_name": person.name,
            "popularity": person.popularity,
            "profile_path": None,
            "cast_id": 100 + order,
            "character": character,
            "credit_id": f"{movie:08x}{order:016x}",
            "order": order,
        }
        for order, (person, character) in enumerate(cast_of(movie, people))
    ]
    return {"id": movie, "cast": cast[::-1], "crew": []}
