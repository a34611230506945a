"""The collect stage, from a source of the test's own and from the demo server."""

import asyncio
import errno
import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from elenco.demo.server import DemoServer
from elenco.demo.synthetic import SyntheticCast
from elenco.errors import ImageError, NotEnoughData, SourceUnreachable
from elenco.faces.images import decode, encode_jpeg, probe
from elenco.fingerprint import bytes_sha256
from elenco.records import Record
from elenco.settings import Tmdb
from elenco.sources import collecting, listing, stage
from elenco.sources.base import Candidate, Told
from elenco.sources.listing import list_people
from elenco.sources.people import read_people
from elenco.sources.shards import shards_of
from elenco.sources.stage import collect_shard
from elenco.sources.tmdb import Tmdb as TMDB
from elenco.types import ImageRef, Person

ANNA, BO = Person("1", "Anna", 2.0), Person("2", "Bo", 1.0)


def jpeg(number: int = 0) -> bytes:
    return encode_jpeg(np.full((24, 24, 3), number, np.uint8))


def png() -> bytes:
    buffer = BytesIO()
    Image.new("RGBA", (30, 40), (255, 0, 0, 255)).save(buffer, "PNG")
    return buffer.getvalue()


class Shelf:
    """A source in memory. `photos`: person id -> key -> bytes, or the error to raise for them."""

    tries = 1
    remembers = True

    def __init__(self, people=(ANNA, BO)) -> None:
        self.listed = list(people)
        self.photos = {p.id: {f"k{i}": jpeg(10 * i) for i in range(6)} for p in self.listed}
        self.versions: dict[str, str] = {}
        self.gone: set[str] = set()
        self.silent: set[str] = set()
        self.adult: set[str] = set()
        self.changes: set[str] | None = set()
        self.asked: Counter[str] = Counter()
        self.asked_since: list[date] = []
        self.fetched: Counter[str] = Counter()
        self.opened = 0
        self.fails_after: int | None = None

    async def __aenter__(self):
        self.opened += 1
        return self

    async def __aexit__(self, *_):
        self.opened -= 1

    async def candidates(self, limit):
        yield [Candidate(person) for person in self.listed]

    async def changed(self, since, until):
        self.asked_since.append(since)
        return self.changes

    async def ask(self, person_id):
        self.asked[person_id] += 1
        if person_id in self.gone:
            raise LookupError(f"{person_id} is gone")
        if person_id in self.silent:
            raise SourceUnreachable(f"nothing of {person_id}")
        images = tuple(
            ImageRef(person_id, key, f"/{key}", version=self.versions.get(key, "v1"))
            for key in self.photos.get(person_id, {})
        )
        return Told("", adult=person_id in self.adult, images=images)

    async def address(self, ref):
        return f"mem:/{ref.url}"

    async def fetch(self, ref, file):
        await asyncio.sleep(0)
        if self.fails_after is not None and self.fetched.total() >= self.fails_after:
            raise SourceUnreachable("the source died")
        self.fetched[f"{ref.person_id}/{ref.key}"] += 1
        data = self.photos[ref.person_id][ref.key]
        if isinstance(data, Exception):
            raise data
        file.write(data)


@pytest.fixture
def shelf(monkeypatch):
    shelf = Shelf()
    monkeypatch.setattr(stage, "open_source", lambda settings: shelf)
    monkeypatch.setattr(listing, "open_source", lambda settings: shelf)
    return shelf


@pytest.fixture
def collect(settings, layout, shelf):
    """Collects everybody on the shelf as shard 0; checks what always holds."""

    async def work(**changes):
        changed = settings.collect.model_copy(update=changes)
        ref = await collect_shard(
            shelf.listed, 0, settings.model_copy(update={"collect": changed}), layout
        )
        report, record = ref.report, record_of(layout)
        assert report.kept + sum(report.skipped.values()) == report.given
        people = [p.id for p in shelf.listed]
        listed = sum(len(shelf.photos[i]) or 1 for i in people if i not in shelf.gone)
        assert report.given == listed + len(shelf.gone & set(people))
        assert record.complete
        assert (report.kept, report.given - report.kept) == (
            len(record.kept),
            len(record.skipped),
        )
        assert (ref.path, ref.digest) == ("state/tmdb/collect/000.json", record.digest())
        for entry in record.kept:
            path = layout.image(entry["split"], entry["person_id"], entry["key"])
            assert bytes_sha256(path.read_bytes()) == entry["sha256"]
        assert len(files_of(layout)) >= report.kept
        assert not [p for p in layout.data.rglob(".tmp-*")]
        assert shelf.opened == 0
        return ref

    return work


def record_of(layout) -> Record:
    record = Record.read(layout.record("collect", 0))
    assert record is not None
    return record


def files_of(layout):
    return sorted(p for p in (layout.data / "images").rglob("*") if p.is_file())


def age_notes(layout, days: int) -> None:
    """As if the record were written so many days ago."""
    record = record_of(layout)
    for note in record.notes.values():
        note["date"] = (date.fromisoformat(note["date"]) - timedelta(days=days)).isoformat()
    record.save(layout.record("collect", 0))


async def test_everything_is_kept_where_the_layout_says(shelf, collect, layout):
    ref = await collect()
    assert (ref.report.kept, ref.report.skipped, ref.report.reused) == (12, {}, 0)
    entry = next(e for e in record_of(layout).kept if e["key"] == "k0")
    assert entry.keys() >= {"person_id", "key", "split", "sha256", "origin", "width", "height"}
    assert len(files_of(layout)) == 12
    train = {p.parent.name for p in (layout.data / "images" / "train").rglob("*.jpg")}
    assert train == {"1", "2"}


async def test_a_second_run_fetches_nothing_and_says_the_same(shelf, collect, layout):
    first = await collect()
    before = layout.record("collect", 0).read_bytes()
    second = await collect()
    assert set(shelf.fetched.values()) == {1}
    assert second.digest == first.digest
    assert second.report.reused == second.report.kept == 12
    assert layout.record("collect", 0).read_bytes() == before


async def test_a_lost_record_costs_no_photograph(shelf, collect, layout):
    first = await collect()
    layout.record("collect", 0).unlink()
    again = await collect()
    assert set(shelf.fetched.values()) == {1}
    assert again.digest == first.digest
    assert again.report.reused == 12


async def test_who_leaves_and_who_comes(shelf, collect, layout):
    await collect()
    shelf.listed = [BO, Person("3", "Cy")]
    shelf.photos["3"] = {"new": jpeg(5)}
    ref = await collect()
    assert {e["person_id"] for e in record_of(layout).kept} == {"2", "3"}
    assert (ref.report.kept, ref.report.reused) == (7, 6)
    shelf.listed = [ANNA, BO]
    await collect()
    assert set(shelf.fetched.values()) == {1}


async def test_a_photograph_moves_when_its_split_does(shelf, collect, layout):
    await collect(test_fraction=0.0)
    assert not (layout.data / "images" / "test").exists()
    await collect(test_fraction=1.0)
    splits = Counter(e["split"] for e in record_of(layout).kept)
    assert splits == {"train": 2, "test": 10}
    assert len(files_of(layout)) == 12
    layout.record("collect", 0).unlink()
    await collect(test_fraction=0.0)
    assert set(shelf.fetched.values()) == {1}
    assert len(files_of(layout)) == 12


async def test_a_deleted_file_is_fetched_anew(shelf, collect, layout):
    await collect()
    files_of(layout)[0].unlink()
    ref = await collect()
    assert sorted(shelf.fetched.values()) == [1] * 11 + [2]
    assert (ref.report.kept, ref.report.reused) == (12, 11)


async def test_broken_photographs_are_counted_by_reason_and_left_alone_for_a_while(
    shelf, collect, layout
):
    shelf.photos["1"] |= {
        "empty": b"",
        "html": b"<!DOCTYPE html><html><body>Just a moment...</body></html>",
        "gone": ImageError("gone", "HTTP 404"),
        "huge": ImageError("too_large", "9 bytes"),
    }
    expected = {"empty": 1, "gone": 1, "not_an_image": 1, "too_large": 1}
    broken = {"1/empty", "1/html", "1/gone", "1/huge"}
    for _ in range(2):
        ref = await collect(retry_skipped_days=7)
        assert (ref.report.kept, ref.report.skipped) == (12, expected)
        assert set(shelf.fetched.values()) == {1}
    age_notes(layout, 6)
    await collect(retry_skipped_days=7)
    assert {shelf.fetched[name] for name in broken} == {1}
    age_notes(layout, 1)
    shelf.photos["1"]["html"] = jpeg(1)
    ref = await collect(retry_skipped_days=7)
    assert {shelf.fetched[name] for name in broken} == {2}
    assert ref.report.kept == 13
    await collect(retry_skipped_days=7)
    assert {shelf.fetched[name] for name in broken} == {2}
    await collect(retry_skipped_days=0)
    assert shelf.fetched["1/empty"] == 3


async def test_what_was_too_large_is_asked_for_when_it_may_be_larger(shelf, collect, layout):
    shelf.photos["1"]["big"] = encode_jpeg(np.zeros((40, 50, 3), np.uint8))  # 0.002 megapixels
    shelf.photos["2"]["heavy"] = ImageError("too_large", "over 1 bytes")
    shelf.photos["2"]["empty"] = b""
    low = {"max_megapixels": 0.001, "max_megabytes": 1.0}
    for changes in (low, low, low | {"max_megapixels": 0.0009}, low | {"max_megabytes": 0.5}):
        ref = await collect(**changes)
        assert ref.report.skipped == {"empty": 1, "too_large": 2}
        assert set(shelf.fetched.values()) == {1}
    ref = await collect(**low | {"max_megapixels": 0.002})
    assert ref.report.skipped == {"empty": 1, "too_large": 1}
    assert (shelf.fetched["1/big"], shelf.fetched["2/empty"]) == (2, 1)
    shelf.photos["2"]["heavy"] = jpeg(7)
    ref = await collect(**low | {"max_megabytes": 2.0})
    assert ref.report.skipped == {"empty": 1}
    # A note of before there were limits in it holds until it is old.
    shelf.photos["2"]["heavy"], shelf.versions["heavy"] = ImageError("too_large", "9"), "v2"
    layout.image("train", "2", "heavy").unlink(missing_ok=True)
    layout.image("test", "2", "heavy").unlink(missing_ok=True)
    await collect(**low)
    record = record_of(layout)
    del record.notes["2/heavy"]["limits"]
    record.save(layout.record("collect", 0))
    times = shelf.fetched["2/heavy"]
    await collect(max_megabytes=9.0)
    assert shelf.fetched["2/heavy"] == times


async def test_a_broken_photograph_that_changes_is_asked_for_at_once(shelf, collect):
    shelf.photos["1"]["k0"] = b""
    await collect()
    shelf.photos["1"]["k0"], shelf.versions["k0"] = jpeg(3), "v2"
    ref = await collect()
    assert ref.report.skipped == {}
    assert shelf.fetched["1/k0"] == 2


async def test_what_may_pass_is_asked_for_at_the_next_run(shelf, collect):
    shelf.photos["1"]["k0"] = ImageError("unreachable", "HTTP 503")
    shelf.photos["1"]["k1"] = ImageError("unreadable", "Permission denied")
    ref = await collect()
    assert ref.report.skipped == {"unreachable": 1, "unreadable": 1}
    shelf.photos["1"] |= {"k0": jpeg(), "k1": jpeg()}
    assert (await collect()).report.skipped == {}


async def test_a_photograph_that_changed_is_stored_anew(shelf, collect, layout):
    first = await collect()
    shelf.photos["1"]["k2"], shelf.versions["k2"] = jpeg(200), "v2"
    second = await collect()
    assert second.digest != first.digest
    assert shelf.fetched["1/k2"] == 2
    assert sum(p.read_bytes() == jpeg(200) for p in files_of(layout)) == 1
    assert len(files_of(layout)) == 12


@pytest.mark.parametrize(
    "trouble", [b"", ImageError("unreachable", "HTTP 503"), ImageError("gone", "HTTP 404")]
)
async def test_a_photograph_that_changed_for_the_worse_stays_as_it_was(
    shelf, collect, layout, trouble
):
    first = await collect(test_fraction=0.0)
    shelf.photos["1"]["k2"], shelf.versions["k2"] = trouble, "v2"
    for _ in range(3):
        ref = await collect(test_fraction=0.0)
        assert ref.digest == first.digest
    passing = isinstance(trouble, ImageError) and trouble.reason == "unreachable"
    assert shelf.fetched["1/k2"] == (4 if passing else 2)
    await collect(test_fraction=1.0)
    assert len(files_of(layout)) == 12
    age_notes(layout, 30)
    shelf.photos["1"]["k2"] = jpeg(200)
    await collect(test_fraction=0.0)
    assert sum(p.read_bytes() == jpeg(200) for p in files_of(layout)) == 1


async def test_other_formats_become_jpeg_and_jpeg_stays_as_it_is(shelf, collect, layout):
    shelf.photos = {"1": {"png": png()}, "2": {"jpg": jpeg(7)}}
    await collect()
    (converted,) = (p for p in files_of(layout) if p.stem == "png")
    assert probe(converted.read_bytes(), 1) == ("JPEG", 30, 40)
    assert abs(decode(converted.read_bytes(), 1)[20, 15].astype(int) - [255, 0, 0]).max() < 5
    (as_it_was,) = (p for p in files_of(layout) if p.stem == "jpg")
    assert as_it_was.read_bytes() == jpeg(7)


async def test_people_without_photographs_and_people_who_are_gone(shelf, collect, layout):
    shelf.photos["1"] = {}
    shelf.gone = {"2"}
    ref = await collect()
    assert (ref.report.given, ref.report.skipped) == (2, {"gone": 1, "no_photograph": 1})
    assert {s.id for s in record_of(layout).skipped} == {"1", "2"}


async def test_an_empty_shard_is_a_complete_record(shelf, collect, layout):
    shelf.listed = []
    ref = await collect()
    assert ref.report.given == 0


async def test_a_source_that_dies_midway_loses_nothing(shelf, collect, layout):
    first_people = [Person(str(i), "P") for i in range(20)]
    shelf.listed = first_people
    shelf.photos = {p.id: {f"k{i}": jpeg(i) for i in range(6)} for p in first_people}
    shelf.fails_after = 50
    with pytest.raises(SourceUnreachable, match="the source died"):
        await collect(connections=1)
    partial = record_of(layout)
    assert not partial.complete
    assert partial.kept
    stored = len(files_of(layout))
    assert len(partial.kept) <= stored <= 50
    shelf.fails_after = None
    ref = await collect(connections=1)
    assert ref.report.kept == 120
    assert ref.report.reused == stored
    assert set(shelf.fetched.values()) <= {1, 2}
    assert shelf.fetched.total() - 120 <= 50 - stored


async def test_a_source_that_dies_leaves_what_the_last_run_knew(shelf, collect, layout):
    """The record of a run that failed still tells of the photographs it did not get to."""
    shelf.photos["2"]["broken"] = b""
    first = await collect()
    shelf.photos["1"]["another"] = jpeg(9)
    shelf.fails_after = shelf.fetched.total()
    with pytest.raises(SourceUnreachable):
        await collect()
    partial = record_of(layout)
    assert len(partial.kept) == first.report.kept
    assert "2/broken" in partial.notes


async def test_a_killed_run_goes_on_from_its_files(shelf, collect, layout):
    """Killed before any record was saved: photographs lie there, and one temporary file."""
    await collect()
    layout.record("collect", 0).unlink()
    files = files_of(layout)
    for file in files[8:]:
        file.unlink()
    ref = await collect()
    assert (ref.report.kept, ref.report.reused) == (12, 8)
    assert sorted(shelf.fetched.values()) == [1] * 8 + [2] * 4


async def test_records_are_saved_while_work_goes_on(shelf, settings, layout, monkeypatch):
    monkeypatch.setattr(collecting, "PEOPLE_BETWEEN_SAVES", 2)
    shelf.listed = [Person(str(i), "P") for i in range(5)]
    shelf.photos = {p.id: {"k": jpeg()} for p in shelf.listed}
    saved = []
    ask = shelf.ask

    async def watched(person_id):
        record = Record.read(layout.record("collect", 0))
        saved.append(None if record is None else (len(record.kept), record.complete))
        return await ask(person_id)

    monkeypatch.setattr(collecting, "PEOPLE_AT_ONCE", 1)
    monkeypatch.setattr(shelf, "ask", watched)
    await collect_shard(shelf.listed, 0, settings, layout)
    assert saved == [None, None, (2, False), (2, False), (4, False)]


async def test_a_full_disk_loses_nothing(shelf, collect, layout, monkeypatch):
    await collect()
    shelf.photos["1"]["another"] = jpeg(99)
    before = {p: p.read_bytes() for p in files_of(layout)}
    record = layout.record("collect", 0).read_bytes()

    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    def fuller(path, data):
        raise OSError(errno.EIO, "not even for the record")

    with monkeypatch.context() as patch:
        patch.setattr("elenco.sources.photograph.write_bytes", full)
        patch.setattr("elenco.storage.write_bytes", fuller)
        with pytest.raises(OSError, match="No space left") as caught:
            await collect()
    assert caught.value.errno == errno.ENOSPC
    assert {p: p.read_bytes() for p in files_of(layout)} == before
    assert layout.record("collect", 0).read_bytes() == record
    ref = await collect()
    assert (ref.report.kept, ref.report.reused) == (13, 12)


async def test_a_data_folder_that_is_a_file_is_an_os_error(shelf, settings, layout):
    layout.data.parent.mkdir(parents=True, exist_ok=True)
    layout.data.write_text("in the way")
    with pytest.raises(OSError):  # noqa: PT011 - which one depends on the system
        await collect_shard(shelf.listed, 0, settings, layout)
    assert layout.data.read_text() == "in the way"


async def test_when_most_can_not_be_fetched_the_run_fails_and_keeps_what_came(
    shelf, collect, layout
):
    for person in ("1", "2"):
        for key in ("k0", "k1", "k2", "k3"):
            shelf.photos[person][key] = ImageError("unreachable", "HTTP 503")
    with pytest.raises(SourceUnreachable, match=r"6 of [678] "):
        await collect()
    assert not record_of(layout).complete
    came = len(files_of(layout))
    assert len(record_of(layout).kept) <= came  # one may have been written as the run ended
    for person in ("1", "2"):
        shelf.photos[person] = {f"k{i}": jpeg(i) for i in range(6)}
    assert (await collect()).report.reused == came


async def test_people_are_listed_to_a_file(shelf, settings, layout):
    with pytest.raises(NotEnoughData, match="collect first"):
        read_people(layout)
    listed = await list_people(settings, layout)
    assert sorted(p.id for shard in listed.shards for p in shard) == ["1", "2"]
    assert read_people(layout) == [ANNA, BO]
    shelf.listed = [BO]
    with pytest.raises(NotEnoughData, match="1 people"):
        await list_people(settings, layout)
    assert read_people(layout) == [ANNA, BO]


def test_shards_hold_everybody_once_and_stay_as_they_are():
    people = [Person(str(i), "P") for i in range(500)]
    shards = shards_of(people, 8)
    assert len(shards) == 8
    assert sorted((p for shard in shards for p in shard), key=lambda p: int(p.id)) == people
    assert min(map(len, shards)) > 30
    fewer = shards_of(people[::-1][100:], 8)
    assert all({p.id for p in f} <= {p.id for p in s} for f, s in zip(fewer, shards, strict=True))
    assert shards_of([], 3) == [[], [], []]


async def test_from_the_demo_server_over_http(settings, layout):
    """Every kind of odd photograph, over real HTTP: what is broken is counted, once."""
    cast = SyntheticCast(10, seed=1)
    kinds = Counter(photo.kind for p in cast.people for photo in cast.photos(p))
    async with DemoServer(cast, rate_per_second=None) as server:
        tmdb = Tmdb.model_validate(
            {"api_url": server.api_url, "token": "demo", "terms_accepted": True}
        )
        collect = settings.collect.model_copy(update={"image_size": "w185", "people": 10})
        settings = settings.model_copy(update={"tmdb": tmdb, "collect": collect})
        await list_people(settings, layout)
        people = read_people(layout)
        refs = [await collect_shard(people, 0, settings, layout) for _ in range(2)]
        acting = {p.id for p in people}
        offered = Counter(
            photo.kind for p in cast.people if str(p.id) in acting for photo in cast.photos(p)
        )
        images = {k: n for k, n in server.counts.items() if k.startswith("image:")}
        assert server.counts["person"] == len(people) == 10
    assert kinds.keys() >= {"html", "empty", "truncated"}
    report = refs[0].report
    broken = {"empty": "empty", "not_an_image": "html", "truncated": "truncated"}
    assert report.skipped == {reason: offered[kind] for reason, kind in broken.items()}
    assert report.given == offered.total()
    assert Counter(images.values()) == {
        1: report.kept,
        TMDB.tries: report.given - report.kept,
    }
    assert refs[1].digest == refs[0].digest
    assert refs[1].report == replace(report, reused=report.kept, seconds=refs[1].report.seconds)
    assert json.loads(layout.record("collect", 0).read_text())["complete"] is True
    assert {n["date"] for n in record_of(layout).notes.values()} == {
        datetime.now(UTC).date().isoformat()
    }


def retired_of(layout) -> dict[str, str]:
    return {f"{e['person_id']}/{e['key']}": e["why"] for e in record_of(layout).retired}


def aside(layout):
    return sorted(p.relative_to(layout.data).as_posix() for p in (layout.data).glob("retired/*/*"))


async def test_a_photograph_that_is_dropped_is_set_aside_and_its_face_with_it(
    shelf, collect, layout
):
    await collect(test_fraction=0.0)
    face = layout.crop("train", "1", "k2")
    face.parent.mkdir(parents=True)
    face.write_bytes(b"a face")
    data = shelf.photos["1"].pop("k2")
    ref = await collect(test_fraction=0.0)
    assert ref.report.kept == 11
    assert retired_of(layout) == {"1/k2": "dropped"}
    assert aside(layout) == ["retired/1/k2.jpg"]
    assert not face.exists()
    assert len(files_of(layout)) == 11
    # It comes back: from where it is, not from the source.
    shelf.photos["1"]["k2"] = data
    ref = await collect(test_fraction=0.0)
    assert (ref.report.kept, ref.report.reused) == (12, 12)
    assert set(shelf.fetched.values()) == {1}
    assert retired_of(layout) == {}
    assert aside(layout) == []


async def test_who_leaves_the_list_is_set_aside_and_comes_back_whole(shelf, collect, layout):
    before = None
    await collect()
    before = {p: p.read_bytes() for p in files_of(layout)}
    shelf.listed = [BO]
    await collect()
    assert set(retired_of(layout).values()) == {"left"}
    assert len(aside(layout)) == 6
    assert not (layout.data / "images" / "train" / "1").exists()
    shelf.listed = [ANNA, BO]
    await collect()
    assert {p: p.read_bytes() for p in files_of(layout)} == before
    assert set(shelf.fetched.values()) == {1}


async def test_the_best_are_taken_and_the_rest_is_set_aside(shelf, collect, layout, settings):
    await collect(photos_per_person=6)
    changed = settings.collect.model_copy(update={"photos_per_person": 4})
    await collect_shard(shelf.listed, 0, settings.model_copy(update={"collect": changed}), layout)
    assert retired_of(layout) == {f"{p}/k{i}": "over_limit" for p in "12" for i in (4, 5)}
    assert {e["key"] for e in record_of(layout).kept} == {"k0", "k1", "k2", "k3"}


async def test_people_whom_the_source_does_not_tell_of_now_keep_their_photographs(
    shelf, settings, layout
):
    await collect_shard(shelf.listed, 0, settings, layout)
    shelf.silent = {"1"}
    ref = await collect_shard(shelf.listed, 0, settings, layout)
    assert (ref.report.kept, ref.report.skipped) == (12, {"unreachable": 1})
    assert aside(layout) == []
    shelf.silent, shelf.gone = set(), {"1"}
    ref = await collect_shard(shelf.listed, 0, settings, layout)
    assert set(retired_of(layout).values()) == {"gone"}


async def test_an_adult_is_left_out_with_their_photographs(shelf, settings, layout):
    await collect_shard(shelf.listed, 0, settings, layout)
    shelf.adult = {"2"}
    ref = await collect_shard(shelf.listed, 0, settings, layout)
    assert (ref.report.kept, ref.report.skipped) == (6, {"adult": 1})
    assert len(aside(layout)) == 6


async def test_nobody_is_asked_about_who_has_not_changed(shelf, settings, layout):
    settings = settings.model_copy(
        update={"collect": settings.collect.model_copy(update={"shards": 1})}
    )
    for _ in range(3):
        await list_people(settings, layout)
        await collect_shard(shelf.listed, 0, settings, layout)
    assert shelf.asked == {"1": 1, "2": 1}
    assert shelf.asked_since == [datetime.now(UTC).date()] * 2
    shelf.changes, shelf.photos["2"]["new"] = {"2", "77"}, jpeg(77)
    listed = await list_people(settings, layout)
    assert listed.changed == 2
    ref = await collect_shard(shelf.listed, 0, settings, layout)
    assert ref.report.kept == 13
    assert shelf.asked == {"1": 1, "2": 2}
    # Too long ago to tell: everybody is asked about, nothing is fetched again.
    shelf.changes = None
    await list_people(settings, layout)
    await collect_shard(shelf.listed, 0, settings, layout)
    assert shelf.asked == {"1": 2, "2": 3}
    assert set(shelf.fetched.values()) == {1}


def age_photographs(layout, days: int) -> None:
    record = record_of(layout)
    for entry in [*record.kept, *record.retired]:
        then = datetime.fromisoformat(entry["origin"]["fetched_at"]) - timedelta(days=days)
        entry["origin"]["fetched_at"] = then.isoformat()
    record.save(layout.record("collect", 0))


async def test_old_photographs_are_fetched_anew_or_deleted(shelf, collect, layout):
    await collect()
    age_photographs(layout, 149)
    await collect()
    assert set(shelf.fetched.values()) == {1}
    age_photographs(layout, 1)
    shelf.photos["1"]["k0"] = ImageError("unreachable", "HTTP 503")
    await collect()
    assert set(shelf.fetched.values()) == {2}
    fetched = {
        (e["person_id"], e["key"]): e["origin"]["fetched_at"] for e in record_of(layout).kept
    }
    assert fetched["1", "k0"] < min(t for name, t in fetched.items() if name != ("1", "k0"))
    age_photographs(layout, 31)  # the one is 181 days old now
    ref = await collect()
    assert ref.report.skipped == {"expired": 1}
    assert not [p for p in files_of(layout) if p.parent.name == "1" and p.stem == "k0"]


async def test_what_a_server_breaks_now_and_then_is_asked_for_again_at_the_end(shelf, collect):
    shelf.tries = 4
    whole, broken = jpeg(3), [b"", b"<html>busy</html>", jpeg(3)[:-20]]
    fetch = shelf.fetch

    async def moody(ref, file):
        if ref.key == "k0" and broken:
            file.write(broken.pop())
        else:
            await fetch(ref, file)

    shelf.fetch, shelf.photos["1"]["k0"] = moody, whole
    ref = await collect()
    assert (ref.report.kept, ref.report.skipped, broken) == (12, {}, [])


async def test_the_manifest_says_where_everything_is_from(shelf, collect, layout):
    await collect()
    for entry in record_of(layout).kept:
        origin = entry["origin"]
        assert origin["url"] == f"mem://{entry['key']}"
        assert datetime.fromisoformat(origin["fetched_at"]).tzinfo is not None
        assert origin.keys() >= {"width", "height", "vote_average", "vote_count", "language"}
