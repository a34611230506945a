"""A PostgreSQL cluster of the topology's own, with Debian's or anybody's binaries."""

import os
import pwd
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from elenco.ops.errors import OperationsError

DEBIAN = Path("/usr/lib/postgresql")
ACCOUNT = "postgres"  # who runs it where this process is root: PostgreSQL refuses to run as root
USER = DATABASE = "prefect"
_MISSING = (
    "PostgreSQL is not installed: install it (Debian: postgresql), or give a database with "
    "--database postgresql://user@host/name"
)


@dataclass(frozen=True)
class Account:
    """Whom the server's processes belong to; None where that is the user of this process."""

    uid: int | None
    gid: int | None


def find_binaries(cluster: Path) -> Path:
    """The folder of `initdb` and `postgres` for a cluster.

    Of the version that made it, where it is made; else of the newest.

    Raises:
        OperationsError: there is none.
    """
    found = [path.parent for path in DEBIAN.glob("*/bin/initdb")]
    if path := shutil.which("initdb"):
        found.append(Path(path).resolve().parent)
    if not found:
        raise OperationsError(_MISSING)
    versions = {binaries: _version(binaries) for binaries in found}
    if (made := _made_by(cluster)) is None:
        return max(found, key=lambda binaries: versions[binaries])
    for binaries, version in versions.items():
        if version == made:
            return binaries
    raise OperationsError(
        f"{cluster} was made by PostgreSQL {made}, which is not installed: install that version, "
        "or move the folder away and restore a backup"
    )


def _made_by(cluster: Path) -> int | None:
    path = cluster / "PG_VERSION"
    return int(path.read_text()) if path.exists() else None


def _version(binaries: Path) -> int:
    asked = [str(binaries / "postgres"), "--version"]
    said = subprocess.run(asked, capture_output=True, text=True, env=environment()).stdout
    number = re.search(r"\d+", said)
    return int(number.group()) if number else 0


def account() -> Account:
    """That of this process, or of the user `postgres` where it is root.

    Raises:
        OperationsError: there is no such user.
    """
    if os.geteuid():
        return Account(None, None)
    try:
        entry = pwd.getpwnam(ACCOUNT)
    except KeyError:
        raise OperationsError(
            f"PostgreSQL refuses to run as root, and there is no user {ACCOUNT}: run this as "
            "another user, or give a database with --database"
        ) from None
    return Account(entry.pw_uid, entry.pw_gid)


def command(binaries: Path, cluster: Path, port: int) -> list[str]:
    """What starts the server in the foreground, on the loopback interface alone."""
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "password_encryption": "scram-sha-256",
    }
    options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
    return [str(binaries / "postgres"), "-D", str(cluster), *options]


def address(port: int) -> str:
    """Of the database in it, without the password."""
    return f"postgresql://{USER}@127.0.0.1:{port}/{DATABASE}"


def initialise(binaries: Path, cluster: Path, password: str, who: Account) -> None:
    """Make the cluster, its user and password, unless it is there.

    Raises:
        OperationsError: its user can't enter the folder, or initdb says no.
    """
    if _made_by(cluster) is not None:
        return
    cluster.parent.mkdir(parents=True, exist_ok=True)
    if who.uid is not None:
        _check_reachable(cluster.parent, who.uid)
    shutil.rmtree(cluster, ignore_errors=True)  # of an initdb that was killed
    cluster.mkdir(mode=0o700)
    given = cluster.with_name(".new-password")
    given.unlink(missing_ok=True)
    given.touch(0o600)
    try:
        given.write_text(password)
        if who.uid is not None and who.gid is not None:
            os.chown(cluster, who.uid, who.gid)
            os.chown(given, who.uid, who.gid)
        options = ["--username", USER, "--pwfile", str(given), "--auth", "scram-sha-256"]
        _run([str(binaries / "initdb"), "-D", str(cluster), "-E", "UTF8", *options], who)
        # Single-user mode: nobody has to wait for a server that listens.
        single = [str(binaries / "postgres"), "--single", "-D", str(cluster), "postgres"]
        _run(single, who, f"CREATE DATABASE {DATABASE}\n")
    except BaseException:
        shutil.rmtree(cluster, ignore_errors=True)
        raise
    finally:
        given.unlink(missing_ok=True)


def environment() -> dict[str, str]:
    """The whole environment of its programs: no secret of whoever starts them."""
    return {"LC_ALL": "C.UTF-8", "PATH": os.environ.get("PATH", os.defpath)}


def _run(arguments: list[str], who: Account, text: str = "") -> None:
    done = subprocess.run(
        arguments,
        input=text,
        capture_output=True,
        text=True,
        user=who.uid,
        group=who.gid,
        extra_groups=None if who.uid is None else [],
        env=environment(),
        cwd="/",
    )
    if done.returncode or "ERROR" in done.stdout + done.stderr:
        said = (done.stderr + done.stdout).strip().splitlines() or ["it said nothing"]
        wrong = next((line for line in said if "rror" in line or "FATAL" in line), said[-1])
        raise OperationsError(f"{Path(arguments[0]).name} could not make the database: {wrong}")


def _check_reachable(place: Path, uid: int) -> None:
    for folder in (place, *place.parents):
        status = folder.stat()
        if not status.st_mode & 0o001 and status.st_uid != uid:
            raise OperationsError(
                f"PostgreSQL runs as {ACCOUNT} here, who can't enter {folder}: put the data "
                "directory elsewhere (ELENCO_PATHS__DATA), chmod o+x it, or give --database"
            )
