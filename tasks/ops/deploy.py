"""All that a Prefect server needs to know of Elenco; saying it twice changes nothing."""

from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker

from elenco.ops.services import POOL
from elenco.settings import Settings
from tasks.ops import addresses, automations, deployments, limits
from tasks.ops.server import connected


def deploy(settings: Settings, root: Path) -> list[str]:
    """Work pool, limits, deployments with their schedules, automations; what was changed.

    Without an address for alarms nobody is told anything; the runs are looked after all the same.

    Args:
        settings: schedule and alarms.
        root: the checkout; its prefect.yaml lists the deployments. The working directory.

    Raises:
        ConfigError: no server is named, a cron line is none, or no mail can be sent by the address
            for it.
        OperationsError: the server is unreachable, or refuses.
    """
    addresses.check(settings.alarms)
    with connected() as client:
        done = [_pool(client), *limits.apply(client)]
        release = deployments.release(root)
        for one in deployments.wanted(root, settings, release):
            done.append(deployments.apply(client, one, settings))
        refresh = client.read_deployment_by_name("daily_refresh/daily_refresh")
        blocks, said = addresses.apply(client, settings.alarms)
        done += said
        done += automations.apply(client, automations.wanted(settings.alarms, refresh.id, blocks))
        done += addresses.forget(client, settings.alarms)
    return [line for line in done if line]


def _pool(client: SyncPrefectClient) -> str:
    try:
        client.read_work_pool(POOL)
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        client.create_work_pool(
            WorkPoolCreate(name=POOL, type="process", base_job_template=template)
        )
        return f"work pool {POOL} created"
    return ""
