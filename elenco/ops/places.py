"""Where the topology of a data directory keeps what is its own."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Places:
    """Paths under `data/state/ops`.

    topology.json    what runs, and where
    secrets/         passwords, token, addresses of alarms; never backed up
    database/        PostgreSQL's cluster
    prefect/         the server's home: leases of concurrency limits
    log/             what each process says, rotated
    """

    root: Path

    @staticmethod
    def of(data: Path) -> "Places":
        """The places of a data directory."""
        return Places(data.resolve() / "state" / "ops")

    @property
    def topology(self) -> Path:
        return self.root / "topology.json"

    @property
    def lock(self) -> Path:
        return self.root / "up.lock"

    @property
    def secrets(self) -> Path:
        """One a file; those of `elenco.settings.KEPT_SECRETS` too."""
        return self.root / "secrets"

    @property
    def server_auth(self) -> Path:
        """`user:password` of the Prefect server."""
        return self.secrets / "server_auth"

    @property
    def database_password(self) -> Path:
        return self.secrets / "database_password"

    @property
    def database(self) -> Path:
        return self.root / "database"

    @property
    def prefect_home(self) -> Path:
        return self.root / "prefect"

    @property
    def log(self) -> Path:
        return self.root / "log"
