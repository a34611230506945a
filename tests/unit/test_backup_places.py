"""Backups in other places than a folder: memory, and a server that speaks S3."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

import fsspec
import pytest

from elenco.backup.check import check
from elenco.backup.restore import choose, restore
from elenco.backup.save import save
from elenco.backup.store import Store
from elenco.errors import ConfigError, ElencoError
from elenco.registry import Registry
from tests.s3 import s3_bucket
from tests.small_data import SmallData, add_version, tree

NOW = datetime(2026, 11, 25, 6, 0, tzinfo=UTC)


@pytest.fixture
def data(tmp_path) -> SmallData:
    data = SmallData(tmp_path / "place")
    data.person("1", "Ana")
    data.write()
    Registry(data.layout.recogniser).promote(add_version(data.layout, {"1": "Ana"}), "test")
    return data


@pytest.fixture
def memory() -> Iterator[str]:
    yield "memory://backups/elenco"
    with suppress(FileNotFoundError):
        fsspec.filesystem("memory").rm("/backups", recursive=True)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with s3_bucket("elenco-backups"):
        yield "s3://elenco-backups/of one"


@pytest.fixture(params=["memory", "s3"])
def place(request) -> str:
    return request.getfixturevalue(request.param)


def test_a_round_trip_pruning_and_mending(data, place):
    store = Store(place)
    assert store.folder is None
    assert store.names() == []
    before = tree(data.folder)
    assert save(store, data.settings, data.layout, now=NOW).new[0] > 5
    assert Store(place).place == place
    again = save(Store(place), data.settings, data.layout, keep=1, now=NOW.replace(hour=7))
    assert again.new == (0, 0)
    assert again.pruned is not None
    assert again.pruned.removed == ("20261125T060000Z",)
    shutil.rmtree(data.folder)
    done = restore(store, data.settings, data.layout, choose(store))
    assert done.written == again.manifest.head.files
    assert tree(data.folder) == before
    assert Registry(data.layout.recogniser).current_name() == "v000001"
    # An object that is another than its name says, and one that is gone.
    fs, root = fsspec.core.url_to_fs(place)
    first, second = sorted(store.blobs())[:2]
    fs.pipe_file(f"{root}/blobs/{first[:2]}/{first}", b"x" * store.blobs()[first])
    fs.rm_file(f"{root}/blobs/{second[:2]}/{second}")
    problems = check(store)
    assert sorted(problem.partition(":")[0] for problem in problems) == ["damaged", "missing"]
    mended = save(store, data.settings, data.layout, check=True, now=NOW.replace(hour=8))
    assert (mended.new[0], mended.mended) == (2, 1)
    assert check(store) == []


def test_a_bucket_that_is_not_there_is_one_line_without_keys(s3, data):
    with pytest.raises(ElencoError, match="s3://no-such-bucket/x can't be used") as caught:
        save(Store("s3://no-such-bucket/x"), data.settings, data.layout, now=NOW)
    assert "hunter" not in str(caught.value)
    with pytest.raises(ElencoError, match="there is no backup at s3://no-such-bucket/x"):
        choose(Store("s3://no-such-bucket/x"))


def test_an_address_that_nothing_here_reads_says_what_to_install(monkeypatch):
    def absent(*_: object, **__: object) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", absent)
    with pytest.raises(ConfigError, match=r"s3:// can't be read here: install elenco\[s3\]"):
        Store("s3://bucket/x")
    with pytest.raises(ConfigError, match="install what fsspec needs for gs://"):
        Store("gs://bucket/x")


def test_what_does_not_arrive_whole_is_not_taken_for_stored(data, memory, monkeypatch):
    store = Store(memory)
    fs = fsspec.filesystem("memory")

    def lossy(source: str, target: str) -> None:
        fs.pipe_file(target, b"half")

    with monkeypatch.context() as patch:
        patch.setattr(store._fs, "put_file", lossy)
        with pytest.raises(ElencoError, match="did not arrive whole at memory://backups/elenco"):
            save(store, data.settings, data.layout, now=NOW)
    assert store.names() == []
    assert store.blobs() == {}
    save(store, data.settings, data.layout, now=NOW)
    assert check(store) == []


def test_a_network_that_fails_is_one_line(data, memory, monkeypatch):
    store = Store(memory)

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("https://key:secret@host failed")

    with monkeypatch.context() as patch:
        patch.setattr(store._fs, "find", fails)
        with pytest.raises(ElencoError, match=r"can't be used \(RuntimeError\)") as caught:
            store.names()
    assert "secret" not in str(caught.value)
