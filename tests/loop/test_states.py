"""The states of a plan, and what each allows."""

from datetime import datetime
from itertools import product

import pandas as pd

from promolab.folder.reports_folder import STATES, state_of
from promolab.loop.week_lifecycle import check_advance, check_settled
from promolab.loop.week_plans import frozen_windows, moved_windows
from tests.made_up import shop_of
from tests.refused import refused

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
    events = pd.DataFrame({"customer_id": [1], "ts": [pd.Timestamp(last)], "kind": ["purchase"]})
    told = {"attribution": {"return_days": 14} | attribution}
    tables = {"events": events, "promotions": promotions(ends)}
    return shop_of(tables, name="Ours", closed=closed, operations=told)


def promotions(ends):
    start = pd.Timestamp("2017-10-30 04:00")
    rows = [(key, start, pd.Timestamp(end)) for key, end in ends.items()]
    types = {"promotion_id": "str", "starts_at": "datetime64[us]", "ends_at": "datetime64[us]"}
    return pd.DataFrame(rows, columns=[*types]).astype(types)
