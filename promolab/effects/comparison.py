"""How much more the contacted spent than similar customers who were not contacted.

Doubly robust (AIPW), for the average contacted customer, cross-fitted; judged by stated rules. What
is found is a difference between customers alike in what is recorded, never proof of an effect.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.errors import InputError
from promolab.metrics import dominant_of
from promolab.results import Estimate, Result
from promolab.stats import normal_quantile
from promolab.wording import count, more_or_less, number, percent, plural

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

__all__ = [
    "ADJUSTED",
    "NOT_IDENTIFIED",
    "RANDOMISED",
    "Difference",
    "adjusted_difference",
    "design_matrix",
]

RANDOMISED = "randomised"
ADJUSTED = "adjusted"
NOT_IDENTIFIED = "not identified"

FEWEST_COMPARED = (
    50  # contacted, others, and others that count after weighting: below, a normal interval lies
)
SMALLEST_SHARE = 0.1  # … of the contacted: otherwise a few others stand for a crowd
BEYOND = 0.05  # share of the contacted unlike any other customer: more is extrapolation
IMBALANCE = 0.1  # standard deviations; the usual bar (Austin 2009, Statistics in Medicine 28)
L2 = 1.0  # a little, for near-collinear features; the two models mend each other's shrinkage
FAR_OUT = 0.99  # quantile from which past spend says no more about future spend


@dataclass(frozen=True)
class Difference(Result):
    """Mean outcome of the contacted less that of others like them.

    Made by `adjusted_difference` (of similar customers), or from a holdout by
    `promolab.campaign.readout.randomised` (of customers held back by chance).

    Parameters
    ----------
    estimate : Estimate
        The difference, in the outcome's unit, with its interval; ``n`` is the number of contacted.
        nan where ``identification`` is ``not identified``.
    identification, why : str
        ``randomised``, ``adjusted`` or ``not identified``, and the reason in words.
    contacted, others : int
        Customers in the two groups; if randomised, those assigned and those held back.
    contacted_mean, similar_mean : float
        Mean outcome of the contacted; what similar customers had (nan if not identified).
    effective_others : float
        How many equally weighted customers the reweighted others are worth (Kish 1965).
    beyond_share : float
        Share of the contacted whose propensity lies above that of every other customer.
    imbalance : float
        Largest difference of the balance columns after weighting, in standard deviations.
    placebo : Estimate or None
        The same difference before there was anything to cause it.
    """

    estimate: Estimate
    identification: str
    why: str
    contacted: int
    others: int
    contacted_mean: float = np.nan
    similar_mean: float = np.nan
    effective_others: float = np.nan
    beyond_share: float = np.nan
    imbalance: float = np.nan
    placebo: Estimate | None = None

    @property
    def identified(self) -> bool:
        """Whether the rules let the difference be shown."""
        return self.identification in (RANDOMISED, ADJUSTED)

    def to_frame(self) -> pd.DataFrame:
        """Return one row: the figure, its interval, and what it rests on."""
        import pandas as pd

        return pd.DataFrame([self.to_dict()])

    def to_dict(self) -> dict[str, Any]:
        """Return value, ci_low, ci_high, n and the other fields, ready for JSON."""
        fields = super().to_dict()
        return fields.pop("estimate") | fields

    def summary(self) -> str:
        """Return the difference, or why there is none, in a sentence."""
        if not self.identified:
            return f"Not identified{f': {self.why}' if self.why else ''}."
        e = self.estimate
        who = f"{plural(self.contacted, 'contacted customer')} had"
        why = "; ".join(filter(None, ["adjusted", self.why]))
        if not math.isfinite(e.value):
            return f"What {who} more than similar ones is not known ({why})."
        told = more_or_less(e.value, e.ci_low, e.ci_high)
        return f"{who} {told} than similar ones who were not contacted ({why})."


def adjusted_difference(
    outcome: ArrayLike,
    contacted: ArrayLike,
    covariates: ArrayLike,
    customers: ArrayLike,
    *,
    balance: ArrayLike | None = None,
    placebo: Difference | None = None,
    folds: int = 5,
    l2: float = L2,
    level: float = 0.95,
) -> Difference:
    r"""Compare the contacted with customers alike in the covariates who were not contacted.

    With e(x) the propensity (logistic) and μ₀(x) the outcome without contact (ridge), each fitted
    on the other folds, and residuals r = y − μ₀(x), the difference is the mean r of the contacted
    less the mean r of the others under weights e/(1−e). It is right if one of the two models is.
    The interval is that of the influence function.

    Parameters
    ----------
    outcome : array, shape (n,)
        One row per customer.
    contacted : array of bool, shape (n,)
        Who was contacted.
    covariates : array, shape (n, p)
        Standardised numbers, known before the contact; see `design_matrix`.
    customers : array, shape (n,)
        Ids; a customer's fold is a hash of the id, whatever the order of the rows.
    balance : array, shape (n, q), optional
        Columns that must be alike after weighting, such as earlier spend.
    placebo : Difference, optional
        The same difference for an earlier outcome, which the contact cannot have changed.
    folds : int
        Parts for cross-fitting; at least 2.
    l2 : float
        Penalty of both models.
    level : float
        Confidence level.

    Returns
    -------
    Difference
        ``not identified``, and no figure, if any of these holds: fewer than 50 customers in a
        group; the reweighted others worth fewer than 50 customers, or than a tenth of the
        contacted; more than 5 % of the contacted with a propensity above every other customer's; a
        balance column further apart than 0.1 standard deviations of the contacted; a placebo whose
        interval leaves out 0, or that could not be made. The placebo rejects one sound comparison
        in twenty, the price of catching a selection that the covariates do not see.

    Raises
    ------
    InputError
        Shapes that do not fit, values that are not finite, or fewer than 2 folds.

    References
    ----------
    Robins, Rotnitzky & Zhao (1994), JASA 89; Chernozhukov et al. (2018), Econometrics Journal 21
    (cross-fitting); Hájek (1971) for the normalised weights.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(2000, 2))
    >>> asked = rng.random(2000) < 1 / (1 + np.exp(-x[:, 0]))
    >>> spend = 10 + 3 * x[:, 0] + 2 * asked + rng.normal(size=2000)
    >>> found = adjusted_difference(spend, asked, x, np.arange(2000))
    >>> found.identification, found.estimate.ci_low < 2 < found.estimate.ci_high
    ('adjusted', True)
    """
    y, a, X, b = _checked(outcome, contacted, covariates, balance)
    if folds < 2:
        raise InputError(f"folds == {folds}, must be at least 2: a fold is predicted by the others")
    n1, n0 = int(a.sum()), int((~a).sum())
    if min(n1, n0) < FEWEST_COMPARED:
        who, n = ("contacted", n1) if n1 <= n0 else ("other", n0)
        needed = f"{FEWEST_COMPARED} are needed in each group"
        why = f"only {count(n)} {who} customers with history; {needed}"
        mean = float(y[a].mean()) if n1 else np.nan
        return replace(not_identified(why, n1, n0), contacted_mean=mean)
    propensity, expected = _cross_fit(y, a, X, _folds(customers, folds), l2)
    odds = np.where(a, 0.0, propensity / (1 - propensity))
    rest, z = y - expected, normal_quantile(level)
    difference, influence = _augmented(rest, a, odds)
    found = Difference(
        _around(difference, influence, z, n1),
        ADJUSTED,
        "",
        n1,
        n0,
        contacted_mean=float(y[a].mean()),
        similar_mean=float(y[a].mean()) - difference,
        effective_others=float(odds.sum() ** 2 / (odds**2).sum()),
        beyond_share=float((propensity[a] > propensity[~a].max()).mean()),
        imbalance=_imbalance(b, a, odds),
        placebo=placebo.estimate if placebo else None,
    )
    judged = _judged(found, placebo)

    def without(kept: np.ndarray) -> Estimate:
        # The models stand: one customer of many hardly moves them.
        return _around(*_augmented(rest[kept], a[kept], odds[kept]), z, int(a[kept].sum()))

    dominant = dominant_of(influence, None, without) if judged.identified else None
    if dominant is None:
        return judged
    told = dominant.words().rstrip(".")
    return replace(judged, why=f"{judged.why}; {told[:1].lower()}{told[1:]}")


def not_identified(why: str, contacted: int, others: int = 0) -> Difference:
    """Return a difference without a figure, and the reason."""
    return Difference(
        Estimate(np.nan, np.nan, np.nan, contacted), NOT_IDENTIFIED, why, contacted, others
    )


def design_matrix(features: pd.DataFrame, spend: Sequence[str] = ()) -> np.ndarray:
    """Return standardised covariates, shape (n, p), of a frame of numeric features.

    `promolab.model.inputs.Encoder` bends skewed columns, which suits the propensity; spend in the
    window is linear in earlier spend, so that ``spend`` columns stand beside it unbent, capped at
    their 99th percentile. Learned from all rows: neither the outcome nor the contact is looked at.

    Examples
    --------
    >>> import pandas as pd
    >>> design_matrix(pd.DataFrame({"amount": [1.0, 2.0, 3.0, 90.0]}), ["amount"]).shape
    (4, 2)
    """
    from promolab.model.inputs import Encoder

    varies = [c for c in features.columns if len(features[c].drop_duplicates()) > 1]
    if not varies:
        return np.empty((len(features), 0))
    encoded = Encoder.fit(features, varies).transform(features)
    raw = features[list(spend)].to_numpy(dtype=float)
    raw = np.minimum(raw, np.quantile(raw, FAR_OUT, axis=0)) if raw.size else raw
    sd = raw.std(axis=0)
    keep = sd > 0
    raw = (raw[:, keep] - raw[:, keep].mean(axis=0)) / sd[keep]
    return np.hstack([np.asarray(encoded, dtype=float), raw])


def _checked(
    outcome: ArrayLike, contacted: ArrayLike, covariates: ArrayLike, balance: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    y, a = np.asarray(outcome, dtype=float), np.asarray(contacted).astype(bool)
    X = np.asarray(covariates, dtype=float)
    b = np.empty((len(y), 0)) if balance is None else np.asarray(balance, dtype=float)
    if a.shape != y.shape or X.shape[:-1] != y.shape or b.shape[:-1] != y.shape or y.ndim != 1:
        raise InputError(
            f"outcome, contacted, covariates and balance have the shapes {y.shape}, {a.shape}, "
            f"{X.shape} and {b.shape}; expected (n,), (n,), (n, p) and (n, q)"
        )
    for name, values in (("outcome", y), ("covariates", X), ("balance", b)):
        if not np.isfinite(values).all():
            raise InputError(f"{name} has values that are missing or infinite; encode them first")
    return y, a, X, b


def _folds(customers: ArrayLike, folds: int) -> np.ndarray:
    import pandas as pd

    # As text, so that 7 and "7" fall into the same fold whatever the source's type.
    ids = pd.Series(np.asarray(customers)).astype(str).astype(object)
    hashed = pd.util.hash_pandas_object(ids, index=False).to_numpy()
    return (hashed % np.uint64(folds)).astype(int)


def _cross_fit(
    y: np.ndarray, a: np.ndarray, X: np.ndarray, fold: np.ndarray, l2: float
) -> tuple[np.ndarray, np.ndarray]:
    from promolab.model.solvers import fit_logistic

    propensity, expected = np.empty(len(y)), np.empty(len(y))
    for k in np.unique(fold):
        out, rest = fold == k, fold != k
        w, b, _ = fit_logistic(X[rest], a[rest], l2, tol=1e-12)
        # Of a propensity that rounds to 1 the odds would be infinite; the rules reject it anyway.
        propensity[out] = np.minimum(1 / (1 + np.exp(-(X[out] @ w + b))), 1 - 1e-12)
        slope, level = _ridge(X[rest & ~a], y[rest & ~a], l2)
        expected[out] = X[out] @ slope + level
    return propensity, expected


def _ridge(X: np.ndarray, y: np.ndarray, l2: float) -> tuple[np.ndarray, float]:
    """Minimise the squared error plus l2 · ‖w‖²; the intercept is not penalised."""
    centre, mean = X.mean(axis=0), float(y.mean())
    Z = X - centre
    slope = np.linalg.solve(Z.T @ Z + l2 * np.eye(X.shape[1]), Z.T @ (y - mean))
    return slope, mean - float(centre @ slope)


def _augmented(r: np.ndarray, a: np.ndarray, odds: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the difference of the residuals' means, and what each row adds to its error."""
    ours, theirs = float(r[a].mean()), float(odds @ r / odds.sum())
    influence = a * (r - ours) / a.mean() - odds * (r - theirs) / odds.mean()
    return ours - theirs, influence / len(r)


def _around(difference: float, influence: np.ndarray, z: float, n: int) -> Estimate:
    half = z * float(np.sqrt((influence**2).sum()))
    return Estimate(difference, difference - half, difference + half, n)


def _imbalance(b: np.ndarray, a: np.ndarray, odds: np.ndarray) -> float:
    if not b.shape[1]:
        return 0.0
    gap = np.abs(b[a].mean(axis=0) - odds @ b / odds.sum())
    sd = b[a].std(axis=0)
    return float(np.max(np.where(gap > 0, gap / np.where(sd > 0, sd, 1e-300), 0.0)))


def _judged(found: Difference, placebo: Difference | None) -> Difference:
    needed = max(FEWEST_COMPARED, SMALLEST_SHARE * found.contacted)
    reasons = []
    if found.effective_others < needed:
        reasons.append(
            f"the {plural(found.others, 'other')}, weighted to be alike, count as only "
            f"{plural(round(found.effective_others), 'customer')} ({count(needed)} are needed)"
        )
    if found.beyond_share > BEYOND:
        reasons.append(
            f"{percent(found.beyond_share)} of those contacted are unlike anybody who was not"
        )
    if found.imbalance > IMBALANCE:
        reasons.append(
            "earlier spend stays apart after weighting "
            f"({number(found.imbalance, decimals=2)} standard deviations, {IMBALANCE:g} at most)"
        )
    if placebo is not None:
        e = placebo.estimate
        if np.isfinite(e.value) and not e.ci_low <= 0 <= e.ci_high:
            reasons.append(
                "the two groups differed before the start as well, by "
                f"{number(e.value, e.ci_low, e.ci_high)}"
            )
        elif not np.isfinite(e.value) and not reasons:
            reasons.append(f"the check on the time before could not be made: {placebo.why}")
    if reasons:
        nothing = Estimate(np.nan, np.nan, np.nan, found.contacted)
        return replace(
            found,
            estimate=nothing,
            similar_mean=np.nan,
            identification=NOT_IDENTIFIED,
            why="; ".join(reasons),
        )
    why = (
        "alike in what is recorded: "
        f"{number(found.effective_others, decimals=0)} effective others, "
        f"{percent(found.beyond_share, decimals=0)} of the contacted beyond their range"
    )
    if placebo is not None:
        e = placebo.estimate
        why += f", no difference before the start ({number(e.value, e.ci_low, e.ci_high)})"
    return replace(found, why=why)
