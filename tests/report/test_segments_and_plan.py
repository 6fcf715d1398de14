"""The page's segments: who of them is on the week's list, and the test that the plan leaves."""

import numpy as np
import pandas as pd

from promolab.folder import RunFolder
from promolab.report.pages.campaign_report import segments_table
from promolab.weeks import Week
from promolab.wording import answer_to
from tests.report.test_campaign_blocks import text_of

RULE = "They come more often than others: test asking nothing of them."


def block(tmp_path, sizes, planned) -> str:
    """Return the block of segments of 100 customers each, some planned and some held back."""
    (tmp_path / "tables").mkdir(parents=True)
    run = RunFolder(tmp_path, Week.parse("2017-W44"))
    segment = np.repeat(sizes, 100)
    rows = pd.DataFrame({"segment": sizes, "customers": 100, "contacts": 0})
    figures = ("share_customers", "share_sales", "response_rate", "click_rate")
    for name in [f"{name}{end}" for name in figures for end in ("", "_low", "_high")]:
        rows[name] = 0.25
    run.write_table("segment_profile", rows, by="segment")
    advice = rows[["segment"]].assign(so_do_this=RULE)
    run.write_table("segment_advice", advice, by="segment")
    ids = pd.DataFrame({"customer_id": np.arange(len(segment)), "segment": segment})
    run.write_table("segments", ids, by="customer_id")
    run.write_table("planned", planned, by=["customer_id", "promotion_id"])
    return text_of(segments_table(run, answer_to("coupon")))


def test_the_next_test_of_who_is_on_the_list_is_made_from_the_plan(tmp_path) -> None:
    holdout = ["none"] * 60 + ["promotion"] * 20  # of the first; 5 held back of the second
    holdout += [*["none"] * 50, *["promotion"] * 5, *["none"] * 10]
    who = [*range(80), *range(100, 155), *range(200, 210)]
    planned = pd.DataFrame({"customer_id": who, "promotion_id": "P", "holdout": holdout})
    twice = planned.assign(promotion_id="Q")  # a customer of two promotions counts once
    text = block(tmp_path, [*"ABCD"], pd.concat([planned, twice], ignore_index=True))
    lines = [text.split(f" {name} 100 ")[1] for name in "ABCD"]
    assert "60 of 100 Runs: 20 held back by chance." in lines[0]
    assert "50 of 100 Hold back 15 more by chance: too few are to tell." in lines[1]
    # Hardly anybody is on the list: what fixed rules say contradicts no plan.
    assert f"10 of 100 {RULE}" in lines[2] and f"0 of 100 {RULE}" in lines[3]
    assert text.count(RULE) == 2
