"""Redemptions that stand as a code in the order lines, and whose promotion lists the code."""

import pytest

from promolab.sources import load_shop
from tests.refused import refused, spoilt

LINES = f"""order,who,when,sku,paid,code
1,A,2024-03-05,tea,5,spring5
1,A,2024-03-05,mug,7,SPRING5
2,B,2024-03-06,tea,5,
3,B,2024-06-02,tea,5,SPRING5
4,C,2024-03-01,mug,7, Spring5
5,C,2024-06-03,mug,7,FRIENDS
6,C,2024-06-04,mug,7,{" "}
"""
CAMPAIGNS = """id,from,to,Code
P1,2024-03-04,2024-03-20,SPRING5
P2,2024-06-01,2024-06-20,SPRING5
P3,2024-07-01,2024-07-20,
"""
TOML = """zone = "UTC"
[events]
files = "lines.csv"
customer_id = "who"
ts = "when"
order_id = "order"
amount = "paid"
kind = { value = "purchase" }
[promotions]
files = "campaigns.csv"
promotion_id = "id"
starts_at = "from"
ends_at = "to"
kind = { value = "coupon" }
[responses]
files = "lines.csv"
rows_with = "code"
distinct = true
promotion_id = { column = "code", in_promotions = "code" }
customer_id = "who"
ts = "when"
kind = { value = "redeem" }
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "lines.csv").write_text(LINES)
    (tmp_path / "campaigns.csv").write_text(CAMPAIGNS)
    (tmp_path / "shop.toml").write_text(TOML)
    return tmp_path


def test_a_code_is_that_of_the_promotion_that_had_started_last(folder):
    shop = load_shop(folder)
    found = shop.responses.order_by("ts", "customer_id").execute()
    assert list(zip(found["customer_id"], found["promotion_id"], strict=True)) == [
        ("C", "P1"),  # before its start: still the only promotion that it can be
        ("A", "P1"),  # two lines of one order, in two cases: one redemption
        ("B", "P2"),
        ("C", "FRIENDS"),  # nobody lists it: kept, and counted as that of an unknown promotion
    ]
    # A cell of blanks holds nothing.
    assert "responses: 4 distinct of 7 rows with a code of lines.csv, as shop.toml says." in (
        shop.left_out
    )
    assert shop.events.count().execute() == 7 and "code" in shop.events.columns
    assert "unknown_promotion" in {finding.check for finding in shop.check().findings}


def test_a_column_that_is_not_there_is_named_and_only_promotions_are_looked_up(folder):
    for theirs, ours, said in [
        ('in_promotions = "code"', 'in_promotions = "Cod"', "did you mean 'Code'"),
        ('rows_with = "code"', 'rows_with = "cod"', r"rows_with: lines\.csv has no column 'cod'"),
    ]:
        (folder / "shop.toml").write_text(TOML.replace(theirs, ours))
        spoilt(said, load_shop, folder)
    wrong = TOML.replace(
        'order_id = "order"', 'order_id = { column = "order", in_promotions = "x" }'
    )
    (folder / "shop.toml").write_text(wrong)
    refused("only the promotion_id of exposures and responses", load_shop, folder)
