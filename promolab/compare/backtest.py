"""Backtest out of time: each promotion predicted by a model of those that were over before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from promolab.checks import real_number
from promolab.compare.cross_validation import (
    Setting,
    model_maker,
    outcome_words,
    predict_folds,
    promotion_setting,
)
from promolab.errors import InputError
from promolab.language import ENGLISH, language
from promolab.metrics import (
    ALARM_AUC,
    AucWithin,
    Calibration,
    Lift,
    PastRatios,
    Roc,
    Spread,
    auc_within,
    calibration,
    lift,
    past_ratios,
    random_effects,
    roc,
)
from promolab.model import ResponseModel
from promolab.model.inputs import Fold, left_out_because
from promolab.results import Estimate, Result, words_of
from promolab.wording import Answer, answer_to

ALARM_POSITIVES = 100  # of a promotion, from which on its AUC says something
_ANSWER = answer_to(())
ROWS = ["customer_id", "promotion_id", "starts_at", "y", "p", "support"]
CURVE = ("auc", "ci_low", "ci_high", "std_error")


@dataclass(frozen=True)
class Backtest(Result):
    """How well responses were predicted, each promotion from those over before it started.

    Parameters
    ----------
    outcome : str
        Label that was predicted.
    features : tuple of str
        Source columns used.
    rows : DataFrame
        customer_id, promotion_id, starts_at, y, p (predicted), support; one row per exposure
        predicted, in the order of starts_at, promotion_id, customer_id.
    by_promotion : DataFrame
        promotion_id, starts_at, type (else its kind), trained_on (promotions), n, positives,
        expected (Σ p), observed_rate, auc, ci_low, ci_high, std_error (of auc); the last four are
        nan where nobody or everybody responded.
    skipped : DataFrame
        promotion_id, starts_at, n, reason; what was not predicted.
    pooled : Roc or None
        All rows together, intervals clustered by customer: mixes "which promotion" with "which
        customer". None where the rows have a single class.
    within : AucWithin or None
        Pair-weighted mean of the AUCs within promotions.
    calibration : Calibration or None
    lift : Lift or None
        Who is found when the top of each promotion's list is taken.
    auc_spread : Spread
        Mean of the AUCs by promotion and their standard deviation between promotions.
    past_ratios : PastRatios
        Observed ÷ expected, by type of promotion.
    names : mapping of promotion_id to str
        What readers call them.
    """

    outcome: str
    features: tuple[str, ...]
    rows: pd.DataFrame = field(repr=False)
    by_promotion: pd.DataFrame = field(repr=False)
    skipped: pd.DataFrame = field(repr=False)
    pooled: Roc | None = field(repr=False)
    within: AucWithin | None = field(repr=False)
    calibration: Calibration | None = field(repr=False)
    lift: Lift | None = field(repr=False)
    auc_spread: Spread = field(repr=False)
    past_ratios: PastRatios = field(repr=False)
    names: Mapping[Any, str] = field(default_factory=dict, repr=False)

    def name_of(self, promotion_id: Any) -> str:
        """Return what readers call a promotion; its id, where nobody said more."""
        return self.names.get(promotion_id, str(promotion_id))

    def to_frame(self) -> pd.DataFrame:
        """Return the table by promotion."""
        return self.by_promotion

    def unpredicted(self) -> pd.DataFrame:
        """Return ``skipped`` with names, its reasons in the language that is spoken."""
        rows = self.skipped.assign(name=[self.name_of(p) for p in self.skipped["promotion_id"]])
        if language() == ENGLISH or "why" not in rows:
            return rows
        coded = rows["why"].notna()
        told = zip(*(rows.loc[coded, c] for c in ("why", "held", "least")), strict=True)
        rows.loc[coded, "reason"] = [left_out_because(w, int(h), int(n)) for w, h, n in told]
        return rows

    def facts(self) -> dict[str, Any]:
        """Return what was predicted and how well."""
        rows, within, spread = self.by_promotion, self.within, self.auc_spread
        drawn = rows.dropna(subset=["auc"]).iloc[::-1]
        keep = ["ci_low", "ci_high", "n", "positives", "expected", "trained_on"]
        named = rows.assign(id=rows["promotion_id"].map(str)).set_index("id")
        named = named[["auc", *keep]].rename(columns={"auc": "value"})
        return {
            "case": "nothing" if rows.empty else "some",
            "reasons": [{"it": why} for why in self.unpredicted()["reason"].unique()[:2]],
            "why_not": "told" if len(self.skipped) else "pairs",
            "left": 0 if rows.empty else len(self.skipped),
            "positives": int(self.rows["y"].sum()),
            "contacts": len(self.rows),
            "over_all": self.pooled and self.pooled.estimate,
            "inside": within and within.estimate,
            "drawn": drawn.assign(name=drawn["promotion_id"].map(self.name_of)),
            "ranked": "better" if within and within.ci_low > 0.5 else "chance",
            "figure": within.estimate if within else Estimate(spread.mean),
            "promotions": named.to_dict("index"),
        }

    def leakage_alarm(self, words: Answer = _ANSWER) -> str:
        """Say whether a figure is too good to be true: an AUC above 0.90 would mean leakage.

        Parameters
        ----------
        words : Answer
            What customers do about the promotions.
        """
        rows = self.by_promotion
        high = rows[(rows["auc"] > ALARM_AUC) & (rows["positives"] >= ALARM_POSITIVES)]
        leaks = (self.pooled is not None and self.pooled.auc > ALARM_AUC) or len(high) > 0
        facts = {"leaks": leaks, "answer": words, "enough": ALARM_POSITIVES}
        return words_of(__name__, "Backtest", **facts).say("alarm")


def _by_promotion(
    rows: pd.DataFrame, promotions: pd.DataFrame, trained_on: dict[Any, int]
) -> pd.DataFrame:
    records = []
    for promotion_id in (p for p in promotions.index if p in trained_on):
        mine = rows[rows["promotion_id"] == promotion_id]
        n, positives = len(mine), int(mine["y"].sum())
        # Here a customer stands once, or nearly: rows are independent without a cluster.
        curve = roc(mine["y"], mine["p"]) if 0 < positives < n else None
        records.append(
            {
                "promotion_id": promotion_id,
                "starts_at": promotions.loc[promotion_id, "starts_at"],
                "type": promotions.loc[promotion_id, "type"],
                "trained_on": trained_on[promotion_id],
                "n": n,
                "positives": positives,
                "expected": float(mine["p"].sum()),
                "observed_rate": positives / n,
                **{c: getattr(curve, c, float("nan")) for c in CURVE},
            }
        )
    names = ["promotion_id", "starts_at", "type", "trained_on", "n", "positives", "expected"]
    return pd.DataFrame(records, columns=[*names, "observed_rate", *CURVE])


def response_ratios(by_promotion: pd.DataFrame) -> PastRatios:
    """Compare what came with what was expected, observed ÷ expected, over promotions by type.

    Parameters
    ----------
    by_promotion : DataFrame
        positives and expected, and type where promotions are told apart by it.
    """
    types = by_promotion["type"].tolist() if "type" in by_promotion else None
    return past_ratios(by_promotion["positives"], by_promotion["expected"], types)


def expected_responses(
    expected: float, ratios: PastRatios, level: float = 0.95, type_: str = ""
) -> Estimate:
    """Return how many responses a list of a new promotion will bring.

    E, the sum of the predicted probabilities over the list, times what past promotions brought of
    theirs: the ratio of the sums, drawn to the promotion's type as far as that is known
    (`promolab.metrics.pooling`). It is a mean: over many lists what is expected adds up to what
    comes. The interval holds what promotions differ by, what is not known about the mean, and the
    Poisson noise of the count itself.

    Parameters
    ----------
    expected : float
        E.
    ratios : PastRatios
        Observed ÷ expected of past promotions: `Backtest.past_ratios`.
    level : float
        Confidence level.
    type_ : str
        The promotion's type, else its kind.

    Returns
    -------
    Estimate
        Mean and interval; n is the number of promotions. The ends are nan with fewer than 3.

    Raises
    ------
    InputError
        ``expected`` is negative or not finite.
    """
    real_number("expected", expected, least=0, hint=", a sum of probabilities")
    if ratios.k == 0:
        return Estimate(float(expected), float("nan"), float("nan"), 0)
    mean = expected * ratios.mean(type_)
    e = ratios.predict(1 / (mean + 0.5), type_, level)
    return Estimate(float(mean), float(expected * e.ci_low), float(expected * e.ci_high), ratios.k)


INSIDE = "inside"
NEW_CUSTOMER = "new_customer"
NEW_PROMOTION = "new_promotion"
PROMOTION_KIND = ("kind", "type", "promotion_kind", "promotion_type", "channel")


def support(train: pd.DataFrame, rows: pd.DataFrame) -> np.ndarray:
    """Say for each row whether a model learned from ``train`` was ever tested on its like.

    ``new_promotion``: the promotion's kind (and type, channel) never occurs in training; it comes
    first, because then nothing tested holds for anyone on the list. ``new_customer``: never
    contacted before. Whom a shop contacts is its own choice, not chance, so those it left out are
    unlike those it contacted in ways that features do not show, and no outcome of theirs was ever
    seen. Everything else is ``inside``.

    Parameters
    ----------
    train : DataFrame
        Pairs that the model learned from.
    rows : DataFrame, shape (n, …)
        Rows to score. Never contacted: ``contacts`` is 0 where that column exists, else
        ``customer_id`` does not occur in ``train``. What kind a promotion is, those of
        ``promotion_kind, promotion_type, kind, type, channel`` say that both frames have.

    Returns
    -------
    ndarray of str, shape (n,)

    Raises
    ------
    InputError
        The rows have neither ``contacts`` nor ``customer_id``.

    Examples
    --------
    >>> import pandas as pd
    >>> train = pd.DataFrame({"customer_id": [1, 2], "promotion_type": ["A", "A"]})
    >>> rows = pd.DataFrame(
    ...     {"contacts": [3, 0, 0], "promotion_type": ["A", "A", "B"], "customer_id": [1, 7, 8]}
    ... )
    >>> support(train, rows).tolist()
    ['inside', 'new_customer', 'new_promotion']
    """
    names = [c for c in PROMOTION_KIND if c in train.columns and c in rows.columns]
    if "contacts" in rows.columns:
        contacts = rows["contacts"].to_numpy(dtype=np.float64, na_value=np.nan)
        new_customer = ~(contacts > 0)
    elif "customer_id" in rows.columns and "customer_id" in train.columns:
        new_customer = ~rows["customer_id"].isin(train["customer_id"]).to_numpy()
    else:
        raise InputError("the rows have neither 'contacts' nor 'customer_id'; support needs one")
    result = np.where(new_customer, NEW_CUSTOMER, INSIDE)
    if names and len(rows):
        new_promotion = ~_keys(rows, names).isin(_keys(train, names))
        result = np.where(new_promotion, NEW_PROMOTION, result)
    return result.astype(object)


def _keys(frame: pd.DataFrame, names: list[str]) -> pd.MultiIndex:
    # An unknown kind is a kind of its own.
    return pd.MultiIndex.from_frame(frame[names].astype("string").fillna(""))


def run_backtest(
    pairs: pd.DataFrame,
    outcome: str = "redeemed",
    columns: Sequence[str] | None = None,
    model: Any = ResponseModel,
    *,
    min_positives: int = 20,
    min_promotions: int = 1,
) -> Backtest:
    """Predict each promotion from those that had ended when it started, and compare.

    A promotion whose label is not complete is neither predicted nor learned from; one that ends
    exactly when another is predicted is learned from.

    Parameters
    ----------
    pairs : DataFrame
        One row per exposure: customer_id, promotion_id, starts_at, ends_at, label_complete, the
        outcome (0/1) and the features as of the promotion's start (`build_pairs`), or as of an
        earlier ``as_of`` where that column is there: then it is the moment of the prediction.
    outcome : str
        Label column.
    columns : sequence of str, optional
        Features; by default `pair_features`.
    model : callable, model or str
        Makes a new model: something with ``fit(X, y)`` and ``predict_proba(X)``. Or an unfitted
        model, or a kind's name.
    min_positives, min_promotions : int
        What the training rows need: this many with the outcome, from this many promotions.

    Returns
    -------
    Backtest
        Where nothing could be predicted it is empty, and its summary says why.

    Raises
    ------
    InputError
        A column is missing, a promotion has two starts, a label is neither 0 nor 1, or the model
        refuses the training rows of every promotion; those of one alone are told in ``skipped``.
    """
    setting = promotion_setting(
        pairs, outcome, columns, min_positives=min_positives, min_promotions=min_promotions
    )
    refused: dict[str, str] = {}
    p = predict_folds(setting, model_maker(model), refused=refused)
    if refused and np.isnan(p).all():
        raise InputError(f"no promotion could be learned for: {next(iter(refused.values()))}")
    promotions = setting.promotions
    assert promotions is not None
    promotions = promotions.assign(type=_types(pairs).reindex(promotions.index).fillna(""))
    reasons = dict(
        zip(setting.folds.left_out["promotion_id"], setting.folds.left_out["reason"], strict=True)
    )
    parts = [pd.DataFrame(columns=ROWS).astype({"p": float})]
    trained_on: dict[Any, int] = {}
    for fold in setting.folds.parts:
        if np.isnan(p[fold.test]).any():
            why = refused.get(fold.name, "the model predicts no chance")
            reasons.update(dict.fromkeys(fold.promotions, why))
            continue
        parts.append(_rows(setting, fold, p))
        trained_on.update(dict.fromkeys(fold.promotions, fold.trained_on))
    rows = pd.concat(parts[1:] or parts, ignore_index=True).sort_values(
        ["starts_at", "promotion_id", "customer_id", "p"], kind="stable", ignore_index=True
    )
    by_promotion = _by_promotion(rows, promotions, trained_on)
    skipped = promotions.loc[[p for p in promotions.index if p in reasons], ["starts_at", "n"]]
    skipped = skipped.reset_index(names="promotion_id")
    skipped["reason"] = [reasons[p] for p in skipped["promotion_id"]]
    codes = setting.folds.left_out.drop_duplicates("promotion_id").set_index("promotion_id")
    codes = codes.reindex(skipped["promotion_id"].tolist(), columns=["why", "held", "least"])
    skipped = skipped.assign(**{str(name): codes[name].to_numpy() for name in codes})
    y, chance, customer, promotion = (rows[c] for c in ("y", "p", "customer_id", "promotion_id"))
    both, some_within = y.nunique() == 2, bool(by_promotion["auc"].notna().any())
    return Backtest(
        outcome_words(pairs, outcome),
        tuple(setting.features),
        rows,
        by_promotion,
        skipped,
        roc(y, chance, cluster=customer) if both else None,
        auc_within(y, chance, promotion, cluster=customer) if some_within else None,
        calibration(y, chance, cluster=customer) if both else None,
        lift(y, chance, group=promotion, cluster=customer) if both else None,
        random_effects(by_promotion["auc"], by_promotion["std_error"] ** 2),
        response_ratios(by_promotion),
    )


def _types(pairs: pd.DataFrame) -> pd.Series[str]:
    """Return each promotion's type, else its kind, where the pairs tell them."""
    told = pd.Series("", index=pairs.index, dtype=object)
    for name in ("promotion_kind", "promotion_type"):
        if name in pairs:
            said = pairs[name].notna() & (pairs[name].astype(str) != "")
            told = told.where(~said, pairs[name].astype(str))
    return told.groupby(pairs["promotion_id"].to_numpy()).first()


def _rows(setting: Setting, fold: Fold, p: np.ndarray) -> pd.DataFrame:
    rows = setting.frame.iloc[fold.test]
    return pd.DataFrame(
        {
            "customer_id": rows["customer_id"].to_numpy(),
            "promotion_id": rows["promotion_id"].to_numpy(),
            "starts_at": rows["starts_at"].to_numpy(),
            "y": setting.labels[fold.test].astype(np.int64),
            "p": p[fold.test],
            "support": support(setting.frame.iloc[fold.train], rows),
        }
    )
