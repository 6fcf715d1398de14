"""Whether forecasts of redemptions and of their cost hold: each promotion from those before it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.table import Row

if TYPE_CHECKING:
    import pandas as pd

    from promolab.compare.backtest import Backtest

MIN_COVERAGE = 0.80
BIAS = (0.8, 1.25)


def rolling_costs(past: pd.DataFrame, ends: pd.Series[Any]) -> pd.DataFrame:
    """Return what a redeemer of each promotion took off beside what those before it let expect.

    Parameters
    ----------
    past : DataFrame
        `promolab.promotions.costs.past_discounts` at the end of the data.
    ends : Series
        When each promotion ended, by id.

    Returns
    -------
    DataFrame
        promotion_id, observed and expected (of all its redeemers), inside (missing without an
        interval).
    """
    import math

    import pandas as pd

    from promolab.promotions.costs import discount_per_redeemer

    over = past["promotion_id"].map(ends)
    rows = []
    for row in past.to_dict("records"):
        before = past[(over <= row["starts_at"]).to_numpy()]
        e = discount_per_redeemer(before, row).per_redeemer(row["redeemers"])
        if not math.isfinite(e.ci_low):
            continue
        rows.append(
            {
                "promotion_id": row["promotion_id"],
                "observed": row["discount"],
                "expected": e.value * row["redeemers"],
                "inside": e.ci_low <= row["per_redeemer"] <= e.ci_high,
            }
        )
    return pd.DataFrame(rows)


def costs_hold(shop_folder: Path) -> Row:
    """Return how many promotions' discounts per redeemer fell into the interval forecast for them.

    Their sum is told and has no bar: on Complete Journey a redeemer took more off each time.
    """
    from promolab import load_shop
    from promolab.promotions import PREDICTION_LEVEL
    from promolab.promotions.costs import past_discounts

    shop = load_shop(shop_folder)
    ends = shop.promotions.execute().set_index("promotion_id")["ends_at"]
    found = rolling_costs(past_discounts(shop, shop.span()[1]), ends)
    n, inside = len(found), int(found["inside"].sum()) if len(found) else 0
    times = found["expected"].sum() / found["observed"].sum() if n else float("nan")
    return Row(
        "prediction interval of discounts per redeemer, rolling over Complete Journey's promotions",
        f"{100 * PREDICTION_LEVEL:.0f} % interval covers ≥ {100 * MIN_COVERAGE:.0f} % of them",
        f"{inside} of {n}; expected ÷ taken, together: {times:.2f}",
        n > 0 and inside >= MIN_COVERAGE * n,
    )


def forecasts_hold(model: Backtest, pairs: pd.DataFrame) -> Row:
    """Return how many promotions fell into the interval forecast for them.

    Parameters
    ----------
    model : Backtest
        Of the weekly model (`benchmarks.prediction.backtests`).
    pairs : DataFrame
        What it was made from (`benchmarks.prediction.known_pairs`).
    """
    from promolab.campaign.outlook.forecasts import roll_outlook
    from promolab.promotions import PREDICTION_LEVEL

    found = roll_outlook(model, pairs)
    share = found.share
    told = found.rows[found.rows["inside"].notna()]
    missed = ", ".join(told.loc[~told["inside"].astype(bool), "promotion_id"].astype(str))
    return Row(
        "prediction interval of redemptions, rolling over Complete Journey's promotions",
        f"{100 * PREDICTION_LEVEL:.0f} % interval covers ≥ {100 * MIN_COVERAGE:.0f} % of them; "
        f"expected ÷ came within {BIAS[0]:g}–{BIAS[1]:g}",
        f"{100 * share.value:.0f} % [{100 * share.ci_low:.0f}, {100 * share.ci_high:.0f}] of "
        f"{share.n}{f'; missed {missed}' if missed else ''}; {len(found.rows) - share.n} more had "
        f"fewer than 3 before them; expected ÷ came, together: {found.bias:.2f}",
        share.n > 0 and share.value >= MIN_COVERAGE and BIAS[0] <= found.bias <= BIAS[1],
    )
