"""What `elenco up` starts again, without starting it."""

import pytest

from elenco.ops import postgres, state, up
from elenco.ops.places import Places
from elenco.ops.services import Topology

OWN = "postgresql://prefect@db.example/prefect"


@pytest.fixture
def launched(monkeypatch) -> list[Topology]:
    """What would have been started."""
    found: list[Topology] = []
    monkeypatch.setattr(up, "_launch", lambda topology, _: found.append(topology))
    monkeypatch.setattr(postgres, "find_binaries", lambda cluster: cluster)
    monkeypatch.setattr(postgres, "initialise", lambda *_: None)
    monkeypatch.setattr(postgres, "account", lambda: postgres.Account(None, None))
    return found


def test_the_database_of_the_last_time_is_used_until_another_is_given(
    settings, tmp_path, launched, monkeypatch
):
    monkeypatch.setattr(up.state, "kill_of_home", lambda _: None)
    up.up(settings, tmp_path)
    assert launched[-1].database == ""
    for given, used in ((OWN, OWN), (None, OWN), ("", ""), (None, "")):
        up.up(settings, tmp_path, given)
        assert launched[-1].database == used
        ports = vars(launched[-1].ports)
        dead = {"pid": 2**22 + 1, "started": 1}
        was = {"phase": "down", "supervisor": dead, "processes": {}, "ports": ports}
        state.write(Places.of(settings.paths.data).topology, was | {"database": used})
