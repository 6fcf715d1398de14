"""Past decisions with their scores: what a week's promotions are valued by, without the model."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from promolab.contract import Experiment
from promolab.effects import UpliftModel

DISCOUNT = "discount_in_window"
UNDISCOUNTED = "margin_undiscounted"
"""The margin, what the window's discounts took off put back."""
KEYS = ("customer_id", "ts", "action", "fold", "outcome")


def undiscounted(trial: Experiment) -> Experiment:
    """Return a shop's decisions with the margin, and that of the window, before discounts.

    Of what a promotion adds before its discounts the same share lasts beyond the window at every
    depth; of what is left after them it does not, for what was taken off is gone at once. What
    promotions take off follows from orders, with less chance.

    Parameters
    ----------
    trial : Experiment
        `promolab.features.decisions_experiment` with ``early=True``.

    Examples
    --------
    >>> rows = pd.DataFrame({"customer_id": [1, 2], "arm": ["none", "mail"], "margin": [3.0, 2.0]})
    >>> rows = rows.assign(margin_in_window=[2.0, 1.0], discount_in_window=[0.0, 0.5])
    >>> early = ["margin_in_window", "discount_in_window"]
    >>> found = undiscounted(Experiment(rows, "arm", "none", [], ["margin"], early=early))
    >>> found.y().tolist(), found.y(found.early[0]).tolist()
    ([3.0, 2.5], [2.0, 1.5])
    """
    soon, off = f"{UNDISCOUNTED}_in_window", trial.frame[DISCOUNT]
    columns = {UNDISCOUNTED: trial.y("margin") + off, soon: trial.y("margin_in_window") + off}
    return dataclasses.replace(
        trial,
        frame=trial.frame.assign(**columns),
        outcomes=(UNDISCOUNTED, *trial.outcomes),
        early=(soon, DISCOUNT),
    )


def scored_log(model: UpliftModel, like: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return what a model of a shop's own decisions knows of each of them, to be kept as a table.

    Parameters
    ----------
    model : UpliftModel
        Fitted on `promolab.features.decisions_experiment` with ``by="kind"`` and ``early=True``.
    like : DataFrame, optional
        The log of a like model of another outcome of these decisions: expected discounts are its.

    Returns
    -------
    DataFrame
        One row per decision: customer_id, ts, action, fold (of customers), outcome (what came of
        it, money), and for each kind ``score.kind`` (doubly robust score of its effect on the
        margin; nan where the row could not get it or does not count), ``effect.kind`` (predicted by
        models that did not see the customer), ``response.kind`` (expected outcome with it,
        likewise) and ``discount.kind`` (expected discount in the window less that of none,
        likewise; 0 or more); with an early outcome ``soon.kind``, the score of the effect in the
        window. No row where the model shows no effect, or is of no decisions that
        chance drew.

    Examples
    --------
    >>> from promolab import UpliftModel, load_shop
    >>> from promolab.features import decisions_experiment
    >>> shop = load_shop("simulated", customers=1_000, weeks=16, exploration=1.0)
    >>> trial = decisions_experiment(shop, by="kind", early=True)
    >>> log = scored_log(UpliftModel("dr", "ridge").fit(trial))
    >>> len(log) == trial.n, kinds_in(log)
    (True, ['coupon', 'full_reduction', 'limited_time_discount', 'recommendation'])
    """
    if model.why_ is not None or model.identification_.name != "randomised":
        return pd.DataFrame(columns=[*KEYS])
    if not {"ts", "action", DISCOUNT} <= set(model.experiment_.frame.columns):
        return pd.DataFrame(columns=[*KEYS])
    trial = model.experiment_
    log = trial.frame[["customer_id", "ts", "action"]].copy()
    log["action"] = log["action"].astype(str)
    log["fold"], log["outcome"] = model.fold_, trial.y(model.outcome_)
    if like is None:
        mean = model.expected(DISCOUNT)
        off = np.maximum(mean[:, 1:] - mean[:, :1], 0.0)
    else:
        off = of_kinds(like, "discount", model.treatments_)
    of = {
        "score": np.where(model.kept_, model.pooled_scores_.to_numpy(), np.nan),
        "effect": model.effects_by_others_.to_numpy(),
        "response": model.nuisance_.mu[:, 1:],
        "discount": off,
    }
    if model.told_early_:
        of["soon"] = np.where(model.kept_, model.early_scores_.to_numpy(), np.nan)
    for part in of:
        for place, kind in enumerate(model.treatments_):
            log[f"{part}.{kind}"] = of[part][:, place]
    return log


def kinds_in(log: pd.DataFrame) -> list[str]:
    """Return the kinds whose effects a log knows."""
    names = [str(name) for name in log.columns]
    return [name.removeprefix("score.") for name in names if name.startswith("score.")]


def of_kinds(log: pd.DataFrame, part: str, kinds: Sequence[str]) -> np.ndarray:
    """Return a part of some kinds, shape (n, len(kinds)).

    Parameters
    ----------
    log : DataFrame
        As `scored_log` returns it.
    part : {"score", "effect", "response", "discount"}
        Which.
    kinds : sequence of str
        The columns.
    """
    return np.array([log[f"{part}.{kind}"].to_numpy(dtype=float) for kind in kinds]).T
