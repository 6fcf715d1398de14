"""Pseudonyms: the same for a customer everywhere, and nothing that a page shows leads back."""

import base64
import hashlib
import json
import re
import shutil
import stat
from itertools import product

import numpy as np
import pandas as pd

from promolab.folder import (
    SECRET_FILE,
    ReportsFolder,
    RunFolder,
    check_codes,
    codes,
    ensure_key,
    note_drawn,
)
from promolab.folder.pseudonyms import stated_key
from promolab.loop import release_week
from promolab.loop.week_plans import plan_files
from promolab.report.running import PAGES
from promolab.weeks import Week
from tests.made_reports import SECRET
from tests.refused import refused

WEEK = "2017-W44"
CODE = re.compile(r"C-[A-Z2-7]{10}")


def folder(out, week=WEEK):
    (out / week).mkdir(parents=True, exist_ok=True)
    return RunFolder(out / week, Week.parse(week))


def computable_key(text):
    """Return a key that whoever has a manifest can compute."""
    return hashlib.sha256(f"promolab pseudonym key\n{text}".encode()).digest()


def leaves(node):
    """Yield every key and every value of a manifest as text."""
    if isinstance(node, dict):
        node = [*node, *node.values()]
    if isinstance(node, list):
        for value in node:
            yield from leaves(value)
    else:
        yield str(node)


def guessed_keys(manifest):
    """Return keys that an attacker would try: of each field, of groups of fields, of all of it."""
    fields, inputs = sorted(set(leaves(manifest))), manifest["inputs"]
    groups = ["".join(inputs.values()), json.dumps(manifest, sort_keys=True), json.dumps(inputs)]
    keys = {computable_key(f"{a} {b}") for a, b in product(fields, fields)}
    for text in ["", "promolab", "promolab pseudonym key", *fields, *groups]:
        raw, digest = text.encode(), hashlib.sha256(text.encode())
        keys |= {raw, digest.digest(), digest.hexdigest().encode(), computable_key(text)}
        if re.fullmatch(r"([0-9a-f]{2})+", text):
            keys.add(bytes.fromhex(text))
    return keys


def traced(week, ids):
    """Return how many guessed keys reproduce a code on a week's pages, and how many there are."""
    keys = guessed_keys(json.loads((week / "manifest.json").read_text()))
    shown = {code for path in week.glob("*.html") for code in CODE.findall(path.read_text("utf-8"))}
    assert shown
    return sum(not shown.isdisjoint(codes(key, ids)) for key in keys), len(keys)


def test_with_pages_manifest_and_all_ids_nobody_is_found(planned, tmp_path):
    found, tried = traced(planned / WEEK, [1, 2, 3])
    assert found == 0 and tried > 5_000
    # The same attack finds a key that follows from the manifest.
    out = shutil.copytree(planned, tmp_path / "out", symlinks=True)
    (out / ".key").write_bytes(computable_key("events ab12"))
    (out / WEEK / "index.html").write_text(folder(out).pseudonym([3])[0], encoding="utf-8")
    assert traced(out / WEEK, [1, 2, 3])[0] == 1


def of_old(planned, out, week, *, released=False):
    """Put a week into a folder, whose codes are of another key."""
    copied = shutil.copytree(planned / WEEK, out / week)
    manifest = json.loads((copied / "manifest.json").read_text())
    manifest["parameters"] |= {"week": week}
    if released:
        frozen = {"by": "ann", "at": "2017-10-15T12:00:00+00:00", "promotions": {}}
        frozen |= {"files": plan_files(copied), "sends_at": "2017-10-16T04:00:00"}
        manifest |= {"state": "released", "release": frozen}
    (copied / "manifest.json").write_text(json.dumps(manifest))
    page = copied / "index.html"
    page.write_text(page.read_text().replace("C-", "OLD-"), encoding="utf-8")


def test_where_the_key_was_removed_drafts_are_to_be_made_again(toy_here, planned, tmp_path, capsys):
    old = tmp_path / "out"
    old.mkdir()
    for name in ("2017-W42", "2017-W43", WEEK):
        of_old(planned, old, name, released=name == "2017-W42")
    toy_here(old, week="2017-W43", parameters={"mood": "plan"})
    said = capsys.readouterr().err
    key = (old / ".key").read_bytes()
    assert len(key) == 32 and "there was no .key: pseudonyms have a new key" in said
    assert "2 drafts with codes of the earlier key cannot be released before" in said
    assert "the pages of 2017-W42 keep the codes of the earlier key" in said
    assert "OLD-" in (old / "2017-W42" / "index.html").read_text()
    reports, week = ReportsFolder(old), Week.parse(WEEK)
    check_codes(reports, Week.parse("2017-W43"))
    refused("show codes .* make them again", release_week, WEEK, old, by="ann", pages=PAGES)
    note_drawn(reports, week)  # as `report` does when it has made the week
    check_codes(reports, week)
    assert not (old / ".redraw.json").exists()
    assert ensure_key(reports) == [] and (old / ".key").read_bytes() == key


def test_codes_are_stable_distinct_and_those_of_rfc_2104_and_keys_random(tmp_path, monkeypatch):
    ensure_key(folder(tmp_path).reports)
    run, later = folder(tmp_path), folder(tmp_path, "2017-W45")
    shown = run.pseudonym(np.arange(100_000))
    assert len(set(shown)) == 100_000 and all(CODE.fullmatch(code) for code in shown[:100])
    ensure_key(ReportsFolder(tmp_path))  # made once
    assert later.pseudonym([5, 3, 5]).tolist() == [shown[5], shown[3], shown[5]]
    assert run.pseudonym(pd.Series([5.0, None]).astype("Int64"))[1] == ""
    assert run.pseudonym(["ü", None]).tolist()[1] == ""
    # Keys are random, also those of scratch folders.
    scratch = folder(tmp_path / "scratch")
    assert scratch.pseudonym([1])[0] == scratch.pseudonym([1])[0] != shown[1]
    assert ensure_key(scratch.reports) == []
    paths = (tmp_path / ".key", scratch.path / ".key", scratch.reports.path / ".key")
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in paths)
    assert [len(key.read_bytes()) for key in (paths[0], paths[2])] == [32, 32]
    with monkeypatch.context() as patch:  # a collision lengthens the codes
        patch.setattr("promolab.folder.pseudonyms._CODE_LENGTH", 1)
        longer = scratch.pseudonym(range(500))
    assert len(set(longer)) == 500 and len({len(code) for code in longer}) == 1
    # RFC 4231, test case 2: key "Jefe", data "what do ya want for nothing?".
    digest = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    expected = base64.b32encode(bytes.fromhex(digest)).decode()[:10]
    assert codes(b"Jefe", ["what do ya want for nothing?"]) == [f"C-{expected}"]


def test_a_stated_secret_gives_equal_codes_and_another_is_refused(toy_here, monkeypatch, tmp_path):
    def stated(secret="", file=""):
        monkeypatch.setenv("PROMOLAB_KEY", secret)
        monkeypatch.setenv("PROMOLAB_KEY_FILE", str(file))

    (tmp_path / "secret").write_text("a long and stated secret\n")
    shown: list[list[str]] = []
    for how in (("a long and stated secret", ""), ("", tmp_path / "secret"), ("another", "")):
        stated(*how)
        run = folder(tmp_path / str(len(shown)))
        ensure_key(run.reports)
        stated()  # a folder keeps its key where none is stated
        assert ensure_key(run.reports) == []
        shown.append(run.pseudonym([1, 2]).tolist())
    assert shown[0] == shown[1] and not {*shown[0]} & {*shown[2]}
    stated("a long and stated secret with a slip")
    refused(r"\.key is not made from .* PROMOLAB_KEY states.*remove", toy_here, tmp_path / "0")
    stated("x", "y")
    refused("both state the secret", ensure_key, ReportsFolder(tmp_path))


def test_the_secret_is_written_nowhere_and_files_with_ids_are_closed(planned):
    paths = [path for path in planned.rglob("*") if path.is_file()]
    assert len(paths) > 10
    assert not [path for path in paths if SECRET.encode() in path.read_bytes()]
    week = planned / WEEK
    for name in ("send", "shop", "tables"):
        inside = [*(week / name).rglob("*")]
        assert inside
        for path in (week / name, *inside):
            assert stat.S_IMODE(path.stat().st_mode) == (0o750 if path.is_dir() else 0o640), path
    assert (week / "index.html").stat().st_mode & 0o004


def test_a_file_of_the_secret_that_cannot_be_read_is_said(tmp_path):
    gone = {SECRET_FILE: str(tmp_path / "gone")}
    refused("gone cannot be read: No such file", stated_key, gone)
