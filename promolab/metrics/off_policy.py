"""A policy's value from logged decisions, and what it rests on.

With w = π(A|x) ÷ p the weight of a decision, q̂ the predicted reward, q̂(π) = Σ π(a|x) q̂(x, a), and ŵ
the weight that is used, all estimators are one formula with other weights and predictions:

    mean of q̂(π) + ŵ (r − q̂(x, A)),

or, normalised by themselves, mean of q̂(π) + Σ ŵ (r − q̂(x, A)) ÷ Σ ŵ. Without predictions q̂ = 0.
Where ŵ ≤ w, what is left out of the weights bounds the bias: E[w] = 1, so E[w − ŵ] = 1 − E[ŵ], and
no residual is larger than rewards and predictions allow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import (
    along,
    choice,
    columns_there,
    level_of,
    numbers_of,
    real_number,
    refuse,
    same_length,
)
from promolab.errors import InputError
from promolab.metrics._inputs import HasEstimate, codes_of
from promolab.results import Estimate
from promolab.stats import StdError, around, estimate_of, positive_interval, spread_of
from promolab.wording import plural

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike


LEAST = 30
"""Effective sample size below which nothing is said."""
OF_SHORT = 10
"""Of a short log it may be so many times fewer than its decisions."""
UNEVEN = 0.4
"""Effective sample size over the decisions that the policy would have taken, below which intervals
hold too seldom: a few heavy weights decide."""
HEAVIEST = 0.01
SURE = 0.999
"""Level at which weights that do not average 1 are an alarm."""


SLACK = 1e-6
"""By how much the chances of a row may miss 1."""


@dataclass(frozen=True)
class Logged:
    """Decisions that were taken, each with the chance by which it was.

    Parameters
    ----------
    action : ndarray of int of shape (n,)
    reward, propensity : ndarray of shape (n,)
    cluster : ndarray of int of shape (n,) or None
        Codes of the customers.
    units : int
        Customers, or rows where none are given.
    """

    action: np.ndarray
    reward: np.ndarray
    propensity: np.ndarray
    cluster: np.ndarray | None
    units: int

    @property
    def n(self) -> int:
        """Decisions."""
        return len(self.action)

    def taken(self, table: np.ndarray) -> np.ndarray:
        """Return of a table (n, K) what it holds for the action that was taken, shape (n,)."""
        return np.asarray(table[np.arange(self.n), self.action])


def logged_of(log: pd.DataFrame, actions: int) -> Logged:
    """Return the log's columns, or say what is wrong with them.

    Parameters
    ----------
    log : DataFrame
        ``action, reward, propensity`` and perhaps ``customer_id``.
    actions : int
        How many actions there are.
    """
    import pandas as pd

    if not isinstance(log, pd.DataFrame):
        raise InputError(
            f"log is a {type(log).__name__}; give a DataFrame with the columns action, reward and "
            "propensity, a row per decision"
        )
    columns_there(log, ["action", "reward", "propensity"], "log")
    if not len(log):
        raise InputError("log is empty; give a row per decision")
    codes = numbers_of("log.action", log["action"], missing="every decision has an action")
    whole = codes.astype(np.int64)
    outside = (whole != codes) | (codes < 0) | (codes >= actions)
    if outside.any():
        raise InputError(
            f"log.action is {codes[outside][0]:g} in {plural(int(outside.sum()), 'row')}; expected "
            f"whole numbers 0 to {actions - 1}, one per column of policy"
        )
    reward = numbers_of("log.reward", log["reward"], finite=True)
    known = "leave out decisions of which nobody recorded by what chance they were taken"
    chance = numbers_of("log.propensity", log["propensity"], missing=known)
    wrong = ~((chance > 0) & (chance <= 1))
    if wrong.any():
        raise InputError(
            f"log.propensity is {chance[wrong][0]:g} in {plural(int(wrong.sum()), 'row')}; "
            "expected the chance of the action that was taken, above 0 and up to 1"
        )
    customers = log["customer_id"] if "customer_id" in log.columns else None
    cluster, names = codes_of(customers, len(log), "log.customer_id")
    units = len(log) if cluster is None else len(names)
    return Logged(whole, reward.astype(float), chance.astype(float), cluster, units)


def policy_of(policy: ArrayLike, name: str = "policy") -> np.ndarray:
    """Return a policy's chances, shape (n, K), or say what is wrong with them."""
    chances = _table(name, policy)
    if chances.shape[1] < 2:
        raise InputError(f"{name} has one column; a policy chooses among two actions or more")
    if (chances < 0).any():
        raise refuse(name, float(chances.min()), "chances of 0 or more in every row")
    sums = chances.sum(axis=1)
    wrong = np.abs(sums - 1) > SLACK
    if wrong.any():
        raise InputError(
            f"{name} has {plural(int(wrong.sum()), 'row')} whose chances do not sum to 1 (row "
            f"{int(np.argmax(wrong))}: {sums[wrong][0]:g}); give each row one chance per action"
        )
    return chances


def table_like(name: str, values: ArrayLike, policy: np.ndarray) -> np.ndarray:
    """Return numbers in the shape of the policy, or say what is wrong with them."""
    found = _table(name, values)
    if found.shape != policy.shape:
        raise InputError(
            f"{name} has shape {found.shape} and policy {policy.shape}; give a row per decision "
            "and a column per action in both"
        )
    return found


def _table(name: str, values: Any) -> np.ndarray:
    if isinstance(values, str):
        raise refuse(name, values, "numbers of shape (decisions, actions)")
    try:
        found = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{name} holds what is no number; expected numbers") from None
    if found.ndim != 2:
        raise InputError(
            f"{name} has shape {found.shape}; expected (decisions, actions): a row per decision, a "
            "column per action"
        )
    if missing := int(np.count_nonzero(~np.isfinite(found))):
        raise InputError(
            f"{name} has {plural(missing, 'value')} missing or infinite of {found.size:,}; every "
            "decision needs one per action"
        )
    return found


ESTIMATORS = ("ips", "snips", "dm", "dr", "sndr", "switch", "dros")
NORMALISED = ("snips", "sndr")
PREDICTED = ("dm", "dr", "sndr", "switch", "dros")
GRID = 21
"""Thresholds that are tried where none is given."""


@dataclass(frozen=True)
class Asked:
    """Which estimator, and how far its weights may go.

    Parameters
    ----------
    name : str
    limit : float or None
        Of the weights: clipped at it; of ``switch``: above it predictions serve; of ``dros``: λ.
    span : (float, float)
        The least and the largest reward there can be.
    level : float
    """

    name: str
    limit: float | None
    span: tuple[float, float]
    level: float

    @property
    def biased(self) -> bool:
        """Whether weights are left out, so that no interval is a confidence interval."""
        return self.name in ("dm", "switch", "dros") or self.limit is not None


@dataclass(frozen=True)
class Found:
    """A policy's value, and what each decision adds to its error.

    Parameters
    ----------
    value : float
    added : ndarray of shape (n,)
        Influence function; its mean is 0.
    weight, used : ndarray of shape (n,)
        w and ŵ.
    full : (float, ndarray)
        Value and influence with ŵ = w: less them, the bias as the log itself tells it.
    bias_bound : float
        How far from the truth the expected value may lie; 0 where nothing is left out.
    limit : float or None
    """

    value: float
    added: np.ndarray
    weight: np.ndarray
    used: np.ndarray
    full: tuple[float, np.ndarray]
    bias_bound: float
    limit: float | None


def found_of(log: Logged, policy: np.ndarray, q_hat: np.ndarray | None, asked: Asked) -> Found:
    """Estimate a policy's value; ``switch`` and ``dros`` without a limit choose one.

    Of the limits tried they take that of the least variance + squared bias bound (Wang et al. 2017,
    Su et al. 2020).
    """
    weight = log.taken(policy) / log.propensity
    if asked.name not in ("switch", "dros") or asked.limit is not None:
        return _one(log, policy, q_hat, asked, weight)
    positive = weight[weight > 0] if weight.any() else np.ones(1)
    if asked.name == "switch":
        limits = np.unique(np.quantile(positive, np.linspace(0, 1, GRID)))
    else:  # a large λ shrinks next to nothing
        limits = np.geomspace(positive.min() ** 2, 1e4 * positive.max() ** 2, GRID)
    tried = [_one(log, policy, q_hat, replace(asked, limit=x), weight) for x in limits]
    risks = [
        spread_of(t.added / log.n, log.cluster).std_error ** 2 + t.bias_bound**2 for t in tried
    ]
    return tried[int(np.argmin(risks))]


def _one(
    log: Logged, policy: np.ndarray, q_hat: np.ndarray | None, asked: Asked, weight: np.ndarray
) -> Found:
    told = q_hat is not None and asked.name in PREDICTED
    q = q_hat if told and q_hat is not None else np.zeros_like(policy)
    predicted, residual = (policy * q).sum(axis=1), log.reward - log.taken(q)
    used = used_weights(weight, asked.name, asked.limit)
    ratio = asked.name in NORMALISED
    value, added, centre = _estimate(predicted, residual, used, ratio)
    full = _estimate(predicted, residual, weight, ratio)[:2]
    possible = q[policy > 0]
    ends = asked.span[0] - float(possible.max()), asked.span[1] - float(possible.min())
    reach = max(abs(end - centre) for end in ends)
    bound = reach * _left_out(log, used, asked.level) if asked.biased else 0.0
    return Found(value, added, weight, used, full, bound, asked.limit)


def used_weights(weight: np.ndarray, name: str, limit: float | None) -> np.ndarray:
    """Return the weights that an estimator uses, none above the decision's own.

    Parameters
    ----------
    weight : ndarray of shape (n,)
    name : str
    limit : float or None

    Examples
    --------
    >>> w = np.array([0.5, 4.0])
    >>> [used_weights(w, name, 2.0).tolist() for name in ("ips", "switch", "dros", "dm")]
    [[0.5, 2.0], [0.5, 0.0], [0.4444444444444444, 0.4444444444444444], [0.0, 0.0]]
    """
    if name == "dm":
        return np.zeros_like(weight)
    if limit is None:
        return weight
    if name == "switch":
        return np.where(weight <= limit, weight, 0.0)
    if name == "dros":
        return np.asarray(limit * weight / (weight**2 + limit))
    return np.asarray(np.minimum(weight, limit))


def _estimate(
    predicted: np.ndarray, residual: np.ndarray, used: np.ndarray, ratio: bool
) -> tuple[float, np.ndarray, float]:
    """Return value, influence function, and what residuals are measured from."""
    mean = float(predicted.mean())
    if not ratio:
        scores = predicted + used * residual
        value = float(scores.mean())
        return value, scores - value, 0.0
    total = float(used.sum())
    centre = float(used @ residual) / total if total > 0 else 0.0
    share = used / max(total / len(used), 1e-300)
    return mean + centre, predicted - mean + share * (residual - centre), centre


def _left_out(log: Logged, used: np.ndarray, level: float) -> float:
    """Return how much of all weight is not used: 1 − E[ŵ], at its upper end."""
    mean = float(used.mean())
    low, _ = around(mean, spread_of((used - mean) / log.n, log.cluster), level)
    return float(np.clip(1 - low, 0.0, 1.0)) if np.isfinite(low) else 1.0


@dataclass(frozen=True)
class PolicyValue(HasEstimate):
    """What a policy would have earned per decision.

    Parameters
    ----------
    estimator : str
        One of `ESTIMATORS`.
    estimate : Estimate
        The figure, also as ``value, ci_low, ci_high``, in reward per decision. Of an estimator that
        is biased by design the ends hold noise and ``bias_bound``, and are no confidence interval.
    std_error : float
        Of noise alone, customers taken as independent.
    bias_bound : float
        How far the expected figure may lie from the truth; 0 where the estimator is consistent.
    limit : float or None
        Of the weights, where they have one.
    n, clusters : int
        Decisions and customers (decisions, where none were given).
    level : float
    uneven : bool
        Whether a few heavy weights decide (`UNEVEN`), so that no level can be stated.
    reason : str
        Why this estimator: ``asked`` for, or because rewards were ``predicted`` or ``unpredicted``.
    limit_chosen : bool
        Whether the limit is the one that makes noise and bias bound together least.
    logged : Estimate
        What the log itself earned per decision.
    effective_n : float
        How many equally weighted decisions the weighted ones are worth (Kish 1965).
    mean_weight : Estimate
        1 where propensities are right and the log tried all that the policy does.
    largest_weight, heaviest : float
        The largest weight, and the share of all weight that the heaviest 1 % of decisions carry.
    unused : float
        Share of the decisions that the policy would never have taken.
    bias : Estimate
        The bias as the log itself tells it, by what the same estimator says with nothing left out;
        0 where nothing is.
    """

    estimator: str
    estimate: Estimate
    std_error: float
    bias_bound: float
    limit: float | None
    n: int
    clusters: int
    level: float
    uneven: bool
    reason: str
    limit_chosen: bool
    logged: Estimate
    effective_n: float
    mean_weight: Estimate
    largest_weight: float
    heaviest: float
    unused: float
    bias: Estimate

    @property
    def consistent(self) -> bool:
        """Whether many decisions bring the figure to the truth, so that it has an interval."""
        return not Asked(self.estimator, self.limit, (0.0, 0.0), self.level).biased

    @property
    def ends(self) -> str:
        """What the ends are: ``interval``, ``uneven`` (no level can be stated) or ``biased``."""
        return "biased" if not self.consistent else "uneven" if self.uneven else "interval"

    @property
    def supported(self) -> bool:
        """Whether weights average 1 within noise, as they must."""
        return self.mean_weight.ci_low <= 1 <= self.mean_weight.ci_high

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        return super().to_dict() | {"consistent": self.consistent}

    def facts(self) -> dict[str, Any]:
        """Return which way the value lies of what was earned, and what it rests on."""
        low, high = self.logged.ci_low, self.logged.ci_high
        sure = self.consistent and self.supported and not self.uneven
        above, below = sure and self.ci_low > high, sure and self.ci_high < low
        return {
            "than": "above" if above else "below" if below else "unsure",
            "customers": self.clusters if self.clusters < self.n else 0,
            "biased": not self.consistent,
            "unsupported": not self.supported,
        }


def policy_value(
    log: pd.DataFrame,
    policy: ArrayLike,
    q_hat: ArrayLike | None = None,
    estimator: str | None = None,
    *,
    limit: float | None = None,
    least_effective: float | None = None,
    level: float = 0.95,
) -> PolicyValue:
    r"""What another policy would have earned, from decisions logged with their chances.

    Parameters
    ----------
    log : DataFrame of n rows
        ``action`` (0 … K − 1), ``reward``, ``propensity`` (chance of that action, above 0), and
        ``customer_id`` where a customer has several rows: customers, not rows, are independent.
    policy : array-like of shape (n, K)
        With what chance the policy would take each action there; rows sum to 1.
    q_hat : array-like of shape (n, K), optional
        Predicted reward of each action, from models that did not see the row (cross-fitted).
    estimator : {"ips", "snips", "dm", "dr", "sndr", "switch", "dros"}, optional
        By default ``"dr"`` with ``q_hat``, which is right on average however good that is, and
        ``"snips"`` without.
    limit : float, optional
        Above 0. Weights are clipped at it (``ips``, ``snips``, ``dr``, ``sndr``; by default none
        is); ``switch`` takes predictions above it; ``dros`` has it as λ. By default these two take
        the limit of the least variance + squared bias bound.
    least_effective : float, optional
        Effective sample size below which the call is refused: by default 30, of logs of fewer than
        300 rows a tenth of the rows. ``"dm"`` uses no weight and is not refused.
    level : float
        Of the interval.

    Returns
    -------
    PolicyValue
        ``value, ci_low, ci_high, effective_n``. Estimators that leave out weight (``dm``,
        ``switch``, ``dros``, any that is clipped) are biased: their ends hold noise and the bias
        bound together, and are called no confidence interval.

    Raises
    ------
    InputError
        A column is missing; an action, chance or reward cannot be; rows of the policy do not sum
        to 1; shapes differ; predictions lack; or the log holds too little of what the policy does.

    Notes
    -----
    With w = π(A|x) ÷ p, q̂(π) = Σ π(a|x) q̂(x, a) and means over the decisions:

    - ips: mean of w r (Horvitz & Thompson 1952)
    - snips: Σ w r ÷ Σ w (Swaminathan & Joachims 2015, NIPS)
    - dm: mean of q̂(π)
    - dr: mean of q̂(π) + w (r − q̂(x, A)) (Dudík, Langford & Li 2011, ICML)
    - sndr: mean of q̂(π) + Σ w (r − q̂(x, A)) ÷ Σ w
    - switch: dr with w where w ≤ limit, else 0 (Wang, Agarwal & Dudík 2017, ICML)
    - dros: dr with λ w ÷ (w² + λ) for w (Su, Dimakopoulou, Krishnamurthy & Dudík 2020, ICML)

    Standard errors are those of the influence function (the delta method for ratios: with the
    normaliser fixed they would be too large), summed within customers; intervals use Student's
    quantile with Satterthwaite's degrees of freedom, few where a few large weights decide, and are
    symmetric in the value's logarithm where rewards are 0 or more. Where the effective sample size
    is less than 0.4 of the decisions that the policy would have taken, no level is stated. The
    bias bound is the upper end of 1 − E[ŵ] (E[w] = 1), with ŵ the weight used, times the largest
    residual that rewards and predictions allow: it asks nothing of the weights left out.

    References
    ----------
    Saito, Aihara, Matsutani & Narita (2021), "Open Bandit Dataset and Pipeline", NeurIPS.

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame({"action": [0, 1, 1, 0], "reward": [1.0, 0.0, 2.0, 3.0]})
    >>> found = policy_value(log.assign(propensity=0.5), [[0.0, 1.0]] * 4, estimator="ips")
    >>> found.value, found.effective_n
    (1.0, 2.0)
    """
    policy, q_hat = along(log, policy, "policy", "log"), along(log, q_hat, "q_hat", "log")
    q_hat = along(None, q_hat, "q_hat", "policy", columns=getattr(policy, "columns", None))
    chances = policy_of(policy)
    rows, q, asked = _asked(log, chances, q_hat, estimator, limit, level)
    found = found_of(rows, chances, q, asked)
    effective = _enough(rows, found, asked, least_effective)
    weight, spread = found.weight, spread_of(found.added / rows.n, rows.cluster)
    top = max(1, round(HEAVIEST * rows.n))
    missing = found.value - found.full[0]
    return PolicyValue(
        asked.name,
        Estimate(found.value, *_ends(rows, found, spread, asked), rows.n),
        spread.std_error,
        found.bias_bound,
        found.limit,
        rows.n,
        rows.units,
        level,
        bool(effective < UNEVEN * rows.taken(chances).sum()),
        "asked" if estimator is not None else "unpredicted" if q is None else "predicted",
        asked.limit is None and found.limit is not None,
        _mean(rows, rows.reward, level),
        effective,
        _mean(rows, weight, SURE),
        float(weight.max()),
        float(np.sort(weight)[-top:].sum() / max(weight.sum(), 1e-300)),
        float((weight == 0).mean()),
        estimate_of(missing, (found.added - found.full[1]) / rows.n, rows.cluster, level),
    )


def _asked(
    log: pd.DataFrame,
    chances: np.ndarray,
    q_hat: ArrayLike | None,
    estimator: str | None,
    limit: float | None,
    level: float,
) -> tuple[Logged, np.ndarray | None, Asked]:
    """Return log, predictions and estimator, or say what is wrong with them."""
    level_of(level)
    rows = logged_of(log, chances.shape[1])
    same_length(log=range(rows.n), policy=chances)
    q = None if q_hat is None else table_like("q_hat", q_hat, chances)
    name = choice("estimator", estimator or ("snips" if q is None else "dr"), ESTIMATORS)
    if q is None and name in PREDICTED:
        raise InputError(
            f"estimator = {name!r} needs q_hat, the predicted reward of each action, shape (n, K); "
            "without it take 'snips' or 'ips'"
        )
    if limit is not None:
        if name == "dm":
            raise InputError("limit is given and 'dm' uses no weight; leave limit out")
        real_number("limit", limit, above=0)
    seen = float(rows.reward.min()), float(rows.reward.max())
    return rows, q, Asked(name, limit, seen, level)


def _enough(rows: Logged, found: Found, asked: Asked, least: float | None) -> float:
    """Return the effective sample size, or refuse one that is too small."""
    weights = found.weight if asked.name == "dm" else found.used
    squares = float(weights @ weights)
    effective = float(weights.sum()) ** 2 / squares if squares > 0 else 0.0
    if least is not None:
        real_number("least_effective", least, least=0)
    bar = min(LEAST, rows.n / OF_SHORT) if least is None else least
    if asked.name != "dm" and (effective < bar or effective == 0):
        raise InputError(
            f"the log holds too little of what the policy does: its {plural(rows.n, 'decision')} "
            f"are worth {effective:.1f} equally weighted ones, and at least {bar:g} are asked for "
            "(least_effective); evaluate a policy nearer to the one that acted, or log more"
        )
    return effective


def _ends(rows: Logged, found: Found, spread: StdError, asked: Asked) -> tuple[float, float]:
    """Return a value's ends, symmetric in its logarithm where rewards cannot be below 0.

    Few heavy weights make its distribution lean that way, and a symmetric interval too low. Of a
    biased one the ends hold the bias bound, too, and go no further than rewards can.
    """
    if asked.biased:
        low, high = around(found.value, spread, asked.level)
        low = min(max(low - found.bias_bound, asked.span[0]), found.value)
        return low, max(min(high + found.bias_bound, asked.span[1]), found.value)
    positive = found.value > 0 and rows.reward.min() >= 0
    return (positive_interval if positive else around)(found.value, spread, asked.level)


def _mean(rows: Logged, values: np.ndarray, level: float) -> Estimate:
    mean = float(values.mean())
    return estimate_of(mean, (values - mean) / rows.n, rows.cluster, level)
