"""What the source said of each person: stored, fresh, stale, and of which epoch."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenco.errors import ElencoError
from elenco.layout import Layout
from elenco.rights.answers import expire_answers
from elenco.settings import Retention
from elenco.sources.answers import Answers, Changes, find_stale, read_changes
from elenco.sources.base import Told
from elenco.sources.shards import shard_of
from elenco.storage import read_json, write_json
from elenco.types import ImageRef

TODAY = datetime.now(UTC).date()
SIZE = "h632"
RETENTION = Retention()


def told(person_id="1", photographs=2, **changes):
    images = tuple(
        ImageRef(person_id, f"k{n}", f"/k{n}.jpg", 10, 20 + n, SIZE, 5.5, n, "fr" if n else None)
        for n in range(photographs)
    )
    return Told(**{"name": "Zoë Ž. 李", "actor": True, "adult": False, "images": images} | changes)


class Changing:
    """A source that says who changed; `changes` is what it says, None for nothing it can tell."""

    remembers = True

    def __init__(self, *changes):
        self.changes = set(changes)
        self.asked = []

    async def changed(self, since, until):
        self.asked.append((since, until))
        return self.changes


@pytest.fixture
def begun(layout):
    """As after a first listing."""
    write_json(layout.changes, {"until": TODAY.isoformat(), "epoch": 1})


def answers_of(layout, shard=0, size=SIZE):
    return Answers(layout, shard, size)


def store(layout, *ids, shards=1, size=SIZE):
    for number in range(shards):
        answers = answers_of(layout, number, size)
        for person_id in ids:
            if shard_of(person_id, shards) == number:
                answers.put(person_id, told(person_id))
        answers.save()


def fresh_of(layout, ids, shards=1, size=SIZE):
    found = [answers_of(layout, number, size) for number in range(shards)]
    return [i for i in ids if found[shard_of(i, shards)].fresh(i) is not None]


texts = st.text(max_size=5, alphabet='aé李 "\\\n')
numbers = st.floats(0, 10, allow_nan=False)
refs = st.builds(
    ImageRef, st.just("1"), texts, texts, st.integers(0, 9999), st.integers(0, 9999), texts,
    numbers, st.integers(0, 10**6), st.none() | texts,
)  # fmt: skip
sayings = st.builds(Told, texts, st.booleans(), st.booleans(), st.lists(refs).map(tuple))


@pytest.fixture(scope="module")
def of_module(tmp_path_factory):
    folder = tmp_path_factory.mktemp("answers")
    layout = Layout(folder, folder, "tmdb")
    write_json(layout.changes, {"until": "2026-01-01", "epoch": 3})
    return layout


@given(sayings)
def test_what_is_stored_is_what_was_said(of_module, said):
    layout = of_module
    layout.answers(0).unlink(missing_ok=True)
    answers = answers_of(layout)
    answers.put("1", said)
    assert answers.fresh("1") == said
    assert answers_of(layout).fresh("1") is None
    answers.save()
    assert answers_of(layout).fresh("1") == said
    assert answers_of(layout).fresh("2") is None


def test_answers_do_not_change_what_was_said(layout, begun):
    said = told()
    answers = answers_of(layout)
    answers.put("1", said)
    answers.mark_stale(["1"])
    assert said == told()


def test_a_source_that_can_not_tell_what_changed_is_not_remembered(layout):
    answers = answers_of(layout)
    answers.put("1", told())
    assert answers.fresh("1") is None
    answers.save()
    assert not layout.answers(0).exists()


def test_who_was_marked_is_asked_again_and_nobody_else(layout, begun):
    store(layout, "1", "2", "3")
    answers = answers_of(layout)
    assert answers.mark_stale({"2", "77"})
    assert not answers.mark_stale({"2", "77"})
    assert answers.stale(["3", "2", "77"]) == ["2"]
    assert fresh_of(layout, ["1", "2", "3"]) == ["1", "2", "3"]
    answers.save()
    assert fresh_of(layout, ["1", "2", "3"]) == ["1", "3"]
    again = answers_of(layout)
    again.put("2", told("2", 1))
    assert again.fresh("2") == told("2", 1)
    assert again.stale(["1", "2", "3"]) == []


def test_answers_for_another_size_are_not_used(layout, begun):
    store(layout, "1", "2")
    assert fresh_of(layout, ["1", "2"], size="w185") == []
    store(layout, "1", size="w185")
    assert fresh_of(layout, ["1", "2"], size="w185") == ["1"]
    assert fresh_of(layout, ["1", "2"]) == []


def test_the_same_answers_are_the_same_bytes(layout, begun):
    store(layout, "1", "2", "3")
    before = layout.answers(0).read_bytes()
    layout.answers(0).unlink()
    store(layout, "3", "1", "2")
    assert layout.answers(0).read_bytes() == before


# Asking what changed.

IDS = [str(number) for number in range(30)]


async def stale(source, layout, shards=4, today=TODAY):
    return await find_stale(source, layout, shards, SIZE, today, RETENTION)


async def test_the_first_time_nothing_is_asked_and_an_epoch_begins(layout):
    source = Changing("1")
    assert await stale(source, layout) == 0
    assert source.asked == []
    assert read_changes(layout) == Changes(TODAY, 1)


async def test_who_changed_is_stale_in_every_shard(layout, begun):
    store(layout, *IDS, shards=4)
    source = Changing("3", "17", "29", "4711")
    assert await stale(source, layout) == 4
    assert source.asked == [(TODAY, TODAY)]
    assert fresh_of(layout, IDS, 4) == [i for i in IDS if i not in ("3", "17", "29")]
    assert read_changes(layout) == Changes(TODAY, 1)


async def test_days_that_nobody_asked_about_are_asked_about_all_at_once(layout, begun):
    source = Changing()
    later = TODAY + timedelta(days=9)
    await stale(source, layout, today=later)
    assert source.asked == [(TODAY, later)]
    assert read_changes(layout) == Changes(later, 1)


async def test_a_clock_that_was_ahead_once_does_no_harm(layout, begun):
    source = Changing()
    before = TODAY - timedelta(days=3)
    await stale(source, layout, today=before)
    assert source.asked == [(before, before)]
    assert read_changes(layout) == Changes(before, 1)


async def test_where_it_can_not_be_told_everybody_is_stale(layout, begun):
    store(layout, *IDS, shards=4)
    source = Changing()
    source.changes = None
    assert await stale(source, layout) == 0
    assert read_changes(layout) == Changes(TODAY, 2)
    assert fresh_of(layout, IDS, 4) == []
    store(layout, *IDS[:3], shards=4)
    assert fresh_of(layout, IDS, 4) == IDS[:3]
    source.changes = {IDS[1]}
    assert await stale(source, layout) == 1
    assert fresh_of(layout, IDS, 4) == [IDS[0], IDS[2]]


def asked_ago(layout, days, shards=1):
    """As if all were asked about so many days ago."""
    for number in range(shards):
        raw = read_json(layout.answers(number))
        for said in raw["people"].values():
            said["asked"] = (TODAY - timedelta(days=days)).isoformat()
        write_json(layout.answers(number), raw)


async def test_an_old_answer_is_stale_and_not_all_on_one_day(layout, begun):
    people = [str(number) for number in range(300)]
    store(layout, *people, shards=4)
    left = {}
    for days in (0, 119, 120, 121, 135, 149, 150):
        asked_ago(layout, days, 4)
        assert await stale(Changing(), layout) == 0
        left[days] = len(fresh_of(layout, people, 4))
    assert left[0] == left[119] == left[120] == 300
    assert 270 < left[121] < 300
    assert 100 < left[135] < 200
    assert 0 < left[149] < 30
    assert left[150] == 0
    marked = [i for n in range(4) for i in answers_of(layout, n).stale(people)]
    assert sorted(marked) == sorted(people)
    store(layout, *people[:5], shards=4)
    assert fresh_of(layout, people, 4) == people[:5]


def test_the_days_on_which_a_shard_is_asked_about_again_are_many(layout, begun):
    people = [i for i in map(str, range(3000)) if shard_of(i, 10) == 7]
    store(layout, *people)
    answers = answers_of(layout)
    retention = Retention(refresh_days=50)
    days = [TODAY + timedelta(days=n) for n in range(40, 52)]
    found = [len(answers.old(day, retention)) for day in days]
    assert (found[0], found[-2:]) == (0, [len(people)] * 2)
    a_day = [now - before for before, now in pairwise(found)]
    assert max(a_day) < len(people) / 5
    for least in (Retention(refresh_days=1), Retention(max_days=1)):
        assert answers.old(TODAY, least) == []
        assert len(answers.old(TODAY + timedelta(days=1), least)) == len(people)


async def test_answers_of_an_older_version_are_asked_for_again(layout, begun):
    store(layout, "1", "2")
    raw = read_json(layout.answers(0))
    for said in raw["people"].values():
        del said["asked"]
    write_json(layout.answers(0), raw | {"version": f"1 {SIZE}"})
    assert await stale(Changing("1"), layout, shards=1) == 1
    assert fresh_of(layout, ["1", "2"]) == []
    store(layout, "1")
    assert fresh_of(layout, ["1", "2"]) == ["1"]


def test_what_was_said_too_long_ago_is_deleted_of_whomever(layout, begun):
    store(layout, *IDS, shards=4)
    now = datetime.now(UTC)
    assert expire_answers(layout, RETENTION, now) == 0
    asked_ago(layout, 179, 4)
    store(layout, "3", shards=4)
    assert expire_answers(layout, RETENTION, now) == 0
    assert expire_answers(layout, RETENTION, now + timedelta(days=1)) == 29
    assert fresh_of(layout, IDS, 4) == ["3"]
    raw = read_json(layout.answers(shard_of("3", 4)))
    del raw["people"]["3"]["asked"]
    write_json(layout.answers(shard_of("3", 4)), raw)
    assert expire_answers(layout, RETENTION, now) == 1
    layout.answers(2).write_text("[]")
    with pytest.raises(ElencoError, match=r"002\.json holds no answers .*delete it"):
        expire_answers(layout, RETENTION, now)


async def test_a_source_without_memory_is_not_asked(layout):
    source = Changing("1")
    source.remembers = False
    assert await stale(source, layout) == 0
    assert (source.asked, read_changes(layout)) == ([], None)


async def test_killed_between_two_shards_it_marks_them_all_the_next_time(
    layout, begun, monkeypatch
):
    class KilledError(BaseException):
        pass

    store(layout, *IDS, shards=4)
    source, saved = Changing(*IDS), []
    save = Answers.save

    def dying(self):
        if len(saved) == 2:
            raise KilledError
        saved.append(self)
        save(self)

    later = TODAY + timedelta(days=1)
    with monkeypatch.context() as patch:
        patch.setattr(Answers, "save", dying)
        with pytest.raises(KilledError):
            await stale(source, layout, today=later)
    assert read_changes(layout) == Changes(TODAY, 1)
    await stale(source, layout, today=later)
    assert source.asked == [(TODAY, later)] * 2
    assert fresh_of(layout, IDS, 4) == []
    assert read_changes(layout) == Changes(later, 1)
