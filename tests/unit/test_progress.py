import contextvars
import threading

import pytest

from elenco import progress
from elenco.layout import Layout
from tests.curated_data import fake_embedder, publish, settings_in


@pytest.fixture
def lines():
    """Lines that the process's sink was told, one every advance."""
    said: list[str] = []
    before = progress._sink
    progress.set_sink(progress.LineSink(said.append))
    yield said
    progress.set_sink(before)


def test_a_line_at_the_end_and_none_for_nothing(lines):
    with progress.track("detect", 3) as advance:
        advance(2)
        advance(1)
    with progress.track("embed", 0):
        pass
    assert len(lines) == 1
    assert lines[0].startswith("detect: 3/3 in ")


def test_lines_between_are_paced(lines, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    with progress.track("detect", 3) as advance:
        advance(1)
        advance(1)
        advance(1)
    assert [line.split(" in ")[0] for line in lines] == [
        "detect: 1/3",
        "detect: 2/3",
        "detect: 3/3",
    ]


def test_a_second_sink_hears_of_its_context_only(lines, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    heard: list[tuple[str, float]] = []

    def elsewhere():
        with progress.track("other", 1) as advance:
            advance(1)

    with progress.also_to(
        progress.PercentSink(lambda name, percent: heard.append((name, percent)))
    ):
        thread = threading.Thread(target=contextvars.Context().run, args=(elsewhere,))
        thread.start()
        thread.join()
        with progress.track("mine", 4) as advance:
            advance(1)
            advance(3)
    assert heard == [("mine", 25.0), ("mine", 100.0)]
    assert any(line.startswith("other") for line in lines)


def test_judging_tells_how_far_it_is(tmp_path, monkeypatch, lines):
    fake_embedder(monkeypatch)
    settings = settings_in(tmp_path)
    layout = Layout.of(settings)
    publish(settings, layout)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    heard: list[tuple[str, float]] = []
    with progress.also_to(progress.PercentSink(lambda *what: heard.append(what))):
        publish(settings, layout, wrong=1, name="other")
    assert [percent for name, percent in heard if name == "judge"] == [25, 50, 75, 100]


def test_short_work_makes_no_bar(lines):
    heard: list[tuple[str, float]] = []
    with (
        progress.also_to(progress.PercentSink(lambda *what: heard.append(what))),
        progress.track("quick", 2) as advance,
    ):
        advance(2)
    assert heard == []


def test_without_a_terminal_the_console_gets_plain_lines(capsys):
    with progress.console_sink():
        progress.say("hello")
        with progress.track("work", 1) as advance:
            advance(1)
    error = capsys.readouterr().err.splitlines()
    assert error[0] == "hello"
    assert error[1].startswith("work: 1/1 in ")
