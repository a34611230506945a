"""What every test has: a clean environment, and the shared photographs where they are."""

import atexit
import os
import sys
from pathlib import Path

import hypothesis
import pytest

from elenco.layout import Layout
from elenco.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# A machine with other work stalls now and then; what fails here fails because of a change.
hypothesis.settings.register_profile(
    "elenco",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("elenco")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[_STATUS] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """End when all is said, without Python's own last steps.

    Dask and fsspec leave daemon threads in this process, and now and then one of them crashes while
    Python 3.11 takes itself apart, after the last test (seen with PYTHONFAULTHANDLER). One of
    several processes (`-n`) has told the first of all its tests by then, and ends as it likes.
    """
    if hasattr(config, "workerinput"):
        return
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(config.stash.get(_STATUS, pytest.ExitCode.INTERNAL_ERROR))


_STATUS = pytest.StashKey[int]()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No ELENCO_ setting of the machine reaches a test."""
    monkeypatch.setattr("elenco.settings.ENVIRONMENT_FILE", Path(os.devnull))
    for variable in list(os.environ):
        if variable.startswith("ELENCO_"):
            monkeypatch.delenv(variable)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real photographs and reference weights; skips where it is absent."""
    folder = ROOT.parent / "shared"
    if not (folder / "lfw").is_dir():
        pytest.skip("needs ../shared, which is not here")
    return folder


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Defaults, with data and models in a temporary directory and the packaged embedder."""
    paths = {"data": tmp_path / "data", "models": tmp_path / "models"}
    return load_settings(
        ROOT / "config" / "default.toml", paths=paths, embedding={"embedder": "dlib_resnet"}
    )


@pytest.fixture
def layout(settings: Settings) -> Layout:
    return Layout.of(settings)
