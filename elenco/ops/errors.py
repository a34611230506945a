"""What goes wrong around the flows, in one place."""

from elenco.errors import ElencoError


class OperationsError(ElencoError):
    """Database, server or worker did not start, or does not do what was asked of it."""


class ServerUnreachable(OperationsError):
    """No Prefect server answers at the address."""


class ServerRefused(OperationsError):
    """The Prefect server wants another user and password."""
