"""What is kept on disk is of the sources that are there, and whole; who needs what is known."""

from pathlib import Path

import pytest

from tests import kept as room
from tests.kept import Green, kept, key_of
from tests.scheduling import MADE, needed_by


@pytest.fixture(autouse=True)
def _not_in_ci(monkeypatch):
    monkeypatch.delenv("CI", raising=False)


def test_the_key_changes_with_a_source_its_name_the_packages_and_python(tmp_path, monkeypatch):
    def key() -> str:
        key_of.cache_clear()
        return key_of("room", root=tmp_path)

    source = tmp_path / "room" / "deep" / "a.py"
    source.parent.mkdir(parents=True)
    source.write_text("a = 1")
    keys = [key()]
    source.write_text("a = 2")
    keys.append(key())
    source.rename(source.with_name("b.py"))
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
    green = Green("one", where=tmp_path)
    assert not green.holds()
    green.note()
    assert green.holds() and not Green("one", "docs", where=tmp_path).holds()
    monkeypatch.setenv("CI", "1")
    assert not green.holds()


def test_what_a_file_needs_is_read_from_its_tests(repository):
    assert needed_by("tests/browser/test_report.py") >= {MADE["small_reports"]}
    assert needed_by("tests/engines/test_warehouse.py") == {MADE["postgres"]}
    assert needed_by("tests/report/test_robust.py") == frozenset()
    made = [path.read_text("utf-8") for path in (repository / "tests").rglob("conftest.py")]
    assert [name for name in MADE if f"def {name}(" not in "".join(made)] == []
