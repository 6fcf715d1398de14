"""The states of a plan, and what each allows."""

from datetime import datetime

import pandas as pd

from promolab.contract.operations import Attribution
from promolab.folder.reports_folder import STATES, state_of
from promolab.loop.states import (
    check_advance,
    check_settled,
    check_unchanged,
    frozen_windows,
    moved_windows,
    settled_at,
)
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
        ("closed", "closed", "it is closed already"),
    ]:
        manifest = {"state": state, "release": {"by": "ann", "at": "noon"}}
        refused(words, check_advance, manifest, to, "2017-W44")
    assert state_of({}) == "draft"
    refused("state = 'gone' in the manifest is none", state_of, {"state": "gone"})


def test_files_and_windows_that_moved_are_named_and_a_week_settles_with_its_last():
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
    frozen = frozen_windows(promotions(A="2017-11-30", B="2017-12-10"))
    settled = settled_at(frozen, Attribution(return_days=14), "UTC")
    assert settled == datetime(2017, 12, 24)
    long = settled_at(frozen, Attribution(windows={"redeem": 90}, return_days=0), "UTC")
    assert long == datetime(2018, 1, 28, 4)
    early, said = datetime(2017, 12, 23, 23), "of its 2 promotions are over on 2017-12-24 00:00 UTC"
    refused(said, check_settled, settled, early, "2017-W44", 2)
    check_settled(settled, datetime(2017, 12, 24), "2017-W44", 2)
    assert settled_at({}, Attribution(), "UTC") is None
    check_settled(None, datetime(2017, 1, 1), "2017-W44", 0)


def promotions(**ends):
    start = pd.Timestamp("2017-10-30 04:00")
    rows = [(key, start, pd.Timestamp(end)) for key, end in ends.items()]
    return pd.DataFrame(rows, columns=["promotion_id", "starts_at", "ends_at"])
