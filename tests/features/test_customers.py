"""Customer features against plain pandas."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from scipy import stats

from promolab.features import build_features
from promolab.features.customers import ORDER, POSITIVE_RESPONSES
from tests.draws import draws
from tests.features.conftest import Frames, as_shop
from tests.refused import refused

DATES = [datetime(2021, 2, 10), datetime(2021, 4, 5, 13, 30), datetime(2021, 10, 1)]
DAY = pd.Timedelta(days=1)


def signed_lines(frames: Frames, now: datetime) -> pd.DataFrame:
    events = frames["events"]
    lines = events[events.kind.isin(["purchase", "return", "cancel"]) & (events.ts < now)].copy()
    lines = lines.merge(frames["products"], on="product_id", how="left")
    sign = np.where(lines.kind == "purchase", 1, -1)
    lines["usable"] = lines.quantity.gt(0) & lines.amount.fillna(0).ne(0)
    lines["usable"] &= ~lines["flags"].fillna("").str.contains("odd_unit|zero_")
    for name in ("amount", "discount", "coupon_discount"):
        lines[name] = lines[name].fillna(0) * sign
    lines["units"] = np.where(lines.usable, lines.quantity.fillna(0) * sign, 0)
    lines["usable_amount"] = np.where(lines.usable, lines.amount, 0)
    lines["order"] = lines.order_id.fillna("@" + lines.ts.astype(str))
    return lines


def price_levels(lines: pd.DataFrame) -> pd.Series:
    paid = lines[(lines.kind == "purchase") & lines.usable & (lines.amount > 0)]
    paid = paid.dropna(subset=["category"])
    price = np.floor(np.round(paid.amount * 1000) / paid.quantity)
    by = price.groupby(paid.category)
    level: pd.Series = (by.rank(method="average") - 0.5) / by.transform("size")
    return level.groupby(paid.customer_id).mean()


def order_features(mine: pd.DataFrame, now: datetime, zone: str) -> dict[str, float]:
    kept, recent = [], dict.fromkeys((28, 84), 0.0)
    for _, order in mine.groupby("order"):
        bought = order[order.kind == "purchase"]
        when = bought.ts.min() if len(bought) else order.ts.min()
        gross, net = bought.amount.sum(), order.amount.sum()
        for days in recent:
            recent[days] += net if now - when <= days * DAY else 0.0
        if len(bought) and not (net < gross - 1e-9 and net <= 1e-9):
            kept.append((when, order.coupon_discount.sum(), net))
    out: dict[str, float] = {f"amount_{d}d": v for d, v in recent.items()}
    times, n = pd.DatetimeIndex([when for when, *_ in kept]), len(kept)
    coupons = sum(c > 1e-9 for _, c, _ in kept)
    out |= {"orders": n, "coupon_orders": coupons}
    out |= {f"orders_{d}d": int((now - times <= d * DAY).sum()) for d in recent}
    amount, discount = mine.amount.sum(), mine.discount.sum()
    out |= {"amount": amount, "discount": discount, "items": mine.units.sum()}
    if amount + discount > 1e-9:
        out["discount_share"] = discount / (amount + discount)
    if out["items"] > 0:
        out["average_item_price"] = mine.usable_amount.sum() / out["items"]
    if out["amount_84d"] > 1e-9:
        out["amount_trend"] = 3 * out["amount_28d"] / out["amount_84d"] - 1
    if n:
        local = times.tz_localize("UTC").tz_convert(zone)
        hour = (local.hour + local.minute / 60) * np.pi / 12
        mean = np.angle(np.exp(1j * hour.to_numpy()).mean()) * 12 / np.pi
        out |= {
            "recency_days": (now - times.max()) / DAY,
            "average_order_amount": amount / n,
            "largest_order": max(net for *_, net in kept),
            "coupon_order_share": coupons / n,
            "weekend_share": float(np.mean(local.day_of_week >= 5)),
            "evening_share": float(np.mean(local.hour >= 17)),
            "hour_of_day": mean % 24,
        }
    if n > 1:
        out["days_between_orders"] = (times.max() - times.min()) / DAY / (n - 1)
    return out


def variety_features(mine: pd.DataFrame) -> dict[str, object]:
    bought = mine[mine.kind == "purchase"]
    columns = {"products": "product_id", "categories": "category", "stores": "store_id"}
    out: dict[str, object] = {n: bought[c].dropna().nunique() for n, c in columns.items()}
    net = mine.groupby("category").amount.sum().round(6)
    net = net[net > 0].sort_index()
    if len(net):
        own = mine[mine.private_label.fillna(False).astype(bool) & mine.category.isin(net.index)]
        out["category_entropy"] = stats.entropy(net)
        out["top_category"] = net[net == net.max()].index[0]
        out["private_label_share"] = own.amount.sum() / net.sum()
    return out


def response_features(frames: Frames, customer: str, now: datetime) -> dict[str, float]:
    starts = frames["promotions"].set_index("promotion_id").starts_at
    made = frames["exposures"]
    since = np.maximum(made.ts, made.promotion_id.map(starts))
    made = made.assign(since=since)[since < now]
    answers = frames["responses"]
    answers = answers[answers.kind.isin(POSITIVE_RESPONSES) & (answers.ts < now)]
    pairs = answers[["customer_id", "promotion_id"]].drop_duplicates()
    mine, my_answers = made[made.customer_id == customer], answers[answers.customer_id == customer]
    n, contacts = int((pairs.customer_id == customer).sum()), len(mine)
    out: dict[str, float] = {"contacts": contacts, "responses": n, "answers": len(my_answers)}
    out["contacts_28d"] = int((now - mine.since <= 28 * DAY).sum())
    if len(made):
        rate = min(len(pairs) / len(made), 1)
        out["response_rate"] = min((n + 2 * rate) / (contacts + 2), 1)
    if n:
        out["days_since_response"] = (now - my_answers.ts.max()) / DAY
    return out


def browsing_features(mine: pd.DataFrame, now: datetime) -> dict[str, float]:
    recent = mine[now - mine.ts <= 28 * DAY].kind.value_counts()
    kinds = ("view", "click", "cart")
    out: dict[str, float] = {f"{kind}s_28d": recent.get(kind, 0) for kind in kinds}
    if views := (mine.kind == "view").sum():
        out["view_to_purchase_rate"] = (mine.kind == "purchase").sum() / views
    return out


def reference(frames: Frames, now: datetime, zone: str) -> pd.DataFrame:
    """Every feature, customer by customer."""
    lines, events = signed_lines(frames, now), frames["events"]
    levels = price_levels(lines)
    rows = []
    for customer, mine in events[events.ts < now].groupby("customer_id"):
        moved = lines[lines.customer_id == customer]
        row = {"customer_id": customer, "tenure_days": (now - mine.ts.min()) / DAY}
        row |= order_features(moved, now, zone) | variety_features(moved)
        row |= response_features(frames, str(customer), now) | browsing_features(mine, now)
        rows.append(row | {"price_level": levels.get(customer, np.nan)})
    return pd.DataFrame(rows).sort_values("customer_id", ignore_index=True)


@pytest.fixture(scope="module")
def built(small_shop) -> dict[datetime, pd.DataFrame]:
    return {now: build_features(small_shop, now).execute() for now in DATES}


@pytest.fixture(scope="module")
def expected(small_shop) -> dict[datetime, pd.DataFrame]:
    frames = {name: table.execute() for name, table in small_shop.tables.items()}
    return {now: reference(frames, now, small_shop.zone) for now in DATES}


@pytest.mark.parametrize("now", DATES)
def test_every_feature_of_who_has_an_event_before_is_what_plain_pandas_says(built, expected, now):
    assert built[now].customer_id.tolist() == expected[now].customer_id.tolist()
    assert (built[now].as_of == now).all()
    assert len(built[now]) >= 20
    assert built[now].columns.tolist() == ["customer_id", "as_of", *ORDER]
    assert not {"C28", "C29"} & set(built[now].customer_id)
    for feature in ORDER:
        got, wanted = built[now][feature], expected[now][feature]
        assert wanted.notna().any(), feature
        if feature == "top_category":
            assert got.fillna("-").tolist() == wanted.fillna("-").tolist()
            continue
        off = 2e-6 if feature == "price_level" else 1e-9  # a level is kept in millionths
        got, wanted = got.astype(float), wanted.astype(float)
        np.testing.assert_allclose(got, wanted, rtol=off, atol=off, err_msg=feature)


def test_several_moments_give_what_each_gives_alone_of_the_rows_asked_for(small_shop, built):
    moments = pd.DatetimeIndex(DATES, tz="UTC").tz_convert("Asia/Tokyo")
    ids = pd.DataFrame({"customer_id": ["C03", "C05", "C29"]})
    wanted = ids.merge(pd.DataFrame({"as_of": moments}), "cross")
    # Twice the same row asks for it once; the prices known are those of the whole market.
    got = build_features(small_shop, pd.concat([wanted, wanted.iloc[:5]])).execute()
    alone = pd.concat(built.values()).sort_values(["customer_id", "as_of"])
    alone = alone[alone.customer_id.isin(ids.customer_id)].reset_index(drop=True)
    assert_frame_equal(got, alone[got.columns], check_exact=True, check_dtype=False)
    zoned = DATES[1].replace(tzinfo=UTC).astimezone()
    assert_frame_equal(build_features(small_shop, zoned).execute(), built[DATES[1]])


def scramble(frames: Frames, now: datetime, seed: int) -> Frames:
    """Change, delete and add rows at or after ``now``; products stand twice."""
    rng = np.random.default_rng(seed)
    out = frames | {"products": pd.concat([frames["products"]] * 2)}
    for name in ("events", "exposures", "responses"):
        table = frames[name]
        past, later = table[table.ts < now], table[table.ts >= now].copy()
        later = later[rng.random(len(later)) < rng.choice([0.0, 0.5, 0.9])]
        for column in later.columns.drop("ts"):
            later[column] = later[column].to_numpy()[rng.permutation(len(later))]
        more = table.sample(200, replace=True, random_state=seed)
        hours = rng.integers(0, 5000, len(more))
        hours[:20] = 0  # exactly at the moment
        more = more.assign(ts=now + pd.to_timedelta(hours, unit="h"))
        if name == "events":
            more["amount"] = more.amount * 1000
        out[name] = pd.concat([later, more, past]).sample(frac=1, random_state=seed)
    return out


@pytest.mark.parametrize("seed", range(draws(3, most=30)))
def test_nothing_at_or_after_the_date_changes_anything(frames, built, seed):
    now = DATES[seed % 3]
    got = build_features(as_shop(scramble(frames, now, seed)), now).execute()
    assert_frame_equal(got, built[now], check_exact=True)


def test_an_event_just_before_counts_and_one_at_the_date_does_not_nor_adds_a_column():
    now = datetime(2021, 3, 1)
    times = [now - timedelta(seconds=1), now, now - timedelta(days=28), now - timedelta(days=29)]
    events = pd.DataFrame({"customer_id": "A", "ts": times, "kind": "purchase", "amount": 1.0})
    looks = events[:2].assign(kind=["click", "view"])  # the first view is at the date
    events = pd.concat([events, looks])
    row = build_features(as_shop({"events": events}), now).execute().iloc[0]
    assert (row.orders, row.orders_28d, row.orders_84d) == (3, 2, 3)
    assert row.recency_days == pytest.approx(1 / 86_400)
    assert row.clicks_28d == 1
    assert not {"views_28d", "contacts", "price_level", "discount"} & set(row.index)


def test_weekend_and_evening_follow_the_clock_of_the_shop():
    # Sunday 28 March 2021, 15:30 UTC: 17:30 in Rome, where summer time began that night.
    days = ["28 15:30", "26 15:30", "28 22:01", "30 21:00", "30 23:00", "30 04:00", "30 16:00"]
    times = pd.to_datetime([f"2021-03-{at}" for at in days])
    events = pd.DataFrame({"customer_id": list("ABCDDEE"), "ts": times, "kind": "purchase"})
    got = build_features(as_shop({"events": events}), datetime(2021, 5, 1)).execute()
    assert got.weekend_share.tolist() == [1.0, 0.0, 0.0, 0.0, 0.0]  # for C it is Monday already
    assert got.evening_share.tolist() == [1.0, 0.0, 0.0, 0.5, 0.5]
    # The mean of 23 and 1 o'clock is midnight, 6 and 18 o'clock have none.
    hours = got.hour_of_day
    np.testing.assert_allclose(hours[:3], [17.5, 16.5, 1 / 60], atol=1e-9)
    assert min(hours[3], 24 - hours[3]) < 1e-6 and pd.isna(hours[4])


# A midnight of Rome's, before and after summer time begins, or one of UTC's.
@pytest.mark.parametrize("midnights", [["27 23:00", "29 22:00"], ["27 00:00", "29 00:00"]])
def test_dates_without_a_time_of_day_tell_no_hour(midnights):
    times = pd.to_datetime([f"2021-03-{at}" for at in [*midnights * 2, "28 16:30", "29 10:00"]])
    events = pd.DataFrame({"customer_id": [*"AABBBB"], "ts": times, "kind": "purchase"})
    got = build_features(as_shop({"events": events}), datetime(2021, 5, 1)).execute()
    got = got.set_index("customer_id")
    assert got.orders.tolist() == [2, 4]
    assert got.loc["A", ["evening_share", "hour_of_day"]].isna().all()
    # Of B's orders, the two with a time of day count: 18:30 and 12:00.
    if midnights[0] == "27 23:00":
        assert got.loc["B", "evening_share"] == 0.5
        assert got.loc["B", "hour_of_day"] == pytest.approx(15.25)


def test_not_a_number_counts_as_nothing():
    events = {"customer_id": "A", "ts": datetime(2021, 3, 1), "kind": "purchase"}
    shop = as_shop({"events": pd.DataFrame(events | {"amount": [2.0, 3.0]})})
    nan = shop.events.mutate(amount=(shop.events.amount == 2.0).ifelse(float("nan"), 3.0))
    got = build_features(shop.with_tables({"events": nan}), datetime(2021, 4, 1)).execute()
    assert got.amount.tolist() == [3.0]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        *((bad, "as_of") for bad in ("soon", None, object(), 5, True, pd.NaT)),
        (datetime(2019, 1, 1), r"2019-01-01 lies outside .*, which reach from 2021-01-0\d to 2021"),
        (datetime(2024, 1, 1), "2024-01-01 lies outside the data"),
        (pd.DataFrame({"customer_id": ["C01"]}), "lacks the column 'as_of'"),
        (pd.DataFrame({"customer_id": ["C01"], "as_of": ["x"]}), "expected times"),
    ],
)
def test_as_of_that_is_no_time_or_outside_the_data_is_refused(small_shop, bad, said):
    refused(said, build_features, small_shop, bad)


def test_before_the_first_contact_nobody_has_a_response_rate(small_shop):
    first = small_shop.exposures.ts.min().execute().to_pydatetime()
    early = build_features(small_shop, first).execute()
    assert len(early) and early["response_rate"].isna().all()
