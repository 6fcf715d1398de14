"""How many will take a promotion that nobody has answered yet, from the paths to its products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.compare import expected_responses
from promolab.errors import DataError
from promolab.metrics import past_ratios
from promolab.model import ResponseModel
from promolab.recommend.graph.edges import ProductGraph
from promolab.recommend.graph.paths import promotion_paths
from promolab.results import Result
from promolab.wording import count, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEWEST_TAKERS = 30
LEVEL = 0.9


@dataclass(frozen=True)
class PastStarts(Result):
    """Past promotions, each foretold from those that were over when it began; by `past_starts`.

    Parameters
    ----------
    frame : DataFrame
        A row per promotion: ``promotion_id, type, starts_at, customers`` (contacted, with purchases
        before), ``expected, ci_low, ci_high`` (90 % prediction interval; missing until three were
        foretold), ``taken`` (customers who took it), ``inside``.
    """

    frame: pd.DataFrame = field(repr=False)

    @property
    def held(self) -> pd.DataFrame:
        """Those with an interval."""
        return self.frame[self.frame["ci_low"].notna()]

    def to_frame(self) -> pd.DataFrame:
        """Return a row per promotion."""
        return self.frame

    def summary(self) -> str:
        """Say how many intervals held what came."""
        rows = self.held
        if rows.empty:
            return (
                f"Too few promotions are over to tell how well new ones are foretold: an interval "
                f"needs three that were, each from {FEWEST_TAKERS} answers or more to those before."
            )
        return (
            f"{count(int(rows['inside'].sum()))} of {plural(len(rows), 'promotion')}, each "
            "foretold at its start by the paths to its products alone, brought what the "
            f"{percent(LEVEL, decimals=0)} interval said: {count(int(rows['taken'].sum()))} "
            f"customers took them, {count(round(rows['expected'].sum()))} were expected."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw what was foretold, with its interval, and what came."""
        from promolab import plots

        rows = self.held
        names = [f"{row.promotion_id} · {row.type}" for row in rows.itertuples()]
        ax = plots.intervals(names, rows["expected"], rows["ci_low"], rows["ci_high"], ax=ax)
        ax.scatter(
            rows["taken"], ax.get_yticks(), marker="D", s=22, zorder=4, color=plots.COLOURS[1]
        )
        return plots.finish(
            ax,
            title="What new promotions brought, beside what was foretold",
            subtitle=f"Dots and {percent(LEVEL, decimals=0)} intervals: foretold; diamonds: came",
            xlabel="customers who took it",
        )


def past_starts(graph: ProductGraph) -> PastStarts:
    """Foretell each promotion that is over from those that were over when it began.

    A logistic model of who took a promotion, among those contacted, on the logarithms of the paths
    to it (`promolab.recommend.cold_scores`); what came of earlier ones, divided by what was
    expected, corrects the sum and gives its interval (`promolab.metrics.past_ratios`).

    Parameters
    ----------
    graph : ProductGraph
        Of `product_graph`.

    Returns
    -------
    PastStarts

    Raises
    ------
    DataError
        The shop has no promotion with products, contacts and an end before the moment.
    """
    now = pd.Timestamp(graph.past.as_of)
    plans = graph.promotions[graph.promotions["ends_at"] <= now]
    able = plans["promotion_id"].isin(graph.offers["promotion_id"])
    able &= plans["promotion_id"].isin(graph.contacts["promotion_id"])
    plans = plans[able & (plans["starts_at"] >= graph.known_from)]
    if plans.empty:
        raise DataError(
            "no promotion with products (promotion_products) and contacts (exposures) is over yet: "
            "nothing tells who answers one"
        )
    cases = [_Case.of(graph, row) for row in plans.itertuples()]
    rows: list[dict[str, Any]] = []
    for case in cases:
        expected = _expected(case, [c for c in cases if c.ends_at <= case.starts_at])
        if expected is not None:
            rows.append(_row(case, expected, rows))
    columns = ["promotion_id", "type", "starts_at", "ends_at", "customers", "raw", "expected"]
    columns += ["ci_low", "ci_high", "taken", "inside"]
    return PastStarts(pd.DataFrame(rows, columns=columns).drop(columns=["raw", "ends_at"]))


@dataclass(frozen=True)
class _Case:
    """One promotion at its start: who was contacted, the paths to it, who took it."""

    promotion_id: Any
    type: str
    starts_at: pd.Timestamp
    ends_at: pd.Timestamp
    X: pd.DataFrame = field(repr=False)
    y: np.ndarray = field(repr=False)

    @classmethod
    def of(cls, graph: ProductGraph, row: Any) -> _Case:
        who = pd.Index(graph.contacted(row.promotion_id))
        at = pd.Index(graph.past.customers).get_indexer(who)
        start = row.starts_at.to_pydatetime()
        # Who bought for the first time afterwards is known only because of that.
        at = np.intersect1d(at, graph.past.of_customers(None, start).customer)
        paths = promotion_paths(graph, [row.promotion_id], at, start)
        X = pd.DataFrame({name: np.log1p(values[:, 0]) for name, values in paths.items()})
        took = graph.taken["promotion_id"] == row.promotion_id
        took &= (graph.taken["ts"] >= row.starts_at) & (graph.taken["ts"] < row.ends_at)
        y = np.isin(graph.past.customers[at], graph.taken.loc[took, "customer_id"])
        return cls(row.promotion_id, str(row.type), row.starts_at, row.ends_at, X, y.astype(int))


def _expected(case: _Case, before: Sequence[_Case]) -> float | None:
    """Return how many were expected to take it, or None where too little was known."""
    y = np.concatenate([c.y for c in before]) if before else np.zeros(0)
    if y.sum() < FEWEST_TAKERS or y.all() or not len(case.y):
        return None
    model = ResponseModel("logistic").fit(pd.concat([c.X for c in before]), y, known=True)
    return float(np.sum(model.probability(case.X)))


def _row(case: _Case, raw: float, before: list[dict[str, Any]]) -> dict[str, Any]:
    over = [row for row in before if row["ends_at"] <= case.starts_at]
    told = {
        "promotion_id": case.promotion_id,
        "type": case.type,
        "starts_at": case.starts_at,
        "ends_at": case.ends_at,
        "customers": len(case.y),
        "raw": raw,
        "taken": int(case.y.sum()),
    }
    if len(over) < 3:
        return told | {"expected": raw, "ci_low": np.nan, "ci_high": np.nan, "inside": False}
    ratios = past_ratios(
        [row["taken"] for row in over],
        [row["raw"] for row in over],
        [row["type"] for row in over],
    )
    found = expected_responses(raw, ratios, LEVEL, case.type)
    inside = found.ci_low <= told["taken"] <= found.ci_high
    return told | {
        "expected": found.value,
        "ci_low": found.ci_low,
        "ci_high": found.ci_high,
        "inside": bool(inside),
    }
