"""Every error that Elenco raises on purpose, in one tree.

    ElencoError                 a user or operator can act on it; the message says how
    ├── ConfigError             a setting is missing, unknown or out of range
    │   ├── TokenMissing
    │   └── TermsNotAccepted
    ├── SourceError             the source of photographs did not do its part
    │   ├── TokenRefused
    │   ├── SourceUnreachable
    │   └── UnexpectedAnswer    the answer is not what the protocol says
    ├── WeightsError            weights are missing, or not what their digest says
    ├── ImageError              one picture can't be used; `.reason` is the word that is counted
    ├── NotEnoughData           too few people or photographs to go on
    ├── SpaceMismatch           vectors of two embedding spaces were about to be mixed
    ├── RegistryError           no such version, or none promoted yet
    ├── ExportError             a TF.js form could not be made, or disagrees with Keras
    ├── WorkersLost             the processes that work on shards died
    ├── ClockWrong              what this machine's clock says is not to be believed
    └── Locked                  another refresh works in the same data directory

Only `ImageError` is ever turned into a `Skipped`; the others end the run with their message.
"""


class ElencoError(Exception):
    """Base of all; `str(error)` is one line for a person and holds no secret."""


class ConfigError(ElencoError):
    """A setting is missing, unknown or out of range."""


class TokenMissing(ConfigError):
    """TMDB is the source and no token is set."""


class TermsNotAccepted(ConfigError):
    """TMDB is the source and the operator has not said that they may use it this way."""


class SourceError(ElencoError):
    """The source of photographs did not do its part."""


class TokenRefused(SourceError):
    """HTTP 401 or 403."""


class SourceUnreachable(SourceError):
    """No answer after all retries."""


class UnexpectedAnswer(SourceError):
    """An answer that the protocol does not describe: another shape, status or encoding."""


class WeightsError(ElencoError):
    """A network's weights are missing, or not what their digest says."""


class ImageError(ElencoError):
    """One picture can't be used.

    Args:
        reason: a short stable word, counted in reports: `empty`, `not_an_image`, `truncated`, …
        detail: what was seen, for the log.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class NotEnoughData(ElencoError):
    """Too few people or photographs to go on."""


class SpaceMismatch(ElencoError):
    """Vectors of two embedding spaces were about to be mixed."""


class RegistryError(ElencoError):
    """No such version, or none promoted yet."""


class ExportError(ElencoError):
    """A TF.js form could not be made, or its outputs differ from Keras's."""


class WorkersLost(ElencoError):
    """The processes that work on shards died, or nobody can reach them."""


class ClockWrong(ElencoError):
    """What this machine's clock says is not to be believed."""


class Locked(ElencoError):
    """Another refresh works in the same data directory."""


class OutOfMemory(ElencoError):
    """The device has too little memory for a batch, or for one item."""
