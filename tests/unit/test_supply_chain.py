"""What runs is what was chosen: no code out of data, no shell, every package by its digest."""

import ast
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = sorted(
    path
    for top in ("elenco", "tasks", "flows", "benchmarks", "tests")
    for path in (ROOT / top).rglob("*.py")
)
# Code out of data, or a shell out of text.
BARE = {"eval", "exec", "compile", "__import__"}
DOTTED = {
    "os.system",
    "os.popen",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "torch.load",
    "tempfile.mktemp",
}
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
KEYWORDS = {("shell", True), ("allow_pickle", True), ("safe_mode", False), ("verify", False)}


def offences(text: str) -> Iterator[str]:
    """What of the above a source does, as `line: what`."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = {alias.name.partition(".")[0] for alias in node.names}
            yield from (f"{node.lineno}: import {name}" for name in sorted(names & MODULES))
        elif isinstance(node, ast.ImportFrom):
            if (node.module or "").partition(".")[0] in MODULES:
                yield f"{node.lineno}: from {node.module}"
        elif isinstance(node, ast.Call):
            called = _dotted(node.func)
            if called in DOTTED or called in BARE:
                yield f"{node.lineno}: {called}()"
            for keyword in node.keywords:
                value = keyword.value
                if isinstance(value, ast.Constant) and (keyword.arg, value.value) in KEYWORDS:
                    yield f"{node.lineno}: {keyword.arg}={value.value}"


def _dotted(node: ast.expr) -> str:
    """`a.b` for a name or an attribute of one; empty for what is called otherwise."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def test_no_source_makes_code_out_of_data_or_a_shell_out_of_text():
    found = {path.relative_to(ROOT).as_posix(): list(offences(path.read_text())) for path in CODE}
    assert {name: what for name, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "import os; os.system('x')",
        "eval('1')",
        "exec('1')",
        "import yaml; yaml.load(x)",
        "np.load(x, allow_pickle=True)",
        "subprocess.run('x', shell=True)",
        "keras.models.load_model(x, safe_mode=False)",
    ],
)
def test_it_would_be_found(line):
    assert list(offences(line))


def test_what_only_looks_like_it_is_none():
    assert not list(offences("model.eval(); np.load(x, allow_pickle=False); re.compile('x')"))


REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_every_package_is_pinned_with_its_digests_and_no_address(path):
    text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.M)
    entries = re.split(r"\n(?=\S)", text.strip())
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9.\[\],_-]+==[^\s;]+", entry), entry[:80]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry[:80]
    assert "://" not in text
    assert "index" not in re.sub(r"[a-z0-9._-]*index[a-z0-9._-]*==", "", text)


def test_pins_are_the_same_wherever_a_package_is_named():
    pins: dict[str, set[str]] = {}
    for path in REQUIREMENTS:
        if path.name == "tools.txt":
            continue  # in an environment of its own
        for name, version in re.findall(r"^([a-z0-9._-]+)==(\S+)", path.read_text(), re.M):
            pins.setdefault(name, set()).add(version)
    assert {name: found for name, found in pins.items() if len(found) > 1} == {}


@pytest.mark.parametrize("name", ["run.txt", "gpu.txt"])
def test_the_bill_of_materials_is_whole_valid_and_the_same_each_time(tmp_path, name):
    tool = ROOT / ".venv-tools" / "bin" / "cyclonedx-py"
    if not tool.exists():
        pytest.skip("needs .venv-tools, which `make sbom` sets up")
    options = re.search(r"cyclonedx-py (requirements .*?--pyproject)", _recipe(), re.S)
    assert options is not None
    assert re.search(rf"SBOM\) dist/\S+ requirements/{name}$", _recipe(), re.M)
    requirements = ROOT / "requirements" / name
    text = requirements.read_text()
    (tmp_path / "few.txt").write_text("\n".join(re.split(r"\n(?=\S)", text)[:3]))

    def write(requirements: Path, *more: str) -> bytes:
        out = tmp_path / "out.json"
        arguments = [*options[1].replace("\\\n", " ").split(), "pyproject.toml", *more]
        command = [tool, *arguments, "--output-file", out, requirements]
        environment = {"PATH": "", "PYTHONWARNINGS": "ignore"}
        subprocess.run(command, cwd=ROOT, check=True, env=environment, timeout=120)
        return out.read_bytes()

    assert "--validate" in options[1]
    write(tmp_path / "few.txt")  # all of them take half a minute to validate
    written = [write(requirements, "--no-validate") for _ in range(2)]
    assert written[0] == written[1]
    told = json.loads(written[0])
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.6")
    pinned = re.findall(r"^([a-z0-9._-]+)==(\S+)", text, re.M)
    assert {(one["name"], one["version"]) for one in told["components"]} == set(pinned)
    hashed = [one["externalReferences"][0]["hashes"] for one in told["components"]]
    assert all(hashed)


def _recipe() -> str:
    return (ROOT / "Makefile").read_text()


def test_an_audit_that_asked_nobody_does_not_pass(tmp_path):
    """pip-audit alone ends with 0 when the service knows none of the packages."""
    if shutil.which("make") is None:
        pytest.skip("needs make")
    tools = tmp_path / "tools"
    (tools / "bin").mkdir(parents=True)
    (tools / ".installed").touch()
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "tools.txt").touch()
    (tools / ".installed").touch()  # newer than what it was made from

    def audit(said: str, code: int) -> subprocess.CompletedProcess[str]:
        script = tools / "bin" / "pip-audit"
        script.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/told\necho "{said}"\nexit {code}\n')
        script.chmod(0o755)
        command = ["make", "audit", f"TOOLS={tools}"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    silent = audit("x: Dependency not found and could not be audited", 1)
    assert silent.returncode
    assert "did not answer for every package: nothing is known" in silent.stdout
    found = audit("Found 2 known vulnerabilities in 1 package", 1)
    assert found.returncode
    assert "upgrade the packages above" in found.stdout
    assert audit("No known vulnerabilities found", 0).returncode == 0
    told = (tmp_path / "told").read_text().split()
    asked = {"requirements/run.txt", "requirements/gpu.txt"}
    assert {"--strict", "--require-hashes", *asked} <= set(told)


def test_what_the_security_page_names_is_there():
    text = (ROOT / "docs" / "security.md").read_text()
    named = set(re.findall(r"`((?:elenco|tests|tasks|flows|requirements)/[\w./-]*)`", text))
    assert len(named) > 30
    assert sorted(path for path in named if not (ROOT / path).exists()) == []
    assert all((ROOT / "docs" / link).exists() for link in re.findall(r"\]\(([\w.]+)\)", text))
