"""A recogniser of half of a folder's photographs, on the other half."""

from collections.abc import Mapping

from elenco.embedding.base import Embedder
from elenco.evaluation.duplicates import near_duplicates
from elenco.evaluation.evaluation import Evaluation, evaluate
from elenco.evaluation.folder import Folder, embed_folder, photograph_keys
from elenco.evaluation.protocol import folder_trial, protocol_of
from elenco.evaluation.verification import Pairs, Photograph, Verification, verify
from elenco.layout import Layout
from elenco.recognition.dataset import Dataset, read_dataset
from elenco.recognition.fit import fit
from elenco.settings import Settings


def evaluate_folder(
    folder: Folder,
    min_photos: int,
    pairs: Pairs | None,
    settings: Settings,
    layout: Layout,
    embedder: Embedder,
) -> Evaluation:
    """Put a folder through the stages, and measure.

    A photograph that is there twice counts once. Photographs of the wrong person count: whoever
    gives them says who is shown.

    Args:
        folder: as `look_into` gives it.
        min_photos: people with so many photographs are known, the others are strangers.
        pairs: to be verified too; None for none.
        settings: `evaluation`, `training`, `compute`, `curation.duplicate_bits`.
        layout: whose denylist holds.
        embedder: of the photographs, degraded ones included.

    Raises:
        ElencoError: a stage can't work, too few people have photographs enough, or a photograph of
            the pairs is not there.
    """
    keys = photograph_keys(folder, pairs) if pairs is not None else {}
    stages = embed_folder(folder, embedder, layout.denylist)
    path = folder.layout.joined(embedder.space.embedder, "train")
    twice = near_duplicates(path, settings.curation.duplicate_bits)
    everything, data = read_dataset(path), read_dataset(path, twice)
    trial = folder_trial(data, min_photos, fit, settings)
    verification = verify_folder(pairs, keys, everything, settings) if pairs is not None else None
    return evaluate(
        folder.path.resolve().name,
        trial,
        protocol_of(trial, len(twice), min_photos, folder.empty),
        settings,
        folder.layout,
        fit=fit,
        larger=True,
        embedder=embedder,
        verification=verification,
        stages=stages,
    )


def verify_folder(
    pairs: Pairs, keys: Mapping[Photograph, str], data: Dataset, settings: Settings
) -> Verification:
    """Tell pairs of a folder's photographs apart.

    Args:
        pairs: of photographs.
        keys: as `photograph_keys` gives them.
        data: all photographs that have a usable face.
        settings: `evaluation.bootstrap`, `training.seed`.
    """
    places = {name: row for row, name in enumerate(data.photographs())}
    rows = {one: places[key] for one, key in keys.items() if key in places}
    return verify(pairs, rows, data, settings.evaluation.bootstrap, settings.training.seed)
