"""A small shop with everything in it that makes features go wrong."""

import numpy as np
import pandas as pd
import pytest

from promolab.contract import Settings, Shop
from promolab.engines import connect

ZONE = "Europe/Rome"  # its clocks change within the year below
CUSTOMERS = [f"C{i:02d}" for i in range(30)]
Frames = dict[str, pd.DataFrame]


def _moments(rng: np.random.Generator, n: int, days: int = 300) -> pd.DatetimeIndex:
    seconds = rng.integers(0, days * 86_400, n)
    return pd.Timestamp("2021-01-04") + pd.to_timedelta(seconds, unit="s")


def _purchases(rng: np.random.Generator) -> pd.DataFrame:
    orders = 400
    customer = rng.choice(CUSTOMERS[:26], orders)  # C26–C27 only look, C28–C29 never come
    order = pd.DataFrame({"customer_id": customer, "ts": _moments(rng, orders)})
    order["order_id"] = [None if i % 11 == 0 else f"O{i}" for i in range(orders)]
    order["store_id"] = rng.choice(["S1", "S2", "S3", None], orders)
    lines = order.loc[order.index.repeat(rng.integers(1, 4, orders))].reset_index(drop=True)
    n = len(lines)
    lines["kind"] = "purchase"
    lines["product_id"] = rng.choice([*(f"A{i}" for i in range(20)), "A99", None], n)
    lines["quantity"] = rng.choice([1.0, 2.0, 3.0, 0.0, np.nan], n, p=[0.6, 0.2, 0.1, 0.05, 0.05])
    # Few different prices: equal sums by category are common.
    lines["amount"] = rng.choice([0.0, 1.15, 2.3, 3.0, 7.25, np.nan], n)
    lines["discount"] = rng.choice([0.0, 0.0, 0.5, 1.0, np.nan], n)
    coupon = np.where(rng.random(n) < 0.3, lines.discount, 0.0)
    lines["coupon_discount"] = np.where(np.isnan(coupon), 0.0, coupon)
    lines["flags"] = rng.choice(["", None, "unknown_product", "zero_amount"], n)
    fuel = rng.random(n) < 0.04
    lines.loc[fuel, "quantity"] = 5000.0
    lines.loc[fuel, "flags"] = "odd_unit;unknown_product"
    return lines


def _back(rng: np.random.Generator, lines: pd.DataFrame) -> pd.DataFrame:
    """Return some lines sent back and some whole orders, days after they were bought."""
    some = lines[lines.order_id.notna() & (rng.random(len(lines)) < 0.1)].assign(kind="return")
    whole = lines[lines.order_id.isin([f"O{i}" for i in range(5, 400, 17)])].assign(kind="cancel")
    stray = lines.iloc[[3, 40]].assign(kind="return", order_id=["O-unknown", np.nan])
    back = pd.concat([some.drop(whole.index, errors="ignore"), whole, stray])
    back["ts"] += pd.to_timedelta(rng.integers(1, 40, len(back)), unit="D")
    return back


def small_frames() -> Frames:
    """Return the shop's tables; the same ones every time."""
    rng = np.random.default_rng(7)
    lines = _purchases(rng)
    looks = pd.DataFrame({"customer_id": rng.choice(CUSTOMERS[:28], 500), "ts": _moments(rng, 500)})
    looks["kind"] = rng.choice(["view", "view", "view", "click", "cart", "share"], 500)
    looks["product_id"] = rng.choice([f"A{i}" for i in range(20)], 500)
    events = pd.concat([lines, _back(rng, lines), looks], ignore_index=True)
    products = pd.DataFrame({"product_id": [f"A{i}" for i in range(20)]})
    products["category"] = ["COFFEE", "BREAD", "MILK", None] * 5
    products["private_label"] = pd.array([True, False, None, False, True] * 4, dtype="boolean")
    promotions = pd.DataFrame({"promotion_id": [f"P{i}" for i in range(8)]})
    promotions["kind"] = ["coupon"] * 5 + ["limited_time_discount"] * 3
    promotions["type"] = ["A", "B", "A", "B", None, "A", "B", "A"]
    starts = pd.Timestamp("2021-01-20") + pd.to_timedelta(np.arange(8) * 35, unit="D")
    promotions = promotions.assign(starts_at=starts, discount_rate=[0.1, 0.2] * 4)
    promotions["ends_at"] = promotions.starts_at + pd.to_timedelta([20, 50] * 4, unit="D")
    offered = [(f"P{p}", f"A{a}") for p in range(7) for a in range(p, p + 4 + p % 3)]
    offers = pd.DataFrame(offered, columns=["promotion_id", "product_id"])
    offers["coupon_id"] = "K1"
    offers = pd.concat([offers, offers.iloc[::2].assign(coupon_id="K2")], ignore_index=True)
    given = {"events": events, "products": products, "promotions": promotions}
    given |= {"promotion_products": offers, **_contacts(rng, promotions)}
    return given


def _contacts(rng: np.random.Generator, promotions: pd.DataFrame) -> Frames:
    both = [(p, c) for p in promotions.promotion_id for c in [*CUSTOMERS[:20], "C26", "C28"]]
    pairs = pd.DataFrame(both, columns=["promotion_id", "customer_id"])
    pairs = pairs[rng.random(len(pairs)) < 0.7].merge(promotions, on="promotion_id")
    made = pairs[["promotion_id", "customer_id", "starts_at"]].rename(columns={"starts_at": "ts"})
    early = made.iloc[::7].assign(ts=lambda t: t.ts - pd.Timedelta(days=2))
    late = made.iloc[1::7].assign(ts=lambda t: t.ts + pd.Timedelta(days=3))
    answers = pairs[rng.random(len(pairs)) < 0.5][["promotion_id", "customer_id", "starts_at"]]
    days = rng.integers(-3, 60, len(answers))  # some ahead of the window, some after it
    answers["ts"] = answers.pop("starts_at") + pd.to_timedelta(days, unit="D")
    answers["kind"] = rng.choice(["redeem", "redeem", "click", "delivered", "complaint"], len(days))
    wrong = answers.iloc[::9].assign(promotion_id="P3")  # perhaps never contacted for it
    parts = {"exposures": [made, early, late], "responses": [answers, wrong, answers.iloc[::4]]}
    return {name: pd.concat(part, ignore_index=True) for name, part in parts.items()}


def as_shop(frames: Frames, **settings: object) -> Shop:
    """Put frames into a fresh engine."""
    con = connect(threads=1)
    tables = {}
    for name, frame in frames.items():
        times = frame.select_dtypes("datetime").columns
        frame = frame.astype(dict.fromkeys(times, "datetime64[us]"))
        tables[name] = con.create_table(name, frame)
    return Shop(tables, Settings(**{"name": "Small", "zone": ZONE} | settings))  # type: ignore[arg-type]


@pytest.fixture
def frames() -> Frames:
    return small_frames()


@pytest.fixture(scope="session")
def small_shop() -> Shop:
    return as_shop(small_frames())
