"""Ways of grouping the same customers side by side, and the one to use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.display import Html, Ranged, table
from promolab.errors import InputError
from promolab.results import Result
from promolab.segmentation.groups.measures import (
    MIN_SHARE,
    MIN_STABILITY,
    SILHOUETTE_ROWS,
    mean_interval,
    silhouettes,
)
from promolab.segmentation.groups.preparation import prepare
from promolab.wording import capital, number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from promolab.segmentation.segmenter import Segmenter


WORDS = {
    "rfm": "RFM grid",
    "kmeans": "k-means",
    "dbscan": "DBSCAN",
    "hdbscan": "HDBSCAN",
}
SIMPLEST_FIRST = tuple(WORDS)
"""The methods, from the one that is told in a sentence to the one that needs a paper."""

FIGURES = ("separation", "difference", "stability")
REFITS = 5
"""Refits behind a method that is there for comparison."""

MAX_NOISE = 0.2
"""A method that leaves out more customers than that groups too few of them."""


@dataclass(frozen=True)
class MethodComparison(Result):
    """How ways of grouping the same customers compare.

    Parameters
    ----------
    frame : DataFrame
        One row per method, the simplest first: ``method, k, noise_share`` (0–1), ``separation``
        (mean silhouette of all customers on the same features, those left out counting 0),
        ``difference`` (separation − that of the first method that groups at all, on the same
        customers) and ``stability``, each with ``…_low, …_high``; ``smallest_share`` (0–1), ``why``
        (why it does not stand for choice; empty if it does), ``recommended``.
    customers, sampled : int
        Customers grouped, and how many of them, drawn at random, separation was reckoned on; 0 for
        all.
    features : int
        Features that separation looks at.
    """

    frame: pd.DataFrame = field(repr=False)
    customers: int
    sampled: int
    features: int

    @property
    def recommended(self) -> str:
        """The method to use; empty where none is fit for it."""
        rows = self.frame.loc[self.frame["recommended"], "method"]
        return str(rows.iloc[0]) if len(rows) else ""

    def summary(self) -> str:
        """Return which method to use and why, and why not the others."""
        out = [f"{WORDS[row['method']]} {row['why']}" for row in self._rows() if row["why"]]
        left = f" Not up for choice: {'; '.join(out)}." if out else ""
        if not self.recommended:
            return f"No method is fit for use.{left}"
        row = next(row for row in self._rows() if row["recommended"])
        fit = [row["method"] for row in self._rows() if not row["why"]]
        how = (
            "the only one fit for use" if len(fit) == 1 else "the simplest within noise of the best"
        )
        made = f"{plural(row['k'], 'segment')}, separation {_three(row, 'separation')}"
        stable = f"stability {_three(row, 'stability')}"
        text = f"{capital(WORDS[row['method']])} is recommended, {how}: {made}, {stable}."
        return f"{text}{left}"

    def table(self) -> Html:
        """Return a row per method, each figure with its interval."""
        rows = self.frame
        verdict = rows["why"].mask(rows["why"] == "", "less separated, or more involved")
        columns = {
            "method": "method",
            "k": "segments",
            "noise_share": "customers left out",
            "separation": "separation",
            "difference": "separation against the simplest",
            "stability": "stability",
            "why": "verdict",
        }
        figure = Ranged(partial(number, decimals=2))
        # The simplest against itself is no figure.
        same = rows["difference_low"] == rows["difference_high"]
        return table(
            rows.assign(
                method=rows["method"].map(WORDS),
                difference=rows["difference"].mask(same),
                why=verdict.mask(rows["recommended"], "recommended"),
            ),
            columns,
            {"noise_share": _left_out} | dict.fromkeys(FIGURES, figure),
            caption="The simplest method first; 95 % intervals.",
        )

    def _rows(self) -> list[dict[str, Any]]:
        return [{str(k): v for k, v in row.items()} for row in self.frame.to_dict("records")]

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw separation and stability of each method with their intervals; return the Axes."""
        from promolab import plots
        from promolab.plots import legend_below, side_by_side

        rows = self.frame
        series = [
            [rows[f"{name}{end}"] for end in ("", "_low", "_high")]
            for name in ("stability", "separation")
        ]
        words = [_beside(row) for row in self._rows()]
        ax = side_by_side(
            [WORDS[name] for name in rows["method"]],
            series,
            ["stability", "separation"],
            text=words,
            ax=ax,
        )
        plots.reference_line(ax, "vertical", MIN_STABILITY, "stable from here on")
        drawn = f", on {self.sampled:,} of them drawn at random" if self.sampled else ""
        plots.finish(
            ax,
            title=self.summary().split(",")[0].split(".")[0],
            subtitle="stability: adjusted Rand index of refits; separation: mean silhouette; "
            f"n = {plural(self.customers, 'customer')}{drawn}",
            xlabel="1 = the same groups each time, or far apart",
        )
        return legend_below(ax)


def _left_out(share: float) -> str:
    return "–" if share != share else percent(share, decimals=1) if share else "none"


def _three(row: Mapping[str, Any], name: str) -> str:
    return number(row[name], row[f"{name}_low"], row[f"{name}_high"], decimals=2)


def _beside(row: Mapping[str, Any]) -> str:
    left = f", {percent(row['noise_share'], decimals=0)} left out" if row["noise_share"] else ""
    return f"{plural(row['k'], 'segment')}{left}"


def compare_methods(
    segmenters: Sequence[Segmenter], methods: str = "", *, seed: int = 0
) -> MethodComparison:
    """Compare ways of grouping the same customers, and recommend one.

    Parameters
    ----------
    segmenters : sequence of Segmenter
        Each fitted on (or assigned) the same customers.
    methods : str, optional
        Names of methods, commas between them: those are compared, and the first segmenter, which is
        in use. What is not among the segmenters is made of the same customers.
    seed : int
        Start of the random numbers of what is made.

    Returns
    -------
    MethodComparison

    Raises
    ------
    InputError
        If there is none, one is not fitted, a method is unknown, or they group different customers.

    Notes
    -----
    Up for choice is a method that makes two segments or more, none below `MIN_SHARE` of customers,
    leaves out at most `MAX_NOISE` of them, and has a stability of at least `MIN_STABILITY`. Of
    those, the simplest (`SIMPLEST_FIRST`) whose separation the best does not beat by more than the
    noise is recommended: the 95 % interval of the paired difference holds 0. The RFM grid looks at
    three features of its own; here all are judged by the same features.

    Examples
    --------
    >>> from promolab.segmentation.segmenter import Segmenter
    >>> features = pd.DataFrame({
    ...     "customer_id": range(60), "orders": [1, 20, 5] * 20, "amount": [9.0, 900.0, 90.0] * 20,
    ...     "recency_days": [200, 2, 30] * 20})
    >>> columns = ["orders", "amount", "recency_days"]
    >>> ways = [Segmenter(m, columns=columns, bootstraps=5) for m in ("rfm", "kmeans")]
    >>> compare_methods([way.fit(features) for way in ways]).recommended
    'rfm'
    """
    if not segmenters:
        raise InputError("there is no segmenter to compare; expected one or more")
    if methods:
        segmenters = _named(segmenters, methods, seed)
    place = {name: i for i, name in enumerate(SIMPLEST_FIRST)}
    ways = sorted(segmenters, key=lambda way: place[way.method])
    first = ways[0]
    for way in ways:
        way._fitted()
        if not way._active["customer_id"].equals(first._active["customer_id"]):
            raise InputError(
                f"{way!r} and {first!r} group different customers; fit both on one table"
            )
    columns = next((way.columns for way in ways if way.columns is not None), None)
    prepared = prepare(first._active, columns)
    n = len(first._active)
    rows = np.arange(n)
    if n > SILHOUETTE_ROWS:
        rows = np.sort(np.random.default_rng(first.seed).choice(n, SILHOUETTE_ROWS, replace=False))
    matrix = prepared.matrix[rows]
    values = np.array([silhouettes(matrix, way._codes[rows]) for way in ways]).reshape(
        len(ways), -1
    )
    table = pd.DataFrame([_row(way, apart) for way, apart in zip(ways, values, strict=True)])
    base = next((i for i, known in enumerate(np.isfinite(values).all(axis=1)) if known), 0)
    _put(table, "difference", *mean_interval(values - values[base]))
    table["recommended"] = _recommended(table, values)
    sampled = len(rows) if len(rows) < n else 0
    return MethodComparison(table, n, sampled, len(prepared.columns))


def _named(segmenters: Sequence[Segmenter], methods: str, seed: int) -> list[Segmenter]:
    names = [name.strip() for name in methods.split(",") if name.strip()]
    used, there = segmenters[0], {way.method: way for way in reversed(segmenters)}
    ways = []
    for name in dict.fromkeys([used.method, *names]):
        # A name that is unknown is refused by its own constructor.
        way = there.get(name) or used.regrouped(name, seed=seed, bootstraps=REFITS)
        ways.append(way)
    return ways


def _row(way: Segmenter, apart: np.ndarray) -> dict[str, Any]:
    codes, stability = way._codes, way.stability()
    sizes = np.bincount(codes[codes >= 0], minlength=way.k_) / max(len(codes), 1)
    found = {"method": way.method, "k": way.k_}
    found["noise_share"] = float((codes < 0).mean()) if len(codes) else np.nan
    value, low, high = (float(part[0]) for part in mean_interval(apart[None, :]))
    found |= {"separation": value, "separation_low": low, "separation_high": high}
    found |= {"stability": stability.value}
    found |= {"stability_low": stability.ci_low, "stability_high": stability.ci_high}
    found["smallest_share"] = float(sizes.min()) if len(sizes) else np.nan
    found["why"] = _why_not(found)
    return found


def _why_not(row: Mapping[str, Any]) -> str:
    if row["k"] < 2:
        return f"finds {plural(row['k'], 'group')}" if row["k"] else "finds no group"
    if row["noise_share"] > MAX_NOISE:
        return f"leaves out {percent(row['noise_share'], decimals=0)} of customers"
    if row["smallest_share"] < MIN_SHARE:
        return f"has a segment of {percent(row['smallest_share'], decimals=1)} of customers"
    if row["stability"] < MIN_STABILITY:
        return f"changes much when refitted (stability {number(row['stability'], decimals=2)})"
    return ""


def _put(table: pd.DataFrame, name: str, value: Any, low: Any, high: Any) -> None:
    table[name], table[f"{name}_low"], table[f"{name}_high"] = value, low, high


def _recommended(table: pd.DataFrame, values: np.ndarray) -> np.ndarray:
    fit = (table["why"] == "").to_numpy()
    if not fit.any():
        return np.zeros(len(table), dtype=bool)
    score = np.where(fit, table["separation"].fillna(-1.0).round(9), -np.inf)
    best = int(score.argmax())
    _, low, _ = mean_interval(values[best] - values)
    within = fit & ~(low > 0)
    within[best] = True
    return np.asarray(np.arange(len(table)) == int(within.argmax()))
