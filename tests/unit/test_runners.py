"""Which runner the settings choose, and what a cluster that is not fit for the work is told."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from uuid import uuid4

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.task_runners import ThreadPoolTaskRunner

from elenco.errors import ConfigError, ElencoError, Locked
from elenco.layout import Layout
from elenco.settings import Settings
from tasks.runners import choose_runner
from tests.flows.conftest import ROOT, free_port

DASK = str(Path(sys.executable).parent / "dask")


def scaled(settings: Settings, **scale) -> Settings:
    return settings.model_copy(
        update={"scale": settings.scale.model_copy(update={"runner": "dask", **scale})}
    )


def test_threads_by_default(settings):
    runner = choose_runner(settings, threads=3)
    assert isinstance(runner, ThreadPoolTaskRunner)
    assert runner == ThreadPoolTaskRunner(max_workers=3)


@pytest.mark.parametrize("absent", ["distributed", "prefect_dask"])
def test_without_the_extra_it_says_how_to_get_it(settings, monkeypatch, absent):
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(ConfigError, match=r"pip install 'elenco\[dask\]'"):
        choose_runner(scaled(settings), threads=3)


@pytest.mark.parametrize(("store", "kind"), [("", "ClusterRunner"), ("memory://x", "AwayRunner")])
def test_machines_without_a_shared_disk_have_a_runner_of_their_own(settings, store, kind):
    pytest.importorskip("prefect_dask", reason="needs the extra: pip install 'elenco[dask]'")
    runner = choose_runner(scaled(settings, dask_address="tcp://x:1", store=store), threads=3)
    assert type(runner).__name__ == kind


class Result:
    """A future of Dask's, as far as a shard that comes home asks it."""

    def __init__(self, status: str) -> None:
        self.status, self.key = status, "detect_shard-1"
        self.asked, self.done = Event(), Event()

    def result(self, timeout: float | None = None):
        """When it is done, and the status says how; of what is lost, when it is done again."""
        self.asked.set()
        if self.status == "lost":
            self.done.wait(30)
        if self.status != "finished":
            raise RuntimeError("a failure")
        return self

    def is_completed(self) -> bool:
        return True


@pytest.fixture
def away(settings, monkeypatch):
    """A runner outside of any cluster, and the shards that it brought home."""
    pytest.importorskip("prefect_dask", reason="needs the extra: pip install 'elenco[dask]'")
    place = {"dask_address": "tcp://x:1", "store": "memory://x"}
    runner, brought = choose_runner(scaled(settings, **place), threads=3), []
    monkeypatch.setattr(runner._exchange, "bring_home", brought.append)
    return runner, brought


def shard_of(result: Result, settings: Settings):
    from tasks.away_runner import AwayFuture

    return AwayFuture(None, result, 3, Layout.of(settings))


def test_a_shard_whose_worker_dies_before_it_is_home_comes_when_it_is_done_again(away, settings):
    runner, brought = away
    result = Result("lost")
    shard = shard_of(result, settings)
    runner._bring(shard, result)
    assert result.asked.wait(30)
    assert not shard.home.done()
    assert brought == []
    result.status = "finished"
    result.done.set()
    shard.home.result(30)
    assert brought == [3]


@pytest.mark.parametrize("status", ["error", "cancelled"])
def test_a_shard_that_failed_is_not_waited_for_even_when_the_run_is_over(away, settings, status):
    runner, brought = away
    runner._bringing.shutdown()
    result = Result(status)
    shard = shard_of(result, settings)
    runner._bring(shard, result)
    shard.home.result(0)
    assert brought == []


@pytest.mark.parametrize("status", ["finished", "error"])
@pytest.mark.parametrize("ask", ["wait", "result"])
def test_who_waits_for_a_shard_waits_for_what_is_written_here(settings, ask, status):
    """Whatever came of it: when the data directory is let go, nothing comes home any more."""
    result = Result(status)
    shard = shard_of(result, settings)
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(getattr(shard, ask))
        assert result.asked.wait(30)
        assert not wait([asked], timeout=1).done
        shard.home.set_result(None)
        assert wait([asked], timeout=30).done


def test_a_shard_that_can_not_come_home_says_why(away, settings, monkeypatch):
    runner, _ = away

    def fails(_: int) -> None:
        raise ElencoError("the bucket is away")

    monkeypatch.setattr(runner._exchange, "bring_home", fails)
    result = Result("finished")
    shard = shard_of(result, settings)
    runner._bring(shard, result)
    with pytest.raises(ElencoError, match="the bucket is away"):
        shard.home.result(30)


def test_what_follows_a_failure_here_is_not_sent_away(away, monkeypatch):
    """Prefect passes the failure on; nothing is offered, and nobody waits for a worker."""
    from prefect.futures import PrefectConcurrentFuture
    from prefect.states import Failed

    runner, _ = away
    submitted: list[dict] = []
    monkeypatch.setattr(runner._exchange, "offer", lambda _: pytest.fail("offered"))
    monkeypatch.setattr(runner._here, "submit", lambda _task, given, *_: submitted.append(given))
    work: Future = Future()
    failed = PrefectConcurrentFuture(uuid4(), work)
    work.set_result(Failed(message="the source is away"))
    runner.submit(None, {"collected": failed, "settings": None})
    assert submitted[0]["collected"].is_failed()


@pytest.fixture
def dask():
    pytest.importorskip("prefect_dask", reason="needs the extra: pip install 'elenco[dask]'")
    import dask

    with dask.config.set({"distributed.comm.timeouts.connect": "10s"}):
        yield dask


def test_more_workers_than_gpus_are_refused(dask, settings, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with pytest.raises(ConfigError, match="names 2"):
        choose_runner(scaled(settings, dask_workers=3), threads=3)


def test_a_cluster_of_this_machine_gives_each_worker_its_gpu(dask, settings, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    with choose_runner(scaled(settings, dask_workers=2), threads=3) as runner:
        seen = runner.client.run(os.getenv, "CUDA_VISIBLE_DEVICES")
        threads = runner.client.nthreads()
    assert sorted(seen.values()) == ["5", "7"]
    assert list(threads.values()) == [1, 1]
    # Nobody else on the machine can send them work.
    assert all(address.startswith("tls://") for address in threads)


def test_workers_elsewhere_need_a_prefect_server(dask, settings):
    here = scaled(settings, dask_address="tcp://127.0.0.1:9")
    with (
        temporary_settings(restore_defaults={PREFECT_API_URL}),
        pytest.raises(ConfigError, match="PREFECT_API_URL"),
        choose_runner(here, threads=3),
    ):
        pass


def refused(settings: Settings, address: str) -> str:
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        pytest.raises((ConfigError, Locked)) as caught,
        choose_runner(scaled(settings, dask_address=address), threads=3),
    ):
        pass
    return str(caught.value)


def test_a_scheduler_that_is_not_there(dask, settings):
    dask.config.set({"distributed.comm.timeouts.connect": "1s"})
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in refused(
        settings, "tcp://127.0.0.1:9"
    )


@contextmanager
def cluster(workers: int = 1, cwd: Path = ROOT, **environment: str) -> Iterator[str]:
    """Dask's commands in processes of their own; the scheduler's address."""
    from distributed import Client

    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    scheduler = [DASK, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    worker = [DASK, "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    started = [
        subprocess.Popen(
            command,
            cwd=cwd,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
            stderr=subprocess.DEVNULL,
        )
        for command in (scheduler, *[worker] * workers)
    ]
    try:
        with Client(address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=60) if workers else None
        yield address
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()


def test_a_cluster_that_is_not_fit_for_the_work(dask, settings, tmp_path):
    settings.paths.data.mkdir()
    with cluster(workers=0) as address:
        assert "has no workers" in refused(settings, address)
    shadow = tmp_path / "shadow" / "tasks"
    shadow.mkdir(parents=True)
    (shadow / "__init__.py").touch()
    with cluster(PYTHONPATH=str(shadow.parent)) as address:
        assert "can't run Elenco's tasks" in refused(settings, address)


def test_workers_must_see_the_data_and_have_nothing_else_to_do(
    dask, settings, tmp_path, monkeypatch
):
    from distributed import Client

    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    (tmp_path / "elsewhere").mkdir()
    relative = settings.model_copy(
        update={"paths": settings.paths.model_copy(update={"data": Path("here")})}
    )
    with cluster(cwd=tmp_path / "elsewhere") as address:
        assert "does not see here" in refused(relative, address)
    with cluster(cwd=tmp_path) as address, Client(address, set_as_default=False) as other:
        work = other.submit(time.sleep, 60)
        while not any(other.processing().values()):
            time.sleep(0.05)
        time.sleep(0.5)
        assert "still at work for another run" in refused(relative, address)
        work.cancel()
    assert list((tmp_path / "here").iterdir()) == []
