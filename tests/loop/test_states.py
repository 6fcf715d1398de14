"""The states of a plan, and what each allows."""

from dataclasses import replace
from datetime import datetime

import ibis
import pandas as pd

from promolab.contract import Settings, Shop
from promolab.folder.reports_folder import STATES, state_of
from promolab.loop.week_lifecycle import check_advance, check_settled
from promolab.loop.week_plans import check_unchanged, frozen_windows, moved_windows
from tests.refused import refused

ALLOWED = {("draft", "released"), ("released", "sent"), ("sent", "sent"), ("sent", "closed")}


def test_only_the_next_state_can_be_reached_and_a_step_out_of_order_says_what_to_do():
    assert ALLOWED and len(STATES) > 2
    for state in STATES:
        for to in STATES[1:]:
            manifest = {"state": state, "release": {"by": "ann", "at": "2017-10-27T09:00:00+00:00"}}
            if (state, to) in ALLOWED:
                check_advance(manifest, to, "2017-W44")
                continue
            said = "2017-W44 cannot be (released|reconciled|closed)"
            refused(said, check_advance, manifest, to, "2017-W44")
    for state, to, words in [
        ("released", "released", "was released already, by ann at noon; nothing was changed"),
        ("closed", "released", "was released already, by ann at noon"),
        ("draft", "sent", r"it is a draft; release it first \(promolab release 2017-W44\)"),
        ("released", "closed", r"what was sent is not known; .*promolab reconcile 2017-W44 sent"),
        ("closed", "sent", "it is closed; its figures no longer change"),
        ("closed", "closed", "it is closed; its figures no longer change"),
    ]:
        manifest = {"state": state, "release": {"by": "ann", "at": "noon"}}
        refused(words, check_advance, manifest, to, "2017-W44")
    assert state_of({}) == "draft"
    refused("state = 'gone' in the manifest is none", state_of, {"state": "gone"})


def test_files_and_windows_that_moved_are_named():
    for now, words in [
        ({"a": "2", "b": "1"}, "a was changed since the release"),
        ({"a": "1"}, "b went away since the release"),
        ({"a": "1", "b": "1", "c": "1"}, "c was added since the release"),
    ]:
        check_unchanged({"a": "1", "b": "1"}, {"b": "1", "a": "1"}, "the release")
        refused(words, check_unchanged, {"a": "1", "b": "1"}, now, "the release")
    frozen = frozen_windows(promotions(A="2017-11-30", B="2017-11-30", C="2017-11-30"))
    assert moved_windows(frozen, promotions(C="2017-11-30", B="2017-11-30", A="2017-11-30")) == ()
    now = promotions(A="2017-12-24", B="2017-11-30", D="2017-11-30")
    assert moved_windows(frozen, now) == (
        "promotion A was released with the end 2017-11-30 00:00 and now has 2017-12-24 00:00",
        "promotion C was released and is no longer in the data",
    )
    later = now.assign(starts_at=pd.Timestamp("2017-11-01"))
    said = " ".join(moved_windows(frozen, later))
    assert "B was released with the start 2017-10-30 04:00" in said


def test_a_week_settles_with_its_last_promotion_as_planned_or_as_it_runs_now():
    frozen = frozen_windows(promotions(A="2017-11-30", B="2017-12-10"))
    shop = with_promotions(promotions(A="2017-11-30", B="2017-12-01"), return_days=14)
    over = datetime(2017, 12, 24)
    assert check_settled(frozen, shop, over, "2017-W44") == over
    said = "of its 2 promotions are over on 2017-12-24 00:00 UTC"
    refused(said, check_settled, frozen, shop, datetime(2017, 12, 23, 23), "2017-W44")
    later = with_promotions(promotions(A="2017-12-31", C="2018-06-01"), return_days=14)
    assert check_settled(frozen, later, datetime(2018, 2, 1), "2017-W44") == datetime(2018, 1, 14)
    long = with_promotions(promotions(), return_days=0, windows={"redeem": 90})
    assert check_settled(frozen, long, datetime(2018, 2, 1), "w") == datetime(2018, 1, 28, 4)
    assert check_settled({}, shop, datetime(2017, 1, 1), "2017-W44") is None
    short = with_promotions(promotions(), return_days=14, last="2017-12-22")
    reach = "over since 2017-12-24, but the data of Ours reach only to 2017-12-22"
    refused(reach, check_settled, frozen, short, over, "2017-W44")
    closed = with_promotions(promotions(), return_days=14, last="2017-12-22", closed="2017-12-23")
    assert check_settled(frozen, closed, over, "2017-W44") == over


def with_promotions(rows, last="2018-03-01", closed=None, **attribution):
    event = {"customer_id": [1], "ts": [pd.Timestamp(last)], "kind": ["purchase"]}
    settings = Settings(name="Ours", zone="UTC", closed=closed)
    settings = replace(settings, operations={"attribution": attribution})
    tables = {"events": ibis.memtable(pd.DataFrame(event)), "promotions": ibis.memtable(rows)}
    return Shop(tables, settings)


def promotions(**ends):
    start = pd.Timestamp("2017-10-30 04:00")
    rows = [(key, start, pd.Timestamp(end)) for key, end in ends.items()]
    return pd.DataFrame(rows, columns=["promotion_id", "starts_at", "ends_at"])
