"""Starts a flow by its name from the command line, with or without a Prefect server.

The flows are an application beside this package, found from the working directory upwards; they
are loaded by name, so the domain stays free of the orchestrator.
"""

import importlib
import logging
import os
import sys
from pathlib import Path
from typing import Any

from elenco.errors import ConfigError
from elenco.ops.with_secrets import take_secrets
from elenco.progress import console_sink, say
from elenco.report.summary import summary_lines
from elenco.settings import Settings, load_settings
from elenco.types import RefreshResult


def run_refresh(config: Path | None, people: int | None) -> RefreshResult:
    """`daily_refresh` once, its progress and outcome on the console."""
    settings = load_settings(config, collect={"people": people})
    result = run_flow(
        "daily_refresh", settings, config=str(config) if config else None, people=people
    )
    print("\n".join(summary_lines(result)), flush=True)
    return result


def run_flow(name: str, settings: Settings, **parameters: Any) -> Any:
    """Run `flows/{name}.py:{name}` in this process and return its result.

    Without `PREFECT_API_URL` a server is started for the run and keeps its database under the
    data directory; with it, the run reports there.

    Raises:
        ConfigError: there is no flows/ folder from the working directory upwards, a file of a
            secret can't be read, or the flow does not take these parameters.
    """
    root = application_root()
    take_secrets()
    prefect_home = settings.paths.data.resolve() / "state" / "prefect"
    prefect_home.mkdir(parents=True, exist_ok=True)
    if "PREFECT_API_URL" not in os.environ:
        os.environ.setdefault("PREFECT_HOME", str(prefect_home))
    for variable, value in {
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(prefect_home / "results"),
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "elenco",
        # Tracebacks go to the run's log in Prefect; the console gets progress and one line.
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    }.items():
        os.environ.setdefault(variable, value)
    sys.path.insert(0, str(root))
    with console_sink():
        server = os.environ.get("PREFECT_API_URL")
        say(f"{name}: reporting to {server}" if server else f"{name}: starting Prefect")
        flow = getattr(importlib.import_module(f"flows.{name}"), name)
        logging.getLogger("prefect").propagate = False
        importlib.import_module("tasks.parameters").check(flow, parameters)
        return flow(**parameters)


def application_root() -> Path:
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "flows" / "daily_refresh.py").exists():
            return folder
    beside = Path(__file__).resolve().parents[2]
    if (beside / "flows" / "daily_refresh.py").exists():
        return beside
    raise ConfigError("there is no flows/ folder here: run this inside a checkout of Elenco")
