"""Whether forecasts of redemptions hold: each past promotion forecast from those before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.table import Row

if TYPE_CHECKING:
    import pandas as pd

    from promolab.model import Backtest

MIN_COVERAGE = 0.80


def forecasts_hold(model: Backtest, pairs: pd.DataFrame) -> Row:
    """Return how many promotions fell into the interval forecast for them.

    Parameters
    ----------
    model : Backtest
        Of the weekly model (`benchmarks.prediction.backtests`).
    pairs : DataFrame
        What it was made from (`benchmarks.prediction.known_pairs`).
    """
    from promolab.campaign.outlook import PREDICTION_LEVEL
    from promolab.campaign.outlook_coverage import roll_outlook

    found = roll_outlook(model, pairs)
    share = found.share
    told = found.table[found.table["inside"].notna()]
    missed = ", ".join(told.loc[~told["inside"].astype(bool), "promotion_id"].astype(str))
    return Row(
        "prediction interval of redemptions, rolling over Complete Journey's promotions",
        f"{100 * PREDICTION_LEVEL:.0f} % interval covers ≥ {100 * MIN_COVERAGE:.0f} % of them",
        f"{100 * share.value:.0f} % [{100 * share.ci_low:.0f}, {100 * share.ci_high:.0f}] of "
        f"{share.n}{f'; missed {missed}' if missed else ''}; {len(found.table) - share.n} more had "
        "fewer than 3 before them",
        share.n > 0 and share.value >= MIN_COVERAGE,
    )
