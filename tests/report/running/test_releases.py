"""A week's plan from draft to closed."""

import errno
import fcntl
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import ibis
import pandas as pd
import pytest

from promolab import cli
from promolab.contract import Shop
from promolab.errors import DataError, StepError
from promolab.folder import ReportsFolder, RunFolder
from promolab.loop import week_lifecycle
from promolab.loop.ledger import Ledger
from promolab.loop.week_lifecycle import HeldWeek
from promolab.loop.week_plans import (
    carried_out,
    moved_since_release,
    plan_files,
    released_contacts,
    released_plans,
    with_released_decisions,
)
from promolab.report.running import PAGES
from promolab.weeks import Week
from tests.golden import agrees, facts_of_names, facts_of_week
from tests.refused import refused, spoilt
from tests.report.toy_plan import END, SETTINGS, promotions

release_week = partial(week_lifecycle.release_week, pages=PAGES)
reconcile_week = partial(week_lifecycle.reconcile_week, pages=PAGES)
close_week = partial(week_lifecycle.close_week, pages=PAGES)

WEEK = "2017-W44"
SETTLED = datetime(2017, 11, 27, 5)


@pytest.fixture
def reports(planned, tmp_path):
    """A reports folder with one planned week, to be changed."""
    return shutil.copytree(planned, tmp_path / "reports", symlinks=True)


def everything(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def run_of(reports, week):
    return RunFolder(reports / week, Week.parse(week))


def ledger_of(reports):
    return Ledger.open(reports / "ledger.duckdb", shop="Toy & Co")


def states(reports):
    return ledger_of(reports).weeks()["state"].tolist()


def manifest(reports):
    return json.loads((reports / WEEK / "manifest.json").read_text())


def small_shop(end=END):
    con = ibis.duckdb.connect(threads=1)
    days = pd.date_range("2017-10-01 12:00", periods=100)
    events = pd.DataFrame({"customer_id": 1, "ts": days, "kind": "purchase", "amount": 2.0})
    tables = {"events": events, "promotions": promotions(end)}
    tables["customers"] = pd.DataFrame({"customer_id": range(1, 10)})
    return Shop({name: con.create_table(name, table) for name, table in tables.items()}, SETTINGS)


@pytest.fixture
def source(monkeypatch):
    """Let the shop be what a test says it is."""
    shops = [small_shop()]
    monkeypatch.setattr("promolab.sources.load_shop", lambda *_, **__: shops[-1])
    return shops.append


def release(reports, by=None):
    """Release the week, from the small shop as it was drafted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("promolab.sources.load_shop", lambda *_, **__: small_shop())
        return release_week(WEEK, reports, by)


def sent_file(tmp_path, rows="1,18 2,18", name="sent.csv"):
    path = tmp_path / name
    path.write_text("\n".join(["Key,Offer", *rows.split(), ""]))
    return path


def test_a_draft_notes_its_plan_and_a_release_says_who_when_and_what(reports):
    before, made = everything(reports / WEEK), manifest(reports)
    assert made["state"] == "draft" and made["status"] == "good"
    assert made["plan"]["files"] == plan_files(reports / WEEK)
    sent = {f"send/{name}.csv" for name in ("18__mail", "control", "holdout")}
    tables = {"tables/decisions.parquet", "tables/planned.parquet"}
    assert set(made["plan"]["files"]) == sent | tables
    assert release(reports, "ann") == reports / WEEK / "send"
    frozen = manifest(reports)["release"]
    assert manifest(reports)["state"] == "released" and frozen["by"] == "ann"
    assert datetime.fromisoformat(frozen["at"]).tzinfo is not None
    assert frozen["files"] == plan_files(reports / WEEK)
    assert frozen["promotions"] == {
        "18": {"starts_at": "2017-10-30T04:00:00", "ends_at": "2017-11-13T05:00:00"}
    }
    after, card = everything(reports / WEEK), reports / WEEK / "model_card.md"
    assert {p.name for p in after if after[p] != before[p]} == {"manifest.json", card.name}
    assert b"Not released yet" in before[card]
    assert f"released by ann at {frozen['at']}." in after[card].decode()
    assert ">released</td>" in (reports / "index.html").read_text()


def test_a_released_week_is_never_made_again(reports, toy_here, capsys):
    release(reports)
    before = everything(reports / WEEK)
    page = toy_here(reports, parameters={"mood": "plan", "depth": 0.5})  # the default, said
    assert page == reports / WEEK / "index.html"
    assert "the plan of 2017-W44 is released: the report is as it was" in capsys.readouterr().err
    for given, seed in (({"mood": "plan", "depth": 0.25}, 0), ({}, 0), ({"mood": "plan"}, 1)):
        call = {"week": WEEK, "parameters": given, "seed": seed}
        refused("is released, and was made from other", toy_here, reports, **call)
    assert everything(reports / WEEK) == before
    assert not (reports / ".failed").exists()


def test_who_is_contacted_by_released_plans_is_known_to_later_ones(reports):
    assert released_contacts(run_of(reports, "2017-W45")).empty
    release(reports)
    rows = released_contacts(run_of(reports, "2017-W45"))
    assert rows["customer_id"].tolist() == [1, 2, 3] and set(rows["promotion_id"]) == {18}
    (plan,) = released_plans(ReportsFolder(reports))
    assert plan.contacts()["standing"].tolist() == [False, False, True]
    assert set(rows["ts"]) == {pd.Timestamp("2017-10-30 04:00")}
    assert set(rows["channel"]) == {"mail"}
    earlier = released_contacts(run_of(reports, "2017-W43"))
    pd.testing.assert_frame_equal(earlier, rows)  # a later week's plan is promised as well
    assert len(released_contacts(run_of(reports, WEEK))) == 0


def test_a_released_plan_that_was_changed_is_used_nowhere(reports, toy_here):
    release(reports)
    with (reports / WEEK / "send" / "18__mail.csv").open("a") as file:
        file.write(" ")
    later = RunFolder(reports / "2017-W50", Week.parse("2017-W50"))
    for use in (
        lambda: released_contacts(later),
        lambda: with_released_decisions(later, small_shop()),
        lambda: carried_out(later, [18]),
        lambda: moved_since_release(later, small_shop()),
        lambda: toy_here(reports, week="2017-W45"),
        lambda: toy_here(reports, week="2017-W20"),
    ):
        refused(r"2017-W44 released cannot be relied on: send/18__mail.csv was", use)
    assert not (reports / "2017-W45").exists() and not (reports / "2017-W20").exists()


def test_two_releases_at_once(reports, source):
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(release_week, WEEK, reports, name) for name in ("ann", "bob")]
    (lost,) = filter(None, [call.exception() for call in calls])
    winner = manifest(reports)["release"]["by"]
    assert f"was released already, by {winner} at" in str(lost)
    with (reports / ".lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StepError, match="another run is writing into"):
            release_week(WEEK, reports, wait=0)


def test_a_release_needs_a_whole_plan(reports, tmp_path):
    refused("no report of 2017-W45 in .*; there are 2017-W44", release_week, "2017-W45", reports)
    refused("there is no reports folder", release_week, WEEK, tmp_path / "nothing")
    (reports / ".failed").mkdir()
    (reports / ".failed" / "2017-W45.json").write_text('{"reason": "step 01 failed"}')
    refused(r"report of 2017-W45 failed \(step 01 failed\)", release_week, "2017-W45", reports)
    without = shutil.copytree(reports, tmp_path / "without", symlinks=True)
    shutil.rmtree(without / WEEK / "send")
    refused("2017-W44 has no plan: send is not in", release_week, WEEK, without)
    refused("--by is empty", release_week, WEEK, reports, " ")
    for name, what in (("more", "added"), ("18__mail", "changed")):
        path = reports / WEEK / "send" / f"{name}.csv"
        with path.open("a") as file:
            file.write("9,18\n")
        refused(f"send/{name}.csv was {what} since the plan", release_week, WEEK, reports)
        if what == "added":
            path.unlink()
    assert manifest(reports)["state"] == "draft"


def test_what_was_sent_is_read_back_and_counts_in_place_of_the_plan(reports, source, tmp_path):
    refused("be reconciled: it is a draft", reconcile_week, WEEK, sent_file(tmp_path), reports)
    release(reports)
    frozen = plan_files(reports / WEEK)
    given = sent_file(tmp_path, "1,18 1,18 3,18 9,18 77,18 2,17")
    done, moved = reconcile_week(WEEK, given, reports)
    assert moved == () and done.duplicates == 1
    said = manifest(reports)
    assert said["state"] == "sent" and said["sent"]["summary"] == done.summary()
    told = "as planned,held out,not planned,another week's promotion,unknown customer,missing"
    outcomes = {k: v for k, v in said["sent"]["outcomes"].items() if v}
    assert outcomes == dict.fromkeys(told.split(","), 1)
    sent = reports / WEEK / "tables" / "sent.parquet"
    written = pd.read_parquet(sent)
    assert written["rows"].sum() == 6 and len(written) == 6
    assert plan_files(reports / WEEK) == frozen
    given = sent_file(tmp_path, "1,18 1,18 4,18 9,17 77,18 9,99")
    reconcile_week(WEEK, given, reports)
    rows = released_contacts(run_of(reports, "2017-W45")).sort_values("customer_id")
    assert rows["customer_id"].tolist() == [1, 1, 3, 4, 9, 9]  # 2 was not sent, 77 nobody knows
    assert set(rows["promotion_id"].dropna()) == {17, 18} and rows["promotion_id"].isna().sum() == 1
    assert set(rows["ts"]) == {pd.Timestamp("2017-10-30 04:00")}
    again, _ = reconcile_week(WEEK, sent_file(tmp_path), reports)  # the tool's corrected file
    assert again.to_frame().empty and manifest(reports)["sent"]["outcomes"]["missing"] == 0
    written.head(1).to_parquet(sent)
    refused(r"sent\.parquet was changed since", released_contacts, run_of(reports, "2017-W45"))
    (reports / WEEK / "tables" / "planned.parquet").unlink()
    refused(r"planned\.parquet went away since", reconcile_week, WEEK, given, reports)


def test_settings_go_with_the_source_and_a_warehouse_asks_for_its_user(monkeypatch, tmp_path):
    def held_week(**parameters):
        told = {"parameters": parameters}
        return HeldWeek(run_of(tmp_path, WEEK), told, PAGES, Ledger(tmp_path / "l", ""))

    def denied(where, **_):
        raise DataError(f"{where} refuses the login")

    week = held_week(source="old", shop_file="old.toml")
    with monkeypatch.context() as patch:
        patch.setattr("promolab.sources.load_shop", lambda source, settings: (source, settings))
        assert week.shop(None, None) == ("old", "old.toml")
        assert week.shop(None, "new.toml") == ("old", "new.toml")
        # Another source is another shop: what the week's settings say of columns is not about it.
        assert week.shop("new", None) == ("new", None)
    monkeypatch.setattr("promolab.sources.load_shop", denied)
    week = held_week(source="postgres://db.example.org/shop")
    refused(r"refuses the login\. .* neither user nor options: give", week.shop, None, None)
    spoilt("refuses the login$", week.shop, "postgres://ann@db.example.org/shop", None)


def test_a_release_that_was_killed_before_the_ledger_is_made_up_for(reports, source):
    def killed(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        week_lifecycle.release_week(WEEK, reports, pages=replace(PAGES, list_weeks=killed))
    assert manifest(reports)["state"] == "released" and states(reports) == ["draft"]
    refused("was released already", release_week, WEEK, reports)
    assert states(reports) == ["released"]


def test_what_keeps_a_release_from_being_made_is_named(reports, source, monkeypatch, tmp_path):
    before = everything(reports / WEEK)

    class Earlier(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2010, 5, 1, tzinfo=tz)

    with monkeypatch.context() as patch:
        patch.setattr("promolab.loop.week_lifecycle.datetime", Earlier)
        refused("clock of this machine says 2010-05-01, and the draf", release_week, WEEK, reports)

    def read_only(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "touch", read_only)
        refused(r"cannot be written \(Read-only file system\)", release_week, WEEK, reports)
    theirs = tmp_path / "theirs.duckdb"
    Ledger.open(theirs, shop="Theirs", create=True)
    refused("that of Theirs, not of Toy", release_week, WEEK, reports, ledger=theirs)
    assert everything(reports / WEEK) == before


def test_a_week_is_closed_when_its_windows_are_over_as_the_ledger_says(reports, source, tmp_path):
    def happened(run, shop, as_of, weeks):
        assert shop.has("events") and weeks == {WEEK} and as_of == SETTLED
        rows = {"week": [WEEK], "state": "settled", "known_at": [as_of]}
        return pd.DataFrame(rows | {"measure": "redemptions", "value": 3.0})

    pages = replace(PAGES, rows=replace(PAGES.rows, outcomes=happened))
    release(reports)
    assert states(reports) == ["released"]
    refused("what was sent is not known; read that back first", close_week, WEEK, reports)
    reconcile_week(WEEK, sent_file(tmp_path), reports)
    assert states(reports) == ["sent"]
    early = SETTLED - timedelta(seconds=1)
    refused("promotion are over on 2017-11-27 05:00 UTC", close_week, WEEK, reports, now=early)
    assert close_week(WEEK, reports, "ann", now=SETTLED, pages=pages) == ()
    closed = manifest(reports)["closed"]
    assert manifest(reports)["state"] == "closed" and closed["by"] == "ann"
    assert states(reports) == ["closed"]
    book = ledger_of(reports)
    assert book.outcomes()[["value", "state"]].to_numpy().tolist() == [[3.0, "settled"]]
    chances = book.rows("decision_propensities", WEEK)
    held = {"decisions": book.decisions(WEEK), "decision_propensities": chances}
    parts = {"sent": manifest(reports)["sent"]["outcomes"], "closed": closed}
    agrees("closed", facts_of_week(reports / WEEK) | facts_of_names(held) | {"manifest": parts})


def test_a_window_that_moved_after_the_release_is_said_and_waited_for(reports, source, tmp_path):
    moved_shop = small_shop(END + timedelta(days=7))
    assert moved_since_release(run_of(reports, "2017-W50"), moved_shop) == {}  # a draft
    release(reports)
    assert moved_since_release(run_of(reports, "2017-W50"), small_shop()) == {}
    source(moved_shop)
    _, moved = reconcile_week(WEEK, sent_file(tmp_path), reports)
    assert moved == (
        "promotion 18 was released with the end 2017-11-13 05:00 and now has 2017-11-20 05:00",
    )
    assert manifest(reports)["sent"]["moved"] == list(moved)
    assert moved_since_release(run_of(reports, "2017-W50"), moved_shop) == {WEEK: moved}
    refused("are over on 2017-12-04 05:00 UTC", close_week, WEEK, reports, now=SETTLED)
    assert close_week(WEEK, reports, now=SETTLED + timedelta(days=7)) == moved


def test_commands_say_what_they_did_and_keep_a_good_file(reports, source, tmp_path, capsys):
    out = ["--out", str(reports)]
    assert cli.main(["release", WEEK, "--by", "ann", *out]) == 0
    assert capsys.readouterr().out == f"{reports / WEEK / 'send'}\n"
    for rows in ("", "9,17", "1,18 77,1 78,1"):
        wrong = sent_file(tmp_path, rows, "wrong.csv")
        refused("what was planned still counts as sent", reconcile_week, WEEK, wrong, reports)
    assert manifest(reports)["state"] == "released"
    assert cli.main(["reconcile", WEEK, str(sent_file(tmp_path, "1,18 4,18")), *out]) == 0
    printed = capsys.readouterr().out
    assert "1 of the 2 planned contacts was sent" in printed
    assert "18 4: held out, 1 row(s)" in printed and "18 2: missing, 0 row(s)" in printed
    before = everything(reports / WEEK)
    call = ["reconcile", WEEK, str(wrong), *out]
    assert cli.main(call) == 2 and everything(reports / WEEK) == before
    assert "Nothing was changed, what sent.csv told on" in capsys.readouterr().err
    assert cli.main([*call, "--force"]) == 0 and manifest(reports)["sent"]["file"] == "wrong.csv"
    capsys.readouterr()
    assert [cli.main(["close", WEEK, *out]) for _ in range(2)] == [0, 2]
    assert capsys.readouterr().out == "2017-W44 is closed\n"
