"""The site is whole, and its pages are true: code runs, commands exist, figures are real."""

import importlib
import os
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
import warnings
from collections import Counter
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import promolab
from promolab import cli
from promolab.campaign.readout import read_experiments
from promolab.contract import read_settings
from promolab.language import speaking
from promolab.onboarding import propose, write_proposal
from tests.golden import agrees, facts_of_names
from tests.house import PACKAGE, offered
from tests.written import blocks, commands, one_line, run_python

ROOT = Path(__file__).parents[1]
DOCS, README = ROOT / "docs", ROOT / "README.md"
PAGES = [README, *sorted(DOCS.rglob("*.md"))]
# All but what Sphinx writes there. What takes long runs when one of these or the package changed.
WRITTEN = [f"docs/{path.name}" for path in sorted(DOCS.iterdir()) if path.name != "reference"]
TESTED = ["tests/test_docs.py", "tests/written.py", "tests/golden.py", "tests/golden"]
when_changed = pytest.mark.when_changed(*WRITTEN, "README.md", *TESTED)
LINES = sorted({line for page in PAGES for line in commands(page)})


def public_names() -> set[str]:
    """Return what the faces offer; what the top offers too is called by its shorter name."""
    top = {name for name in offered(PACKAGE) if not (PACKAGE / name).is_dir()}
    found = {f"promolab.{name}" for name in top}
    for face in PACKAGE.rglob("__init__.py"):
        room = ".".join(face.parent.relative_to(PACKAGE).parts)
        if room:
            found |= {f"promolab.{room}.{name}" for name in offered(face.parent) if name not in top}
    return found


def quotes(page: str) -> str:
    return one_line((DOCS / page).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def corner(tmp_path_factory) -> Path:
    """The practice files of the tutorial, in data/corner of a folder of their own."""
    folder: Path = tmp_path_factory.mktemp("hour") / "data" / "corner"
    runpy.run_path(str(DOCS / "practice_shop.py"))["write"](folder)
    return folder


@pytest.fixture(scope="module")
def configured(corner: Path) -> Path:
    """The same with the proposal, corrected by what the tutorial says and nothing else."""
    proposal = propose(corner)
    path = write_proposal(proposal)
    said = [*proposal.summary, proposal.next_step(Path("data/corner/shop.toml"))]
    for sentence in said[:3]:
        assert sentence in quotes("tutorial/own_data.md")
    text, (missing, section) = path.read_text(), blocks(DOCS / "tutorial" / "own_data.md", "toml")
    for line in missing.splitlines():
        key = line.partition(" = ")[0]
        text = re.sub(rf"(?m)^# {key} = .*$", line, text)
    (kind,) = re.findall(r"(?m)^kind = .*$", section)
    path.write_text(re.sub(r'(?m)^kind = \{ column = "Type".*$', lambda _: kind, text))
    return corner


@when_changed
def test_the_site_is_whole_and_has_a_page_for_every_public_name(tmp_path):
    pytest.importorskip("myst_parser", reason="the extra docs is not installed")
    stale = [DOCS / "reference" / name for name in ("99.rst", "names/promolab.gone.rst")]
    stale[1].parent.mkdir(parents=True, exist_ok=True)
    for page in stale:  # of an earlier version
        page.write_text("Gone\n====\n\n.. autofunction:: promolab.gone\n", encoding="utf-8")
    build = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", tmp_path / "trees"]
    done = subprocess.run(
        [*build, "-b", "html", DOCS, tmp_path / "html"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not any(page.exists() for page in stale)
    made = {page.stem for page in (tmp_path / "html" / "reference" / "names").glob("*.html")}
    assert public_names() - made == set()
    for page in (tmp_path / "html").rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        asked = re.findall(r'(?:<script[^>]*src|<img[^>]*src|<link[^>]*href)="(.*?)"', text)
        assert [address for address in asked if re.match("https?:|//", address)] == [], page.name


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("promolab ")])
def test_every_command_is_one_that_would_run(line):
    """As far as its arguments: what it does is tested elsewhere."""
    options = cli._parser().parse_args(shlex.split(line)[1:])
    assert callable(options.run)


def test_files_and_targets_that_pages_name_are_there():
    readme, makefile = README.read_text("utf-8"), (ROOT / "Makefile").read_text("utf-8")
    named = {*re.findall(r"\]\(([\w./-]+)\)", readme)}
    named |= {
        *re.findall(r"`((?:promolab|notebooks|data|reports|benchmarks|docs)/[\w./]*)`", readme)
    }
    told = [word for line in LINES for word in shlex.split(line)]
    named |= {word for word in told if re.match(r"(docs|notebooks)/", word)}
    made = {"reports/2017-W44/index.html", "reports/ledger.duckdb"}
    assert len(named) > 10 and not [n for n in named - made if not (ROOT / n).exists()]
    targets = {line.split()[1] for line in LINES if line.startswith("make ")}
    targets |= set(re.findall(r"\bmake (\w+)", readme))
    assert {"report", "test", "lab", "lint", "bench"} <= targets
    assert [t for t in targets if not re.search(rf"^{t}:", makefile, re.MULTILINE)] == []
    called = set(re.findall(r"^promolab (\w+)", "\n".join(commands(README)), re.MULTILINE))
    assert called == set("report data init release reconcile close backfill score lab".split())


WORDS = DOCS / "results.md"  # its TOML is no settings
WITH_SETTINGS = [
    p for p in (*PAGES, ROOT / "data" / "README.md") if blocks(p, "toml") and p != WORDS
]


@pytest.mark.parametrize("page", WITH_SETTINGS, ids=lambda p: p.stem)
def test_settings_are_read_as_they_stand(page, tmp_path):
    for number, block in enumerate(blocks(page, "toml")):
        path = tmp_path / f"{number}.toml"
        path.write_text('zone = "UTC"\n' * ("zone" not in tomllib.loads(block)) + block)
        read_settings(path, "shop")


def test_the_tutorial_makes_a_shop_that_can_be_used(configured):
    checks = promolab.load_shop(configured).check()
    assert checks.usable
    said = quotes("tutorial/own_data.md")
    for line in checks.to_text().splitlines():
        if line.startswith(("corner can be used", "warn", "note")):
            assert one_line(line) in said


@when_changed
def test_the_first_experiment_says_what_the_page_says(configured, monkeypatch, capsys):
    monkeypatch.chdir(configured.parents[1])
    names = run_python(DOCS / "tutorial" / "first_experiment.md")
    agrees("first_experiment", facts_of_names(names))
    said = quotes("tutorial/first_experiment.md")
    for line in capsys.readouterr().out.splitlines():
        assert one_line(line) in said
    settings = configured / "shop.toml"
    (named,) = blocks(DOCS / "tutorial" / "first_experiment.md", "toml")
    settings.write_text(settings.read_text() + "\n" + named)
    shop = promolab.load_shop(configured)
    weekly = read_experiments(shop, datetime(2024, 12, 2), configured)
    assert "Ship voucher" in weekly.summary()


@when_changed
def test_the_loop_is_rehearsed_and_its_ledger_opened(tmp_path, monkeypatch):
    """With the oracle that learns from nothing, on half of the log."""
    monkeypatch.chdir(tmp_path)
    for name in ("policies", "simulation"):
        monkeypatch.setattr(f"promolab.loop.rehearsal.{name}.ORACLES", ("latent",))
    monkeypatch.setattr("promolab.loop.rehearsal.policies.LOGGED", 14)
    written = Path("loop/learned/ledger.duckdb")
    written.parent.mkdir(parents=True)
    promolab.loop.Ledger.open(written, shop="Simulated shop weekly 20000 0", create=True)
    names = run_python(DOCS / "loop.md")
    agrees("loop", facts_of_names(names))
    assert len(names["found"].by_policy()) and names["book"].predictions().empty


@when_changed
def test_a_model_of_ones_own_is_measured(capsys):
    names = run_python(DOCS / "howto" / "model.md")
    agrees("model", facts_of_names(names))
    assert one_line(capsys.readouterr().out) in quotes("howto/model.md")


@when_changed
def test_a_result_is_made_as_the_page_says(tmp_path, monkeypatch):
    module, used = blocks(WORDS, "python")
    (words,) = blocks(WORDS, "toml")
    assert len([line for line in (module + words).splitlines() if line.strip()]) < 60
    room = tmp_path / "answered"
    room.mkdir()
    for name, text in {"__init__": "", "rates": module}.items():
        (room / f"{name}.py").write_text(text)
    (room / "words.toml").write_text(words)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    names = vars(importlib.import_module("answered.rates")).copy()
    exec(used, names)
    shown = re.findall(r"(?m)^(\S.*?)  # (.*)$", used)
    assert len(shown) == 4
    for code, value in shown:
        assert repr(eval(code, names)) == value, code
    result = names["result"]
    assert "answered</th>" in result.to_table().text and "54 %" not in result.summary()
    with speaking("zh"):
        assert result.summary() == "90 位客户中有 33% [24, 44] 响应；忠诚客户最多。"
        assert "响应率</th>" in result.to_table().text
        assert result.plot().get_title("left") == "忠诚客户响应最多"


@when_changed
@pytest.mark.parametrize(
    ("page", "smaller"),
    [
        ("simulated_shop.md", {"customers": "customers=300"}),
        ("which_method.md", {}),
        ("howto/adaptive.md", {}),
        ("howto/privacy.md", {}),
        ("howto/fairness.md", {}),
        ("howto/reviews.md", {"customers": "customers=1_500"}),
        ("howto/replies.md", {}),
        ("howto/media.md", {}),
        ("howto/federated.md", {}),
        ("tutorial/first_policy.md", {"customers": "customers=600"}),
    ],
)
def test_a_page_comes_to_what_it_came_to(page, smaller, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    agrees(Path(page).stem, facts_of_names(run_python(DOCS / page, **smaller)))


@when_changed
@pytest.mark.parametrize("name", ["finance.md", "films.md"])
def test_a_tutorial_on_public_data_prints_what_it_says(name, tmp_path, monkeypatch, capsys):
    data, page = Path(os.environ.get("PROMOLAB_DATA", "")), DOCS / "tutorial" / name
    if name == "finance.md" and not (data / "bank_marketing.csv.gz").exists():
        pytest.skip("PROMOLAB_DATA names no folder with bank_marketing.csv.gz")
    (tmp_path / "data").symlink_to(data.resolve())
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", UserWarning)
        run_python(page)
    told = capsys.readouterr().out.splitlines()
    told += [str(each.message) for each in warned if each.category is UserWarning]
    said = one_line(page.read_text("utf-8"))
    assert [line for line in told if one_line(line) not in said] == []
    prose = re.sub(r"(?ms)^```python.*?^```$", "", page.read_text("utf-8"))
    if not find_spec("recbole"):  # MovieLens is in it
        prose = prose.partition("## The same with real films")[0]
    figures = re.findall(r"\d\.\d{2,}|(?<=[( ])\d{3,4}(?= and| against|\))", prose)
    assert len(figures) > 20 and [one for one in figures if one not in " ".join(told)] == []


@when_changed
def test_the_readmes_python_runs(monkeypatch):
    load = promolab.load_shop

    def smaller(source: str, **options: Any) -> Any:
        shop = load(source, **options)
        if source != "complete_journey":
            return shop
        some = shop.events.customer_id.cast("int64") % 20 == 0
        return shop.with_tables({**shop.tables, "events": shop.events.filter(some).cache()})

    monkeypatch.setattr(promolab, "load_shop", smaller)
    assert len(blocks(README, "python")) == 5
    agrees("readme", facts_of_names(run_python(README, customers="customers=800")))


def test_the_map_names_every_public_name_once_in_one_line():
    text = (DOCS / "map.md").read_text(encoding="utf-8")
    rows = Counter(re.findall(r"^\| `(promolab[\w.]+)` \| .+ \|$", text, re.MULTILINE))
    assert rows == Counter(public_names())


def test_every_page_with_code_is_run_by_a_test():
    tests = (Path(__file__), ROOT / "tests" / "abtest" / "test_guide.py")
    run = "".join(
        path.read_text("utf-8").partition("def test_every_page_with")[0] for path in tests
    )
    shown = [page.name for page in PAGES if blocks(page, "python")]
    # Spark's needs a session and a bucket: its calls are tested in tests/engines.
    assert [name for name in shown if name not in run] == ["spark.md"]
