"""Runs docker-compose.yml's own services without Docker, as root: `python -m tests.ops.containers`.

Each is a process with its command, environment, secrets, volumes, tmpfs and health check as the
file and the Dockerfile say, on a read-only root file system, as its user, without capabilities, in
a network of its own. What stands for the image is this machine's root with the checkout at /app.
What it can't stand for is the image of the database: PostgreSQL's binaries are started instead.
Called inside `unshare --mount --net`; prints a line of JSON a finding.
"""

import ctypes
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from elenco.ops import postgres
from elenco.ops.secret_files import make_secret, read_secret

ROOT = Path(__file__).resolve().parents[2]
NEW_MOUNTS = 0x00020000  # CLONE_NEWNS, unshare(2)
IN_IMAGE = ("config", "flows", "tasks", "prefect.yaml")


def image() -> tuple[dict[str, str], list[str]]:
    """ENV and ENTRYPOINT of the Dockerfile's base stage."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", "")
    stage = text.split("AS base")[1].split("\nFROM")[0]
    variables = {"VERSION": "0.1.0"}
    environment: dict[str, str] = {}
    entrypoint: list[str] = []
    for line in stage.splitlines():
        if line.startswith("ENV "):
            pairs = (part.partition("=") for part in shlex.split(line[4:]))
            environment |= {k: v.replace("${VERSION}", variables["VERSION"]) for k, _, v in pairs}
        if line.startswith("ENTRYPOINT "):
            entrypoint = json.loads(line.removeprefix("ENTRYPOINT "))
    environment["PATH"] = environment["PATH"].replace(
        "/opt/elenco/bin", str(Path(sys.executable).parent)
    )
    return environment, entrypoint


def by_default(text: str) -> str:
    """With the defaults of its variables."""
    return re.sub(r"\$\{\w+:-([^}]+)\}", r"\1", text)


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


class Container:
    """One service of the file."""

    def __init__(self, name: str, service: dict[str, Any], work: Path) -> None:
        self.name, self.service, self.work = name, service, work
        environment, self.entrypoint = image()
        self.environment = environment | service["environment"]
        for key, value in self.environment.items():
            self.environment[key] = by_default(value)

    def _enter(self) -> None:
        """In the child: its own root, then nothing but its user's rights."""
        if ctypes.CDLL(None, use_errno=True).unshare(NEW_MOUNTS):
            raise OSError(ctypes.get_errno(), "unshare")
        top = self.work / "root"
        layers = self.work / "layers"
        mount("-t", "tmpfs", "tmpfs", str(layers))
        for name in ("upper", "lower"):
            (layers / name).mkdir(mode=0o755)
        mount(
            *("-t", "overlay", "overlay", str(top)),
            *("-o", f"lowerdir=/,upperdir={layers / 'upper'},workdir={layers / 'lower'}"),
        )
        app = top / "app"
        for name in ("backups", "data", "models", "prefect"):
            (app / name).mkdir(parents=True, exist_ok=True)
        for name in IN_IMAGE:
            subprocess.run(["cp", "-r", str(ROOT / name), str(app)], check=True)
        (top / "root").chmod(0o755)  # where this machine has Python
        (top / "etc" / "hosts").write_text("127.0.0.1 localhost server database\n")
        secrets = top / "run" / "secrets"
        secrets.mkdir(parents=True, exist_ok=True)
        for name in self.service["secrets"]:
            (secrets / name).write_bytes((self.work / "secrets" / name).read_bytes())
            (secrets / name).chmod(0o444)
        mount("-t", "proc", "proc", str(top / "proc"))
        mount("--rbind", "/dev", str(top / "dev"))
        mount("-o", "remount,ro", str(top))
        for volume in self.service.get("volumes", []):
            name, place = by_default(volume).split(":")
            mount("--bind", str(self.work / "volumes" / name), f"{top}{place}")
        for entry in self.service["tmpfs"]:
            place, options = entry.split(":")
            mount("-t", "tmpfs", "-o", f"{options},noexec,nosuid,nodev", "tmpfs", f"{top}{place}")
        os.chroot(top)
        os.chdir("/app")

    def start(self, command: list[str], entrypoint: bool = True) -> subprocess.Popen[str]:
        uid, gid = self.service["user"].split(":")
        drop = ["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--clear-groups"]
        rights = ["setpriv", f"--reuid={uid}", f"--regid={gid}", *drop]
        return subprocess.Popen(
            [*rights, *(self.entrypoint if entrypoint else []), *command],
            env=self.environment,
            preexec_fn=self._enter,
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def healthy(self) -> bool:
        kind, *command = self.service["healthcheck"]["test"]
        assert kind == "CMD"
        check = self.start(command, entrypoint=False)
        check.communicate(timeout=60)
        return check.returncode == 0


def find(**finding: Any) -> None:
    print(json.dumps(finding), flush=True)


def start_database(work: Path) -> subprocess.Popen[bytes]:
    cluster = work / "volumes" / "database"
    binaries, who = postgres.find_binaries(cluster), postgres.account()
    password = read_secret(work / "secrets" / "database_password", "database_password")
    postgres.initialise(binaries, cluster, password, who)
    return subprocess.Popen(
        postgres.command(binaries, cluster, 5432), user=who.uid, group=who.gid, extra_groups=[]
    )


def main(work: Path) -> None:
    """All of it: up, a run, what each may and may not do, down."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    volumes = (f"volumes/{name}" for name in ("backups", "data", "models", "prefect"))
    for name in ("root", "layers", *volumes):
        (work / name).mkdir(parents=True)
        os.chown(work / name, 10001, 10001)
    make_secret(work / "secrets" / "server_auth", "elenco:")
    make_secret(work / "secrets" / "database_password")
    make_secret(work / "secrets" / "tmdb_token")
    for name in ("webhook_url", "slack_url", "email_url"):
        (work / "secrets" / name).touch()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    database = start_database(work)
    server, setup, worker = (Container(n, services[n], work) for n in ("server", "setup", "worker"))
    started: list[subprocess.Popen[str]] = []
    try:
        for container in (server, setup, worker):
            process = container.start(container.service["command"])
            started.append(process)
            if container is setup:
                said, _ = process.communicate(timeout=300)
                find(setup=process.returncode, said=said.splitlines())
                assert process.returncode == 0
                continue
            since = time.monotonic()
            while not container.healthy():
                assert process.poll() is None, process.communicate()[0]
                assert time.monotonic() - since < 300, f"{container.name} is not healthy"
                time.sleep(1)
            find(healthy=container.name)
        run = worker.start(["elenco", "run", "enforce_retention", "--watch"])
        said, _ = run.communicate(timeout=300)
        find(run=run.returncode, said=said.splitlines())
        again = setup.start(setup.service["command"])
        find(again=again.communicate(timeout=300)[0].splitlines())
        backup = Container("backup", services["backup"], work)
        stored = backup.start([by_default(word) for word in backup.service["command"]])
        said, _ = stored.communicate(timeout=300)
        find(backup=stored.returncode, said=said.splitlines())
        look = (
            "import os; print(os.getuid(), os.access('/app', os.W_OK), os.access('/', os.W_OK),"
            " open('/proc/self/status').read().split('CapEff:')[1].split()[0])"
        )
        find(rights=worker.start(["python", "-c", look]).communicate(timeout=60)[0].split())
    finally:
        for process in reversed(started):
            if process.poll() is None:
                os.kill(process.pid, signal.SIGTERM)
                said, _ = process.communicate(timeout=60)
                find(stopped=process.returncode, said=said.splitlines()[-5:])
        database.send_signal(signal.SIGINT)
        database.wait(60)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
