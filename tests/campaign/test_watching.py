"""Promotions watched day by day: few false alarms however often one looks, and effects are seen."""

from datetime import timedelta
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest

from promolab.campaign.readout import watch_promotions
from promolab.campaign.readout.watching import WatchedPromotion, _daily
from promolab.contract import Settings, Shop
from tests.wording_lint import nonsense

START = pd.Timestamp("2024-03-04")
DAYS = 28


def sales_of(n: int, lift: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Customers who differ in how often they buy; a third is held back."""
    rng = np.random.default_rng(seed)
    treated = rng.random(n) < 2 / 3
    often = rng.gamma(0.8, 0.15, n)
    bought = rng.poisson(often[:, None] * np.ones(DAYS + 28))
    bought[:, 28:] += rng.poisson(lift * often[:, None] * treated[:, None] * np.ones(DAYS))
    place, day = np.nonzero(bought)
    amount = bought[place, day] * rng.gamma(2, 10, len(place))
    day = np.where(day < 28, -1, day - 28)
    sales = pd.DataFrame({"place": place, "day": day, "amount": amount})
    sales = sales.groupby(["place", "day"], as_index=False).sum()
    rows = pd.DataFrame({"cluster": np.arange(n).astype(str), "weight": 1.0})
    return sales, rows, treated


def watched(n: int, lift: float, seed: int) -> WatchedPromotion:
    sales, rows, treated = sales_of(n, lift, seed)
    frame = _daily(sales, rows, treated, DAYS, DAYS, 0.95)
    return WatchedPromotion("Coupons 1", frame, int(treated.sum()), int((~treated).sum()), DAYS)


def test_looking_every_day_raises_few_false_alarms_and_an_effect_is_seen() -> None:
    false = [watched(600, 0.0, seed).decided_on for seed in range(120)]
    assert sum(day is not None for day in false) <= 11  # 5 % of 120, and what chance adds
    found = [watched(3_000, 0.5, seed) for seed in range(5)]
    assert all(one.decided_on is not None for one in found)
    assert "the band left zero on day" in found[0].summary() and found[0].now.ci_low > 0
    assert np.isfinite((found[0].frame["high"] - found[0].frame["low"]).to_numpy()).all()


@pytest.fixture
def shop() -> Shop:
    sales, rows, treated = sales_of(900, 0.4, 1)
    ids = np.arange(len(rows))
    columns: dict[str, Any] = {"decision_id": ids, "customer_id": ids}
    columns |= {"ts": START - pd.Timedelta(hours=2), "action": np.where(treated, "7", "none")}
    columns |= {"planned_action": "7", "holdout": np.where(treated, "none", "promotion")}
    columns |= {"propensity": np.where(treated, 2 / 3, 1 / 3)}
    decisions = pd.DataFrame(columns)
    day = np.where(sales["day"] < 0, -10, sales["day"])
    columns = {"customer_id": sales["place"], "ts": START + pd.to_timedelta(day * 24 + 5, "h")}
    columns |= {"kind": "purchase", "product_id": 1, "order_id": np.arange(len(sales))}
    columns |= {"quantity": 1.0, "amount": sales["amount"].round(2)}
    events = pd.DataFrame(columns)
    columns = {"promotion_id": [7, 8], "kind": ["coupon", "recommendation"]}
    columns |= {"starts_at": [START, START], "ends_at": [START + timedelta(days=7)] * 2}
    promotions = pd.DataFrame(columns)
    tables = {"events": events, "decisions": decisions, "promotions": promotions}
    told = {name: ibis.memtable(frame) for name, frame in tables.items()}
    return Shop(told, Settings(name="Corner shop", currency="EUR"))


def test_the_figures_are_those_of_the_rows_and_nothing_later_is_read(shop: Shop) -> None:
    now = START + timedelta(days=20)
    found = watch_promotions(shop, now)
    one = found.promotions[0]
    assert one.name == "Coupons 7" and one.frame["day"].iloc[-1] == 20 and one.days == 35
    assert found.promotions[1].why == "no decision for it is recorded"
    assert "1 promotion that still counts can be watched" in found.summary()
    # Without the sales before (CUPED) it is the plain difference of the means: not far from it.
    events, decisions = shop.events.execute(), shop.decisions.execute()
    events = events[(events["ts"] >= START) & (events["ts"] < now)]
    sums = events.groupby("customer_id")["amount"].sum()
    spent = sums.reindex(decisions["customer_id"]).fillna(0)
    treated = (decisions["action"] == "7").to_numpy()
    plain = spent[treated].mean() - spent[~treated].mean()
    assert abs(one.now.value - plain) < 0.5 * (one.now.ci_high - one.now.ci_low)
    assert "Coupons 7" in found.table().text and found.plot().get_xlabel() == "days since its start"
    assert nonsense("\n".join([found.summary(), *(p.summary() for p in found.promotions)])) == []
    assert set(found.to_frame()["promotion"]) == {"Coupons 7"}
    early = watch_promotions(shop, START + timedelta(days=9)).promotions[0]
    late = watch_promotions(shop, START + timedelta(days=20)).promotions[0]
    same = late.frame.head(len(early.frame))["difference"]
    assert early.frame["difference"].tolist() == pytest.approx(same.tolist())
    over = watch_promotions(shop, START + timedelta(days=40))
    assert not over and "No promotion that still counts" in over.summary()
    before = watch_promotions(shop, START + timedelta(hours=20))
    assert not before and nonsense(before.summary()) == []
    bare = Shop({"events": shop.events}, Settings(name="Corner shop"))
    assert "records no decisions" in watch_promotions(bare, START).summary()
