"""A version of the recogniser on the photographs that were held out of its training."""

from pathlib import Path

from elenco.embedding.base import Embedder
from elenco.evaluation.evaluation import Evaluation, evaluate
from elenco.evaluation.protocol import protocol_of, version_trial
from elenco.layout import Layout
from elenco.recognition.dataset import Dataset, read_dataset
from elenco.recognition.files import load_gallery
from elenco.recognition.fit import fit
from elenco.recognition.gallery import Gallery
from elenco.recognition.quarantine import read_quarantine
from elenco.settings import Settings


def evaluate_version(
    directory: Path,
    settings: Settings,
    layout: Layout,
    embedder: Embedder | None,
    larger: bool = False,
) -> Evaluation:
    """Measure a version on the held-out photographs that are not quarantined.

    Args:
        directory: the version's.
        settings: `evaluation`, `training`, `compute`.
        layout: where the embeddings and aligned faces are.
        embedder: to embed degraded faces with, the version's; None to leave these out.
        larger: measure galleries of more people than it knows too, which can take minutes.

    Raises:
        RegistryError: the version is damaged.
        NotEnoughData: there is no held-out photograph.
        SpaceMismatch: the embeddings or the embedder are of another space than the version.
    """
    gallery = load_gallery(directory)
    name = gallery.space.embedder
    out = frozenset(read_quarantine(layout.quarantine(name)))
    train, test = (read_dataset(layout.joined(name, split), out) for split in ("train", "test"))
    return evaluate_gallery(
        directory.name, gallery, train, test, len(out), settings, layout, embedder, larger
    )


def evaluate_gallery(
    name: str,
    gallery: Gallery,
    train: Dataset,
    test: Dataset,
    quarantined: int,
    settings: Settings,
    layout: Layout,
    embedder: Embedder | None,
    larger: bool = False,
) -> Evaluation:
    """`evaluate_version` of one that is not on disk.

    Args:
        name: how it is called in the report.
        gallery: the recogniser.
        train: what it was made from.
        test: the held-out photographs.
        quarantined: how many photographs of both splits were left out.
        settings: as in `evaluate_version`, like the rest.
        layout: where.
        embedder: or None.
        larger: or not.
    """
    trial = version_trial(gallery, train, test)
    return evaluate(
        name,
        trial,
        protocol_of(trial, quarantined),
        settings,
        layout,
        fit=fit,
        larger=larger,
        embedder=embedder,
    )
