"""A year of days in the database of Prefect's server: `python -m tests.ops.year run|days|emptied`.

`run` has the server that the environment names keep one run, with what a refresh's leaves. `days`
makes of it a run for each of the last 365 days, in the database that the environment names, and
has the server's own vacuum do its work each day, by that day's clock; the last days are left to the
server. `emptied` waits until it has done that. Each prints what is there then, as JSON.
"""

import asyncio
import base64
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.server.database import PrefectDBInterface, provide_database_interface
from prefect.server.services import db_vacuum
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.types._datetime import now

DAYS = 365
LEFT = 5  # days of which the server itself deletes what is too old
SHARDS, STAGES = 16, ("collect", "detect", "embed")  # of 64 shards, a year takes ten minutes
# Characters of a refresh's reports, pictures in them: 727,000 of 128 people, seen once.
REPORTS = {
    "curate": 50_000,
    "daily-refresh": 150_000,
    "over-days": 100_000,
    "publish-model": 150_000,
    "train-recogniser": 280_000,
}
# All that a run leaves, and which of its columns name another row of it.
OF_A_RUN = {
    "flow_run": {"id", "state_id", "parent_task_run_id"},
    "flow_run_state": {"id", "flow_run_id"},
    "task_run": {"id", "flow_run_id", "state_id"},
    "task_run_state": {"id", "task_run_id"},
    "log": {"id", "flow_run_id", "task_run_id"},
    "artifact": {"id", "flow_run_id", "task_run_id"},
    "events": {"id"},
    "event_resources": {"id", "event_id"},
}
VACUUM = (
    *(db_vacuum.vacuum_old_flow_runs, db_vacuum.vacuum_old_events),
    *(db_vacuum.vacuum_orphaned_logs, db_vacuum.vacuum_orphaned_artifacts),
    db_vacuum.vacuum_stale_artifact_collections,
)


@task(task_run_name="{stage} {shard}/16 · 1,562 photos")
def work(stage: str, shard: int) -> dict[str, int]:
    """What a task of a refresh leaves: its states, a line, a report."""
    get_run_logger().info("%s %d: 1,562 photos, 1,498 kept, 64 skipped", stage, shard)
    return {"kept": 1498}


@flow(name="daily_refresh", task_runner=ThreadPoolTaskRunner(max_workers=8))
def a_refresh() -> None:
    """As many tasks as a refresh of 16 shards has, and as long reports."""
    for stage in STAGES:
        futures = [work.submit(stage, shard) for shard in range(SHARDS)]
        for future in futures:
            future.result()
    for key, characters in REPORTS.items():
        # Digits at random, as pictures are: PostgreSQL would make nothing of the same letter.
        noise = base64.b64encode(os.urandom(characters * 3 // 4)).decode()
        create_markdown_artifact(noise, key=key)


async def run() -> dict[str, Any]:
    """Have one, and wait until the server has written all of it; what is there then."""
    await asyncio.to_thread(a_refresh)
    tasks = SHARDS * len(STAGES)
    return await _when(
        f"SELECT (SELECT count(*) FROM log) >= {tasks} AND (SELECT count(*) FROM artifact) = "
        f"{len(REPORTS)} AND (SELECT count(*) FROM events) >= {3 * tasks} AND "
        f"(SELECT count(*) FROM task_run_state) = {3 * tasks}"
    )


async def days() -> dict[str, Any]:
    """Let them pass; bytes after each, rows of the one run, and those there are in the end."""
    db, today = provide_database_interface(), now("UTC")
    copies = [copy async for copy in _copies(db)]
    sizes: list[int] = []
    for day in range(DAYS):
        ago = timedelta(days=DAYS - 1 - day)
        async with db.session_context(begin_transaction=True) as session:
            await session.execute(sa.text("SET LOCAL session_replication_role = replica"))
            for copy in copies:
                values = {"ago": ago, "prefix": f"{day + 1:08x}"}
                await session.execute(sa.text(copy), values)
        if day < DAYS - LEFT:
            db_vacuum.now = lambda _, moment=today - ago: moment
            for vacuum in VACUUM:
                await vacuum(db=db)
        sizes.append(await _number(db, "SELECT pg_database_size(current_database())"))
    return {"bytes": sizes, "run": await _rows(db, "a_run_"), "rows": await _rows(db)}


async def _copies(db: PrefectDBInterface) -> AsyncIterator[str]:
    """For each table what adds the run again, some days ago, under other ids.

    Ids get another beginning, in whatever else tells of them too: indices see each day's as new.
    """
    async with db.session_context(begin_transaction=True) as session:
        for table, ids in OF_A_RUN.items():
            await session.execute(sa.text(f"CREATE TABLE a_run_{table} AS TABLE {table}"))
            columns = sa.text(
                "SELECT column_name, data_type FROM information_schema.columns "
                "WHERE table_name = :table AND is_generated = 'NEVER'"
            )
            found = (await session.execute(columns, {"table": table})).tuples().all()
            values = [_another(name, kind, name in ids) for name, kind in found]
            names = ", ".join(f'"{name}"' for name, _ in found)
            yield f"INSERT INTO {table} ({names}) SELECT {', '.join(values)} FROM a_run_{table}"


def _another(name: str, kind: str, of_a_run: bool) -> str:
    if kind == "timestamp with time zone":
        return f'"{name}" - CAST(:ago AS interval)'
    if kind == "uuid" and of_a_run:
        return f"""CAST(CAST(:prefix AS text) || substr("{name}"::text, 9) AS uuid)"""
    if kind in ("json", "jsonb", "text"):
        uuid = "[0-9a-f]{8}(-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
        other = "CAST(:prefix AS text) || '\\1'"
        text = f"""regexp_replace("{name}"::text, '{uuid}', {other}, 'g')"""
        return f"CAST({text} AS {kind})"
    return f'"{name}"'


async def emptied() -> dict[str, Any]:
    """Wait until the server has deleted what is too old; what is there then."""
    return await _when(
        "SELECT NOT EXISTS (SELECT FROM flow_run WHERE end_time < now() - interval '90 days')"
        " AND NOT EXISTS (SELECT FROM events WHERE occurred < now() - interval '7 days')"
    )


async def _when(query: str) -> dict[str, Any]:
    db, deadline = provide_database_interface(), time.monotonic() + 300
    while not await _number(db, query):
        if time.monotonic() > deadline:
            sys.exit(f"not so in 300 s: {query}; {await _rows(db)}")
        await asyncio.sleep(0.5)
    size = await _number(db, "SELECT pg_database_size(current_database())")
    return {"bytes": size, "rows": await _rows(db)}


async def _rows(db: PrefectDBInterface, prefix: str = "") -> dict[str, int]:
    return {t: await _number(db, f"SELECT count(*) FROM {prefix}{t}") for t in OF_A_RUN}


async def _number(db: PrefectDBInterface, query: str) -> int:
    async with db.session_context() as session:
        return (await session.execute(sa.text(query))).scalar_one()


if __name__ == "__main__":
    part = {"run": run, "days": days, "emptied": emptied}[sys.argv[1]]
    print(json.dumps(asyncio.run(part())))
