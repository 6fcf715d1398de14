"""The features of one date as an analyst would write them by hand: in SQL, and in pandas.

They are what `promolab.build_features` is measured against, so they are written as well as we can:
each group of columns is read from the files only where it is needed, and what is large is grouped
once. They say the same as the package on a shop of purchases, returns and cancels with products,
promotions, exposures and responses, and handle nothing else: no flags, no views, no columns that
are not there.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

__all__ = ["features_in_pandas", "features_in_sql"]

RESPONSES = ("click", "claim", "redeem", "purchase", "share")
COLUMNS = (
    *("customer_id", "recency_days", "orders", "amount", "discount", "discount_share", "items"),
    *("products", "categories", "stores", "tenure_days", "days_between_orders"),
    *("orders_28d", "amount_28d", "orders_84d", "amount_84d", "amount_trend"),
    *("average_order_amount", "largest_order", "average_item_price", "price_level"),
    *("private_label_share", "category_entropy", "top_category", "weekend_share"),
    *("evening_share", "hour_of_day"),
    *("coupon_orders", "coupon_order_share"),
    *("contacts", "contacts_28d", "responses", "answers", "response_rate"),
    *("days_since_response",),
)
ZERO = (
    *("orders", "amount", "discount", "items", "products", "categories", "stores"),
    *("orders_28d", "amount_28d", "orders_84d", "amount_84d", "coupon_orders"),
    *("contacts", "contacts_28d", "responses", "answers"),
)
DAY = 86_400

_SOURCES = """
CREATE TEMP TABLE goods AS
SELECT product_id, category, coalesce(private_label, false) AS private
FROM read_parquet('{folder}/products.parquet');

CREATE TEMP VIEW lines AS
SELECT customer_id, ts, order_id, product_id, store_id, kind = 'purchase' AS bought,
       if(bought, abs(amount), -abs(amount))::DECIMAL(18, 4) AS amount,
       if(bought, abs(discount), -abs(discount))::DECIMAL(18, 4) AS discount,
       if(bought, abs(coupon_discount), -abs(coupon_discount))::DECIMAL(18, 4) AS coupon,
       if(amount <> 0, if(bought, quantity, -quantity), 0) AS quantity
FROM read_parquet('{folder}/events.parquet')
WHERE ts < TIMESTAMP '{as_of}' AND kind IN ('purchase', 'return', 'cancel');
"""

_ORDERS = """
CREATE TEMP TABLE by_orders AS
WITH sums AS (
    SELECT customer_id, order_id, if(order_id IS NULL, ts, NULL) AS single,
           min(ts) FILTER (bought) AS ts, sum(amount) AS amount,
           sum(amount) FILTER (bought) AS gross, sum(discount) AS discount, sum(coupon) AS coupon,
           sum(quantity) AS quantity, sum(amount) FILTER (quantity <> 0) AS usable
    FROM lines GROUP BY ALL),
orders AS (
    SELECT *, ts IS NOT NULL AND NOT (gross > amount AND amount <= 0) AS kept,
           epoch(TIMESTAMP '{as_of}') - epoch(ts) AS age,
           timezone('{zone}', timezone('UTC', ts)) AS clock
    FROM sums),
timed AS (
    SELECT *, (hour(clock) + minute(clock) / 60) * pi() / 12 AS angle,
           kept AND clock <> date_trunc('day', clock) AS timed,
           kept AND ts <> date_trunc('day', ts) AS in_utc
    FROM orders),
customers AS (
    SELECT customer_id, count(*) FILTER (kept) AS orders, min(age) FILTER (kept) AS recency,
           max(age) FILTER (kept) - min(age) FILTER (kept) AS history,
           sum(amount)::DOUBLE AS amount, sum(discount)::DOUBLE AS discount,
           sum(quantity)::DOUBLE AS items, sum(usable)::DOUBLE AS usable,
           max(amount) FILTER (kept)::DOUBLE AS largest_order,
           count(*) FILTER (kept AND age <= 28 * 86400) AS orders_28d,
           count(*) FILTER (kept AND age <= 84 * 86400) AS orders_84d,
           coalesce(sum(amount) FILTER (age <= 28 * 86400), 0)::DOUBLE AS amount_28d,
           coalesce(sum(amount) FILTER (age <= 84 * 86400), 0)::DOUBLE AS amount_84d,
           count(*) FILTER (kept AND coupon > 0) AS coupon_orders,
           count(*) FILTER (kept AND isodow(clock) >= 6) AS weekend,
           if(bool_or(in_utc), count(*) FILTER (timed), 0) AS timed,
           count(*) FILTER (timed AND hour(clock) >= {evening_from}) AS evening,
           sum(sin(angle)::DECIMAL(18, 12)) FILTER (timed)::DOUBLE AS sine,
           sum(cos(angle)::DECIMAL(18, 12)) FILTER (timed)::DOUBLE AS cosine
    FROM timed GROUP BY customer_id)
SELECT customer_id, recency / 86400 AS recency_days, orders, amount, discount,
       discount / if(amount + discount > 0, amount + discount, NULL) AS discount_share, items,
       history / 86400 / nullif(orders - 1, 0) AS days_between_orders,
       orders_28d, amount_28d, orders_84d, amount_84d,
       amount_28d / if(amount_84d > 0, amount_84d / 3, NULL) - 1 AS amount_trend,
       amount / nullif(orders, 0) AS average_order_amount, largest_order,
       usable / if(items > 0, items, NULL) AS average_item_price,
       weekend / nullif(orders, 0) AS weekend_share, evening / nullif(timed, 0) AS evening_share,
       if(timed = 0 OR abs(sine) + abs(cosine) < 1e-6, NULL,
          (atan2(sine, cosine) * 12 / pi() + 24) % 24)
           AS hour_of_day,
       coupon_orders, coupon_orders / nullif(orders, 0) AS coupon_order_share
FROM customers;
"""

_PRODUCTS = """
CREATE TEMP TABLE by_stores AS
SELECT customer_id, count(*) AS stores
FROM (SELECT DISTINCT customer_id, store_id FROM lines WHERE bought AND store_id IS NOT NULL)
GROUP BY customer_id;

CREATE TEMP TABLE by_products AS
SELECT customer_id, product_id, bool_or(bought) AS bought, sum(amount) AS amount
FROM lines GROUP BY ALL;

CREATE TEMP TABLE by_categories AS
WITH spent AS (
    SELECT customer_id, category, count(*) FILTER (bought AND product_id IS NOT NULL) AS products,
           sum(amount) AS amount, sum(amount) FILTER (private) AS private
    FROM by_products LEFT JOIN goods USING (product_id) GROUP BY ALL),
ranked AS (
    SELECT *, category IS NOT NULL AND amount > 0 AS known,
           if(known, amount / sum(amount) FILTER (known) OVER (PARTITION BY customer_id), NULL)
               AS share
    FROM spent)
SELECT customer_id, sum(products) AS products,
       count(*) FILTER (products > 0 AND category IS NOT NULL) AS categories,
       sum(-share * ln(share)) AS category_entropy,
       first(category ORDER BY amount DESC, category) FILTER (known) AS top_category,
       coalesce(sum(private) FILTER (known), 0)::DOUBLE / sum(amount) FILTER (known)
           AS private_label_share
FROM ranked GROUP BY customer_id;
"""

_PRICES = """
CREATE TEMP VIEW prices AS
SELECT customer_id, category, floor(round(amount::DOUBLE * 1000) / quantity)::BIGINT AS price
FROM lines JOIN goods USING (product_id)
WHERE bought AND quantity > 0 AND amount > 0 AND category IS NOT NULL;

CREATE TEMP TABLE by_prices AS
WITH market AS (SELECT category, price, count(*) AS lines FROM prices GROUP BY ALL),
levels AS (
    SELECT category, price,
           (2 * sum(lines) OVER (PARTITION BY category ORDER BY price) - lines) * 500000
           // sum(lines) OVER (PARTITION BY category) AS level
    FROM market)
SELECT customer_id, avg(level) / 1e6 AS price_level
FROM prices JOIN levels USING (category, price) GROUP BY customer_id;
"""

_CONTACTS = """
CREATE TEMP TABLE by_contacts AS
WITH contacts AS (
    SELECT customer_id, greatest(ts, starts_at) AS ts
    FROM read_parquet('{folder}/exposures.parquet')
    JOIN read_parquet('{folder}/promotions.parquet') AS p USING (promotion_id)
    WHERE greatest(ts, starts_at) < TIMESTAMP '{as_of}'),
made AS (
    SELECT customer_id, count(*) AS contacts,
           count(*) FILTER (epoch(TIMESTAMP '{as_of}') - epoch(ts) <= 28 * 86400) AS contacts_28d
    FROM contacts GROUP BY customer_id),
answered AS (
    SELECT customer_id, count(DISTINCT promotion_id) AS responses, count(*) AS answers,
           (epoch(TIMESTAMP '{as_of}') - epoch(max(ts))) / 86400 AS days_since_response
    FROM read_parquet('{folder}/responses.parquet')
    WHERE ts < TIMESTAMP '{as_of}' AND kind IN {responses} GROUP BY customer_id)
SELECT *, (SELECT least(sum(responses) / (SELECT count(*) FROM contacts), 1) FROM answered) AS rate
FROM made FULL JOIN answered USING (customer_id);
"""

_TABLE = """
WITH seen AS (
    SELECT customer_id, (epoch(TIMESTAMP '{as_of}') - epoch(min(ts))) / 86400 AS tenure_days
    FROM read_parquet('{folder}/events.parquet')
    WHERE ts < TIMESTAMP '{as_of}' GROUP BY customer_id)
SELECT *, coalesce(contacts, 0) AS contacts, coalesce(responses, 0) AS responses,
       least((coalesce(responses, 0) + 2 * (SELECT max(rate) FROM by_contacts))
             / (coalesce(contacts, 0) + 2), 1) AS response_rate
FROM seen LEFT JOIN by_orders USING (customer_id) LEFT JOIN by_stores USING (customer_id)
LEFT JOIN by_categories USING (customer_id) LEFT JOIN by_prices USING (customer_id)
LEFT JOIN (SELECT * REPLACE (coalesce(contacts_28d, 0) AS contacts_28d) FROM by_contacts)
     USING (customer_id)
ORDER BY customer_id;
"""


def features_in_sql(
    folder: Path, as_of: datetime, zone: str, evening_from: int = 17
) -> pd.DataFrame:
    """Return the features of one date in SQL, files included, in a DuckDB as it comes."""
    import duckdb

    values = {
        "folder": str(folder).replace("'", "''"),
        "as_of": as_of,
        "zone": zone,
        "evening_from": evening_from,
        "responses": RESPONSES,
    }
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        for part in (_SOURCES, _ORDERS, _PRODUCTS, _PRICES, _CONTACTS):
            con.execute(part.format(**values))
        frame = con.execute(_TABLE.format(**values)).df()
    return _in_order(frame)


def features_in_pandas(
    folder: Path, as_of: datetime, zone: str, evening_from: int = 17
) -> pd.DataFrame:
    """Return the features of one date in pandas, files included, without a loop over rows."""
    moment = pd.Timestamp(as_of)
    events = pd.read_parquet(folder / "events.parquet", filters=[("ts", "<", moment)])
    first = events.groupby("customer_id")["ts"].min()
    table = pd.DataFrame({"tenure_days": (moment - first).dt.total_seconds() / DAY})
    lines = _signed(events)
    del events
    parts = [
        _orders(lines, moment, zone, evening_from),
        _variety(lines),
        _categories_and_prices(lines, folder),
        _contacts(folder, moment),
    ]
    for part in parts:
        table = table.join(part, how="left")
    rate = parts[-1].attrs["rate"]
    answered, made = table["responses"].fillna(0), table["contacts"].fillna(0)
    table["response_rate"] = ((answered + 2 * rate) / (made + 2)).clip(upper=1)
    return _in_order(table.sort_index().rename_axis("customer_id").reset_index())


def _signed(events: pd.DataFrame) -> pd.DataFrame:
    lines = events[events["kind"].isin(["purchase", "return", "cancel"])]
    bought = lines["kind"] == "purchase"
    sign = np.where(bought, 1, -1)
    amount = lines["amount"].abs().fillna(0) * sign
    quantity = lines["quantity"].fillna(0).abs()
    usable = (quantity > 0) & (amount != 0)
    return lines.drop(columns="kind").assign(
        bought=bought,
        amount=amount,
        gross=amount.where(bought, 0.0),
        discount=lines["discount"].abs().fillna(0) * sign,
        coupon=lines["coupon_discount"].abs().fillna(0) * sign,
        quantity=quantity.where(usable, 0) * sign,
        usable=amount.where(usable, 0.0),
    )


def _orders(
    lines: pd.DataFrame, moment: pd.Timestamp, zone: str, evening_from: int
) -> pd.DataFrame:
    keys, sums = ["customer_id", "order_id"], ["amount", "gross", "discount", "coupon", "quantity"]
    if lines["order_id"].isna().any():
        keys = [*keys, "single"]
        lines = lines.assign(single=lines["ts"].where(lines["order_id"].isna()))
    grouped = lines.groupby(keys, sort=False, dropna=False)
    orders = grouped[[*sums, "usable"]].sum()
    bought = lines if lines["bought"].all() else lines[lines["bought"]]
    orders["ts"] = bought.groupby(keys, sort=False, dropna=False)["ts"].min()
    measures = [*sums, "usable"]
    orders = orders.round(dict.fromkeys(measures, 6)).reset_index()
    returned = (orders["gross"] > orders["amount"]) & (orders["amount"] <= 0)
    kept = orders["ts"].notna() & ~returned
    age = (moment - orders["ts"]).dt.total_seconds()
    clock = orders["ts"].dt.tz_localize("UTC").dt.tz_convert(zone)
    timed = kept & (clock != clock.dt.normalize())
    in_utc = (kept & (orders["ts"] != orders["ts"].dt.normalize())).groupby(orders["customer_id"])
    angle = (clock.dt.hour + clock.dt.minute / 60) * (np.pi / 12)
    flags = {
        "orders": kept,
        "coupon_orders": kept & (orders["coupon"] > 0),
        "weekend": kept & (clock.dt.day_of_week >= 5),
        "timed": timed,
        "evening": timed & (clock.dt.hour >= evening_from),
        **{f"orders_{d}d": kept & (age <= d * DAY) for d in (28, 84)},
    }
    rows = orders.assign(
        **{name: flag.astype("int64") for name, flag in flags.items()},
        **{f"amount_{d}d": orders["amount"].where(age <= d * DAY, 0.0) for d in (28, 84)},
        sine=np.sin(angle).round(12).where(timed, 0.0),
        cosine=np.cos(angle).round(12).where(timed, 0.0),
        age=age.where(kept),
    )
    by_customer = rows.groupby("customer_id")
    sums = [*flags, "amount", "discount", "quantity", "usable", "amount_28d", "amount_84d"]
    table = by_customer[[*sums, "sine", "cosine"]].sum()
    largest = rows["amount"].where(kept).groupby(rows["customer_id"]).max()
    ages = by_customer["age"].agg(["min", "max"])
    table["timed"] = table["timed"].where(in_utc.any(), 0)
    n, paid = table["orders"].where(table["orders"] > 0), table["amount"] + table["discount"]
    month = table["amount_84d"] / 3
    turned = np.arctan2(table["sine"].to_numpy(), table["cosine"].to_numpy())
    hour = pd.Series(turned * (12 / np.pi), index=table.index)
    sure = (table["timed"] > 0) & (table["sine"].abs() + table["cosine"].abs() >= 1e-6)
    return table.assign(
        recency_days=ages["min"] / DAY,
        discount_share=table["discount"] / paid.where(paid > 0),
        items=table["quantity"],
        days_between_orders=(ages["max"] - ages["min"]) / DAY / (n - 1).where(n > 1),
        amount_trend=table["amount_28d"] / month.where(month > 0) - 1,
        average_order_amount=table["amount"] / n,
        largest_order=largest,
        average_item_price=table["usable"] / table["quantity"].where(table["quantity"] > 0),
        weekend_share=table["weekend"] / n,
        evening_share=table["evening"] / table["timed"].where(table["timed"] > 0),
        hour_of_day=(hour % 24).where(sure),
        coupon_order_share=table["coupon_orders"] / n,
    ).drop(columns=["quantity", "usable", "sine", "cosine", "weekend", "timed", "evening"])


def _variety(lines: pd.DataFrame) -> pd.DataFrame:
    bought = lines if lines["bought"].all() else lines[lines["bought"]]
    counts = {}
    for name, column in {"products": "product_id", "stores": "store_id"}.items():
        known = bought[["customer_id", column]].drop_duplicates().dropna()
        counts[name] = known.groupby("customer_id").size()
    return pd.DataFrame(counts)


def _categories_and_prices(lines: pd.DataFrame, folder: Path) -> pd.DataFrame:
    goods = pd.read_parquet(
        folder / "products.parquet", columns=["product_id", "category", "private_label"]
    ).astype({"category": "category"})
    needed = ["customer_id", "product_id", "bought", "amount", "quantity"]
    lines = lines[needed].merge(goods.dropna(subset="category"), on="product_id")
    lines["private"] = lines["amount"].where(lines["private_label"].fillna(False), 0.0)
    lines["bought_amount"] = lines["bought"].astype("int8")
    spent = lines.groupby(["customer_id", "category"], observed=True, sort=False).agg(
        amount=("amount", "sum"), private=("private", "sum"), bought=("bought_amount", "max")
    )
    spent = spent.round(6).reset_index()
    categories = spent[spent["bought"] > 0].groupby("customer_id").size()
    spent = spent[spent["amount"] > 0]
    share = spent["amount"] / spent.groupby("customer_id")["amount"].transform("sum")
    spent["term"] = -share * np.log(share)
    by_customer = spent.groupby("customer_id")
    sums = by_customer[["term", "amount", "private"]].sum()
    best = spent.assign(name=spent["category"].astype("str")).sort_values(
        ["customer_id", "amount", "name"], ascending=[True, False, True]
    )
    top = best.drop_duplicates("customer_id").set_index("customer_id")["name"]
    paid = lines[lines["bought"] & (lines["quantity"] > 0) & (lines["amount"] > 0)]
    return pd.DataFrame(
        {
            "categories": categories,
            "category_entropy": sums["term"],
            "top_category": top,
            "private_label_share": sums["private"] / sums["amount"],
            "price_level": _price_level(paid),
        }
    )


def _price_level(paid: pd.DataFrame) -> pd.Series:
    price = np.floor((paid["amount"] * 1000).round() / paid["quantity"])
    paid = pd.DataFrame(
        {"customer_id": paid["customer_id"], "category": paid["category"].cat.codes, "price": price}
    )
    market = paid.groupby(["category", "price"]).size()  # in order of the price
    by_category = market.groupby(level="category")
    level = (2 * by_category.cumsum() - market) * 500_000 // by_category.transform("sum")
    paid = paid.merge(level.rename("level").reset_index(), on=["category", "price"])
    return paid.groupby("customer_id")["level"].mean() / 1e6


def _contacts(folder: Path, moment: pd.Timestamp) -> pd.DataFrame:
    promotions = pd.read_parquet(
        folder / "promotions.parquet", columns=["promotion_id", "starts_at"]
    )
    contacts = pd.read_parquet(folder / "exposures.parquet").merge(promotions, on="promotion_id")
    contacts["ts"] = contacts[["ts", "starts_at"]].max(axis=1)
    contacts = contacts[contacts["ts"] < moment]
    recent = (moment - contacts["ts"]).dt.total_seconds() <= 28 * DAY
    answers = pd.read_parquet(folder / "responses.parquet", filters=[("ts", "<", moment)])
    answers = answers[answers["kind"].isin(RESPONSES)]
    answered = answers[["customer_id", "promotion_id"]].drop_duplicates()
    table = pd.DataFrame(
        {
            "contacts": contacts.groupby("customer_id").size(),
            "contacts_28d": recent.groupby(contacts["customer_id"]).sum(),
            "responses": answered.groupby("customer_id").size(),
            "answers": answers.groupby("customer_id").size(),
            "days_since_response": (
                moment - answers.groupby("customer_id")["ts"].max()
            ).dt.total_seconds()
            / DAY,
        }
    )
    table.attrs["rate"] = min(len(answered) / len(contacts), 1.0)
    return table


def _in_order(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.fillna(dict.fromkeys(ZERO, 0))[list(COLUMNS)].reset_index(drop=True)
