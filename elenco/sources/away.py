"""Telling a source that is away, or has changed, from one that fails now and then."""

from elenco.errors import ImageError, SourceError, SourceUnreachable, UnexpectedAnswer

# More failures than this, and than what was had, and the run ends.
FEW = 5


class Away:
    """Counts what could be had of a source and what could not."""

    def __init__(self) -> None:
        self._had = self._failed = 0

    def had(self) -> None:
        """Note that the source did its part, whatever came of it."""
        self._had += 1

    def failed(self, error: ImageError | SourceError) -> None:
        """Note a failure that may pass.

        Raises:
            SourceUnreachable, UnexpectedAnswer: most of what was asked for could not be had.
        """
        self._failed += 1
        if self._failed <= max(FEW, self._had):
            return
        if isinstance(error, UnexpectedAnswer):
            raise error
        raise SourceUnreachable(
            f"{self._failed} of {self._failed + self._had} photographs could not be had "
            f"({error}): check the source and the network, then run again; what was fetched "
            "is kept"
        )
