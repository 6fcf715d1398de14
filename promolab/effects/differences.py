"""The difference between two groups of customers, made by chance or adjusted for what is known.

`compare_arms` reads arms that chance made. `adjusted_difference` compares the contacted with others
like them: doubly robust (AIPW), for the average contacted customer, cross-fitted, judged by stated
rules; what is found is a difference between customers alike in what is recorded, never proof of an
effect. `promolab.UpliftModel` has the same score for everybody who could have got an arm.

Where the three differ, it is on purpose. Means of arms have Welch's interval, scores Student's
(Satterthwaite), the adjusted difference the normal one of its influence function: it is refused
below 50 customers in a group, where that would be too narrow. Its chances are not clipped: the
contacted whom nobody is like are counted (`BEYOND`), and too many of them refuse it; an uplift
model of several arms raises the lowest. Balance is counted in standard deviations
of the contacted, whom the difference is about; between an experiment's arms in those of everybody.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import aligned, along, choice, column_of
from promolab.effects.checks import largest_gap
from promolab.effects.identification import arm_code
from promolab.effects.learners.aipw import cross_fit, on_treated, worth
from promolab.effects.learners.base_learners import Logistic
from promolab.effects.learners.linear import ridge
from promolab.errors import InputError, nearest
from promolab.language import _
from promolab.results import Estimate, Result, words_of
from promolab.stats import (
    Dominant,
    difference_of,
    dominant_of,
    normal_quantile,
    two_sided,
    units_of,
)

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike


RANDOMISED, ADJUSTED, NOT_IDENTIFIED = "randomised", "adjusted", "not identified"

# Contacted, others, and others that count after weighting: below, a normal interval lies.
FEWEST_COMPARED = 50
SMALLEST_SHARE = 0.1  # … of the contacted: otherwise a few others stand for a crowd
BEYOND = 0.05  # share of the contacted unlike any other customer: more is extrapolation
IMBALANCE = 0.1  # standard deviations; the usual bar (Austin 2009, Statistics in Medicine 28)
FOLDS = 5
L2 = 1.0  # a little, for near-collinear features; the two models mend each other's shrinkage
FAR_OUT = 0.99  # quantile from which past spend says no more about future spend
SHARE, MEAN = "share", "mean"


@dataclass(frozen=True)
class Difference(Result):
    """Mean outcome of one group of customers less that of another.

    By `compare_arms` of arms that chance made, by `adjusted_difference` of the contacted and of
    others like them.

    Parameters
    ----------
    estimate : Estimate
        The difference, in the outcome's unit or of shares (0–1), with its interval; ``n`` is the
        rows of both arms, or the contacted. nan where ``identification`` is ``not identified``.
    identification, why : str
        ``randomised``, ``adjusted`` or ``not identified``, and the reason in words.
    contacted, others : int
        Customers (rows) in the two groups; if randomised, those assigned and those held back.
    treated, control : Estimate or None
        The two means: of the contacted and of what similar customers had; with intervals if
        randomised.
    p_value : float
        Two-sided, of no difference; nan of shares, whose interval is no multiple of an error.
    arms : tuple of str
        What the groups are called.
    kind : str
        ``share`` or ``mean``.
    clusters : int
        Independent units in both groups.
    level : float
        Confidence level.
    correlation : float
        Of outcome and earlier figure within the arms; 0 without one.
    dominant : Dominant or None
        Of means, the one customer who makes up most of the variance, and what is found without.
    scores : ndarray of shape (clusters,)
        What each unit adds to the difference's error, in the order of their first rows.
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
    treated: Estimate | None = None
    control: Estimate | None = None
    p_value: float = math.nan
    arms: tuple[str, str] = ("contacted", "similar")
    kind: str = MEAN
    clusters: int = 0
    level: float = 0.95
    correlation: float = 0.0
    dominant: Dominant | None = None
    scores: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False, compare=False)
    effective_others: float = math.nan
    beyond_share: float = math.nan
    imbalance: float = math.nan
    placebo: Estimate | None = None

    @property
    def identified(self) -> bool:
        """Whether the rules let the difference be shown."""
        return self.identification in (RANDOMISED, ADJUSTED)

    @property
    def contacted_mean(self) -> float:
        """Mean outcome of the contacted."""
        return math.nan if self.treated is None else self.treated.value

    @property
    def similar_mean(self) -> float:
        """Mean outcome of those they are compared with; nan if not identified."""
        return math.nan if self.control is None else self.control.value

    def to_frame(self) -> pd.DataFrame:
        """Return one row a group with a mean, and one of the difference."""
        import pandas as pd

        parts = dict(zip(self.arms, (self.treated, self.control), strict=True))
        parts |= {"difference": self.estimate}
        return pd.DataFrame([{"what": k} | e.to_dict() for k, e in parts.items() if e is not None])

    def to_dict(self) -> dict[str, Any]:
        """Return value, ci_low, ci_high, n and what the difference rests on, ready for JSON."""
        return self.estimate.to_dict() | super().to_dict()

    def facts(self) -> dict[str, Any]:
        """Return which sentence tells it, and what the figure draws."""
        e, (treated, control) = self.estimate, map(arm_code, self.arms)
        state = "known" if self.identified and math.isfinite(e.value) else "unidentified"
        if self.identification == RANDOMISED and self.treated and self.control:
            state = "arms"
        return {
            "state": state,
            "treated_arm": treated,
            "control_arm": control,
            "unsure": not (e.ci_low > 0 or e.ci_high < 0),
            "weight": self.weight_of_one(),
        }

    def weight_of_one(self) -> str:
        """Say if one unit makes up most of the variance, and what is found without it."""
        if self.dominant is None:
            return ""
        told = self.dominant.words().rstrip(".。")
        return _("; ") + told[:1].lower() + told[1:]


def adjusted_difference(
    outcome: ArrayLike,
    contacted: ArrayLike,
    covariates: ArrayLike,
    customers: ArrayLike,
    *,
    balance: ArrayLike | None = None,
    placebo: Difference | None = None,
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
        Shapes that do not fit, or values that are not finite.

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
    customers = along(outcome, customers, "customers", "outcome")
    y, a, X, b = _checked(
        *aligned(outcome=outcome, contacted=contacted, covariates=covariates, balance=balance)
    )
    n1, n0 = int(a.sum()), int((~a).sum())
    if min(n1, n0) < FEWEST_COMPARED:
        counts = {"contacted": n1, "others": n0, "needed": FEWEST_COMPARED}
        why = words_of(__name__, "judged", **counts).say("few")
        return replace(not_identified(why, n1, n0), treated=_mean_of(y[a]))
    fold = _folds(customers)
    chance = cross_fit(fold, X, lambda rows: Logistic.fit(X[rows], a[rows], L2, tol=1e-12))
    # Of a chance that rounds to 1 the odds would be infinite; the rules reject it anyway.
    chance = np.minimum(chance, 1 - 1e-12)
    expected = cross_fit(fold, X, lambda rows: ridge(X[rows], y[rows], penalty=L2), ~a)
    odds, rest = np.where(a, 0.0, chance / (1 - chance)), y - expected
    value, added = on_treated(rest, a, odds)
    error, z = float(np.sqrt((added**2).sum())), normal_quantile(level)
    mean = _mean_of(y[a])
    sides = ADJUSTED, "", n1, n0, mean, Estimate(mean.value - value, math.nan, math.nan, n0)
    found = Difference(
        Estimate(value, value - z * error, value + z * error, n1),
        *sides,
        two_sided(value, error),
        clusters=n1 + n0,
        level=level,
        scores=added,
        effective_others=worth(odds),
        beyond_share=float((chance[a] > chance[~a].max()).mean()),
        imbalance=largest_gap(b, a, odds),
        placebo=placebo.estimate if placebo else None,
    )
    judged = _judged(found, placebo)

    def without(kept: np.ndarray) -> Estimate:
        # The models stand: one customer of many hardly moves them.
        left, influence = on_treated(rest[kept], a[kept], odds[kept])
        half = z * float(np.sqrt((influence**2).sum()))
        return Estimate(left, left - half, left + half, int(a[kept].sum()))

    dominant = dominant_of(added, None, without) if judged.identified else None
    judged = replace(judged, dominant=dominant)
    return replace(judged, why=judged.why + judged.weight_of_one())


def not_identified(why: str, contacted: int, others: int = 0) -> Difference:
    """Return a difference without a figure, and the reason."""
    nothing = Estimate(np.nan, np.nan, np.nan, contacted)
    return Difference(nothing, NOT_IDENTIFIED, why, contacted, others)


def _mean_of(values: np.ndarray) -> Estimate:
    mean = float(values.mean()) if len(values) else math.nan
    return Estimate(mean, math.nan, math.nan, len(values))


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


def _folds(customers: ArrayLike) -> np.ndarray:
    import pandas as pd

    # As text, so that 7 and "7" fall into the same fold whatever the source's type.
    ids = pd.Series(np.asarray(customers)).astype(str).astype(object)
    hashed = pd.util.hash_pandas_object(ids, index=False).to_numpy()
    return (hashed % np.uint64(FOLDS)).astype(int)


def _judged(found: Difference, placebo: Difference | None) -> Difference:
    needed = max(FEWEST_COMPARED, SMALLEST_SHARE * found.contacted)
    before = None if placebo is None else placebo.estimate
    words = words_of(
        __name__, "judged", effective=found.effective_others, others=found.others, needed=needed,
        beyond=found.beyond_share, gap=found.imbalance, gap_most=IMBALANCE, before=before,
        unmade=placebo.why if placebo else "",
    )  # fmt: skip
    failed = {
        "too_few": found.effective_others < needed,
        "unlike": found.beyond_share > BEYOND,
        "apart": found.imbalance > IMBALANCE,
    }
    if before is not None and math.isfinite(before.value):
        failed["differed"] = not before.ci_low <= 0 <= before.ci_high
    elif before is not None:
        failed["unchecked"] = not any(failed.values())
    if any(failed.values()):
        nothing = Estimate(np.nan, np.nan, np.nan, found.contacted)
        why = words.joined([words.say(name) for name, so in failed.items() if so], "each")
        return replace(
            found, estimate=nothing, identification=NOT_IDENTIFIED, why=why, control=None
        )
    return replace(found, why=words.say("alike"))


KINDS = ("share", "mean")


def compare_arms(
    outcome: ArrayLike,
    arm: ArrayLike,
    *,
    control: str = "holdout",
    treated: str | None = None,
    cluster: ArrayLike | None = None,
    weight: ArrayLike | None = None,
    earlier: ArrayLike | None = None,
    kind: str | None = None,
    level: float = 0.95,
) -> Difference:
    """Difference between a randomised arm and its control, read by assignment.

    Every customer counts in the arm that was assigned, whatever was sent; one who bought nothing
    has the outcome 0.

    Parameters
    ----------
    outcome : array-like of shape (n,)
        Booleans, 0 and 1, or amounts.
    arm : array-like of shape (n,)
        The arm of each row, such as ``arm`` of `promolab.abtest.Assignment`.
    control : str
        The arm to compare with.
    treated : str, optional
        The other arm; needed where there are more than two.
    cluster : array-like of shape (n,), optional
        Which rows were assigned together (the household), or belong to one customer.
    weight : array-like of shape (n,), optional
        Above 0. Where chances of the arms differ between customers, the inverse of the chance of
        the arm that each got: the means are Hájek's.
    earlier : array-like of shape (n,), optional
        A figure of each row from before the arms were drawn, such as earlier sales: the difference
        is adjusted for it (CUPED), and its variance falls by the square of their correlation.
    kind : {"share", "mean"}, optional
        By default ``share`` where every outcome is 0 or 1, else ``mean``. Say ``mean`` for amounts
        that may all be 0.
    level : float
        Confidence level.

    Returns
    -------
    Difference

    Notes
    -----
    Shares: Newcombe's interval of the difference from Wilson's intervals of the two shares, at the
    sample sizes that clustering leaves. With 10 % held back (50 to 500 customers) and rates of
    1–15 % it covers 95–96.2 % over customers like these, where the usual (Wald) interval drops to
    60 %. Over draws of the same customers the steps are coarse where few have the outcome (92 %
    with 5 of 500), and an effect that is large against the rate is covered more often. Means:
    Welch's t interval, with clusters that of the clustered sandwich variance (Satterthwaite's
    degrees of freedom over clusters); `promolab.stats.difference` has the formulas. A cluster in
    both arms, as when a customer is drawn anew each week, enters with its covariance. Where one
    unit makes up more than half of the variance it is said, with the difference without it.

    Raises
    ------
    InputError
        Missing outcomes or arms, an unknown or single arm, fewer than two clusters in an arm, or
        shares that are not 0 and 1.

    References
    ----------
    Newcombe (1998), Statistics in Medicine 17, method 10; Zou & Donner (2008), Statistics in
    Medicine 27 (with covariance); Welch (1947), Biometrika 34; Satterthwaite (1946); Deng, Xu,
    Kohavi & Walker (2013), WSDM (CUPED); Hájek (1971).

    Examples
    --------
    >>> arm = ["holdout"] * 100 + ["send"] * 900
    >>> bought = [1] * 5 + [0] * 95 + [1] * 99 + [0] * 801
    >>> found = compare_arms(bought, arm)
    >>> e = found.estimate
    >>> round(e.value, 3), round(e.ci_low, 3), round(e.ci_high, 3)
    (0.06, -0.005, 0.096)
    """
    outcome, arm, cluster, weight, earlier = aligned(
        outcome=outcome, arm=arm, cluster=cluster, weight=weight, earlier=earlier
    )
    y = _numbers(outcome, "outcome")
    is_share = _is_share(y, kind)
    control, treated = arm_name(control), None if treated is None else arm_name(treated)
    codes, treated_arm = _checked_arms(arm, len(y), control, treated)
    unit = np.arange(len(y))
    if cluster is not None:
        unit = units_of(column_of("cluster", cluster, len(y), "outcome"))
    beside = {
        name: None if values is None else _numbers(values, name, len(y))
        for name, values in (("weight", weight), ("earlier", earlier))
    }
    if is_share and earlier is not None:
        raise InputError("earlier figures adjust means: say kind='mean', or leave them out")
    kept = codes >= 0
    y, mine = y[kept], codes[kept] == 1
    beside = {name: None if v is None else v[kept] for name, v in beside.items()}
    unit = np.unique(unit[kept], return_inverse=True)[1]
    for side, name in ((mine, treated_arm), (~mine, control)):
        if (units := len(np.unique(unit[side]))) < 2:
            raise InputError(
                f"arm {name!r} has {units} independent unit ({int(side.sum())} rows); an interval "
                "needs at least 2"
            )
    found = difference_of(y, mine, unit, level, share=is_share, **beside)
    e, one, other = found.estimate, found.treated, found.control
    assert one is not None and other is not None
    return Difference(
        e,
        *(RANDOMISED, "", one.n, other.n, one, other),
        math.nan if is_share else two_sided(e.value, found.std_error, found.degrees),
        (treated_arm, control),
        SHARE if is_share else MEAN,
        int(unit.max()) + 1,
        level,
        found.correlation,
        found.dominant,
        found.scores,
    )


def _numbers(values: ArrayLike, name: str, n: int | None = None) -> np.ndarray:
    """Return outcomes, weights or earlier figures: finite, one per row; weights above 0."""
    column = column_of(name, values, n, "outcome")
    try:
        found = column.to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError):
        raise InputError(f"{name} holds {column.iloc[0]!r}; expected numbers") from None
    if wrong := int(np.count_nonzero(~np.isfinite(found))):
        raise InputError(
            f"{name} has {wrong:,} missing or infinite values of {len(found):,}"
            + ("; all who were assigned count: one who did nothing has 0" * (name == "outcome"))
        )
    if name == "weight" and not (found > 0).all():
        raise InputError(f"weight holds {found.min():g}; weights are above 0, such as 1 ÷ chance")
    return found


def _is_share(y: np.ndarray, kind: str | None) -> bool:
    if kind is not None:
        choice("kind", kind, (SHARE, MEAN))
    if kind == MEAN:
        return False
    other = y[(y != 0) & (y != 1)]
    if kind == SHARE and len(other):
        raise InputError(f"outcome holds {other[0]:g}; a share is made of 0 and 1")
    return not len(other)


def _checked_arms(
    arm: ArrayLike, n: int, control: str, treated: str | None
) -> tuple[np.ndarray, str]:
    """Return 1 for the treated arm, 0 for the control, −1 for others, and the treated's name."""
    import pandas as pd

    column = column_of("arm", arm, n, "outcome")
    codes, found = pd.factorize(column)
    if missing := int(np.count_nonzero(codes < 0)):
        raise InputError(f"arm has {missing:,} missing values of {n:,}; every row was assigned")
    names = [arm_name(name) for name in found]
    if control not in names:
        raise InputError(f"arm has no {control!r}: {nearest(str(control), names)}")
    others = sorted(set(names) - {control})
    if treated is None and len(others) != 1:
        rest = f"besides {control!r} it has {', '.join(others) or 'no other'}"
        raise InputError(f"arm needs one arm to compare: {rest}; name it as treated=")
    if treated is not None and treated not in others:
        raise InputError(f"arm has no {treated!r} besides: {nearest(str(treated), others)}")
    name = treated if treated is not None else others[0]
    sides = np.array([1 if one == name else 0 if one == control else -1 for one in names])
    return sides[codes], name


def arm_name(arm: Any) -> str:
    """Return an arm as text; stored as a float, 1.0, it is 1.

    Examples
    --------
    >>> arm_name(1.0), arm_name("send")
    ('1', 'send')
    """
    whole = isinstance(arm, (float, np.floating)) and float(arm).is_integer()
    return str(int(arm) if whole else arm)
