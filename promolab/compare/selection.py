"""Which features to keep, and what it costs in AUC to do without the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.compare.backtest import run_backtest
from promolab.compare.cross_validation import chosen_features, model_maker
from promolab.compare.stability import ColumnStability as Stability
from promolab.compare.stability import stability_selection
from promolab.errors import InputError, nearest
from promolab.explain import permutation_importance
from promolab.glossary import label
from promolab.metrics import AucComparison, compare_auc
from promolab.model import ResponseModel
from promolab.model.inputs import TimeSplit, split_in_time
from promolab.results import Result, plain
from promolab.wording import count, number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from promolab.explain import Importance


def importance_out_of_time(
    pairs: pd.DataFrame,
    outcome: str = "redeemed",
    columns: Sequence[str] | None = None,
    model: Any = ResponseModel,
    *,
    since: datetime | None = None,
    **options: Any,
) -> Importance:
    """Fit on the promotions over before a moment, measure on those starting from it on.

    Parameters
    ----------
    pairs : DataFrame
        As `run_backtest` takes them.
    outcome : str
        Label column.
    columns : sequence of str, optional
        Features; by default `pair_features`.
    model : callable, model or str
        Makes a new model, or is an unfitted one or a kind's name.
    since : datetime, optional
        The moment; chosen by `split_in_time` otherwise.
    **options
        Of `permutation_importance`.

    Raises
    ------
    InputError
        As `split_in_time` and `permutation_importance`.
    """
    features = chosen_features(pairs, outcome, columns)
    split = split_in_time(pairs, outcome, since)
    early, late = pairs.iloc[split.before], pairs.iloc[split.after]
    fitted = model_maker(model)().fit(
        early[features],
        split.labels[split.before],
        cluster=early["customer_id"].to_numpy(),
        group=early["promotion_id"].to_numpy(),
        time=early["starts_at"].to_numpy(),
        known=True,  # features are as of each promotion's start
    )
    found = permutation_importance(
        fitted,
        late[features],
        split.labels[split.after],
        cluster=late["customer_id"].to_numpy(),
        group=late["promotion_id"].to_numpy(),
        **options,
    )
    return found.about(split.moment, split.promotions_before, split.promotions_after)


KEPT_BY = {
    "either": "picked in at least {} of the halves or important out of time",
    "both": "picked in at least {} of the halves and important out of time",
    "stable": "picked in at least {} of the halves",
    "important": "important out of time",
}


@dataclass(frozen=True)
class Selection(Result):
    """Features kept, and what doing without the others costs.

    Parameters
    ----------
    frame : DataFrame
        feature, frequency (share of the halves of the customers that picked it), stable, importance
        (fall of the AUC out of time when it is shuffled), ci_low, ci_high, important, kept; those
        kept first.
    rule : str
        What keeps a feature.
    stability : Stability
    importance : Importance or None
        None where the history is too short to cut twice; ``why`` says it.
    why : str
    cost, cost_within : AucComparison
        AUC with the features kept (a) against all (b), over all rows and within promotions; the
        latter None where no promotion has both outcomes.
    moment : Timestamp
        Promotions over by then chose; those starting from it on measured.
    promotions_before, promotions_after : int
    """

    frame: pd.DataFrame = field(repr=False)
    rule: str
    stability: Stability = field(repr=False)
    importance: Importance | None = field(repr=False)
    why: str = field(repr=False)
    cost: AucComparison
    cost_within: AucComparison | None
    moment: pd.Timestamp
    promotions_before: int
    promotions_after: int

    @property
    def kept(self) -> list[str]:
        """Names of the features kept, sorted."""
        return sorted(self.frame.loc[self.frame["kept"], "feature"])

    def to_dict(self) -> dict[str, Any]:
        """Return what was kept, what it cost and how it was decided, as plain values."""
        return {
            "kept": self.kept,
            "of": len(self.frame),
            "rule": self.rule,
            "moment": plain(self.moment),
            "promotions_before": self.promotions_before,
            "promotions_after": self.promotions_after,
            "expected_false": plain(self.stability.bound),
            "cost": self.cost.to_dict(),
            "cost_within": self.cost_within.to_dict() if self.cost_within else None,
        }

    def summary(self) -> str:
        """Say what was kept, by what, and what it cost in AUC on promotions that had no say."""
        how = KEPT_BY[self.rule] if self.importance else KEPT_BY["stable"]
        by = how.format(percent(self.stability.threshold, decimals=0))
        text = (
            f"{count(len(self.kept))} of {plural(len(self.frame), 'feature')} kept: {by}, on the "
            f"{plural(self.promotions_before, 'promotion')} over before {self.moment:%d %b %Y}. "
            f"{self._finding()} (AUC {self.cost.auc_a:.3f} against {self.cost.auc_b:.3f}, "
            f"difference {_points(self.cost)}"
        )
        if self.cost_within:
            text += f"; within promotions {_points(self.cost_within)}"
        return (
            f"{text}), on the {plural(self.promotions_after, 'promotion')} from then on, which had "
            "no say in the choice."
        )

    def _finding(self) -> str:
        if self.cost.ci_high < 0:
            return "Doing without the others costs AUC"
        if self.cost.ci_low > 0:
            return "Doing without the others gains AUC"
        inside = self.cost_within
        if inside and (inside.ci_high < 0 or inside.ci_low > 0):
            verb = "costs" if inside.ci_high < 0 else "gains"
            return f"Doing without the others {verb} AUC within promotions"
        return "What doing without the others costs cannot be told from nothing"

    def plot(self, ax: Axes | None = None, *, most: int = 15) -> Axes:
        """Draw how often each feature was picked, those kept in colour."""
        from promolab import plots

        shown = self.frame.head(max(most, len(self.kept)))  # none of those kept is left out
        ax = plots.bars(
            [label(f) for f in shown["feature"]],
            shown["frequency"],
            text=[_row_words(row) for row in shown.to_dict("records")],
            colours=[plots.COLOURS[0] if k else plots.MUTED for k in shown["kept"]],
            ax=ax,
        )
        plots.reference_line(ax, "vertical", self.stability.threshold)
        ax.set_xlim(0, 1)
        return plots.finish(
            ax,
            title=f"{count(len(self.kept))} of {plural(len(self.frame), 'feature')} kept; AUC "
            f"{_points(self.cost)} against all of them",
            subtitle=f"picked by a sparse model in this share of {self.stability.halves} halves of "
            f"{plural(self.stability.clusters, 'customer')} (line: enough; blue, on top: kept); "
            "right: fall of the AUC out of time when shuffled. Chosen on the "
            f"{plural(self.promotions_before, 'promotion')} over before {self.moment:%d %b %Y}; "
            f"AUC of the {count(self.promotions_after)} after",
            xlabel="picked in",
            percent_x=True,
        )


def _points(c: AucComparison) -> str:
    return number(c.difference, c.ci_low, c.ci_high, decimals=3)


def _row_words(row: dict[Any, Any]) -> str:
    if row["importance"] != row["importance"]:
        return ""
    return number(row["importance"], row["ci_low"], row["ci_high"], decimals=3)


RULES = ("either", "both", "stable", "important")


def select_features(
    pairs: pd.DataFrame,
    outcome: str = "redeemed",
    columns: Sequence[str] | None = None,
    model: Any = ResponseModel,
    *,
    rule: str = "either",
    since: datetime | None = None,
    threshold: float = 0.75,
    expected_false: float = 1.0,
    halvings: int = 25,
    repeats: int = 5,
    seed: int = 0,
    level: float = 0.95,
) -> Selection:
    """Choose features on earlier promotions and measure the choice on later ones.

    The promotions are cut in time at ``since``. Those over before it choose: a feature is *stable*
    where `stability_selection` picks it, and *important* where shuffling it makes the AUC of a
    model fall beyond noise, out of time once more (fitted on the first of these promotions,
    measured on the later ones). Those that start from ``since`` on have no say in the choice. They
    measure it: each is predicted from the promotions over before it (`run_backtest`), with all
    features and with those kept, and the two AUCs are compared on the same rows. Nothing comes from
    after a row's own prediction; for a report week give the pairs as known then.

    Of useless features at most ``expected_false`` are expected to be stable, and (1 − level) / 2 of
    them to be important. A penalised model bears useless features well, so that the cost may be
    above what the few features left are easier to read: look before dropping any.

    Parameters
    ----------
    pairs : DataFrame
        As `run_backtest` takes them.
    outcome : str
        Label column.
    columns : sequence of str, optional
        Features to choose from; by default `pair_features`.
    model : callable, model or str
        Makes the models that importance and cost are measured with; or an unfitted one, or a
        kind's name.
    rule : {"either", "both", "stable", "important"}
        What keeps a feature.
    since : datetime, optional
        The cut; by default `split_in_time`'s.
    threshold, expected_false, halvings : float, float, int
        Of `stability_selection`.
    repeats : int
        Of `permutation_importance`.
    seed : int
        Start of every random number.
    level : float
        Confidence level.

    Returns
    -------
    Selection
        ``kept`` names the features. Where no feature passes, the one picked most often is kept.

    Raises
    ------
    InputError
        Too few responses on either side of the cut, an unknown rule, or a missing column.
    """
    if rule not in RULES:
        raise InputError(f"rule={rule!r} is unknown; {nearest(str(rule), RULES)}")
    features = chosen_features(pairs, outcome, columns)
    split = split_in_time(pairs, outcome, since)
    early = pairs.iloc[split.before]
    stability = stability_selection(
        early[features],
        split.labels[split.before],
        early["customer_id"].to_numpy(),
        threshold=threshold,
        expected_false=expected_false,
        halvings=halvings,
        seed=seed,
    )
    importance, why = _importance(early, outcome, features, model, repeats, seed, level)
    table = _decided(stability, importance, rule)
    kept = table.loc[table["kept"], "feature"].tolist()
    pooled, within = _cost(pairs, outcome, features, kept, model, split, level)
    return Selection(
        table,
        rule,
        stability,
        importance,
        why,
        pooled,
        within,
        split.moment,
        split.promotions_before,
        split.promotions_after,
    )


def _importance(
    early: pd.DataFrame,
    outcome: str,
    features: list[str],
    model: Any,
    repeats: int,
    seed: int,
    level: float,
) -> tuple[Importance | None, str]:
    """Return the importance among the promotions that choose, or why there is none."""
    try:
        split_in_time(early, outcome)
    except InputError as error:  # too short a history to cut twice
        return None, str(error)
    found = importance_out_of_time(
        early, outcome, features, model, repeats=repeats, seed=seed, level=level
    )
    return found, ""


def _decided(stability: Stability, importance: Importance | None, rule: str) -> pd.DataFrame:
    """Return the table of features with what each was found to be, and whether it is kept."""
    columns = ["importance", "ci_low", "ci_high"]
    table = stability.frame.copy()
    if importance is None:
        table[columns] = np.nan
    else:
        table = table.merge(importance.frame[["feature", *columns]], on="feature", how="left")
    # Exchanged between a handful of promotions, a feature's importance has no honest interval.
    table["important"] = (table["ci_low"] > 0) & ~_between(table["feature"], importance)
    decide: dict[str, Any] = {
        "either": table["stable"] | table["important"],
        "both": table["stable"] & table["important"],
        "stable": table["stable"],
        "important": table["important"],
    }
    if importance is None:
        decide["both"] = decide["important"] = table["stable"]
    table["kept"] = decide[rule].to_numpy(dtype=bool)
    if not table["kept"].any():
        table.loc[0, "kept"] = True  # the table begins with the one picked most often
    order = np.lexsort(
        [
            table["feature"].to_numpy(dtype=str),
            -table["importance"].fillna(0).to_numpy(),
            -table["frequency"].to_numpy(),
            ~table["kept"].to_numpy(),
        ]
    )
    return table.iloc[order].reset_index(drop=True)


def _between(feature: pd.Series, importance: Importance | None) -> np.ndarray:
    if importance is None:
        return np.zeros(len(feature), dtype=bool)
    how = importance.frame.set_index("feature")["shuffled"]
    return feature.map(how).str.startswith("between").fillna(False).to_numpy(dtype=bool)


def _cost(
    pairs: pd.DataFrame,
    outcome: str,
    features: list[str],
    kept: list[str],
    model: Any,
    split: TimeSplit,
    level: float,
) -> tuple[AucComparison, AucComparison | None]:
    """Compare kept features with all on promotions from the cut on, pooled and within them."""
    keys = ["promotion_id", "customer_id"]
    tested = set(pairs["promotion_id"].iloc[split.after])
    # Promotions of before the cut, which chose, are not predicted where that is easily spared.
    least = split.promotions_before
    rows = []
    for used in (kept, features):
        found = run_backtest(pairs, outcome, used, model, min_promotions=least).rows
        mine = found[found["promotion_id"].isin(tested)]
        # A customer may stand in a promotion more than once: rows of equal keys are alike here.
        rows.append(mine.sort_values([*keys, "y", "p"], kind="stable", ignore_index=True))
    first, second = rows
    y, a, b, customer = first["y"], first["p"], second["p"], first["customer_id"]
    pooled = compare_auc(y, a, b, cluster=customer, level=level)
    both = first.groupby("promotion_id")["y"].nunique().max() == 2
    within = (
        compare_auc(y, a, b, cluster=customer, group=first["promotion_id"], level=level)
        if both
        else None
    )
    return pooled, within
