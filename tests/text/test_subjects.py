"""Topics: shares by hand and with intervals that hold, quotes masked, what goes with returns."""

import numpy as np
import pandas as pd
import pytest

from promolab.text import read_reviews, topics, topics_and_returns
from promolab.text.ratings import share_of
from promolab.text.subjects import usual_topics
from tests.draws import check_cover, draws
from tests.made_up import shop_of
from tests.refused import refused

NOW = pd.Timestamp("2024-06-03")
NAMED = {"delivery": ["parcel*", "快递"], "size": ["too small", "尺码"]}


def rows_of(texts, **columns) -> pd.DataFrame:
    n = len(texts)
    rows = {"customer_id": np.arange(n), "ts": NOW - pd.Timedelta(days=1), "text": list(texts)}
    return pd.DataFrame(rows | {"promotion": ""} | columns)


def test_shares_are_those_of_the_rows_and_words_are_whole_ones():
    texts = [
        "Parcels came late",
        "far too small",
        "too, small",
        "快递很快，尺码不对",
        "compartment",
        "",
    ]
    found = topics(rows_of(texts * 4), NAMED)
    told = found.frame.set_index("topic")
    assert told.loc["delivery", "share"] == pytest.approx(2 / 5)
    assert told.loc["size", "share"] == pytest.approx(3 / 5)
    assert found.reviews == 20 and found.customers == 20
    assert found.terms.to_numpy().tolist()[0] == ["delivery", "parcel*"]
    usual = topics(rows_of(["the courier was late", "质量很差", "no discount at all", "很好"] * 5))
    shares = usual.frame.set_index("topic")["share"].to_dict()
    assert shares == {"delivery": 0.25, "size": 0.0, "quality": 0.25, "price": 0.25}


def test_the_promotion_with_a_planted_topic_stands_out_and_no_other():
    rng = np.random.default_rng(0)
    n = 3_000
    promotion = rng.choice(["", "P1", "P2", "P3"], n)
    chance = np.where(promotion == "P2", 0.3, 0.15)
    texts = np.where(rng.uniform(size=n) < chance, "the parcel was late", "lovely colour and shape")
    when = NOW - pd.to_timedelta(rng.uniform(0, 180, n), "D")
    who = rng.integers(0, 1_200, n)
    found = topics(rows_of(texts, customer_id=who, promotion=promotion, ts=when), NAMED, as_of=NOW)
    sure = found.frame[found.frame["p_holm"] < 0.05]
    assert sure[["topic", "group"]].to_numpy().tolist() == [["delivery", "P2"]]
    assert sure["difference_low"].iloc[0] > 0.05
    assert "delivery at P2" in found.summary() and not found.grew
    part = found.frame[(found.frame["group"] == "P2") & (found.frame["topic"] == "delivery")]
    own = texts[promotion == "P2"] == "the parcel was late"
    assert part["share"].iloc[0] == pytest.approx(own.mean())
    assert part["customers"].iloc[0] == len(set(who[promotion == "P2"]))


def test_a_topic_that_grew_is_named_with_its_weeks():
    rng = np.random.default_rng(1)
    n, back = 2_400, rng.uniform(0, 26 * 7, 2_400)
    chance = np.where(back < 28, 0.4, 0.15)
    texts = np.where(rng.uniform(size=n) < chance, "runs too small", "lovely colour and shape")
    rows = rows_of(texts, ts=NOW - pd.to_timedelta(back, "D"))
    found = topics(rows, NAMED, as_of=NOW)
    assert found.grew == "size" and found.facts()["change"] == "grew"
    assert "Size grew" in found.summary() and found.plot().get_title("left") == "Size grew"
    weekly = found.weekly[found.weekly["topic"] == "size"]
    assert len(weekly) == 26 and weekly["week"].iloc[-1] == NOW - pd.Timedelta(weeks=1)
    assert weekly["share"].tail(4).mean() > 0.3 > 0.25 > weekly["share"].head(22).mean()
    assert topics(rows, NAMED, as_of=NOW - pd.Timedelta(weeks=5)).grew == ""


def test_intervals_of_shares_hold_though_customers_write_often():
    rng = np.random.default_rng(3)
    ends = []
    for _ in range(draws(400)):
        who = rng.integers(0, 150, 300)
        likes = rng.beta(0.8, 3.2, 150)[who]  # some speak of it again and again
        on, unit = (rng.uniform(size=300) < likes).astype(float), pd.factorize(who)[0]
        ends.append(share_of(on, unit, 0.95, unit.max() + 1))
    check_cover(ends, 0.2, slack=0.005)


def test_small_groups_in_which_nobody_speaks_of_it_are_no_finding():
    rng = np.random.default_rng(4)
    alarms = []
    for _ in range(40):
        promotion = np.repeat(["", *(f"P{n}" for n in range(8))], [160, *[12] * 8])
        texts = np.where(rng.uniform(size=256) < 0.15, "parcel", "lovely")
        found = topics(rows_of(texts, promotion=promotion), {"delivery": ["parcel"]})
        alarms.append(bool((found.frame["p_holm"] < 0.05).any()))
    assert np.mean(alarms) <= 0.15


def test_quotes_are_masked_short_of_different_customers_and_three_at_most():
    texts = [
        "<b>parcel</b> late, please call 13812345678 <script>x()</script>",
        "my parcel, customer C1041, order 7788, a@b.cn never came",
        "the parcel &amp; its " + "very " * 40 + "late box",
        "the parcel was late again",
        "the parcel was late, again!",
    ]
    rows = rows_of(texts, customer_id=["C1041", "C2", "C3", "C3", "C4"], order_id=[7788] * 5)
    rows["ts"] = NOW - pd.to_timedelta(np.arange(5), "h")
    found = topics(rows, NAMED).quotes
    quotes = found["quote"].tolist()
    assert len(quotes) == 3 and quotes[0] == "parcel late, please call ***"
    assert quotes[1] == "my parcel, customer ***, order ***, *** never came"
    assert quotes[2] == "the parcel was late again"  # the long one of the same customer is not
    (cut,) = topics(rows_of(texts[2:3]), NAMED).quotes["quote"]
    assert len(cut) == 120 and cut.startswith("the parcel & its very") and cut.endswith("…")
    on = [f"the parcel was too small, {word}" for word in ("sadly", "again", "alas")]
    both = topics(rows_of([*on, "it is too small for me"]), NAMED).quotes
    assert both["topic"].tolist() == ["delivery"] * 3 + ["size"] * 3
    assert both["quote"][3] == "it is too small for me"  # before those quoted already
    table = topics(rows_of([*texts] * 4), NAMED).to_table("table_quotes").text
    assert "13812345678" not in table and "<script" not in table


def test_examples_become_words_and_too_few_are_refused():
    other = ["lovely colour and shape", "my favourite so far", "good value for money"] * 20
    wrapped = ["came wrapped as a gift", "nice gift wrapping paper", "the gift wrap was torn"]
    wrapped += ["asked for gift wrapping", "no gift wrapping at all", "gift card was missing"]
    found = topics(rows_of([*other, *wrapped]), examples={"gifts": wrapped})
    assert found.terms["term"].iloc[0] == "gift" and "lovely" not in set(found.terms["term"])
    assert found.frame["share"].iloc[0] >= 6 / 66
    both = topics(rows_of([*other, *wrapped]), NAMED, examples={"gifts": wrapped})
    assert both.frame["topic"].tolist() == ["delivery", "size", "gifts"]
    refused("2 different examples", topics, rows_of(other), examples={"gifts": wrapped[:2] * 9})
    refused("set the examples", topics, rows_of(other), examples={"x": ["a", "b", "c", "d", "e"]})
    refused("topic 'gifts' has \\['!!'\\]", topics, rows_of(other), {"gifts": ["!!"]})
    refused("topic 'gifts' has \\[\\]", topics, rows_of(other), {"gifts": []})
    refused("no column 'text'", topics, rows_of(other).drop(columns="text"))


def test_of_nothing_it_says_so():
    events = pd.DataFrame({"customer_id": [1], "ts": [NOW], "kind": ["purchase"]})
    shop = shop_of({"events": events})
    assert topics(read_reviews(shop, NOW), as_of=NOW).reviews == 0
    assert "Reviews name no orders" in topics_and_returns(shop, NOW).summary()
    assert "No review has words" in topics(rows_of(["😀", "", None])).summary()
    few = topics(rows_of(["the parcel was late"] * 9))
    assert not few and "Fewer than 10 customers" in few.summary() and few.frame.empty
    assert topics(rows_of(["late parcel"] * 20), as_of=NOW - pd.Timedelta(days=2)).reviews == 0
    assert list(usual_topics()) == ["delivery", "size", "quality", "price"]


def returning(n: int = 400, returns: bool = True):
    """Reviews of a line each; of those on size a half comes back within a month, else a tenth."""
    rng = np.random.default_rng(5)
    size = np.arange(n) % 4 == 0
    ts = NOW.as_unit("us") - rng.integers(40, 90, n).astype("timedelta64[D]")
    texts = np.where(
        size, "it is too small", np.where(np.arange(n) % 4 == 1, "late parcel", "fine")
    )
    back = rng.uniform(size=n) < np.where(size, 0.5, 0.1)
    line = {"customer_id": np.arange(n) // 2, "order_id": np.arange(n), "product_id": 1}
    reviews = pd.DataFrame({**line, "ts": ts, "rating": 4.0, "text": texts, "promotion_id": ""})
    events = pd.DataFrame({**line, "ts": ts - pd.Timedelta(days=9), "kind": "purchase"})
    came = events[back].assign(kind="return", ts=ts[back] + pd.Timedelta(days=5))
    shop = {"reviews": reviews, "events": pd.concat([events, came]) if returns else events}
    return shop, size, back


def test_what_goes_with_returns_is_told_and_never_called_a_cause():
    tables, size, back = returning()
    found = topics_and_returns(shop_of(tables), NOW, NAMED)
    row = found.frame.set_index("topic").loc["size"]
    assert row["share"] == pytest.approx(back[size].mean())
    assert row["others"] == pytest.approx(back[~size].mean())
    assert row["difference_low"] > 0.2 and found.reviews == 400 and found.returned == back.sum()
    told = found.summary()
    assert "size goes with" in told and "need not be what makes customers return" in told
    assert "drive" not in told and "cause" not in told
    # Of reviews whose four weeks are not over, and of what had come back before, nothing is known.
    late = tables["reviews"].assign(ts=NOW - pd.Timedelta(days=20))
    tables |= {"reviews": pd.concat([late.head(100), tables["reviews"].tail(300)])}
    assert topics_and_returns(shop_of(tables), NOW, NAMED).reviews == 300
    early = tables["events"].assign(ts=NOW - pd.Timedelta(days=99))
    before = topics_and_returns(shop_of({**tables, "events": early}), NOW, NAMED)
    assert before.returned == 0 and before.reviews == 300 - back[100:].sum()


def test_without_orders_or_returns_it_says_so():
    tables, *_ = returning(returns=False)
    assert "No return is known" in topics_and_returns(shop_of(tables), NOW).summary()
    tables["reviews"] = tables["reviews"].assign(order_id=np.nan)
    assert "Reviews name no orders" in topics_and_returns(shop_of(tables), NOW).summary()
    tables, *_ = returning(16)
    assert "Too few customers" in topics_and_returns(shop_of(tables), NOW).summary()
