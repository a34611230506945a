"""A clock that is wrong costs nobody their photographs."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web

from elenco.errors import ClockWrong
from elenco.layout import Layout
from elenco.rights.removed import Removed
from elenco.rights.retention import enforce_retention
from elenco.sources import clock, transport
from elenco.sources.listing import list_people
from elenco.sources.tmdb import open_source
from elenco.storage import write_json
from tests.small_data import NOW, SmallData, tree
from tests.tmdb_help import everybody, page, scripted, tmdb_settings


def fill(root, **collect) -> SmallData:
    """Two people whose photographs are days old, listed today."""
    data = SmallData(root, collect)
    for number, days in (("1", 1), ("2", 9)):
        data.person(number, f"P{number}", fetched_at=(NOW - timedelta(days=days)).isoformat())
    data.write()
    return data


def enforce(data: SmallData, days: float, **said) -> Removed:
    """By a clock that is so many days ahead of when the people were listed."""
    return enforce_retention(data.settings, data.layout, NOW + timedelta(days=days), **said)


@pytest.fixture
def data(tmp_path) -> SmallData:
    return fill(tmp_path)


def test_a_clock_that_is_half_a_year_ahead_once_deletes_nothing(data):
    before = tree(data.folder)
    with pytest.raises(ClockWrong, match=r"says 2027-06-02, .* is from 2026-11-24, so nothing"):
        enforce(data, 190)
    assert tree(data.folder) == before
    assert not enforce(data, 1)


def test_a_person_may_say_that_it_is_right(data):
    assert enforce(data, 190, clock_is_right=True).photographs == 6
    data.kept.clear()
    data.person("3", "P3", fetched_at=(NOW + timedelta(days=30)).isoformat())
    data.write()
    assert enforce(data, 211).photographs == 3  # 21 days after it was said


def test_who_looks_every_day_is_believed_on_the_day_on_which_it_is_time(data):
    """Without a refresh in all that time, as after the end of an agreement."""
    removed = {days: enforce(data, days).photographs for days in range(1, 190, 4)}
    assert {days: count for days, count in removed.items() if count} == {173: 3, 181: 3}


def test_after_months_off_the_next_list_of_people_says_that_it_is_right(data):
    with pytest.raises(ClockWrong):
        enforce(data, 190)
    day = (NOW + timedelta(days=190)).date().isoformat()
    write_json(data.layout.people / f"{day}.json", {"date": day, "people": []})
    assert enforce(data, 190).photographs == 6


def test_where_nothing_is_due_a_wrong_clock_is_not_remembered(data):
    assert enforce(data, 60) == Removed()
    assert not data.layout.retention.exists()
    with pytest.raises(ClockWrong):
        enforce(data, 190)
    assert enforce(data, 29) == Removed()
    assert enforce(data, -9000) == Removed()  # a battery is empty
    told = json.loads(data.layout.retention.read_text())
    assert told == {"looked": (NOW + timedelta(days=29)).isoformat()}


def test_a_folders_photographs_ask_for_no_proof(tmp_path):
    data = fill(tmp_path, source="folder", folder=tmp_path / "photos")
    data.retire("1", "old", NOW.date().isoformat())
    data.write()
    assert enforce(data, 400) == Removed(retired=1, entries=1)
    assert not data.layout.retention.exists()


def dated(moment: datetime, **more: str) -> dict[str, str]:
    return {"Date": format_datetime(moment.astimezone(UTC), usegmt=True)} | more


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Date": "yesterday"},
        {"Date": "Tue, 24 Nov 2026 12:00:00 -0000"},
        dated(NOW) | {"Age": "long"},
        dated(NOW + timedelta(days=2.9)),
        dated(NOW - timedelta(days=2.9)),
        dated(NOW - timedelta(days=30), Age=f"{30 * 86400}"),
    ],
)
def test_an_answer_of_about_now_or_of_no_time_is_no_reason(headers):
    clock.compare(headers, NOW, "https://api.example.com")


@pytest.mark.parametrize("days", [-180, -3.1, 3.1, 9000])
def test_an_answer_of_another_time_is(days):
    there = NOW + timedelta(days=days)
    with pytest.raises(ClockWrong, match="set the clock, then run again") as caught:
        clock.compare(dated(there), NOW, "https://api.example.com")
    for words in ("2026-11-24 12:00 UTC", f"example.com says {there:%Y-%m-%d}"):
        assert words in str(caught.value)


async def test_a_refresh_by_a_wrong_clock_ends_before_it_writes(settings, monkeypatch):
    monkeypatch.setattr(transport, "_health", {})
    ago = [timedelta(days=180)]

    async def api(request):
        answer = page(request)
        answer.headers.update(dated(datetime.now(UTC) - ago[0]))
        return answer

    async with scripted(api=api) as (url, _):
        there = tmdb_settings(settings, f"{url}/3")
        with pytest.raises(ClockWrong, match="this machine's clock says"):
            await list_people(there, Layout.of(there))
        assert not Layout.of(there).people.exists()
        ago[0] = timedelta(hours=5)
        async with open_source(there) as source:
            assert await everybody(source, 1)


async def test_what_a_proxy_says_of_the_time_is_no_proof(settings, monkeypatch):
    """An error may come from anybody in between."""
    monkeypatch.setattr(transport, "_health", {})
    asked = []

    async def api(request):
        asked.append(request)
        if len(asked) == 1:
            return web.Response(status=503, headers=dated(NOW - timedelta(days=900)))
        return page(request)

    there = tmdb_settings
    async with scripted(api=api) as (url, _), open_source(there(settings, f"{url}/3")) as source:
        assert await everybody(source, 1)
    assert len(asked) > 1
