"""Shards on a cluster whose machines do not see this disk; used where `scale.store` is set."""

from collections.abc import Iterable
from concurrent.futures import Future as Promise
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import Any

import dask
from distributed import Client, Future
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import RunInput
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.tasks import Task

from elenco.errors import ElencoError
from elenco.handover.upkeep import prune, sign, tidy
from elenco.layout import Layout
from elenco.progress import say
from elenco.settings import Settings
from elenco.stages import is_what_it_says
from tasks.dask_runner import ClusterRunner, ShardFuture, look
from tasks.handover import at_worker, exchange_of

BRINGING = 4  # shards at a time


class AwayRunner(ClusterRunner):
    """Offers collected shards through the store, and brings home what workers make of them.

    Collecting stays here, one shard after the other: TMDB's rate is one for all, and what was
    answered, set aside and noted in the audit is of this disk.

    Raises:
        ConfigError: on entering, as of any cluster, or a worker does not reach the store.
        ElencoError: on entering, the store can't be used.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._layout = Layout.of(settings)
        self._exchange = exchange_of(settings, self._layout)
        self._here = ThreadPoolTaskRunner(max_workers=1)
        self._bringing = ThreadPoolExecutor(BRINGING)
        self._hosts: list[list[str]] = []

    def __enter__(self) -> "AwayRunner":
        super().__enter__()
        self._here.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        try:
            super().__exit__(*error)  # what waits for a machine that is not there waits no more
        finally:
            self._bringing.shutdown()
            self._here.__exit__(*error)

    def submit(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        task: Task[..., Any],
        parameters: dict[str, Any],
        wait_for: Iterable[PrefectFuture[Any]] | None = None,
        dependencies: dict[str, set[RunInput]] | None = None,
    ) -> PrefectFuture[Any]:
        """As of any runner; collecting has ended when this returns."""
        name = next((name for name in ("collected", "detected") if name in parameters), None)
        if name is None:
            future = self._here.submit(task, parameters, wait_for, dependencies)
            future.wait()
            return future
        before = parameters[name]
        if isinstance(before, PrefectFuture) and not isinstance(before, AwayFuture):
            before.wait()
            # Its state, for a future of a thread here means nothing elsewhere.
            parameters = parameters | {name: before.state}
            if not before.state.is_completed():  # a failure before it, which Prefect passes on
                return self._here.submit(task, parameters, wait_for, dependencies)
            before = before.result()
        if not isinstance(before, AwayFuture):
            self._exchange.offer(before.shard)
        # A stored answer would say nothing of another machine's disk; what is stored of the shard
        # tells what is left to do.
        task = task.with_options(cache_policy=NO_CACHE, persist_result=False)
        with dask.annotate(**self._place_of(before.shard)):  # pyright: ignore[reportPrivateImportUsage]
            future = super().submit(task, parameters, wait_for, dependencies)
        wrapped = future.wrapped_future
        away = AwayFuture(future.task_run_id, wrapped, before.shard, self._layout)
        wrapped.add_done_callback(partial(self._bring, away))
        return away

    def _place_of(self, shard: int) -> dict[str, Any]:
        """Dask's words for the machine that had the shard the last time, if these are the same."""
        if not self._hosts:
            found = self.client.scheduler_info(n_workers=-1)["workers"]
            by_host = sorted((worker["host"], address) for address, worker in found.items())
            self._hosts = [[a for h, a in by_host if h == host] for host, _ in by_host]
        if not self._hosts:  # all have gone: whichever comes
            return {}
        return {"workers": self._hosts[shard % len(self._hosts)], "allow_other_workers": True}

    def _bring(self, away: "AwayFuture", future: Future) -> None:
        if future.status not in ("finished", "lost", "pending"):
            away.home.set_result(None)  # it has failed, which its result says
            return

        def bring() -> None:
            # Where its worker has died since, that of another which does it again.
            if future.result().is_completed():
                self._exchange.bring_home(away.shard)

        def tell(done: Promise[None]) -> None:
            error = done.exception()
            if error is not None:
                away.home.set_exception(error)
            else:
                away.home.set_result(None)

        self._bringing.submit(bring).add_done_callback(tell)

    def ask_workers(self, client: Client) -> dict[str, Any]:
        """As of any cluster; where nobody is at work, store and workers forget what has gone."""
        found: dict[str, Any] = client.run(look, None, on_error="return")  # pyright: ignore[reportAssignmentType]
        if all(answer == (True, False) for answer in found.values()):
            gone, word = prune(self._exchange), sign(self._exchange)
            tidied: dict[str, Any] = client.run(  # pyright: ignore[reportAssignmentType]
                _tidy, self._settings, word, on_error="return"
            )
            failed = {w: answer for w, answer in tidied.items() if isinstance(answer, Exception)}
            if failed:
                return failed
            there = sum(tidied.values())
            if gone or there:
                say(f"deleted what no shard needs: {gone} in the store, {there} at workers")
        return found


class AwayFuture(ShardFuture):
    """A shard that is worked on elsewhere; there is a result when its files are here.

    Attributes:
        shard: its number.
        home: done when its files are here, or are not to come.
    """

    def __init__(
        self, task_run_id: Any, wrapped_future: Future, shard: int, layout: Layout
    ) -> None:
        super().__init__(task_run_id=task_run_id, wrapped_future=wrapped_future)
        self.shard = shard
        self.home: Promise[None] = Promise()
        self._layout = layout

    def wait(self, timeout: float | None = None) -> None:
        """As of any shard; nothing of it is written here any more when this returns."""
        super().wait(timeout)
        wait([self.home], timeout)

    def answer(self, timeout: float | None, raise_on_failure: bool) -> Any:
        """As of any shard.

        Raises:
            ElencoError: its files can't be had from the store, or are not those of the result.
        """
        try:
            answer = super().answer(timeout, raise_on_failure)
        finally:
            wait([self.home], timeout)  # whatever came of it, nothing is written here any more
        self.home.result(timeout)
        if raise_on_failure and not is_what_it_says(answer, self._layout):
            raise ElencoError(
                f"what came home of shard {self.shard + 1} ({answer.path}) is not what a worker "
                "said it made: run the same command again"
            )
        return answer


def _tidy(settings: Settings, word: str) -> int:
    """On a worker: delete what no shard needs; how many files."""
    return tidy(exchange_of(settings, at_worker(settings)), word)
