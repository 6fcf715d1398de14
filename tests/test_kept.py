"""What is kept on disk is of the sources that are there, and whole; nobody waits for a fixture."""

import ast
from pathlib import Path
from types import SimpleNamespace

import pytest
from xdist.remote import Producer

from tests import kept as room
from tests.kept import Green, kept, key_of
from tests.scheduling import MADE, FileScheduling, needed_by


@pytest.fixture(autouse=True)
def _not_in_ci(monkeypatch):
    monkeypatch.delenv("CI", raising=False)


def test_the_key_changes_with_a_source_its_name_the_packages_and_python(tmp_path, monkeypatch):
    def key() -> str:
        key_of.cache_clear()
        return key_of("room", "alone.toml", "none", root=tmp_path)

    source = tmp_path / "room" / "deep" / "a.py"
    source.parent.mkdir(parents=True)
    source.write_text("a = 1")
    (tmp_path / "alone.toml").write_text("b = 1")
    keys = [key(), key()]
    assert keys[0] == keys.pop()
    source.write_text("a = 2")
    keys.append(key())
    source.rename(source.with_name("b.py"))
    keys.append(key())
    (tmp_path / "alone.toml").write_text("b = 2")
    keys.append(key())
    for name, value in (("sys.version", "3.99"), ("sysconfig.get_path", lambda _: str(tmp_path))):
        monkeypatch.setattr(f"tests.kept.{name}", value)
        keys.append(key())
    monkeypatch.setenv("PROMOLAB_DATA", "elsewhere")
    assert len({*keys, key()}) == len(keys) + 1
    before = key()
    (tmp_path / "other.py").write_text("c = 1")
    (tmp_path / "room" / "__pycache__").mkdir()
    (tmp_path / "room" / "__pycache__" / "b.pyc").write_text("compiled")
    assert key() == before


def test_a_folder_is_made_once_and_again_where_it_is_in_part_or_was_changed(tmp_path, monkeypatch):
    made = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "a.txt").write_text("whole")
        if len(made) == 1:
            raise KeyboardInterrupt

    def again() -> Path:
        return kept("it", make, scratch=tmp_path / "scratch", where=tmp_path / "kept")

    with pytest.raises(KeyboardInterrupt):
        again()
    folder = again()
    assert again() == folder and len(made) == 2
    (folder / "a.txt").write_text("other")
    (folder / ".key").write_text("a reader's")
    assert again() == folder and len(made) == 2  # somebody may be reading it
    monkeypatch.setenv("PYTEST_XDIST_TESTRUNUID", "the next run")
    assert again() == folder and len(made) == 3
    monkeypatch.setattr(room, "key_of", lambda *_: "another")
    assert again().name == "it-another" and folder.is_dir()
    monkeypatch.setattr(room.time, "time", lambda: 1e12)
    monkeypatch.setattr(room, "key_of", lambda *_: "a third")
    again()
    assert [p.name for p in (tmp_path / "kept").iterdir() if p.is_dir()] == ["it-a third"]
    monkeypatch.setenv("CI", "1")
    assert again().parent == tmp_path / "scratch" and len(made) == 6


def test_what_passed_is_run_again_once_something_changes_and_always_in_ci(tmp_path, monkeypatch):
    def green(test: str = "one", *sources: str) -> Green:
        return Green(test, *sources, where=tmp_path)

    assert not green().holds()
    green().note()
    assert green().holds() and not green("other").holds()
    assert not green("one", "docs").holds()
    monkeypatch.setenv("CI", "1")
    assert not green().holds()


def test_what_a_file_needs_is_read_from_its_tests_and_fixtures(repository):
    assert needed_by("tests/browser/test_report.py") >= {MADE["small_reports"]}
    assert needed_by("tests/engines/test_warehouse.py") == {MADE["postgres"]}
    assert needed_by("tests/widgets/test_spending.py") == {MADE["explored_week"]}
    assert needed_by("tests/report/test_robust.py") == frozenset()
    fixtures = {
        node.name
        for path in (repository / "tests").rglob("conftest.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }
    assert set(MADE) <= fixtures


class Worker:
    """Stands for a process that runs what it is sent."""

    shutting_down, gateway = False, SimpleNamespace(id="a worker")

    def __init__(self) -> None:
        self.sent: list[int] = []

    def send_runtest_some(self, numbers: list[int]) -> None:
        self.sent += numbers

    def shutdown(self) -> None:
        self.shutting_down = True


def test_who_would_wait_for_what_another_makes_runs_other_files_first():
    config = SimpleNamespace(
        getvalue=lambda _: ["2*popen"], option=SimpleNamespace(loadscopereorder=False)
    )
    plan = FileScheduling(config, Producer("test"))
    small, other, stats, weeks = (
        *("tests/report/test_small_shop.py", "tests/report/test_other_language.py"),
        *("tests/stats/test_quantiles.py", "tests/test_weeks.py"),
    )
    order = [small] * 4 + [other] * 4 + [stats] * 3 + [weeks] * 3
    tests = [f"{file}::test_{number}" for number, file in enumerate(order)]
    one, two = Worker(), Worker()
    for worker in (one, two):
        plan.add_node(worker)
    for worker in (one, two):
        plan.add_node_collection(worker, tests)
    plan.schedule()

    def files(worker: Worker) -> list[str]:
        return list(dict.fromkeys(order[number] for number in worker.sent))

    assert (files(one), files(two)) == ([small], [stats])
    plan.mark_test_complete(two, 8)  # the first file has not got what it needs
    assert files(two) == [stats, weeks]
    plan.mark_test_complete(one, 0)
    for number in (9, 10, 11, 12):
        plan.mark_test_complete(two, number)
    assert files(two) == [stats, weeks, other]
