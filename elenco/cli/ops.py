"""`elenco up`, `down`, `deploy`, `run` and `alarms test`.

What talks to Prefect is in tasks/ops, loaded by name: the domain stays free of the orchestrator.
"""

import ast
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from elenco.cli.launch import application_root, run_flow
from elenco.errors import ConfigError
from elenco.ops import up as topology
from elenco.ops.secret_files import read_secret
from elenco.ops.with_secrets import take_secrets
from elenco.progress import console_sink
from elenco.settings import Settings, load_settings

NO_SERVER = "elenco: no Prefect server is named, so this process runs it"


def run_up(config: Path | None, database: str | None, port: int) -> None:
    """Start everything; say where the user interface is and how to come in."""
    settings = load_settings(config)
    if config:
        os.environ["ELENCO_CONFIG"] = str(config.resolve())
    with console_sink():
        there, started = topology.up(settings, application_root(), database, port)
    print(f"{'up' if started else 'already up'}: {there.url}")
    print(f"user and password: {there.places.server_auth}")
    print(f"logs: {there.places.log}")
    if not started and not topology.healthy(there):
        print("elenco: not all of it answers: it may be starting again", file=sys.stderr)


def run_down(config: Path | None) -> None:
    """Stop everything."""
    print("down" if topology.down(load_settings(config)) else "nothing was up")


def run_deploy(config: Path | None) -> None:
    """Tell the server of deployments, limits and automations; print what changed."""
    settings = load_settings(config)
    _reach(settings)
    changes = _tasks("deploy").deploy(settings, application_root())
    print("\n".join(changes) if changes else "nothing has changed")
    if not settings.alarms.addresses:
        print(
            "elenco: alarms go nowhere: none of alarms.webhook_url, alarms.slack_url and "
            "alarms.email_url is set",
            file=sys.stderr,
        )


def run_alarm_test(config: Path | None) -> None:
    """Send a test to every address that alarms go to; exits 1 unless all have taken it.

    Raises:
        ConfigError: no server is named, or no address is set.
        OperationsError: the server is unreachable, or was not told of the addresses.
    """
    settings = load_settings(config)
    _reach(settings)
    server, alarm_test = _tasks("server"), _tasks("alarm_test")
    with server.connected() as client:
        outcomes = []
        for kind, outcome in alarm_test.send(client, settings.alarms):
            print(f"{kind}: {outcome}", flush=True)
            outcomes.append(outcome)
    if set(outcomes) != {alarm_test.SENT}:
        sys.exit("elenco: not every address has taken the test")


def run_deployment(flow: str, given: list[str], watch: bool, config: Path | None) -> None:
    """Have the workers run a flow, or run it here where there is no server.

    Raises:
        ConfigError: there is no such flow, or a parameter is not `name=value`.
        OperationsError: the server is unreachable, or takes no such parameters.
    """
    settings = load_settings(config)
    known = sorted(path.stem for path in (application_root() / "flows").glob("[!_]*.py"))
    if flow not in known:
        raise ConfigError(f"there is no flow {flow}: there are {', '.join(known)}")
    parameters = dict(_parameter(text) for text in given)
    if not _reach(settings):
        print(NO_SERVER, file=sys.stderr)
        run_flow(flow, settings, **_accepted(flow, parameters, config))
        return
    runs, server = _tasks("runs"), _tasks("server")
    with server.connected() as client:
        run = runs.start(client, flow, parameters)
        print(f"{flow} {run.name}: {_page(run.id)}", flush=True)
        if watch:
            state = runs.watch(client, run.id, lambda text: print(text, flush=True))
            if not state.is_completed():
                sys.exit(f"elenco: {flow} {run.name} ended {state.name}")


def _reach(settings: Settings) -> bool:
    """Point Prefect to the server that is named, else to the one that is up here, if any."""
    take_secrets()
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
    root = application_root()
    os.environ.setdefault("ELENCO_HOME", str(root))
    os.chdir(root)
    sys.path.insert(0, str(root))
    if os.environ.get("PREFECT_API_URL"):
        return True
    there = topology.running(settings)
    if there is None:
        return False
    os.environ["PREFECT_API_URL"] = there.api
    os.environ["PREFECT_API_AUTH_STRING"] = read_secret(there.places.server_auth, "server_auth")
    return True


def _parameter(text: str) -> tuple[str, Any]:
    """`name=value`; the value as JSON where it is some, else as text."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise ConfigError(f"--param {text} is no name=value")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _accepted(flow: str, parameters: dict[str, Any], config: Path | None) -> dict[str, Any]:
    # Read, not imported: `run_flow` sets Prefect up before its first import.
    tree = ast.parse((application_root() / "flows" / f"{flow}.py").read_text("utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    # What one flow hands to another, a `…Ref`, is not for a person to give.
    known = [
        argument.arg
        for argument in functions[flow].args.args
        if argument.annotation is None or "Ref" not in ast.unparse(argument.annotation)
    ]
    if unknown := sorted(set(parameters) - set(known)):
        raise ConfigError(f"{flow} has no parameter {unknown[0]}: it takes {', '.join(known)}")
    return ({"config": str(config)} if config else {}) | parameters


def _page(run: object) -> str:
    return os.environ["PREFECT_API_URL"].removesuffix("/api") + f"/runs/flow-run/{run}"


def _tasks(name: str) -> Any:
    return importlib.import_module(f"tasks.ops.{name}")
