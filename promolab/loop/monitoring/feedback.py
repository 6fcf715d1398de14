"""How satisfied customers say they are, by promotion and segment: stars, with intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import level_of
from promolab.display import Html, Ranged, table
from promolab.errors import InputError
from promolab.results import Estimate, Result, plain
from promolab.stats import compare_means, holm, share_interval, t_quantile, two_sided
from promolab.wording import arm_words, count, more_or_less, number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from promolab.contract import Shop


SATISFIED = 4
"""Stars, of five, from which a customer counts as satisfied."""
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
    why : str
        Why there is nothing to tell; empty where there is.
    level : float
    """

    frame: pd.DataFrame = field(repr=False)
    overall: Estimate = UNKNOWN
    mean: Estimate = UNKNOWN
    few: int = 0
    why: str = ""
    level: float = 0.95

    ALT = "Share of four and five stars, with intervals, by kind of promotion and by segment."

    def __bool__(self) -> bool:
        return not self.why

    def to_dict(self) -> dict[str, Any]:
        """Return the share of satisfied ratings, the mean, and the difference promotions make."""
        told = {"satisfied": self.overall, "rating": self.mean, "why": self.why}
        rows = self.frame[(self.frame["by"] == ALL) & (self.frame["group"] == WITH)]
        found = {
            name: one.to_dict() if isinstance(one, Estimate) else one for name, one in told.items()
        }
        if len(rows):
            found["promotions"] = plain(rows.iloc[0].drop(["by", "group"]).to_dict())
        return found | {"standing_out": self.standing_out()}

    def standing_out(self) -> list[str]:
        """Return the groups that differ beyond chance after Holm, within each way to group."""
        rows = self.frame[(self.frame["p_holm"] < 1 - self.level) & (self.frame["by"] != ALL)]
        names: list[str] = rows["group"].tolist()
        return names

    def summary(self) -> str:
        """Say how satisfied customers are, with and without promotions, and who stands out."""
        if self.why:
            return self.why
        parts = [
            self.finding(),
            f"The mean is {number(*self.mean.ends, decimals=2)} stars.",
            self._promotions(),
            self._out(),
            "Who rates, and who orders with a promotion, is not drawn by chance: this describes, "
            "and proves no effect.",
        ]
        return " ".join(filter(None, parts))

    def finding(self) -> str:
        """Say in a sentence how many ratings are four or five stars; why none are known."""
        share = percent(*self.overall.ends)
        n = plural(self.overall.n, "rating")
        return self.why or f"{share} of {n} are four or five stars."

    def _promotions(self) -> str:
        rows = self.frame[self.frame["by"] == ALL].set_index("group").to_dict("index")
        if WITH not in rows or WITHOUT not in rows:
            return "Orders with and without a promotion cannot be compared: too few were rated."
        one, other = rows[WITH], rows[WITHOUT]
        share, base = (percent(*(r[f"satisfied{end}"] for end in ENDS)) for r in (one, other))
        told = f"Of orders with a promotion {share} are, without {base}"
        value, low, high = (one[f"difference{end}"] for end in ENDS)
        if not math.isfinite(low):
            return f"{told}."
        gap = more_or_less(value, low, high, "points", scale=100)
        sure = low > 0 or high < 0
        return f"{told}: {gap}{'' if sure else ', which chance alone could have made'}."

    def _out(self) -> str:
        groups = self.frame[self.frame["by"] != ALL]
        few = f"{plural(self.few, 'promotion')} with fewer than {FEWEST} customers who rated"
        left = f"{few} {'has' if self.few == 1 else 'have'} no row." if self.few else ""
        if groups.empty:
            return left
        out = self.standing_out()
        n = plural(len(groups), "kind, promotion or segment", "kinds, promotions and segments")
        if not out:
            return f"None of {n} stands out after a correction for their number. {left}".rstrip()
        verb = "stand" if len(out) > 1 else "stands"
        return f"Of {n}, {', '.join(out)} {verb} out. {left}".rstrip()

    def table(self) -> Html:
        """Return a row per promotion; nothing where none was rated by enough customers."""
        rows = self.frame[self.frame["by"] == PROMOTION]
        if rows.empty:
            return Html("")
        heads = {
            "group": "promotion",
            "ratings": "ratings",
            "customers": "customers",
            "satisfied": "four or five stars",
            "rating": "mean stars",
            "difference": "difference, points",
            "p_holm": "p after Holm",
        }
        formats: dict[str, Any] = {"ratings": count, "customers": count, "p_holm": _p}
        formats |= {"satisfied": Ranged(percent), "rating": Ranged(_stars)}
        return table(
            rows.sort_values(["satisfied", "group"]),
            heads,
            formats | {"difference": Ranged(_points)},
            caption="Least satisfied first. Differences are to orders without a promotion; "
            "intervals by customer.",
            file="tables/feedback.parquet",
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the share of four and five stars of each group with its interval."""
        from promolab import plots

        if self.why:
            raise InputError(f"there is nothing to draw: {self.why}")
        rows = self.frame[self.frame["by"] != PROMOTION]
        if rows.empty:
            raise InputError(f"no kind and no segment was rated by {FEWEST} customers or more")
        ends = (100 * rows[name] for name in ("satisfied", "satisfied_low", "satisfied_high"))
        ax = plots.intervals(
            [
                f"orders {g}" if b == ALL else g
                for b, g in zip(rows["by"], rows["group"], strict=True)
            ],
            *ends,
            reference=100 * self.overall.value,
            text=[
                f"{_stars(*ends)} of {plural(n, 'rating')}"
                for n, *ends in rows[["ratings", "rating", "rating_low", "rating_high"]].to_numpy()
            ],
            ax=ax,
        )
        out = self.standing_out()
        whole = f"{percent(*self.overall.ends)} of ratings are four or five stars"
        verb = "stand" if len(out) > 1 else "stands"
        told = f"{', '.join(out[:2])} {verb} out" if out else "no kind or segment stands out"
        return plots.finish(
            ax,
            title=f"{whole}; {told}",
            subtitle=f"{percent(self.level, decimals=0)} intervals by customer; dashed: all; "
            "right: mean stars",
            xlabel="ratings of four or five stars, %",
        )


def _stars(value: float, low: float, high: float) -> str:
    return number(value, low, high, decimals=2)


def _points(value: float, low: float, high: float) -> str:
    return number(100 * value, 100 * low, 100 * high)


def _p(p: float) -> str:
    return "–" if math.isnan(p) else "< 0.001" if p < 0.001 else number(p, decimals=3)


def satisfaction(
    shop: Shop, as_of: datetime, segments: pd.DataFrame | None = None, *, level: float = 0.95
) -> Satisfaction:
    """Tell how satisfied customers say they are, by promotion and by segment.

    Parameters
    ----------
    shop : Shop
        With reviews that have a rating of 1 to 5, and where it is known the promotion of the order.
    as_of : datetime
        Nothing at or after it is read (UTC without a zone).
    segments : DataFrame, optional
        customer_id, segment.
    level : float

    Returns
    -------
    Satisfaction
        False, with the reason, where nothing was rated. Intervals are clustered by customer: of
        shares Wilson's at the size that the clustered variance amounts to, of means and differences
        Student's.
    """
    level_of(level)
    none = pd.DataFrame(columns=list(COLUMNS))
    if not shop.has("reviews") or "rating" not in shop.reviews.columns:
        why = (
            f"{shop.settings.name} records no ratings, so how satisfied customers are is not known."
        )
        return Satisfaction(none, why=why)
    reviews = shop.reviews.filter(shop.reviews.ts < as_of)
    rows = reviews.filter(reviews.rating.notnull()).execute()
    if rows["customer_id"].nunique() < 2:
        why = "Fewer than two customers have rated anything: nothing can be said of satisfaction."
        return Satisfaction(none, why=why)
    rows = _described(rows, shop, segments)
    frame = pd.DataFrame(_compared(rows, level), columns=list(COLUMNS))
    frame["p_holm"] = frame.groupby("by", sort=False)["p_value"].transform(lambda p: holm(p))
    found = _level(rows, level)
    share, mean = (Estimate.of(found[name], len(rows)) for name in FIGURES[:2])
    with_one = rows[rows[PROMOTION] != ""].groupby(PROMOTION)["customer_id"].nunique()
    few = int((with_one < FEWEST).sum())
    return Satisfaction(frame, share, mean, few, level=level)


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


def _compared(rows: pd.DataFrame, level: float) -> Iterator[dict[str, Any]]:
    """Yield a row per group with enough customers."""
    without = (rows[ALL] == WITHOUT).to_numpy()
    for by in (ALL, KIND, PROMOTION, SEGMENT):
        names = sorted(set(rows[by]) - {""}, key=lambda name: (name == WITHOUT, name))
        for name in names:
            mine = (rows[by] == name).to_numpy()
            if rows["customer_id"][mine].nunique() < FEWEST:
                continue
            others = ~mine & (rows[SEGMENT] != "").to_numpy() if by == SEGMENT else without & ~mine
            told = _level(rows[mine], level) | _gap(rows, mine, others, level)
            flat = {
                f"{figure}{end}": value
                for figure in FIGURES
                for end, value in zip(ENDS, told[figure], strict=True)
            }
            yield {
                "by": by,
                "group": name,
                "ratings": int(mine.sum()),
                "customers": rows["customer_id"][mine].nunique(),
                **flat,
                "p_value": told["p"],
            }


def _level(rows: pd.DataFrame, level: float) -> dict[str, Any]:
    """Return share of satisfied ratings and mean stars of some rows, with intervals."""
    unit, _ = pd.factorize(rows["customer_id"])
    units = int(unit.max()) + 1
    found = {}
    for name, column in zip(FIGURES[:2], ("happy", "rating"), strict=True):
        y = rows[column].to_numpy(dtype=float)
        value = float(y.mean())
        scores = np.bincount(unit, weights=(y - value) / len(y))
        variance = float(scores @ scores) * units / max(units - 1, 1)
        if column == "happy":
            low, high = (float(end) for end in share_interval(value, variance, units, level))
        else:
            half = t_quantile(level, max(units - 1, 1)) * math.sqrt(variance)
            low, high = max(value - half, 1.0), min(value + half, 5.0)
        found[name] = (value, low, high)
    return found


def _gap(rows: pd.DataFrame, mine: np.ndarray, others: np.ndarray, level: float) -> dict[str, Any]:
    """Return by how much the share of some rows differs from that of others, and its p value."""
    nothing: dict[str, Any] = {"difference": (math.nan,) * 3, "p": math.nan}
    either = mine | others
    if rows["customer_id"][others].nunique() < FEWEST:
        return nothing
    part = rows[either]
    unit, _ = pd.factorize(part["customer_id"])
    arms = compare_means(part["happy"].to_numpy(dtype=float), mine[either], unit)
    if not arms.variance > 0:
        return nothing
    p = two_sided(arms.value, math.sqrt(arms.variance), arms.degrees)
    return {"difference": (arms.value, *arms.interval(level)), "p": p}
