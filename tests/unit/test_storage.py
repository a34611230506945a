import errno
import os
import zipfile

import numpy as np
import pytest

from elenco import storage


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_write_replaces_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "a" / "b.bin"
    storage.write_bytes(path, b"one")
    storage.write_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    assert names(path.parent) == ["b.bin"]
    os.umask(umask := os.umask(0))
    assert os.stat(path).st_mode & 0o777 == 0o666 & ~umask


def test_a_full_disk_is_told_with_the_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    path = tmp_path / "b.bin"
    with pytest.raises(OSError, match=f"No space left on device: '{path}'"):
        storage.write_bytes(path, b"new")
    assert names(tmp_path) == []


def test_a_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "b.bin"
    storage.write_bytes(path, b"old")
    with pytest.raises(TypeError):
        storage.write_bytes(path, "text is no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["b.bin"]


def test_npz_is_the_same_for_the_same_arrays_and_needs_no_pickle(tmp_path):
    arrays = {"x": np.arange(6.0).reshape(2, 3), "names": np.array(["a", "bé"])}
    storage.write_npz(tmp_path / "1.npz", **arrays)
    storage.write_npz(tmp_path / "2.npz", **arrays)
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()
    back = storage.read_npz(tmp_path / "1.npz")
    assert back.keys() == arrays.keys()
    assert all((back[name] == arrays[name]).all() for name in arrays)


def test_object_arrays_are_refused_both_ways(tmp_path):
    with pytest.raises(ValueError, match="names"):
        storage.write_npz(tmp_path / "1.npz", names=np.array(["a", None]))
    assert names(tmp_path) == []
    np.savez(tmp_path / "pickled.npz", x=np.array([None]))
    with pytest.raises(ValueError, match="allow_pickle"):
        storage.read_npz(tmp_path / "pickled.npz")
    (tmp_path / "torn.npz").write_bytes((tmp_path / "pickled.npz").read_bytes()[:40])
    with pytest.raises((ValueError, zipfile.BadZipFile)):
        storage.read_npz(tmp_path / "torn.npz")


def test_a_directory_is_there_complete_or_not_at_all(tmp_path):
    target = tmp_path / "v1"
    with pytest.raises(RuntimeError), storage.build_directory(target) as building:
        (building / "half").write_text("half")
        raise RuntimeError("killed")
    assert names(tmp_path) == []
    with storage.build_directory(target) as building:
        assert not target.exists()
        (building / "whole").write_text("whole")
    assert names(target) == ["whole"]
    with pytest.raises(FileExistsError), storage.build_directory(target):
        pass
    assert names(target) == ["whole"]


def test_symlink_is_replaced(tmp_path):
    link = tmp_path / "current"
    for name in ("v1", "v2"):
        (tmp_path / name).mkdir()
        storage.replace_symlink(link, name)
        assert os.readlink(link) == name
    assert names(tmp_path) == ["current", "v1", "v2"]


def test_leftovers_of_killed_writes_are_removed_and_nothing_else(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / f"{storage.TEMPORARY}abc").write_text("half")
    (tmp_path / f"{storage.TEMPORARY}dir").mkdir()
    (tmp_path / f"{storage.TEMPORARY}dir" / "x").write_text("half")
    (tmp_path / "sub" / "kept.jpg").write_text("whole")
    assert storage.remove_leftovers(tmp_path) == 2
    assert names(tmp_path) == ["sub"]
    assert names(tmp_path / "sub") == ["kept.jpg"]
