import json
from dataclasses import asdict, replace

import cv2
import numpy as np
import pytest

from elenco.evaluation.bootstrap import Estimate
from elenco.evaluation.evaluation import StageCounts, evaluate
from elenco.evaluation.protocol import folder_trial, protocol_of
from elenco.evaluation.rates import AtRate
from elenco.evaluation.robustness import AS_IT_IS, Condition, Robustness
from elenco.evaluation.verification import Verification
from elenco.faces.images import encode_jpeg
from elenco.report.estimates import interval, percent, with_interval
from elenco.report.evaluation import evaluation_markdown, summary_lines
from elenco.report.evaluation_files import evaluation_faces, write_evaluation
from elenco.report.plots import evaluation_plots
from elenco.settings import load_settings
from elenco.storage import write_bytes
from elenco.text import escaped
from tests.evaluation_data import NearestMean, photographs

PLOTS = {"dir_fpir.png", "reliability.png", "scores.png", "gallery_size.png"}
NASTY = "a|b <script>*x*</script>"


@pytest.fixture
def settings(tmp_path):
    paths = {"data": tmp_path / "data", "models": tmp_path / "models"}
    return load_settings(paths=paths, evaluation={"bootstrap": 60, "gallery_sizes": [5, 10_000]})


@pytest.fixture
def evaluation(settings, layout):
    data = photographs([6] * 12 + [2] * 60, spread=0.35)
    names = np.where(data.person_ids == "p0000", NASTY, data.names)
    trial = folder_trial(replace(data, names=names), 5, NearestMean.fit, settings)
    protocol = protocol_of(trial, 3, 5, 1)
    stages = {"detect": StageCounts(10, 8, {"no_face": 2})}
    return evaluate(
        "my photos", trial, protocol, settings, layout, fit=NearestMean.fit, stages=stages
    )


@pytest.fixture
def whole(evaluation):
    """With everything that can be measured."""
    figure = Estimate(0.5, 0.4, 0.6, 100, 10)
    conditions = [Condition(name, 25.0, evaluation.figures) for name in (AS_IT_IS, "half size")]
    pairs = Verification(100, 50, 1, "drawn", 0.98, 0.01, [AtRate(0.01, 0.9, figure)])
    return replace(evaluation, robustness=Robustness(conditions, 40, 2), verification=pairs)


def test_the_report_says_how_it_was_measured(evaluation):
    text = evaluation_markdown(evaluation)
    assert "# How well my photos is recognised" in text
    assert "12 people, made from 36 photographs" in text
    assert "36 other photographs of 12 of them" in text
    assert "120 photographs of 60 people: people who are not in the gallery" in text
    assert "3 photographs that are there twice; 1 folders without photographs" in text
    assert "| detect | 10 | 8 | 2 no_face |" in text
    assert "An FPIR of 0.1 % can't be told with 120 photographs of strangers" in text
    assert "Not measured at 10,000 people" in text
    assert "Not measured: no pairs were given" in text
    assert "ISO/IEC 19795-1" in text


def test_every_table_has_as_many_cells_in_each_row(whole):
    text = evaluation_markdown(whole)
    assert "98.00% ± 1.00%" in text
    table: list[str] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            table.append(line.replace("\\|", ""))
        elif table:
            assert len({row.count("|") for row in table}) == 1, table
            table = []


def test_names_are_no_markup(evaluation):
    text = evaluation_markdown(evaluation)
    assert "<script>" not in text
    assert escaped(NASTY) == "a\\|b \\<script\\>\\*x\\*\\</script\\>"
    assert escaped(" two\nlines ") == "two lines"


def test_pictures_are_shown_where_they_have_an_address(whole):
    assert "![" not in evaluation_markdown(whole)
    text = evaluation_markdown(whole, {"dir_fpir.png": "data:image/png;base64,xyz"})
    assert text.count("![") == 1
    assert "(data:image/png;base64,xyz)" in text


def test_plots_are_pictures_that_are_equal_for_equal_figures(whole):
    plots = evaluation_plots(whole)
    assert set(plots) == PLOTS | {"robustness.png"}
    assert plots == evaluation_plots(whole)
    for data in plots.values():
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape == (528, 720, 3)
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20


def test_what_was_not_measured_has_no_plot(evaluation):
    figures = replace(evaluation.figures, curve=None)
    scale = replace(evaluation.scale, points=evaluation.scale.points[:1])
    plots = evaluation_plots(replace(evaluation, figures=figures, scale=scale))
    assert set(plots) == {"reliability.png", "scores.png"}


def test_a_report_is_a_folder_of_equal_bytes_for_equal_figures(
    evaluation, settings, layout, tmp_path
):
    faces = evaluation.confusions.worst[0]
    for photograph in (faces.face, faces.gallery_face):
        person, key = photograph.split("/")
        crop = np.full((256, 256, 3), 90, np.uint8)
        write_bytes(layout.crop("test", person, key), encode_jpeg(crop))
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        assert write_evaluation(evaluation, settings, layout, folder) == folder / "report.md"
    names = sorted(path.name for path in folders[0].iterdir())
    assert {"report.md", "report.json", "worst.jpg"} | PLOTS <= set(names)
    for name in names:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
    text = (folders[0] / "report.md").read_text()
    assert all(f"({name})" in text for name in names if not name.startswith("report"))
    found = json.loads((folders[0] / "report.json").read_text())
    assert found == json.loads(json.dumps(asdict(evaluation)))
    assert found["figures"]["top1"]["people"] == 12


def test_without_faces_on_disk_there_is_no_sheet(evaluation, settings, layout):
    assert evaluation_faces(evaluation, settings, layout) == {}


def test_the_summary_is_a_line_a_figure(whole):
    lines = summary_lines(whole)
    assert lines[0] == "my photos: 12 people with 36 photographs in the gallery"
    assert "not measured" in next(line for line in lines if "DIR at FPIR 0.1 %" in line)
    assert "98.00%" in lines[-1]
    assert all(len(line) < 140 for line in lines)


def test_figures_as_text():
    whole, half = Estimate(0.5, 0.25, 0.75, 4, 2), Estimate(1.0, None, None, 1, 1)
    nothing = Estimate(None, None, None, 0, 0)
    assert [percent(0.5), percent(None)] == ["50.00%", "not measured"]
    assert [interval(whole), interval(half)] == ["25.00% – 75.00%", "–"]
    assert [with_interval(e) for e in (whole, half, nothing, None)] == [
        "50.0% (25.0–75.0)",
        "100.0%",
        "–",
        "–",
    ]
