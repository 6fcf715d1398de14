"""What cleaning did, as a result: rows in, kept, quarantined and flagged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.language import _
from promolab.results import Result, words_of

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from promolab.contract import Shop


_MOST = 1e14  # an amount beyond it is no amount; and 64 bits hold four decimals of it


@dataclass(frozen=True)
class LeftOut(Result):
    """Rows that cleaning left out, by reason, and the sales in them; of `CleaningReport.left_out`.

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

    def facts(self) -> dict[str, Any]:
        """Return the reasons in words, and of which the money is known."""
        rows = self.table.assign(
            source=[_(name.replace("_", " ")) for name in self.table["table"]],
            why=[_in_words(reason) for reason in self.table["reason"]],
            money=["known" if sales == sales else "unknown" for sales in self.table["sales"]],
        )
        return {"shown": rows, "case": "some" if len(rows) else "none"}

    def sentences(self) -> list[str]:
        """Say of each reason how many rows it took out, and the money in them."""
        facts = self._facts
        return [row.say("line") for row in facts.rows(facts["shown"])]


def _in_words(reason: str) -> str:
    """Return a reason as tables have it in the language that is spoken."""
    words = words_of(__name__)
    known = {said["en"]: code for code, said in words.words["word"].items() if "en" in said}
    return words.word(known[reason]) if reason in known else reason


COUNTS = ("rows_in", "rows_dated_later", "rows_kept", "rows_quarantined")
"""The first is the sum of the others."""


@dataclass(frozen=True)
class Note:
    """What was kept and is worth knowing.

    Parameters
    ----------
    what : {"later", "no_clock", "of_nobody"}
        Rows dated later, purchases without a time of day, rows of customers that customers lacks.
    of : tuple of str
        Tables.
    rows : tuple of int
        Their rows.
    share : float
        Of purchases without a time of day.
    as_days_of_utc : bool
        Whether days of UTC are the likelier reading.
    """

    what: str
    of: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()
    share: float = 0.0
    as_days_of_utc: bool = False

    @property
    def named(self) -> list[dict[str, Any]]:
        """The tables and their rows."""
        pairs = zip(self.of, self.rows, strict=True)
        return [{"n": n, "source": _(name.replace("_", " "))} for name, n in pairs]


@dataclass(frozen=True)
class CleaningReport(Result):
    """What cleaning did; rows in = rows dated later + rows kept + rows quarantined, per table.

    Parameters
    ----------
    rows : DataFrame
        table, and `COUNTS`; rows are dated later where the shop was cut by `known_by`.
    rules : DataFrame
        table, rule, action (``quarantined`` or ``flagged``), rows, meaning; rules that no row
        breaks are left out. A row has one quarantine rule at most and any number of flags.
    quarantine : ibis Table
        table, rule, row (the row as JSON), in a total order.
    remarks : tuple of Note
        What was kept and is worth knowing, `notes` in sentences.
    """

    rows: pd.DataFrame
    rules: pd.DataFrame
    quarantine: ir.Table = field(repr=False)
    remarks: tuple[Note, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What was kept and is worth knowing, in sentences of the language that is spoken."""
        facts = self._facts
        return tuple(row.say("note") for row in facts.rows(self.remarks))

    def to_frame(self) -> pd.DataFrame:
        """Return one row per table and rule."""
        return self.rules

    def to_dict(self) -> dict[str, Any]:
        """Return `COUNTS` by table."""
        return {row["table"]: {c: int(row[c]) for c in COUNTS} for _, row in self.rows.iterrows()}

    @property
    def by_then(self) -> pd.DataFrame:
        """The rows of each table that were known by then: table, rows, rows_kept, rows_quarantined.

        Without those that are dated later, which change no figure.
        """
        known = self.rows.assign(rows=self.rows["rows_in"] - self.rows["rows_dated_later"])
        return known[["table", "rows", "rows_kept", "rows_quarantined"]]

    def facts(self) -> dict[str, Any]:
        """Return how many rows there were, were kept, quarantined and flagged."""
        came, out = int(self.by_then["rows"].sum()), int(self.rows["rows_quarantined"].sum())
        share = out / came if came else 0.0
        facts = {"came": came, "out": out, "kept": came - out, "share": share, "tables": self.rows}
        out_of = self.rules["action"] == "quarantined"
        rules = self.rules.assign(out=out_of, labelled=self.rules["rule"])
        order = ["rows", "table", "rule"]
        return {
            **facts,
            "setting": 'naive_times = "local"',
            "ordered": rules.sort_values(order, ascending=[False, True, True]),
        }

    def left_out(self, shop: Shop) -> LeftOut:
        """Add up the sales in the rows that cleaning left out.

        Parameters
        ----------
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
        >>> report.left_out(shop).summary()
        '1 row of events, without customer: 30 USD, 30.0 % of sales.'
        """
        import ibis

        rows = self.quarantine
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
        meaning = dict(zip(self.rules["rule"], self.rules["meaning"], strict=True))
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
