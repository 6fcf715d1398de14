"""Ways of grouping the same customers side by side, and the one to use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.language import speaking
from promolab.results import Result, words_of
from promolab.segmentation.groups.measures import (
    MIN_SHARE,
    MIN_STABILITY,
    SILHOUETTE_ROWS,
    mean_interval,
    silhouettes,
)
from promolab.segmentation.groups.preparation import prepare

if TYPE_CHECKING:
    from promolab.segmentation.segmenter import Segmenter


SIMPLEST_FIRST = ("rfm", "kmeans", "dbscan", "hdbscan")
"""The methods, from the one that is told in a sentence to the one that needs a paper."""

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

    def facts(self) -> dict[str, Any]:
        """Return the method to use, and why not the others."""
        rows = self.frame.assign(ground=[_why_not(row) for row in self.frame.to_dict("records")])
        verdict = rows["ground"].mask(rows["ground"] == "", "beaten")
        # The simplest against itself is no figure.
        same = rows["difference_low"] == rows["difference_high"]
        rows = rows.assign(
            verdict=verdict.mask(rows["recommended"], "taken"),
            difference=rows["difference"].mask(same),
        )
        case = "only" if (rows["ground"] == "").sum() == 1 else "simplest"
        return {
            "case": case if self.recommended else "none",
            "taken": rows[rows["recommended"]],
            "out": rows[rows["ground"] != ""],
            "rows": rows,
        }


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
    words = words_of(__name__, "MethodComparison", **found, ground=_why_not(found))
    with speaking("en"):  # in tables, whatever the page speaks
        found["why"] = words.say("reason")
    return found


def _why_not(row: Mapping[Any, Any]) -> str:
    """Return why a method does not stand for choice, as a code; empty where it does."""
    if row["k"] < 2:
        return "groups"
    if row["noise_share"] > MAX_NOISE:
        return "noise"
    if row["smallest_share"] < MIN_SHARE:
        return "small"
    return "unstable" if row["stability"] < MIN_STABILITY else ""


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
