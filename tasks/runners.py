"""Where shards are worked on: threads of the flow's process, or the processes of a Dask cluster."""

from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

from prefect.client.schemas.objects import RunInput
from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from prefect.tasks import Task

from elenco.errors import ConfigError
from elenco.settings import Settings


class ShardRunner(TaskRunner[PrefectFuture[Any]]):
    """Works where the settings that a task is given say; the first task starts it.

    A flow is decorated before anybody knows its settings, and whoever starts it (the command, a
    worker of a deployment) gets the same.

    Args:
        threads: shards at a time where `scale.runner` is "threads".
    """

    def __init__(self, threads: int) -> None:
        super().__init__()
        self._threads = threads
        self._runner: TaskRunner[Any] | None = None
        self._stack = ExitStack()

    def duplicate(self) -> "ShardRunner":
        return ShardRunner(self._threads)

    def submit(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        task: Task[..., Any],
        parameters: dict[str, Any],
        wait_for: Iterable[PrefectFuture[Any]] | None = None,
        dependencies: dict[str, set[RunInput]] | None = None,
    ) -> PrefectFuture[Any]:
        """Hand a task, one of whose parameters is `settings`, to the runner.

        Raises:
            ConfigError: Dask is not installed, or its cluster is not fit for the work.
            Locked: the cluster works for another run.
        """
        if self._runner is None:
            chosen = choose_runner(parameters["settings"], self._threads)
            self._runner = self._stack.enter_context(chosen)
        return self._runner.submit(task, parameters, wait_for, dependencies)

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)
        super().__exit__(*error)


def choose_runner(settings: Settings, threads: int) -> TaskRunner[Any]:
    """The runner that `scale.runner` names.

    Raises:
        ConfigError: it is Dask's, which is not installed.
    """
    if settings.scale.runner == "threads":
        return ThreadPoolTaskRunner(max_workers=threads)
    try:
        import distributed  # noqa: F401
        import prefect_dask  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"scale.runner is dask, and {error.name} is not installed: "
            "pip install 'elenco[dask]', or set ELENCO_SCALE__RUNNER=threads"
        ) from None
    from tasks.away_runner import AwayRunner
    from tasks.dask_runner import ClusterRunner

    return AwayRunner(settings) if settings.scale.store else ClusterRunner(settings)
