"""When a task is tried again, and when its stored answer still counts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from prefect.cache_policies import CachePolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.results import get_result_store
from prefect.tasks import Task

from elenco.errors import SourceUnreachable
from elenco.fingerprint import digest
from elenco.layout import Layout
from elenco.settings import Settings
from elenco.stages import still_there


@dataclass
class ByContent(CachePolicy):
    """Key = stage, its version, and a digest of what its output depends on.

    Task source is no part of it: these tasks are shells whose text says nothing about the code
    they call (PrefectHQ/prefect #23062). An answer counts only while what it names is still on
    disk as it was; otherwise the task runs again.

    Attributes:
        stage: names the folder of keys.
        depends: task inputs -> the values that the output depends on, the version among them.
    """

    stage: str = ""
    depends: Callable[[dict[str, Any]], tuple[Any, ...]] = lambda inputs: ()

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str:
        """The key, or a new one if the answer stored under it is out of date."""
        settings: Settings = inputs["settings"]
        where = str(settings.paths.data.resolve()), str(settings.paths.models.resolve())
        key = f"{self.stage}-{digest(where, settings.source_id, *self.depends(inputs))}"
        store = get_result_store()
        if store.exists(key) and not still_there(store.read(key).result, Layout.of(settings)):
            return f"{key}-{uuid4().hex}"
        return key


def retry_unreachable(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Only a source that did not answer may answer later; all else needs a person."""
    return isinstance(state.result(raise_on_failure=False), SourceUnreachable)
