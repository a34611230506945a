"""What the stages make of four photographs, against what they made of them before.

An answer stored under a stage's version is taken for what the stage would say now. So that this
stays true, a change of what it says must come with another version.
"""

import numpy as np
import pytest

from elenco.embedding.stage import EMBED_VERSION
from elenco.faces.images import decode
from elenco.faces.stage import DETECT_VERSION
from elenco.storage import read_npz
from tests.data.make_faces_golden import GOLDEN, run

AGAIN = "raise {} and run python -m tests.data.make_faces_golden"
# Other processors add up in another order: not to the last bit.
TOLERANCE = {
    "boxes": 0.3, "scores": 0.003, "sizes": 0.1, "sharpness": 0.03, "yaws": 0.5, "rolls": 0.3,
}  # fmt: skip


@pytest.fixture(scope="module")
def golden():
    return read_npz(GOLDEN)


@pytest.fixture(scope="module")
def found(golden, tmp_path_factory):
    names = [name for name in golden if name.startswith("jpeg_")]
    pictures = {name.removeprefix("jpeg_"): golden[name].tobytes() for name in names}
    return run(pictures, tmp_path_factory.mktemp("golden"))


def test_the_golden_answers_are_of_these_versions(golden):
    assert golden["versions"].tolist() == [DETECT_VERSION, EMBED_VERSION], (
        "run python -m tests.data.make_faces_golden"
    )


def test_detection_says_what_it_said(golden, found):
    again = AGAIN.format("DETECT_VERSION")
    assert found["keys"].tolist() == golden["keys"].tolist(), again
    assert found["chosen"].tolist() == golden["chosen"].tolist(), again
    for name, tolerance in TOLERANCE.items():
        np.testing.assert_allclose(found[name], golden[name], atol=tolerance, err_msg=again)
    for number, crop in enumerate(found["crops"]):
        expected = decode(golden[f"crop_{number}"].tobytes(), 1)
        assert np.abs(crop.astype(int) - expected).mean() < 2.5, again


def test_embedding_says_what_it_said(golden, found):
    again = AGAIN.format("EMBED_VERSION")
    np.testing.assert_allclose(found["norms"], golden["norms"], rtol=0.01, err_msg=again)
    np.testing.assert_allclose(found["quality"], golden["quality"], atol=0.03, err_msg=again)
    assert (found["vectors"] * golden["vectors"]).sum(axis=1).min() > 0.9995, again


def test_the_person_is_chosen_who_is_in_the_other_photographs(golden):
    chosen = dict(zip(golden["keys"].tolist(), golden["chosen"].tolist(), strict=True))
    assert chosen["two"].startswith("agreement")
    assert chosen["a"] == "only 0"


def test_a_small_face_is_kept_with_a_lower_score(golden):
    quality = dict(zip(golden["keys"].tolist(), golden["quality"].tolist(), strict=True))
    assert 0 < quality["small"] < min(quality["a"], quality["b"])
