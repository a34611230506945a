"""What is forgotten, purged or too old is in no quarantine, no page and no decision any more."""

from datetime import timedelta
from pathlib import Path

import pytest

from elenco.curation.decisions import decide, read_decisions
from elenco.curation.quarantine import Alike, Entry, Quarantine, Someone, the_quarantine
from elenco.errors import ElencoError
from elenco.layout import Layout
from elenco.report.quarantine import Likeness, quarantine_page
from elenco.rights.curated import erase_curation
from elenco.rights.erase import Chosen
from elenco.rights.forget import forget
from elenco.rights.purge import purge
from elenco.rights.retention import enforce_retention
from elenco.storage import write_text
from tests.small_data import EMBEDDER, NOW, SmallData, killed_at_each_change, says, settings_of

ANA, BO, CY = "70707", "12", "9"
PEOPLE = {ANA: "Ana Extraordinarily Long", BO: "Bo", CY: "Cy"}


def entry(person: str, key: str, reason="wrong_person", other="") -> Entry:
    photograph = f"{person}/{key}"
    return Entry(photograph, person, PEOPLE[person], key, "train", reason, "0.5", 0.5, other)


FOUND = Quarantine(
    "inputs",
    [
        entry(ANA, "k0"),
        entry(BO, "k0", "looks_like_another", ANA),
        entry(BO, "k1", "near_duplicate", f"{ANA}/k1"),
        entry(CY, "k0", "unusable"),
    ],
    [entry(ANA, "k2"), entry(CY, "k1")],
    [f"{ANA}/k1", f"{BO}/k2"],
    [Alike(ANA, BO, PEOPLE[ANA], PEOPLE[BO], 0.9, 6), Alike(BO, CY, "Bo", "Cy", 0.9, 6)],
    [Someone(ANA, PEOPLE[ANA], 3), Someone(CY, "Cy", 3)],
    [Someone(ANA, PEOPLE[ANA], 3)],
)
REST = Quarantine(
    "inputs",
    [
        entry(BO, "k0", "looks_like_another"),
        entry(BO, "k1", "near_duplicate"),
        entry(CY, "k0", "unusable"),
    ],
    [entry(CY, "k1")],
    [f"{BO}/k2"],
    [Alike(BO, CY, "Bo", "Cy", 0.9, 6)],
    [Someone(CY, "Cy", 3)],
    [],
)


def add_curation(layout: Layout, found: Quarantine = FOUND) -> None:
    """A quarantine with its page, for two embedders, and decisions on everybody."""
    like = {person: Likeness(name, [f"{person}/k2"]) for person, name in PEOPLE.items()}
    for embedder in (EMBEDDER, "other"):
        found.save(layout.quarantine(embedder))
        page = quarantine_page(found, like, lambda photograph: None)
        write_text(layout.quarantine_sheet(embedder), page)
    decide(layout, {f"{ANA}/k0": "keep", f"{BO}/k0": "drop", f"{CY}/k0": "keep"}, "because")
    decide(layout, {f"{ANA}/k0": "auto"})


@pytest.fixture
def data(tmp_path) -> SmallData:
    data = SmallData(tmp_path / "place")
    for person, name in PEOPLE.items():
        data.person(person, name)
    data.write()
    add_curation(data.layout)
    return data


def test_a_forgotten_person_is_in_none_of_it(data):
    done = forget(ANA, data.settings, data.layout)
    assert says(data.folder / "data", ANA, "Ana ") == []
    for embedder in (EMBEDDER, "other"):
        assert the_quarantine(data.layout.quarantine(embedder)) == REST
        assert not data.layout.quarantine_sheet(embedder).exists()
    assert list(read_decisions(data.layout)) == [f"{BO}/k0", f"{CY}/k0"]
    # 3 kept, 1 skipped, 1 note; 3 of detect; 1 answer; 3 lists; 3 a quarantine; 2 decisions.
    assert done.removed.entries == 5 + 3 + 1 + 3 + 2 * 3 + 2


def test_forgetting_somebody_who_is_not_in_it_leaves_it_alone(data):
    before = data.layout.quarantine(EMBEDDER).read_bytes()
    forget("4711", data.settings, data.layout)
    assert data.layout.quarantine(EMBEDDER).read_bytes() == before
    assert data.layout.quarantine_sheet(EMBEDDER).exists()
    assert len(read_decisions(data.layout)) == 2


def test_a_face_to_compare_with_takes_the_page_with_it(data):
    """The list names only what is left out; the page shows others too."""
    only = Quarantine("inputs", [entry(BO, "k0", "looks_like_another", CY)])
    add_curation(data.layout, only)
    chosen = Chosen(photographs=frozenset({(CY, "k2")}))
    assert erase_curation(data.layout, chosen) == 0
    assert the_quarantine(data.layout.quarantine(EMBEDDER)) == only
    assert not data.layout.quarantine_sheet(EMBEDDER).exists()


def test_another_source_keeps_what_is_its_own(data):
    spared = frozenset({(ANA, "k0")})
    erase_curation(data.layout, Chosen(frozenset({ANA}), spared=spared))
    found = the_quarantine(data.layout.quarantine(EMBEDDER))
    assert found.entries[0] == FOUND.entries[0]
    assert found.spared == REST.spared
    assert f"{ANA}/k0" not in read_decisions(data.layout)  # it was taken back
    assert f'"{ANA}/k0"' in data.layout.curation.read_text()


def test_a_purged_source_leaves_nothing(data):
    removed = purge("tmdb", data.settings, data.layout)
    assert says(data.folder / "data", *PEOPLE.values()) == []
    assert not data.layout.curation.exists()
    assert not data.layout.processed(EMBEDDER).exists()
    assert removed.entries == 2 * 8 + 4


def test_a_photograph_that_is_too_old_leaves_it(tmp_path):
    data = SmallData(tmp_path)
    data.person(ANA, PEOPLE[ANA])
    data.person(BO, "Bo")
    old = (NOW - timedelta(days=200)).isoformat()
    data.kept[0]["origin"]["fetched_at"] = old
    data.write()
    add_curation(data.layout)
    enforce_retention(data.settings, data.layout, NOW)
    found = the_quarantine(data.layout.quarantine(EMBEDDER))
    assert [e.id for e in found.entries] == [f"{BO}/k0", f"{BO}/k1", f"{CY}/k0"]
    # The person is still here, and so are the others of their photographs.
    assert found.entries[0].other == ANA
    assert found.twins == FOUND.twins
    assert f"{ANA}/k0" not in data.layout.curation.read_text()


def test_killed_at_any_change_and_run_again_it_ends_the_same(data, tmp_path):
    for number in range(4):  # enough changes to be killed at
        FOUND.save(data.layout.quarantine(f"another{number}"))
    start = data.folder.rename(tmp_path / "start")
    for root in killed_at_each_change(start, act):
        act(root)
        layout = Layout.of(settings_of(root))
        assert the_quarantine(layout.quarantine(EMBEDDER)) == REST
        assert not layout.quarantine_sheet(EMBEDDER).exists()
        assert says(root / "data" / "processed", "Ana ", f"{ANA}/") == []
        assert ANA not in layout.curation.read_text()


def act(root: Path) -> None:
    layout = Layout.of(settings_of(root))
    erase_curation(layout, Chosen(frozenset({ANA})))


def test_what_can_not_be_read_is_deleted_or_named(data):
    data.layout.quarantine(EMBEDDER).write_text("{")
    data.layout.quarantine("other").write_text('{"schema": 99}')
    erase_curation(data.layout, Chosen(frozenset({ANA})))
    assert not list(data.layout.processed("x").parent.glob("*/quarantine.*"))
    data.layout.curation.write_text("junk\n")
    with pytest.raises(ElencoError, match=r"curation\.jsonl can't be read .* same command again"):
        erase_curation(data.layout, Chosen(frozenset({ANA})))
