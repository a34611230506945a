"""The shape of the project, kept by tests."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FLOWS = sorted(path for path in (ROOT / "flows").glob("*.py") if path.stem != "__init__")
CODE = sorted(p for top in ("elenco", "tasks", "flows") for p in (ROOT / top).rglob("*.py"))


def tracked() -> list[Path]:
    found = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if found.returncode:
        pytest.skip("needs a git checkout")
    return [ROOT / line for line in found.stdout.splitlines() if (ROOT / line).is_file()]


def test_storage_folders_hold_no_python():
    assert [
        p
        for p in tracked()
        if p.parts[len(ROOT.parts)] in ("config", "data", "models") and p.suffix == ".py"
    ] == []


@pytest.mark.parametrize("path", FLOWS, ids=lambda p: p.stem)
def test_a_flow_is_named_as_its_file_and_says_what_it_does(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree)
    flows = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and any("flow" in ast.unparse(d) for d in node.decorator_list)
    ]
    assert flows == [path.stem]


def test_every_flow_has_a_deployment_of_its_name():
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    assert {d["name"]: d["entrypoint"] for d in deployments} == {
        path.stem: f"flows/{path.name}:{path.stem}" for path in FLOWS
    }


def test_importing_the_package_loads_no_heavy_library():
    code = (
        "import sys, elenco, elenco.cli.main, elenco.settings, elenco.types, elenco.stages\n"
        "heavy = {'tensorflow', 'keras', 'mtcnn', 'prefect', 'sklearn'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_no_pickle_is_read_anywhere():
    for path in CODE:
        text = path.read_text()
        assert not re.search(
            r"allow_pickle\s*=\s*True|^\s*(import|from) (pickle|joblib|dill)\b", text, re.M
        ), path


def test_committed_text_names_no_package_registry_and_no_path_of_a_machine():
    hosts = "|".join(
        ["pypi" + r"\.org", "pythonhosted" + r"\.org", "registry" + r"\.npmjs", "deb" + r"\.debian"]
    )
    for path in tracked():
        if path.suffix in {".npz", ".png", ".wasm", ".jpg", ".keras"} or "vendor" in path.parts:
            continue
        text = path.read_text()
        assert not re.search(hosts, text), path
        assert not re.search(r"(^|[\s\"'=:(])/(work|root|home)/", text, re.M), path
