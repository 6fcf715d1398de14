"""The states of a plan, what each allows, and what was sent against what was planned."""

from datetime import datetime
from itertools import product

import pandas as pd

from promolab.campaign.plan.send import neutralised
from promolab.folder.reports_folder import STATES, state_of
from promolab.loop.reconcile import OUTCOMES, read_sent, reconcile_sent
from promolab.loop.week_lifecycle import check_advance, check_settled
from promolab.loop.week_plans import frozen_windows, moved_windows
from tests.made_up import shop_of
from tests.refused import refused, spoilt

ALLOWED = {("draft", "released"), ("released", "sent"), ("sent", "sent"), ("sent", "closed")}
ALREADY = "was released already, by ann at noon; nothing was changed"
DRAFT = r"it is a draft; release it first \(promolab release 2017-W44\)"
CLOSED = "it is closed; its figures no longer change"
INSTEAD = {
    **{(state, "released"): ALREADY for state in ("released", "sent", "closed")},
    **{("draft", to): DRAFT for to in ("sent", "closed")},
    ("released", "closed"): r"what was sent is not known; .*promolab reconcile 2017-W44 sent",
    **{("closed", to): CLOSED for to in ("sent", "closed")},
}


def test_only_the_next_state_can_be_reached_and_a_step_out_of_order_says_what_to_do():
    assert {*product(STATES, STATES[1:])} == {*ALLOWED, *INSTEAD}
    for state, to in ALLOWED:
        check_advance({"state": state}, to, "2017-W44")
    for (state, to), words in INSTEAD.items():
        manifest = {"state": state, "release": {"by": "ann", "at": "noon"}}
        cannot = f"2017-W44 cannot be {'reconciled' if to == 'sent' else to}: .*{words}"
        refused(cannot, check_advance, manifest, to, "2017-W44")
    assert state_of({}) == "draft"
    refused("state = 'gone' in the manifest is none", state_of, {"state": "gone"})


def test_windows_that_moved_are_named():
    windows = dict.fromkeys("ABC", "2017-11-30")
    frozen = frozen_windows(promotions(windows))
    assert moved_windows(frozen, promotions(windows).iloc[::-1]) == ()
    now = promotions({"A": "2017-12-24", "B": "2017-11-30", "D": "2017-11-30"})
    assert moved_windows(frozen, now) == (
        "promotion A was released with the end 2017-11-30 00:00 and now has 2017-12-24 00:00",
        "promotion C was released and is no longer in the data",
    )
    said = " ".join(moved_windows(frozen, now.assign(starts_at=pd.Timestamp("2017-11-01"))))
    assert "B was released with the start 2017-10-30 04:00" in said


def test_a_week_settles_with_its_last_promotion_as_planned_or_as_it_runs_now():
    frozen = frozen_windows(promotions({"A": "2017-11-30", "B": "2017-12-10"}))
    over, later, week = datetime(2017, 12, 24), datetime(2018, 2, 1), "2017-W44"
    sooner = {"A": "2017-11-30", "B": "2017-12-01"}
    for now, how, present, settled in [
        (sooner, {}, over, over),
        ({"A": "2017-12-31", "C": "2018-06-01"}, {}, later, datetime(2018, 1, 14)),
        ({}, {"return_days": 0, "windows": {"redeem": 90}}, later, datetime(2018, 1, 28, 4)),
        ({}, {"last": "2017-12-22", "closed": "2017-12-23"}, over, over),
    ]:
        assert check_settled(frozen, with_promotions(now, **how), present, week) == settled
    shop = with_promotions(sooner)
    assert check_settled({}, shop, datetime(2017, 1, 1), week) is None
    said = "of its 2 promotions are over on 2017-12-24 00:00 UTC"
    refused(said, check_settled, frozen, shop, datetime(2017, 12, 23, 23), week)


def with_promotions(ends, last="2018-03-01", closed=None, **attribution):
    events = pd.DataFrame({"customer_id": [1], "ts": pd.Timestamp(last), "kind": "purchase"})
    told = {"attribution": {"return_days": 14} | attribution}
    tables = {"events": events, "promotions": promotions(ends)}
    return shop_of(tables, name="Ours", closed=closed, operations=told)


def promotions(ends):
    starts = pd.Timestamp("2017-10-30 04:00")
    frame = pd.DataFrame(
        {"promotion_id": [*ends], "starts_at": starts, "ends_at": [*ends.values()]}
    )
    return frame.astype({"starts_at": "datetime64[us]", "ends_at": "datetime64[us]"})


COLUMNS = {"customer_id": "Key", "promotion_id": "Offer", "channel": "By"}


def planned(rows):
    return pd.DataFrame(rows, columns=["customer_id", "promotion_id", "channel", "holdout"])


def sent(rows):
    return pd.DataFrame(rows, columns=["customer_id", "promotion_id", "channel"], dtype="str")


HELD = (3, 18, "mail", "standing"), (4, 18, "mail", "promotion")
PLANNED = [(1, 18, "mail"), (2, 18, "mail"), (5, 19, "app"), (6, 19, "app")]
PLAN = planned([*((*row, "none") for row in PLANNED), *HELD])
CUSTOMERS, PROMOTIONS = [1, 2, 3, 4, 5, 6, 7], [17, 18, 19]


def test_each_row_has_one_outcome():
    pairs = [("3", "18"), ("7", "18"), ("5", "19"), ("2", "17"), ("2", "99"), ("88", "18")]
    rows = [(*pair, "mail") for pair in (*pairs, ("", "18"))]
    file = sent([*[("1", "18", " Mail ")] * 2, *rows])
    done = reconcile_sent(PLAN, file, CUSTOMERS, PROMOTIONS)
    found = done.table.set_index(["as_sent", "promotion_id"])["outcome"].to_dict()
    expected = {("1", "18"): "as planned", ("2", "18"): "missing", ("3", "18"): "held out"}
    expected |= {("7", "18"): "not planned", ("5", "19"): "other channel", ("6", "19"): "missing"}
    expected |= {("2", "17"): "another week's promotion", ("2", "99"): "unknown promotion"}
    expected |= {("88", "18"): "unknown customer", ("", "18"): "unknown customer"}
    assert found == expected
    assert done.rows == 9 == done.table["rows"].sum() and done.duplicates == 1
    assert done.table.loc[done.table["as_sent"] == "88", "customer_id"].isna().all()
    assert "1 held out, but sent (wrong)" in done.summary()
    outcomes = done.to_frame()["outcome"].tolist()
    assert outcomes[0] == "held out" and len(outcomes) == 10
    assert outcomes[-3:] == ["as planned", "missing", "missing"]  # the first was sent twice


def test_what_was_sent_as_planned_agrees_in_any_order_with_apostrophes_or_not():
    rows = PLAN[PLAN["holdout"] == "none"].iloc[::-1]
    file = rows[["customer_id", "promotion_id", "channel"]].astype("str")
    done = reconcile_sent(PLAN, file, CUSTOMERS, PROMOTIONS)
    assert done.to_frame().empty and done.summary().startswith("4 of the 4 planned contacts were")
    without = reconcile_sent(PLAN.drop(columns="channel"), file, CUSTOMERS, PROMOTIONS)
    assert without.to_frame().empty
    done = reconcile_sent(PLAN, sent([]), CUSTOMERS, PROMOTIONS)
    assert done.counts == {name: 4 if name == "missing" else 0 for name in OUTCOMES}
    nothing = reconcile_sent(planned([]), sent([("1", "18", "mail")]), CUSTOMERS, PROMOTIONS)
    assert nothing.table["outcome"].tolist() == ["another week's promotion"]
    plan = planned([("=1", "+P", "mail", "none"), ("'=1", "+P", "mail", "none")])
    plain = plan.drop(columns="holdout")
    given = ["=1", "'=1"], ["+P"]
    assert reconcile_sent(plan, plain, *given).to_frame().empty
    as_written = reconcile_sent(plan, plain.apply(neutralised), *given)
    assert as_written.counts["unknown customer"] == as_written.counts["unknown promotion"] == 0


def test_a_file_that_may_be_of_another_plan_is_doubted():
    known, two, three = [("1", "18"), ("5", "19")], [("88", "18"), ("89", "18")], ("90", "17")
    for rows, doubts in [
        ([], ("it holds 0 of the 4 planned contacts, fewer than half",)),
        (known[:1], ("it holds 1 of the 4 planned contacts, fewer than half",)),
        (known, ()),
        ([*known, *two], ()),
        ([*known, *two, three], ("3 customers of it are known to nobody, and 2 are the shop's",)),
    ]:
        file = pd.DataFrame(rows, columns=["customer_id", "promotion_id"], dtype="str")
        assert reconcile_sent(PLAN, file, CUSTOMERS, PROMOTIONS).doubts() == doubts
    assert reconcile_sent(planned([]), file[:0], CUSTOMERS, PROMOTIONS).doubts() == ()


def test_the_file_is_read_by_the_names_of_the_sending_tool(tmp_path):
    path = tmp_path / "sent.csv"
    path.write_text("﻿By;Offer;Key\nmail;18;007\n", encoding="utf-8")
    expected = {"customer_id": ["007"], "promotion_id": ["18"], "channel": ["mail"]}
    assert read_sent(path, COLUMNS, None).to_dict("list") == expected
    path.write_text("Key,more\n7,x\n")
    one = read_sent(path, COLUMNS, "18")
    assert one.to_dict("list") == {"customer_id": ["7"], "promotion_id": ["18"]}
    spoilt("no column 'Offer', and the week has several promotions", read_sent, path, COLUMNS, None)
    path.write_text("Keys,Offer\n7,18\n")
    spoilt("no column 'Key'; did you mean 'Keys'", read_sent, path, COLUMNS, None)
    path.write_bytes(b"Key,Offer\n\xff\xfe,18\n")
    refused("cannot be read as a csv file in UTF-8", read_sent, path, COLUMNS, None)
    path.write_text("")
    refused("cannot be read as a csv file", read_sent, path, COLUMNS, None)
    refused("No such file", read_sent, tmp_path / "nothing.csv", COLUMNS, None)
