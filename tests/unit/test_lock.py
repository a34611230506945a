"""One at a time in a data directory, and the steps of who is in it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from elenco.errors import ElencoError, Locked
from elenco.layout import Layout
from elenco.lock import hold, refresh_lock, step_lock
from elenco.schema import NAME, RESTORING
from elenco.storage import write_json
from tests.small_data import settings_of


@pytest.fixture
def settings(tmp_path):
    return settings_of(tmp_path)


@pytest.fixture
def unfinished(settings):
    """What a training that is at work has in the registry."""
    folder = Layout.of(settings).recogniser
    paths = [folder / ".tmp-candidate", folder / ".candidate-abc"]
    for path in paths:
        path.mkdir(parents=True)
    return paths


def test_a_step_by_itself_takes_the_lock_and_clears_up(settings, unfinished):
    with step_lock(settings):
        assert [path.exists() for path in unfinished] == [False, True]
        with pytest.raises(Locked), hold(settings):
            pass
    with hold(settings):
        pass


def test_a_step_of_a_refresh_goes_on_in_its_lock_and_removes_nothing(settings, unfinished):
    with refresh_lock(settings):
        unfinished[0].mkdir()
        with step_lock(settings), step_lock(settings):
            assert all(path.exists() for path in unfinished)
        with pytest.raises(Locked), hold(settings):  # it is the refresh's still
            pass
    with hold(settings):
        pass


@pytest.mark.parametrize("lock", [hold, refresh_lock])
def test_a_step_joins_nobody_but_its_caller(settings, unfinished, lock):
    def step():
        with step_lock(settings):
            pass

    with lock(settings), ThreadPoolExecutor() as others:
        unfinished[0].mkdir(exist_ok=True)
        with pytest.raises(Locked, match="works in"):
            others.submit(step).result()
    assert all(path.exists() for path in unfinished)


def test_a_step_after_a_refresh_that_failed_takes_the_lock_itself(settings, unfinished):
    with pytest.raises(ZeroDivisionError), refresh_lock(settings):
        raise ZeroDivisionError
    unfinished[0].mkdir()
    with step_lock(settings):
        assert not unfinished[0].exists()


def test_a_step_in_another_directory_takes_that_ones_lock(settings, tmp_path):
    other = settings_of(tmp_path / "other")
    with refresh_lock(settings), step_lock(other), pytest.raises(Locked), hold(other):
        pass


@pytest.mark.parametrize(
    ("file", "value", "says"),
    [(NAME, {"schema": 99}, "upgrade Elenco"), (RESTORING, {}, "half restored")],
)
def test_a_step_opens_no_directory_that_a_refresh_would_not(settings, file, value, says):
    write_json(settings.paths.data / "state" / file, value)
    with pytest.raises(ElencoError, match=says), step_lock(settings):
        pass
