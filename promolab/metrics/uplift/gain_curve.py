"""Curves down a ranked list: uplift and Qini, TOC and AUTOC."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.errors import InputError, nearest
from promolab.metrics._inputs import Drawn, HasEstimate
from promolab.metrics.uplift._curves import (
    CONVENTIONS,
    gain_curve,
    influence,
    overall_estimate,
    overall_influence,
    qini_area,
    ratio,
    spread_of,
    spreads_of,
)
from promolab.metrics.uplift._inputs import (
    OfList,
    UpliftMeasure,
    check_uplift,
    check_uplift_score,
    effects_of,
    ranking_of,
)
from promolab.results import Estimate
from promolab.stats import around, estimate_of, two_sided

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike


def verdict_of(area: Estimate) -> str:
    """Return `Estimate.side`; ``tied`` where scores or outcomes are all equal."""
    return "tied" if area.ci_low == area.ci_high == 0 else area.side


@dataclass(frozen=True)
class QiniComparison(UpliftMeasure):
    """Qini of two scores on the same rows, and the difference.

    Parameters
    ----------
    estimate, std_error
        ``a`` − ``b``, in outcome per customer, also as ``difference, ci_low, ci_high``.
    p_value : float
        Two-sided, of no difference.
    qini_a, qini_b : float
        The two figures.
    n, treated, clusters, level
        As in `OfList`.
    """

    NAME = "difference"

    p_value: float
    qini_a: float
    qini_b: float

    @property
    def difference(self) -> float:
        """The first less the second."""
        return self.value

    def facts(self) -> dict[str, Any]:
        """Return which order finds more, or that they are the same."""
        return {"ranking": "same" if self.std_error == 0 else self.estimate.side}


def compare_qini(
    y: ArrayLike | None,
    treated: ArrayLike | None,
    score_a: ArrayLike,
    score_b: ArrayLike,
    propensity: ArrayLike | None = None,
    *,
    gamma: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    level: float = 0.95,
) -> QiniComparison:
    """Difference of two scores' Qini on the same rows, paired.

    Parameters
    ----------
    y, treated, propensity, gamma, cluster, level
        As `qini`.
    score_a, score_b : array-like of shape (n,)
        The two scores, such as an uplift model's and a response model's.

    Returns
    -------
    QiniComparison

    Raises
    ------
    InputError
        As `qini`.

    Notes
    -----
    The variance is that of the difference of the two influence functions: what both rankings owe
    to the same outcomes cancels, so the interval is narrower than those of the two figures
    suggest.

    Examples
    --------
    >>> import numpy as np
    >>> effect = np.arange(100.0)
    >>> result = compare_qini(None, None, effect, -effect, gamma=effect)
    >>> result.difference > 0, result.ci_low > 0
    (True, True)
    """
    rows = check_uplift(y, treated, propensity, gamma, cluster, level)
    values, added = [], []
    for name, score in (("score_a", score_a), ("score_b", score_b)):
        ranking = ranking_of(check_uplift_score(score, rows, name), rows)
        value, parts = influence(effects_of(ranking, rows), "qini")
        values.append(value)
        added.append(ranking.restored(parts))
    difference = values[0] - values[1]
    spread = spread_of((added[0] - added[1]) / rows.n, rows.cluster)
    return QiniComparison(
        *rows.told,
        Estimate(difference, *around(difference, spread, level), rows.n),
        spread.std_error,
        two_sided(difference, spread.std_error, spread.degrees),
        values[0],
        values[1],
    )


@dataclass(frozen=True)
class Qini(Drawn, UpliftMeasure):
    """Gain of contacting the top of a ranked list, and Qini.

    Parameters
    ----------
    estimate, std_error
        The figure of `convention`, also as ``qini, ci_low, ci_high``. Of ``"radcliffe"``: outcome
        per customer of the list that the ranking adds to random order, averaged over all depths.
    effect : Estimate
        Average effect of contacting everyone, in outcome per customer.
    relative : Estimate
        Area between curve and random order ÷ average effect, with Fieller's interval; without
        bounds where the sign of the average effect is not known. At most about 0.5 where nobody is
        harmed.
    curve : DataFrame
        ``share, gain, ci_low, ci_high, above, above_low, above_high``: share of the list
        contacted, gain per customer of the whole list, and how far it lies above random order;
        pointwise intervals. The same under every convention.
    convention, estimator : str
        Whose figure it is; how effects were estimated.
    n, treated, clusters : int
        Rows, treated ones (0 where scores were given), independent units.
    level : float
        Confidence level.
    """

    NAME = "qini"

    effect: Estimate
    relative: Estimate
    convention: str
    estimator: str
    curve: pd.DataFrame = field(repr=False)

    @property
    def qini(self) -> float:
        """The figure."""
        return self.value

    def at(self, share: float) -> Estimate:
        """Return the gain per customer of the list when the top ``share`` of it is contacted.

        Parameters
        ----------
        share : float
            Share of the list, 0–1; straight between the points of the curve.

        Raises
        ------
        InputError
            If the share lies outside.
        """
        if not 0 <= share <= 1:
            raise InputError(f"share is {share}; give a share of the list between 0 and 1")
        x = self.curve["share"]
        ends = [float(np.interp(share, x, self.curve[c])) for c in ("gain", "ci_low", "ci_high")]
        return Estimate(ends[0], ends[1], ends[2], round(share * self.n))

    def to_frame(self) -> pd.DataFrame:
        """Return `curve`."""
        return self.curve

    def to_dict(self) -> dict[str, Any]:
        """Return value, interval, counts and all other figures as plain values."""
        return super().to_dict() | {"treated": self.treated}

    def facts(self) -> dict[str, Any]:
        """Return which way the order lies of a random one, and that one's line."""
        import pandas as pd

        line = pd.DataFrame({"x": [0.0, 1.0], "y": [0.0, self.effect.value]})
        return {"verdict": verdict_of(self.estimate), "random_order": line}


def qini(
    y: ArrayLike | None,
    treated: ArrayLike | None,
    score: ArrayLike,
    propensity: ArrayLike | None = None,
    convention: str = "radcliffe",
    *,
    gamma: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    level: float = 0.95,
) -> Qini:
    """Uplift curve of a ranking, and Qini with its interval.

    Parameters
    ----------
    y : array-like of shape (n,)
        The outcome: 0/1, or an amount of money.
    treated : array-like of shape (n,)
        Who was assigned the promotion, 0/1 or booleans, decided at random.
    score : array-like of shape (n,)
        Higher is contacted first. It must come from a model that has not seen these outcomes.
        Equal scores are one step of the curve, so the order of the rows does not matter.
    propensity : float or array-like of shape (n,), optional
        Chance of treatment. By default the same for everyone: the share treated.
    convention : {"radcliffe", "causalml", "scikit-uplift"}
        Whose figure `qini` is; the notes say what each measures and when it misleads.
    gamma : array-like of shape (n,), optional
        Ready AIPW scores (see `aipw_scores`) instead of ``y``, ``treated`` and ``propensity``,
        which are None then.
    cluster : array-like of shape (n,), optional
        Which rows belong together (the customer).
    level : float
        Confidence level.

    Returns
    -------
    Qini

    Raises
    ------
    InputError
        If lengths differ, values are missing, an arm is empty, a propensity is outside (0, 1), or
        a convention cannot be had of these data.

    Notes
    -----
    The gain is g(φ) = φ·(mean outcome of the treated − of the control, among the top φ); with a
    propensity that varies, or with ``gamma``, the mean of the AIPW scores over all rows, those
    below the top counted as 0. Qini is ∫₀¹ (g(φ) − φ·g(1)) dφ = ∫ q·TOC(q) dq, in outcome per
    customer. The variance is that of the influence function (derivative by the weight of each
    row, the cuts' own movement included), summed within clusters; the interval uses Student's
    quantile with Satterthwaite's degrees of freedom: few where few rows make up most of the
    variance, as with money.

    **radcliffe** — the area above, unnormalised. In the outcome's own unit, so it compares
    rankings of the same customers, not experiments of different size of effect; for that divide by
    the effect (`relative`) and keep its interval in mind.

    **causalml** — ``qini_score`` (0.18): mean of y_t − y_c·n_t/n_c down the list less the straight
    line, divided by the absolute value of its end. About Radcliffe's ÷ the average effect's size:
    it explodes and loses its meaning where the average effect is near 0, which is where targeting
    matters most. Tied scores keep an order that depends on the rows' order, so a constant score
    does not give 0. Propensities are ignored.

    **scikit-uplift** — ``qini_auc_score`` (0.5): the same curve, ties grouped, divided by the area
    of a "perfect" ranking that knows which treated would respond. Binary outcomes only. Nobody can
    reach that ranking, so good models show small figures, and the divisor changes with the
    response rate: 0.05 here and 0.05 there are not equally good.

    References
    ----------
    Radcliffe & Surry (2011), "Real-world uplift modelling with significance-based uplift trees";
    Yadlowsky et al. (2021), arXiv 2111.07966; Fieller (1954), JRSS B 16(2).

    Examples
    --------
    >>> y = [1, 0, 1, 1, 0, 1, 0, 0]
    >>> treated = [1, 0, 1, 0, 1, 0, 1, 0]
    >>> result = qini(y, treated, score=[8, 7, 6, 5, 4, 3, 2, 1])
    >>> result.qini > 0, result.effect.value, float(result.curve["gain"].max())
    (True, 0.0, 0.375)
    """
    if convention not in CONVENTIONS:
        raise InputError(f"convention is {convention!r}; {nearest(convention, CONVENTIONS)}")
    rows = check_uplift(y, treated, propensity, gamma, cluster, level)
    values = check_uplift_score(score, rows)
    effects = effects_of(ranking_of(values, rows), rows)
    value = qini_area(effects)
    customers = effects.ranking.listed(rows.cluster)
    spreads, both = spreads_of(effects, customers)
    spread = spreads[0]
    average = float(effects.effect[-1])
    effect = overall_estimate(average, spreads[1], rows)
    relative = ratio(value, average, spreads, both, rows)
    curve = gain_curve(effects, customers, level)
    curve.loc[len(curve) - 1, ["ci_low", "ci_high"]] = effect.ci_low, effect.ci_high
    if (converted := CONVENTIONS[convention]) is not None:
        value, added = converted(rows, values)
        spread = spread_of(added / rows.n, rows.cluster)
    return Qini(
        *rows.told,
        Estimate(value, *around(value, spread, level), rows.n),
        spread.std_error,
        effect,
        relative,
        convention,
        "difference in means" if rows.gamma is None else "AIPW scores",
        curve,
    )


@dataclass(frozen=True)
class Rate(HasEstimate, OfList):
    """How much more those on top of a ranked list gain than the average customer.

    Parameters
    ----------
    autoc, autoc_ci_low, autoc_ci_high : float
        Area under the TOC, with its interval, in outcome per customer.
    qini, qini_ci_low, qini_ci_high : float
        The same with the depth as weight.
    effect : Estimate
        Average effect of contacting everyone.
    toc : DataFrame
        ``share, toc, ci_low, ci_high``: effect among the top less the average effect, by depth,
        with pointwise intervals.
    estimator : str
        How effects were estimated.
    n, treated, clusters, level
        As in `OfList`.
    """

    autoc: float
    autoc_ci_low: float
    autoc_ci_high: float
    qini: float
    qini_ci_low: float
    qini_ci_high: float
    effect: Estimate
    estimator: str
    toc: pd.DataFrame = field(repr=False)

    @property
    def estimate(self) -> Estimate:
        """AUTOC."""
        return self.estimates["autoc"]

    @property
    def estimates(self) -> dict[str, Estimate]:
        """Both areas as estimates."""
        return {
            "autoc": Estimate(self.autoc, self.autoc_ci_low, self.autoc_ci_high, self.n),
            "qini": Estimate(self.qini, self.qini_ci_low, self.qini_ci_high, self.n),
        }

    def to_frame(self) -> pd.DataFrame:
        """Return `toc`."""
        return self.toc

    def facts(self) -> dict[str, Any]:
        """Return both areas, and which way the order lies of a random one."""
        areas = self.estimates
        return {
            "area": areas["autoc"],
            "other": areas["qini"],
            "verdict": verdict_of(areas["autoc"]),
        }


def rate(
    y: ArrayLike | None,
    treated: ArrayLike | None,
    score: ArrayLike,
    propensity: ArrayLike | None = None,
    *,
    gamma: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    level: float = 0.95,
) -> Rate:
    """Rank-weighted average treatment effects: TOC, AUTOC, and Qini's weighting.

    Parameters
    ----------
    y, treated, score, propensity, gamma, cluster, level
        As `qini`.

    Returns
    -------
    Rate

    Raises
    ------
    InputError
        As `qini`.

    Notes
    -----
    TOC(q) = E[effect | top q] − average effect. AUTOC = ∫ TOC(q) dq asks most of the very top and
    finds effects that few customers have; QINI = ∫ q·TOC(q) dq weighs depths by the customers in
    them and finds effects that many have. Both are 0 for a random order, and for a constant score
    whatever the order of the rows. With τ = score ~ U(0, 1) they are 1/4 and 1/12. Estimation,
    ties and intervals are those of `qini`; the curve of gains is straight between rows, so
    AUTOC's integral is exact and its weight is 1/q once (causalml 0.18 has it twice).

    References
    ----------
    Yadlowsky, Fleming, Shah, Brunskill & Wager (2021), arXiv 2111.07966.

    Examples
    --------
    >>> import numpy as np
    >>> effect = (np.arange(10_000) + 0.5) / 10_000
    >>> result = rate(None, None, effect, gamma=effect)
    >>> round(result.autoc, 3), round(result.qini, 4)
    (0.25, 0.0833)
    """
    rows = check_uplift(y, treated, propensity, gamma, cluster, level)
    values = check_uplift_score(score, rows)
    effects = effects_of(ranking_of(values, rows), rows)
    customers = effects.ranking.listed(rows.cluster)
    autoc, area = (
        estimate_of(value, added / rows.n, customers, level)
        for value, added in (influence(effects, kind) for kind in ("autoc", "qini"))
    )
    overall = spread_of(overall_influence(effects) / rows.n, customers)
    curve = gain_curve(effects, customers, level).iloc[1:].reset_index(drop=True)
    names = {"above": "toc", "above_low": "ci_low", "above_high": "ci_high"}
    toc = curve[[*names]].div(curve["share"], axis=0).rename(columns=names)
    toc.insert(0, "share", curve["share"])
    return Rate(
        *rows.told,
        autoc.value,
        autoc.ci_low,
        autoc.ci_high,
        area.value,
        area.ci_low,
        area.ci_high,
        overall_estimate(float(effects.effect[-1]), overall, rows),
        "difference in means" if rows.gamma is None else "AIPW scores",
        toc,
    )
