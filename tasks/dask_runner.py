"""Shards on a Dask cluster; imported only where `scale.runner` is "dask"."""

import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from distributed import Client, Future, Nanny, Worker
from distributed.comm.core import CommClosedError
from distributed.scheduler import KilledWorker
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import RunInput
from prefect.futures import PrefectFuture
from prefect.settings import PREFECT_API_URL, get_current_settings, temporary_settings
from prefect.tasks import Task
from prefect_dask.task_runners import DaskTaskRunner, PrefectDaskFuture

from elenco.errors import ConfigError, ElencoError, Locked, WorkersLost
from elenco.progress import say
from elenco.settings import Scale, Settings
from elenco.storage import TEMPORARY

GPUS = "CUDA_VISIBLE_DEVICES"
LOOK_SECONDS = 0.2


class ClusterRunner(DaskTaskRunner):
    """Hands shards to a cluster: one of this process's own, or the one at `scale.dask_address`.

    Raises:
        ConfigError: on entering, the cluster is not fit for the work; the message says how to mend.
        Locked: on entering, its workers are busy with another run.
    """

    def __init__(self, settings: Settings) -> None:
        address = settings.scale.dask_address
        super().__init__(
            address=address or None,
            cluster_kwargs=None if address else _own_cluster(settings.scale),
        )
        self._settings = settings
        self._given: Counter[str] = Counter()
        self._done: Counter[str] = Counter()
        self._futures: list[Future] = []

    def __enter__(self) -> "ClusterRunner":
        super().__enter__()
        try:
            if self.address:
                self._join(self.address)
            workers = self.client.scheduler_info(n_workers=-1)["workers"]
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        say(f"dask: {len(workers)} workers {f'at {self.address}' if self.address else 'here'}")
        return self

    def submit(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        task: Task[..., Any],
        parameters: dict[str, Any],
        wait_for: Iterable[PrefectFuture[Any]] | None = None,
        dependencies: dict[str, set[RunInput]] | None = None,
    ) -> "ShardFuture":
        """As of any runner. The address of the Prefect server goes with the task."""
        # A run without a server has started one that only this process knows: a worker would
        # start another.
        server = str(get_client(sync_client=True).api_url)
        with temporary_settings({PREFECT_API_URL: server}):
            future = super().submit(task, parameters, wait_for, dependencies)  # pyright: ignore[reportCallIssue, reportArgumentType]
        self._given[task.name] += 1
        self._futures.append(future.wrapped_future)
        future.wrapped_future.add_done_callback(partial(self._tell, task.name))
        return ShardFuture(task_run_id=future.task_run_id, wrapped_future=future.wrapped_future)

    def __exit__(self, *error: Any) -> None:
        if self.address and self._futures and error[0] is not None:
            self._stop()
        super().__exit__(*error)

    def _stop(self) -> None:
        """Begin no shard any more, and wait for those at work: a worker ends what it has begun."""
        try:
            self.client.cancel(self._futures)
            while _at_work(self.client):
                time.sleep(LOOK_SECONDS)
        except (OSError, CommClosedError, CancelledError):
            say("dask: the scheduler is gone; its workers may still be at work")

    def _tell(self, name: str, future: Future) -> None:
        # What the shards themselves say is said in the processes of the workers.
        if future.status != "finished":
            return
        self._done[name] += 1
        say(f"{name.removesuffix('_shard')}: {self._done[name]}/{self._given[name]} shards")

    def _join(self, address: str) -> None:
        """Connect, and find out whether every worker can do the work."""
        if not get_current_settings().api.url:
            raise ConfigError(
                "scale.dask_address is set, and its workers have no Prefect server to report to: "
                "start one (prefect server start) and set PREFECT_API_URL to it"
            )
        try:
            client = self.client
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"no Dask scheduler answers at {address}: start one (dask scheduler), or correct "
                f"scale.dask_address ({type(error).__name__})"
            ) from None
        found = self.ask_workers(client)
        if not found:
            raise ConfigError(f"the Dask scheduler at {address} has no workers: start dask worker")
        for worker, answer in found.items():
            if isinstance(answer, ElencoError):
                raise ConfigError(f"Dask worker {worker}: {answer}")
            if isinstance(answer, Exception):
                raise ConfigError(
                    f"Dask worker {worker} can't run Elenco's tasks ({answer}): start it in the "
                    "checkout's folder, with PYTHONPATH=."
                )
            sees, busy = answer
            if not sees:
                raise ConfigError(
                    f"Dask worker {worker} does not see {self._settings.paths.data}: start it in "
                    "the folder of the same path, with the data directory shared"
                )
            if busy:
                raise Locked(
                    f"Dask worker {worker} is still at work for another run: wait for it, or "
                    "restart the worker"
                )

    def ask_workers(self, client: Client) -> dict[str, Any]:
        """Each worker's answer: whether it sees the data directory, and is at work; or an error."""
        with _sign(self._settings.paths.data) as sign:
            return client.run(look, sign, on_error="return")  # pyright: ignore[reportReturnType]


class ShardFuture(PrefectDaskFuture[Any]):
    """A shard that a cluster works on."""

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> Any:
        """As of any future.

        Raises:
            WorkersLost: one worker after the other died of it, or the cluster is gone.
        """
        try:
            return self.answer(timeout, raise_on_failure)
        except KilledWorker as error:
            raise WorkersLost(
                f"{error.allowed_failures + 1} Dask workers died while they worked on "
                f"{error.task}: see their logs and memory, then run again; what is done is kept"
            ) from None
        # Whether the client knows it yet, or asks for the result at that moment.
        except (CancelledError, CommClosedError):
            raise WorkersLost(
                "the Dask scheduler is gone: start it and its workers, then run again; what is "
                "done is kept"
            ) from None

    def answer(self, timeout: float | None, raise_on_failure: bool) -> Any:
        """The result, with Dask's own errors."""
        return super().result(timeout, raise_on_failure)


class OneGpu(Nanny):
    """Starts the i-th worker of a cluster with the i-th of the GPUs that are named."""

    def __init__(self, *args: Any, name: int, gpus: list[str], **kwargs: Any) -> None:
        super().__init__(*args, name=name, env={GPUS: gpus[name]}, **kwargs)


def _own_cluster(scale: Scale) -> dict[str, Any]:
    """Arguments of `distributed.LocalCluster`."""
    cluster: dict[str, Any] = {
        "n_workers": scale.dask_workers,
        # The networks take every core for one batch, and are loaded once a process.
        "threads_per_worker": 1,
        # What tasks hand over is small, and memory is the networks': nothing could be spilled.
        "memory_limit": 0,
        "dashboard_address": None,
        # Others on this machine can neither read what workers are sent nor send them work.
        "security": True,
    }
    gpus = [gpu for gpu in os.environ.get(GPUS, "").split(",") if gpu not in ("", "-1")]
    if gpus and len(gpus) < scale.dask_workers:
        raise ConfigError(
            f"scale.dask_workers is {scale.dask_workers}, and {GPUS} names {len(gpus)}: a worker "
            "needs a GPU of its own"
        )
    return cluster | {"worker_class": OneGpu, "gpus": gpus} if gpus else cluster


@contextmanager
def _sign(data: Path) -> Iterator[Path]:
    """A file that only who sees this data directory finds there."""
    sign = data / f"{TEMPORARY}dask-{uuid4().hex}"
    sign.touch()
    try:
        yield sign
    finally:
        sign.unlink()


def _at_work(client: Client) -> bool:
    """Whether a worker that answers is at work."""
    found: dict[str, Any] = client.run(look, None, on_error="return")  # pyright: ignore[reportAssignmentType]
    return any(busy for _, busy in (a for a in found.values() if not isinstance(a, Exception)))


def look(sign: Path | None, dask_worker: Worker) -> tuple[bool, bool]:
    """On a worker: whether it sees the data directory, if it has to, and whether it is at work."""
    import tasks.collect  # noqa: F401

    return sign is None or sign.exists(), bool(dask_worker.active_threads)
