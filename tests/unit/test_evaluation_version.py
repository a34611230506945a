import json
import os
from dataclasses import asdict, replace

import numpy as np
import pytest

from elenco.errors import NotEnoughData, SpaceMismatch
from elenco.evaluation.evaluation import EVALUATION_SCHEMA
from elenco.evaluation.trial import only
from elenco.evaluation.version import evaluate_gallery, evaluate_version
from elenco.recognition.files import write_gallery
from elenco.recognition.fit import fit
from elenco.settings import load_settings
from elenco.storage import write_json, write_npz
from tests.evaluation_data import SPACE, photographs

TEST = np.arange(240) % 4 == 3


@pytest.fixture
def settings(tmp_path):
    paths = {"data": tmp_path / "data", "models": tmp_path / "models"}
    return load_settings(
        paths=paths, evaluation={"bootstrap": 100, "gallery_sizes": [10, 30, 1000]}
    )


def write_split(path, data, space=SPACE):
    columns = {name: value for name, value in vars(data).items() if isinstance(value, np.ndarray)}
    write_npz(path, **columns, meta=np.array(json.dumps({"space": asdict(space), "version": "x"})))


@pytest.fixture
def version(settings, layout, tmp_path):
    """Thirty people with six photographs to train on and two held out; the last not trained on."""
    data = photographs([8] * 30, spread=0.15)
    train, test = only(data, ~TEST), only(data, TEST)
    known = only(train, train.person_ids != "p0029")
    write_split(layout.joined("hash", "train"), train)
    write_split(layout.joined("hash", "test"), test)
    directory = tmp_path / "v000001"
    directory.mkdir()
    write_gallery(fit(known, settings), directory)
    return directory


def test_a_version_is_measured_on_its_held_out_photographs(version, settings, layout):
    found = evaluate_version(version, settings, layout, None)
    assert (found.name, found.schema) == ("v000001", EVALUATION_SCHEMA)
    assert (found.protocol.gallery_people, found.protocol.gallery_photographs) == (29, 174)
    assert (found.figures.photographs, found.figures.people) == (58, 29)
    assert (found.figures.stranger_photographs, found.figures.stranger_people) == (60, 30)
    assert found.figures.top1.value == 1
    assert found.false_positive_rate == settings.training.false_positive_rate
    assert found.groups[0].groups[0].label == "6–10"
    assert [p.people for p in found.scale.points] == [10, 29]
    assert found.scale.left_out == [30, 1000]
    assert found.robustness is None
    assert found.verification is None


def test_quarantined_photographs_do_not_count(version, settings, layout):
    ids = ["p0000/k00003", "p0001/k00011", "p0002/k00016"]
    entries = [{"id": one, "reason": "wrong_person"} for one in ids]
    write_json(layout.processed("hash") / "quarantine.json", {"schema": 1, "entries": entries})
    found = evaluate_version(version, settings, layout, None)
    assert found.figures.photographs == 56
    assert found.protocol.left_out == 3


def test_equal_inputs_give_equal_json(version, settings, layout):
    first, again = (
        json.dumps(asdict(evaluate_version(version, settings, layout, None))) for _ in range(2)
    )
    assert first == again
    assert str(layout.data) not in first


def test_it_does_not_matter_how_a_version_is_called(version, settings, layout):
    renamed = version.with_name("v000002")
    os.rename(version, renamed)
    found = evaluate_version(renamed, settings, layout, None)
    assert replace(found, name="v000001").figures == found.figures


def test_larger_galleries_are_measured_where_they_are_asked_for(version, settings, layout):
    found = evaluate_version(version, settings, layout, None, larger=True)
    assert [p.people for p in found.scale.points] == [10, 29]  # too few strangers to sample after


def test_without_held_out_photographs_or_in_another_space_it_says_what_to_do(
    version, settings, layout
):
    data = photographs([8] * 30)
    write_split(layout.joined("hash", "test"), only(data, np.zeros(240, bool)))
    with pytest.raises(NotEnoughData, match="test_fraction"):
        evaluate_version(version, settings, layout, None)
    write_split(layout.joined("hash", "test"), data, replace(SPACE, weights_sha256="other"))
    with pytest.raises(SpaceMismatch):
        evaluate_version(version, settings, layout, None)


def test_people_whom_the_gallery_does_not_know_may_be_all_there_are(settings, layout):
    known, others = photographs([4] * 5), photographs([2] * 3, seed=3, prefix="u")
    found = evaluate_gallery("x", fit(known, settings), known, others, 0, settings, layout, None)
    assert found.figures.top1.value is None
    assert found.figures.stranger_photographs == 6
    assert found.protocol.without_probe == 5
    assert found.calibration.known.ece.value is None
