"""How well the response model ranks against a plain baseline, and whether forecasts hold.

Every choice of model, feature and penalty was made on promotions over before `CHOSEN_BEFORE`:
each predicted from those over before it, and each left out in turn. The promotions that start from
then on are for reading off the result, not for choosing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.report import week_of
from benchmarks.table import Row, Run, at_least, part

if TYPE_CHECKING:
    import pandas as pd

    from promolab.compare.backtest import Backtest
    from promolab.metrics import AucComparison

PROMOTION = 18
MIN_REDEEMERS = 15
BASELINE_FEATURES = (
    *("recency_days", "orders", "amount", "orders_28d", "amount_28d", "orders_84d", "amount_84d"),
    *("coupon_orders", "contacts", "responses"),
)
CHOSEN_BEFORE = "2017-10-01"
L2 = 30.0
MIN_COVERAGE = 0.80
BIAS = (0.8, 1.25)


@part("report", "backtests of model and baseline")
def predictions(run: Run) -> Iterator[Row]:
    """Yield how well redemptions and their cost were foretold of Complete Journey."""
    from promolab import build_pairs, load_shop
    from promolab.compare import choose_method, run_backtest

    week = week_of(run)
    shop = load_shop(week / "shop")
    pairs: pd.DataFrame = build_pairs(shop, as_of=shop.span()[1]).execute()
    yield one_promotion(week, pairs)
    choice = choose_method(pairs)
    model = run_backtest(pairs, columns=choice.features.columns, model=choice.make)
    baseline = run_backtest(pairs, columns=BASELINE_FEATURES, model=plain_baseline)
    yield from against_baseline(model, baseline)
    yield from last_quarter(pairs)
    yield forecasts_hold(model, pairs)
    yield costs_hold(shop)


def plain_baseline() -> Any:
    """Return scikit-learn's logistic regression with its default penalty."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=1000))


def one_promotion(week_folder: Path, pairs: pd.DataFrame) -> Row:
    """Rank those contacted by the week's published scores; compare with what they then did."""
    import pandas as pd

    from promolab.metrics import roc

    scores = pd.read_parquet(week_folder / "tables" / "scores.parquet")
    outcome = pairs.loc[pairs["promotion_id"] == PROMOTION, ["customer_id", "redeemed"]]
    rows = outcome.merge(
        scores[scores["promotion_id"] == PROMOTION], on="customer_id", validate="one_to_one"
    )
    area = roc(rows["redeemed"], rows["p_redeemed"], cluster=rows["customer_id"])
    told = f"[{area.ci_low:.3f}, {area.ci_high:.3f}], {area.positives} of {area.n} redeemed"
    what = f"AUC on campaign {PROMOTION}, scores of {week_folder.name}"
    return at_least(what, area.auc, 0.855, told=told)


def against_baseline(model: Backtest, baseline: Backtest) -> Iterator[Row]:
    """Yield a row per promotion with enough redeemers, then all rows together and within."""
    keys = ["promotion_id", "customer_id"]
    rows = model.rows.merge(
        baseline.rows[[*keys, "p"]], on=keys, validate="one_to_one", suffixes=("", "_baseline")
    )
    if not len(rows) == len(model.rows) == len(baseline.rows):
        raise RuntimeError("the model and the baseline were not tested on the same rows")
    table = model.by_promotion
    for promotion in table.loc[table["positives"] >= MIN_REDEEMERS, "promotion_id"]:
        part = rows[rows["promotion_id"] == promotion]
        yield _not_below(f"AUC − baseline, promotion {promotion}", _compare(part))
    yield _not_below("AUC − baseline, all promotions pooled", _compare(rows))
    within = _compare(rows, group=rows["promotion_id"])
    yield _not_below("AUC − baseline, within promotions", within)


def _compare(rows: pd.DataFrame, **options: Any) -> AucComparison:
    from promolab.metrics import compare_auc

    return compare_auc(
        rows["y"], rows["p"], rows["p_baseline"], cluster=rows["customer_id"], **options
    )


def _not_below(what: str, result: AucComparison) -> Row:
    return Row(
        what,
        "not below 0 (95 %)",
        f"{result.difference:+.3f} [{result.ci_low:+.3f}, {result.ci_high:+.3f}]: "
        f"{result.auc_a:.3f} − {result.auc_b:.3f}, {result.positives} of {result.n} redeemed",
        result.ci_high >= 0,
    )


def last_quarter(pairs: pd.DataFrame) -> Iterator[Row]:
    """Yield the areas on promotions from `CHOSEN_BEFORE` on, each from those over before it."""
    from promolab.compare.backtest import run_backtest
    from promolab.features import response_features
    from promolab.metrics import auc_within, roc
    from promolab.model import ResponseModel

    columns = response_features(pairs)
    rows = run_backtest(pairs, columns=columns, model=lambda: ResponseModel(l2=L2)).rows
    later = pairs.loc[
        pairs["label_complete"] & (pairs["starts_at"] >= CHOSEN_BEFORE), "promotion_id"
    ]
    rows = rows[rows["promotion_id"].isin(later.unique())]
    by: dict[str, Any] = {"cluster": rows["customer_id"]}
    what = f"AUC on promotions from {CHOSEN_BEFORE} on, chosen on earlier ones"
    for name, area, bar in (
        ("pooled", roc(rows["y"], rows["p"], **by), 0.85),
        ("within", auc_within(rows["y"], rows["p"], group=rows["promotion_id"], **by), 0.86),
    ):
        told = f"[{area.ci_low:.3f}, {area.ci_high:.3f}]"
        yield at_least(f"{what}: {name}", area.auc, bar, told=told)


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
        inside = e.ci_low <= row["per_redeemer"] <= e.ci_high
        rows.append((row["promotion_id"], row["discount"], e.value * row["redeemers"], inside))
    return pd.DataFrame(rows, columns=["promotion_id", "observed", "expected", "inside"])


def costs_hold(shop: Any) -> Row:
    """Return how many promotions' discounts per redeemer fell into the interval forecast for them.

    Their sum is told and has no bar: on Complete Journey a redeemer took more off each time.
    """
    from promolab.promotions import PREDICTION_LEVEL
    from promolab.promotions.costs import past_discounts

    ends = shop.promotions.execute().set_index("promotion_id")["ends_at"]
    found = rolling_costs(past_discounts(shop, shop.span()[1]), ends)
    times = found["expected"].sum() / found["observed"].sum()
    what = f"{PREDICTION_LEVEL:.0%} interval of discounts per redeemer, each promotion: covers"
    told = f"of {len(found)}; expected ÷ taken, together: {times:.2f}"
    return at_least(what, float(found["inside"].mean()), MIN_COVERAGE, "%", told)


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
    told = found.frame[found.frame["inside"].notna()]
    missed = ", ".join(told.loc[~told["inside"].astype(bool), "promotion_id"].astype(str))
    return Row(
        "prediction interval of redemptions, rolling over Complete Journey's promotions",
        f"{100 * PREDICTION_LEVEL:.0f} % interval covers ≥ {100 * MIN_COVERAGE:.0f} % of them; "
        f"expected ÷ came within {BIAS[0]:g}–{BIAS[1]:g}",
        f"{100 * share.value:.0f} % [{100 * share.ci_low:.0f}, {100 * share.ci_high:.0f}] of "
        f"{share.n}{f'; missed {missed}' if missed else ''}; {len(found.frame) - share.n} more had "
        f"fewer than 3 before them; expected ÷ came, together: {found.bias:.2f}",
        share.n > 0 and share.value >= MIN_COVERAGE and BIAS[0] <= found.bias <= BIAS[1],
    )
