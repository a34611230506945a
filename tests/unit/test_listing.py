"""Who is listed today: from sources of the test's own, and from the demo server over HTTP."""

import asyncio
import json
import tempfile
from collections import Counter
from contextlib import asynccontextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from elenco.demo.faults import Faults
from elenco.demo.stock import StockCast
from elenco.demo.synthetic import SyntheticCast
from elenco.errors import ConfigError, NotEnoughData, SourceUnreachable, UnexpectedAnswer
from elenco.layout import Layout
from elenco.rights.denylist import deny
from elenco.settings import load_settings
from elenco.sources import listing as listing_module
from elenco.sources import tmdb as adapter
from elenco.sources import tmdb_answers, transport
from elenco.sources.answers import read_changes
from elenco.sources.base import Candidate, Told
from elenco.sources.listing import list_people
from elenco.sources.people import newest_list, read_people
from elenco.sources.shards import shard_of
from elenco.sources.stage import collect_shard
from elenco.sources.tmdb import Tmdb
from elenco.storage import read_json, write_json
from elenco.types import Person, Skipped
from tests.tmdb_help import demo, entry, ticks, tmdb_settings, today

FIRST = 900_000_001  # of a demo cast


@pytest.fixture(autouse=True)
def forgetful(monkeypatch):
    monkeypatch.setattr(transport, "_health", {})
    monkeypatch.setattr(adapter, "_bases", {})


@pytest.fixture
def few_pages(monkeypatch):
    """The popular list ends early, so that a small cast is enough to need the export."""
    monkeypatch.setattr(tmdb_answers, "LAST_PAGE", 1)


def collecting(settings, **changes):
    section = type(settings.collect).model_validate(settings.collect.model_dump() | changes)
    return settings.model_copy(update={"collect": section})


@asynccontextmanager
async def serving(settings, cast, collect=None, **options):
    """A server, and the settings that point at it."""
    async with demo(cast, **options) as server:
        yield server, tmdb_settings(settings, server.api_url, {"shards": 4} | (collect or {}))


async def listed(settings):
    """The people of the day, checked for what always holds."""
    layout = Layout.of(settings)
    listing = await list_people(settings, layout)
    written = read_json(layout.data / listing.path)
    people = read_people(layout)
    assert [p.id for p in people] == [p["id"] for p in written["people"]]
    assert [p["rank"] for p in written["people"]] == list(range(1, len(people) + 1))
    assert (written["date"], written["asked"]) == (today().isoformat(), settings.collect.people)
    assert len({p.id for p in people}) == len(people)
    assert sorted(p.id for part in listing.shards for p in part) == sorted(p.id for p in people)
    assert len(listing.shards) == settings.collect.shards
    report = listing.report
    assert report.kept == len(people)
    assert report.given == report.kept + sum(report.skipped.values())
    assert report.skipped == dict(Counter(skip["reason"] for skip in written["skipped"]))
    return listing, people, written["skipped"]


async def collected(settings, shards):
    layout = Layout.of(settings)
    refs = [await collect_shard(part, n, settings, layout) for n, part in enumerate(shards)]
    return [entry for ref in refs for entry in read_json(layout.data / ref.path)["kept"]]


def ids(people):
    return [person.id for person in people]


def numbered(*numbers):
    """Ids of the people of a demo cast, the most popular is 0; every tenth, from 9, doesn't act."""
    return [str(FIRST + number) for number in numbers]


def days_pass(settings, days):
    """As if everything had been written so many days before."""
    layout = Layout.of(settings)
    raw = read_json(layout.changes)
    until = date.fromisoformat(raw["until"]) - timedelta(days=days)
    write_json(layout.changes, raw | {"until": until.isoformat()})
    for path in sorted(layout.people.glob("*.json")):
        day = date.fromisoformat(path.stem[:10]) - timedelta(days=days)
        write_json(path, read_json(path) | {"date": day.isoformat()})
        path.rename(path.with_name(day.isoformat() + path.name[10:]))


# A source of the test's own.


class Parts:
    """A source that lists what it is given. `told`: who is answered for; others are gone."""

    tries = 1
    remembers = True

    def __init__(self, parts, told=None, silent=()):
        self.parts, self.told, self.silent = parts, told or {}, set(silent)
        self.odd: set[str] = set()
        self.asked = Counter()
        self.given = []
        self.changes = set()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        return None

    async def candidates(self, limit):
        async for part in ticks(self.parts):
            self.given.append(part)
            yield list(part)

    async def changed(self, since, until):
        return self.changes

    async def ask(self, person_id):
        self.asked[person_id] += 1
        await asyncio.sleep(0)
        if person_id in self.silent:
            raise SourceUnreachable(f"nothing of {person_id}")
        if person_id in self.odd:
            raise UnexpectedAnswer(f"odd: {person_id}")
        if person_id not in self.told:
            raise LookupError(f"{person_id} is gone")
        return self.told[person_id]


@pytest.fixture
def offering(monkeypatch):
    def offer(source):
        monkeypatch.setattr(listing_module, "open_source", lambda settings: source)
        return source

    return offer


people_of = st.lists(
    st.tuples(
        st.sampled_from([True, False, None]),  # acts, as the list says
        st.booleans(),  # adult, as the list says
        st.sampled_from(["acts", "does not", "adult", "gone", "silent"]),  # as is told when asked
        st.booleans(),  # denied
        st.integers(0, 3),  # a part of the list ends here if 0
    ),
    max_size=80,
).filter(lambda people: sum(one[2] == "silent" for one in people) <= listing_module.MOST_SILENT)


@hypothesis(max_examples=60)
@given(people_of, st.integers(2, 40), st.booleans())
def test_everybody_who_was_looked_at_is_kept_or_skipped(everybody, limit, unreadable):
    told, silent, parts, denied = {}, set(), [[]], []
    for number, (actor, adult, answer, is_denied, ends) in enumerate(everybody):
        i = str(number)
        parts[-1].append(Candidate(Person(i, f" P{i} ", 100.0 - number), actor, adult))
        if answer == "silent":
            silent.add(i)
        elif answer != "gone":
            told[i] = Told(f"Told {i}", actor=answer == "acts", adult=answer == "adult")
        denied += [i] if is_denied else []
        if not ends:
            parts.append([])
    if unreadable:
        parts.append([Skipped("the end", "export_unavailable", "HTTP 403")])
    source = Parts(parts, told, silent)

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        paths = {"data": Path(folder) / "data", "models": Path(folder) / "models"}
        settings = load_settings(paths=paths, collect={"people": limit, "shards": 2})
        layout = Layout.of(settings)
        for i in denied:
            deny(layout, i)
        patch.setattr(listing_module, "open_source", lambda settings: source)
        try:
            listing, people, skipped = asyncio.run(listed(settings))
        except NotEnoughData:
            people = skipped = listing = None

    flat = [one for part in parts for one in part]

    def reason(one):
        if isinstance(one, Skipped):
            return one.reason
        i, actor, adult = one.person.id, one.actor, one.adult
        if i in denied:
            return "denied"
        if actor is None:
            if i in silent:
                return "unreachable"
            if i not in told:
                return "gone"
            actor, adult = told[i].actor, told[i].adult
        return "adult" if adult else "" if actor else "other_department"

    wanted = [one.person for one in flat if not reason(one)][:limit]
    assert max(source.asked.values(), default=0) <= 1
    unsure = {one.person.id for one in flat if isinstance(one, Candidate) and one.actor is None}
    assert source.asked.keys() <= unsure - set(denied)
    if listing is None:
        assert len(wanted) < 2
        return
    assert ids(people) == ids(wanted)
    assert all(p.name == (f"Told {p.id}" if p.id in unsure else f"P{p.id}") for p in people)
    given = listing.report.given
    assert given == len(people) + len(skipped)
    names = [one.id if isinstance(one, Skipped) else one.person.id for one in flat]
    assert len(people) == limit or given == len(names)
    unnamed = [skip for skip in skipped if skip["reason"] == "denied"]
    assert {skip["id"] for skip in unnamed} <= {"somebody"}  # the list names nobody forgotten
    assert len(unnamed) == sum(name in denied for name in names[:given])
    named = [skip for skip in skipped if skip["reason"] != "denied"]
    looked_at = set(ids(people)) | {skip["id"] for skip in named}
    assert looked_at == set(names[:given]) - set(denied)
    expected = {n: reason(one) for n, one in zip(names, flat, strict=True) if reason(one)}
    for skip in named:
        assert skip["reason"] == expected.get(skip["id"], "over_limit")


async def test_nobody_is_asked_about_far_beyond_the_end(settings, offering):
    candidates = [Candidate(Person(str(n), f"P{n}"), None) for n in range(2000)]
    told = {c.person.id: Told(c.person.name) for c in candidates}
    source = offering(Parts([candidates], told))
    _, people, skipped = await listed(collecting(settings, people=10, shards=2))
    assert ids(people) == [str(n) for n in range(10)]
    assert len(source.asked) == 20
    assert Counter(skip["reason"] for skip in skipped) == {"over_limit": 10}


async def test_a_source_that_is_gone_for_good_ends_the_listing(settings, offering):
    """Each question costs minutes of patience then: a hundred thousand of them, weeks."""
    candidates = [Candidate(Person(str(n), f"P{n}"), None) for n in range(5000)]
    told = {str(n): Told(f"P{n}") for n in range(20)}
    source = offering(Parts([candidates], told, silent=map(str, range(20, 5000))))
    changed = collecting(settings, people=1000, shards=2)
    with pytest.raises(SourceUnreachable, match="nothing of"):
        await listed(changed)
    assert len(source.asked) < 200
    # What was told is not asked again.
    source.silent, source.told = set(), {c.person.id: Told("P") for c in candidates}
    before = source.asked.copy()
    _, people, _ = await listed(changed)
    assert len(people) == 1000
    assert all(source.asked[i] == before[i] for i in told)


async def test_a_few_who_are_not_answered_are_counted(settings, offering):
    candidates = [Candidate(Person(str(n), f"P{n}"), None) for n in range(100)]
    silent = [str(n) for n in range(0, 100, 10)]
    told = {c.person.id: Told(c.person.name) for c in candidates if c.person.id not in silent}
    source = offering(Parts([candidates], told, silent))
    listing, people, skipped = await listed(collecting(settings, people=100, shards=2))
    assert (len(people), listing.report.skipped) == (90, {"unreachable": 10})
    assert skipped[0]["detail"] == "nothing of 0"
    # They are asked about again, the others are not.
    await listed(collecting(settings, people=100, shards=2))
    assert {i: n for i, n in source.asked.items() if n > 1} == dict.fromkeys(silent, 2)


async def test_an_odd_answer_costs_the_one_whom_it_is_about(settings, offering):
    """As the collect stage has it; a source that answers all so ends the listing."""
    candidates = [Candidate(Person(str(n), f"P{n}"), None) for n in range(200)]
    source = offering(Parts([candidates], {c.person.id: Told("P") for c in candidates}))
    source.odd = {"3"}
    listing, people, skipped = await listed(collecting(settings, people=10, shards=2))
    assert ids(people) == [str(n) for n in range(11) if n != 3]
    assert listing.report.skipped["unexpected_answer"] == 1
    assert {"id": "3", "reason": "unexpected_answer", "detail": "odd: 3"} in skipped
    source.odd = set(map(str, range(20, 200)))
    with pytest.raises(UnexpectedAnswer, match="odd"):
        await listed(collecting(settings, people=150, shards=2))
    # Who was in the list before would stay, but not everybody at once.
    source.odd = set()
    await listed(collecting(settings, people=150, shards=2))
    source.odd = source.changes = set(map(str, range(200)))
    with pytest.raises(UnexpectedAnswer, match="odd"):
        await listed(collecting(settings, people=150, shards=2))


@pytest.mark.parametrize("trouble", ["silent", "odd"])
async def test_who_can_not_be_asked_about_stays_as_they_were(settings, offering, trouble):
    everybody = [Person(str(n), f"P{n}", 9.0 - n) for n in range(6)]
    told = {person.id: Told(person.name) for person in everybody}
    source = offering(Parts([[Candidate(p, actor=None) for p in everybody[:5]]], told))
    changed = collecting(settings, people=6, shards=2)
    _, before, _ = await listed(changed)
    days_pass(changed, 1)
    source.changes = {"1", "2", "3", "4"}
    source.parts = [[Candidate(Person(p.id, "Other"), actor=None) for p in everybody]]
    setattr(source, trouble, {"1", "2", "5"})
    deny(Layout.of(changed), "2")
    del told["4"]
    listing, people, _ = await listed(changed)
    assert people == [Person("0", "P0", 0.0), before[1], Person("3", "P3", 0.0)]
    reason = "unreachable" if trouble == "silent" else "unexpected_answer"
    assert listing.report.skipped == {reason: 1, "denied": 1, "gone": 1}
    assert (ids(listing.left), listing.stayed) == (["2", "4"], 1)
    # They are asked about again.
    setattr(source, trouble, set())
    source.changes, asked = set(), source.asked["1"]
    again, people, _ = await listed(changed)
    assert source.asked["1"] == asked + 1
    assert (ids(people), again.stayed) == (["0", "1", "3", "5"], 0)


async def test_fewer_than_two_are_not_enough(settings, layout, offering):
    offering(Parts([[Candidate(Person("1", "A")), Candidate(Person("2", "B"), False)]]))
    with pytest.raises(NotEnoughData, match="1 people"):
        await list_people(settings, layout)
    assert newest_list(layout) is None


# Pages that shift while they are read.


class Pages:
    """In the place of a transport: pages of numbers, and no export."""

    answered = True

    def __init__(self, pages, acting):
        self.pages, self.acting = pages, acting
        self.asked = []

    async def ask(self, request):
        number = int(request.params["page"])
        self.asked.append(number)
        await asyncio.sleep(0)
        results = [
            entry(i, known_for_department="Acting" if i in self.acting else "Directing")
            for i in self.pages[number - 1]
        ]
        return {"page": number, "results": results, "total_pages": len(self.pages)}

    async def download(self, url, file, most):
        raise adapter.ImageError("gone", "HTTP 404")


page_lists = st.lists(st.lists(st.integers(1, 40), max_size=8), min_size=1, max_size=8)


@given(page_lists, st.sets(st.integers(1, 40)), st.integers(2, 30))
def test_nobody_counts_twice_however_pages_shift(pages, acting, limit):
    async def work():
        source = Tmdb(tmdb_settings(load_settings(), "http://a.test/3"))
        source._transport = transport = Pages(pages, acting)
        return [part async for part in source.candidates(limit)], transport.asked

    parts, asked = asyncio.run(work())
    *candidates, end = [one for part in parts for one in part]
    assert (end.reason, len(parts)) == ("export_unavailable", len(pages) + 1)
    first_seen = list(dict.fromkeys(str(i) for page in pages for i in page))
    assert [c.person.id for c in candidates] == first_seen
    assert [c.person.id for c in candidates if c.actor] == [
        i for i in first_seen if int(i) in acting
    ]
    assert sorted(asked) == list(range(1, len(pages) + 1))


async def test_shifting_pages_of_a_server_list_nobody_twice(settings):
    cast = StockCast(150, photos=1)
    faults = Faults(shifting_pages=9, seed=2)
    async with serving(settings, cast, {"people": 120}, faults=faults) as (_, changed):
        listing, people, _ = await listed(changed)
    assert len(people) == listing.report.kept == 120
    assert set(ids(people)) <= {str(p.id) for p in cast.people if p.department == "Acting"}


# The export, for those who come after the popular list.

ACTORS = [n for n in range(100) if n % 10 != 9]


@pytest.mark.parametrize("faults", [Faults(), Faults(export_late=True)])
async def test_the_export_makes_the_list_as_long_as_it_was_asked_for(settings, few_pages, faults):
    """Today's, else yesterday's; who doesn't act is looked at, and counted."""
    cast = StockCast(90, photos=1)
    async with serving(settings, cast, {"people": 40}, faults=faults) as (server, changed):
        listing, people, skipped = await listed(changed)
        assert server.counts["export"] == (2 if faults.export_late else 1)
        assert server.counts["popular"] == 1
    assert ids(people) == numbered(*ACTORS[:40])
    assert [p.name for p in people] == [cast.people[n].name for n in ACTORS[:40]]
    others = {skip["id"] for skip in skipped if skip["reason"] == "other_department"}
    assert {*numbered(9, 19, 29, 39)} <= others
    assert listing.report.skipped.keys() <= {"other_department", "over_limit"}


async def test_the_whole_export_is_read_if_that_is_what_it_takes(settings, few_pages):
    """More of it than was first thought, where few of its people act."""
    cast = StockCast(300, photos=1)
    hidden = {p.id for p in cast.people if 20 <= p.id - FIRST < 320 and (p.id - FIRST) % 30}
    photographs = cast.find

    def find(person_id):
        return None if person_id in hidden else photographs(person_id)

    cast.find = find
    async with serving(settings, cast, {"people": 26}) as (_, changed):
        listing, people, _ = await listed(changed)
    shown = [n for n in range(333) if FIRST + n not in hidden and n % 10 != 9]
    assert ids(people) == numbered(*shown[:26])
    assert listing.report.skipped["gone"] > 26


async def test_without_an_export_the_list_is_shorter_and_says_so(settings, few_pages):
    cast, faults = StockCast(90, photos=1), Faults(export_missing=True)
    async with serving(settings, cast, {"people": 40}, faults=faults) as (server, changed):
        listing, people, skipped = await listed(changed)
        assert server.counts["export"] == 2
    assert ids(people) == numbered(*ACTORS[:18])
    assert listing.report.skipped == {"export_unavailable": 1, "other_department": 2}
    (missing,) = (skip for skip in skipped if skip["reason"] == "export_unavailable")
    yesterday = f"{today() - timedelta(days=1):%m_%d_%Y}"
    assert yesterday in missing["detail"]
    assert "HTTP 403" in missing["detail"]


async def test_without_an_export_the_list_before_tells_who_comes_after_the_popular(
    settings, few_pages
):
    cast = StockCast(90, photos=1, changes_a_day=0)
    async with serving(settings, cast, {"people": 40}) as (_, changed):
        _, before, _ = await listed(changed)
    days_pass(changed, 1)
    out = numbered(1, 25)  # one of the popular, one of the export
    for person_id in out:
        deny(Layout.of(settings), person_id)
    faults = Faults(export_missing=True)
    async with serving(settings, cast, {"people": 40}, faults=faults) as (server, changed):
        listing, people, _ = await listed(changed)
        assert server.counts["person"] == 0  # what was told of them holds
        assert ids(people) == [i for i in ids(before) if i not in out]
        assert listing.report.skipped == {
            "denied": 2, "export_unavailable": 1, "other_department": 2
        }  # fmt: skip
        assert (ids(listing.left), listing.stayed) == (out, 21)
        fewer, people, _ = await listed(collecting(changed, people=20))
        assert ids(people) == [i for i in ids(before) if i not in out][:20]
        assert fewer.stayed == 3


async def test_an_export_that_nobody_needs_is_not_fetched(settings):
    async with serving(settings, StockCast(90, photos=1), {"people": 40}) as (server, changed):
        await listed(changed)
        assert (server.counts["export"], server.counts["person"]) == (0, 0)
        assert server.counts["popular"] == 3


# Who is left out.


async def test_adults_and_who_is_denied_are_left_out_and_others_come_instead(settings):
    cast = SyntheticCast(60, adult=True)
    layout = Layout.of(settings)
    for person_id in numbered(0, 3, 30):
        deny(layout, person_id)
    faults = Faults(export_missing=True)  # it is not needed
    async with serving(settings, cast, {"people": 50}, faults=faults) as (server, changed):
        listing, people, skipped = await listed(changed)
        assert server.counts["person"] == 0
    expected = [n for n in ACTORS if n not in (0, 3, 30) and n % 25 != 24]
    assert ids(people) == numbered(*expected[:50])
    assert listing.report.skipped["denied"] == 3
    assert {s["id"] for s in skipped if s["reason"] == "denied"} == {"somebody"}
    assert {s["id"] for s in skipped if s["reason"] == "adult"} == {*numbered(24, 49)}


async def test_who_is_denied_is_not_even_asked_about(settings, few_pages):
    layout = Layout.of(settings)
    for person_id in numbered(*range(20, 40)):
        deny(layout, person_id)
    async with serving(settings, StockCast(90, photos=1), {"people": 30}) as (server, changed):
        listing, people, skipped = await listed(changed)
        assert listing.report.skipped["denied"] == 20
        asked = {s["id"] for s in skipped if s["reason"] != "denied"} | set(ids(people[18:]))
        assert server.counts["person"] == len(asked - set(numbered(9, 19)))
    assert ids(people) == numbered(*ACTORS[:18], *[n for n in ACTORS if n >= 40][:12])


# An explicit list.


def write_cast(path, *entries):
    lines = [f"[[person]]\nid = {json.dumps(i)}\nname = {json.dumps(name)}" for i, name in entries]
    path.write_text("\n\n".join(lines))
    return path


async def test_an_explicit_list_is_kept_in_its_order_with_the_names_of_the_source(
    settings, tmp_path
):
    cast = SyntheticCast(60, adult=True)
    deny(Layout.of(settings), numbered(7)[0])
    wanted = numbered(40, 9, 24, 3, 7)
    file = write_cast(tmp_path / "cast.toml", *((int(i), f"My {i}") for i in wanted), (4711, "X"))
    async with serving(settings, cast, {"cast": file, "people": 2}) as (server, changed):
        listing, people, skipped = await listed(changed)
        assert ids(people) == numbered(40, 9, 3)  # who is named need not act
        assert [p.name for p in people] == [cast.people[n].name for n in (40, 9, 3)]
        assert {skip["id"]: skip["reason"] for skip in skipped} == {
            numbered(24)[0]: "adult",
            "somebody": "denied",
            "4711": "gone",
        }
        assert (server.counts["popular"], server.counts["export"]) == (0, 0)
        assert server.counts["person"] == 5
        await collected(changed, listing.shards)
        assert server.counts["person"] == 5
        # The next day too; who is gone is asked about again.
        await listed(changed)
        assert server.counts["person"] == 6


async def test_an_explicit_list_of_folders(settings, tmp_path):
    for name in ("Ada", "Alan_T", "Grace"):
        (tmp_path / "photographs" / name).mkdir(parents=True)
        (tmp_path / "photographs" / name / "1.jpg").write_bytes(b"x")
    file = write_cast(tmp_path / "cast.toml", ("Grace", "g"), ("Alan_T", "a"), ("Nobody", "n"))
    changed = collecting(
        settings, source="folder", folder=tmp_path / "photographs", cast=file, shards=2
    )
    listing, people, _ = await listed(changed)
    assert [(p.id, p.name) for p in people] == [("Grace", "Grace"), ("Alan_T", "Alan T")]
    assert listing.report.skipped == {"gone": 1}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "there is no list"),
        ("", "lists nobody"),
        ("person = 7", "lists nobody"),
        ("[person]\nid = 7", "lists nobody"),
        ("[[person]]\nname = 'A'", "person 1, has no id"),
        ("[[person]]\nid = true", "person 1, has no id"),
        ("[[person]]\nid = 1.5", "person 1, has no id"),
        ("[[person]]\nid = 1\n[[person]]\nid = '../x'", "person 2: .*can't name a file"),
        ("[[person]]\nid = 1\n[[person]]\nid = '1'", "lists 1 twice"),
        ("[[person]", "not valid TOML"),
    ],
)
async def test_a_list_that_is_none_says_so(settings, tmp_path, text, problem):
    file = tmp_path / "cast.toml"
    if text is not None:
        file.write_text(text)
    async with serving(settings, StockCast(9), {"cast": file}) as (server, changed):
        with pytest.raises(ConfigError, match=problem) as caught:
            await list_people(changed, Layout.of(changed))
        assert server.counts["person"] == 0
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


# One file a day.


async def test_a_list_is_never_changed(settings):
    layout = Layout.of(settings)
    async with serving(settings, StockCast(40, photos=1), {"people": 20}) as (_, changed):
        one, _, _ = await listed(changed)
        path = layout.data / one.path
        before = path.read_bytes(), path.stat().st_mtime_ns
        again, _, _ = await listed(changed)
        assert again.path == one.path == f"state/tmdb/people/{today().isoformat()}.json"
        fewer, _, _ = await listed(collecting(changed, people=15))
        assert fewer.path == f"state/tmdb/people/{today().isoformat()}-2.json"
        assert len(read_people(layout)) == 15
        third, _, _ = await listed(changed)
        assert third.path == f"state/tmdb/people/{today().isoformat()}-3.json"
        assert (path.read_bytes(), path.stat().st_mtime_ns) == before
        # Within a day nobody comes and nobody leaves.
        assert [one.came, one.left, third.came, third.left] == [[], [], [], []]
    assert len(list(layout.people.iterdir())) == 3


async def test_who_came_and_who_left_since_the_day_before(settings):
    async with serving(settings, StockCast(40, photos=1), {"people": 20}) as (_, changed):
        await listed(changed)
        days_pass(changed, 1)
        more, _, _ = await listed(collecting(changed, people=22))
        assert (ids(more.came), ids(more.left)) == (numbered(*ACTORS[20:22]), [])
        # The other list of the same day is compared with the day before as well.
        deny(Layout.of(settings), numbered(1)[0])
        fewer, _, _ = await listed(collecting(changed, people=18))
        assert ids(fewer.came) == []
        assert ids(fewer.left) == numbered(1, 21)
        assert fewer.left[0].name == StockCast(40).people[1].name
        days_pass(changed, 3)
        same, _, _ = await listed(collecting(changed, people=18))
        assert (same.came, same.left) == ([], [])


async def test_lists_are_kept_no_longer_than_photographs(settings):
    layout = Layout.of(settings)
    async with serving(settings, StockCast(40, photos=1), {"people": 20}) as (_, changed):
        await listed(changed)
        days_pass(changed, settings.retention.max_days)
        await listed(changed)
        assert len(list(layout.people.iterdir())) == 2
        days_pass(changed, 1)
        await listed(changed)
        kept = sorted(path.stem for path in layout.people.iterdir())
    assert kept == [(today() - timedelta(days=1)).isoformat(), today().isoformat()]


async def test_answers_are_kept_no_longer_than_photographs(settings, offering):
    candidates = [Candidate(Person(str(n), f"P{n}"), None) for n in range(20)]
    source = offering(Parts([candidates], {c.person.id: Told("P") for c in candidates}))
    changed = collecting(settings, people=20, shards=2)
    await listed(changed)
    layout = Layout.of(changed)
    for path, days in zip(sorted(layout.answers(0).parent.iterdir()), (180, 150), strict=True):
        raw, day = read_json(path), (today() - timedelta(days=days)).isoformat()
        write_json(
            path, raw | {"people": {i: s | {"asked": day} for i, s in raw["people"].items()}}
        )
    source.parts = [candidates[:3]]  # the others are not in the cast any more
    await listed(changed)
    assert source.asked == Counter(str(n) for n in [*range(20), *range(3)])
    left = [i for p in layout.answers(0).parent.iterdir() for i in read_json(p)["people"]]
    later = [str(n) for n in range(3, 20) if shard_of(str(n), 2) == 1]
    assert sorted(left) == sorted(["0", "1", "2", *later])


# Nobody is asked about twice.


async def test_what_listing_was_told_is_not_asked_again(settings, few_pages):
    cast = StockCast(60, photos=2, changes_a_day=0)
    async with serving(settings, cast, {"people": 30}) as (server, changed):
        listing, people, skipped = await listed(changed)
        asked = {*ids(people), *(skip["id"] for skip in skipped)} - {*numbered(*range(20))}
        assert server.counts["person"] == len(asked) >= 12
        assert server.counts["changes"] == 0
        kept = await collected(changed, listing.shards)
        assert len(kept) == 60
        # Who acts among the popular is known from their list; collecting asks for photographs.
        assert server.counts["person"] == len(asked) + 18
        assert server.counts["configuration"] == 1

        before = Counter(server.counts)
        again, _, _ = await listed(changed)
        assert await collected(changed, again.shards) == kept
        new = {n for n in server.counts if server.counts[n] != before[n] and ":" not in n}
        assert new == {"popular", "export", "changes"}
        assert server.counts["popular"] == before["popular"] + 1
        assert server.counts["changes"] == 1
        assert (again.path, again.changed) == (listing.path, 0)


async def test_a_second_listing_asks_for_pages_and_for_changes_alone(settings):
    cast = StockCast(300, photos=1, day=0)
    async with serving(settings, cast, {"people": 100}) as (server, changed):
        await listed(changed)
        assert dict(kinds(server)) == {"popular": 6}
        days_pass(changed, 1)
        await listed(changed)
        assert dict(kinds(server)) == {"popular": 12, "changes": 1}


def kinds(server):
    return {name: count for name, count in server.counts.items() if ":" not in name}


async def test_who_changed_is_asked_again(settings, few_pages):
    cast = {"photos": 2, "changes_a_day": 0.3}
    async with serving(settings, StockCast(60, **cast), {"people": 30}) as (_, changed):
        listing, people, skipped = await listed(changed)
        assert len(await collected(changed, listing.shards)) == 60
    days_pass(changed, 1)
    tomorrow = StockCast(60, day=1, **cast)
    changes = {str(i) for i in tomorrow.changed(today(), today())}
    async with serving(settings, tomorrow, {"people": 30}) as (server, changed):
        again, people, skipped = await listed(changed)
        assert again.changed == len(changes)
        looked_at = {*ids(people), *(skip["id"] for skip in skipped)}
        further = looked_at - {*numbered(*range(20))}
        assert server.counts["person"] == len(changes & further)
        kept = await collected(changed, again.shards)
        asked = changes & (further | set(ids(people)))
        assert 0 < server.counts["person"] == len(asked) < 30
        photographs = {(e["person_id"], e["key"]) for e in kept}
        assert photographs == {
            (i, photo.path[1:-4])
            for i in ids(people)
            for photo in tomorrow.photos(tomorrow.find(int(i)))
        }
        assert read_changes(Layout.of(settings)).epoch == 1


@pytest.mark.parametrize(("days", "everybody"), [(14, False), (15, True)])
async def test_after_more_than_fourteen_days_everybody_is_asked_again(
    settings, few_pages, days, everybody
):
    cast = StockCast(60, photos=1, changes_a_day=0)
    async with serving(settings, cast, {"people": 30}) as (server, changed):
        listing, _, _ = await listed(changed)
        await collected(changed, listing.shards)
        asked = server.counts["person"]
        days_pass(changed, days)
        again, _, _ = await listed(changed)
        kept = await collected(changed, again.shards)
        assert server.counts["changes"] == (0 if everybody else 1)
        assert server.counts["person"] == (2 * asked if everybody else asked)
        assert server.counts["image_again"] == 0
        assert again.changed == 0
        assert read_changes(Layout.of(settings)).epoch == (2 if everybody else 1)
        assert len(kept) == 30
        # From then on they are fresh again.
        await collected(changed, (await listed(changed))[0].shards)
        assert server.counts["person"] == (2 * asked if everybody else asked)


async def test_in_another_size_everybody_is_asked_again(settings, few_pages):
    cast = StockCast(60, photos=1, changes_a_day=0)
    async with serving(settings, cast, {"people": 30}) as (server, changed):
        listing, _, _ = await listed(changed)
        await collected(changed, listing.shards)
        asked = server.counts["person"]
        smaller = collecting(changed, image_size="w185")
        again, _, _ = await listed(smaller)
        kept = await collected(smaller, again.shards)
        assert server.counts["person"] == 2 * asked
        assert {e["origin"]["version"] for e in kept} == {"w185"}


async def test_more_shards_ask_nobody_again_and_fetch_nothing_again(settings, few_pages):
    cast = StockCast(60, photos=2, changes_a_day=0)
    async with serving(settings, cast, {"people": 30}) as (server, changed):
        listing, _, _ = await listed(changed)
        kept = await collected(changed, listing.shards)
        before = Counter(server.counts)
        for shards in (7, 1, 4):
            resharded = collecting(changed, shards=shards)
            again, _, _ = await listed(resharded)
            assert len(again.shards) == shards
            found = await collected(resharded, again.shards)
            assert sorted(map(str, found)) == sorted(map(str, kept))
        for kind in ("person", "image", "configuration"):
            assert server.counts[kind] == before[kind]


async def test_faults_change_nothing_of_a_list(settings, few_pages):
    """All kinds of them, and the export late."""
    cast = StockCast(90, photos=1)
    shares = dict.fromkeys(
        ("reset", "internal_errors", "unavailable", "slow", "cut", "wrong_type", "bad_json"), 0.03
    )
    faults = Faults(**shares, html=0.02, slow_seconds=0.02, export_late=True, seed=5)
    async with serving(settings, cast, {"people": 40}, faults=faults) as (server, changed):
        steady = changed.model_copy(
            update={"tmdb": changed.tmdb.model_copy(update={"retries": 12})}
        )
        listing, people, _ = await listed(steady)
        assert sum(n for name, n in server.counts.items() if name.startswith("fault:")) > 5
    assert ids(people) == numbered(*ACTORS[:40])
    assert listing.report.skipped.keys() <= {"other_department", "over_limit"}
