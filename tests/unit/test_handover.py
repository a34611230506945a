"""Shards that go through a store to a worker and come back."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import fsspec
import pytest

from elenco.blobs import Blobs, Damaged
from elenco.errors import ConfigError, ElencoError, NotEnoughData
from elenco.handover.exchange import Exchange
from elenco.handover.shard_files import Collected
from elenco.handover.upkeep import prune, sign, tidy
from elenco.handover.worker import clear, open_worker
from elenco.layout import Layout
from elenco.records import Record
from elenco.settings import Settings
from elenco.storage import write_bytes
from elenco.types import ShardRef, StageReport
from tasks.handover import handed_over
from tests.s3 import s3_bucket
from tests.small_data import EMBEDDER, SHARDS, SmallData, crop, place

SHARED = range(SHARDS)


@pytest.fixture
def home(tmp_path) -> SmallData:
    data = SmallData(tmp_path / "home")
    for person, name in {"1": "Ana", "2": "Bruno", "3": "Clara", "4": "Davi"}.items():
        data.person(person, name)
    data.write()
    return data


@pytest.fixture(scope="module")
def bucket() -> Iterator[None]:
    with s3_bucket("elenco-work"):
        yield


@pytest.fixture(params=["folder", "memory", "s3"])
def store(request, tmp_path) -> Iterator[str]:
    if request.param == "folder":
        yield str(tmp_path / "store")
        return
    if request.param == "s3":
        request.getfixturevalue("bucket")
    scheme = {"memory": "memory://work", "s3": "s3://elenco-work/of one"}[request.param]
    yield scheme
    with suppress(FileNotFoundError):
        fs, root = fsspec.core.url_to_fs(scheme)
        fs.rm(root, recursive=True)


class Sides:
    """Home, and a worker with a directory of its own."""

    def __init__(self, home: SmallData, store: str, tmp_path: Path) -> None:
        self.data, self.place = home, store
        self.home = self.side(home.layout)
        self.worker = self.side(replace(home.layout, data=tmp_path / "worker"))

    def side(self, layout: Layout) -> Exchange:
        return Exchange(Blobs(self.place), layout, EMBEDDER)

    @property
    def layout(self) -> Layout:
        return self.worker.layout


@pytest.fixture
def sides(home, store, tmp_path) -> Sides:
    return Sides(home, store, tmp_path)


@pytest.fixture
def of_folder(home, tmp_path) -> Sides:
    return Sides(home, str(tmp_path / "store"), tmp_path)


def outcome(layout: Layout) -> dict[str, bytes]:
    """Every photograph, crop, record and embedding of the shards."""
    found = [
        *layout.data.glob("images/*/*/*"),
        *layout.data.glob("output/*/*/*"),
        *layout.data.glob("state/*/collect/*"),
        *layout.data.glob("state/*/detect/*"),
        *layout.data.glob("processed/*/shard-*"),
    ]
    return {layout.relative(path): path.read_bytes() for path in found}


def set_back(home: SmallData) -> dict[str, bytes]:
    """Leave at home what is collected alone; what there was."""
    before = outcome(home.layout)
    shutil.rmtree(home.layout.data / "output")
    shutil.rmtree(home.layout.data / "processed")
    shutil.rmtree(home.layout.state / "detect")
    return before


def work(sides: Sides, before: dict[str, bytes]) -> None:
    """What the stages write at a worker, without the work."""
    for path, content in before.items():
        if not path.startswith(("images/", "state/tmdb/collect")):
            write_bytes(sides.layout.data / path, content)


def given(sides: Sides) -> dict[str, bytes]:
    """A worker has given what is made of shard 0, and home has not seen it; what there was."""
    before = set_back(sides.data)
    sides.home.offer(0)
    sides.worker.take(0)
    work(sides, before)
    sides.worker.give(0, 2)
    return before


def forget(home: Layout, person: str) -> int:
    """Delete a person at home, the npz of their shard with them; the shard."""
    (shard,) = (n for n in SHARED if person in people(home, n))
    for stage in ("collect", "detect"):
        record = Record.read(home.record(stage, shard))
        record.kept = [entry for entry in record.kept if entry["person_id"] != person]
        record.save(home.record(stage, shard))
    for kind in ("images", "output"):
        for split in ("train", "test"):
            shutil.rmtree(home.data / kind / split / person)
    home.shard_npz(EMBEDDER, shard).unlink()
    return shard


@contextmanager
def nothing_moved() -> Iterator[None]:
    def moves(*_: object) -> None:
        raise AssertionError("content went to the store, or came from there")

    with pytest.MonkeyPatch.context() as patch:
        for name in ("put", "get"):
            patch.setattr(Blobs, name, moves)
        yield


def people(home: Layout, shard: int) -> set[str]:
    return {entry["person_id"] for entry in Record.read(home.record("collect", shard)).kept}


def test_what_a_worker_makes_of_a_shard_comes_home(sides):
    before = set_back(sides.data)
    collected = outcome(sides.data.layout)
    assert prune(sides.home) == 0
    for shard in SHARED:
        offered = sides.home.offer(shard)
        with nothing_moved():
            assert sides.home.offer(shard) == offered
        sides.worker.take(shard)
    assert outcome(sides.layout) == collected
    work(sides, before)
    for shard in SHARED:
        sides.worker.give(shard, 2)
        sides.home.bring_home(shard)
    assert outcome(sides.data.layout) == before
    # The next day another process finds all in its place, and nothing is moved.
    next_day = sides.side(sides.data.layout)
    assert prune(next_day) == 0
    with nothing_moved():
        for shard in SHARED:
            next_day.offer(shard)
            worker = sides.side(sides.layout)
            worker.take(shard)
            worker.give(shard, 2)
            next_day.bring_home(shard)
    # A worker that was never there gets all of it.
    other = sides.side(replace(sides.data.layout, data=sides.layout.data.parent / "other"))
    for shard in SHARED:
        other.take(shard)
    assert outcome(other.layout) == before


def test_what_is_forgotten_at_home_leaves_the_store_and_the_worker(sides):
    for shard in SHARED:
        sides.home.offer(shard)
        sides.worker.take(shard)
        sides.worker.give(shard, 2)
    home, gone = sides.data.layout, sides.data.kept[0]
    person = gone["person_id"]
    forget(home, person)
    left = outcome(home)
    assert prune(sides.home) > 0
    contents = {path.read_bytes() for path in home.data.rglob("*") if path.is_file()}
    store = Blobs(sides.place)
    fs, root = fsspec.core.url_to_fs(sides.place)
    held = {fs.cat_file(f"{root}/blobs/{name[:2]}/{name}") for name in store.blobs()}
    assert held <= contents
    assert crop(gone) not in held
    # Photographs and faces, the shard's records and embeddings.
    assert tidy(sides.worker, sign(sides.home)) == 6 + 3
    assert outcome(sides.layout).keys() < left.keys()
    for shard in SHARED:
        sides.worker.take(shard)
    assert outcome(sides.layout) == left


def test_a_worker_that_gives_late_brings_nobody_back(of_folder):
    """It has lost touch with the flow, and not with the store, while somebody was forgotten."""
    sides, home = of_folder, of_folder.data.layout
    person = sides.data.kept[0]["person_id"]
    (shard,) = (n for n in SHARED if person in people(home, n))
    sides.home.offer(shard)
    sides.worker.take(shard)
    forget(home, person)
    prune(sides.home)
    sides.home.offer(shard)
    left = outcome(home)
    sides.worker.give(shard, 2)
    with pytest.raises(ElencoError, match=f"nothing came back of shard {shard}"):
        sides.home.bring_home(shard)
    # Nor does one that was not there to be tidied, and whose work fails.
    late = sides.side(sides.layout)
    late.take(shard)
    late.give(shard, 2)
    sides.home.bring_home(shard)
    assert outcome(home) == left
    assert not home.shard_npz(EMBEDDER, shard).exists()


def test_who_is_forgotten_while_a_gift_comes_is_not_brought_back(of_folder, monkeypatch):
    sides, home = of_folder, of_folder.data.layout
    person = sides.data.kept[0]["person_id"]
    (shard,) = (n for n in SHARED if person in people(home, n))
    sides.home.offer(shard)
    sides.worker.take(shard)
    write_bytes(sides.layout.shard_npz(EMBEDDER, shard), b"of all of them")
    sides.worker.give(shard, 2)
    get, left = sides.home.store.get, []

    def slow(sha256: str, target: Path) -> None:
        if not left:
            forget(home, person)
            left.append(outcome(home))
        get(sha256, target)

    monkeypatch.setattr(sides.home.store, "get", slow)
    with pytest.raises(ElencoError, match=f"the photographs of shard {shard} changed here"):
        sides.home.bring_home(shard)
    assert [outcome(home)] == left
    assert not list(home.data.glob(".tmp-*"))


def test_a_change_of_votes_alone_costs_nothing_that_was_given(of_folder):
    before = given(of_folder)
    # The flow was killed. The next one collects, and asks TMDB about the photographs.
    home = of_folder.data.layout
    record = Record.read(home.record("collect", 0))
    record.kept[0]["origin"]["vote_count"] = 7
    record.save(home.record("collect", 0))
    again = of_folder.side(home)
    prune(again)
    again.offer(0)
    again.bring_home(0)
    assert home.shard_npz(EMBEDDER, 0).read_bytes() == before["processed/hash/shard-000.npz"]
    # What the stages read of a photograph is another matter.
    record.kept[0]["width"] = 10
    record.save(home.record("collect", 0))
    again.offer(0)
    with pytest.raises(ElencoError, match="nothing came back of shard 0"):
        again.bring_home(0)


def elsewhere(sides: Sides, name: str) -> Settings:
    """The settings of a task at a worker of this name."""
    settings = sides.data.settings
    place = {"store": sides.place, "worker_data": sides.data.folder.parent / name}
    embedding = settings.embedding.model_copy(update={"embedder": EMBEDDER})
    scale = settings.scale.model_copy(update=place)
    return settings.model_copy(update={"scale": scale, "embedding": embedding})


def ref(sides: Sides, stage: str, shard: int) -> ShardRef:
    path = sides.data.layout.record(stage, shard)
    relative = sides.data.layout.relative(path)
    return ShardRef(stage, shard, relative, Record.read(path).digest(), StageReport(9, 9))


def write_part(layout: Layout, before: dict[str, bytes], shard: int, faces: int | None) -> None:
    """What detection writes of a shard, until it fails with a number of faces or to its end."""
    path = layout.record("detect", shard)
    write_bytes(path, before[layout.relative(path)])
    record = Record.read(path)
    record.complete, record.kept = faces is None, record.kept[:faces]
    record.save(path)
    for entry in record.kept:
        face = layout.crop(*place(entry))
        write_bytes(face, before[layout.relative(face)])


def test_a_part_does_not_take_the_place_of_the_whole(of_folder):
    """Of two workers at one shard, one is late, and fails when the other has ended."""
    before = set_back(of_folder.data)
    home = of_folder.data.layout
    collected = ref(of_folder, "collect", 1)
    of_folder.home.offer(1)

    def late() -> None:
        with handed_over(collected, elsewhere(of_folder, "late")) as layout:
            write_part(layout, before, 1, 2)
            with handed_over(collected, elsewhere(of_folder, "first")) as first:
                write_part(first, before, 1, None)
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        late()
    of_folder.worker.take(1)
    assert len(Record.read(of_folder.layout.record("detect", 1)).kept) == 9
    of_folder.home.bring_home(1)
    assert home.record("detect", 1).read_bytes() == before["state/tmdb/detect/001.json"]


def test_what_a_worker_did_before_it_failed_is_where_the_next_goes_on(of_folder):
    before = set_back(of_folder.data)
    of_folder.home.offer(1)
    npz = of_folder.data.layout.shard_npz(EMBEDDER, 1)

    def fail(stage: str, write: Callable[[Layout], None]) -> None:
        with handed_over(stage_of[stage], elsewhere(of_folder, stage)) as layout:
            write(layout)
            raise OSError("the disk is full")

    stage_of = {"detect": ref(of_folder, "collect", 1)}
    with pytest.raises(OSError, match="the disk is full"):
        fail("detect", lambda layout: write_part(layout, before, 1, 2))
    with handed_over(stage_of["detect"], elsewhere(of_folder, "next")) as layout:
        assert len(Record.read(layout.record("detect", 1)).kept) == 2
        write_part(layout, before, 1, None)
    of_folder.home.bring_home(1)
    stage_of["embed"] = ref(of_folder, "detect", 1)
    with pytest.raises(OSError, match="the disk is full"):
        fail("embed", lambda layout: write_bytes(layout.shard_npz(EMBEDDER, 1), b"a part"))
    with handed_over(stage_of["embed"], elsewhere(of_folder, "next")) as layout:
        assert layout.shard_npz(EMBEDDER, 1).read_bytes() == b"a part"
        write_bytes(layout.shard_npz(EMBEDDER, 1), b"all")
    of_folder.home.bring_home(1)
    assert npz.read_bytes() == b"all"


def test_what_was_given_for_another_offer_does_not_come_back(of_folder):
    sides, home = of_folder, of_folder.data.layout
    sides.home.offer(0)
    sides.worker.take(0)
    sides.worker.give(0, 2)
    record = Record.read(home.record("collect", 0))
    gone = record.kept.pop()
    record.save(home.record("collect", 0))
    home.crop(*place(gone)).unlink()
    sides.home.offer(0)
    with pytest.raises(ElencoError, match="nothing came back of shard 0 through"):
        sides.home.bring_home(0)
    sides.worker.take(0)
    sides.worker.give(0, 2)
    sides.home.bring_home(0)
    assert not home.crop(*place(gone)).exists()


def test_a_flow_that_was_killed_finds_what_was_given_meanwhile(of_folder):
    given(of_folder)
    # Another run, and another worker of it.
    prune(of_folder.side(of_folder.data.layout))
    of_folder.side(of_folder.data.layout).offer(0)
    other = of_folder.side(replace(of_folder.layout, data=of_folder.layout.data.parent / "other"))
    other.take(0)
    assert other.layout.shard_npz(EMBEDDER, 0).exists()
    of_folder.side(of_folder.data.layout).bring_home(0)
    assert of_folder.data.layout.shard_npz(EMBEDDER, 0).exists()


@pytest.mark.parametrize("path", ["models/x", "output/train/1/other.jpg", "state/tmdb/people/x"])
def test_a_worker_can_change_nothing_but_what_comes_of_its_shard(of_folder, path, monkeypatch):
    of_folder.home.offer(0)
    of_folder.worker.take(0)
    write_bytes(of_folder.layout.data / path, b"x")
    strange = [of_folder.layout.data / path]
    with monkeypatch.context() as patch:
        patch.setattr(Collected, "outputs", lambda *_: strange)
        of_folder.worker.give(0, 2)
    before = outcome(of_folder.data.layout)
    with pytest.raises(ElencoError, match="is no face, record or embedding of shard 0"):
        of_folder.home.bring_home(0)
    assert outcome(of_folder.data.layout) == before
    assert not (of_folder.data.layout.data / path).exists()


def test_a_list_that_leads_elsewhere_is_refused(of_folder):
    of_folder.home.offer(0)
    store = Blobs(of_folder.place)
    name = "offers/tmdb/000.json"
    good = store.read_document(name)
    told = json.loads(good)["files"][0]
    numbers = f'"size":{told["size"]},"mtime_ns":{told["mtime_ns"]},'.encode()
    assert numbers in good
    for bad in (
        b"[]",
        b"{}",
        good[:-9],
        good.replace(b'"images/', b'"../images/'),
        good.replace(told["sha256"].encode(), b"../../home/data/denylist.jsonl"),
        good.replace(b'"' + told["sha256"].encode() + b'"', b"null"),
        good.replace(numbers, numbers.replace(b'"size":', b'"size":-')),
        good.replace(numbers, numbers.replace(b'"mtime_ns":', b'"mtime_ns":99999')),
        good.replace(numbers, b'"size":"1","mtime_ns":true,'),
        good.replace(b'"finished":0', b'"finished":"2"'),
    ):
        assert bad != good
        store.write_document(name, bad)
        with pytest.raises(ElencoError, match=r"offers/tmdb/000\.json can't be read"):
            of_folder.worker.take(0)
    store.write_document(name, good.replace(b'"format":1', b'"format":2'))
    with pytest.raises(ElencoError, match="written by another release"):
        of_folder.worker.take(0)


def test_a_gift_that_names_a_file_of_home_as_content_deletes_nothing(of_folder):
    """Content that is not what its name says is deleted, so that it is stored again."""
    home = of_folder.data.layout
    write_bytes(home.denylist, b"{}\n")
    of_folder.home.offer(1)
    of_folder.worker.take(1)
    of_folder.worker.give(1, 2)
    store, name = Blobs(of_folder.place), "given/tmdb/001.json"
    told = json.loads(store.read_document(name))
    told["files"][0] |= {"sha256": f"../{os.path.relpath(home.denylist, of_folder.place)}"}
    told["files"][0] |= {"mtime_ns": 5}  # as if it was not here
    store.write_document(name, json.dumps(told).encode())
    with pytest.raises(ElencoError, match=rf"{name} can't be read"):
        of_folder.home.bring_home(1)
    assert home.denylist.read_bytes() == b"{}\n"


def test_content_that_is_lost_or_damaged_is_said_and_mended_by_the_next_run(of_folder):
    of_folder.home.offer(0)
    store = Blobs(of_folder.place)
    first, second = sorted(store.blobs())[:2]
    store.delete([first])
    with pytest.raises(Damaged, match=r"can't be had from .* is missing"):
        of_folder.worker.take(0)
    assert not [*of_folder.layout.data.glob("images/*/*/*")]
    prune(of_folder.side(of_folder.data.layout))
    of_folder.worker.take(0)
    shutil.rmtree(of_folder.layout.data)
    path = store.folder / "blobs" / second[:2] / second
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(Damaged, match="is not what was stored"):
        of_folder.worker.take(0)
    prune(of_folder.side(of_folder.data.layout))
    of_folder.worker.take(0)
    path.write_bytes(b"cut short")  # which a listing shows
    shutil.rmtree(of_folder.layout.data)
    prune(of_folder.side(of_folder.data.layout))
    of_folder.worker.take(0)


def test_a_directory_with_data_is_no_workers(of_folder):
    of_folder.home.offer(0)
    before = outcome(of_folder.data.layout)
    word = sign(of_folder.home)
    for what in (lambda: of_folder.home.take(0), lambda: tidy(of_folder.home, word)):
        with pytest.raises(ConfigError, match="is no worker's directory"):
            what()
    assert outcome(of_folder.data.layout) == before


def test_what_is_not_collected_or_not_offered_is_said(of_folder):
    with pytest.raises(NotEnoughData, match="shard 7 is not collected"):
        of_folder.home.offer(7)
    with pytest.raises(ElencoError, match=r"has no offers/tmdb/007\.json"):
        of_folder.worker.take(7)


def test_a_killed_workers_leftovers_are_deleted(of_folder):
    for shard in SHARED:
        of_folder.home.offer(shard)
        of_folder.worker.take(shard)
    for path in ("images/train/1/.tmp-1234", "output/train/9/k0.jpg", "processed/x/shard-000.npz"):
        write_bytes(of_folder.layout.data / path, b"x")
    there = outcome(of_folder.data.layout)
    assert tidy(of_folder.worker, sign(of_folder.home)) == 3
    assert outcome(of_folder.layout) == there
    assert not os.path.lexists(of_folder.layout.data / "output/train/9")


def test_a_worker_that_sees_another_store_is_told_so_and_keeps_what_it_has(of_folder, tmp_path):
    of_folder.home.offer(0)
    of_folder.worker.take(0)
    there = outcome(of_folder.layout)
    other = Exchange(Blobs(str(tmp_path / "other")), of_folder.layout, EMBEDDER)
    with pytest.raises(ConfigError, match="is not the store that the flow uses"):
        tidy(other, sign(of_folder.home))
    assert outcome(of_folder.layout) == there


def test_documents_of_others_are_passed_over(of_folder):
    of_folder.home.offer(0)
    for name in ("offers/tmdb/.DS_Store", "offers/x", "given/tmdb/.tmp-12", "given/tmdb/a.json"):
        write_bytes(Path(of_folder.place) / name, b"x")
    prune(of_folder.home)
    of_folder.worker.take(0)
    assert tidy(of_folder.worker, sign(of_folder.home)) == 0


def test_workers_of_one_machine_may_begin_at_once(home, tmp_path):
    for number in range(20):
        layout = replace(home.layout, data=tmp_path / f"worker-{number}")
        begin = Barrier(4)

        def work(layout: Layout = layout, begin: Barrier = begin) -> None:
            begin.wait()
            open_worker(layout)
            clear(layout.data, {})

        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(work) for _ in range(4)]:
                done.result()
        assert {path.name for path in layout.data.iterdir()} == {"worker.json", "worker.lock"}


def test_a_directory_that_can_not_be_written_to_says_which(home, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"file/worker can't be used \(Not a directory\)"):
        open_worker(replace(home.layout, data=tmp_path / "file" / "worker"))


@pytest.mark.parametrize("place", ["s3://key:se/cret@bucket/x", "https://me:secret@host/x"])
def test_a_key_in_an_address_is_refused_and_not_shown(place):
    with pytest.raises(ConfigError, match="holds a password") as caught:
        Blobs(place)
    assert "cret" not in str(caught.value)
