"""The collect stage over real HTTP: nothing lost, nothing fetched twice, everything counted."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import SecretStr

from elenco.demo.faults import Faults
from elenco.demo.serve import running
from elenco.demo.server import DemoServer
from elenco.errors import ConfigError, NotEnoughData, SourceUnreachable
from elenco.faces.images import probe
from elenco.fingerprint import file_sha256
from elenco.layout import Layout
from elenco.records import Record, image_id
from elenco.settings import Settings
from elenco.sources.listing import list_people
from elenco.sources.people import read_people
from elenco.sources.shards import shards_of
from elenco.sources.stage import collect_shard
from elenco.sources.tmdb import Tmdb
from elenco.types import SPLITS, Person, ShardRef
from tests.drawn_cast import FIRST_ID, HEIGHT, WIDTH, DrawnCast, drawing
from tests.real_collect import changed

ROOT = Path(__file__).resolve().parents[2]
SHARD = 3
COUNTS = [9, 7, 5, 3]


@asynccontextmanager
async def serving(
    cast, settings: Settings, **options: Any
) -> AsyncIterator[tuple[DemoServer, Settings]]:
    """A server of `cast` and the settings that point at it."""
    async with DemoServer(cast, rate_per_second=None, **options) as server:
        api = {"api_url": server.api_url, "token": SecretStr("demo"), "terms_accepted": True}
        yield (
            server,
            changed(settings, "tmdb", **api, rate_per_second=1000.0, retries=1, outage_seconds=0.0),
        )


async def collect(settings: Settings) -> ShardRef:
    """Everybody of the day as one shard."""
    layout = Layout.of(settings)
    await list_people(settings, layout)
    return await collect_shard(read_people(layout), SHARD, settings, layout)


def record_of(settings: Settings) -> Record:
    record = Record.read(Layout.of(settings).record("collect", SHARD))
    assert record is not None
    return record


def files(settings: Settings) -> dict[str, bytes]:
    root = settings.paths.data / "images"
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*.jpg")}


def images_asked(server: DemoServer) -> Counter[str]:
    asked = {
        k.removeprefix("image:"): n for k, n in server.counts.items() if k.startswith("image:")
    }
    return Counter(asked)


def assert_consistent(settings: Settings, ref: ShardRef, given: int) -> Record:
    """What the record, the report and the disk say is the same, and it is all that was given."""
    record, layout = record_of(settings), Layout.of(settings)
    assert record.complete
    assert ref.path == layout.relative(layout.record("collect", SHARD))
    assert ref.digest == record.digest()
    assert ref.report.given == ref.report.kept + sum(ref.report.skipped.values()) == given
    assert ref.report.kept == len(record.kept)
    assert ref.report.skipped == dict(Counter(skip.reason for skip in record.skipped))
    named = [image_id(e["person_id"], e["key"]) for e in record.kept]
    named += [skip.id for skip in record.skipped]
    assert len(set(named)) == len(named) == given
    expected = set()
    for entry in record.kept:
        path = layout.image(entry["split"], entry["person_id"], entry["key"])
        expected.add(path)
        assert file_sha256(path) == entry["sha256"]
        assert probe(path.read_bytes(), 1.0) == ("JPEG", entry["width"], entry["height"])
        assert {"person_id", "key", "split", "sha256", "origin", "width", "height"} <= set(entry)
    assert set((settings.paths.data / "images").rglob("*.jpg")) == expected
    assert not list(settings.paths.data.rglob(".tmp-*"))
    return record


async def test_photographs_are_stored_by_split(settings):
    async with serving(DrawnCast(COUNTS), settings) as (server, settings):
        ref = await collect(settings)
    record = assert_consistent(settings, ref, sum(COUNTS))
    assert (ref.stage, ref.shard, ref.report.reused, ref.report.skipped) == (
        "collect",
        SHARD,
        0,
        {},
    )
    by_person = {person: set() for person in range(FIRST_ID, FIRST_ID + len(COUNTS))}
    for entry in record.kept:
        by_person[int(entry["person_id"])].add(entry["split"])
        assert entry["origin"]["url"].startswith(f"{server.url}/t/p/h632/")
    assert all("train" in splits for splits in by_person.values())
    assert set().union(*by_person.values()) == set(SPLITS)


async def test_a_second_run_fetches_nothing(settings):
    async with serving(DrawnCast(COUNTS), settings) as (server, settings):
        first, before = await collect(settings), files(settings)
        asked = images_asked(server)
        second = await collect(settings)
        assert images_asked(server) == asked
    assert set(asked.values()) == {1}
    assert second.digest == first.digest
    assert (second.report.reused, second.report.kept) == (sum(COUNTS), sum(COUNTS))
    assert files(settings) == before


async def test_another_address_of_the_same_server_is_no_news(settings):
    cast = DrawnCast(COUNTS)
    async with serving(cast, settings) as (_, there):
        first = await collect(there)
    async with serving(cast, settings) as (server, there):
        second = await collect(there)
        assert not images_asked(server)
    assert second.digest == first.digest


async def test_killed_before_the_record_was_saved(settings):
    async with serving(DrawnCast(COUNTS), settings) as (server, settings):
        first, asked = await collect(settings), images_asked(server)
        Layout.of(settings).record("collect", SHARD).unlink()
        again = await collect(settings)
        assert images_asked(server) == asked
    assert again.digest == first.digest
    assert again.report.reused == sum(COUNTS)


@pytest.mark.parametrize("moment", [1, 8, 30])
async def test_interrupted_in_the_middle_nothing_stored_is_fetched_again(settings, moment):
    counts = [12] * 6
    settings = changed(settings, "collect", connections=2)
    async with serving(DrawnCast(counts), settings) as (server, settings):
        work = asyncio.create_task(collect(settings))
        while len(files(settings)) < moment:
            await asyncio.sleep(0.001)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        stored, asked = {Path(name).stem for name in files(settings)}, images_asked(server)
        assert moment <= len(stored) < sum(counts)
        assert not record_of(settings).complete
        ref = await collect(settings)
        now = images_asked(server)
    assert_consistent(settings, ref, sum(counts))
    assert all(now[f"/{stem}.jpg"] == asked[f"/{stem}.jpg"] for stem in stored)


async def test_half_a_file_left_by_something_else_is_fetched(settings):
    async with serving(DrawnCast([3, 3]), settings) as (_, settings):
        await collect(settings)
        layout = Layout.of(settings)
        entry = record_of(settings).kept[0]
        layout.record("collect", SHARD).unlink()
        layout.image(entry["split"], entry["person_id"], entry["key"]).write_bytes(b"half")
        assert_consistent(settings, await collect(settings), 6)


async def test_a_file_that_was_deleted_is_fetched_again_and_no_other(settings):
    async with serving(DrawnCast(COUNTS), settings) as (server, settings):
        first, asked = await collect(settings), images_asked(server)
        entry = record_of(settings).kept[4]
        Layout.of(settings).image(entry["split"], entry["person_id"], entry["key"]).unlink()
        again = await collect(settings)
        assert images_asked(server) - asked == Counter({f"/{entry['key']}.jpg": 1})
    assert again.digest == first.digest


BROKEN = {
    "/p101x0.jpg": (b"<html><body>Just a moment...</body></html>", "not_an_image"),
    "/p101x1.jpg": (b"", "empty"),
    "/p101x2.jpg": (None, "gone"),
    "/p101x3.jpg": (b"\xff\xd8\xff\xe0", "truncated"),
    "/p102x0.jpg": (drawing("megapixels", 1200, 1000), "too_large"),
    "/p102x1.jpg": (drawing("megabytes") + bytes(600_000), "too_large"),
}


def with_broken(counts: list[int] = COUNTS) -> DrawnCast:
    return DrawnCast(counts, {path: body for path, (body, _) in BROKEN.items()})


async def test_broken_photographs_are_counted_by_reason(settings):
    settings = changed(settings, "collect", max_megapixels=1.0, max_megabytes=0.5)
    async with serving(with_broken(), settings) as (_, settings):
        ref = await collect(settings)
    record = assert_consistent(settings, ref, sum(COUNTS))
    skipped = {f"/{skip.id.split('/')[1]}.jpg": skip.reason for skip in record.skipped}
    assert skipped == {path: reason for path, (_, reason) in BROKEN.items()}
    assert ref.report.skipped == {
        "empty": 1, "gone": 1, "not_an_image": 1, "too_large": 2, "truncated": 1
    }  # fmt: skip


@pytest.mark.parametrize(("days", "again"), [(7, 0), (0, Tmdb.tries)])
async def test_broken_photographs_are_asked_for_again_after_some_days(settings, days, again):
    settings = changed(settings, "collect", retry_skipped_days=days)
    async with serving(DrawnCast([3, 3], {"/p101x0.jpg": b"<html>"}), settings) as (
        server,
        settings,
    ):
        first = await collect(settings)
        asked = images_asked(server)
        second = await collect(settings)
        assert images_asked(server) - asked == Counter({"/p101x0.jpg": again} if again else {})
    assert second.report.skipped == first.report.skipped == {"not_an_image": 1}
    assert second.digest == first.digest


async def test_a_photograph_that_was_mended_is_kept(settings):
    settings = changed(settings, "collect", retry_skipped_days=0)
    cast = DrawnCast([3, 3], {"/p101x0.jpg": b"<html>"})
    async with serving(cast, settings) as (_, settings):
        await collect(settings)
    cast.bodies.clear()
    async with serving(cast, settings) as (_, settings):
        record = assert_consistent(settings, await collect(settings), 6)
    assert (record.skipped, record.notes) == ([], {})


async def test_people_without_photographs_and_people_who_are_gone(settings):
    cast = DrawnCast([3, 0, 2, 2])
    async with serving(cast, settings) as (_, settings):
        layout = Layout.of(settings)
        await list_people(settings, layout)
        people = read_people(layout)
        cast.gone.add(FIRST_ID + 2)
        ref = await collect_shard(people, SHARD, settings, layout)
    record = assert_consistent(settings, ref, 3 + 1 + 1 + 2)
    assert {skip.id: skip.reason for skip in record.skipped} == {
        "102": "no_photograph",
        "103": "gone",
    }


async def test_a_photograph_that_is_listed_no_more_leaves_the_record(settings):
    cast = DrawnCast([4, 4])
    async with serving(cast, settings) as (server, settings):
        await collect(settings)
        cast.counts[FIRST_ID] = 3
        asked = images_asked(server)
        ref = await collect(settings)
        assert images_asked(server) == asked
    assert (ref.report.given, ref.report.kept) == (7, 7)
    assert len(files(settings)) == 7
    assert [e["why"] for e in record_of(settings).retired] == ["dropped"]


async def test_another_test_fraction_moves_files(settings):
    async with serving(DrawnCast(COUNTS), settings) as (server, settings):
        contents = []
        for fraction in (0.2, 0.6, 0.0, 0.2):
            settings = changed(settings, "collect", test_fraction=fraction)
            ref = await collect(settings)
            assert_consistent(settings, ref, sum(COUNTS))
            contents.append(files(settings))
        assert set(images_asked(server).values()) == {1}
    assert contents[0] == contents[3]
    assert len({tuple(sorted(c)) for c in contents}) == 3


async def test_another_image_size_is_fetched_anew(settings):
    async with serving(DrawnCast([4, 4]), settings) as (server, settings):
        await collect(settings)
        small = changed(settings, "collect", image_size="w45", test_fraction=0.6)
        record = assert_consistent(small, await collect(small), 8)
        assert {(e["width"], e["height"]) for e in record.kept} == {
            (45, round(HEIGHT * 45 / WIDTH))
        }
        asked = images_asked(server)
        await collect(small)
        assert images_asked(server) == asked


async def test_what_was_there_is_kept_while_another_size_can_not_be_had(settings):
    cast = DrawnCast([3, 2])
    async with serving(cast, settings) as (_, settings):
        first, before = await collect(settings), files(settings)
        small = changed(changed(settings, "collect", image_size="w45"), "tmdb", retries=0)
        cast.images_down = True
        assert (await collect(small)).digest == first.digest
        assert files(small) == before
        cast.images_down = False
        record = assert_consistent(small, await collect(small), 5)
    assert {entry["width"] for entry in record.kept} == {45}


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
async def test_other_formats_are_stored_as_jpeg(settings, tmp_path, kind):
    path = tmp_path / "picture"
    Image.new("RGB", (40, 50), (200, 30, 30)).save(path, kind)
    cast = DrawnCast([2, 2], {"/p101x0.jpg": path.read_bytes()})
    async with serving(cast, settings) as (_, settings):
        assert_consistent(settings, await collect(settings), 4)


async def test_faults_of_the_network_lose_nothing(settings):
    faults = Faults(internal_errors=0.08, unavailable=0.07, too_many=0.02, cut=0.15, html=0.1)
    async with serving(DrawnCast([8] * 6), settings, faults=faults) as (_, settings):
        patient = changed(settings, "tmdb", retries=8)
        assert_consistent(patient, await collect(patient), 48)


async def test_a_server_without_its_images_ends_the_run_and_loses_nothing(settings):
    cast = DrawnCast([3])
    async with serving(cast, settings) as (server, settings):
        settings = changed(changed(settings, "collect", connections=2), "tmdb", retries=0)
        layout = Layout.of(settings)
        people = [Person(str(FIRST_ID + n), "Somebody") for n in range(4)]
        await collect_shard(people[:1], SHARD, settings, layout)
        cast.counts = {int(person.id): 15 for person in people}
        cast.images_down = True
        with pytest.raises(
            SourceUnreachable, match=r"6 of 6 photographs.*what was fetched is kept"
        ):
            await collect_shard(people, SHARD, settings, layout)
        assert server.counts["image"] < 3 + 15
        assert {entry["key"] for entry in record_of(settings).kept} == {
            "p101x0",
            "p101x1",
            "p101x2",
        }
        cast.images_down = False
        ref = await collect_shard(people, SHARD, settings, layout)
    assert_consistent(settings, ref, 60)
    assert ref.report.reused == 3


async def test_a_few_photographs_that_fail_do_not_end_the_run_and_are_asked_for_again(settings):
    cast = DrawnCast([3, 2])
    async with serving(cast, settings) as (_, settings):
        settings = changed(settings, "tmdb", retries=0)
        cast.images_down = True
        ref = await collect(settings)
        assert assert_consistent(settings, ref, 5).notes == {}
        assert ref.report.skipped == {"unreachable": 5}
        cast.images_down = False
        assert assert_consistent(settings, await collect(settings), 5).skipped == []


async def test_the_disk_is_full(settings, tmp_path):
    cast = DrawnCast([6] * 4, {"/p103x2.jpg": drawing("large", 900, 900) + bytes(400_000)})
    script = (
        "import asyncio, resource, signal\n"
        "from elenco.layout import Layout\n"
        "from elenco.settings import load_settings\n"
        "from elenco.sources.listing import list_people\n"
        "from elenco.sources.people import read_people\n"
        "from elenco.sources.stage import collect_shard\n"
        "settings = load_settings()\n"
        "layout = Layout.of(settings)\n"
        "asyncio.run(list_people(settings, layout))\n"
        "people = read_people(layout)\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))\n"
        "try:\n"
        f"    asyncio.run(collect_shard(people, {SHARD}, settings, layout))\n"
        "except OSError as error:\n"
        "    print(error)\n"
    )
    with running(cast, rate_per_second=None) as server:
        environment = os.environ | {
            "ELENCO_CONFIG": str(ROOT / "config" / "default.toml"),
            "ELENCO_PATHS__DATA": str(settings.paths.data),
            "ELENCO_TMDB__API_URL": server.api_url,
            "ELENCO_TMDB__TOKEN": "demo",
            "ELENCO_TMDB__TERMS_ACCEPTED": "true",
        }
        done = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", script],
            env=environment, capture_output=True, text=True, cwd=ROOT, timeout=60,
        )  # fmt: skip
        assert done.stderr == ""
        assert "File too large" in done.stdout
        assert len(done.stdout.splitlines()) == 1
        stored, asked = {Path(name).stem for name in files(settings)}, images_asked(server)
        assert stored
        assert not list(settings.paths.data.rglob(".tmp-*"))
        api = {"api_url": server.api_url, "token": SecretStr("demo"), "terms_accepted": True}
        settings = changed(settings, "tmdb", **api)
        ref = await collect(settings)
        now = images_asked(server)
    assert_consistent(settings, ref, 24)
    assert all(now[f"/{stem}.jpg"] == asked[f"/{stem}.jpg"] for stem in stored)


# The folder as a source.


def fill(root: Path, **people: int) -> Path:
    for name, count in people.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            (root / name / f"{number}.jpg").write_bytes(drawing(f"{name}{number}"))
    return root


def of_folder(settings: Settings, folder: Path) -> Settings:
    return changed(settings, "collect", source="folder", folder=folder)


def replace(path: Path, data: bytes) -> None:
    """Write another file under the same name, later, whatever the clock's resolution."""
    stat = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**9))


async def test_a_folder_is_copied_and_the_second_time_nothing_is_written(settings, tmp_path):
    settings = of_folder(settings, fill(tmp_path / "p", Ann=5, Bo=4))
    first = await collect(settings)
    assert_consistent(settings, first, 9)
    written = {p: p.stat().st_mtime_ns for p in settings.paths.data.rglob("*.jpg")}
    second = await collect(settings)
    assert (second.digest, second.report.reused) == (first.digest, 9)
    assert {p: p.stat().st_mtime_ns for p in settings.paths.data.rglob("*.jpg")} == written


async def test_a_file_replaced_under_its_name_is_stored_anew_and_no_other(settings, tmp_path):
    root = fill(tmp_path / "p", Ann=5, Bo=4)
    settings = of_folder(settings, root)
    first, before = await collect(settings), files(settings)
    replace(root / "Ann" / "2.jpg", drawing("another"))
    second = await collect(settings)
    assert_consistent(settings, second, 9)
    assert second.digest != first.digest
    assert second.report.reused == 8
    after = files(settings)
    (name,) = [name for name in after if after[name] != before.get(name)]
    assert after[name] == drawing("another")


async def test_a_file_that_was_broken_by_its_owner_stays_as_it_was(settings, tmp_path):
    root = fill(tmp_path / "p", Ann=5, Bo=4)
    settings = of_folder(settings, root)
    first, before = await collect(settings), files(settings)
    replace(root / "Ann" / "2.jpg", b"no picture")
    for _ in range(3):
        assert (await collect(settings)).digest == first.digest
        assert files(settings) == before


async def test_two_folders_with_the_same_names_do_not_mix(settings, tmp_path):
    one = of_folder(settings, fill(tmp_path / "one", Ann=3, Bo=3))
    other = of_folder(settings, tmp_path / "other")
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    for path in (tmp_path / "other").rglob("*.jpg"):
        path.write_bytes(drawing(f"other {path.parent.name} {path.name}"))
    await collect(one)
    record = assert_consistent(other, await collect(other), 6)
    contents = {file_sha256(path) for path in (tmp_path / "other").rglob("*.jpg")}
    assert {entry["sha256"] for entry in record.kept} == contents


async def test_other_formats_of_a_folder_are_stored_as_jpeg(settings, tmp_path):
    root = fill(tmp_path / "p", Ann=1, Bo=1)
    for kind in ("png", "webp"):
        Image.new("RGBA", (40, 50), (200, 30, 30, 128)).save(root / "Ann" / f"x.{kind}")
    (root / "Ann" / "cut.png").write_bytes((root / "Ann" / "x.png").read_bytes()[:40])
    settings = of_folder(settings, root)
    ref = await collect(settings)
    assert_consistent(settings, ref, 5)
    assert ref.report.skipped == {"truncated": 1}


# Who.


async def test_the_people_of_the_day_are_written_down(settings):
    async with serving(DrawnCast([2] * 30), settings) as (_, settings):
        settings = changed(settings, "collect", people=25)
        listing = await list_people(settings, Layout.of(settings))
    people = read_people(Layout.of(settings))
    assert len(people) == 25
    assert {p.id for part in listing.shards for p in part} == {p.id for p in people}


@pytest.mark.parametrize("count", [0, 1])
async def test_fewer_than_two_people_are_too_few(settings, tmp_path, count):
    root = fill(tmp_path / "p", **{f"P{n}": 1 for n in range(count)})
    root.mkdir(exist_ok=True)
    with pytest.raises((NotEnoughData, ConfigError), match=r"needs 2|no photographs"):
        await list_people(of_folder(settings, root), Layout.of(settings))


def test_before_anybody_was_listed(layout):
    with pytest.raises(NotEnoughData, match="collect first"):
        read_people(layout)


@given(st.sets(st.integers(1, 10**7).map(str), max_size=60), st.integers(1, 80), st.randoms())
def test_everybody_is_in_one_shard_whatever_the_order(ids, shards, random):
    people = [Person(i, f"Person {i}") for i in ids]
    parts = shards_of(people, shards)
    assert len(parts) == shards
    assert sorted(p.id for part in parts for p in part) == sorted(ids)
    shuffled = shards_of(random.sample(people, len(people)), shards)
    assert [set(part) for part in shuffled] == [set(part) for part in parts]
    fewer = shards_of(people[1:], shards)
    assert all(set(few) <= set(part) for few, part in zip(fewer, parts, strict=True))


async def test_an_empty_shard_is_a_shard(settings):
    async with serving(DrawnCast([2, 2]), settings) as (_, settings):
        ref = await collect_shard([], SHARD, settings, Layout.of(settings))
    assert_consistent(settings, ref, 0)
