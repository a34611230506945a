"""When a flow lets go of its data directory, none of its shards is worked on any more."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.settings import PREFECT_API_URL, temporary_settings

from elenco.lock import refresh_lock
from elenco.settings import Settings
from elenco.types import ShardRef, StageReport
from tasks.runners import ShardRunner
from tasks.shards import all_shards


class Wrong(Exception):
    """What a shard fails with."""


@task(cache_policy=NO_CACHE)
def slow_shard(notes: Path, settings: Settings) -> ShardRef:
    """One that is at work for a while after another has failed."""
    (notes / "begun").touch()
    _wait_for(notes / "failed")
    time.sleep(2)
    (notes / "ended").touch()
    return ShardRef("collect", 0, "", "", StageReport(1, 1))


@task(cache_policy=NO_CACHE)
def wrong_shard(notes: Path, settings: Settings) -> ShardRef:
    """One that fails while the other is at work."""
    _wait_for(notes / "begun")
    (notes / "failed").touch()
    raise Wrong("this shard is no good")


@flow(task_runner=ShardRunner(threads=2))
def two_shards(notes: Path, settings: Settings) -> bool:
    """Whether the slow one had ended when the lock was free."""
    with pytest.raises(Wrong), refresh_lock(settings), all_shards() as shards:
        shards.add("collect", wrong_shard.submit(notes, settings))
        shards.add("collect", slow_shard.submit(notes, settings))
        shards.settle()
    return (notes / "ended").exists()


@flow(task_runner=ShardRunner(threads=2))
def stopped(notes: Path, settings: Settings) -> bool:
    """The same where it is the flow that can't go on, before it has waited for anything."""
    with pytest.raises(KeyboardInterrupt), refresh_lock(settings), all_shards() as shards:
        shards.add("collect", slow_shard.submit(notes, settings))
        _wait_for(notes / "begun")
        (notes / "failed").touch()
        raise KeyboardInterrupt
    return (notes / "ended").exists()


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline, f"nobody wrote {path.name}"
        time.sleep(0.05)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    return folder


@pytest.fixture
def on_server(prefect_api: str) -> Iterator[None]:
    with temporary_settings({PREFECT_API_URL: prefect_api}):
        yield


@pytest.mark.usefixtures("on_server")
@pytest.mark.parametrize("run", [two_shards, stopped], ids=["a shard fails", "the flow fails"])
def test_in_threads(settings, notes, run):
    assert run(notes, settings)


@pytest.mark.usefixtures("on_server")
@pytest.mark.parametrize("run", [two_shards, stopped], ids=["a shard fails", "the flow fails"])
def test_on_a_cluster_that_outlives_the_run(settings, notes, run):
    pytest.importorskip("prefect_dask", reason="needs the extra: pip install 'elenco[dask]'")
    from distributed import LocalCluster

    settings.paths.data.mkdir(parents=True)
    # Any port: another test's cluster may have the one that it would take, and warn of that.
    options = {"threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=2, **options) as cluster:
        scale = {"runner": "dask", "dask_address": cluster.scheduler_address}
        own = settings.scale.model_copy(update=scale)
        assert run(notes, settings.model_copy(update={"scale": own}))
