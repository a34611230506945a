"""docker-compose.yml and Dockerfile, as far as they can be proven without Docker."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import yaml

from elenco.backup.known import known_database
from elenco.layout import Layout
from elenco.ops import services
from elenco.ops.places import Places
from tests.ops.conftest import BIN, HEAVY, ROOT
from tests.ops.containers import by_default
from tests.ops.operating import DOC, table

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]


def test_docker_compose_accepts_it():
    program = shutil.which("docker-compose", path=f"{BIN}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        pytest.skip("needs docker-compose 2")
    for profile in ("", "gpu", "backup"):
        done = subprocess.run(
            [program, *(["--profile", profile] if profile else []), "config", "--format", "json"],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)["services"]
        assert ("worker-gpu" in found) == (profile == "gpu")
        assert ("backup" in found) == (profile == "backup")


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_can_do_no_more_than_it_needs(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not {"privileged", "cap_add", "pid", "network_mode"} & set(service)
    assert int(service["user"].split(":")[0]) > 0
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["logging"]["driver"] == "json-file"
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    tag = by_default(service["image"]).split(":")[1]
    assert re.match(r"\d+\.\d+", tag)
    for port in service.get("ports", []):
        assert port.startswith("127.0.0.1:")
    mounts = [by_default(mount).split(":")[0] for mount in service.get("volumes", [])]
    assert set(mounts) <= set(COMPOSE["volumes"])


@pytest.mark.parametrize("name", SERVICES)
def test_secrets_come_from_files_and_nowhere_else(name):
    service = SERVICES[name]
    for variable, value in service.get("environment", {}).items():
        if re.search("PASSWORD|AUTH_STRING|TOKEN|ALARMS", variable):
            assert variable.endswith("_FILE")
            assert value.removeprefix("/run/secrets/") in service["secrets"]
    assert set(service["secrets"]) <= set(COMPOSE["secrets"])
    assert all(set(secret) == {"file"} for secret in COMPOSE["secrets"].values())
    named = {value for value in service["environment"].values() if "/run/secrets/" in value}
    assert {path.removeprefix("/run/secrets/") for path in named} == set(service["secrets"])


def test_all_start_in_order_and_start_again():
    waits = {n: s.get("depends_on", {}) for n, s in SERVICES.items()}
    assert waits["server"]["database"]["condition"] == "service_healthy"
    assert waits["setup"]["server"]["condition"] == "service_healthy"
    for name in ("worker", "worker-gpu"):
        assert waits[name]["setup"]["condition"] == "service_completed_successfully"
        assert SERVICES[name]["stop_grace_period"]
        assert SERVICES[name]["volumes"] == ["data:/app/data", "models:/app/models"]
    assert SERVICES["setup"]["restart"].startswith("on-failure")
    for name in set(SERVICES) - {"setup", "backup"}:
        assert SERVICES[name]["restart"] == "unless-stopped"
        assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_the_database_is_in_a_network_of_the_server_and_the_backup_alone():
    assert COMPOSE["networks"]["back"]["internal"] is True
    inside = [n for n, s in SERVICES.items() if "back" in s["networks"]]
    assert inside == ["database", "server", "backup"]
    assert "ports" not in SERVICES["database"]


def test_the_gpu_worker_is_asked_for_and_has_one():
    gpu = SERVICES["worker-gpu"]
    assert gpu["profiles"] == ["gpu"]
    [device] = gpu["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    assert gpu["build"]["target"] == "gpu"
    assert gpu["environment"] == SERVICES["worker"]["environment"]


def test_a_gpu_is_said_in_the_environment_file_and_nowhere_else():
    """What a command line says once, as `--scale worker=0`, the next `up` or `down` forgets."""
    said = f"{(ROOT / 'docker-compose.yml').read_text()}\n{DOC}"
    assert not re.search(r"--profile[ =]gpu|--scale", said)
    assert "COMPOSE_PROFILES=gpu" in said
    assert SERVICES["worker"]["deploy"]["replicas"] == "${ELENCO_WORKERS:-1}"
    assert "profiles" not in SERVICES["worker"], "without a profile named it is the one worker"


def test_every_variable_of_the_file_is_in_the_table():
    rows = table("variable | default | of")
    told = {row[0].strip("`"): row[1].strip("`") for row in rows}
    assert told.pop("COMPOSE_PROFILES") == "none"
    text = (ROOT / "docker-compose.yml").read_text()
    found = dict(re.findall(r"\$\{(\w+):-([^}]+)\}", text))
    assert set(told) == set(found)
    assert {name: told[name] for name in told if " " not in told[name]} == {
        name: found[name] for name in told if " " not in told[name]
    }


def test_the_database_is_ready_where_the_others_ask_for_it():
    """While the image makes the database, a server of its own answers on the socket alone."""
    kind, program, *options = SERVICES["database"]["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "pg_isready")
    assert "--host=127.0.0.1" in options


def test_a_backup_is_asked_for_has_all_there_is_to_keep_and_ends(tmp_path, monkeypatch):
    backup, server = SERVICES["backup"], SERVICES["server"]
    assert backup["profiles"] == ["backup"]
    assert backup["restart"] == "no"
    program, action, place, *_ = backup["command"]
    assert (program, action) == ("elenco", "backup")
    mounts = dict(by_default(mount).split(":") for mount in backup["volumes"])
    assert mounts == {"data": "/app/data", "models": "/app/models", "backups": place}
    told = {k: v for k, v in backup["environment"].items() if "_DATABASE_" in k}
    assert told == {k: v for k, v in server["environment"].items() if k in told}
    (tmp_path / "password").write_text("hush")
    for name, value in told.items():
        path = value.replace("/run/secrets/database_password", str(tmp_path / "password"))
        monkeypatch.setenv(name, path)
    database = known_database(None, Layout(tmp_path, tmp_path, "x"))
    assert database is not None
    assert dict(database.variables or {}) == {
        "PGHOST": "database",
        "PGPORT": "5432",
        "PGUSER": "prefect",
        "PGDATABASE": "prefect",
        "PGPASSWORD": "hush",
    }


def test_containers_and_processes_are_the_same_topology(tmp_path):
    places = Places.of(tmp_path)
    places.database_password.parent.mkdir(parents=True)
    places.database_password.touch()
    ports = services.Ports(database=1, server=2, worker=3)
    topology = services.Topology(ROOT, tmp_path, tmp_path, ports, "postgresql://prefect@h/prefect")
    plan = {service.name: service for service in services.plan(topology, {})}
    assert list(plan) == ["server", "setup", "worker"]
    for name, service in plan.items():
        container = SERVICES[name]
        assert service.command[1:] == [*services.WITH_SECRETS, *container["command"]]
        mine, theirs = set(service.environment), set(container["environment"])
        assert theirs - mine - {"PREFECT_SERVER_UI_STATIC_DIRECTORY"} <= {
            "ELENCO_TMDB__TOKEN_FILE",
            "ELENCO_ALARMS__EMAIL_URL_FILE",
            "ELENCO_ALARMS__SLACK_URL_FILE",
            "ELENCO_ALARMS__WEBHOOK_URL_FILE",
            "PREFECT_SERVER_ANALYTICS_ENABLED",
        }
        common = services.SERVER if name == "server" else {}
        common = services.WORKER if name == "worker" else common
        assert common.items() <= container["environment"].items()
        image = {"PATH", "PYTHONUNBUFFERED", "PYTHONPATH", "ELENCO_HOME", "PREFECT_HOME"}
        # A container has its paths and its /tmp for itself.
        own = {"ELENCO_PATHS__DATA", "ELENCO_PATHS__MODELS", "TMPDIR"}
        assert mine - theirs - image <= own
    for environment in (plan["server"].environment, SERVICES["server"]["environment"]):
        assert environment["PREFECT_SERVER_UI_API_URL"] == "/api", "no host: proxies have others"


@HEAVY
@pytest.mark.timeout(900)
@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare"
)
def test_the_file_s_services_work_together_with_no_more_rights_than_it_gives(open_folder):
    work = open_folder / "containers"
    work.mkdir(mode=0o755)
    apart = ["unshare", "--mount", "--net", "--propagation", "private"]
    done = subprocess.run(
        [*apart, sys.executable, "-m", "tests.ops.containers", str(work)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict = {}
    for line in done.stdout.splitlines():
        finding = json.loads(line)
        key = next(iter(finding))
        found.setdefault(key, []).append(finding)
    assert [finding["healthy"] for finding in found["healthy"]] == ["server", "worker"]
    assert "deployment daily_refresh created" in found["setup"][0]["said"]
    assert found["run"][0]["run"] == 0
    assert "Completed: deleted: nothing" in found["run"][0]["said"]
    assert found["again"][0]["again"][0] == "nothing has changed"
    assert found["backup"][0]["backup"] == 0, found["backup"]
    assert any("Prefect's database: postgresql" in line for line in found["backup"][0]["said"])
    assert found["rights"][0]["rights"] == ["10001", "False", "False", "0" * 16]
    assert len(found["stopped"]) == 2


def instructions() -> list[tuple[str, str, str]]:
    """(stage, instruction, rest) of the Dockerfile."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    found, stage = [], ""
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        instruction, rest = line.strip().split(" ", 1)
        if instruction == "FROM":
            stage = rest.split(" AS ")[1]
        found.append((stage, instruction, rest))
    return found


def test_the_image_runs_as_nobody_in_particular_and_has_no_tools():
    lines = instructions()
    assert ("base", "USER", "10001:10001") in lines
    runs = [rest for stage, name, rest in lines if name == "RUN" and stage == "base"]
    assert "pip uninstall" in runs[1]
    assert "--no-install-recommends postgresql-client-15 " in runs[0]
    assert SERVICES["database"]["image"].startswith("postgres:15.")
    for _, name, rest in lines:
        if name == "RUN" and "pip" in rest and " install " in rest:
            assert "--no-deps" in rest
            assert "--require-hashes" in rest or "--no-index" in rest
    assert not any("dev.txt" in rest for _, _, rest in lines)
    for label in ("version", "revision", "licenses"):
        assert f"org.opencontainers.image.{label}" in (ROOT / "Dockerfile").read_text()
    stages = [rest.split(" AS ")[1] for _, name, rest in lines if name == "FROM"]
    assert stages[-1] == "cpu", "without --target the worker without a GPU is built"


def test_every_copied_file_is_sent_to_the_builder():
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    assert allowed[0] == "*"
    for _, name, rest in instructions():
        if name == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert f"!{source}" in allowed
                assert (ROOT / source).exists()


def test_the_gpu_set_adds_to_the_other_and_changes_nothing_of_it():
    def pins(name: str) -> dict[str, str]:
        text = (ROOT / "requirements" / name).read_text()
        return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", text, re.M))

    run, gpu = pins("run.txt"), pins("gpu.txt")
    assert gpu
    assert not set(gpu) & set(run)
    assert all(name.startswith("nvidia-") for name in gpu)


def test_a_wheel_holds_the_package_and_nothing_else(tmp_path):
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "elenco", tmp_path / "elenco")
    build = "import hatchling.build as b; print(b.build_wheel('.'))"
    done = subprocess.run(
        [sys.executable, "-c", build], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    listed = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", done.stdout.split()[-1]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    ).stdout
    assert "elenco/ops/with_secrets.py" in listed
    assert not re.search(r"^(tasks|flows|tests|data|models)/", listed, re.M)


@HEAVY
@pytest.mark.timeout(1800)
def test_the_builder_stage_builds_an_environment_that_runs(tmp_path):
    """The stage's own COPY and RUN lines, in a folder instead of a container."""
    target = tmp_path / "opt" / "elenco"
    build = tmp_path / "build"
    build.mkdir()
    for stage, name, rest in instructions():
        if stage != "builder" or name not in ("COPY", "RUN"):
            continue
        if name == "COPY":
            *sources, to = rest.split()
            for source in sources:
                place = build / (source if to == "./" else to)
                place.parent.mkdir(parents=True, exist_ok=True)
                here = ROOT / source
                (shutil.copytree if here.is_dir() else shutil.copy)(here, place)
        else:
            command = shlex.split(rest.replace("/opt/elenco", str(target)))
            command[0] = sys.executable if command[0] == "python" else command[0]
            done = subprocess.run(command, cwd=build, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr[-2000:]
    app = tmp_path / "app"
    for folder in ("config", "flows", "tasks"):
        shutil.copytree(ROOT / folder, app / folder)
    shutil.copy(ROOT / "prefect.yaml", app)
    path = {"PATH": f"{target / 'bin'}:{os.defpath}", "PYTHONPATH": str(app), "HOME": str(tmp_path)}
    for command in (
        ["elenco", "--help"],
        ["python", "-m", "elenco.ops.with_secrets", "--", "prefect", "version"],
        ["python", "-c", "import flows.daily_refresh, tasks.ops.deploy, tensorflow, openvino"],
    ):
        done = subprocess.run(command, env=path, cwd=app, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
    for tool in ("pip", "pytest", "ruff"):
        assert not (target / "bin" / tool).exists()
