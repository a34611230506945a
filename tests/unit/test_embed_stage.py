"""The embed stage, with an embedder that needs no network."""

import hashlib
import json
import os
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from elenco.curation.hashes import phash
from elenco.embedding import stage
from elenco.embedding.stage import EMBED_VERSION, embed_shard, join_shards
from elenco.errors import NotEnoughData, SpaceMismatch
from elenco.faces.crops import CROP_SIZE, DLIB_WINDOW
from elenco.faces.images import decode, encode_jpeg
from elenco.fingerprint import bytes_sha256, file_sha256
from elenco.records import Record
from elenco.stages import still_there
from elenco.storage import read_npz, write_bytes, write_npz
from elenco.types import EmbeddingSpace, ShardRef, StageReport
from tests.small_data import A_FACE

PEOPLE = {"7": "Ana", "12": "Bo", "x": "Cy"}


class HashEmbedder:
    """Unit vectors that depend on the pixels alone; counts, and fails after `limit` crops."""

    window = DLIB_WINDOW
    model = None

    def __init__(self, weights="a" * 64, limit=10**9):
        self.space = EmbeddingSpace("hash", weights, 8, "none")
        self.count = 0
        self._limit = limit

    def embed_raw(self, crops):
        if self.count + len(crops) > self._limit:
            raise KeyboardInterrupt
        self.count += len(crops)
        seeds = [zlib.crc32(crop.tobytes() + self.space.weights_sha256.encode()) for crop in crops]
        vectors = np.array([np.random.default_rng(seed).normal(size=8) for seed in seeds])
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors.astype(np.float32)


def crop_bytes(number):
    """A crop of one colour; as many differ as there are numbers up to 1,000."""
    colour = np.array([number % 10 * 25, number // 10 % 10 * 25, number // 100 * 25], np.uint8)
    return encode_jpeg(np.full((CROP_SIZE, CROP_SIZE, 3), colour))


def entry(layout, person, key, data, split="train"):
    """Store a crop and return what `detect` would record of it."""
    write_bytes(layout.crop(split, person, key), data)
    return {
        "person_id": person,
        "key": key,
        "split": split,
        "sha256": "0" * 64,
        "crop_sha256": bytes_sha256(data),
        **A_FACE,
    }


def detected(layout, entries, shard=0):
    record = Record("detect", "1", "inputs", True, entries)
    path = layout.record("detect", shard)
    record.save(path)
    report = StageReport(len(entries), len(entries))
    return ShardRef("detect", shard, layout.relative(path), record.digest(), report)


@pytest.fixture
def entries(layout):
    """Nine crops of three people, the last of each in the test split, in no order."""
    made = [
        entry(layout, person, f"k{n}", crop_bytes(10 * p + n), "test" if n == 2 else "train")
        for p, person in enumerate(PEOPLE)
        for n in range(3)
    ]
    return made[::-1]


def test_rows_are_what_anyone_can_read(entries, settings, layout):
    ref = embed_shard(detected(layout, entries), settings, layout, HashEmbedder())
    path = layout.data / ref.path
    assert path == layout.shard_npz("hash", 0)
    assert ref.digest == file_sha256(path)
    with np.load(path, allow_pickle=False) as file:
        rows = {name: file[name] for name in file.files}
    assert rows["vectors"].dtype == np.float32
    assert rows["vectors"].shape == (9, 8)
    np.testing.assert_allclose(np.linalg.norm(rows["vectors"], axis=1), 1, atol=1e-6)
    pairs = list(zip(rows["person_ids"].tolist(), rows["keys"].tolist(), strict=True))
    assert pairs == sorted((e["person_id"], e["key"]) for e in entries)
    assert rows["splits"].tolist() == ["train", "train", "test"] * 3
    by_id = {(e["person_id"], e["key"]): e["crop_sha256"] for e in entries}
    split_of = {(e["person_id"], e["key"]): e["split"] for e in entries}
    assert rows["crop_sha256"].tolist() == [by_id[pair] for pair in pairs]
    hashes = [phash(decode(layout.crop(split_of[pair], *pair).read_bytes(), 1)) for pair in pairs]
    assert rows["phashes"].dtype == np.uint64
    assert rows["phashes"].tolist() == hashes
    assert rows["boxes"].dtype == rows["scores"].dtype == np.float32
    assert rows["boxes"].tolist() == [[1, 2, 30, 40]] * 9
    meta = json.loads(str(rows["meta"]))
    assert meta["space"]["embedder"] == "hash"
    assert (meta["version"], meta["complete"]) == (EMBED_VERSION, True)
    assert ref.report == StageReport(9, 9, 0, {}, ref.report.seconds)


def test_kept_and_skipped_are_what_was_given(entries, settings, layout):
    good = [entry(layout, "7", "copy", crop_bytes(1))]
    page = entry(layout, "12", "page", b"<html>no</html>")
    part = entry(layout, "12", "part", crop_bytes(99)[:300])
    small = entry(layout, "12", "small", encode_jpeg(np.zeros((64, 64, 3), np.uint8)))
    gone, changed = entries[0], entries[1]
    layout.crop(gone["split"], gone["person_id"], gone["key"]).unlink()
    write_bytes(
        layout.crop(changed["split"], changed["person_id"], changed["key"]), crop_bytes(555)
    )
    # The same crop twice, one of them gone: that one is skipped, the other kept.
    twin = entry(layout, "x", "twin", crop_bytes(2))
    layout.crop("train", "x", "twin").unlink()
    given = [*entries, *good, page, part, small, twin]
    embedder = HashEmbedder()
    ref = embed_shard(detected(layout, given), settings, layout, embedder)
    report = ref.report
    assert report.given == len(given) == report.kept + sum(report.skipped.values())
    assert report.skipped == {
        "crop_changed": 1,
        "crop_missing": 2,
        "crop_size": 1,
        "not_an_image": 1,
        "truncated": 1,
    }
    assert len(read_npz(layout.data / ref.path)["vectors"]) == report.kept
    # What is not as it was detected is cut again, and embedded then.
    assert not layout.crop(changed["split"], changed["person_id"], changed["key"]).exists()
    assert not still_there(ref, layout)


def test_nothing_is_embedded_twice(entries, settings, layout):
    first = embed_shard(detected(layout, entries), settings, layout, HashEmbedder())
    path = layout.data / first.path
    os.utime(path, (1, 1))
    again = HashEmbedder()
    second = embed_shard(detected(layout, entries), settings, layout, again)
    assert again.count == 0
    assert second.digest == first.digest
    assert (second.report.kept, second.report.reused) == (9, 9)
    assert path.stat().st_mtime == 1


def test_a_new_photograph_alone_is_embedded_and_a_removed_one_goes(entries, settings, layout):
    embed_shard(detected(layout, entries), settings, layout, HashEmbedder())
    changed = [*entries[1:], entry(layout, "7", "new", crop_bytes(77))]
    embedder = HashEmbedder()
    ref = embed_shard(detected(layout, changed), settings, layout, embedder)
    assert embedder.count == 1
    keys = read_npz(layout.data / ref.path)["keys"].tolist()
    assert "new" in keys
    assert len(keys) == 9


@pytest.mark.parametrize("other", ["weights", "version"])
def test_another_space_or_version_embeds_all_again(entries, settings, layout, monkeypatch, other):
    embed_shard(detected(layout, entries), settings, layout, HashEmbedder())
    if other == "version":
        monkeypatch.setattr(stage, "EMBED_VERSION", "next")
    embedder = HashEmbedder("b" * 64 if other == "weights" else "a" * 64)
    embed_shard(detected(layout, entries), settings, layout, embedder)
    assert embedder.count == 9


def test_a_killed_run_goes_on_and_ends_with_the_same_file(entries, settings, layout, monkeypatch):
    monkeypatch.setattr(stage, "ROWS_BETWEEN_SAVES", 2)
    monkeypatch.setattr(stage, "CHUNK_CROPS", 2)
    monkeypatch.setattr(stage, "in_lanes", lambda work, chunks, lanes: map(work, chunks))
    ref = detected(layout, entries)
    whole = embed_shard(ref, settings, layout, HashEmbedder())
    (layout.data / whole.path).unlink()
    with pytest.raises(KeyboardInterrupt):
        embed_shard(ref, settings, layout, HashEmbedder(limit=5))
    partial = read_npz(layout.data / whole.path)
    assert json.loads(str(partial["meta"]))["complete"] is False
    assert len(partial["vectors"]) == 4
    rest = HashEmbedder()
    assert embed_shard(ref, settings, layout, rest).digest == whole.digest
    assert rest.count == 5


def test_a_damaged_file_is_made_again(entries, settings, layout):
    first = embed_shard(detected(layout, entries), settings, layout, HashEmbedder())
    path = layout.data / first.path
    for damage in (b"", b"junk", path.read_bytes()[:200]):
        path.write_bytes(damage)
        assert embed_shard(detected(layout, entries), settings, layout, HashEmbedder()).digest == (
            first.digest
        )


def test_a_shard_of_nobody_has_no_rows(settings, layout):
    ref = embed_shard(detected(layout, []), settings, layout, HashEmbedder())
    rows = read_npz(layout.data / ref.path)
    assert rows["vectors"].shape == (0, 8)
    assert rows["boxes"].shape == (0, 4)
    assert ref.report.given == 0
    # Its file is read like any other.
    assert embed_shard(detected(layout, []), settings, layout, HashEmbedder()).digest == ref.digest


def test_a_shard_whose_record_is_gone_is_said_to_be(entries, settings, layout):
    ref = detected(layout, entries)
    (layout.data / ref.path).unlink()
    with pytest.raises(NotEnoughData, match="refresh again"):
        embed_shard(ref, settings, layout, HashEmbedder())


def test_a_part_of_what_was_detected_is_not_taken_for_all_of_it(entries, settings, layout):
    whole, part = detected(layout, entries), detected(layout, entries[:4])
    with pytest.raises(NotEnoughData, match="changed since its faces were detected: refresh again"):
        embed_shard(whole, settings, layout, HashEmbedder())
    assert not layout.shard_npz("hash", 0).exists()
    assert embed_shard(part, settings, layout, HashEmbedder()).report.kept == 4


def shards(layout, settings, entries, parts):
    """Embed entries cut into shards: `parts[i]` is the shard of person i."""
    where = dict(zip(PEOPLE, parts, strict=True))
    return [
        embed_shard(
            detected(layout, [e for e in entries if where[e["person_id"]] == shard], shard),
            settings,
            layout,
            HashEmbedder(),
        )
        for shard in sorted(set(parts))
    ]


def test_joined_splits_are_what_a_classifier_needs(entries, settings, layout):
    refs = shards(layout, settings, entries, [0, 1, 1])
    dataset = join_shards(refs, PEOPLE, settings, layout, "hash")
    assert (dataset.people, dataset.train_rows, dataset.test_rows) == (3, 6, 3)
    for split, path in (("train", dataset.train), ("test", dataset.test)):
        rows = read_npz(layout.data / path)
        assert rows["labels"].dtype == np.int64
        assert rows["people"].tolist() == sorted(PEOPLE)
        assert rows["people"][rows["labels"]].tolist() == rows["person_ids"].tolist()
        assert rows["names"].tolist() == [PEOPLE[p] for p in rows["person_ids"].tolist()]
        expected = sorted((e["person_id"], e["key"]) for e in entries if e["split"] == split)
        pairs = zip(rows["person_ids"].tolist(), rows["keys"].tolist(), strict=True)
        assert list(pairs) == expected
        assert rows["phashes"].dtype == np.uint64
        assert len(rows["phashes"]) == len(expected)
        assert json.loads(str(rows["meta"]))["space"]["embedder"] == "hash"


def test_joining_again_writes_nothing(entries, settings, layout):
    refs = shards(layout, settings, entries, [0, 1, 1])
    first = join_shards(refs, PEOPLE, settings, layout, "hash")
    for path in (first.train, first.test):
        os.utime(layout.data / path, (1, 1))
    assert join_shards(refs, PEOPLE, settings, layout, "hash") == first
    assert {(layout.data / p).stat().st_mtime for p in (first.train, first.test)} == {1}


def test_shards_that_are_no_more_go(entries, settings, layout):
    refs = shards(layout, settings, entries, [0, 1, 2])
    join_shards(refs[:2], PEOPLE, settings, layout, "hash")
    assert sorted(p.name for p in layout.processed("hash").glob("shard-*")) == [
        "shard-000.npz",
        "shard-001.npz",
    ]


def test_two_spaces_are_not_joined(entries, settings, layout):
    refs = shards(layout, settings, entries, [0, 1, 1])
    part = [e for e in entries if e["person_id"] == "x"]
    other = embed_shard(detected(layout, part, 5), settings, layout, HashEmbedder("b" * 64))
    with pytest.raises(SpaceMismatch, match="2 embedding spaces"):
        join_shards([*refs, other], PEOPLE, settings, layout, "hash")
    assert not layout.joined("hash", "train").exists()


def test_people_who_are_not_listed_any_more_are_said(entries, settings, layout):
    refs = shards(layout, settings, entries, [0, 0, 1])
    left = {"12": PEOPLE["12"]}
    with pytest.raises(NotEnoughData, match=r"\d people .* collect first"):
        join_shards(refs, left, settings, layout, "hash")
    assert not layout.joined("hash", "train").exists()


def test_no_shard_is_an_error(settings, layout):
    with pytest.raises(NotEnoughData):
        join_shards([], PEOPLE, settings, layout, "hash")


@hypothesis(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(parts=st.lists(st.integers(0, 3), min_size=3, max_size=3), reverse=st.booleans())
def test_how_people_are_cut_into_shards_never_matters(entries, settings, layout, parts, reverse):
    refs = shards(layout, settings, entries, parts)
    dataset = join_shards(refs[::-1] if reverse else refs, PEOPLE, settings, layout, "hash")
    whole = join_shards(
        shards(layout, settings, entries, [0, 0, 0]), PEOPLE, settings, layout, "hash"
    )
    assert dataset == whole


def test_files_are_read_without_pickle(tmp_path):
    with pytest.raises(ValueError, match="object array"):
        write_npz(tmp_path / "x.npz", x=np.array([{}]))


def test_hash_embedder_tells_crops_apart(settings):
    crops = np.stack([np.full((CROP_SIZE, CROP_SIZE, 3), n, np.uint8) for n in range(5)])
    vectors = HashEmbedder().embed_raw(crops)
    assert len({hashlib.sha256(v.tobytes()).hexdigest() for v in vectors}) == 5
