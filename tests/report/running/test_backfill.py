"""Many weeks: resumed, passed over, and not kept by one that fails."""

import json
import shutil
from dataclasses import replace

import pytest

from promolab import cli
from promolab.report.running import many_weeks as room
from promolab.report.running.many_weeks import Backfilled, backfill
from promolab.weeks import Week
from tests.refused import refused
from tests.report.running.test_releases import release


@pytest.fixture
def quick(monkeypatch, toy_here, notebooks):
    """Return the backfill of toy weeks, and note which weeks are made; W41 fails."""
    made = []
    real = room.make_week

    def make(request, **more):
        made.append(str(request.week))
        if str(request.week) == "2017-W41":
            request = replace(request, parameters={"mood": "fail"})
        return real(request, **more)

    monkeypatch.setattr(room, "make_week", make)

    def fill(first, last, out, **options):
        return backfill(first, last, out=out, notebooks=notebooks, **options)

    return fill, made


def test_a_released_week_is_passed_over_and_a_failed_one_keeps_none(quick, planned, tmp_path):
    fill, made = quick
    out = shutil.copytree(planned, tmp_path / "out", symlinks=True)
    released = out / "2017-W44"
    release(out)
    before = {p: p.read_bytes() for p in released.rglob("*") if p.is_file()}
    for left in ("2017-W42", "2017-W43"):  # one of other parameters, and is made again
        (out / left).mkdir()
        (out / left / "index.html").write_text("")
        told = {"source": "complete_journey", "week": left, "seed": 0, "shop_file": None}
        other = {"depth": 0.25} if left == "2017-W43" else {}
        manifest = {"status": "good", "parameters": told | other}
        (out / left / "manifest.json").write_text(json.dumps(manifest))
    seen: list[object] = []
    done = fill("2017-W41", "2017-W44", out, on_week=seen.append)
    assert seen == done and made == ["2017-W41", "2017-W43"]
    assert [week.outcome for week in done] == ["failed", "there already", "made", "left as it is"]
    assert done[0].line().startswith("2017-W41 failed: step 01_data failed in cell 4: KeyError")
    assert done[3].line() == "2017-W44 left as it is (its plan is released)"
    assert "failed · step 01_data" in (out / "index.html").read_text()
    assert {p: p.read_bytes() for p in released.rglob("*") if p.is_file()} == before
    # A call that was killed goes on where it was: what it made is there.
    again = fill("2017-W42", "2017-W43", out)
    assert [week.outcome for week in again] == ["there already"] * 2 and len(made) == 2


def test_weeks_that_are_none_are_refused_before_any_is_made(quick, tmp_path):
    fill, made = quick
    for first, last, words in [
        ("2017-W45", "2017-W44", "--from 2017-W45 is after --to 2017-W44"),
        ("2016-W40", "2017-W44", "2016-W40 begins before the data do"),
        ("2017-W40", "2018-W10", "2018-W10 begins after the data end"),
        ("W40", "2017-W44", "'W40' is no ISO week"),
    ]:
        refused(words, fill, first, last, tmp_path / "out")
    assert made == []


def test_the_command_ends_with_1_where_a_week_failed(monkeypatch, capsys):
    done = [Backfilled(Week(2017, 20), "made", "in 4 s")]

    def some(first, last, on_week, **options):
        assert options["parameters"] == {"depth": "1"}
        assert options["strict"] and options["seed"] == 2
        for week in done:
            on_week(week)
        return done

    monkeypatch.setattr(room, "backfill", some)
    call = "backfill --from 2017-W20 --to 2017-W21 -p depth=1 --strict --seed 2".split()
    assert cli.main(call) == 0
    done.append(Backfilled(Week(2017, 21), "failed", "no such column"))
    assert cli.main(call) == 1
    printed = capsys.readouterr()
    assert printed.out.endswith("2017-W20 made in 4 s\n2017-W21 failed: no such column\n")
    assert printed.err == "promolab: 1 of 2 weeks failed: 2017-W21\n"
