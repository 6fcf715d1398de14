"""The features of one date as an analyst would write them by hand, in SQL.

They are what `promolab.build_features` is measured against, so they are written as well as we can:
each group of columns is read from the files only where it is needed, and what is large is grouped
once. They say the same as the package on a shop of purchases, returns and cancels with products,
promotions, exposures and responses, and handle nothing else: no flags, no views, no columns that
are not there.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pandas as pd

RESPONSES = ("click", "claim", "redeem", "purchase", "share")
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
SELECT * EXCLUDE (rate)
           REPLACE (coalesce(contacts, 0) AS contacts, coalesce(responses, 0) AS responses),
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
    return frame.fillna(dict.fromkeys(ZERO, 0))
