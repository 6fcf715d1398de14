"""What a shop's exports tell without saying it: states, totals, codes, contacts, last days."""

from datetime import datetime
from pathlib import Path

import pytest

from promolab.cleaning import clean
from promolab.onboarding import propose
from tests.onboarding.test_proposal import by_kind, flat, loaded, said, write


def orders(folder: Path, states: list[str], column: str) -> Path:
    rows = [
        f"{i},K{i % 30},2024-01-{i % 28 + 1:02},9.5,{states[i % len(states)]}" for i in range(60)
    ]
    write(folder, "orders.csv", [f"order_no,customer_no,order_date,total,{column}", *rows])
    return folder


@pytest.mark.parametrize(
    ("column", "states", "bought", "check"),
    [
        ("Status", ["delivered", "cancelled"], ["delivered"], "'cancelled' (30 rows) did not"),
        ("State", ["", "storniert"], [""], "empty (30 rows) are taken for orders"),
        ("Type", ["alright", "annulée"], ["alright"], "'alright' (30 rows) are taken"),
        ("状态", ["已付款", "待付款", "已退货"], ["已付款"], "'已退货' (20 rows) and '待付款'"),
    ],
)
def test_orders_that_came_to_nothing_do_not_count(column, states, bought, check, tmp_path):
    proposal = propose(orders(tmp_path, states, column))
    found = said(proposal)["events"]
    assert found["kind"] == {"value": "purchase"} and found["order_status"]["column"] == column
    paid = {w for w, s in found["order_status"]["values"].items() if s == "paid"}
    assert paid == set(bought) - {"", "paid"}
    assert check in next(x for x in flat(proposal).splitlines() if "did not count" in x)
    shop = loaded(proposal, tmp_path)
    assert by_kind(shop)["purchase"][0] == 60
    assert clean(shop)[0].events.count().execute() == 60 // len(states)


def test_a_table_of_nothing_but_returns_is_marked(tmp_path):
    text = flat(propose(orders(tmp_path, ["cancelled", "returned"], "Status")))
    assert "CHECK: nothing says that something was bought" in text


def test_contacts_name_the_promotion_by_its_title_and_its_end_is_the_last_day(tmp_path):
    lines = [f"B{i};{i % 40:04d};{1 + i % 28:02d}.05.2024;Thé;4,50" for i in range(80)]
    write(tmp_path, "orders.csv", ["order_no;client;date;category;total", *lines])
    offers = ["campaign_id;title;campaign_type;start;end"]
    offers += ["7;Mai;voucher;06.05.2024;12.05.2024", "8;Juni;newsletter;03.06.2024;09.06.2024"]
    write(tmp_path, "campaigns.csv", offers)
    sent = [f"{i:04d};Mai;05.05.2024 17:{i:02d}" for i in range(30)]
    write(tmp_path, "mailings.csv", ["client;Campaign;sent at", *sent])
    proposal = propose(tmp_path)
    found = said(proposal)["exposures"]["promotion_id"]
    assert found == {"column": "Campaign", "in_promotions": "title"}
    shop = loaded(proposal, tmp_path, "Europe/Berlin")
    assert set(shop.exposures.promotion_id.execute()) == {"7"}
    # The last day counts: the first moment after it is the thirteenth's midnight, in Berlin.
    assert shop.promotions.ends_at.min().execute() == datetime(2024, 5, 12, 22)
    assert "taken for the last day" in flat(proposal)


def test_units_called_an_amount_and_a_subclass_are_taken_for_what_they_are(tmp_path):
    rows = ["TRANSACTION_DT,CUSTOMER_ID,PRODUCT_SUBCLASS,PRODUCT_ID,AMOUNT,SALES_PRICE"]
    prices = [(i % 3 + 1) * (20 + i % 7) for i in range(90)]  # what the line costs
    for i, price in enumerate(prices):
        day, product = f"2000-11-{i % 28 + 1:02}", f"{100 + i % 7 % 2},P{i % 7}"
        rows.append(f"{day},C{i % 20},{product},{i % 3 + 1},{price}")
    write(tmp_path, "ta_feng.txt", rows)
    proposal = propose(tmp_path)
    found = said(proposal)
    assert (found["events"]["quantity"], found["events"]["amount"]) == ("AMOUNT", "SALES_PRICE")
    assert "divided by AMOUNT it is a product's price in 100 % of rows" in flat(proposal)
    assert found["products"]["category"] == "PRODUCT_SUBCLASS"
    assert by_kind(loaded(proposal, tmp_path))["purchase"] == (90, sum(prices))
    one = [f"C{i % 9},2024-01-0{i % 9 + 1},P{i % 7},{i % 3 + 1},{20 + i % 7},2" for i in range(90)]
    write(tmp_path, "ta_feng.txt", ["customer_id,date,product_id,amount,price,discount", *one])
    proposal = propose(tmp_path)
    found = said(proposal)["events"]  # beside the price of one, they are multiplied
    assert found["quantity"] == "amount" and found["amount"] == {"multiply": ["amount", "price"]}
    assert "CHECK: discount is not taken off" in flat(proposal)


def test_rules_in_words_become_terms(tmp_path):
    orders(tmp_path, ["paid"], "Status")
    rules = ["满199减25", "每满100减10", "8折", "立减20", "10 % off over 50", "buy 2 save 5"]
    rows = [f"P{i},第{i}档,{rule},2024-01-01,2024-01-08" for i, rule in enumerate(rules)]
    write(tmp_path, "promotions.csv", ["promotion_id,名称,规则,开始时间,结束时间", *rows])
    proposal = propose(tmp_path)
    told = said(proposal)["promotions"]
    assert told["name"] == "名称" and told["reduction"] == {"column": "规则", "in_words": True}
    assert "not understood, and without terms: 'buy 2 save 5'" in flat(proposal)
    shop = loaded(proposal, tmp_path)
    offers = shop.promotions.order_by("promotion_id").execute()
    terms = offers[["discount_rate", "threshold", "reduction", "steps"]].round(4)
    assert [row.dropna().to_dict() for _, row in terms.iterrows()] == [
        {"threshold": 199, "reduction": 25, "steps": 1},
        {"threshold": 100, "reduction": 10, "steps": 0},
        {"discount_rate": 0.2},
        {"reduction": 20},
        {"discount_rate": 0.1, "threshold": 50},
        {},
    ]
    assert shop.promotion_name("coupon", "P3") == "第3档"
