"""What was sent against what was planned."""

import pandas as pd

from promolab.campaign.plan.send import neutralised
from promolab.loop.reconcile import OUTCOMES, read_sent, reconcile_sent
from tests.refused import refused, spoilt

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
    assert done.table["customer_id"].dtype == "Int64"
    assert done.table.loc[done.table["as_sent"] == "88", "customer_id"].isna().all()
    assert done.summary().startswith("1 of the 4 planned contacts was sent; the file has 9 rows.")
    assert "1 held out, but sent (wrong)" in done.summary()
    outcomes = done.to_frame()["outcome"].tolist()
    assert outcomes[0] == "held out" and len(outcomes) == 10
    assert outcomes[-3:] == ["as planned", "missing", "missing"]  # the first was sent twice


def test_what_was_sent_as_planned_agrees_in_any_order_with_apostrophes_or_not():
    rows = PLAN[PLAN["holdout"] == "none"].iloc[::-1]
    file = rows[["customer_id", "promotion_id", "channel"]].astype("str")
    done = reconcile_sent(PLAN, file, CUSTOMERS, PROMOTIONS)
    assert len(done.to_frame()) == 0
    assert done.summary() == "4 of the 4 planned contacts were sent; the file has 4 rows."
    without = reconcile_sent(PLAN.drop(columns="channel"), file, CUSTOMERS, PROMOTIONS)
    assert without.to_frame().empty
    done = reconcile_sent(PLAN, sent([]), CUSTOMERS, PROMOTIONS)
    assert done.counts == {name: 4 if name == "missing" else 0 for name in OUTCOMES}
    nothing = reconcile_sent(planned([]), sent([("1", "18", "mail")]), CUSTOMERS, PROMOTIONS)
    assert nothing.table["outcome"].tolist() == ["another week's promotion"]
    plan = planned([("=1", "+P", "mail", "none"), ("'=1", "+P", "mail", "none")])
    plain = plan.drop(columns="holdout")
    done, as_written = (
        reconcile_sent(plan, file, ["=1", "'=1"], ["+P"])
        for file in (plain, plain.apply(neutralised))
    )
    assert done.to_frame().empty
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
