"""Deployments as prefect.yaml and the settings want them."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import ConcurrencyOptions
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectNotFound
from pydantic import ValidationError

from elenco.errors import ConfigError
from elenco.settings import Settings
from tasks.parameters import form

FILE = "prefect.yaml"


@dataclass(frozen=True)
class Wanted:
    """One deployment, in the words of the server's own schema."""

    name: str
    fields: dict[str, Any]
    cron: str | None
    limit: int | None

    @property
    def full_name(self) -> str:
        """Flow and deployment have one name here."""
        return f"{self.name}/{self.name}"


def wanted(root: Path, settings: Settings, release: str) -> list[Wanted]:
    """What the file says, with crons and time zone of the settings.

    Raises:
        ConfigError: the settings' cron is none.
    """
    file = yaml.safe_load((root / FILE).read_text("utf-8"))
    crons = {
        "daily_refresh": settings.schedule.cron,
        "enforce_retention": settings.schedule.retention_cron,
    }
    return [_wanted(entry, file["pull"], crons, settings, release) for entry in file["deployments"]]


def _wanted(
    entry: dict[str, Any],
    pull: list[dict[str, Any]],
    crons: dict[str, str],
    settings: Settings,
    release: str,
) -> Wanted:
    limit = entry.get("concurrency_limit") or {}
    fields = {
        "version": release,
        "description": entry["description"],
        "tags": sorted(entry["tags"]),
        "entrypoint": entry["entrypoint"],
        "path": None,
        "pull_steps": pull,
        "work_pool_name": entry["work_pool"]["name"],
        "work_queue_name": entry["work_pool"]["work_queue_name"],
        "job_variables": entry["work_pool"]["job_variables"],
        "parameter_openapi_schema": form(entry["entrypoint"]),
        "enforce_parameter_schema": True,
        "concurrency_options": ConcurrencyOptions(**limit_options(limit)) if limit else None,
    }
    cron = crons.get(entry["name"]) if entry.get("schedules") else None
    if cron is not None:
        _schedule(cron, settings.schedule.timezone)
    return Wanted(entry["name"], fields, cron, limit.get("limit"))


def limit_options(limit: dict[str, Any]) -> dict[str, Any]:
    """The part of prefect.yaml's `concurrency_limit` that is not the number."""
    return {key: value for key, value in limit.items() if key != "limit"}


def _schedule(cron: str, timezone: str) -> DeploymentScheduleCreate:
    try:
        return DeploymentScheduleCreate(schedule=CronSchedule(cron=cron, timezone=timezone))
    except ValidationError as error:
        said = error.errors(include_url=False)[0]["msg"]
        raise ConfigError(f"schedule: {cron!r} is no cron line: {said}") from None


def apply(client: SyncPrefectClient, one: Wanted, settings: Settings) -> str:
    """Create or change it unless it is so already; what was done, or "".

    A schedule that an operator paused in the user interface stays paused.
    """
    try:
        there = client.read_deployment_by_name(one.full_name)
    except ObjectNotFound:
        there = None
    if there is not None and _same(there, one, settings):
        return ""
    active = [s.active for s in there.schedules] if there is not None else []
    schedules = []
    if one.cron is not None:
        schedules.append(_schedule(one.cron, settings.schedule.timezone))
        schedules[0].active = active[0] if active else True
    client.create_deployment(
        flow_id=client.create_flow_from_name(one.name),
        name=one.name,
        schedules=schedules,
        concurrency_limit=one.limit,
        **one.fields,
    )
    return f"deployment {one.name} {'changed' if there is not None else 'created'}"


def _same(there: DeploymentResponse, one: Wanted, settings: Settings) -> bool:
    for key, value in one.fields.items():
        found: Any = sorted(there.tags) if key == "tags" else getattr(there, key)
        if found != value:
            return False
    limit = there.global_concurrency_limit
    schedule = (
        []
        if one.cron is None
        else [CronSchedule(cron=one.cron, timezone=settings.schedule.timezone)]
    )
    return (limit.limit if limit else None) == one.limit and [
        s.schedule for s in there.schedules
    ] == schedule


def release(root: Path) -> str:
    """`ELENCO_RELEASE` (an image's), else `git describe`, else the installed package's version."""
    if named := os.environ.get("ELENCO_RELEASE"):
        return named
    if not shutil.which("git"):
        return version("elenco")
    described = subprocess.run(
        ["git", "-C", str(root), "describe", "--tags", "--always", "--dirty"],
        capture_output=True,
        text=True,
    )
    return described.stdout.strip() if not described.returncode else version("elenco")
