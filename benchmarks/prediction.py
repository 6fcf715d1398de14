"""How well the response model ranks, promotion by promotion, against a plain baseline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.table import Row

if TYPE_CHECKING:
    import pandas as pd

    from promolab.compare.backtest import Backtest
    from promolab.metrics import AucComparison

PROMOTION = 18
MIN_AUC = 0.855
MIN_REDEEMERS = 15
BASELINE_FEATURES = (
    *("recency_days", "orders", "amount", "orders_28d", "amount_28d", "orders_84d", "amount_84d"),
    *("coupon_orders", "contacts", "responses"),
)


def known_pairs(shop_folder: Path) -> pd.DataFrame:
    """Return all pairs of a shop at the end of its data."""
    from promolab import build_pairs, load_shop

    shop = load_shop(shop_folder)
    pairs: pd.DataFrame = build_pairs(shop, as_of=shop.span()[1]).execute()
    return pairs


def plain_baseline() -> Any:
    """Return scikit-learn's logistic regression with its default penalty."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=1000))


def backtests(pairs: pd.DataFrame) -> tuple[Backtest, Backtest]:
    """Return the backtest of the weekly model and that of the baseline, on the same rows."""
    from promolab.compare import choose_method, run_backtest

    choice = choose_method(pairs)
    model = run_backtest(pairs, columns=choice.features.columns, model=choice.make)
    return model, run_backtest(pairs, columns=BASELINE_FEATURES, model=plain_baseline)


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
    lost = len(outcome) - len(rows)
    return Row(
        f"AUC on campaign {PROMOTION}, scores of {week_folder.name}",
        f"≥ {MIN_AUC}",
        f"{area.auc:.4f} [{area.ci_low:.3f}, {area.ci_high:.3f}], {area.positives} of {area.n} "
        f"redeemed" + (f"; {lost} contacted without a score" if lost else ""),
        area.auc >= MIN_AUC,
    )


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


def no_leakage(backtest: Backtest) -> Row:
    """Check that no AUC is too good to be true."""
    from promolab.compare.backtest import ALARM_POSITIVES
    from promolab.metrics import ALARM_AUC

    table = backtest.by_promotion
    sure = table[table["positives"] >= ALARM_POSITIVES].sort_values("auc", kind="stable")
    best = sure.iloc[-1] if len(sure) else None
    pooled = "none" if backtest.pooled is None else f"{backtest.pooled.auc:.3f}"
    highest = "" if best is None else f", highest {best['auc']:.3f} ({best['promotion_id']})"
    return Row(
        f"AUC too good to be true (pooled, or with ≥ {ALARM_POSITIVES} redeemers)",
        f"≤ {ALARM_AUC:.2f}",
        f"pooled {pooled}{highest}",
        not backtest.leakage_alarm().startswith("Alarm"),
    )


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
