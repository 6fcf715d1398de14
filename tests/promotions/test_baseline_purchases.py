"""The chance to buy a promotion's products anyway: by hand, on made-up rhythms, in any window."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from promolab.profiles import fit_orders
from promolab.promotions.baseline_purchases import buying_chances, share_bought_anyway
from tests.draws import bounds, draws
from tests.made_up import shop_of
from tests.promotions.made_up import DAY, NOW, dated

LENGTHS = (7, 28, 56)


def promotions_of(*days: int) -> pd.DataFrame:
    """Promotions that start the day after tomorrow and take so many days."""
    table = pd.DataFrame({"promotion_id": [f"P{n}" for n in days], "kind": "coupon"})
    starts = NOW + 2 * DAY
    return table.assign(starts_at=starts, ends_at=starts + pd.to_timedelta(days, unit="D"))


def chances(events: pd.DataFrame, promotions: pd.DataFrame, offered: bool = True) -> dict[Any, Any]:
    tables = {"events": events.assign(amount=1.0), "promotions": promotions}
    if offered:
        lines = pd.DataFrame({"product_id": ["p1", "p1", "p3"], "coupon_id": [1, 2, 1]})
        tables["promotion_products"] = promotions[["promotion_id"]].merge(lines, how="cross")
    return buying_chances(shop_of(tables), NOW.to_pydatetime(), promotions)


@pytest.fixture(scope="module")
def few() -> pd.DataFrame:
    days: dict[str, list[float]] = {
        "often": [1 / 86_400, 4, 4, 11, 30],
        "lapsed": [29, 31],
        "once": [9],
        "other": [20, 3],
        "late": [0, 15],
    }
    lines = [(c, ago, "p2" if c == "other" else "p1", "purchase") for c in days for ago in days[c]]
    # What was brought back was bought all the same; a view is no purchase, but they were there.
    lines += [("once", 40, "p1", "view"), ("often", 2, "p1", "return")]
    return dated(lines, "customer_id ago product_id kind")


def by_hand(events: pd.DataFrame, length: int) -> dict[str, float]:
    """Work the chances out day by day, in plain Python."""
    events = events[events["ts"] < NOW]
    back = (((NOW - events["ts"]).dt.total_seconds() - 1) // 86_400).astype(int)
    events = events.assign(day=-1 - back)
    bought = events[(events["kind"] == "purchase") & (events["product_id"] == "p1")]
    of = bought.groupby("customer_id")["day"].unique()
    days = {c: sorted(of.get(c, ())) for c in events.customer_id}
    start = events.groupby("customer_id")["day"].min().to_dict()

    def lasts(again: bool, more_than: int) -> float:
        """Return the share of gaps (or of first waits) that last longer, step by step."""
        over, going_on = [], []
        for customer, mine in days.items():
            if again:
                over += [b - a for a, b in pairwise(mine)]
                going_on += [-1 - mine[-1]] if mine else []
            else:
                over += [mine[0] - start[customer] + 1] if mine else []
                going_on += [] if mine else [-start[customer]]
        share = 1.0
        for k in range(1, more_than + 1):
            at_risk = sum(gap >= k for gap in over + going_on)
            share *= 1 - over.count(k) / at_risk if at_risk else 1
        return share

    seen = {c: (len(d) - 1, d[-1] - d[0], -1 - d[0] + 0.5) for c, d in days.items() if d}
    model = fit_orders(*zip(*seen.values(), strict=True))
    found = {}
    for customer, mine in days.items():
        away = -1 - mine[-1] if mine else -start[customer]
        peers = 1 - lasts(bool(mine), away + length) / lasts(bool(mine), away)
        own = peers
        if mine:
            x, t_x, t = seen[customer]
            power = model.r + x
            odds = model.a / (model.b + x - 1) if x and model.a else 0.0
            alive = 1 / (1 + odds * ((model.alpha + t) / (model.alpha + t_x)) ** power)
            own = alive * (1 - ((model.alpha + t) / (model.alpha + t + length)) ** power)
        found[customer] = (own + peers) / 2
    return found


def test_the_chances_are_those_worked_out_by_hand(few) -> None:
    promotions = promotions_of(1, 4, 10, 18)
    found = chances(few, promotions)
    for length in (1, 4, 10, 18):
        expected, mine = by_hand(few, length), found[f"P{length}"]
        assert mine.to_dict() == pytest.approx({c: expected[c] for c in mine.index}, abs=1e-6)
        assert set(mine.index) == set(few["customer_id"])


def test_nothing_is_said_where_the_data_do_not_reach_back_or_without_products(few) -> None:
    promotions = promotions_of(20, 21)
    found = chances(few, promotions)
    assert found["P20"] is not None and found["P21"] is None
    assert chances(few, promotions_of(10), offered=False) == {"P10": None}
    assert buying_chances(shop_of({"events": few}), NOW.to_pydatetime(), promotions.head(0)) == {}
    share = share_bought_anyway(["always"], None, 10)
    assert math.isnan(share.of_list.value) and share.summary()


def rhythm(customers: int, days: int, seed: int) -> pd.DataFrame:
    """Return purchases of customers whose gaps are gamma, more even than chance, some lapsed."""
    rng = np.random.default_rng(seed)
    mean = rng.gamma(2.0, 10.0, customers) + 2
    gaps = rng.gamma(1.5, mean[:, None] / 1.5, (customers, 200))
    at = np.cumsum(gaps, axis=1) - rng.uniform(0, 60, customers)[:, None]
    stops = rng.exponential(900, customers) + 60
    kept = (at > 0) & (at < np.minimum(days + 60, stops)[:, None])
    who, where = np.nonzero(kept)
    ts = NOW + pd.to_timedelta(at[who, where] - days, unit="D").floor("s")
    return pd.DataFrame({"customer_id": who, "ts": ts, "product_id": "p1", "kind": "purchase"})


def test_as_many_buy_as_the_chances_say_in_windows_of_any_length() -> None:
    events, promotions = rhythm(1_500, 300, seed=1), promotions_of(*LENGTHS)
    found = chances(events, promotions)
    for length in LENGTHS:
        until = NOW + length * DAY
        bought = events[(events["ts"] >= NOW) & (events["ts"] < until)]["customer_id"]
        mine = found[f"P{length}"]
        really = mine.index.isin(bought)
        assert mine.mean() == pytest.approx(really.mean(), abs=0.04)
        # Among the likelier half and the others, too.
        for half in (mine > mine.median(), mine <= mine.median()):
            assert mine[half].mean() == pytest.approx(really[half].mean(), abs=0.06)
    shares = [found[f"P{n}"].mean() for n in LENGTHS]
    assert 0.1 < shares[0] < shares[1] < shares[2] < 0.95


def test_a_longer_window_never_has_the_smaller_chance_and_nothing_from_now_is_read() -> None:
    lengths = (1, 2, 3, 5, 8, 13, 21, 34, 55, 60)
    events, promotions = rhythm(300, 130, seed=2), promotions_of(*lengths)
    found = pd.DataFrame(chances(events, promotions))
    assert found.notna().all(axis=None) and found.min(axis=None) >= 0 and found.max(axis=None) <= 1
    assert (found.diff(axis=1).iloc[:, 1:] >= -1e-12).all(axis=None)
    events, promotions = rhythm(100, 90, seed=3), promotions_of(28)
    whole = chances(events, promotions)["P28"]
    past = chances(events[events["ts"] < NOW], promotions)["P28"]
    pd.testing.assert_series_equal(whole, past)


def test_the_share_of_the_list_counts_the_unknown_as_none_and_its_interval_holds() -> None:
    buying = pd.Series({"a": 1.0, "d": 0.8, "b": 0.2, "z": 1.0})
    share = share_bought_anyway([*"abcd"], buying, 10)
    assert share.of_list.value == 0.5 and share.of_list.n == 4
    assert 0 <= share.of_list.ci_low < 0.5 < share.of_list.ci_high <= 1
    rng = np.random.default_rng(4)
    held, n = 0, draws()
    for _ in range(n):
        chance = pd.Series(rng.beta(0.5, 0.5, 80))
        e = share_bought_anyway(chance.index, chance, 10).of_list
        held += e.ci_low <= (rng.random(80) < chance).mean() <= e.ci_high
        assert e.ci_high - e.ci_low < 0.25
    # The level of all that is still to come, as beside it on its page.
    low, high = bounds(0.90, n)
    assert low <= held / n <= max(high, 0.97)
