"""Pairs of customer and promotion against plain pandas, on a small shop."""

from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from promolab.compare.cross_validation import pair_features
from promolab.features import build_candidates, build_features, build_pairs, response_features
from promolab.features.customers import POSITIVE_RESPONSES, RESPONSE_FEATURES
from promolab.features.pairs import LABELS
from promolab.glossary import GLOSSARY
from tests.draws import draws
from tests.features.conftest import Frames, as_shop
from tests.refused import refused, spoilt

NOW = datetime(2021, 8, 1)
KEYS, OFFER = ["customer_id", "promotion_id"], ["promotion_id", "product_id"]
DAY = pd.Timedelta(days=1)
COUNTS = [
    *("promotion_products", "promotion_products_bought", "promotion_bought_share"),
    *("promotion_amount", "promotion_amount_84d", "promotion_orders", "promotion_orders_84d"),
    *("promotion_lines_28d", "promotion_coupon_lines_84d", "promotion_category_amount_84d"),
    *("promotion_coupon_orders", "kind_contacts", "kind_responses", "type_contacts"),
    *("type_responses", "other_promotions_running", "other_promotions_answered"),
]


@pytest.fixture(scope="module")
def pairs(small_shop) -> pd.DataFrame:
    made: pd.DataFrame = build_pairs(small_shop, NOW).execute()
    return made


@pytest.fixture(scope="module")
def candidates(small_shop, pairs) -> pd.DataFrame:
    """All customers at the start of one promotion, for it and the next."""
    start = pairs.starts_at[pairs.promotion_id == "P3"].iloc[0].to_pydatetime()
    made: pd.DataFrame = build_candidates(small_shop, start, ["P3", "P4"]).execute()
    return made


def pair_reference(frames: Frames, now: datetime) -> pd.DataFrame:
    """Pair features and outcomes, exposure by exposure."""
    promotions = frames["promotions"].set_index("promotion_id")
    made = frames["exposures"]
    asked = made[made.ts < now][KEYS].drop_duplicates()
    asked = asked[asked.promotion_id.map(promotions.starts_at) < now]
    since = np.maximum(made.ts, made.promotion_id.map(promotions.starts_at))
    made = made.assign(since=since).join(promotions, on="promotion_id")
    rows = []
    for customer, promotion in asked.itertuples(index=False):
        it = promotions.loc[promotion]
        answers = frames["responses"]
        answers = answers[answers.customer_id == customer]
        past_answers = answers[answers.kind.isin(POSITIVE_RESPONSES) & (answers.ts < it.starts_at)]
        answered = set(past_answers.promotion_id)
        past = made[(made.customer_id == customer) & (made.since < it.starts_at)]
        other = past[(past.ends_at > it.starts_at) & (past.promotion_id != promotion)]
        row = {"customer_id": customer, "promotion_id": promotion}
        for name in ("kind", "type"):
            same = past[past[name] == it[name]] if pd.notna(it[name]) else past.iloc[:0]
            row[f"{name}_contacts"] = len(same)
            row[f"{name}_responses"] = len(set(same.promotion_id) & answered)
        row["other_promotions_running"] = other.promotion_id.nunique()
        row["other_promotions_answered"] = len(set(other.promotion_id) & answered)
        row |= product_reference(frames, customer, promotion, it)
        inside = answers[(answers.promotion_id == promotion) & (answers.ts < now)]
        inside = inside[(inside.ts >= it.starts_at) & (inside.ts < it.ends_at)]
        row["redeemed"] = int((inside.kind == "redeem").any())
        row["purchased"] = int(bought_inside(frames, customer, promotion, it, now))
        row["label_complete"] = it.ends_at <= now
        rows.append(row)
    return pd.DataFrame(rows).sort_values(KEYS, ignore_index=True)


def offered(frames: Frames, promotion: str) -> set[str]:
    offers = frames["promotion_products"]
    return set(offers.product_id[offers.promotion_id == promotion])


def product_reference(frames, customer, promotion, it) -> dict[str, float]:
    products, events = offered(frames, promotion), frames["events"]
    bought = events[(events.customer_id == customer) & (events.kind == "purchase")]
    bought = bought[bought.ts < it.starts_at]
    mine = bought[bought.product_id.isin(products)]
    recent = mine[it.starts_at - mine.ts <= 84 * DAY]
    lines = mine.groupby(["product_id", "ts"], as_index=False).coupon_discount.max()
    age = it.starts_at - lines.ts
    category = frames["products"].set_index("product_id").category
    kinds = {category.get(product) for product in products} - {None, np.nan}
    akin = bought[bought.product_id.map(category).isin(kinds)]
    return {
        "promotion_category_amount_84d": akin.amount[it.starts_at - akin.ts <= 84 * DAY].sum(),
        "promotion_lines_28d": int((age <= 28 * DAY).sum()),
        "promotion_coupon_lines_84d": int(((age <= 84 * DAY) & (lines.coupon_discount > 0)).sum()),
        "promotion_products": len(products) or np.nan,
        "promotion_products_bought": mine.product_id.nunique(),
        "promotion_bought_share": mine.product_id.nunique() / len(products) if products else np.nan,
        "promotion_amount": mine.amount.sum(),
        "promotion_amount_84d": recent.amount.sum(),
        "promotion_orders": mine.ts.nunique(),
        "promotion_orders_84d": recent.ts.nunique(),
        "promotion_coupon_orders": mine.ts[mine.coupon_discount > 0].nunique(),
    }


def bought_inside(frames, customer, promotion, it, now) -> bool:
    events = frames["events"]
    mine = events[(events.customer_id == customer) & (events.kind == "purchase")]
    mine = mine[mine.product_id.isin(offered(frames, promotion)) & (mine.ts < now)]
    return bool(((mine.ts >= it.starts_at) & (mine.ts < it.ends_at)).any())


def test_one_row_per_pair_and_every_column_is_what_plain_pandas_says(pairs, frames):
    aligned, expected = pairs.sort_values(KEYS, ignore_index=True), pair_reference(frames, NOW)
    assert aligned[KEYS].to_numpy().tolist() == expected[KEYS].to_numpy().tolist()
    # The tables that are joined hold each pair, and each product, more than once.
    for name, keys in [("exposures", KEYS), ("responses", KEYS), ("promotion_products", OFFER)]:
        assert frames[name].duplicated(keys).any()
    for column in (*COUNTS, *LABELS):
        got, wanted = aligned[column].astype(float), expected[column].astype(float)
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-9, err_msg=column)
        assert len(set(wanted)) > 1, column  # a constant would agree with anything


def test_features_are_those_at_the_start_and_candidates_alike(pairs, small_shop, candidates):
    assert (pairs.as_of == pairs.starts_at).all()
    for promotion in ("P0", "P3"):
        it = pairs[pairs.promotion_id == promotion]
        start = it.starts_at.iloc[0].to_pydatetime()
        features = build_features(small_shop, start).execute()
        wanted = it[["customer_id"]].merge(features, on="customer_id", how="left")
        wanted = wanted.drop(columns=["customer_id", "as_of"])
        found = it[wanted.columns].reset_index(drop=True)
        assert_frame_equal(found, wanted, check_exact=True, check_dtype=False)
    assert len(candidates) == 2 * len(features) and not candidates.duplicated(KEYS).any()
    assert not set(LABELS) & set(candidates.columns)
    both = it[it.customer_id.isin(features.customer_id)]
    columns = [*KEYS, *pair_features(pairs)]
    same = candidates.merge(both[KEYS], on=KEYS)[columns]
    assert len(same) == len(both) > 5
    assert_frame_equal(same, both[columns].reset_index(drop=True), check_dtype=False)


def test_the_own_contact_is_never_counted_and_recorded_purchases_are(frames):
    start = frames["promotions"].starts_at[0]  # the first promotion: nobody was contacted before
    sent = frames["exposures"][frames["exposures"].promotion_id == "P0"]
    ahead = sent.assign(ts=start - 5 * DAY)
    said = {"promotion_id": "P0", "customer_id": ["C01", "C03"], "ts": start, "kind": "purchase"}
    said = pd.concat([frames["responses"], pd.DataFrame(said)])
    shop = as_shop(frames | {"exposures": ahead, "responses": said})
    got = build_pairs(shop, start + DAY).execute()
    assert len(got) == sent.customer_id.nunique()
    assert got.contacts.fillna(0).eq(0).all() and got.contacts_28d.fillna(0).eq(0).all()
    assert got.kind_contacts.eq(0).all() and got.type_contacts.eq(0).all()
    # What the shop itself records as purchases counts, not what its lines say.
    buyers = {"C01", "C03"} & set(sent.customer_id)
    assert buyers and set(got.customer_id[got.purchased == 1]) == buyers


def test_an_answer_counts_on_its_own_promotion_within_its_window(frames):
    it = frames["promotions"].iloc[0]
    made = pd.DataFrame({"promotion_id": "P0", "customer_id": list("ABCDEF"), "ts": it.starts_at})
    starts, ends, second = it.starts_at, it.ends_at, pd.Timedelta(seconds=1)
    answers = pd.DataFrame({"promotion_id": ["P0", "P1", *["P0"] * 4], "customer_id": [*"ABCDEG"]})
    answers["ts"] = [starts, starts, ends, starts - second, ends - second, starts]
    answers["kind"] = "redeem"
    told = {"promotions": frames["promotions"], "exposures": made, "responses": answers}
    # From a recommendation customers buy.
    bought = {name: told[name].assign(promotion_id="R" + told[name].promotion_id) for name in told}
    bought["promotions"]["kind"], bought["responses"]["kind"] = "recommendation", "purchase"
    both = {name: pd.concat([told[name], bought[name]], ignore_index=True) for name in told}
    shop = as_shop({"events": frames["events"], **both})
    for now, over in ((it.ends_at, True), (it.ends_at - DAY, False)):
        found = build_pairs(shop, now).execute()
        assert (found.label_complete == over).all() and found.promotion_id.nunique() == 2
        for _, mine in found.groupby("promotion_id"):
            redeemed = mine.set_index("customer_id").redeemed.to_dict()
            assert redeemed == {"A": 1, "B": 0, "C": 0, "D": 0, "E": int(over), "F": 0}


@pytest.mark.parametrize("seed", range(draws(1, most=5)))
def test_what_follows_a_promotions_start_changes_no_feature(frames, pairs, seed):
    rng = np.random.default_rng(seed)
    last = pairs.starts_at.max()
    changed = dict(frames)
    for name in ("events", "responses", "exposures"):
        table = frames[name]
        more = table.sample(100, replace=True, random_state=seed)
        more = more.assign(ts=last + pd.to_timedelta(rng.integers(0, 900, 100), unit="h"))
        # Who was contacted is what a pair is: only contacts for other promotions change.
        if name == "exposures":
            more = more[more.promotion_id < "P5"]
        else:
            table = table.drop(table[table.ts >= last].sample(frac=0.5, random_state=seed).index)
        changed[name] = pd.concat([table, more])
    got = build_pairs(as_shop(changed), NOW).execute()
    columns = [*KEYS, *pair_features(pairs)]
    mine = got.merge(pairs[KEYS], on=KEYS).sort_values(KEYS)[columns]
    wanted = pairs.sort_values(KEYS)[columns]
    assert_frame_equal(mine.reset_index(drop=True), wanted.reset_index(drop=True), check_exact=True)


def test_nothing_after_the_date_changes_pairs_or_outcomes(frames, pairs):
    logs = ("events", "responses", "exposures")
    past = frames | {name: frames[name][frames[name].ts < NOW] for name in logs}
    # One purchase that is recorded only later is not known yet.
    said = {"promotion_id": "P0", "customer_id": "C01", "ts": [NOW], "kind": "purchase"}
    past["responses"] = pd.concat([past["responses"], pd.DataFrame(said)])
    assert_frame_equal(build_pairs(as_shop(past), NOW).execute(), pairs, check_exact=True)


def test_pairs_have_one_order_known_columns_and_nothing_of_who_has_no_history(pairs):
    keys = pairs[["starts_at", "promotion_id", "customer_id"]].apply(tuple, axis=1)
    assert keys.is_monotonic_increasing
    assert not {*KEYS, *LABELS, "as_of", "starts_at", "ends_at"} & set(pair_features(pairs))
    assert set(pairs.columns) <= set(GLOSSARY)
    stranger = pairs[pairs.customer_id == "C28"]
    assert len(stranger) and stranger[["orders", "recency_days", "top_category"]].isna().all().all()


def test_pairs_need_no_products_or_types_and_what_is_missing_is_said(frames, small_shop):
    few = {name: frames[name] for name in ("events", "exposures", "responses")}
    few["promotions"] = frames["promotions"][["promotion_id", "kind", "starts_at", "ends_at"]]
    got = build_pairs(as_shop(few), NOW).execute()
    assert "promotion_amount" not in got and "promotion_products" not in got
    assert not got.duplicated(KEYS).any() and got.redeemed.sum() > 0
    frames.pop("responses")
    spoilt("response models need the table 'responses'", build_pairs, as_shop(frames), NOW)
    several = pd.DataFrame({"customer_id": ["C01"], "as_of": [NOW]})
    refused("one moment", build_pairs, small_shop, several)


def test_the_few_of_a_response_model_are_features_of_pairs_and_candidates_alike(pairs, candidates):
    chosen = response_features(pairs)
    assert set(RESPONSE_FEATURES) <= set(chosen) <= set(pair_features(pairs))
    assert set(chosen) <= set(candidates.columns)
    # The small shop has two kinds of promotions, and discounts that differ.
    assert chosen[len(RESPONSE_FEATURES) :] == ["promotion_kind", "promotion_discount_rate"]
    alike = pairs.assign(promotion_kind="coupon", promotion_discount_rate=0.1)
    assert response_features(alike) == list(RESPONSE_FEATURES)
    assert response_features(pairs.drop(columns="answers")) is None
