"""Which features to keep, and what it costs in AUC to do without the others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import whole_number
from promolab.compare.backtest import run_backtest
from promolab.compare.cross_validation import (
    MOST_SHOWN,
    chosen_features,
    drawn_rows,
    model_maker,
    only_predicting,
)
from promolab.errors import InputError
from promolab.explain import permutation_importance
from promolab.metrics import AucComparison, compare_auc
from promolab.model import ResponseModel
from promolab.model.inputs import Encoder, TimeSplit, split_in_time
from promolab.results import Result
from promolab.wording import plural

if TYPE_CHECKING:
    from promolab.explain import Importance


STABLE = 0.75
"""Share of the halves from which a feature is stable."""
EXPECTED_FALSE = 1.0
"""How many stable features may be expected that chance alone picks."""
MOST_ROWS = 20_000  # contacts that are enough to see which features matter
LEAST = 10  # customers with a response, and without one
L2 = 1.0  # so that duplicate columns have a single optimum
STEPS = np.geomspace(0.9, 0.01, 30)  # of the smallest penalty that leaves nothing
SHOWN = 15


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

    Notes
    -----
    Where very many contacts are learned from or measured on, some of the customers are drawn, and
    `Importance` says that, and among how many contacts it was measured.
    """
    features = chosen_features(pairs, outcome, columns)
    split = split_in_time(pairs, outcome, since)
    measured = split.after[drawn_rows(pairs["customer_id"].iloc[split.after], 0, MOST_ROWS)]
    drawn = drawn_rows(pairs["customer_id"].iloc[split.before], 0, MOST_SHOWN)
    learned = split.before[drawn]
    early, late = pairs.iloc[learned], pairs.iloc[measured]
    fitted = only_predicting(model_maker(model)()).fit(
        early[features],
        split.labels[learned],
        cluster=early["customer_id"].to_numpy(),
        group=early["promotion_id"].to_numpy(),
        time=early["starts_at"].to_numpy(),
        known=True,  # features are as of each promotion's start
    )
    found = permutation_importance(
        fitted,
        late[features],
        split.labels[measured],
        cluster=late["customer_id"].to_numpy(),
        group=late["promotion_id"].to_numpy(),
        **options,
    )
    among = len(split.after) if len(measured) < len(split.after) else 0
    told = found.about(split.moment, split.promotions_before, split.promotions_after, among)
    return replace(told, fewer=not drawn.all())


@dataclass(frozen=True)
class Selection(Result):
    """Features kept, and what doing without the others costs.

    Parameters
    ----------
    frame : DataFrame
        feature, frequency (share of the halves of the customers that picked it), stable,
        important (the AUC out of time falls when it is shuffled), kept; those kept first.
    threshold : float
        Frequency from which a feature is stable.
    bound : float
        Most features expected to be stable that are picked no more often than chance would have it,
        if the distribution of frequencies has one peak.
    halves, customers : int
        Halves, and customers who were halved.
    cost, cost_within : AucComparison
        AUC with the features kept (a) against all (b), over all rows and within promotions; the
        latter None where no promotion has both outcomes.
    moment : Timestamp
        Promotions over by then chose; those starting from it on measured.
    promotions_before, promotions_after : int
    among : int
        Contacts that there were, where some of the customers were drawn; else 0.
    """

    frame: pd.DataFrame = field(repr=False)
    threshold: float
    bound: float
    halves: int
    customers: int
    cost: AucComparison
    cost_within: AucComparison | None
    moment: pd.Timestamp
    promotions_before: int
    promotions_after: int
    among: int = 0

    @property
    def kept(self) -> list[str]:
        """Names of the features kept, sorted."""
        return sorted(self.frame.loc[self.frame["kept"], "feature"])

    def facts(self) -> dict[str, Any]:
        """Return what doing without the others costs, over all rows or within promotions."""
        inside = self.cost_within
        gap, within = self.cost.estimate, None if inside is None else inside.estimate
        alone = gap.side == "unsure" and within is not None and within.side in ("above", "below")
        return {
            "of": len(self.frame),
            "finding": within.side if alone and within else gap.side,
            "within_alone": alone,
            "gap": gap,
            "gap_within": within,
            # None of those kept is left out.
            "shown": self.frame.head(max(SHOWN, len(self.kept))),
        }


def select_features(
    pairs: pd.DataFrame,
    outcome: str = "redeemed",
    columns: Sequence[str] | None = None,
    model: Any = ResponseModel,
    *,
    since: datetime | None = None,
    halvings: int = 25,
    seed: int = 0,
    level: float = 0.95,
) -> Selection:
    """Choose features on earlier promotions and measure the choice on later ones.

    The promotions are cut in time at ``since``. Those over before it choose: a feature is *stable*
    where a logistic model with an L1 penalty, fitted on either half of the customers again and
    again, picks it in at least three quarters of the halves, and *important* where shuffling it
    makes the AUC of a model fall beyond noise, out of time once more (fitted on the first of these
    promotions, measured on the later ones). Those that start from ``since`` on have no say in the
    choice. They measure it: each is predicted from the promotions over before it (`run_backtest`),
    with all features and with those kept, and the two AUCs are compared on the same rows. Nothing
    comes from after a row's own prediction; for a report week give the pairs as known then. Of
    features that say the same, the sparse model picks now one and now the other, so that neither
    may be stable.

    Of more than 200,000 contacts, those of customers drawn are taken, and the summary says so.

    Of useless features at most one is expected to be stable, and (1 − level) / 2 of them to be
    important. A penalised model bears useless features well, so that the cost may be above what the
    few features left are easier to read: look before dropping any.

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
    since : datetime, optional
        The cut; by default `split_in_time`'s.
    halvings : int
        How often the customers are split in two, at least 2.
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
        Too few responses on either side of the cut, or a missing column.

    Notes
    -----
    Expected false ≤ C·q²/p for q of p features picked per half, with C = 2 whatever the
    distribution of frequencies (Meinshausen & Bühlmann), and 1 / (1 − 1/halvings) where that has
    one peak (Shah & Samworth, theorem 2); q is chosen by the second. "False" is a feature picked on
    half the customers with a chance of at most q/p.

    References
    ----------
    Meinshausen & Bühlmann (2010), JRSS B 72(4). Shah & Samworth (2013), JRSS B 75(1).
    """
    whole_number("halvings", halvings, 2)
    whole_number("seed", seed, 0)
    features = chosen_features(pairs, outcome, columns)
    drawn, among = drawn_rows(pairs["customer_id"], seed, MOST_SHOWN), 0
    if not drawn.all():
        among, pairs = len(pairs), pairs[drawn]
    split = split_in_time(pairs, outcome, since)
    early = pairs.iloc[split.before]
    labels, customers = split.labels[split.before], early["customer_id"].to_numpy()
    table, bound, units = _halved(early[features], labels, customers, halvings, seed)
    important = _important(early, outcome, features, model, seed, level)
    del early  # a copy, and what follows makes its own
    table["important"] = table["feature"].isin(important)
    table["kept"] = table["stable"] | table["important"]
    if not table["kept"].any():
        table.loc[0, "kept"] = True  # the table begins with the one picked most often
    table = table.sort_values("kept", ascending=False, kind="stable", ignore_index=True)
    kept = table.loc[table["kept"], "feature"].tolist()
    pooled, within = _cost(pairs, outcome, features, kept, model, split, level)
    return Selection(
        table,
        STABLE,
        bound,
        2 * halvings,
        units,
        pooled,
        within,
        split.moment,
        split.promotions_before,
        split.promotions_after,
        among,
    )


def _halved(
    X: pd.DataFrame, labels: np.ndarray, customers: np.ndarray, halvings: int, seed: int
) -> tuple[pd.DataFrame, float, int]:
    """Return how often halves of the customers pick each feature, the bound, and customers.

    The penalty is the least at which two halves drawn beforehand pick at most q features, and q is
    what keeps the expected number of false features at about `EXPECTED_FALSE`.
    """
    kept = drawn_rows(customers, seed, MOST_ROWS)
    X, labels, unit = X[kept], labels[kept], pd.factorize(customers[kept])[0]
    rng = np.random.default_rng(seed)
    _check_customers(unit, labels)
    encoder = Encoder.fit(X, None)
    matrix = encoder.transform(X)
    member = np.array([encoder.columns.index(s) for s in encoder.sources])
    p = len(encoder.columns)
    fine = [q for q in range(1, p) if false_bound(q, p, halvings) <= EXPECTED_FALSE]
    l1, start = _penalty(matrix, labels, unit, member, max(fine, default=1), rng)
    frequency = _count(matrix, labels, unit, (member, p), l1, start, halvings, rng)
    table = pd.DataFrame({"feature": encoder.columns, "frequency": frequency})
    order = np.lexsort([table["feature"].to_numpy(dtype=str), -table["frequency"].to_numpy()])
    table = table.iloc[order].reset_index(drop=True)
    table["stable"] = table["frequency"] >= STABLE - 1e-12
    return table, false_bound(float(frequency.sum()), p, halvings), int(unit.max()) + 1


def _important(
    early: pd.DataFrame, outcome: str, features: list[str], model: Any, seed: int, level: float
) -> list[str]:
    """Return what loses beyond noise when shuffled, among the promotions that choose."""
    try:
        split_in_time(early, outcome)
    except InputError:  # too short a history to cut twice
        return []
    found = importance_out_of_time(early, outcome, features, model, seed=seed, level=level).frame
    # Exchanged between a handful of promotions, a feature's importance has no honest interval.
    between = found["shuffled"].str.startswith("between")
    return found["feature"][(found["ci_low"] > 0) & ~between].tolist()


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


def false_bound(picked: float, p: int, halvings: int) -> float:
    """Return the most useless features expected to be picked by as many halves as `STABLE` says.

    Parameters
    ----------
    picked : float
        Features picked per half.
    p : int
        Features to choose from.
    halvings : int
        Splits in two.

    Examples
    --------
    >>> round(false_bound(5, 50, 50), 2)
    0.51
    """
    chance = picked / p
    whatever = chance * picked / (2 * STABLE - 1)
    reach = min(chance**2, 0.5 / halvings + 0.75 * chance**2)
    if chance > 1 / math.sqrt(3) or reach >= STABLE - 0.5:  # nothing is said of one peak there
        return whatever
    return whatever / (2 * (1 - 0.5 / halvings / (2 * STABLE - 1)))


def _check_customers(unit: np.ndarray, labels: np.ndarray) -> None:
    hits = np.bincount(unit, weights=labels)
    for found, what in (
        (int((hits > 0).sum()), "with a response"),
        (int((np.bincount(unit) > hits).sum()), "with a contact that brought none"),
    ):
        if found < LEAST:
            raise InputError(
                f"{plural(found, 'customer')} {what}; stability selection halves the customers and "
                f"needs at least {LEAST}: give more promotions, or keep all features"
            )


def _penalty(
    matrix: np.ndarray,
    labels: np.ndarray,
    unit: np.ndarray,
    member: np.ndarray,
    q: int,
    rng: np.random.Generator,
) -> tuple[float, tuple[np.ndarray, float]]:
    """Return the least penalty on a grid at which halves pick q features at most, and a fit."""
    from promolab.model.solvers import fit_elastic_net, largest_l1

    side = _side(unit, rng)
    halves = [(matrix[half], labels[half]) for half in (side, ~side)]
    top = max(largest_l1(*half) for half in halves)
    begin = np.zeros(matrix.shape[1]), 0.0
    chosen, found, fits = top, begin, [begin, begin]
    for step in STEPS:
        fits = [
            fit_elastic_net(*half, top * step, L2, start=start)[:2]
            for half, start in zip(halves, fits, strict=True)
        ]
        if np.mean([len(np.unique(member[w != 0])) for w, _ in fits]) > q:
            break
        chosen, found = top * step, fits[0]
    return chosen, found


def _side(unit: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return which rows stand in the first half of the customers."""
    units = int(unit.max()) + 1
    return np.asarray((rng.permutation(units) < units // 2)[unit])


def _count(
    matrix: np.ndarray,
    labels: np.ndarray,
    unit: np.ndarray,
    member: tuple[np.ndarray, int],
    l1: float,
    start: tuple[np.ndarray, float],
    halvings: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return which share of the halves picked each feature."""
    from tqdm import tqdm

    from promolab.model.solvers import fit_elastic_net

    source, features = member
    picked = np.zeros(features)
    bar = tqdm(range(halvings), desc="halving", unit="split", leave=False, delay=2, disable=None)
    for _ in bar:
        side = _side(unit, rng)
        for half in (side, ~side):
            w, _, _ = fit_elastic_net(matrix[half], labels[half], l1, L2, start=start)
            picked[np.unique(source[w != 0])] += 1
    return picked / (2 * halvings)
