"""Loaded by Dask's own processes in tests: notes which process is given which task and ends it."""

import json
import os
import signal
from pathlib import Path

from distributed import Scheduler, SchedulerPlugin, Worker, WorkerPlugin

NOTES = "TEST_DASK_NOTES"
STOP = "TEST_DASK_STOP"  # a stage


def _note(**values) -> None:
    with Path(os.environ[NOTES]).open("a") as file:
        file.write(json.dumps(values) + "\n")


class Notes(SchedulerPlugin):
    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def transition(self, key, start, finish, *args, **kwargs) -> None:
        if finish == "processing":
            worker = self._scheduler.tasks[key].processing_on.address
            _note(task=key, at=worker, ended=False)
        elif finish == "memory":
            _note(task=key, at=kwargs["worker"], ended=True)


class Stop(WorkerPlugin):
    """The first worker that begins a shard of the stage is stopped then, and never any other."""

    def transition(self, key, start, finish, **kwargs) -> None:
        if finish == "executing" and str(key).startswith(os.environ[STOP]):
            try:
                Path(os.environ[NOTES] + ".stopped").touch(exist_ok=False)
            except FileExistsError:
                return
            _note(stopped=str(key), by=os.getpid())
            os.kill(os.getpid(), signal.SIGSTOP)


async def dask_setup(server: Scheduler | Worker) -> None:
    if isinstance(server, Scheduler):
        server.add_plugin(Notes(server))
        return
    _note(worker=server.address, pid=os.getpid())
    if STOP in os.environ:
        await server.plugin_add(Stop(), name="stop")
