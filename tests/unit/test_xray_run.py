"""Films of people who do not exist, with the real networks."""

import errno
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from elenco.demo.film import write_film
from elenco.embedding.base import load_embedder
from elenco.errors import ConfigError, Locked, NotEnoughData, RegistryError
from elenco.faces.mtcnn import load_detector
from elenco.layout import Layout
from elenco.recognition.dataset import Dataset
from elenco.recognition.files import write_gallery
from elenco.recognition.fit import fit
from elenco.rights.denylist import Denylist, person_digest
from elenco.settings import Settings, load_settings
from elenco.storage import write_json
from elenco.xray import run as running
from elenco.xray.analysis import analyse
from elenco.xray.burn_in import burnt_in
from elenco.xray.cast import Role, everyone, wanted_of
from elenco.xray.faces import look_for_faces
from elenco.xray.files import read_xray
from elenco.xray.outputs import output_paths
from elenco.xray.report import summary_lines, xray_markdown
from elenco.xray.run import Tools, annotate, load_tools
from elenco.xray.sampling import Sample
from elenco.xray.sheet import face_sheet
from elenco.xray.video import Video, VideoError
from tests.xray_help import head, patterns, stays, take, write_video

PEOPLE, LOOKS = 8, 4
SIZE = (320, 180)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Settings:
    root = tmp_path_factory.mktemp("xray")
    paths = {"data": root / "data", "models": root / "models"}
    return load_settings(
        Path(__file__).parents[2] / "config" / "default.toml",
        paths=paths,
        embedding={"embedder": "dlib_resnet"},
        xray={"min_face": 0.15},
    )


@pytest.fixture(scope="module")
def tools(base, tmp_path_factory) -> Tools:
    """A recogniser of PEOPLE who do not exist, trained on a film of each."""
    detector = load_detector(base)
    embedder = load_embedder("dlib_resnet", base, Layout.of(base))
    folder = tmp_path_factory.mktemp("portraits")
    vectors, labels = [], []
    takes = [
        take(n, stays(head(n, look), 0.5, size=0.5), seconds=0.04)
        for n in range(PEOPLE)
        for look in range(LOOKS)
    ]
    write_film(folder / "a.mkv", takes, size=SIZE, options={"crf": "12", "g": "1"})
    video = Video(folder / "a.mkv")
    samples = [Sample(f.time, f.picture) for f in video.frames(0, Counter())]
    for n, seen in enumerate(look_for_faces(samples, video.facts, detector, 0.15)):
        if seen.faces:
            vectors.append(embedder.embed(seen.faces[0].crop[None])[0])
            labels.append(n // LOOKS)
    ids = np.array([f"p{n}" for n in range(PEOPLE)])
    labels = np.array(labels)
    ones = np.ones(len(labels), np.float32)
    names = np.array([f"Person {n}" for n in range(PEOPLE)])
    keys = np.array([str(n) for n in range(len(labels))])
    data = Dataset(
        np.stack(vectors),
        labels,
        ids[labels],
        names[labels],
        keys,
        ids,
        ones,
        ones,
        ones,
        ones,
        embedder.space,
    )
    version = folder / "v000007"
    version.mkdir()
    gallery = fit(data, base)
    write_gallery(gallery, version)
    write_json(version / "card.json", {"source": "folder"})
    return Tools(version, gallery, Denylist("folder"), embedder, detector)


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    """Two people, a cut, one of them and a stranger, a cut, nobody."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    takes = [
        take(1, stays(head(0, 50), 0.3), stays(head(1, 51), 0.7), seconds=1.6),
        take(2, stays(head(0, 52), 0.3), stays(head(90, 1, "stranger"), 0.72), seconds=1.6),
        take(3, seconds=0.8),
    ]
    write_film(path, takes, size=SIZE, options={"crf": "18", "preset": "veryfast"})
    return path


def seen(xray) -> dict[str, list[tuple[float, float]]]:
    return {p.id: [(a.start, a.end) for a in p.appearances] for p in xray.people}


def test_who_is_on_screen_when_and_where(tmp_path, film, base, tools):
    xray = annotate(film, tmp_path, everyone(), base, tools)
    assert seen(xray) == {"p0": [(0.0, 3.2)], "p1": [(0.0, 1.6)]}
    [unknown] = xray.unknown
    assert [(a.start, a.end) for a in unknown.appearances] == [(1.6, 3.2)]
    assert (unknown.label, unknown.scenes) == ("Unknown 1", 1)
    assert [(s.start, s.end) for s in xray.shots] == [(0, 1.6), (1.6, 3.2), (3.2, 4.0)]
    assert xray.video.duration == 4.0
    assert (xray.video.width, xray.video.height) == SIZE
    left = next(track for track in xray.tracks if track.person == "p0")
    box = left.boxes[0]
    assert abs(box.x + box.w / 2 - 0.3) < 0.03
    assert abs(box.y + box.h / 2 - 0.5) < 0.05
    counts = xray.counts
    assert counts.frames.given == 100
    assert counts.frames.kept + counts.frames.skipped["between_samples"] == 100
    assert counts.faces.kept == sum(len(track.boxes) for track in xray.tracks)
    for one in (*xray.people, unknown):
        assert (tmp_path / one.face).read_bytes().startswith(b"\xff\xd8")
    assert read_xray(tmp_path) == xray


def test_reports(tmp_path, film, base, tools):
    cast = wanted_of("file", [Role("p0", "", "The Pilot"), Role("", "Nobody | Here")])
    xray = annotate(film, tmp_path, cast, base, tools)
    text = "\n".join(summary_lines(xray))
    assert "Person 0 as The Pilot: 3.2 s" in text
    assert "not_in_model 1" in text
    sheet = face_sheet(xray, tmp_path)
    report = xray_markdown(xray, sheet)
    assert "| Person 0 | The Pilot | 3.2 |" in report
    assert "Nobody \\| Here" in report
    assert "data:image/jpeg" in report


def test_only_the_cast_is_named(tmp_path, film, base, tools):
    away = tools.gallery.people[-1].id
    cast = wanted_of("file", [Role("p1", ""), Role(away, "", "Nobody seen"), Role("x", "Gone")])
    xray = annotate(film, tmp_path, cast, base, tools)
    assert list(seen(xray)) == ["p1"]
    standing = {member.id: member.standing.value for member in xray.cast.members}
    assert standing == {"p1": "seen", away: "not_seen", "x": "not_in_model"}
    assert xray.counts.cast.model_dump() == {"given": 3, "kept": 2, "skipped": {"not_in_model": 1}}


def test_who_may_not_be_named_is_unknown(tmp_path, film, base, tools):
    denied = Denylist("folder", frozenset({person_digest("folder", "p0")}))
    without = Tools(tools.version, tools.gallery, denied, tools.embedder, tools.detector)
    xray = annotate(film, tmp_path, everyone(), base, without)
    assert list(seen(xray)) == ["p1"]
    text = (tmp_path / "xray.json").read_text()
    assert '"p0"' not in text
    assert "Person 0" not in text
    assert xray.counts.cast.skipped == {"denied": 1}


def short(base: Settings, **changes) -> Settings:
    """Segments of one shot: the film has three."""
    xray = base.xray.model_copy(update={"segment_seconds": 1.2} | changes)
    return base.model_copy(update={"xray": xray})


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(
    tmp_path, film, base, tools, monkeypatch
):
    settings = short(base)
    annotate(film, tmp_path / "whole", everyone(), settings, tools)
    written: list[Path] = []

    def writing(segment, path):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path)
        real(segment, path)

    real = analyse.__globals__["write_segment"]
    monkeypatch.setitem(analyse.__globals__, "write_segment", writing)
    with pytest.raises(KeyboardInterrupt):
        annotate(film, tmp_path / "killed", everyone(), settings, tools)
    times = [path.stat().st_mtime_ns for path in written]
    monkeypatch.setitem(analyse.__globals__, "write_segment", real)
    kept = short(base, keep_work=True)
    annotate(film, tmp_path / "killed", everyone(), kept, tools)
    assert [path.stat().st_mtime_ns for path in written] == times
    names = {p.relative_to(tmp_path / "whole") for p in (tmp_path / "whole").rglob("*.j*")}
    for name in names:
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_segments_change_nothing_but_where_the_work_is_cut(tmp_path, film, base, tools):
    whole = annotate(film, tmp_path / "a", everyone(), base, tools)
    parts = annotate(film, tmp_path / "b", everyone(), short(base), tools)
    same = ("video", "people", "unknown", "shots", "scenes", "tracks", "counts")
    for name in same:
        assert getattr(whole, name) == getattr(parts, name), name


def test_what_is_done_is_not_done_again(tmp_path, film, base, tools, monkeypatch):
    first = annotate(film, tmp_path, everyone(), base, tools)
    assert not list((tmp_path / ".work").glob("*/*.npz"))

    def never(*_):
        raise AssertionError("looked through again")

    monkeypatch.setattr(running, "analyse", never)
    assert annotate(film, tmp_path, everyone(), base, tools) == first
    with pytest.raises(AssertionError):
        annotate(film, tmp_path, wanted_of("file", [Role("p1", "")]), base, tools)


def test_a_form_that_is_missing_is_made_of_what_is_there(tmp_path, film, base, tools, monkeypatch):
    out = tmp_path / "out"
    annotate(film, out, everyone(), base, tools, burn_in=True)
    paths = output_paths(out, annotated=True)
    first = {path: path.read_bytes() for path in paths}
    for path in paths[1:]:
        path.unlink()
    monkeypatch.setattr(running, "analyse", None)
    annotate(film, out, everyone(), base, tools)
    assert {p: p.read_bytes() for p in paths[:-1]} == {p: first[p] for p in paths[:-1]}
    assert not paths[-1].exists()
    annotate(film, out, everyone(), base, tools, burn_in=True)
    assert burnt_in(paths[-1]) == read_xray(out).fingerprint


def test_a_folder_of_somebody_elses_is_left_as_it_is(tmp_path, film, base, tools):
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(ConfigError, match="another --out"):
        annotate(film, tmp_path, everyone(), base, tools)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


def test_a_file_name_of_any_bytes(tmp_path, base, tools):
    path = write_video(tmp_path / "a.mp4", patterns(5, 96, 64))
    odd = path.rename(tmp_path / os.fsdecode(b"a\xff.mp4"))
    xray = annotate(odd, tmp_path / "out", everyone(), base, tools)
    assert xray.video.name == "a\ufffd.mp4"
    assert read_xray(tmp_path / "out") == xray
    assert '"../a%FF.mp4"' in (tmp_path / "out" / "index.html").read_text()


def test_kept_work_names_with_another_cast(tmp_path, film, base, tools):
    settings = short(base, keep_work=True)
    annotate(film, tmp_path, everyone(), settings, tools)
    work = sorted((tmp_path / ".work").glob("*/*.npz"))
    times = [path.stat().st_mtime_ns for path in work]
    assert len(work) == 3
    xray = annotate(film, tmp_path, wanted_of("file", [Role("p1", "")]), settings, tools)
    assert [path.stat().st_mtime_ns for path in work] == times
    named = {one.face for one in (*xray.people, *xray.unknown)}
    assert {f"faces/{p.name}" for p in (tmp_path / "faces").iterdir()} == named


def test_a_damaged_segment_is_made_again(tmp_path, film, base, tools):
    settings = short(base, keep_work=True)
    first = annotate(film, tmp_path, everyone(), settings, tools)
    sorted((tmp_path / ".work").glob("*/*.npz"))[1].write_bytes(b"damaged")
    (tmp_path / "xray.json").unlink()
    assert annotate(film, tmp_path, everyone(), settings, tools) == first


def test_a_video_without_faces(tmp_path, base, tools):
    path = write_video(tmp_path / "a.mp4", patterns(20, 96, 64))
    xray = annotate(path, tmp_path / "out", everyone(), base, tools)
    assert (xray.people, xray.unknown, xray.tracks) == ((), (), ())
    assert len(xray.shots) == len(xray.scenes) == 1
    assert "nobody who is known" in "\n".join(summary_lines(xray))
    assert face_sheet(xray, tmp_path / "out") is None
    assert "# a.mp4" in xray_markdown(xray, None)


def test_bad_input_is_told_of_and_leaves_no_document(tmp_path, film, base, tools):
    text = tmp_path / "a.mp4"
    text.write_text("no video")
    nobody = wanted_of("file", [Role("", "Nobody")])
    cases = [
        (text, everyone(), VideoError, "no video"),
        (tmp_path / "gone.mp4", everyone(), VideoError, "there is no"),
        (film, nobody, NotEnoughData, "none of the 1"),
    ]
    for path, wanted, kind, says in cases:
        with pytest.raises(kind, match=says):
            annotate(path, tmp_path / "out", wanted, base, tools)
    assert not (tmp_path / "out").exists()


def test_a_full_disk_ends_the_run_and_room_ends_the_trouble(
    tmp_path, film, base, tools, monkeypatch
):
    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("elenco.xray.segments.write_npz", full)
        with pytest.raises(OSError, match="No space left"):
            annotate(film, tmp_path, everyone(), base, tools)
    assert not (tmp_path / "xray.json").exists()
    assert annotate(film, tmp_path, everyone(), base, tools).people


def test_one_run_a_folder(tmp_path, film, base, tools):
    with running._alone(tmp_path), pytest.raises(Locked, match="another"):
        annotate(film, tmp_path, everyone(), base, tools)


def test_without_a_version_it_says_what_to_do(settings, layout):
    with pytest.raises(RegistryError, match="elenco refresh"):
        load_tools(settings, layout)
