"""The promotions that start: tiles, a table each while they are few, one for all of many."""

import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from promolab.campaign.outlook.economics import LaunchEconomics, PromotionEconomics
from promolab.contract.operations import StatedRate as Rate
from promolab.display import say
from promolab.folder import RunFolder, write_json
from promolab.report.pages.launches import MOST_APART, launching
from promolab.results import Estimate
from promolab.weeks import Week

ROW = PromotionEconomics(
    promotion_id=18,
    name="Coupons 18",
    contacts=925,
    held=107,
    redemptions=Estimate(158.0, 77.0, 322.0, 10),
    discount=Estimate(507.0, 190.0, 1353.0, 10),
    cost=Estimate(507.0, 190.0, 1353.0, 10),
    break_even=Estimate(2.19, 0.82, 5.85, 925),
    margin_rate=Rate(0.25, True),
    contact_cost=Rate(0.0, True),
    coupon_cost=Rate(0.0, False),
    funder_share=0.0,
    sales_sd=403.0,
    sales_correlation=0.0,
    visible=115.3,
    anyway_list=Estimate(0.94, 0.92, 0.95, 925),
    anyway_redeemers=Estimate(0.97, 0.96, 0.98, 925),
    days=56.0,
    discount_basis="A redeemer took 3.21 off in 3 past promotions (coupons of <b>A</b>).",
    currency="USD",
)
MONDAY = pd.Timestamp("2017-10-30 04:00")
KINDS = ("coupon", "limited_time_discount", "recommendation")


def test_tiles_above_the_fold_are_in_the_words_of_the_kind() -> None:
    tiles = LaunchEconomics((ROW,)).tiles(900)
    assert tiles[0].value == 900.0 and tiles[1].label == "Expected redemptions"
    assert [t.text for t in tiles[1:3]] == ["160 [80, 320]", "500 USD [200, 1,400]"]
    assert tiles[3].text == "2.2 USD [0.8, 5.8]" and tiles[3].note.startswith("assumed: margin")
    assert all(t.of == "18" for t in tiles[1:])
    discount = replace(ROW, promotion_id=19, name="Discount 19", kind="limited_time_discount")
    both = LaunchEconomics((ROW, discount)).tiles()
    assert both[1].label == "Expected responses" and "coupon" not in both[2].note
    (only,) = LaunchEconomics(()).tiles()
    assert (only.text, only.value) == ("0", 0.0)
    nothing = Estimate(math.nan)
    dark = replace(ROW, discount=nothing, cost=nothing, break_even=nothing, visible=math.nan)
    tiles = LaunchEconomics((dark,)).tiles()
    assert tiles[2].value is None and tiles[3].value is None
    told = [*(f"{t.text}{t.note}" for t in tiles), dark.say("basis"), dark.summary()]
    assert "nan" not in " ".join(told).lower()
    text = say(ROW.say("basis")).text
    assert "margin 25 % (assumed)" in text and "&lt;b&gt;A&lt;/b&gt;" in text


def page(folder, names, *, sizes=1, nobody=(), policy=None, gains=(1.0, 2.0), days=7) -> str:
    """Return what the first page says of promotions; of each customers 0–39 are contacted."""
    folder.mkdir()
    write_json(folder / "metrics.json", {"policy": {"promotions": policy or {}}})
    (folder / "tables").mkdir()
    run = RunFolder(folder, Week.parse("2017-W44"))
    ids = pd.DataFrame({"customer_id": np.arange(100)})
    all_ = ids.merge(pd.DataFrame({"promotion_id": names}), how="cross")
    run.write_table("scores", all_, by=["promotion_id", "customer_id"])
    segment = np.where(ids["customer_id"] < 30, "Keen <b>", "Slow")
    run.write_table("segments", ids.assign(segment=segment), by="customer_id")
    planned = all_[(all_["customer_id"] < 44) & ~all_["promotion_id"].isin(nobody)]
    held = np.where(planned["customer_id"] < 40, "none", "promotion")
    planned = planned.assign(holdout=held)
    run.write_table("planned", planned, by=["promotion_id", "customer_id"])
    funnel = pd.DataFrame({"promotion_id": names, "channel": "e mail"})
    run.write_table("funnel", funnel, by="promotion_id")
    chosen = [(i, n, True, gain) for n in names for i, gain in enumerate(gains)]
    allocated = pd.DataFrame(chosen, columns=["customer_id", "action", "chosen", "value"])
    run.write_table("allocation", allocated, by=["action", "customer_id"])
    sent = [name for name in names if name not in nobody]
    kinds = dict(zip(names, np.resize(KINDS, len(names)), strict=True))
    row = replace(ROW, contacts=40, held=4)
    made = [replace(row, promotion_id=n, name=f"Offer {n}", kind=kinds[n]) for n in sent]
    lists = pd.DataFrame({"promotion_id": np.repeat(sent, sizes)})
    lists["contacts"] = np.tile(40 * np.arange(1, sizes + 1), len(sent))
    lists["planned"] = lists["contacts"] == 40
    for figure in ("redemptions", "cost", "break_even"):
        for end, value in (("", 20.0), ("_low", 10.0), ("_high", 40.0)):
            lists[f"{figure}{end}"] = value
    lists["added"], lists["never"], lists["whom"] = 40, 0.1, "75 % Keen <b>"
    run.write_table("list_sizes", lists, by=["promotion_id", "contacts"])
    promotions = pd.DataFrame({"promotion_id": names, "name": [f"Offer {n}" for n in names]})
    promotions["kind"] = list(kinds.values())
    promotions["status"], promotions["products"] = "launching", 60
    promotions["starts_at"] = MONDAY
    length = np.resize([7, days], len(names)) * pd.Timedelta("1D")
    promotions["ends_at"] = MONDAY + length
    return launching(run, promotions, LaunchEconomics(tuple(made)), "America/New_York").text


def shown(html: str) -> str:
    """Return the text that nobody has to click for."""
    return re.sub(r"<details>.*?</details>", "", html, flags=re.DOTALL)


def rows_of(html: str) -> list[list[str]]:
    rows = re.findall(r"<tr[^>]*>(<td.*?)</tr>", html, flags=re.DOTALL)
    return [re.findall(r"<td[^>]*>(.*?)</td>", row, flags=re.DOTALL) for row in rows]


@pytest.mark.parametrize("sizes", [1, 3])
def test_twelve_promotions_share_a_table_with_all_that_is_needed_to_send(tmp_path, sizes):
    names = [f"W{i}" for i in range(12)]
    html = page(tmp_path / "run", names, sizes=sizes, nobody=["W3", "W8"])
    rows = rows_of(shown(html))
    assert [row[0] for row in rows] == [f"Offer {n}" for n in names if n not in ("W3", "W8")]
    first = rows[0]
    assert first[1:3] == ["40", "4"] and first[3] == "160 [80, 320]"
    assert first[4] == "500 USD [200, 1,400]" and first[5] == "2.2 USD [0.8, 5.8]"
    assert first[6] == "75 % Keen &lt;b&gt;"
    # The file's name has bytes as %20; a browser must not decode them.
    assert first[7] == '<a href="send/W0__e%2520mail.csv">W0__e%20mail.csv</a>'
    assert "Nobody is to be contacted for Offer W3, Offer W8." in html
    assert html.count("<h3>") == 0 and "30 Oct – 05 Nov" in html
    folded = html.replace(shown(html), "")
    assert "Offer W0: Over-represented: Keen &lt;b&gt; (" in folded
    assert ("Longer and shorter lists" in html) == (sizes > 1)
    assert html.count("<caption>Offer") == (10 if sizes > 1 else 0)


def test_a_few_with_lists_of_several_sizes_have_a_table_each_days_that_differ_with_i(tmp_path):
    names = [f"W{i}" for i in range(MOST_APART)]
    html = page(tmp_path / "run", names, sizes=3)
    assert html.count("<h3>") == MOST_APART == html.count("<caption>Offer")
    assert "<details>" not in html and html.count("4 are held out.") == MOST_APART
    alone = page(tmp_path / "one", ["W0"])
    assert alone.count("<h3>") == 1 and "Offer W0: shortest list first" in alone
    assert page(tmp_path / "two", ["W0", "W1"]).count("<h3>") == 0
    html = page(tmp_path / "days", ["A", "B"], days=14)
    days = ["Offer A · 30 Oct – 05 Nov", "Offer B · 30 Oct – 12 Nov"]
    assert [row[0] for row in rows_of(html)] == days
    assert "<caption>As planned.</caption>" in html


def test_what_chose_the_customers_is_said_once_for_all(tmp_path):
    chosen = {"contacts": 44, "by_chance": 4, "cost": 10.25, "cost_low": 8.25, "cost_high": 12.25}
    costs = dict.fromkeys(("cost", "cost_low", "cost_high"), 5.0)
    drawn = {"contacts": 44, "by_chance": 44} | costs
    most = "40 contacts where a promotion adds most for what it costs"
    alike = "40 contacts of those who are all predicted to add the same"
    for policy, gains, words in (
        ({"A": chosen, "B": drawn}, (1, 2), f"Make {most}, and 48 that chance drew; cost 15 USD ["),
        ({"A": drawn, "B": drawn}, (1, 2), "88 contacts, all drawn by chance to learn from; cost"),
        ({"A": chosen}, (1, 2), f"{most}, and 4 that chance"),
        ({"A": chosen}, (2, 2), f"{alike}, and 4 that chance"),
    ):
        html = page(tmp_path / words[:60], list(policy), policy=policy, gains=gains)
        assert words in html
