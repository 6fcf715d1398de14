"""What is kept on disk is of the sources that are there, and whole."""

import pytest

from tests import kept as room
from tests.kept import kept, key_of


@pytest.fixture(autouse=True)
def _not_in_ci(monkeypatch):
    monkeypatch.delenv("CI", raising=False)


def test_the_key_changes_with_a_source_its_name_the_packages_and_python(tmp_path, monkeypatch):
    def key():
        key_of.cache_clear()
        return key_of("room", root=tmp_path)

    source, compiled = tmp_path / "room" / "deep" / "a.py", tmp_path / "room" / "__pycache__"
    source.parent.mkdir(parents=True)
    compiled.mkdir()
    source.write_text("a = 1")
    keys = [key()]
    (tmp_path / "other.py").write_text("c = 1")
    (compiled / "a.pyc").write_text("compiled")
    assert key() == keys[0]
    for change in (
        lambda: source.write_text("a = 2"),
        lambda: source.rename(source.with_name("b.py")),
        lambda: monkeypatch.setattr("tests.kept.sys.version", "3.99"),
        lambda: monkeypatch.setattr("tests.kept.sysconfig.get_path", lambda _: str(tmp_path)),
        lambda: monkeypatch.setenv("PROMOLAB_DATA", "elsewhere"),
    ):
        change()
        keys.append(key())
    assert len(set(keys)) == 6


def test_a_folder_is_made_once_and_again_where_it_is_in_part_or_was_changed(tmp_path, monkeypatch):
    made = []

    def make(folder):
        made.append(folder)
        (folder / "a.txt").write_text("whole")
        if len(made) == 1:
            raise KeyboardInterrupt

    def again():
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
    assert again().parent == tmp_path / "scratch"
