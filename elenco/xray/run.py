"""A video to `xray.json` and its other forms: what `elenco xray` and the flow do."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from elenco.embedding.base import Embedder, load_embedder
from elenco.errors import Locked, SpaceMismatch, UnexpectedAnswer
from elenco.faces.mtcnn import load_detector
from elenco.fingerprint import digest, file_sha256
from elenco.layout import Layout
from elenco.progress import say
from elenco.recognition.files import load_gallery
from elenco.recognition.gallery import Gallery
from elenco.recognition.recogniser import describe
from elenco.registry import Registry
from elenco.rights.denylist import Denylist
from elenco.rights.versions import denied_of, source_of
from elenco.settings import Settings
from elenco.storage import remove_leftovers, write_bytes
from elenco.text import well_formed
from elenco.xray.analysis import analyse, analysis_key
from elenco.xray.cast import Found, Wanted, find_cast
from elenco.xray.document import FACES, Film, Identity, document_of, film_of
from elenco.xray.faces import FaceDetector
from elenco.xray.files import FILE, read_xray, write_xray
from elenco.xray.naming import name_tracks
from elenco.xray.outputs import check_outputs, write_outputs
from elenco.xray.segments import Segment
from elenco.xray.types import Video as VideoFacts
from elenco.xray.types import XRay
from elenco.xray.video import Video, VideoError

# Raise it when the same segments and cast would give another document.
XRAY_VERSION = "1"
WORK = ".work"  # folder of what is done so far
_NAMING = {"gap_seconds"}


@dataclass(frozen=True)
class Tools:
    """What a video is looked through with.

    Attributes:
        version: directory of the recogniser's version.
        gallery: of that version.
        denied: who may not be named.
        embedder: of the gallery's space.
        detector: finds faces.
    """

    version: Path
    gallery: Gallery
    denied: Denylist
    embedder: Embedder
    detector: FaceDetector


def load_tools(settings: Settings, layout: Layout) -> Tools:
    """The version in use, and the networks that go with it.

    Raises:
        RegistryError: no version is promoted yet, or it is damaged.
        SpaceMismatch: the embedder is not as it was when the version was trained.
        WeightsError: weights are missing or not the ones expected.
    """
    directory = Registry(layout.recogniser).current().resolve()
    gallery = load_gallery(directory)
    embedder = load_embedder(gallery.space.embedder, settings, layout)
    if embedder.space != gallery.space:
        raise SpaceMismatch(
            f"the version in use was trained on {describe(gallery.space)}, the embedder here is "
            f"{describe(embedder.space)}: run `elenco refresh`, or `elenco models promote` another"
        )
    return Tools(
        directory, gallery, denied_of(directory, layout), embedder, load_detector(settings)
    )


def annotate(
    path: Path,
    out: Path,
    wanted: Wanted,
    settings: Settings,
    tools: Tools,
    *,
    burn_in: bool = False,
) -> XRay:
    """Say who is on screen in a video, and write it into a folder (`elenco.xray.outputs`).

    `xray.json` is there as a whole or not at all; what a killed run has done is gone on with. The
    same video, cast, version and settings give the same bytes, and are not looked through again:
    the other forms are then made of what is there.

    Args:
        path: of the video.
        out: the folder; made where it is not there.
        wanted: who may be named.
        settings: sections `xray`, `faces` and `compute`.
        tools: recogniser and networks.
        burn_in: write the film with boxes and names as well.

    Raises:
        VideoError: the file is no video, or has no frame with a time.
        NotEnoughData: nobody of the cast is known.
        ConfigError: a name of the cast stands for several people, or the folder holds something
            that would be written over.
        Locked: another run works in the folder.
        OSError: the disk is full, or the folder can't be written.
    """
    if not path.exists():
        raise VideoError(f"there is no {path}: name a video file")
    by_name = source_of(tools.version) != "tmdb"
    found = find_cast(wanted, tools.gallery.people, tools.denied, by_name)
    video = Video(path)
    check_outputs(path, out, burn_in)
    with _alone(out):
        sha256 = file_sha256(path)
        key = analysis_key(sha256, settings, tools.detector, tools.embedder)
        fingerprint = _fingerprint(key, wanted, found, settings, tools)
        if (there := _there(out, fingerprint)) is not None:
            say(f"{out / FILE} is up to date")
            write_outputs(there, path, out, burn_in)
            return there
        work = out / WORK / key[:16]
        segments = analyse(video, settings, tools.detector, tools.embedder, work)
        xray, pictures = _document(
            video, sha256, fingerprint, segments, wanted, found, settings, tools
        )
        _write(xray, pictures, out)
        _tidy(out, work if settings.xray.keep_work else None, pictures)
        write_outputs(xray, path, out, burn_in)
    return xray


def _document(
    video: Video,
    sha256: str,
    fingerprint: str,
    segments: list[Segment],
    wanted: Wanted,
    found: Found,
    settings: Settings,
    tools: Tools,
) -> tuple[XRay, dict[str, bytes]]:
    frames = sum(segment.frames["kept"] for segment in segments)
    if not frames:
        raise VideoError(f"{video.path}: no frame has a time: remux it into .mp4 or .mkv")
    film = film_of(segments)
    gallery = tools.gallery
    denied = [n for n, person in enumerate(gallery.people) if person.id in tools.denied]
    candidates = np.array(found.candidates(), np.int64)
    named, bars = name_tracks(film.tracks, film.shot_of, gallery, candidates, denied)
    identity = Identity(
        fingerprint,
        _facts(video, sha256, segments, film),
        tools.version.name,
        source_of(tools.version),
        {
            "xray": settings.xray.model_dump(mode="json", exclude={"keep_work"}),
            "faces": {"min_score": settings.faces.min_score},
        },
    )
    return document_of(
        identity,
        segments,
        film,
        named,
        bars,
        gallery,
        wanted,
        found,
        settings.xray.gap_seconds,
    )


def _facts(video: Video, sha256: str, segments: list[Segment], film: Film) -> VideoFacts:
    facts = video.facts
    decoded = sum(s.frames["kept"] + s.frames.get("between_samples", 0) for s in segments)
    return VideoFacts(
        name=well_formed(video.path.name),
        sha256=sha256,
        duration=round(film.end, 3),
        width=facts.width,
        height=facts.height,
        fps=round(decoded / film.end, 3) if film.end else 0.0,
        rotation=facts.rotation,  # pyright: ignore[reportArgumentType]
        codec=facts.codec,
    )


def _fingerprint(key: str, wanted: Wanted, found: Found, settings: Settings, tools: Tools) -> str:
    """Names what the document is made from; the version's directory never changes."""
    version = [tools.version.name, (tools.version / "gallery.npz").stat().st_size]
    naming = settings.xray.model_dump(include=_NAMING)
    return digest(XRAY_VERSION, key, version, wanted, found, naming, tools.gallery.threshold)


def _there(out: Path, fingerprint: str) -> XRay | None:
    """The document, if it is of these inputs and its faces are there."""
    try:
        xray = read_xray(out / FILE)
    except UnexpectedAnswer:
        return None
    faces = [one.face for one in (*xray.people, *xray.unknown)]
    whole = all((out / face).is_file() for face in faces)
    return xray if xray.fingerprint == fingerprint and whole else None


def _write(xray: XRay, pictures: dict[str, bytes], out: Path) -> None:
    for name, data in pictures.items():
        write_bytes(out / name, data)
    write_xray(xray, out)


def _tidy(out: Path, keep: Path | None, pictures: dict[str, bytes]) -> None:
    """Remove the vectors of faces, and the faces of an earlier document."""
    for face in (out / FACES).glob("track-*.jpg"):
        if f"{FACES}/{face.name}" not in pictures:
            face.unlink()
    for work in (out / WORK).iterdir():
        if work.is_dir() and work != keep:
            shutil.rmtree(work)


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold the output folder."""
    work = out / WORK
    work.mkdir(parents=True, exist_ok=True)
    lock = FileLock(work / "lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise Locked(f"another run works in {out}: wait for it, or give another --out") from None
    try:
        remove_leftovers(out)
        yield
    finally:
        lock.release()
