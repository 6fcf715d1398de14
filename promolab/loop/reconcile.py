"""What the sending tool really sent, compared with what was planned, to the customer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from promolab.campaign.plan import restored, same_channel
from promolab.errors import DataError, InputError, nearest
from promolab.results import Result

OUTCOMES = (
    *("held out", "not planned", "unknown customer", "unknown promotion"),
    *("another week's promotion", "other channel", "as planned", "missing"),
)
"""What became of a customer and promotion; what is wrong stands first."""


@dataclass(frozen=True)
class Reconciliation(Result):
    """What was sent against what was planned; made by `reconcile_sent`.

    Parameters
    ----------
    table : DataFrame
        A row per customer, promotion and channel that was planned to contact or sent: customer_id
        (missing where nobody knows it), as_sent, promotion_id and channel as text, rows (how often
        it was sent), outcome (`OUTCOMES`).
    rows : int
        Rows of the sending tool's file.
    """

    table: pd.DataFrame = field(repr=False)
    rows: int

    @property
    def duplicates(self) -> int:
        """Rows that repeat another one."""
        return int((self.table["rows"] - 1).clip(lower=0).sum())

    @property
    def counts(self) -> dict[str, int]:
        """Customers and promotions by outcome, each counted once."""
        found = self.table["outcome"].value_counts()
        return {name: int(found.get(name, 0)) for name in OUTCOMES}

    def doubts(self) -> tuple[str, ...]:
        """Say why the file may be another one than that of this plan; nothing where it may not.

        It holds no planned contact, or fewer than half of them, or more customers that nobody knows
        than customers of the shop.
        """
        sent, to_contact = self.table[self.table["rows"] > 0], self._to_contact()
        found = int((to_contact["rows"] > 0).sum())
        strangers = sent.loc[sent["outcome"] == "unknown customer", "as_sent"].nunique()
        known = sent.loc[sent["customer_id"].notna(), "as_sent"].nunique()
        few = ("fewer" if found else "none") if 2 * found < len(to_contact) else ""
        given = {"few": few, "found": found, "strangers": strangers, "known": known}
        said = [self.say("few_line", **given)]
        said += [self.say("strange_line", **given)] if strangers > known else []
        return tuple(filter(None, said))

    def _to_contact(self) -> pd.DataFrame:
        """Return a row per planned contact, with how often it was sent, on whatever channel."""
        mine = self.table["outcome"].isin(["as planned", "missing", "other channel"])
        keys = ["as_sent", "promotion_id"]
        return self.table[mine].groupby(keys, as_index=False)[["rows"]].sum()

    def to_frame(self) -> pd.DataFrame:
        """Return what did not go as planned: wrong rows, what was sent twice, what is missing."""
        order = pd.Categorical(self.table["outcome"], list(OUTCOMES), ordered=True)
        table = self.table.assign(order=order)
        table = table[(table["outcome"] != "as planned") | (table["rows"] > 1)]
        by = ["order", "promotion_id", "as_sent", "channel"]
        return table.sort_values(by, ignore_index=True).drop(columns="order")

    def facts(self) -> Mapping[str, Any]:
        """Return how many contacts were planned and sent, and what did not go as planned."""
        wrong = {name: n for name, n in self.counts.items() if n and name != "as planned"}
        return {
            "planned": len(self._to_contact()),
            "as_planned": self.counts["as planned"],
            "wrong": [{"outcome": name, "n": n} for name, n in wrong.items()],
            "outcomes": self.counts,
            "notes": bool(wrong or self.duplicates),
        }


def read_sent(path: Path, columns: Mapping[str, str], only: str | None) -> pd.DataFrame:
    """Read the sending tool's file.

    Parameters
    ----------
    path : Path
        A csv file in UTF-8 with a heading, comma or semicolon between the cells.
    columns : mapping of str to str
        ``[send] columns``: field → its name; the contract's own names are understood as well.
    only : str, optional
        Promotion of rows that name none: that of a plan with one promotion.

    Returns
    -------
    DataFrame
        customer_id, promotion_id and, if the file has it, channel; all as text.

    Raises
    ------
    InputError
        If there is no such file, or it cannot be read.
    DataError
        If a column is missing.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            heading = file.readline()
        separator = ";" if ";" in heading and "," not in heading else ","
        raw = pd.read_csv(
            path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig"
        )
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, ValueError) as error:
        first = str(error).strip().partition("\n")[0]
        raise InputError(f"{path} cannot be read as a csv file in UTF-8: {first}") from error
    raw = raw.rename(columns=str.strip)
    sent = {}
    for name in ("customer_id", "promotion_id", "channel"):
        title = columns.get(name, name)
        title = title if title in raw.columns else name
        if title in raw.columns:
            sent[name] = raw[title].str.strip()
    if "customer_id" not in sent:
        title = columns.get("customer_id", "customer_id")
        raise DataError(f"{path} has no column {title!r}; {nearest(title, raw.columns)}")
    if "promotion_id" not in sent:
        if only is None:
            title = columns.get("promotion_id", "promotion_id")
            raise DataError(
                f"{path} has no column {title!r}, and the week has several promotions: which one "
                f"was sent cannot be told; {nearest(title, raw.columns)}"
            )
        sent["promotion_id"] = pd.Series(only, index=raw.index, dtype="str")
    return pd.DataFrame(sent).astype("str")


def reconcile_sent(
    planned: pd.DataFrame, sent: pd.DataFrame, customers: Any, promotions: Any
) -> Reconciliation:
    """Compare what was sent with what was planned.

    Parameters
    ----------
    planned : DataFrame
        customer_id, promotion_id, holdout (``none`` is to contact) and, where it is known, channel.
    sent : DataFrame
        customer_id, promotion_id, perhaps channel, as text (`read_sent`). Ids that a spreadsheet
        would run as a formula may carry the apostrophe of the send files.
    customers, promotions : array-like
        All ids that the shop knows.

    Returns
    -------
    Reconciliation

    Examples
    --------
    >>> planned = pd.DataFrame(
    ...     {"customer_id": [1, 2, 3], "promotion_id": 18, "holdout": ["none", "none", "standing"]}
    ... )
    >>> sent = pd.DataFrame({"customer_id": ["1", "1", "3", "x"], "promotion_id": "18"})
    >>> done = reconcile_sent(planned, sent, [1, 2, 3, 4], [18, 19])
    >>> done.table["outcome"].tolist(), done.duplicates
    (['as planned', 'missing', 'held out', 'unknown customer'], 1)
    """
    known, keys = _by_text(customers, planned["customer_id"]), ["as_sent", "promotion_id"]
    told = {name: planned[name].astype("str") for name in planned if name in _TEXTS}
    plan = pd.DataFrame(told).rename(columns={"customer_id": "as_sent", "channel": "planned"})
    files = _without_apostrophes(sent, set(known.index), set(map(str, promotions)))
    with_channel = "planned" in plan and "channel" in files
    files = files.reindex(columns=[*keys, "channel"], fill_value="")
    found = files.groupby([*keys, "channel"]).size().rename("rows").reset_index()
    table = found.merge(plan.assign(planned=plan.get("planned", "")), "outer", keys, indicator=True)
    both, to_contact = table["_merge"] == "both", table["holdout"] == "none"
    elsewhere = table["channel"].map(_folded) != table["planned"].map(_folded)
    of_shop = {*map(str, promotions), *plan["promotion_id"]}
    wrong = {
        "missing": table["_merge"] == "right_only",
        "unknown customer": ~table["as_sent"].isin(known.index),
        "unknown promotion": ~table["promotion_id"].isin(of_shop),
        "another week's promotion": ~table["promotion_id"].isin(plan["promotion_id"]),
        "not planned": ~both,
        "held out": ~to_contact,
        "other channel": with_channel & elsewhere & (table["channel"] != ""),
    }
    tidy = pd.DataFrame(
        {
            "customer_id": table["as_sent"].map(known),
            "as_sent": table["as_sent"],
            "promotion_id": table["promotion_id"],
            "channel": table["channel"].fillna(table["planned"]).fillna("").astype("str"),
            "rows": table["rows"].fillna(0).astype("int64"),
            "outcome": pd.Series(np.select([*wrong.values()], [*wrong], "as planned"), dtype="str"),
        }
    )[~wrong["missing"] | to_contact]
    if known.dtype.kind in "iu":
        tidy["customer_id"] = tidy["customer_id"].astype("Int64")
    return Reconciliation(tidy.sort_values([*keys, "channel"], ignore_index=True), len(sent))


_TEXTS = ("customer_id", "promotion_id", "channel", "holdout")


def _by_text(customers: Any, planned: pd.Series[Any]) -> pd.Series[Any]:
    """Return all ids as they are, by their text."""
    every = pd.concat([planned, pd.Series(customers, dtype=planned.dtype)]).drop_duplicates()
    return pd.Series(every.to_numpy(), index=every.astype("str"), dtype=planned.dtype)


def _without_apostrophes(
    sent: pd.DataFrame, customers: set[str], promotions: set[str]
) -> pd.DataFrame:
    """Return what was sent with the shop's ids, whether the tool kept the apostrophe or not."""
    sent = sent.reset_index(drop=True)  # as that of what `restored` returns
    text, promotion = sent["customer_id"], sent["promotion_id"]
    changed = {
        "as_sent": text.where(text.isin(customers), restored(text)),
        "promotion_id": promotion.where(promotion.isin(promotions), restored(promotion)),
    }
    return sent.drop(columns="customer_id").assign(**changed)


def _folded(channel: Any) -> str:
    return "" if pd.isna(channel) else same_channel(str(channel))
