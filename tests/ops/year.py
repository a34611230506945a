"""A year of runs in a database of Prefect's, then its vacuum: `python -m tests.ops.year`.

Prints how many rows a table has before and after, as JSON. The environment says which database,
and how it is to be vacuumed; that is the server's of the topology.
"""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from prefect.server import models, schemas
from prefect.server.database import PrefectDBInterface, provide_database_interface
from prefect.server.events.schemas.events import ReceivedEvent, RelatedResource, Resource
from prefect.server.events.storage.database import write_events
from prefect.server.schemas.states import Completed
from prefect.server.services import db_vacuum
from prefect.types._datetime import now

DAYS = 365
TASKS, LOGS, KEYS = 2, 5, ("daily-refresh", "over-days")
TABLES = ("FlowRun", "FlowRunState", "TaskRun", "TaskRunState", "Log", "Artifact", "Event")


async def main() -> dict[str, Any]:
    """Fill, count, vacuum, count."""
    db = provide_database_interface()
    await db.create_db()
    async with db.session_context(begin_transaction=True) as session:
        flow = await models.flows.create_flow(
            session=session, flow=schemas.core.Flow(name="daily_refresh")
        )
        for day in range(DAYS):
            ended = now("UTC") - timedelta(days=DAYS - 1 - day, minutes=1)
            await _run(session, flow.id, ended)
    before = await _count(db)
    for task in (
        *(db_vacuum.vacuum_old_flow_runs, db_vacuum.vacuum_old_events),
        *(db_vacuum.vacuum_orphaned_logs, db_vacuum.vacuum_orphaned_artifacts),
        db_vacuum.vacuum_stale_artifact_collections,
    ):
        await task(db=db)
    return {"before": before, "after": await _count(db)}


async def _run(session: Any, flow: Any, ended: Any) -> None:
    """A refresh with one flow inside, as it is kept when it has ended."""
    outer = await _flow_run(session, flow, ended, None)
    tasks = [await _task_run(session, outer.id, name, ended) for name in range(TASKS)]
    inner = await _flow_run(session, flow, ended, tasks[0].id)
    for run in (outer, inner):
        for key in KEYS:
            artifact = schemas.core.Artifact(key=key, type="markdown", data="x", flow_run_id=run.id)
            await models.artifacts.create_artifact(session=session, artifact=artifact)
    line = {"name": "elenco", "level": 20, "timestamp": ended, "flow_run_id": outer.id}
    logs = [schemas.actions.LogCreate(message=f"{n}", **line) for n in range(LOGS)]
    await models.logs.create_logs(session=session, logs=logs)
    event = ReceivedEvent(
        occurred=ended,
        received=ended,
        event="prefect.flow-run.heartbeat",
        resource=Resource({"prefect.resource.id": f"prefect.flow-run.{outer.id}"}),
        related=list[RelatedResource](),
        id=uuid4(),
    )
    await write_events(session=session, events=[event])


async def _flow_run(session: Any, flow: Any, ended: Any, parent: Any) -> Any:
    run = schemas.core.FlowRun(
        flow_id=flow, parent_task_run_id=parent, end_time=ended, state=Completed(timestamp=ended)
    )
    return await models.flow_runs.create_flow_run(session=session, flow_run=run)


async def _task_run(session: Any, flow_run: Any, name: int, ended: Any) -> Any:
    run = schemas.core.TaskRun(
        flow_run_id=flow_run, task_key="detect", dynamic_key=f"{name}", end_time=ended
    )
    made = await models.task_runs.create_task_run(session=session, task_run=run)
    await models.task_runs.set_task_run_state(
        session=session, task_run_id=made.id, state=Completed(timestamp=ended), force=True
    )
    return made


async def _count(db: PrefectDBInterface) -> dict[str, int]:
    async with db.session_context() as session:
        counts: dict[str, int] = {}
        for table in TABLES:
            count = sa.select(sa.func.count()).select_from(getattr(db, table))
            counts[table] = (await session.execute(count)).scalar_one()
        return counts


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main())))
