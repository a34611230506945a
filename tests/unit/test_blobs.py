"""Content by its digest at a place: what is read, deleted, refused, by how many requests."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import fsspec
import pytest

from elenco import s3
from elenco.blobs import Blobs, Changed, Damaged
from elenco.errors import ElencoError
from elenco.fingerprint import bytes_sha256
from tests.s3 import s3_bucket

PIECE = 10


@pytest.fixture(scope="module")
def server() -> Iterator[None]:
    with s3_bucket("elenco-blobs"):
        yield


@pytest.fixture
def bucket(server, tmp_path) -> str:
    """A place in a bucket; its name is what fsspec would take for a pattern of names."""
    return f"s3://elenco-blobs/of [one] {tmp_path.name}"


@pytest.fixture(params=["folder", "memory", "s3"])
def blobs(request, tmp_path, monkeypatch) -> Iterator[Blobs]:
    monkeypatch.setattr(s3, "PIECE", PIECE)
    monkeypatch.setattr(s3, "BATCH", 3)
    places = {"folder": str(tmp_path / "place"), "memory": "memory://place/x"}
    blobs = Blobs(places.get(request.param) or request.getfixturevalue("bucket"))
    blobs.prepare()
    yield blobs
    with suppress(FileNotFoundError):
        fsspec.filesystem("memory").rm("/place", recursive=True)


@pytest.fixture
def requests(bucket, monkeypatch) -> Counter[str]:
    """What the service is asked for from now on."""
    from aiobotocore.client import AioBaseClient

    asked: Counter[str] = Counter()
    real = AioBaseClient._make_api_call

    async def call(self, name, arguments):
        asked[name] += 1
        return await real(self, name, arguments)

    monkeypatch.setattr(AioBaseClient, "_make_api_call", call)
    return asked


def put(blobs: Blobs, folder: Path, content: bytes) -> str:
    (folder / "file").write_bytes(content)
    sha256 = bytes_sha256(content)
    blobs.put(folder / "file", sha256)
    return sha256


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_content_of_any_size_comes_back(blobs, tmp_path, size):
    content = b"0123456789abcdefghijklmnopqrstuvwxyz"[:size]
    sha256 = put(blobs, tmp_path, content)
    assert blobs.digest(sha256) == sha256
    blobs.get(sha256, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content


def test_content_that_is_missing_or_another_is_damaged(blobs, tmp_path):
    sha256 = put(blobs, tmp_path, b"x" * 3 * PIECE)
    fs = blobs._fs
    for content in (b"", b"x" * PIECE, b"x" * 4 * PIECE, None):
        if content is None:
            fs.rm_file(blobs._blob(sha256))
        else:
            fs.pipe_file(blobs._blob(sha256), content)
            assert blobs.digest(sha256) == bytes_sha256(content)
        with pytest.raises(Damaged):
            blobs.get(sha256, tmp_path / "back")
    with pytest.raises(Damaged):
        blobs.digest(bytes_sha256(b""))
    assert not (tmp_path / "back").exists()


def test_what_is_deleted_is_gone_and_what_is_gone_is_no_error(blobs, tmp_path):
    stored = [put(blobs, tmp_path, bytes([number])) for number in range(8)]
    blobs.delete([*stored[:7], bytes_sha256(b"never stored")])
    assert blobs.blobs() == {stored[7]: 1}
    blobs.delete(stored[:7])
    blobs.delete([])
    assert blobs.blobs() == {stored[7]: 1}


@pytest.mark.parametrize(
    "name", ["../../x", "", "ab" * 31, "AB" * 32, "ab" * 32 + "\n", "../" * 32]
)
def test_what_is_no_digest_names_no_content(blobs, tmp_path, name):
    (tmp_path / "x").write_bytes(b"x")
    for work in (
        lambda: blobs.put(tmp_path / "x", name),
        lambda: blobs.get(name, tmp_path / "back"),
        lambda: blobs.digest(name),
        lambda: blobs.delete([name]),
    ):
        with pytest.raises(ValueError, match="names no content"):
            work()
    assert (tmp_path / "x").exists()


def test_each_file_is_one_request_to_write_and_one_to_read(bucket, requests, tmp_path):
    blobs = Blobs(bucket)
    sha256 = put(blobs, tmp_path, b"a photograph")
    assert requests == {"PutObject": 1, "GetObject": 1}
    requests.clear()
    blobs.get(sha256, tmp_path / "back")
    assert requests == {"GetObject": 1}


def test_a_thousand_files_are_deleted_by_one_request(bucket, requests):
    blobs = Blobs(bucket)
    names = [f"{number:064x}" for number in range(1001)]
    blobs._fs.pipe_file(blobs._blob(names[0]), b"x")
    blobs._fs.pipe_file(blobs._blob(names[1000]), b"x")
    requests.clear()
    blobs.delete(names)
    assert requests == {"DeleteObjects": 2}
    assert blobs.blobs() == {}


def test_a_service_that_does_not_delete_many_at_once_is_asked_for_each(
    bucket, tmp_path, monkeypatch
):
    blobs = Blobs(bucket)
    stored = [put(blobs, tmp_path, bytes([number])) for number in range(3)]

    def unknown(*_: object, **__: object) -> None:
        raise OSError(38, "NotImplemented")

    with monkeypatch.context() as patch:
        patch.setattr(blobs._fs, "call_s3", unknown)
        blobs.delete(stored)
    assert blobs.blobs() == {}


def test_what_the_service_does_not_let_go_of_is_said(bucket, tmp_path, monkeypatch):
    """It answers that the request went well, and which of the files it kept."""
    blobs = Blobs(bucket)
    stored = [put(blobs, tmp_path, bytes([number])) for number in range(3)]

    def keeps(_name: str, Bucket: str, Delete: dict) -> dict:
        return {"Errors": [{"Key": Delete["Objects"][1]["Key"], "Code": "AccessDenied"}]}

    def denied(_path: str) -> None:
        raise PermissionError(13, "Access Denied")

    with monkeypatch.context() as patch:
        patch.setattr(blobs._fs, "call_s3", keeps)
        patch.setattr(blobs._fs, "rm_file", denied)
        with pytest.raises(ElencoError, match=r"can't be used \(Access Denied\)"):
            blobs.delete(stored)
    blobs.delete(stored)


def test_what_arrives_as_another_is_not_kept(blobs, tmp_path):
    (tmp_path / "file").write_bytes(b"changed meanwhile")
    with pytest.raises(Changed, match="did not arrive whole"):
        blobs.put(tmp_path / "file", bytes_sha256(b"as it was"))
    assert blobs.blobs() == {}
