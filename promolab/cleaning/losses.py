"""What the rows that cleaning left out are worth: money beside rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.results import Result
from promolab.wording import money, percent, plural

if TYPE_CHECKING:
    from promolab.cleaning.report import CleaningReport
    from promolab.contract import Shop

__all__ = ["LeftOut", "left_out"]

_MOST = 1e15  # an amount beyond it is no amount


@dataclass(frozen=True)
class LeftOut(Result):
    """Rows that cleaning left out, by reason, and the sales in them; made by `left_out`.

    Parameters
    ----------
    table : DataFrame
        table, reason, rows, sales (amounts of the purchases among them; nan where rows have none),
        share (of all sales, those left out included), the most sales first.
    currency : str
        Of the amounts.
    """

    table: pd.DataFrame = field(repr=False)
    currency: str

    def to_frame(self) -> pd.DataFrame:
        """Return one row per table and reason."""
        return self.table

    def to_dict(self) -> dict[str, Any]:
        """Return the sentences, as ``metrics.json`` keeps them."""
        return {"sentences": self.sentences()}

    def sentences(self) -> list[str]:
        """Say of each reason how many rows it took out, and the money in them."""
        return [self._sentence(row) for row in self.table.to_dict("records")]

    def _sentence(self, row: dict[Any, Any]) -> str:
        text = f"{plural(row['rows'], 'row')} of {row['table'].replace('_', ' ')}, {row['reason']}"
        if row["sales"] != row["sales"]:
            return f"{text}."
        worth = money(row["sales"], currency=self.currency, decimals=0)
        return f"{text}: {worth}, {percent(row['share'], decimals=1)} of sales."

    def summary(self) -> str:
        """Say it in sentences."""
        return " ".join(self.sentences()) or "No row was left out."


def left_out(report: CleaningReport, shop: Shop) -> LeftOut:
    """Add up the sales in the rows that cleaning left out.

    Parameters
    ----------
    report : CleaningReport
        Of `promolab.clean`.
    shop : Shop
        The cleaned shop, for the sales that were kept.

    Returns
    -------
    LeftOut

    Examples
    --------
    >>> import ibis, promolab
    >>> from promolab.contract import Shop
    >>> when = pd.to_datetime(["2017-03-01", "2017-03-01", "2017-03-02"])
    >>> events = pd.DataFrame({"customer_id": ["A", None, "B"], "ts": when, "kind": "purchase"})
    >>> events["amount"] = [60.0, 30.0, 10.0]
    >>> events = ibis.duckdb.connect().create_table("events", events)
    >>> shop, report = promolab.clean(Shop({"events": events}))
    >>> left_out(report, shop).summary()
    '1 row of events, without customer: 30 USD, 30.0 % of sales.'
    """
    import ibis

    rows = report.quarantine
    told = rows.row.cast("json")
    customer = told["customer_id"].cast("string").fill_null("null")
    nobody = (rows.rule == "missing_key") & customer.isin(["null", '""'])
    amount = told["amount"].float
    bought = (told["kind"].str == "purchase") & (amount.abs() < _MOST)
    rows = rows.mutate(
        rule=ibis.ifelse(nobody, "without customer", rows.rule),
        sales=ibis.ifelse(bought, amount, None).cast("decimal(38,4)"),
    )
    found = rows.group_by("table", "rule").aggregate(
        rows=rows.count(), sales=rows.sales.sum().cast("float64")
    )
    table = found.execute()
    meaning = dict(zip(report.rules["rule"], report.rules["meaning"], strict=True))
    table["reason"] = [meaning.get(rule, rule) for rule in table["rule"]]
    kept = 0.0
    if shop.has("events", "amount"):
        sales = shop.events.filter(shop.events.kind == "purchase").amount
        kept = float(sales.cast("decimal(38,4)").sum().cast("float64").execute() or 0.0)
    whole = kept + float(table["sales"].fillna(0.0).sum())
    table["share"] = table["sales"] / whole if whole > 0 else float("nan")
    table = table.sort_values(
        ["sales", "rows", "table", "reason"], ascending=[False, False, True, True]
    )
    return LeftOut(
        table[["table", "reason", "rows", "sales", "share"]].reset_index(drop=True),
        shop.settings.currency,
    )
