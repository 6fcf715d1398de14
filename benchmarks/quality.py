"""How well the response model ranks the last quarter's promotions of the Complete Journey.

Every choice of model, feature and penalty was made on promotions over before `CHOSEN_BEFORE`:
each predicted from those over before it, and each left out in turn. The promotions that start from
then on are for reading off the result, not for choosing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.table import Row

if TYPE_CHECKING:
    import pandas as pd

    from promolab.compare.backtest import Backtest
    from promolab.metrics import AucWithin, Roc

CHOSEN_BEFORE = "2017-10-01"
L2 = 30.0
MIN_POOLED = 0.85
MIN_WITHIN = 0.86


@dataclass(frozen=True)
class Quality:
    """Both areas over one set of promotions."""

    promotions: int
    pooled: Roc
    within: AucWithin

    @property
    def words(self) -> str:
        """The areas with their intervals."""
        return (
            f"pooled {_area(self.pooled)}, within promotions {_area(self.within)} "
            f"({self.pooled.positives} of {self.pooled.n:,} in {self.promotions} promotions)"
        )


def rolling(pairs: pd.DataFrame) -> Backtest:
    """Predict each promotion from those over before it, with the chosen features and penalty."""
    from promolab.compare.backtest import run_backtest
    from promolab.features import response_features
    from promolab.model import ResponseModel

    columns = response_features(pairs)
    return run_backtest(pairs, columns=columns, model=lambda: ResponseModel(l2=L2))


def of(backtest: Backtest, pairs: pd.DataFrame, *, later: bool) -> Quality:
    """Return the quality on promotions from `CHOSEN_BEFORE` on, or on those over before it.

    Parameters
    ----------
    backtest : Backtest
        As `rolling` returns it.
    pairs : DataFrame
        What it was made of.
    later : bool
        The promotions that start from then on and are over, else those that the choices were made
        on.
    """
    from promolab.metrics import auc_within, roc

    inside = pairs["label_complete"] & (
        pairs["starts_at"] >= CHOSEN_BEFORE if later else pairs["ends_at"] < CHOSEN_BEFORE
    )
    rows = backtest.rows
    rows = rows[rows["promotion_id"].isin(pairs.loc[inside, "promotion_id"].unique())]
    customer, promotion = rows["customer_id"], rows["promotion_id"]
    return Quality(
        promotions=promotion.nunique(),
        pooled=roc(rows["y"], rows["p"], cluster=customer),
        within=auc_within(rows["y"], rows["p"], group=promotion, cluster=customer),
    )


def last_quarter(pairs: pd.DataFrame) -> tuple[Row, Row]:
    """Return the row of the bar, and the same on what the choices were made on, for comparison.

    Parameters
    ----------
    pairs : DataFrame
        `benchmarks.prediction.known_pairs`.
    """
    backtest = rolling(pairs)
    later, earlier = (of(backtest, pairs, later=later) for later in (True, False))
    reached = later.pooled.auc >= MIN_POOLED and later.within.auc >= MIN_WITHIN
    return (
        Row(
            f"AUC on promotions from {CHOSEN_BEFORE} on, each from those over before it; chosen "
            "on earlier ones",
            f"pooled ≥ {MIN_POOLED:.2f}, within ≥ {MIN_WITHIN:.2f}",
            later.words,
            reached,
        ),
        Row(
            f"the same on promotions over before {CHOSEN_BEFORE}, on which it was chosen",
            "none: flattered by the choice",
            earlier.words,
            True,
        ),
    )


def _area(area: Roc | AucWithin) -> str:
    return f"{area.auc:.4f} [{area.ci_low:.3f}, {area.ci_high:.3f}]"
