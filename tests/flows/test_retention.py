"""`enforce_retention` as its deployment runs it."""

import os
import subprocess
import sys

from tests.flows.conftest import ROOT, get_json
from tests.small_data import SmallData

RUN = "from flows.enforce_retention import enforce_retention; print(enforce_retention())"


def test_what_is_too_old_goes_and_the_report_says_how_much(tmp_path, prefect_api):
    data = SmallData(tmp_path)
    data.person("1", "Ana", fetched_at="2020-01-01T00:00:00+00:00")
    data.person("2", "Bo", fetched_at="2999-01-01T00:00:00+00:00")
    data.write()
    paths = {"ELENCO_PATHS__DATA": str(tmp_path / "data"), "PREFECT_API_URL": prefect_api}
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        env=os.environ | paths,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "{'photographs': 3, 'crops': 3, 'embeddings': 3, 'entries': 6}" in done.stdout
    assert not list((tmp_path / "data").rglob("1"))
    artifacts = get_json(f"{prefect_api}/artifacts/filter", {"limit": 200})
    [report] = [a["data"] for a in artifacts if a["key"] == "enforce-retention"]
    assert "| photographs | 3 |" in report
