"""What a shop really has: exports with names, words, numbers and files of their own."""

from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from promolab.sources import load_shop
from tests.made_reports import documented_mapping
from tests.refused import spoilt

ONLINE_RETAIL = '''\
InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
536365,85123A,WHITE HANGING HEART T-LIGHT HOLDER,6,12/1/2010 8:26,2.55,17850,United Kingdom
536365,71053,"LANTERN, WHITE METAL",6,12/1/2010 8:26,3.39,17850,United Kingdom
536366,22633,HAND WARMER UNION JACK,6,12/1/2010 8:28,1.85,13047,United Kingdom
C536379,D,Discount,-1,12/1/2010 9:41,27.5,14527,United Kingdom
C536391,22556,"PLASTERS IN TIN ""CIRCUS PARADE""",-12,12/13/2010 10:24,1.65,13047,France
536414,22139,,56,7/1/2011 11:52,0,,United Kingdom
A563185,B,Adjust bad debt,1,8/12/2011 14:50,11062.06,,United Kingdom
A563186,B,Adjust bad debt,1,8/12/2011 14:51,-11062.06,12346,United Kingdom
'''


@pytest.fixture
def put(tmp_path):
    """Return what writes a shop.toml, with texts as csv and frames as parquet; gives the folder."""

    def write(toml: str, **files: str | pd.DataFrame):
        for name, content in files.items():
            if isinstance(content, str):
                (tmp_path / f"{name}.csv").write_text(content, encoding="utf-8-sig")
            else:
                content.to_parquet(tmp_path / f"{name}.parquet")
        (tmp_path / "shop.toml").write_text(toml, encoding="utf-8")
        return tmp_path

    return write


@pytest.fixture
def retail(tmp_path):
    (tmp_path / "online_retail.csv").write_text(ONLINE_RETAIL)
    (tmp_path / "shop.toml").write_text(documented_mapping())
    return tmp_path


def test_invoice_lines_load_by_twelve_lines(retail):
    assert len(documented_mapping().strip().splitlines()) <= 12
    events = load_shop(retail).events.order_by("ts", "product_id").execute()
    assert len(events) == 8
    first = events.iloc[0]
    assert (first.customer_id, first.order_id, first.product_id) == ("17850", "536365", "71053")
    # London's winter is UTC, its summer is an hour ahead.
    assert first.ts.to_pydatetime() == datetime(2010, 12, 1, 8, 26)
    assert events.ts.iloc[-1].to_pydatetime() == datetime(2011, 8, 12, 13, 51)
    assert first.amount == 20.34 and first.quantity == 6
    kinds = dict(zip(events.order_id, events.kind, strict=True))
    assert kinds["C536391"] == "return" and kinds["A563185"] == "adjustment"
    # What the contract does not know goes along, quotes and commas and all.
    assert 'PLASTERS IN TIN "CIRCUS PARADE"' in set(events.Description)


MAPPED = '[events]\nfiles = "orders.csv"\n'
BOTH = '[[events]]\nfiles = "orders.csv"\n[[events]]\n'
ROWS = "customer_id,ts,kind\nA,2021-03-01,view\n"


def test_two_tables_are_one_where_both_are_named(put):
    views = pd.DataFrame({"visitor": ["B"], "ts": ["2021-03-02"], "kind": ["view"]})
    toml = BOTH + 'files = "views.parquet"\ncustomer_id = "visitor"\n'
    orders = "customer_id,ts,kind,amount\nA,2021-03-01,purchase,5\n"
    shop = load_shop(put(toml, orders=orders, views=views))
    events = shop.events.order_by("ts").execute()
    assert events.customer_id.tolist() == ["A", "B"]
    assert events.amount[0] == 5 and np.isnan(events.amount[1])
    assert set(shop.fingerprints) == {"orders.csv", "views.parquet"}
    wrong = put(toml, views=views.assign(visitor=1))
    spoilt(r"events\.customer_id is of type string in one", load_shop, wrong)
    said = r"two tables map onto events: orders\.csv, .*events\.csv"
    spoilt(said, load_shop, put(MAPPED, events=ROWS))


def test_a_mapping_to_what_is_not_there_names_the_nearest(put):
    wrong = put(MAPPED + 'product_id = "custmer_id"\n', orders=ROWS)
    spoilt("no column 'custmer_id'; did you mean 'customer_id'", load_shop, wrong)
    spoilt(r"order\.csv.*orders\.csv", load_shop, put('[events]\nfiles = "order.csv"\n'))
    wrong = put('[products]\nproduct_id = "sku"\n', events=ROWS)
    spoilt(r"\[products\]: .* has no table 'products'; say which one", load_shop, wrong)
