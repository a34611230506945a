"""Loaded by Dask's own processes in tests: notes which process is given which task and ends it."""

import json
import os
from pathlib import Path

from distributed import Scheduler, SchedulerPlugin, Worker

NOTES = "TEST_DASK_NOTES"


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


def dask_setup(server: Scheduler | Worker) -> None:
    if isinstance(server, Scheduler):
        server.add_plugin(Notes(server))
    else:
        _note(worker=server.address, pid=os.getpid())
