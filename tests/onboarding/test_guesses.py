"""Which table and which column is which: names in five languages, and content that must agree."""

import ibis.expr.datatypes as dt

from promolab.onboarding.contents import Look, clock_of, numbers_of, times_of
from promolab.onboarding.matching import choose_columns
from promolab.sources.synonyms import currency_in, key, kind_of_word

DAY = ("2024-01-31", "2024-02-01")


def look(name: str, *values: str, kind: dt.DataType = dt.string) -> Look:
    return Look(name, kind, len(values), len(values), len(set(values)), values)


def chosen(table: str, *looks: Look) -> dict[str, str]:
    return {ours: pick.name for ours, pick in choose_columns(table, looks).items()}


def test_columns_are_found_by_name():
    ours = "customer_id ts order_id product_id quantity price amount".split()
    for theirs in (
        "CustomerID, InvoiceDate, InvoiceNo, StockCode, Quantity, UnitPrice, Total",
        "user_id, event_time, transaction_id, sku, qty, price, revenue",
        "Kundennr., Bestelldatum, Belegnummer, Artikel-Nr, Stück, Einzelpreis, Umsatz",
        "Nº client, date_commande, N° commande, Réf. article, Quantité, Prix, Montant",
        "ID Cliente, Fecha, Pedido, Artículo, Cantidad, Precio unitario, Importe",
        "客户编号, 下单时间, 订单号, 商品编码, 数量, 单价, 金额(元)",
    ):
        customer, time, order, product, quantity, price, amount = names = theirs.split(", ")
        ids = [look(name, "7", "8") for name in (customer, order, product)]
        numbers = [look(name, "1.5", "2") for name in (quantity, price, amount)]
        expected = dict(zip(ours, names, strict=True))
        assert chosen("events", *numbers, look(time, *DAY), *ids) == expected


def test_a_name_is_not_enough():
    words = look("amount", "much", "little")
    no_time = look("order_date", "soon", "later")
    time = look("when_it_was", *DAY)
    found = chosen("events", look("customer", "1", "2"), words, no_time, time)
    assert found == {"customer_id": "customer", "ts": "when_it_was"}
    # Neither a birthday nor a delivery is when it was bought.
    other = [look("birth_date", *DAY), look("ship_date", *DAY), look("order_date", *DAY)]
    assert chosen("events", *other)["ts"] == "order_date"
    assert "ts" not in chosen("exposures", *other[:2])
    # Ids with a fraction are none.
    assert chosen("events", look("customer_id", "1.5", "2.25", kind=dt.float64)) == {}
    assert "customer_id" in chosen("events", look("customer_id", "1.0", "2.0", kind=dt.float64))


def test_kinds_are_known_by_their_words_whatever_the_column_is_called():
    found = chosen("events", look("x", "pv", "buy"), look("type", "visa", "cash"))
    assert found == {"kind": "x"}
    words = ["Add to cart", "加购", "Retoure", "achat", "PV", "storniert"]
    meant = "cart cart return purchase view cancel".split()
    assert [kind_of_word("events", word) for word in [*words, "wish"]] == [*meant, None]


def test_how_times_are_written():
    for values, formats in [
        (("31/12/2010 8:26", "01/01/2011 9:00"), ["%d/%m/%Y %H:%M"]),
        (("01.02.24",), ["%d.%m.%y"]),
        (("1/2/2010",), ["%d/%m/%Y", "%m/%d/%Y"]),
        (("Jan 5, 2010",), ["%b %d, %Y"]),
        (("1511544070",), ["epoch_s"]),
        (("1511544070123",), ["epoch_ms"]),
        (("40513.35", "40514"), ["excel"]),
        (("20101231",), ["%Y%m%d"]),
        (("2010-12-31T10:00:00Z",), [None]),
        (("2019-10-01 00:00:00 UTC",), ["%Y-%m-%d %H:%M:%S UTC"]),
        (("12", "13"), []),
        (("31/12/2010", "12/31/2010"), []),
    ]:
        assert [each.format for each in times_of(look("t", *values))] == formats


def test_times_of_day_zones_what_is_no_number_and_how_names_are_compared():
    assert clock_of(look("Uhrzeit", "8:15", "17:30")) == "%H:%M"
    assert clock_of(look("Uhrzeit", "8:15", "17:30:05")) is None
    assert times_of(look("t", "2010-12-31T10:00:00Z"))[0].zoned
    assert not times_of(look("t", "2010-12-31 10:00"))[0].zoned
    for values in (("3", "abc"), ("$3", "€4"), ("3 kg",), ("1.234,5", "1,234.5")):
        assert numbers_of(look("n", *values)) == ()
    assert key("Größe") == "grosse" and key("unitPrice") == "unitprice"
    assert key("Quantité (pièces)") == "quantite"
    assert currency_in("总价(元)") == "CNY" and currency_in("EUR or USD") is None


def test_how_numbers_are_written():
    for values, first in [
        (("1.5", "20"), {}),
        (("12,5", "3"), {"decimal": ","}),
        (("1,234.50",), {"thousands": ","}),
        (("1.234,50 €", "3,00 €"), {"decimal": ",", "thousands": ".", "symbol": "€"}),
        (("1 234,50",), {"decimal": ",", "thousands": " "}),
        (("USD 3.50",), {"symbol": "USD"}),
    ]:
        assert numbers_of(look("n", *values))[0].keys() == first
