"""`file_path`s from which a photograph is found again without a list of them."""

import hashlib


class Paths:
    """Paths `/<person><photograph><check>.jpg`, numbers in hexadecimal.

    Args:
        recipe: what the content follows from beside the numbers; another recipe, other paths.
    """

    def __init__(self, recipe: str) -> None:
        self._recipe = recipe

    def of(self, number: int, index: int) -> str:
        """The path of a person's photograph."""
        text = f"{self._recipe}/{number}/{index}"
        return f"/{number:06x}{index:03x}{hashlib.sha256(text.encode()).hexdigest()[:18]}.jpg"

    def parse(self, path: str) -> tuple[int, int]:
        """Number of the person and of the photograph.

        Raises:
            LookupError: not a path of this recipe.
        """
        try:
            number, index = int(path[1:7], 16), int(path[7:10], 16)
        except ValueError:
            raise LookupError(f"no photograph {path}") from None
        if path != self.of(number, index):
            raise LookupError(f"no photograph {path}")
        return number, index
