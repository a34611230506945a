"""How well the pipeline tells whether two photographs show one person: LFW View 1.

    python benchmarks/verification.py [--lfw ../shared/lfw] [--embedder dlib_resnet] [--work DIR]

All photographs go through the stages, as `elenco evaluate --photos` has them; then all of
`pairsDevTrain.txt` (1,100 pairs of one person, 1,100 of two) is told apart, with and without
averaging each embedding with its mirror image's. Without `--work` nothing is kept.
"""

import argparse
import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from elenco.embedding.base import EMBEDDERS, load_embedder
from elenco.evaluation.folder import embed_folder, look_into, photograph_keys
from elenco.evaluation.of_folder import verify_folder
from elenco.evaluation.verification import read_pairs
from elenco.layout import Layout
from elenco.progress import console_sink
from elenco.recognition.dataset import read_dataset
from elenco.settings import load_settings


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lfw", type=Path, default=Path("../shared/lfw"))
    parser.add_argument("--embedder", choices=sorted(EMBEDDERS), default="dlib_resnet")
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, console_sink():
        for mirror in (False, True):
            measure(options.lfw, options.embedder, mirror, options.work or Path(temporary))


def measure(lfw: Path, name: str, mirror: bool, work: Path) -> None:
    """Print how one embedder tells the pairs apart."""
    settings = load_settings(paths={"data": work}, embedding={"embedder": name, "mirror": mirror})
    layout = Layout.of(settings)
    folder = look_into(lfw / "images", settings, layout)
    pairs = read_pairs(lfw / "pairsDevTrain.txt")
    keys = photograph_keys(folder, pairs)
    embed_folder(folder, load_embedder(name, settings, layout), layout.denylist)
    found = verify_folder(pairs, keys, read_dataset(folder.layout.joined(name, "train")), settings)
    title = name + (" with mirror images" if mirror else "")
    print(
        f"{title:32} {found.accuracy:.2%} of {found.pairs:,} pairs right (standard error "
        f"{found.standard_error:.2%}), {found.without_face} without a face"
    )


if __name__ == "__main__":
    main()
