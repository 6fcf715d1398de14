"""All customers at a glance: how each axis is spread, and recency against sales.

Scores are mean percentile ranks, so their distribution says little; each axis is shown by the one
raw figure behind it that a marketer knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.glossary import label
from promolab.profiles.scores import AXES, customer_frame, numeric
from promolab.results import Estimate, Facts, Result
from promolab.stats import wilson
from promolab.wording import count, number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_FIGURES = ("categories", "average_order_amount", "recency_days", "hour_of_day")
"""What stands for each axis, in their order."""
_WITHOUT_HOURS = (*_FIGURES[:-1], "weekend_share")
"""Where dates have no time of day."""

_RECENCY_ENDS = np.array([7, 14, 28, 56, 84])
_RECENCY_BANDS = ("≤ 7", "8–14", "15–28", "29–56", "57–84", "> 84")
_LATE = 3  # from this band on, a customer is late: more than 28 days
_NOTHING, _UNKNOWN = "≤ 0", "–"  # bands of sales; of recency where there is no order


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


def _middle(values: np.ndarray, *, clock: bool) -> dict[str, Any]:
    """Return the median with its interval, and of how many customers the figure is known."""
    places = np.array(median_interval(_unrolled(values) if clock else values))
    places = places % 24 if clock else places
    known = int(np.isfinite(values).sum())
    sizes = {"known": known, "missing": len(values) - known}
    return dict(zip(("median", "ci_low", "ci_high"), places.tolist(), strict=True)) | sizes


def _amount_bands(amount: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return the band of each amount and the bands' names: nothing, fifths of the rest, not known.

    The ends of the fifths are rounded to two digits, so that a name says exactly what is in it.
    """
    positive = amount[amount > 0]
    ends = np.quantile(positive, [0.2, 0.4, 0.6, 0.8]) if len(positive) else np.array([])
    ends = np.unique([float(f"{end:.2g}") for end in ends])
    words = [number(end, decimals=max(0, 1 - int(np.floor(np.log10(end))))) for end in ends]
    pairs = [f"{a}–{b}" for a, b in pairwise(words)]
    fifths = [f"≤ {words[0]}", *pairs, f"> {words[-1]}"] if words else []
    band = 1 + np.searchsorted(ends, amount, side="left")
    band = np.where(amount > 0, band, np.where(np.isnan(amount), 1 + len(fifths), 0))
    return band, [_NOTHING, *fifths, _UNKNOWN]


def _map(recency: np.ndarray, amount: np.ndarray) -> pd.DataFrame:
    """Count customers by recency and amount; what is not known only if needed."""
    # searchsorted puts nan behind all ends, among those who ordered long ago.
    row = np.where(np.isnan(recency), 6, np.searchsorted(_RECENCY_ENDS, recency, side="left"))
    column, names = _amount_bands(amount)
    cells = np.zeros((7, len(names)), dtype=int)
    np.add.at(cells, (row, column), 1)
    table = pd.DataFrame(cells, index=[*_RECENCY_BANDS, _UNKNOWN], columns=names)
    beside = [name for name in (_NOTHING, _UNKNOWN) if len(names) > 2 and not table[name].any()]
    table = table.drop(columns=beside)
    return table if table.loc[_UNKNOWN].any() else table.drop(index=_UNKNOWN)


def _late_share(by_band: np.ndarray) -> tuple[int, int, Estimate]:
    """Return how many are late, of how many, and the share."""
    late, n = int(by_band[_LATE:].sum()), int(by_band.sum())
    low, high = wilson(late, max(n, 1))
    return late, n, Estimate(late / max(n, 1), float(low), float(high), n)


def _clock(*hours: float) -> str:
    """Write an hour and the ends of its interval as a clock shows them, to five minutes."""
    minutes = [round(hour * 12) * 5 % 1440 for hour in hours if np.isfinite(hour)]
    told = [f"{one // 60}:{one % 60:02d}" for one in minutes]
    return f"{told[0]} [{told[1]}, {told[2]}]" if len(told) > 1 else "".join(told)


@dataclass(frozen=True)
class ProfileOverview(Result):
    """All customers at a glance, as `profile_overview` makes it.

    Parameters
    ----------
    frame : DataFrame
        A row per axis: ``axis, feature`` (its raw figure), ``median, ci_low, ci_high`` (95 %; of
        hours on a clock), ``known, missing`` (customers).
    cells : DataFrame
        Customers by days since the last order (rows) and sales (columns); "–" of whom either is
        not known.
    figures : DataFrame
        The raw figure of each axis per customer.
    customers : int
        All customers.
    currency : str
        Code of the currency; empty where unknown.
    """

    frame: pd.DataFrame
    cells: pd.DataFrame
    figures: pd.DataFrame
    customers: int
    currency: str

    def facts(self) -> dict[str, Any]:
        """Return the middle customer, and how many good customers have not come back for long."""
        table = self.frame
        ends = table[["median", "ci_low", "ci_high"]].to_numpy()
        table = table.assign(clock=[_clock(*row) for row in ends], seen=table["known"] > 0)
        known = table[table["seen"]]
        least = int(known["known"].min()) if len(known) else 0
        ordered = self.cells.loc[list(_RECENCY_BANDS)]
        late, n, share = _late_share(ordered.sum(axis=1).to_numpy())
        sold = ordered.drop(columns=[_NOTHING, _UNKNOWN], errors="ignore")
        sold = sold.loc[:, sold.any()]
        best = _late_share(sold.iloc[:, -1].to_numpy()) if sold.shape[1] > 1 else (0, 0, share)
        return {
            "axes": table,
            "axes_known": known,
            "least": least,
            "enough": least >= 6,
            "days": int(_RECENCY_ENDS[_LATE - 1]),
            **{"late": late, "ordered": n, "late_share": share},
            **dict(zip(("best_late", "richest", "best_share"), best, strict=True)),
            "by_cell": self._by_cell,
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
        for ax, row in zip(grid.flat, facts.rows(facts["axes"]), strict=True):
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
        plots.finish(
            ax,
            title=row.say("headed"),
            subtitle=row.say("counted"),
            xlabel=label(feature),
            ylabel=row.say("customers_axis"),
            percent="x" if feature == "weekend_share" else "",
        )
        if clock:
            ax.set_xlim(0, 24)
            ax.set_xticks(range(0, 25, 4))


def profile_overview(
    profiles: pd.DataFrame, features: Any, *, currency: str = ""
) -> ProfileOverview:
    """Describe all customers: one raw figure of each axis, and recency against sales.

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
    put on a line cut opposite to their circular mean before the median is taken.

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
    values = pd.DataFrame({f: numeric(frame, f) for f in (_FIGURES if hours else _WITHOUT_HOURS)})
    rows = [
        {"axis": axis, "feature": f} | _middle(values[f].to_numpy(), clock=f == "hour_of_day")
        for axis, f in zip(AXES, values, strict=True)
    ]
    return ProfileOverview(
        pd.DataFrame(rows),
        _map(values["recency_days"].to_numpy(), numeric(frame, "amount")),
        values,
        len(people),
        currency,
    )
