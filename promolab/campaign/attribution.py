"""What is counted for which promotion: windows per response, and sales in several windows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign._clock import shifted
from promolab.campaign._outcomes import KINDS, sales_between
from promolab.contract.tables import BOUGHT_FROM
from promolab.wording import plural

if TYPE_CHECKING:
    from promolab.contract import Shop
    from promolab.contract.operations import Attribution

__all__ = ["overlap_words", "response_spans", "settles_at", "shared_sales"]


def response_spans(
    promotions: pd.DataFrame, attribution: Attribution, zone: str, kinds: Sequence[str] = KINDS
) -> pd.DataFrame:
    """Return promotion_id, kind, counted, low, high: when a response counts for a promotion.

    From the promotion's start: for as many local days as ``[attribution] windows`` says of the
    kind, else until the promotion ends. ``counted`` is the kind itself, but for ``redeem`` of
    promotions (by their kind, where it is there) that have nothing to redeem: a purchase.
    """
    rows = []
    for p in promotions.to_dict("records"):
        for kind in kinds:
            bought = kind == "redeem" and p.get("kind") in BOUGHT_FROM
            counted = "purchase" if bought else kind
            days = attribution.windows.get(counted)
            high = p["ends_at"] if days is None else shifted(_moment(p["starts_at"]), days, zone)
            rows.append((p["promotion_id"], kind, counted, p["starts_at"], pd.Timestamp(high)))
    frame = pd.DataFrame(rows, columns=["promotion_id", "kind", "counted", "low", "high"])
    return frame.astype({"promotion_id": promotions["promotion_id"].dtype})


def settles_at(starts_at: Any, ends_at: Any, attribution: Attribution, zone: str) -> datetime:
    """Return when a promotion's figures no longer change: its windows and the return days are over.

    Examples
    --------
    >>> from promolab.contract.operations import Attribution
    >>> settles_at(datetime(2017, 9, 1), datetime(2017, 10, 1), Attribution(), "UTC")
    datetime.datetime(2017, 10, 31, 0, 0)
    """
    start = _moment(starts_at)
    windows = [shifted(start, attribution.windows[k], zone) for k in KINDS if k in
               attribution.windows]  # fmt: skip
    return max([shifted(_moment(ends_at), attribution.return_days, zone), *windows])


def _moment(ts: Any) -> datetime:
    moment: datetime = pd.Timestamp(ts).to_pydatetime()
    return moment


def shared_sales(
    shop: Shop,
    promotions: pd.DataFrame,
    contacts: pd.DataFrame,
    windows: pd.DataFrame,
    rule: str,
) -> pd.DataFrame:
    """Return the contacted customers' sales in each window, each purchase counted once.

    A window is cut wherever one of the customer's other promotions starts or ends; what was bought
    in a piece counts for the promotion whose contact came first (``first``; equal times by id as
    text) or in equal parts for all that the customer was contacted for (``shared``).

    Parameters
    ----------
    promotions : DataFrame
        promotion_id, starts_at, ends_at, until (returns before it are taken off): those to count.
    contacts : DataFrame
        promotion_id, customer_id, ts of the first contact, of all promotions.
    windows : DataFrame
        promotion_id, starts_at, ends_at of all promotions.
    rule : {"first", "shared"}

    Returns
    -------
    DataFrame
        promotion_id, customer_id, sales; who bought nothing has no row.
    """
    pieces = _pieces(promotions, windows)
    sales = sales_between(shop, pieces[["span", "low", "high", "until"]])
    mine = pieces[["span", "promotion_id", "low"]].merge(sales, on="span")
    mine = mine.merge(contacts[["promotion_id", "customer_id"]], on=["promotion_id", "customer_id"])
    # All promotions that a customer was contacted for and that run in the piece.
    rivals = mine[["span", "customer_id", "low"]].merge(
        contacts.merge(windows, on="promotion_id"), on="customer_id"
    )
    rivals = rivals[(rivals["starts_at"] <= rivals["low"]) & (rivals["low"] < rivals["ends_at"])]
    rivals = rivals.assign(text=rivals["promotion_id"].astype(str))
    rivals = rivals.sort_values(["span", "customer_id", "ts", "text"])
    by = rivals.groupby(["span", "customer_id"], sort=False)
    found = by.agg(n=("promotion_id", "size"), first=("promotion_id", "first")).reset_index()
    mine = mine.merge(found, on=["span", "customer_id"])
    part = 1 / mine["n"] if rule == "shared" else (mine["first"] == mine["promotion_id"])
    mine = mine.assign(sales=mine["sales"] * part.astype(float))
    keys = ["promotion_id", "customer_id"]
    mine = mine.sort_values(["span", "customer_id"])
    return mine.groupby(keys)["sales"].sum().reset_index()


def _pieces(promotions: pd.DataFrame, windows: pd.DataFrame) -> pd.DataFrame:
    """Cut each promotion's window wherever any promotion starts or ends."""
    cuts = np.unique(windows[["starts_at", "ends_at"]].to_numpy(dtype="datetime64[us]"))
    parts = []
    for p in promotions.to_dict("records"):
        low, high = (np.datetime64(_moment(p[name]), "us") for name in ("starts_at", "ends_at"))
        ends = np.concatenate([[low], cuts[(cuts > low) & (cuts < high)], [high]])
        parts.append(
            pd.DataFrame({"low": ends[:-1], "high": ends[1:]}).assign(
                promotion_id=p["promotion_id"], until=p["until"]
            )
        )
    table = pd.concat(parts, ignore_index=True)
    return table.assign(span=np.arange(len(table)))


def overlap_words(
    contacts: pd.DataFrame, windows: pd.DataFrame, ended: Sequence[Any], rule: str
) -> str:
    """Say what was done with sales in the windows of several promotions.

    Parameters
    ----------
    contacts, windows : DataFrame
        As `shared_sales` takes them.
    ended : sequence
        Promotions read out.
    rule : str
        ``each in full``, ``first`` or ``shared``.
    """
    n = _in_several(contacts.merge(windows, on="promotion_id"), ended)
    several = f"{plural(n, 'contact')} fell" + " into the window of another promotion as well"
    if rule == "first":
        text = "the sales there count for the promotion whose contact came first"
    elif rule == "shared":
        text = "the sales there are shared equally"
    else:
        text = "their sales count in full for each: these do not add up"
    if not n:
        return "No customer was contacted for two promotions at a time."
    return f"{several}; {text}."


def _in_several(rows: pd.DataFrame, ended: Sequence[Any]) -> int:
    """Count contacts of promotions whose customer was contacted for one that ran meanwhile."""
    mine = rows[rows["promotion_id"].isin(list(ended))]
    both = mine.merge(rows, on="customer_id", suffixes=("", "_other"))
    both = both[
        (both["promotion_id"] != both["promotion_id_other"])
        & (both["starts_at_other"] < both["ends_at"])
        & (both["starts_at"] < both["ends_at_other"])
    ]
    return len(both[["promotion_id", "customer_id"]].drop_duplicates())
