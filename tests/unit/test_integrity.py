import os
from pathlib import Path

import pytest

from elenco import integrity
from elenco.errors import RegistryError
from elenco.fingerprint import bytes_sha256, file_sha256
from elenco.integrity import DIGESTS, Digests, verify_digests, write_digests
from elenco.storage import read_json, write_json


@pytest.fixture
def directory(tmp_path) -> Path:
    """A version's directory with its digests."""
    folder = tmp_path / "v000001"
    (folder / "tfjs" / "embedder").mkdir(parents=True)
    for name in ("gallery.npz", "labels.json", "tfjs/embedder/model.json"):
        (folder / name).write_text(f"content of {name}")
    (folder / ".tmp-left").write_text("of a killed run")
    write_digests(folder)
    return folder


def test_every_file_is_named_with_its_digest_sorted_and_the_same_each_time(directory):
    told = read_json(directory / DIGESTS)
    assert list(told) == ["gallery.npz", "labels.json", "tfjs/embedder/model.json"]
    assert told["labels.json"] == bytes_sha256(b"content of labels.json")
    before = (directory / DIGESTS).read_bytes()
    write_digests(directory)
    assert (directory / DIGESTS).read_bytes() == before
    verify_digests(directory)


@pytest.mark.parametrize("name", ["gallery.npz", "tfjs/embedder/model.json"])
def test_a_file_that_changed_is_named_with_what_to_do(directory, name):
    verify_digests(directory)
    path = directory / name
    before = path.stat()
    path.write_bytes(path.read_bytes().swapcase())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as a tool that keeps times does
    with pytest.raises(
        RegistryError, match=rf"v000001 is damaged \({name} is not what was wr"
    ) as e:
        verify_digests(directory)
    assert "elenco models rollback" in str(e.value)
    with pytest.raises(RegistryError):
        verify_digests(directory, name)
    verify_digests(directory, "labels.json")  # others can be loaded alone


def test_missing_files_and_digests_are_damage(directory):
    (directory / "gallery.npz").unlink()
    with pytest.raises(RegistryError, match=r"gallery\.npz is missing"):
        verify_digests(directory, "gallery.npz")
    with pytest.raises(RegistryError, match=r"does not name other\.npz"):
        verify_digests(directory, "other.npz")
    for damage, why in ((b"{", "can't be read"), (b"[]", "can't be read")):
        (directory / DIGESTS).write_bytes(damage)
        with pytest.raises(RegistryError, match=why):
            verify_digests(directory)
    (directory / DIGESTS).unlink()
    with pytest.raises(RegistryError, match=rf"it has no {DIGESTS}"):
        verify_digests(directory)


def test_a_name_that_leads_out_of_the_directory_is_never_right(directory, tmp_path):
    (tmp_path / "outside").write_text("x")
    for name in ("../outside", str(tmp_path / "outside")):
        write_json(directory / DIGESTS, {name: bytes_sha256(b"x")})
        with pytest.raises(RegistryError, match="is not what was written"):
            verify_digests(directory)


def test_a_file_nobody_names_is_passed_over(directory):
    (directory / "notes.txt").write_text("of the operator")
    verify_digests(directory)


def test_what_did_not_change_is_read_once(directory, monkeypatch):
    read = []

    def counting(path: Path) -> str:
        read.append(path.name)
        return file_sha256(path)

    monkeypatch.setattr(integrity, "file_sha256", counting)
    monkeypatch.setattr(integrity, "_digests", Digests())
    verify_digests(directory)
    verify_digests(directory, "labels.json")
    assert sorted(read) == ["gallery.npz", "labels.json", "model.json"]
    content = (directory / "labels.json").read_bytes()
    (directory / "new").write_bytes(content)
    os.replace(directory / "new", directory / "labels.json")  # another file with the same content
    verify_digests(directory)
    assert len(read) == 4
