import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from elenco.errors import RegistryError
from elenco.integrity import verify_digests
from elenco.registry import FILES, Registry

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "recogniser")


def build(folder: Path, fingerprint: str = "f", **card) -> Path:
    """A directory as complete as the registry can tell."""
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_text(f"{name} of {fingerprint}")
    content = {
        "fingerprint": fingerprint,
        "created": "2026-11-24T03:59:00+00:00",
        "people": 1200,
        "space": {"embedder": "facenet"},
        "metrics": {"top1": 0.98765},
    }
    (folder / "card.json").write_text(json.dumps(content | card))
    return folder


def add(registry: Registry, tmp_path: Path, count: int = 1) -> list[str]:
    return [registry.register(build(tmp_path / "built", f"f{i}")) for i in range(count)]


def promoted(registry: Registry, tmp_path: Path, count: int) -> None:
    for name in add(registry, tmp_path, count):
        registry.promote(name, "test")


def test_an_empty_registry_says_how_to_get_a_version(registry):
    assert registry.list_versions() == []
    assert registry.current_name() is None
    assert registry.find_by_fingerprint("f") is None
    with pytest.raises(RegistryError, match="run `elenco refresh` or `elenco demo`"):
        registry.current()
    with pytest.raises(RegistryError, match="none yet"):
        registry.promote("v000001", "test")
    with pytest.raises(RegistryError, match="nothing to roll back"):
        registry.rollback()
    assert not registry.root.exists() or not list(registry.root.glob("v*"))


def test_a_registered_version_is_moved_in_and_not_in_use(registry, tmp_path):
    assert add(registry, tmp_path, 2) == ["v000001", "v000002"]
    assert not (tmp_path / "built").exists()
    assert (registry.root / "v000001" / "gallery.npz").read_text() == "gallery.npz of f0"
    assert registry.current_name() is None
    assert registry.find_by_fingerprint("f1") == "v000002"
    assert registry.find_by_fingerprint("other") is None


def test_a_registered_version_has_the_digests_of_its_files(registry, tmp_path):
    add(registry, tmp_path)
    verify_digests(registry.root / "v000001", *FILES)
    (registry.root / "v000001" / "labels.json").write_text("another")
    with pytest.raises(RegistryError, match=r"labels\.json is not what was written"):
        verify_digests(registry.root / "v000001")


@pytest.mark.parametrize("name", FILES)
def test_an_incomplete_directory_is_not_registered(registry, tmp_path, name):
    built = build(tmp_path / "built")
    (built / name).unlink()
    with pytest.raises(RegistryError, match=f"has no {name}"):
        registry.register(built)
    assert built.exists()
    assert registry.list_versions() == []


def test_a_number_is_not_given_again_after_its_version_was_deleted(registry, tmp_path):
    add(registry, tmp_path, 2)
    shutil.rmtree(registry.root / "v000002")
    assert add(registry, tmp_path) == ["v000003"]


def test_a_number_in_use_is_not_given_again_where_the_log_is_gone(registry, tmp_path):
    add(registry, tmp_path, 2)
    (registry.root / "promotions.jsonl").unlink()
    assert add(registry, tmp_path) == ["v000003"]


def test_lines_are_for_people_and_mark_the_version_in_use(registry, tmp_path):
    promoted(registry, tmp_path, 2)
    assert [version.line() for version in registry.list_versions()] == [
        "  v000001  2026-11-24 03:59   1,200 people  facenet  top-1 98.77%",
        "* v000002  2026-11-24 03:59   1,200 people  facenet  top-1 98.77%",
    ]
    registry.withdraw("v000002", "test")
    assert [
        version.line().endswith("98.77%  withdrawn") for version in registry.list_versions()
    ] == [
        False,
        True,
    ]


def test_a_version_made_by_hand_is_listed_with_what_it_was_made_of(registry, tmp_path):
    registry.register(build(tmp_path / "a", amends=[{"version": "v000007", "what": "more"}]))
    assert registry.list_versions()[0].line().endswith("top-1 98.77%  made of v000007")


def test_a_version_without_measurement_and_a_damaged_one_are_listed_as_such(registry, tmp_path):
    registry.register(build(tmp_path / "a", metrics={"top1": None}))
    registry.register(build(tmp_path / "b"))
    (registry.root / "v000002" / "card.json").write_text("{")
    lines = [version.line() for version in registry.list_versions()]
    assert lines[0].endswith("top-1 not measured")
    assert lines[1] == "  v000002  damaged: card.json can't be read (JSONDecodeError)"
    assert registry.find_by_fingerprint("f") == "v000001"


def test_current_is_a_relative_link_to_the_promoted_version(registry, tmp_path):
    promoted(registry, tmp_path, 1)
    assert (registry.root / "current").readlink() == Path("v000001")
    assert registry.current() == registry.root / "v000001"
    moved = registry.root.rename(tmp_path / "moved")
    assert Registry(moved).current() == moved / "v000001"


def test_show_gives_the_model_card(registry, tmp_path):
    promoted(registry, tmp_path, 1)
    assert registry.show("v000001") == registry.show("current") == "card.md of f0"


@pytest.mark.parametrize("name", ["v000009", "../v000001", "", "v1", "promotions.jsonl"])
def test_an_unknown_version_is_refused_with_those_there_are(registry, tmp_path, name):
    add(registry, tmp_path, 2)
    for action in (registry.show, registry.path, lambda v: registry.promote(v, "test")):
        with pytest.raises(RegistryError, match=r"there are v000001, v000002$") as raised:
            action(name)
        assert "\n" not in str(raised.value)


def test_rollback_goes_back_step_by_step_and_says_where_it_ends(registry, tmp_path):
    promoted(registry, tmp_path, 3)
    assert registry.rollback() == registry.current_name() == "v000002"
    assert registry.rollback() == registry.current_name() == "v000001"
    with pytest.raises(RegistryError, match=r"no version before v000001.*v000002, v000003"):
        registry.rollback()
    assert registry.current_name() == "v000001"


def test_rollback_after_a_new_promotion_goes_to_the_one_in_use_before_it(registry, tmp_path):
    promoted(registry, tmp_path, 2)
    registry.rollback()
    name = registry.register(build(tmp_path / "built", "new"))
    registry.promote(name, "test")
    assert registry.rollback() == "v000001"


def test_promoting_what_is_in_use_changes_nothing(registry, tmp_path):
    promoted(registry, tmp_path, 2)
    log = (registry.root / "promotions.jsonl").read_bytes()
    registry.promote("v000002", "again")
    assert (registry.root / "promotions.jsonl").read_bytes() == log
    assert registry.rollback() == "v000001"


def test_rollback_passes_over_deleted_versions_and_leaves_a_deleted_current(registry, tmp_path):
    promoted(registry, tmp_path, 3)
    shutil.rmtree(registry.root / "v000002")
    shutil.rmtree(registry.root / "v000003")
    with pytest.raises(RegistryError, match=r"v000003 is current but .* gone.*models rollback"):
        registry.current()
    assert registry.rollback() == "v000001"
    assert registry.current().is_dir()


def test_a_link_set_by_hand_is_believed_and_rolled_back_from(registry, tmp_path):
    promoted(registry, tmp_path, 1)
    add(registry, tmp_path)
    (registry.root / "current").unlink()
    (registry.root / "current").symlink_to("v000002")
    assert registry.rollback() == "v000001"


def test_a_current_that_is_no_link_is_refused_with_what_to_do(registry, tmp_path):
    add(registry, tmp_path)
    (registry.root / "current").mkdir()
    with pytest.raises(RegistryError, match="not a link to a version: delete it"):
        registry.list_versions()


def test_the_log_is_one_json_object_a_line_with_time_and_reason(registry, tmp_path):
    promoted(registry, tmp_path, 1)
    [name] = add(registry, tmp_path)
    registry.decline(name, "worse")
    lines = (registry.root / "promotions.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    assert [(e["event"], e["version"], e["reason"]) for e in entries] == [
        ("registered", "v000001", ""),
        ("promoted", "v000001", "test"),
        ("registered", "v000002", ""),
        ("not promoted", "v000002", "worse"),
    ]
    assert all(e["time"].endswith("+00:00") for e in entries)


def test_a_version_is_undecided_until_it_is_promoted_or_declined(registry, tmp_path):
    first, second, third = add(registry, tmp_path, 3)
    assert not registry.decided(first)
    registry.promote(first, "test")
    registry.decline(second, "worse")
    assert registry.decided(first)
    assert registry.decided(second)
    assert not registry.decided(third)


def test_a_declined_version_is_undecided_by_other_settings(registry, tmp_path):
    first, second = add(registry, tmp_path, 2)
    registry.promote(first, "test")
    registry.decline(second, "worse")  # as earlier releases did
    assert registry.decided(second, {"tolerance": 0.1})
    registry.decline(second, "worse", {"tolerance": 0.0})
    assert registry.decided(second)
    assert registry.decided(second, {"tolerance": 0.0})
    assert not registry.decided(second, {"tolerance": 0.1})
    registry.decline(second, "worse still", {"tolerance": 0.1})
    assert registry.decided(second, {"tolerance": 0.1})
    assert not registry.decided(second, {"tolerance": 0.0})


def test_a_version_that_was_in_use_is_decided_by_any_settings(registry, tmp_path):
    first, second = add(registry, tmp_path, 2)
    registry.decline(second, "worse", {"tolerance": 0.0})
    for name in (first, second):
        registry.promote(name, "by hand")
        assert registry.decided(name, {"tolerance": 0.1})
    assert registry.rollback() == first
    assert registry.decided(second, {"tolerance": 0.1})


def test_a_torn_last_line_is_passed_over_and_removed_by_the_next_change(registry, tmp_path):
    promoted(registry, tmp_path, 2)
    log = registry.root / "promotions.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole + b'{"time": "2026-11-24T04:00:00+00:00", "event": "prom')
    assert registry.decided("v000002")
    assert registry.rollback() == "v000001"
    assert log.read_bytes().startswith(whole)
    assert all(json.loads(line) for line in log.read_text().splitlines())


def test_a_broken_line_within_the_log_is_named(registry, tmp_path):
    promoted(registry, tmp_path, 1)
    log = registry.root / "promotions.jsonl"
    log.write_text("garbage\n" + log.read_text())
    with pytest.raises(RegistryError, match="line 1, is not an entry: delete the line"):
        registry.rollback()
    assert registry.current_name() == "v000001"


def events(registry) -> list[tuple[str, str]]:
    lines = (registry.root / "promotions.jsonl").read_text().splitlines()
    return [(e["event"], e["version"]) for e in map(json.loads, lines)]


def test_a_withdrawn_version_stays_in_use_until_there_is_another(registry, tmp_path):
    promoted(registry, tmp_path, 2)
    registry.withdraw("v000002", "holds somebody")
    registry.withdraw("v000002", "again")
    assert registry.withdrawn("v000002")
    assert not registry.withdrawn("v000001")
    assert registry.current().is_dir()
    assert events(registry)[-1] == ("withdrawn", "v000002")
    assert events(registry).count(("withdrawn", "v000002")) == 1
    registry.remove_withdrawn()
    assert registry.current().is_dir()
    [name] = add(registry, tmp_path)
    registry.promote(name, "without them")
    assert registry.names() == ["v000001", "v000003"]
    assert events(registry)[-1] == ("removed", "v000002")
    assert not list(registry.root.glob(".tmp-*"))


def test_nothing_goes_back_to_a_withdrawn_version(registry, tmp_path):
    promoted(registry, tmp_path, 3)
    registry.withdraw("v000002", "holds somebody")
    for name in ("v000002", "v000003"):
        registry.withdraw(name, "holds somebody")
        with pytest.raises(RegistryError, match=rf"{name} is withdrawn: .*elenco refresh"):
            registry.promote(name, "test")
    assert registry.find_by_fingerprint("f1") is None
    assert registry.rollback() == "v000001"
    assert registry.names() == ["v000001"]


def test_a_withdrawn_version_with_nothing_before_it_is_not_rolled_back(registry, tmp_path):
    promoted(registry, tmp_path, 2)
    registry.withdraw("v000001", "holds somebody")
    with pytest.raises(RegistryError, match="no version before v000002"):
        registry.rollback()


def test_a_version_in_use_is_not_removed_and_a_removed_number_not_given_again(registry, tmp_path):
    promoted(registry, tmp_path, 2)
    with pytest.raises(RegistryError, match=r"v000002 is in use .*models promote"):
        registry.remove("v000002", "test")
    registry.remove("v000001", "test")
    assert registry.names() == ["v000002"]
    with pytest.raises(RegistryError, match="there is no version 'v000001'"):
        registry.remove("v000001", "test")
    assert registry.decided("v000001")
    registry.take_out_of_use("test")
    registry.take_out_of_use("nothing to do")
    assert registry.current_name() is None
    assert events(registry)[-1] == ("taken out of use", "v000002")
    registry.remove("v000002", "test")
    assert add(registry, tmp_path) == ["v000003"]
    registry.promote("v000003", "test")
    with pytest.raises(RegistryError, match="no version before v000003"):
        registry.rollback()


def test_what_was_killed_between_the_log_and_the_removal_is_removed_later(registry, tmp_path):
    promoted(registry, tmp_path, 2)
    shutil.copytree(registry.root / "v000001", tmp_path / "kept")
    registry.remove("v000001", "test")
    (tmp_path / "kept").rename(registry.root / "v000001")
    with pytest.raises(RegistryError, match="withdrawn"):
        registry.promote("v000001", "test")
    assert registry.find_by_fingerprint("f0") is None
    registry.remove_withdrawn()
    assert registry.names() == ["v000002"]


KILLED_AT_EVERY_LINE = """
import os, shutil, sys
from pathlib import Path
import elenco.promotions, elenco.registry, elenco.storage
from elenco.registry import Registry

start, operation, before, after = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
watched = {m.__file__ for m in (elenco.promotions, elenco.registry, elenco.storage)}

def act(root):
    registry = Registry(root / "recogniser")
    if operation == "register":
        registry.register(root / "built")
    elif operation == "withdraw":
        registry.withdraw("v000002", "test")
        registry.promote("v000003", "test")
    elif operation == "promote":
        registry.promote("v000003", "test")
    else:
        registry.rollback()

def killed_at(line, root):
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    places = set()  # lines with those that led there: a loop's later rounds are no new place
    def trace(frame, event, argument):
        if frame.f_code.co_filename not in watched:
            return None
        if event == "line":
            stack, caller = [], frame
            while caller:
                stack.append((caller.f_code.co_name, caller.f_lineno))
                caller = caller.f_back
            places.add(tuple(stack))
            if len(places) == line:
                os._exit(9)
        return trace
    sys.settrace(trace)
    act(root)
    os._exit(0)

line = 0
while True:
    line += 1
    root = start.parent / f"killed-{line}"
    shutil.copytree(start, root, symlinks=True)
    killed = killed_at(line, root)
    registry = Registry(root / "recogniser")
    current = registry.current().name
    assert current in (before, after), (line, current)
    names = [version.name for version in registry.list_versions()]
    gone = ["v000002"] if operation == "withdraw" and current == after else []
    assert {"v000001", "v000002", "v000003"} - set(names) <= set(gone), (line, names)
    assert all(version.current == (version.name == current) for version in registry.list_versions())
    # What was killed can be done again, and the way back is the same as if it had not been.
    if operation != "register":
        if current == before:
            act(root)
        assert registry.current_name() == after, line
        back = {"promote": "v000002", "rollback": None, "withdraw": "v000001"}[operation]
        if operation == "withdraw":
            registry.remove_withdrawn()
            assert registry.names() == ["v000001", "v000003"], line
    else:
        if (root / "built").exists():
            act(root)
        names = [version.name for version in registry.list_versions()]
        assert len(names) == 4 and not (root / "built").exists(), (line, names)
        assert registry.current_name() == before
        back = "v000001"
    if back:
        assert registry.rollback() == back, line
    shutil.rmtree(root)
    if not killed:
        break
print(line)
"""


@pytest.mark.parametrize(
    ("operation", "before", "after"),
    [
        ("register", "v000002", "v000002"),
        ("promote", "v000002", "v000003"),
        ("rollback", "v000002", "v000001"),
        ("withdraw", "v000002", "v000003"),
    ],
)
def test_killed_at_any_line_it_is_as_before_or_as_after(tmp_path, operation, before, after):
    start = tmp_path / "start"
    registry = Registry(start / "recogniser")
    names = add(registry, tmp_path, 3)
    for name in names[:2]:
        registry.promote(name, "test")
    build(start / "built", "new")
    arguments = [str(start), operation, before, after]
    done = subprocess.run(
        [sys.executable, "-c", KILLED_AT_EVERY_LINE, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30


def test_two_processes_registering_at_once_get_two_numbers(registry, tmp_path):
    code = (
        "import sys; from pathlib import Path; from elenco.registry import Registry\n"
        "root = Path(sys.argv[1])\n"
        "for built in sys.argv[2:]: print(Registry(root).register(Path(built)))"
    )
    paths = [str(build(tmp_path / f"built-{i}")) for i in range(20)]
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(registry.root), *part],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for part in (paths[:10], paths[10:])
    ]
    names = "".join(run.communicate(timeout=120)[0] for run in runs).split()
    assert sorted(names) == [f"v{n:06d}" for n in range(1, 21)]
