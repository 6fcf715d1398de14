"""All customers at a glance: how each axis is spread, and recency against sales.

Scores are mean percentile ranks, so their distribution says little; each axis is shown by the one
raw figure behind it that a marketer knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.profiles.scores import AXES, customer_frame, numeric
from promolab.results import Estimate, Facts, Result
from promolab.stats import wilson
from promolab.wording import count, number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class _Figure(NamedTuple):
    axis: str
    feature: str
    words: str


_FIGURES = (
    _Figure("interests", "categories", "categories bought"),
    _Figure("purchasing_power", "average_order_amount", "sales per order"),
    _Figure("loyalty", "recency_days", "days since the last order"),
    _Figure("habits", "hour_of_day", "usual hour of ordering"),
)
_WITHOUT_HOURS = (*_FIGURES[:-1], _Figure("habits", "weekend_share", "orders on weekends, %"))
"""Where dates have no time of day."""

_RECENCY_ENDS = np.array([7, 14, 28, 56, 84])
_RECENCY_BANDS = ("≤ 7 days", "8–14", "15–28", "29–56", "57–84", "> 84 days")
_LATE = 3  # from this band on, a customer is late: more than 28 days


def median_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """Return the median and its confidence interval between two order statistics.

    Parameters
    ----------
    values : ndarray of shape (n,)
        One value per customer; nan is left out.
    level : float
        Least coverage of the interval.

    Returns
    -------
    median, low, high : float
        The ends are nan where there are too few values for the level (fewer than 6 for 95 %).

    Notes
    -----
    The number of values below the median is binomial (n, ½), whatever their distribution. The
    interval runs from the l-th smallest to the l-th largest value, l the largest number with
    ``P(B < l) ≤ (1 − level) / 2``; so it covers at least at the level, ties included.

    References
    ----------
    David & Nagaraja (2003), Order Statistics, 3rd ed., section 7.1.

    Examples
    --------
    >>> median_interval(np.arange(1.0, 101.0))
    (50.5, 40.0, 61.0)
    """
    from scipy.stats import binom

    known = np.sort(values[np.isfinite(values)])
    n = len(known)
    if n == 0:
        return (np.nan, np.nan, np.nan)
    place = int(binom.ppf((1 - level) / 2, n, 0.5))
    ends = (known[place - 1], known[n - place]) if place >= 1 else (np.nan, np.nan)
    return float(np.median(known)), float(ends[0]), float(ends[1])


def _unrolled(hours: np.ndarray) -> np.ndarray:
    """Cut the day opposite to its circular mean, so that 23 h and 1 h lie two hours apart."""
    known = hours[np.isfinite(hours)]
    mean = np.angle(np.exp(2j * np.pi * known / 24).sum()) * 12 / np.pi
    return np.asarray(mean + (hours - mean + 12) % 24 - 12)


def _spread(values: np.ndarray, axis: str, words: str, *, clock: bool = False) -> dict[str, Any]:
    """Return one row of the table: quartiles, the median's interval, how many are known."""
    line = _unrolled(values) if clock else values
    known = line[np.isfinite(line)]
    quartiles = np.quantile(known, [0.25, 0.75]) if len(known) else np.array([np.nan, np.nan])
    places = np.array([*median_interval(line), *quartiles])
    places = places % 24 if clock else places
    names = ("median", "ci_low", "ci_high", "quartile_1", "quartile_3")
    row = {"axis": AXES[axis].label, "figure": words}
    sizes = {"n": len(known), "missing": len(values) - len(known)}
    return row | dict(zip(names, places.tolist(), strict=True)) | sizes


def _amount_bands(amount: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return the band of each amount and the bands' names: nothing, fifths of the rest, not known.

    The ends of the fifths are rounded to two digits, so that a name says exactly what is in it.
    """
    positive = amount[amount > 0]
    ends = np.quantile(positive, [0.2, 0.4, 0.6, 0.8]) if len(positive) else np.array([])
    ends = np.unique([float(f"{end:.2g}") for end in ends])
    words = [number(end, decimals=max(0, 1 - int(np.floor(np.log10(end))))) for end in ends]
    pairs = [f"{a}–{b}" for a, b in pairwise(words)]
    fifths = [f"up to {words[0]}", *pairs, f"over {words[-1]}"] if words else []
    band = 1 + np.searchsorted(ends, amount, side="left")
    band = np.where(amount > 0, band, np.where(np.isnan(amount), 1 + len(fifths), 0))
    return band, ["nothing", *fifths, "not known"]


def _map(recency: np.ndarray, amount: np.ndarray) -> pd.DataFrame:
    """Count customers by recency and amount; *no order*, *nothing*, *not known* only if needed."""
    # searchsorted puts nan behind all ends, among those who ordered long ago.
    row = np.where(np.isnan(recency), 6, np.searchsorted(_RECENCY_ENDS, recency, side="left"))
    column, names = _amount_bands(amount)
    cells = np.zeros((7, len(names)), dtype=int)
    np.add.at(cells, (row, column), 1)
    table = pd.DataFrame(cells, index=[*_RECENCY_BANDS, "no order"], columns=names)
    unused = [name for name in ("nothing", "not known") if len(names) > 2 and not table[name].any()]
    table = table.drop(columns=unused)
    return table if table.loc["no order"].any() else table.drop(index="no order")


def _late_share(by_band: np.ndarray) -> tuple[int, int, Estimate]:
    """Return how many are late, of how many, and the share."""
    late, n = int(by_band[_LATE:].sum()), int(by_band.sum())
    low, high = wilson(late, max(n, 1))
    return late, n, Estimate(late / max(n, 1), float(low), float(high), n)


def _clock(hour: float) -> str:
    minutes = round(hour * 12) * 5 % 1440
    return f"{minutes // 60}:{minutes % 60:02d}"


@dataclass(frozen=True)
class ProfileOverview(Result):
    """All customers at a glance, as `profile_overview` makes it.

    Parameters
    ----------
    spread : DataFrame
        Two rows per axis, its raw figure and its score: ``axis, figure, median, ci_low, ci_high``
        (95 %), ``quartile_1, quartile_3, n, missing``.
    cells : DataFrame
        Customers by days since the last order (rows) and sales (columns).
    figures : DataFrame
        The raw figure of each axis per customer.
    amount_words : str
        Which sales the columns of ``cells`` are.
    customers : int
        All customers.
    currency : str
        Code of the currency; empty where unknown.
    """

    spread: pd.DataFrame
    cells: pd.DataFrame
    figures: pd.DataFrame
    amount_words: str
    customers: int
    currency: str

    def to_frame(self) -> pd.DataFrame:
        """Return median with interval, quartiles, known and missing of each figure and score."""
        return self.spread.copy()

    @property
    def _shown(self) -> tuple[_Figure, ...]:
        return _FIGURES if "hour_of_day" in self.figures else _WITHOUT_HOURS

    def facts(self) -> dict[str, Any]:
        """Return the middle customer, and how many good customers have not come back for long."""
        figures = pd.DataFrame([self._figure(f) for f in self._shown])
        known = figures[figures["seen"]]
        least = int(known["known"].min()) if len(known) else 0
        some, enough = least < self.customers, least >= 6
        notes = "both" if some and enough else "interval" if enough else "known" if some else "none"
        ordered = self.cells.loc[list(_RECENCY_BANDS)]
        late, n, share = _late_share(ordered.sum(axis=1).to_numpy())
        sold = ordered.drop(columns=["nothing", "not known"], errors="ignore")
        sold = sold.loc[:, sold.any()]
        best = _late_share(sold.iloc[:, -1].to_numpy()) if sold.shape[1] > 1 else (0, 0, share)
        return {
            "who": "nobody" if known.empty else "one" if self.customers == 1 else "many",
            "figures_all": figures,
            "figures_known": known,
            "notes": notes,
            "least": least,
            "some": n > 0,
            "days": int(_RECENCY_ENDS[_LATE - 1]),
            **{"late": late, "ordered": n, "late_share": share},
            **dict(zip(("best_late", "richest", "best_share"), best, strict=True)),
            "by_cell": self._by_cell,
        }

    def _figure(self, figure: _Figure) -> dict[str, Any]:
        """Return the median of a figure with its interval, and of how many it is known."""
        known = int(self.figures[figure.feature].notna().sum())
        row = self.spread[self.spread["figure"] == figure.words]
        ends = row[["median", "ci_low", "ci_high"]].to_numpy(dtype=float)[0]
        clock = [_clock(x) if np.isfinite(x) else "" for x in ends]
        return {
            "feature": figure.feature,
            "axis": figure.axis,
            **dict(zip(("median", "ci_low", "ci_high"), ends.tolist(), strict=True)),
            "clock": f"{clock[0]} [{clock[1]}, {clock[2]}]" if clock[1] else clock[0],
            "seen": known > 0,
            "known": known,
            "missing": self.customers - known,
        }

    def _by_cell(self) -> pd.DataFrame:
        """Return the map with a row per cell."""
        cells = self.cells.rename_axis("recency").reset_index()
        long = cells.melt("recency", var_name="amount", value_name="n")
        share = long["n"] / max(self.customers, 1)
        words = [percent(s, decimals=0) if s >= 0.005 else "< 1 %" for s in share]
        cell = [f"{count(n)} · {w}" if n else "0" for n, w in zip(long["n"], words, strict=True)]
        return long.assign(share=100 * share, cell=cell)

    def plot_axes(self) -> np.ndarray:
        """Draw how the raw figure of each axis is spread; returns the Axes, of shape (2, 2)."""
        import matplotlib.pyplot as plt

        from promolab import plots

        with plots.style():
            _, grid = plt.subplots(2, 2, figsize=(11.5, 8.0))
        facts = self._facts
        for ax, row in zip(grid.flat, facts.rows(facts["figures_all"]), strict=True):
            self._draw(row, ax)
        return np.asarray(grid)

    def _draw(self, row: Facts, ax: Axes) -> None:
        from promolab import plots

        feature = row["feature"]
        clock = feature == "hour_of_day"
        values = self.figures[feature].to_numpy()
        plots.histogram(values, bins=24, high_quantile=1.0 if clock else 0.995, ax=ax)
        if row["seen"]:
            plots.reference_line(ax, kind="vertical", at=row["median"].value)
        words = next(f.words for f in self._shown if f.feature == feature)
        unit = self.currency if feature == "average_order_amount" else ""
        plots.finish(
            ax,
            title=row.say("headed"),
            subtitle=row.say("counted"),
            xlabel=f"{words}, {unit}" if unit else words,
            ylabel=row.say("customers_axis"),
        )
        if clock:
            ax.set_xlim(0, 24)
            ax.set_xticks(range(0, 25, 4))


def profile_overview(
    profiles: pd.DataFrame, features: Any, *, currency: str = ""
) -> ProfileOverview:
    """Describe all customers: one raw figure and the score of each axis, recency against sales.

    Parameters
    ----------
    profiles : DataFrame
        What `build_profiles` returned, or some of its rows; they are the customers described.
    features : DataFrame or ibis.Table
        The features the profiles were built from; any of them may be absent or null.
    currency : str
        Code of the currency of amounts, shown behind them.

    Returns
    -------
    ProfileOverview

    Raises
    ------
    InputError
        If ``profiles`` has customers that ``features`` lacks, or a feature is not numeric.

    Notes
    -----
    Intervals take the customers as drawn independently from those the shop could have. Hours are
    put on a line cut opposite to their circular mean before quantiles are taken. The map uses all
    sales before the date: those of the last 84 days, used only where there are no others, are 0 by
    definition for whoever ordered before.

    Examples
    --------
    >>> from promolab.profiles.scores import build_profiles
    >>> features = pd.DataFrame({"customer_id": range(9), "recency_days": range(1, 10)})
    >>> overview = profile_overview(build_profiles(features), features)
    >>> overview.summary().split(". ")[1]
    '0 of 9 customers (0 % [0, 30]) have not ordered for more than 28 days.'
    """
    people, frame = customer_frame(profiles, "profiles"), customer_frame(features)
    unknown = int((~people["customer_id"].isin(frame["customer_id"])).sum())
    if unknown:
        raise InputError(
            f"features lack {count(unknown)} of the {plural(len(people), 'customer')} of profiles; "
            "give the features that the profiles were built from"
        )
    frame = frame.set_index("customer_id").loc[people["customer_id"]].reset_index()
    hours = np.isfinite(numeric(frame, "hour_of_day")).any()
    figures = _FIGURES if hours else _WITHOUT_HOURS
    values = pd.DataFrame({f.feature: numeric(frame, f.feature) for f in figures})
    if not hours:
        values["weekend_share"] *= 100
    rows = []
    for f in figures:
        raw = values[f.feature].to_numpy()
        rows.append(_spread(raw, f.axis, f.words, clock=f.feature == "hour_of_day"))
        rows.append(_spread(numeric(people, f.axis), f.axis, "score, 0–100"))
    ever = numeric(frame, "amount")
    has_ever = bool(np.isfinite(ever).any())
    amount = ever if has_ever else numeric(frame, "amount_84d")
    return ProfileOverview(
        spread=pd.DataFrame(rows),
        cells=_map(values["recency_days"].to_numpy(), amount),
        figures=values,
        amount_words="sales so far" if has_ever else "sales of the last 84 days",
        customers=len(people),
        currency=currency,
    )
