"""How satisfied customers say they are, by promotion and segment: stars, with intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.results import Estimate, Result, plain
from promolab.stats import (
    compare_means,
    holm,
    share_interval,
    spread_of,
    t_quantile,
    two_sided,
)
from promolab.wording import arm_words

if TYPE_CHECKING:
    from promolab.contract import Shop


SATISFIED = 4
"""Stars, of five, from which a customer counts as satisfied."""
LEVEL = 0.95
"""Of the intervals."""
FEWEST = 10
"""Customers whose ratings a group needs, to have a row of its own."""
ALL, KIND, PROMOTION, SEGMENT = "orders", "kind", "promotion", "segment"
WITH, WITHOUT = "with a promotion", "without a promotion"
FIGURES = ("satisfied", "rating", "difference")
ENDS = ("", "_low", "_high")
_ESTIMATES = [name + end for name in FIGURES for end in ENDS]
COLUMNS = ("by", "group", "ratings", "customers", *_ESTIMATES, "p_value", "p_holm")
UNKNOWN = Estimate(math.nan)


@dataclass(frozen=True)
class Satisfaction(Result):
    """What customers' ratings say; made by `satisfaction`.

    Parameters
    ----------
    frame : DataFrame
        One row per group: by (``orders`` with and without a promotion, ``kind``, ``promotion``,
        ``segment``), group, ratings, customers, satisfied (share of four and five stars) and rating
        (mean stars) with their intervals, difference (of ``satisfied``, less that of orders
        without a promotion; of segments, less that of all other segments), p_value, p_holm (within
        ``by``).
    overall, mean : Estimate
        Share of four and five stars, and mean stars, of all ratings.
    few : int
        Promotions with ratings of fewer than ten customers, which have no row.
    why : {"", "none", "few"}
        Why there is nothing to tell: no ratings, or of fewer than two customers.
    level : float
    shop : str
        What readers call the shop.
    """

    frame: pd.DataFrame = field(repr=False)
    overall: Estimate = UNKNOWN
    mean: Estimate = UNKNOWN
    few: int = 0
    why: str = ""
    level: float = LEVEL
    shop: str = ""

    def __bool__(self) -> bool:
        return not self.why

    def to_dict(self) -> dict[str, Any]:
        """Return the share of satisfied ratings, the mean, and the difference promotions make."""
        rows = self.frame[(self.frame["by"] == ALL) & (self.frame["group"] == WITH)]
        found = (
            {"promotions": plain(rows.iloc[0].drop(["by", "group"]).to_dict())} if len(rows) else {}
        )
        return super().to_dict() | found

    def standing_out(self) -> list[str]:
        """Return the groups that differ beyond chance after Holm, within each way to group."""
        rows = self.frame[(self.frame["p_holm"] < 1 - self.level) & (self.frame["by"] != ALL)]
        names: list[str] = rows["group"].tolist()
        return names

    def facts(self) -> Mapping[str, Any]:
        """Return orders with and without a promotion, and the groups of table and figure."""
        orders = self.frame[self.frame["by"] == ALL].set_index("group")
        both = orders.loc[WITH] if {WITH, WITHOUT} <= {*orders.index} else None
        gap = UNKNOWN if both is None else _estimate(both, "difference")
        groups, out = self.frame[self.frame["by"] != ALL], self.standing_out()
        rated = self.frame[self.frame["by"] == PROMOTION]
        others = self.frame[self.frame["by"] != PROMOTION]
        return {
            "known": bool(self),
            "reason": lambda: self.say("finding") if self.why else "",
            "compared": "" if self.why else "none" if both is None else gap.side,
            "share": UNKNOWN if both is None else _estimate(both, "satisfied"),
            "base": UNKNOWN if both is None else _estimate(orders.loc[WITHOUT], "satisfied"),
            "gap": gap,
            "groups": groups,
            "grouped": "" if groups.empty else "out" if out else "alike",
            "out": out,
            "fewest": FEWEST,
            "rated": rated.sort_values(["satisfied", "group"]),
            "any_rated": len(rated) > 0,
            "drawn": others.assign(bought=others["group"]),
            "all_of_them": self.overall.value,
        }


def _estimate(row: Any, name: str, n: int = 0) -> Estimate:
    return Estimate.of((row[name + end] for end in ENDS), n)


def satisfaction(shop: Shop, as_of: datetime, segments: pd.DataFrame | None = None) -> Satisfaction:
    """Tell how satisfied customers say they are, by promotion and by segment.

    Parameters
    ----------
    shop : Shop
        With reviews that have a rating of 1 to 5, and where it is known the promotion of the order.
    as_of : datetime
        Nothing at or after it is read (UTC without a zone).
    segments : DataFrame, optional
        customer_id, segment.

    Returns
    -------
    Satisfaction
        False, with the reason, where nothing was rated. Intervals are clustered by customer: of
        shares Wilson's at the size that the clustered variance amounts to, of means and differences
        Student's.
    """
    none = pd.DataFrame(columns=list(COLUMNS))
    if not shop.has("reviews") or "rating" not in shop.reviews.columns:
        return Satisfaction(none, why="none", shop=shop.settings.name)
    reviews = shop.reviews.filter(shop.reviews.ts < as_of)
    rows = reviews.filter(reviews.rating.notnull()).execute()
    if rows["customer_id"].nunique() < 2:
        return Satisfaction(none, why="few")
    rows = _described(rows, shop, segments)
    frame = pd.DataFrame(_compared(rows), columns=list(COLUMNS))
    frame["p_holm"] = frame.groupby("by", sort=False)["p_value"].transform(lambda p: holm(p))
    share, mean = (_estimate(_level(rows), name, len(rows)) for name in FIGURES[:2])
    with_one = rows[rows[PROMOTION] != ""].groupby(PROMOTION)["customer_id"].nunique()
    few = int((with_one < FEWEST).sum())
    return Satisfaction(frame, share, mean, few)


def _described(rows: pd.DataFrame, shop: Shop, segments: pd.DataFrame | None) -> pd.DataFrame:
    """Add what each rating belongs to, as texts, empty where that is not known."""
    rows = rows.assign(happy=(rows["rating"] >= SATISFIED).astype(float), **{KIND: "", SEGMENT: ""})
    named = rows["promotion_id"] if "promotion_id" in rows else pd.Series(None, rows.index, object)
    rows[PROMOTION] = named.astype("string").fillna("").astype(object)
    rows[ALL] = np.where(rows[PROMOTION] == "", WITHOUT, WITH)
    if shop.has("promotions"):
        kinds = shop.promotions.select("promotion_id", "kind").execute()
        of = dict(zip(kinds["promotion_id"].astype(str), kinds["kind"].astype(str), strict=True))
        kind = rows[PROMOTION].map(of)
        rows[KIND] = [arm_words(k) if isinstance(k, str) else "" for k in kind]
        rows[PROMOTION] = [
            shop.promotion_name(k, p) if isinstance(k, str) else p
            for k, p in zip(kind, rows[PROMOTION], strict=True)
        ]
    if segments is not None:
        where = segments.drop_duplicates("customer_id").set_index("customer_id")["segment"]
        rows[SEGMENT] = rows["customer_id"].map(where).fillna("").astype(str)
    return rows


def _compared(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield a row per group with enough customers."""
    without = (rows[ALL] == WITHOUT).to_numpy()
    for by in (ALL, KIND, PROMOTION, SEGMENT):
        names = sorted(set(rows[by]) - {""}, key=lambda name: (name == WITHOUT, name))
        for name in names:
            mine = (rows[by] == name).to_numpy()
            if rows["customer_id"][mine].nunique() < FEWEST:
                continue
            others = ~mine & (rows[SEGMENT] != "").to_numpy() if by == SEGMENT else without & ~mine
            yield {
                "by": by,
                "group": name,
                "ratings": int(mine.sum()),
                "customers": rows["customer_id"][mine].nunique(),
                **_level(rows[mine]),
                **_gap(rows, mine, others),
            }


def _level(rows: pd.DataFrame) -> dict[str, float]:
    """Return share of satisfied ratings and mean stars of some rows, with intervals."""
    unit, customers = pd.factorize(rows["customer_id"])
    share, mean = float(rows["happy"].mean()), float(rows["rating"].mean())
    means = (("happy", share), ("rating", mean))
    errors = [spread_of((rows[y].to_numpy() - m) / len(rows), unit).std_error for y, m in means]
    low, high = share_interval(share, errors[0] ** 2, len(customers), LEVEL)
    half = t_quantile(LEVEL, max(len(customers) - 1, 1)) * errors[1]
    ends = (share, float(low), float(high), mean, max(mean - half, 1.0), min(mean + half, 5.0))
    return dict(zip(_ESTIMATES, ends, strict=False))


def _gap(rows: pd.DataFrame, mine: np.ndarray, others: np.ndarray) -> dict[str, float]:
    """Return by how much the share of some rows differs from that of others, and its p value."""
    if rows["customer_id"][others].nunique() < FEWEST:
        return {}
    either = mine | others
    part = rows[either]
    unit, _ = pd.factorize(part["customer_id"])
    arms = compare_means(part["happy"].to_numpy(dtype=float), mine[either], unit)
    if not arms.variance > 0:
        return {}
    ends = dict(zip(ENDS, (arms.value, *arms.interval(LEVEL)), strict=True))
    p = two_sided(arms.value, math.sqrt(arms.variance), arms.degrees)
    return {f"difference{end}": value for end, value in ends.items()} | {"p_value": p}
