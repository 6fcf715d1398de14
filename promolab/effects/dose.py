"""How what a kind of promotion adds changes with its depth, where several depths were drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import choice, real_number
from promolab.effects.identification import Identification, OfEffects, arm_code
from promolab.errors import DataError, InputError, nearest
from promolab.results import Estimate
from promolab.stats import normal_quantile, t_quantile
from promolab.wording import arm_words, plural

if TYPE_CHECKING:
    import pandas as pd

    from promolab.effects.model import UpliftModel

DOSES = ("depth", "threshold")
GROWING = ("purchases", "orders_placed")
"""Outcomes that a deeper discount cannot lower: nobody orders less for being given more."""
MOST = 6
"""Doses told apart; more are grouped, as many promotions in each."""


@dataclass(frozen=True)
class DoseResponse(OfEffects):
    """What one kind of promotion adds at each depth (or threshold) that was drawn.

    Parameters
    ----------
    frame : DataFrame
        A row per dose, rising: dose, effect, ci_low, ci_high, std_error, promotions, n (decisions
        that got one of them).
    covariance : ndarray of shape (m, m)
        Of the effects, the spread between promotions included.
    share : ndarray of shape (m,)
        Of the kind's decisions that got each dose: by it the effects make up the average.
    average : Estimate
        The kind's average effect, over the doses as they were drawn.
    spread : float
        Standard deviation of the true effects of promotions of the same dose; nan where each dose
        has but one promotion.
    degrees : float
        Of freedom of the intervals.
    arm : str
        The kind.
    outcome : str
        What is measured, per customer and decision.
    dose : {"depth", "threshold"}
        What varies. The depth of a rate is the rate, of a full reduction the reduction per unit of
        its threshold.
    monotone : bool
        Whether the effects were made to rise with the dose, and the intervals with them.
    level : float
    identification : Identification
    """

    frame: pd.DataFrame = field(repr=False)
    covariance: np.ndarray = field(repr=False)
    share: np.ndarray = field(repr=False)
    average: Estimate
    spread: float
    degrees: float
    arm: str
    outcome: str
    dose: str
    monotone: bool
    level: float
    identification: Identification

    @property
    def drawn(self) -> list[float]:
        """The doses that were drawn, rising."""
        return [float(dose) for dose in self.frame["dose"]]

    def extrapolated(self, dose: float) -> bool:
        """Return whether a dose lies outside those that were drawn."""
        at = real_number(self.dose, dose, least=0)
        return not self.drawn[0] - 1e-9 <= at <= self.drawn[-1] + 1e-9

    def at(self, dose: float) -> Estimate:
        """Return the effect at a dose.

        Between two doses it lies on the line between their effects. Outside it is that of the
        nearest one, and its interval grows with the distance, by the nearest slope.

        Raises
        ------
        InputError
            The dose is below 0 or no number.
        """
        weights, beyond = self._weights(dose)
        columns = (self.frame[name] for name in ("effect", "ci_low", "ci_high"))
        value, low, high = (float(weights @ column) for column in columns)
        if beyond:
            half = self._quantile * self._error(weights, beyond)
            low, high = min(low, value - half), max(high, value + half)
        return Estimate(value, low, high, int(self.frame["n"].sum()))

    def factor(self, dose: float) -> tuple[float, float]:
        """Return by what the kind's average effect is multiplied at a dose, and its standard error.

        Where only one dose was drawn it is 1 for all: nothing is known of others, which
        `extrapolated` says. Where the average cannot be told from 0 no multiple of it means much,
        and its sign would turn customers' own effects round: it is 1 then, and its error so large
        that it holds what was measured.

        Raises
        ------
        InputError
            The dose is below 0 or no number.
        """
        weights, beyond = self._weights(dose)
        if len(self.frame) == 1:
            return 1.0, 0.0
        effects = self.frame["effect"].to_numpy()
        mean = self.average.value
        if not mean:
            return 1.0, float("inf")
        ratio = float(weights @ effects) / mean
        error = self._error(weights - ratio * self.share, beyond) / abs(mean)
        if self.average.ci_low <= 0 <= self.average.ci_high:
            return 1.0, float(np.hypot(ratio - 1, error))
        return ratio, error

    @property
    def _quantile(self) -> float:
        return float(t_quantile(self.level, self.degrees))

    def _weights(self, dose: float) -> tuple[np.ndarray, float]:
        """Return what each drawn dose counts at one, and how far that is beyond the last."""
        at, drawn = real_number(self.dose, dose, least=0), np.array(self.drawn)
        inside = float(np.clip(at, drawn[0], drawn[-1]))
        weights = np.array([np.interp(inside, drawn, row) for row in np.eye(len(drawn))])
        return weights, at - inside

    def _error(self, weights: np.ndarray, beyond: float) -> float:
        variance = float(weights @ self.covariance @ weights)
        if beyond and len(self.frame) > 1:
            drawn, effects = np.array(self.drawn), self.frame["effect"].to_numpy()
            ends = slice(-2, None) if beyond > 0 else slice(0, 2)
            variance += (beyond * np.diff(effects[ends])[0] / np.diff(drawn[ends])[0]) ** 2
        return float(np.sqrt(max(variance, 0.0)))

    def facts(self) -> dict[str, Any]:
        """Return the doses, what varies, and what is known of its spread."""
        return {
            "doses": self.frame,
            "kind": arm_code(self.arm),
            "known": "one" if len(self.frame) == 1 else "spread" if self.spread > 0 else "",
            "varying": self.dose,
        }


def dose_response(
    model: UpliftModel,
    doses: Mapping[str, float],
    arm: str | None = None,
    *,
    dose: str = "depth",
    monotone: bool | None = None,
    early: bool = False,
    level: float = 0.95,
) -> DoseResponse:
    """Measure how what a kind of promotion adds changes with its depth, or threshold.

    Parameters
    ----------
    model : UpliftModel
        Fitted to a shop's decisions by kind (`promolab.features.decisions_experiment`).
    doses : mapping of promotion_id to float
        Depth (a share) or threshold (money) of each promotion; a promotion that it does not name is
        left out.
    arm : str, optional
        Which kind; the model's only one by default.
    dose : {"depth", "threshold"}
        What the doses are.
    monotone : bool, optional
        Whether effects are made to rise with the dose; by default where nothing else makes sense:
        for orders and buyers by depth. Margin is net of the discount, and may fall.
    early : bool
        Whether the experiment's early outcome tells, where it has one: with less chance, and the
        same ratios of doses where the same share of all lasts.
    level : float
        Of the intervals.

    Returns
    -------
    DoseResponse

    Raises
    ------
    InputError
        No such arm, no promotion of it with a dose, or decisions that do not say which promotion.
    DataError
        Too few decisions with one of the doses.

    Notes
    -----
    A promotion's effect is the mean of doubly robust scores over the decisions of its rounds: the
    kind's expected outcomes, and the residuals of those who got this very promotion by its own
    chance. Promotions of one dose are averaged by their information, 1 / (sampling variance +
    spread²), the spread between them estimated by the method of Paule & Mandel (1982) with the
    covariance that shared customers and rounds give them. Rising effects are the weighted isotonic
    projection; projected with them are the ends of intervals that hold all doses at once
    (Bonferroni), so that they cover wherever the true effects rise.

    References
    ----------
    Paule & Mandel (1982), J. Res. NBS 87; Barlow, Bartholomew, Bremner & Brunk (1972).

    Examples
    --------
    >>> from promolab import load_shop
    >>> from promolab.features import decisions_experiment
    >>> from promolab.effects import UpliftModel
    >>> words = dict(customers=400, weeks=13, variant="weekly", exploration=1.0, kinds="coupon")
    >>> shop = load_shop("simulated", **words)
    >>> model = UpliftModel("dr", "ridge", folds=2).fit(decisions_experiment(shop, by="kind"))
    >>> rates = shop.promotions.execute().set_index("promotion_id")["discount_rate"]
    >>> found = dose_response(model, rates)
    >>> found.drawn, found.extrapolated(0.2), found.frame["promotions"].tolist()
    ([0.03, 0.06, 0.1], True, [3, 3, 3])
    """
    import pandas as pd

    choice("dose", dose, DOSES)
    normal_quantile(level)
    known = [str(name) for name in model.treatments_]
    arm = known[0] if arm is None and len(known) == 1 else str(arm)
    if arm not in known:
        raise InputError(f"there is no arm {arm!r}; {nearest(arm, known)}")
    if monotone is None:
        monotone = dose == "depth" and model.outcome_ in GROWING
    soon = early and model.told_early_
    outcome = model.experiment_.early[0] if soon else model.outcome_
    effects = _by_promotion(model, arm, {str(k): v for k, v in dict(doses).items()}, dose, soon)
    knots, at = _knots(effects.dose)
    m = len(knots)
    apart = np.eye(m)[at]
    weights, spread, error = _weighted(effects, apart)
    value = weights @ effects.value
    own = weights @ (effects.covariance + spread**2 * np.eye(len(at))) @ weights.T
    n = apart.T @ effects.n
    share = n / n.sum()
    freedom = float(max(len(at) - m, 1))
    part = np.diag(own) - np.diag(weights @ effects.covariance @ weights.T)
    # Of the variance only the part of the spread is known from a few promotions (Satterthwaite).
    whole = float(np.mean(np.diag(own)))
    degrees = freedom * (whole / float(np.mean(part))) ** 2 if np.mean(part) > 0 else np.inf
    joint = 1 - (1 - level) / m if monotone else level
    half = t_quantile(joint, degrees) * np.sqrt(np.diag(own))
    low, high = value - half, value + half
    if monotone:
        worth = 1 / np.diag(own)
        value, low, high = (_rising(line, worth) for line in (value, low, high))
    middle = float(share @ value)
    reach = float(t_quantile(level, degrees) * np.sqrt(share @ own @ share))
    frame = pd.DataFrame({
        "dose": knots,
        "effect": value,
        "ci_low": low,
        "ci_high": high,
        "std_error": np.sqrt(np.diag(own)),
        "promotions": apart.sum(axis=0).astype(int),
        "n": n.astype(int),
    })  # fmt: skip
    return DoseResponse(
        frame=frame,
        covariance=own,
        share=share,
        average=Estimate(middle, middle - reach, middle + reach, int(n.sum())),
        spread=error,
        degrees=degrees,
        arm=arm,
        outcome=outcome,
        dose=dose,
        monotone=monotone,
        level=level,
        identification=model.identification_,
    )


@dataclass(frozen=True)
class _Promotions:
    """Doses, effects, their covariance, and who got each promotion."""

    dose: np.ndarray
    value: np.ndarray
    covariance: np.ndarray
    n: np.ndarray


def _by_promotion(
    model: UpliftModel, arm: str, doses: Mapping[str, float], dose: str, soon: bool
) -> _Promotions:
    """Return what each promotion of an arm adds, with the covariance of shared customers."""
    import pandas as pd
    from scipy import sparse

    trial, nuisance = model.experiment_, model.early_nuisance_ if soon else model.nuisance_
    frame, k = trial.frame, [str(name) for name in model.arms_].index(arm)
    if not {"action", "share_of_arm"} <= set(frame.columns):
        raise InputError(
            "these decisions do not say which promotion was taken; make them with "
            "promolab.features.decisions_experiment(shop, by='kind')"
        )
    kept, mine = model.kept_[:, k - 1], trial.codes == k
    block, which = model._rows().setting.rows.block, np.flatnonzero(mine & kept)
    block = np.zeros(trial.n, dtype=np.int64) if block is None else block
    rounds, given = int(block.max()) + 1, frame["action"].iloc[which].astype(str)
    names = sorted(name for name in given.unique() if pd.notna(doses.get(name)))
    if not names:
        raise InputError(f"none of the promotions of {arm_words(arm)} has a {dose}")
    values = [real_number(f"the {dose} of {name}", doses[name], least=0) for name in names]
    taken = np.full(trial.n, -1)
    taken[which] = pd.Categorical(given, categories=names).codes
    got = taken >= 0
    size = len(names)
    offered = np.zeros((rounds, size))
    offered[block[got], taken[got]] = 1
    y, chance = trial.y(trial.early[0] if soon else model.outcome_), nuisance.propensity
    none = trial.codes == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        base = nuisance.mu[:, k] - nuisance.mu[:, 0]
        base = base - np.where(none, (y - nuisance.mu[:, 0]) / chance[:, 0], 0.0)
        weight = 1 / (chance[:, k] * frame["share_of_arm"].to_numpy(float))
    base, weight = np.where(kept, base, 0.0), np.where(got, weight, 0.0)
    place, away = np.maximum(taken, 0), y - nuisance.mu[:, k]
    whole = np.bincount(place, weights=weight, minlength=size)
    beside = np.bincount(place, weights=weight * away, minlength=size) / whole
    own = weight * (away - beside[place]) / whole[place]
    cluster = model.cluster_
    customers = int(cluster.max()) + 1
    # Per customer: sums and numbers by round, residuals by promotion.
    columns = [block, rounds + block, 2 * rounds + place]
    pieces = [base, kept.astype(float), own]
    sums = sparse.coo_matrix(
        (np.concatenate(pieces), (np.tile(cluster, 3), np.concatenate(columns))),
        shape=(customers, 2 * rounds + size),
    ).tocsr()
    total = np.asarray(sums.sum(axis=0)).ravel()
    parts = np.split(total, [rounds, 2 * rounds])
    n = parts[1] @ offered
    usual = parts[0] @ offered / n
    value = usual + beside
    lines = np.vstack([offered / n, -offered * usual / n, np.eye(size)])
    factor = customers / max(customers - 1, 1)
    covariance = lines.T @ np.asarray((sums.T @ sums).todense()) @ lines * factor
    number = np.bincount(taken[got], minlength=size)
    if (np.diag(covariance) <= 0).any() or number.min() < 2:
        name = names[int(number.argmin())]
        raise DataError(
            f"{plural(int(number.min()), 'decision')} got {name}: too few to say what it adds"
        )
    return _Promotions(np.array(values), value, covariance, number)


def _knots(dose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the doses told apart, and which of them each promotion has."""
    knots, at = np.unique(dose.round(6), return_inverse=True)
    if len(knots) <= MOST:
        return knots, at
    ranked = np.argsort(np.argsort(dose, kind="stable"), kind="stable")
    # Equal doses stay together: by the place of the first of them.
    first = np.array([ranked[at == place].min() for place in range(len(knots))])
    _, at = np.unique((first * MOST // len(dose))[at], return_inverse=True)
    counted = np.bincount(at)
    return np.bincount(at, weights=dose) / counted, at


def _weighted(effects: _Promotions, apart: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Return how promotions make up each dose, their spread, and it again (nan where unknown)."""
    value, covariance = effects.value, effects.covariance
    # As precise as their decisions are many: own variances are small where outliers lack by chance.
    sampling = float(np.mean(np.diag(covariance) * effects.n)) / effects.n

    def parts(spread: float) -> tuple[np.ndarray, float]:
        inverse = 1 / (sampling + spread)
        weights = (apart * inverse[:, None] / (inverse @ apart)).T
        rest = np.eye(len(value)) - apart @ weights
        away = rest @ value
        expected = np.einsum(
            "i,ij,jk,ik->", inverse, rest, covariance + spread * np.eye(len(value)), rest
        )
        return weights, float(inverse @ away**2 - expected)

    if len(value) == apart.shape[1]:
        return parts(0.0)[0], 0.0, float("nan")
    if parts(0.0)[1] <= 0:
        return parts(0.0)[0], 0.0, 0.0
    from scipy.optimize import brentq

    most = float(np.var(value) + sampling.max())
    while parts(most)[1] > 0:
        most *= 4
    spread = float(np.sqrt(brentq(lambda at: parts(at)[1], 0.0, most)))
    return parts(spread**2)[0], spread, spread


def _rising(line: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the nearest line that does not fall, weighted."""
    from scipy.optimize import isotonic_regression

    return np.asarray(isotonic_regression(line, weights=weight).x)
