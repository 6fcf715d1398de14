"""Steps that do not wait for each other run at once, and nothing in the report tells."""

import importlib
import inspect
import json
import re
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import nbformat
import psutil
import pytest

from promolab.errors import StepError
from promolab.report.running import steps as schedule_steps
from promolab.report.running.steps import (
    EVERYTHING,
    Needs,
    find_notebooks,
    has_room,
    read_needs,
    read_steps,
    run_steps,
    waits_for,
)
from tests.report.conftest import ended, notebook
from tests.report.running.test_run import files

WEEK = "2017-W44"
START = """\
import os, pathlib, time
from promolab.folder.run_folder import open_run
run = open_run(folder, week=week)
"""
FIRST = """\
pathlib.Path("shop").mkdir()
pathlib.Path("shop/events.json").write_text("[1]")
run.record("data", {"events": {"rows_in": 1}})
run.finish()
"""
# Each waits for the other where the two are told to meet: they run at once, or it fails.
HALF = """\
meeting = os.environ.get("TOY_MEETING")
if meeting:
    pathlib.Path(meeting, "MINE").write_text(str(os.getpid()))
    for _ in range(300):
        if pathlib.Path(meeting, "OTHER").exists():
            break
        time.sleep(0.1)
    else:
        raise TimeoutError("the other one never began")
if mood == "fail":
    if "MINE" == "left":
        raise KeyError("left")
    time.sleep(120)
for number in range(25):
    run.record("MINE", {str(number): number})
run.finish()
"""
LAST = """\
left, right = run.metrics["left"], run.metrics["right"]
run.record("headlines", [{"label": "n", "text": "50", "value": len(left) + len(right)}])
run.finish()
"""


def table(reads: str, writes: str) -> str:
    return f"| reads | writes |\n|---|---|\n| {reads} | {writes} |"


def half(mine: str, other: str) -> str:
    return HALF.replace("MINE", mine).replace("OTHER", other)


@pytest.fixture(scope="session")
def notebooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those of the toy shop here: two of them, left and right, do not wait for each other."""
    folder = tmp_path_factory.mktemp("forked")
    first = table("the source", "`shop/*`, `data` in `metrics.json`")
    left = table("`shop/events.json`", "`left` in `metrics.json`")
    right = table("`shop/*`", "`right` in `metrics.json`")
    for stem, code, needs in (
        ("01_first", FIRST, first),
        ("02_left", half("left", "right"), left),
        ("03_right", half("right", "left"), right),
        ("09_last", LAST, ""),
    ):
        one = notebook(f"# {stem}", f"{START}--\n{code}", needs=needs)
        nbformat.write(one, folder / f"{stem}.ipynb")
    return folder


@pytest.fixture
def meeting(monkeypatch, tmp_path):
    folder = tmp_path / "meeting"
    folder.mkdir()
    monkeypatch.setenv("TOY_MEETING", str(folder))
    monkeypatch.setattr(schedule_steps, "ROOM", 0.0)
    return folder


def test_two_at_once_give_the_report_that_one_after_the_other_gives(toy, meeting, monkeypatch):
    monkeypatch.setenv("PROMOLAB_KEY", "one secret for both")
    two = toy(meeting / "a {b} ü" / "two", workers=2).parent
    assert {path.name for path in meeting.iterdir()} == {"left", "right", "a {b} ü"}
    monkeypatch.delenv("TOY_MEETING")
    one = toy(meeting / "one", workers=1).parent
    assert files(one) == files(two) and len(files(one)) == 6
    told = b"".join(path.read_bytes() for path in [*two.glob("*.html"), *two.glob("*/*.ipynb")])
    assert str(meeting).encode() not in told and b"a {b}" not in told
    metrics = json.loads((two / "metrics.json").read_text())
    assert metrics["left"] == metrics["right"] == {str(n): n for n in range(25)}
    assert metrics["headlines"][0]["value"] == 50
    for made in (one, two):
        manifest = json.loads((made / "manifest.json").read_text())
        assert list(manifest["steps"]) == ["01_first", "02_left", "03_right", "09_last"]
        assert all(step["peak_memory_mb"] > 10 for step in manifest["steps"].values())
        assert not [path for path in made.iterdir() if path.name.startswith(".")]


def test_a_step_that_fails_ends_the_other_and_what_follows_never_begins(toy, meeting):
    begun = time.monotonic()
    told = "step 02_left failed in cell 4: KeyError: 'left'"
    with pytest.raises(StepError, match=told) as error:
        toy(meeting / "out", workers=2, parameters={"mood": "fail"})
    assert time.monotonic() - begun < 30
    assert ended(int((meeting / "right").read_text()))
    (kept,) = (meeting / "out" / ".failed" / WEEK).iterdir()
    assert str(kept) in str(error.value) and "KeyError" in kept.read_text()


NEEDS = {"a": ((), ("x/*",)), "b": (("x/1",), ("y",)), "c": (("y",),), "d": (("x/*",), ("z",))}
STEPS = [SimpleNamespace(stem=stem, needs=Needs(*told)) for stem, told in NEEDS.items()]


def test_what_reads_waits_for_what_writes_as_the_table_of_a_notebook_says():
    assert waits_for(STEPS) == {"a": frozenset(), "b": {"a"}, "c": {"b"}, "d": {"a"}}
    waits = waits_for(read_steps(find_notebooks()))
    assert waits["04_response"] == {"01_data"}  # responses do not wait for segments
    assert waits["03_segments"] == {"01_data", "02_customers"}
    assert Needs(writes=("y",)).must_follow(Needs(reads=("y",)))
    assert Needs(writes=("m/*",)).must_follow(Needs(writes=("m/a",)))
    assert not Needs(writes=("m/b",)).must_follow(Needs(writes=("m/a",)))
    assert EVERYTHING.must_follow(Needs(writes=("y",))) and STEPS[3].needs.must_follow(EVERYTHING)
    text = table("`shop/*`, the moon", "`tables/a.parquet`, `b` in `metrics.json`, `c.bin`")
    assert read_needs(notebook("x", "1", needs=text)) == Needs(
        ("shop/*",), ("tables/a.parquet", "c.bin", "metrics.json/b")
    )
    every = read_needs(notebook("x", "1", needs=table("`metrics.json`", "")))
    assert every.reads == ("metrics.json/*",)
    for needs in ("", "| reads | writes |\n|---|---|"):
        assert read_needs(notebook("x", "1", needs=needs)) == EVERYTHING


@pytest.mark.parametrize(("workers", "room"), [(1, True), (2, False)])
def test_without_a_second_worker_or_memory_steps_keep_their_order(workers, room):
    order, now = [], []

    def work(s):
        now.append(s.stem)
        time.sleep(0.02)
        order.append("".join(now))
        now.remove(s.stem)

    run_steps(STEPS, work, workers=workers, stop=lambda: None, room=lambda: room)
    assert order == ["a", "b", "c", "d"]


def test_steps_of_a_shop_too_large_for_two_at_once_follow_each_other(tmp_path):
    shop, has = tmp_path / "events.parquet", psutil.virtual_memory().available
    for size, room in ((10, True), (has // 40, False)):
        with shop.open("wb") as file:
            file.truncate(size)
        assert has_room(tmp_path) is room
    assert has_room(tmp_path / "before step 01")


def test_the_first_that_fails_is_the_one_that_is_told():
    stopped, begun = threading.Event(), []

    def work(s):
        begun.append(s.stem)
        if s.stem == "d":
            raise KeyError("first")
        if s.stem == "b":
            assert stopped.wait(20)
            raise KeyError("its kernel died")

    with pytest.raises(KeyError, match="first"):
        run_steps(STEPS, work, workers=2, stop=stopped.set, room=lambda: True)
    assert begun == ["a", "b", "d"]


_USES = {
    "reads": [
        (re.compile(r"read_table\(\"(\w+)\"[,)]"), "tables/{}.parquet"),
        (re.compile(r"load_shop\(Path\(folder\) / \"(shop)\""), "{}/events.parquet"),
        (re.compile(r"run\.metrics(?:\[\"(\w+)\"\])(?!\.get)"), "metrics.json/{}"),
        (re.compile(r"run\.metrics\.get\(\"(\w+)\""), "metrics.json/{}"),
        (re.compile(r"\.load\(run\.path / \"([\w.]+)\""), "{}"),
    ],
    "writes": [
        (re.compile(r"write_table\(\s*\"(\w+)\""), "tables/{}.parquet"),
        (re.compile(r"save_shop\(\w+, Path\(folder\) / \"(shop)\""), "{}/events.parquet"),
        (re.compile(r"run\.record\(\s*\"(\w+)\""), "metrics.json/{}"),
        (re.compile(r"(?<!load_shop\()Path\(folder\) / \"([\w.]+\.\w+)\""), "{}"),
        (re.compile(r"write_send\(plan, (send)"), "send/*"),
        (re.compile(r"(reuse_segments)\(run"), "segments_model.json"),
        (re.compile(r"(?<!load\()run\.path / \"([\w./]+\.\w+)\""), "{}"),
    ],
}


# Where results of a notebook read and write the run folder themselves.
_READ_AND_WRITE = {
    "05_uplift": ("campaign.worth.effect_values:save_effects",),
    "06_offers": ("report.pages.offers",),
    "07_policy": (
        "campaign.spending.allocation_result",
        "campaign.spending.budget_decision",
        "campaign.worth.effect_values:load_worth",
    ),
    "08_plan": (
        "campaign.plan.result",
        "campaign.outlook.week_plan",
        "trust.group_fairness",
    ),
    "09_learning": ("loop.monitoring.drift", "loop.monitoring.champions"),
}


def source_of(place: str) -> str:
    """Return the source of a module or of a function in it, named texts written out."""
    name, _, function = place.partition(":")
    module = importlib.import_module(f"promolab.{name}")
    source = inspect.getsource(getattr(module, function) if function else module)
    for constant, text in vars(module).items():
        if constant.isupper() and isinstance(text, str):
            source = re.sub(rf"\b{constant}\b", json.dumps(text), source)
    return source


@pytest.mark.parametrize("made", read_steps(find_notebooks()), ids=lambda made: made.stem)
def test_the_tables_of_the_notebooks_are_true(made):
    if made.is_report:
        assert made.needs == EVERYTHING
        return
    code = "\n".join(c.source for c in made.notebook.cells if c.cell_type == "code")
    for name in _READ_AND_WRITE.get(made.stem, ()):
        code += source_of(name)
    for way, uses in _USES.items():
        used = {form.format(name) for rule, form in uses for name in rule.findall(code)}
        stated = getattr(made.needs, way)
        # What a step wrote itself, it may read back.
        own = made.needs.writes if way == "reads" else ()
        used = {name for name in used if not Needs((name,)).must_follow(Needs((), own))}
        lost = [name for name in used if not Needs((name,)).must_follow(Needs((), stated))]
        idle = [one for one in stated if not Needs((one,)).must_follow(Needs((), tuple(used)))]
        assert (lost, idle) == ([], []), f"{way}: not in the table, and not in the code"
