"""Backups, destroyed directories and restores: what comes back is what there was, to the byte."""

import gzip
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from elenco.backup import manifest as manifests
from elenco.backup import save as saving
from elenco.backup import send as sending
from elenco.backup.check import check
from elenco.backup.manifest import Manifest, decode, encode
from elenco.backup.place import STAGE
from elenco.backup.prune import prune
from elenco.backup.restore import choose, restore
from elenco.backup.save import Saved, save
from elenco.backup.store import Store
from elenco.backup.tree import Entry, left_out, scan
from elenco.errors import ConfigError, ElencoError, Locked
from elenco.integrity import Digests
from elenco.layout import Layout
from elenco.lock import hold, refresh_lock
from elenco.registry import Registry
from elenco.rights.forget import forget
from elenco.settings import Settings
from elenco.storage import read_entries, write_bytes, write_json
from tests.small_data import ROOT, SmallData, add_version, killed_at_each_change, says, settings_of

ELENCO = str(Path(sys.executable).parent / "elenco")
NOW = datetime(2026, 11, 25, 6, 0, tzinfo=UTC)
PEOPLE = {"1": "Ana", "2": "Bo Person"}


@pytest.fixture
def data(tmp_path) -> SmallData:
    """Two people, a version in use that shares its embedder with another, an older stamp."""
    data = SmallData(tmp_path / "place")
    data.person("1", "Ana")
    data.person("2", "Bo Person")
    data.write()
    registry = Registry(data.layout.recogniser)
    for _ in range(2):
        name = add_version(data.layout, PEOPLE)
    form = data.layout.recogniser / ".tfjs-hash" / "weights.bin"
    write_bytes(form, b"weights of an embedder")
    for number in (1, 2):
        shared = data.layout.recogniser / f"v00000{number}" / "tfjs" / "weights.bin"
        shared.parent.mkdir()
        os.link(form, shared)
    registry.promote(name, "test")
    (data.layout.data / "images" / "empty").mkdir()
    (data.layout.data / "state" / "tmdb" / "secretive.json").write_text("{}")
    (data.layout.data / "state" / "tmdb" / "secretive.json").chmod(0o600)
    return data


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(str(tmp_path / "backups"))


def backup(data: SmallData, store: Store, hour: int = 6, **options: Any) -> Saved:
    now = NOW.replace(hour=hour)
    return save(store, data.settings, data.layout, now=now, **options)


def back(store: Store, data: SmallData, name: str | None = None, **options: Any):
    return restore(store, data.settings, data.layout, choose(store, name), **options)


def picture(folder: Path) -> dict[str, tuple[Any, ...]]:
    """All that a backup is to bring back: kinds, modes, times, contents, links, shared files."""
    seen: dict[str, tuple[Any, ...]] = {}
    gone: set[Path] = set()  # folders that are in no backup
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        name = path.relative_to(folder).as_posix()
        within = name.removeprefix("data/").removeprefix("models/")
        if path.parent in gone or left_out(within, status.st_mode):
            gone.add(path)
        elif path.is_symlink():
            seen[name] = ("link", os.readlink(path))
        elif path.is_dir():
            seen[name] = ("directory", stat.S_IMODE(status.st_mode))
        else:
            mode, links = stat.S_IMODE(status.st_mode), status.st_nlink
            seen[name] = ("file", mode, links, status.st_mtime_ns, path.read_bytes())
    return seen


def destroy(data: SmallData) -> None:
    shutil.rmtree(data.folder)


def test_a_destroyed_directory_comes_back_to_the_byte(data, store):
    before = picture(data.folder)
    saved = backup(data, store)
    assert saved.manifest.head.line().startswith("20261125T060000Z")
    destroy(data)
    done = back(store, data)
    assert picture(data.folder) == before
    assert (done.written, done.kept, done.deleted) == (saved.manifest.head.files, 0, 0)
    assert Registry(data.layout.recogniser).current_name() == "v000002"
    first, second = (
        (data.layout.recogniser / name / "tfjs" / "weights.bin").stat().st_ino
        for name in ("v000001", "v000002")
    )
    assert first == second
    with refresh_lock(data.settings):  # it can be worked in
        pass


def test_a_second_backup_writes_only_what_is_new(data, store):
    first = backup(data, store)
    assert first.new[0] == len(first.manifest.blobs())
    again = backup(data, store, hour=7)
    assert again.new == (0, 0)
    assert again.manifest.trees == first.manifest.trees
    write_bytes(data.layout.image("train", "1", "new"), b"a new photograph")
    write_bytes(data.layout.image("train", "1", "newer"), b"a new photograph")
    assert backup(data, store, hour=8).new == (1, len(b"a new photograph"))
    assert store.names() == [f"20261125T0{hour}0000Z" for hour in (6, 7, 8)]


def test_the_same_content_gives_the_same_manifest_but_for_its_name(data, store, tmp_path):
    one = backup(data, store).manifest
    other = backup(data, Store(str(tmp_path / "elsewhere"))).manifest
    assert encode(one) == encode(other)
    assert decode(encode(one), one.name) == one


def test_two_backups_of_one_second_have_two_names(data, store):
    names = [backup(data, store).manifest.name for _ in range(3)]
    assert names == ["20261125T060000Z", "20261125T060000Z-2", "20261125T060000Z-3"]
    assert store.names() == names


def test_nothing_of_what_belongs_to_the_machine_is_in_a_backup():
    for name in ("state/ops", "state/ops/secrets/password", "state/ops/prefect/prefect.db"):
        assert left_out(name, stat.S_IFREG) == "machine"
    assert left_out("state/opsa", stat.S_IFREG) == ""


def test_temporary_files_locks_and_secrets_are_left_out_and_counted(data, store):
    folder = data.layout.data
    for path in (
        "state/ops/secrets/password",
        "state/ops/worker.json",
        "images/train/1/.tmp-half",
        ".tmp-restore/x",
        "state/refresh.lock",
        "state/refresh.holder.json",
        "README.md",
        "state/prefect/prefect.db-wal",
    ):
        write_bytes(folder / path, b"hunter2")
    write_bytes(folder / "state" / "prefect" / "results" / "a", b"kept")
    with socket.socket(socket.AF_UNIX) as unix:
        os.chdir(folder)  # a socket's path is short
        unix.bind("socket")
        os.chdir(ROOT)
        saved = backup(data, store)
    entries = saved.manifest.trees["data"]
    reasons = {skip.id: skip.reason for skip in saved.skipped}
    assert reasons == {
        "data/state/ops": "machine",
        "data/images/train/1/.tmp-half": "temporary",
        "data/.tmp-restore": "temporary",
        "data/state/refresh.lock": "lock",
        "data/state/refresh.holder.json": "lock",
        "data/state/backup.lock": "lock",
        "data/README.md": "document",
        "data/state/prefect/prefect.db-wal": "database",
        "data/socket": "special",
        "models/recogniser/.lock": "lock",
    }
    given = list(folder.rglob("*"))
    within = sum(
        any(part in str(path) for part in ("state/ops/", ".tmp-restore/")) for path in given
    )
    left = [skip for skip in saved.skipped if skip.id.startswith("data/")]
    assert len(given) - within == len(entries) + len(left) - 1  # the holder's file is gone again
    assert "state/prefect/results/a" in {entry.path for entry in entries}
    assert not says(store.folder, "hunter2")


def test_a_backup_waits_for_nobody_and_says_who_is_at_work(data, store):
    with hold(data.settings), pytest.raises(Locked, match=r"process \d+ on .* works in"):
        backup(data, store)
    assert store.names() == []
    with saving._alone(data.layout), pytest.raises(Locked, match="another backup"):
        backup(data, store)


def test_what_moves_while_it_is_read_is_read_again(data, store, monkeypatch):
    """A refresh at work during the first reading changes, adds and deletes files."""
    layout = data.layout
    new, gone = layout.image("train", "2", "new"), layout.image("train", "1", "k0")
    real = sending.scan

    def moving(root, digests, apart=None, moving=False):
        found = real(root, digests, apart, moving)
        if moving and root == layout.data:
            gone.unlink()
            write_bytes(new, b"new")
            write_bytes(layout.image("train", "1", "k1"), b"changed meanwhile")
        return found

    monkeypatch.setattr(sending, "scan", moving)
    saved = backup(data, store)
    before = picture(data.folder)
    assert check(store) == []
    paths = {entry.path for entry in saved.manifest.trees["data"]}
    assert layout.relative(new) in paths
    assert layout.relative(gone) not in paths
    destroy(data)
    back(store, data)
    assert picture(data.folder) == before


def test_a_directory_that_is_half_restored_is_in_no_backup(data, store):
    write_json(data.layout.data / "state" / "restoring.json", {"backup": "x", "logs": {}})
    with pytest.raises(ElencoError, match="half restored"):
        backup(data, store)


def test_what_is_stored_is_for_its_owner_alone(data, store):
    backup(data, store)
    for name in ("blobs", "manifests"):
        assert stat.S_IMODE((store.folder / name).stat().st_mode) == 0o700


def test_a_link_that_leads_out_is_said_not_lost(data, store, tmp_path):
    (tmp_path / "disk").mkdir()
    link = data.layout.data / "images" / "far"
    for target in (str(tmp_path / "disk"), "../../../disk"):
        link.symlink_to(target)
        with pytest.raises(ElencoError, match=r"leads out of .* would be in no backup"):
            backup(data, store)
        link.unlink()


def test_a_place_within_what_is_backed_up_and_nothing_to_back_up(data, settings, layout, store):
    with pytest.raises(ConfigError, match=r"lies in .* which is backed up"):
        backup(data, Store(str(data.layout.models / "backups")))
    with pytest.raises(ConfigError, match="there is nothing in"):
        save(store, settings, layout)


def test_a_place_that_can_not_be_made_is_one_line(data, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ElencoError, match="file/x can't be used"):
        backup(data, Store(str(tmp_path / "file" / "x")))


def test_models_within_data_are_listed_once(tmp_path, store):
    settings = settings_of(tmp_path / "x").model_copy()
    paths = settings.paths.model_copy(update={"models": tmp_path / "x" / "data" / "models"})
    settings = settings.model_copy(update={"paths": paths})
    layout = Layout.of(settings)
    add_version(layout, PEOPLE)
    write_bytes(layout.data / "images" / "x", b"x")
    manifest = save(store, settings, layout, now=NOW).manifest
    assert not any(entry.path.startswith("models") for entry in manifest.trees["data"])
    before = picture(tmp_path / "x" / "data")
    shutil.rmtree(tmp_path / "x")
    restore(store, settings, layout, choose(store))
    assert picture(tmp_path / "x" / "data") == before


# Damage


def blob_of(store: Store, path: str) -> Path:
    entries = [e for tree in choose(store).trees.values() for e in tree if e.path == path]
    assert store.folder is not None
    sha256 = entries[0].sha256
    return store.folder / "blobs" / sha256[:2] / sha256


DAMAGES = {
    "other bytes": lambda path: path.write_bytes(path.read_bytes()[::-1]),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:5]),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_blob_is_found_before_anything_is_changed_and_mended(data, store, damage):
    backup(data, store)
    before = picture(data.folder)
    photograph = data.layout.image("train", "1", "k0")
    name = data.layout.relative(photograph)
    DAMAGES[damage](blob_of(store, name))
    (line,) = check(store)
    assert line.startswith(("damaged: ", "missing: "))
    assert f"data/{name}" in line
    elsewhere = SmallData(data.folder.parent / "elsewhere")
    with pytest.raises(ElencoError, match=f"{name} can't be restored .*nothing was changed"):
        back(store, elsewhere)
    left = picture(elsewhere.folder)
    assert not [path for path, what in left.items() if what[0] != "directory"]
    # Where the file still is, the next backup that looks writes it again.
    saved = backup(data, store, hour=7, check=True)
    assert (saved.new[0], saved.mended) == (1, int(damage != "gone"))
    assert check(store) == []
    destroy(data)
    back(store, data, "20261125T060000Z")
    assert picture(data.folder) == before


def test_a_missing_or_damaged_manifest_is_one_line_and_the_others_are_used(data, store):
    with pytest.raises(ElencoError, match=r"there is no backup at .*: is the address right"):
        choose(store)
    backup(data, store)
    newest = backup(data, store, hour=7).manifest
    with pytest.raises(ElencoError, match="there is no backup 20200101T000000Z at"):
        choose(store, "20200101T000000Z")
    for name in ("../x", "latest"):
        with pytest.raises(ElencoError, match="is no backup's name"):
            choose(store, name)
    assert store.folder is not None
    path = store.folder / "manifests" / f"{newest.name}.json.gz"
    whole = path.read_bytes()
    head, _, body = gzip.decompress(whole).partition(b"\n")
    altered = gzip.compress(head + b"\n" + body.replace(b"k0", b"k9"))
    for damage in (b"", whole[:-20], whole[:30], b"no gzip", altered, gzip.compress(b"{}\n")):
        path.write_bytes(damage)
        with pytest.raises(ElencoError, match=f"{newest.name} is damaged .*: take another"):
            choose(store)
    assert choose(store, "20261125T060000Z")
    with pytest.raises(ElencoError, match="nothing was pruned"):
        prune(store, 1)
    assert check(store) == []  # of what can be read, and nothing was deleted
    path.write_bytes(gzip.compress(head.replace(b'"format": 1', b'"format": 2') + b"\n" + body))
    with pytest.raises(ElencoError, match="made by a newer release: upgrade Elenco"):
        choose(store)


SHA = "ab" * 32
FILE = Entry("a", "file", 0o644, 1, 0, SHA)
EVIL = {
    "above": [Entry("../a", "file", 0o644, 1, 0, SHA)],
    "absolute": [Entry("/etc/passwd", "file", 0o644, 1, 0, SHA)],
    "hidden above": [Entry("x", "directory"), Entry("x/../../a", "file", 0o644, 1, 0, SHA)],
    "no folder": [Entry("x/a", "file", 0o644, 1, 0, SHA)],
    "through a link": [Entry("x", "link", target="y"), Entry("x/a", "file", 0o644, 1, 0, SHA)],
    "through a file": [FILE, Entry("a/b", "file", 0o644, 1, 0, SHA)],
    "twice": [FILE, FILE],
    "link out": [Entry("x", "link", target="../../etc")],
    "link to root": [Entry("x", "link", target="/etc")],
    "set-uid": [Entry("a", "file", 0o4755, 1, 0, SHA)],
    "not a digest": [Entry("a", "file", 0o644, 1, 0, "../../x")],
    "other kind": [Entry("a", "device")],  # pyright: ignore[reportArgumentType]
    "empty": [Entry("", "directory")],
    "same as nothing": [Entry("a", "file", 0o644, 1, 0, SHA, same_as="../x")],
    "negative": [Entry("a", "file", 0o644, -1, 0, SHA)],
    "no size": [Entry("a", "file", 0o644, 1.5, 0, SHA)],  # pyright: ignore[reportArgumentType]
    "no time": [Entry("a", "file", 0o644, 1, 0.5, SHA)],  # pyright: ignore[reportArgumentType]
    "no time there is": [Entry("a", "file", 0o644, 1, 1 << 63, SHA)],
}


@pytest.mark.parametrize("what", EVIL)
def test_a_manifest_that_leads_elsewhere_is_refused(what, monkeypatch):
    name = "20261125T060000Z"
    trees = {"data": tuple(EVIL[what]), "models": ()}
    with pytest.raises(ElencoError, match="damaged"):
        decode(encode(Manifest(name, "0.1.0", 1, trees)), name)
    good = (FILE, Entry("before 1970", "file", 0o644, 1, -1, SHA))
    assert decode(encode(Manifest(name, "0.1.0", 1, {"data": good, "models": ()})), name)


def test_an_entry_with_unknown_fields_is_refused():
    with pytest.raises(ValueError, match="not known"):
        manifests._entries([{"path": "a", "kind": "directory", "owner": 0}])


def test_a_backup_of_a_newer_release_is_not_restored(data, store):
    saved = backup(data, store)
    newer = Manifest("20261126T060000Z", "9.0", 99, saved.manifest.trees)
    store.write(newer)
    with pytest.raises(ElencoError, match="newer release: upgrade Elenco"):
        back(store, data, force=True)


# What is there


def test_what_is_there_is_not_written_over(data, store):
    backup(data, store)
    write_bytes(data.layout.image("train", "1", "k0"), b"another")
    write_bytes(data.layout.data / "notes.txt", b"of the operator")
    before = picture(data.folder)
    with pytest.raises(ElencoError, match=r"is not empty: 2 files .*images/train/1/k0.*--force"):
        back(store, data)
    assert picture(data.folder) == before


def test_force_replaces_what_is_there_and_deletes_what_else_is(data, store):
    before = picture(data.folder)
    backup(data, store)
    layout = data.layout
    write_bytes(layout.image("train", "1", "k0"), b"another")
    layout.image("train", "1", "k1").unlink()
    layout.image("train", "1", "k1").mkdir()  # a folder where a file is to be
    shutil.rmtree(layout.data / "images" / "test")
    (layout.data / "images" / "test").write_text("a file where a folder is to be")
    write_bytes(layout.data / "more" / "notes.txt", b"of the operator")
    Registry(layout.recogniser).promote("v000001", "test")
    write_bytes(layout.data / "state" / "ops" / "secrets" / "password", b"stays")
    write_bytes(layout.models / "README.md", b"of the checkout")
    done = back(store, data, force=True)
    assert picture(data.folder) == before
    assert done.deleted == 1
    assert (layout.data / "state" / "ops" / "secrets" / "password").exists()
    assert (layout.models / "README.md").exists()


def test_what_is_there_already_is_not_written_again(data, store):
    before = picture(data.folder)
    saved = backup(data, store)
    layout = data.layout
    layout.image("train", "1", "k0").unlink()
    layout.image("train", "1", "k1").chmod(0o600)
    os.utime(layout.image("train", "1", "k1"), (1, 1))
    split = layout.recogniser / "v000001" / "tfjs" / "weights.bin"
    write_bytes(split, split.read_bytes())  # no more the same file
    done = back(store, data)
    assert picture(data.folder) == before
    assert (done.written, done.kept) == (2, saved.manifest.head.files - 2)


def test_the_documents_of_a_checkout_and_a_first_stamp_are_in_nobodys_way(data, store, tmp_path):
    backup(data, store)
    before = picture(data.folder)
    other = SmallData(tmp_path / "other")
    write_bytes(other.layout.data / "README.md", b"x")
    write_bytes(other.layout.models / "FaceNET-Keras" / "README.md", b"x")
    with refresh_lock(other.settings):
        pass
    back(store, other)
    assert {k: v for k, v in picture(other.folder).items() if k in before} == before


def test_a_disk_that_is_too_small_is_said_before_anything_is_changed(data, store, monkeypatch):
    backup(data, store)
    destroy(data)
    usage = shutil.disk_usage(store.folder)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ElencoError, match=r"0 MiB left and the backup needs .* make room"):
        back(store, data)
    assert not (data.layout.data / "state" / "restoring.json").exists()


# A full disk and kills


def test_a_full_disk_costs_nothing_that_was_there(data, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)]
    if os.getuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        store = Store(str(small / "backups"))
        saved = backup(data, store)
        write_bytes(data.layout.image("train", "1", "huge"), os.urandom(400_000))
        with pytest.raises(OSError, match="No space left"):
            backup(data, store, hour=7)
        assert store.names() == [saved.manifest.name]
        assert check(store) == []
        assert not list(small.rglob(".tmp-*"))
        data.layout.image("train", "1", "huge").unlink()
        assert backup(data, store, hour=8).manifest.trees["models"]
        assert os.statvfs(small).f_bavail  # nothing of what did not fit is left
    finally:
        subprocess.run(["umount", str(small)], check=True)


def few(root: Path) -> tuple[Settings, Layout]:
    """Three files and a link, in `root/data` and `root/models`."""
    settings = settings_of(root)
    return settings, Layout.of(settings)


@pytest.fixture
def small(tmp_path) -> Path:
    root = tmp_path / "start"
    _, layout = few(root)
    write_bytes(layout.image("train", "1", "k0"), b"one")
    write_bytes(layout.image("train", "1", "k1"), b"one")
    write_bytes(layout.recogniser / "v000001" / "labels.json", b"{}")
    (layout.recogniser / "current").symlink_to("v000001")
    return root


def save_there(root: Path) -> None:
    settings, layout = few(root)
    save(Store(str(root / "backups")), settings, layout, keep=1, now=NOW.replace(hour=7))


def test_killed_at_any_change_a_backup_is_there_or_not_and_the_next_is_whole(small):
    settings, layout = few(small)
    store = Store(str(small / "backups"))
    save(store, settings, layout, now=NOW)
    write_bytes(layout.image("train", "1", "k2"), b"two")
    layout.image("train", "1", "k0").unlink()
    expected = picture(small / "data")
    for root in killed_at_each_change(small, save_there):
        store = Store(str(root / "backups"))
        assert store.names()
        assert check(store) == []
        save_there(root)
        assert check(store) == []
        assert len(store.names()) == 1
        assert not list((root / "backups").rglob(".tmp-*"))
        shutil.rmtree(root / "data")
        shutil.rmtree(root / "models")
        settings, layout = few(root)
        restore(store, settings, layout, choose(store))
        assert picture(root / "data") == expected


def restore_there(root: Path) -> None:
    settings, layout = few(root)
    store = Store(str(root / "backups"))
    restore(store, settings, layout, choose(store))


def test_killed_at_any_change_a_restore_run_again_ends_the_same(small):
    settings, layout = few(small)
    save(Store(str(small / "backups")), settings, layout, now=NOW)
    expected = {tree: picture(small / tree) for tree in ("data", "models")}
    shutil.rmtree(small / "data")
    shutil.rmtree(small / "models")
    marked = 0
    for root in killed_at_each_change(small, restore_there):
        settings, layout = few(root)
        if (layout.data / "state" / "restoring.json").exists():
            marked += 1
            with pytest.raises(ElencoError, match="half restored"), refresh_lock(settings):
                pass
        else:  # nothing was changed yet, or all is done
            found = {t: picture(root / t) for t in ("data", "models") if (root / t).exists()}
            whole = {k: v for t in found.values() for k, v in t.items() if v[0] != "directory"}
            assert not whole or found == expected
        restore_there(root)
        assert {tree: picture(root / tree) for tree in ("data", "models")} == expected
        assert not list(root.glob("*/.tmp-*"))
    assert marked > 3


def test_what_a_power_cut_left_of_content_that_was_read_is_read_again(data, store):
    before = picture(data.folder)
    manifest = backup(data, store).manifest
    files = [e for e in manifest.trees["data"] if e.path.endswith(".jpg")]
    whole, empty, torn = [(data.layout.data / e.path).read_bytes() for e in files[:3]]
    destroy(data)
    stage = data.layout.data / STAGE
    for entry, left in zip(files, (whole, empty[:0], torn[:5]), strict=False):
        write_bytes(stage / entry.sha256, left)
    # What is whole is not read again: the store has lost it since.
    blob_of(store, files[0].path).unlink()
    back(store, data)
    assert picture(data.folder) == before


def test_content_of_a_restore_that_is_not_repeated_goes_when_the_directory_is_used(data):
    stages = [root / STAGE / SHA for root in (data.layout.data, data.layout.models)]
    for path in stages:
        write_bytes(path, b"somebody's face")
    download = data.layout.models / "FaceNET-Keras" / ".tmp-of another process"
    write_bytes(download, b"weights")
    with refresh_lock(data.settings):
        assert not [path.parent for path in stages if path.parent.exists()]
        assert download.exists()


# Old backups


def test_of_older_backups_only_what_no_other_needs_is_deleted(data, store):
    backup(data, store, hour=1)
    data.layout.image("train", "1", "k0").unlink()
    backup(data, store, hour=2)
    write_bytes(data.layout.image("train", "1", "new"), b"new")
    before = picture(data.folder)
    done = backup(data, store, hour=3, keep=2).pruned
    assert done is not None
    assert (done.removed, len(done.kept), done.blobs) == (("20261125T010000Z",), 2, 1)
    assert check(store) == []
    assert backup(data, store, hour=4, keep=9).pruned.removed == ()
    destroy(data)
    back(store, data, "20261125T030000Z")
    assert picture(data.folder) == before


def test_content_that_another_installation_deletes_meanwhile_is_noticed(data, store, monkeypatch):
    real = store.blobs
    calls = []

    def blobs() -> dict[str, int]:
        calls.append(1)
        found = real()
        return found if len(calls) == 1 else dict(list(found.items())[1:])

    monkeypatch.setattr(store, "blobs", blobs)
    with pytest.raises(ElencoError, match=r"1 of the files .* a place of its own"):
        backup(data, store)
    assert store.names() == []


# Who was forgotten


def test_who_was_forgotten_since_does_not_come_back(data, store):
    backup(data, store)
    forget("2", data.settings, data.layout)
    denied, audit = data.layout.denylist.read_bytes(), data.layout.audit.read_bytes()
    backup(data, store, hour=7)
    destroy(data)
    done = back(store, data, "20261125T060000Z")
    assert done.forgotten == 1
    assert data.layout.image("train", "1", "k0").exists()
    assert not data.layout.image("train", "2", "k0").exists()
    assert not says(data.folder / "data", "Bo Person")
    assert data.layout.denylist.read_bytes() == denied
    assert data.layout.audit.read_bytes().startswith(audit)
    assert Registry(data.layout.recogniser).withdrawn("v000002")
    assert not (data.layout.data / "state" / "restoring.json").exists()


def test_what_is_written_over_says_who_was_forgotten_too(data, store):
    backup(data, store)
    forget("2", data.settings, data.layout)
    denied = list(read_entries(data.layout.denylist))
    done = back(store, data, force=True)
    assert done.forgotten == 1
    assert list(read_entries(data.layout.denylist)) == denied
    assert [line["action"] for line in read_entries(data.layout.audit)] == ["forget", "forget"]
    assert not says(data.folder / "data", "Bo Person")


def test_killed_before_the_forgetting_it_is_done_by_the_next_try(data, store, monkeypatch):
    backup(data, store)
    forget("2", data.settings, data.layout)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("elenco.backup.restore.forget_again", killed)
        with pytest.raises(KeyboardInterrupt):
            back(store, data, force=True)
    with pytest.raises(ElencoError, match="half restored"), refresh_lock(data.settings):
        pass
    assert back(store, data).forgotten == 1
    assert not says(data.folder / "data", "Bo Person")


# The commands


def elenco(data: SmallData, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    paths = {
        "ELENCO_PATHS__DATA": str(data.folder / "data"),
        "ELENCO_PATHS__MODELS": str(data.folder / "models"),
    }
    return subprocess.run(
        [ELENCO, *arguments],
        env=clean | paths | variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_commands_say_what_they_did(data, tmp_path):
    place = str(tmp_path / "backups")
    write_bytes(data.layout.data / "state" / "ops" / "secrets" / "password", b"x")
    done = elenco(data, "backup", place, "--keep", "2")
    assert done.returncode == 0, done.stderr
    for words in ("MiB; new: ", "left out: ", "1 folder of processes and secrets", "0 older"):
        assert words in done.stdout
    assert (
        "Prefect's database: none is known: set PREFECT_SERVER_DATABASE_CONNECTION_URL"
        in done.stdout
    )
    listed = elenco(data, "backups", place, "--check")
    assert listed.returncode == 0, listed.stderr
    assert "no database" in listed.stdout
    assert "everything is there" in listed.stdout
    refused = elenco(data, "restore", place, "--into", str(tmp_path / "trial"), "--backup", "x")
    assert refused.returncode == 1
    assert refused.stderr == "elenco: 'x' is no backup's name: `elenco backups` lists them\n"
    trial = elenco(data, "restore", place, "--into", str(tmp_path / "trial"))
    assert trial.returncode == 0, trial.stderr
    assert "secrets are in no backup" in trial.stdout
    for tree in ("data", "models"):
        assert picture(tmp_path / "trial" / tree) == picture(data.folder / tree)
    blob = next((tmp_path / "backups" / "blobs").glob("*/*"))
    blob.write_bytes(b"x" + blob.read_bytes()[1:])
    found = elenco(data, "backups", place, "--check")
    assert found.returncode == 1
    assert "damaged: 2" in found.stdout


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("memory://x", "gone with this command"),
        ("nonsense://x", "neither a folder nor an address"),
        ("ftp://me:hunter2@host/x", "holds a password"),
    ],
)
def test_a_place_that_is_none_is_one_line(data, place, said):
    done = elenco(data, "backup", place)
    assert done.returncode == 1
    assert said in done.stderr
    assert "hunter2" not in done.stderr + done.stdout
    assert done.stderr.startswith("elenco: ")
    assert done.stderr.count("\n") == 1


def test_a_listing_is_by_name_and_follows_no_link(tmp_path):
    write_bytes(tmp_path / "b" / "x", b"1")
    write_bytes(tmp_path / "a-b", b"2")
    write_bytes(tmp_path / "a" / "y", b"3")
    (tmp_path / "c").symlink_to("b")
    entries = scan(tmp_path, Digests()).entries
    assert [entry.path for entry in entries] == ["a", "a-b", "a/y", "b", "b/x", "c"]
    assert [entry.kind for entry in entries][-1] == "link"
    assert scan(tmp_path / "nowhere", Digests()).entries == ()
    assert json.dumps(entries[2].sha256)
