"""The uplift curve and the area between it and random order: Qini."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from promolab.errors import InputError, nearest
from promolab.metrics.uplift._curves import (
    NO_ORDER,
    gain_curve,
    influence,
    overall_estimate,
    qini_area,
    ratio,
    spread_of,
    spreads_by_rows,
    spreads_by_runs,
)
from promolab.metrics.uplift._inputs import (
    UpliftMeasure,
    check_uplift,
    check_uplift_score,
    effects_of,
    ranking_of,
)
from promolab.metrics.uplift.conventions import CONVENTIONS
from promolab.results import Estimate
from promolab.stats import around, two_sided
from promolab.wording import decimals_for, number

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class QiniComparison(UpliftMeasure):
    """Qini (or AUTOC) of two scores on the same rows, and the difference.

    Parameters
    ----------
    estimate, std_error
        ``a`` − ``b``, in outcome per customer, also as ``difference, ci_low, ci_high``.
    p_value : float
        Two-sided, of no difference.
    qini_a, qini_b : float
        The two figures.
    weighting : str
        ``"qini"`` or ``"autoc"``.
    n, clusters, level, words
        As in `OfList`.
    """

    NAME = "difference"

    p_value: float
    qini_a: float
    qini_b: float
    weighting: str

    @property
    def difference(self) -> float:
        """The first less the second."""
        return self.value

    def summary(self) -> str:
        """Say the difference in words."""
        verdict = (
            "The first order finds them better"
            if self.ci_low > 0
            else "The second order finds them better"
            if self.ci_high < 0
            else "The two orders are the same"
            if self.std_error == 0
            else "The two orders cannot be told apart"
        )
        name = "Qini" if self.weighting == "qini" else "AUTOC"
        decimals = decimals_for(self.ci_low, self.ci_high)
        figures = [number(x, decimals=decimals) for x in (self.qini_a, self.qini_b)]
        if self.std_error == 0:
            return f"{verdict}: {name} {figures[0]} ({self.words})."
        points = number(*self.estimate.ends)
        return (
            f"{verdict}: {name} {figures[0]} against {figures[1]}, difference {points} "
            f"({self.words})."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the difference with its interval against 0."""
        from promolab import plots

        ends = ([end] for end in self.estimate.ends)
        ax = plots.intervals(["first − second"], *ends, reference=0.0, ax=ax)
        name = "Qini" if self.weighting == "qini" else "AUTOC"
        return plots.finish(
            ax,
            title=self.summary().split(":")[0],
            subtitle=f"difference of two orders' {name} on the same rows, "
            f"{self.level_words} interval · {self.words}",
            xlabel="difference, in outcome per customer",
        )


def compare_qini(
    y: ArrayLike | None,
    treated: ArrayLike | None,
    score_a: ArrayLike,
    score_b: ArrayLike,
    propensity: ArrayLike | None = None,
    *,
    weighting: str = "qini",
    gamma: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    level: float = 0.95,
) -> QiniComparison:
    """Difference of two scores' Qini (or AUTOC) on the same rows, paired.

    Parameters
    ----------
    y, treated, propensity, gamma, cluster, level
        As `qini`.
    score_a, score_b : array-like of shape (n,)
        The two scores, such as an uplift model's and a response model's.
    weighting : {"qini", "autoc"}
        What is compared.

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
    if weighting not in ("qini", "autoc"):
        raise InputError(f"weighting is {weighting!r}; {nearest(weighting, ('qini', 'autoc'))}")
    rows = check_uplift(y, treated, propensity, gamma, cluster, level)
    values, added = [], []
    for name, score in (("score_a", score_a), ("score_b", score_b)):
        ranking = ranking_of(check_uplift_score(score, rows, name), rows)
        value, parts = influence(effects_of(ranking, rows), weighting)
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
        weighting,
    )


# From so many independent rows on, so many rows are taken for one in the variance: it changes by
# FINE/n of itself. The figure itself is that of every row.
MANY_ROWS, FINE = 100_000, 16


@dataclass(frozen=True)
class Qini(UpliftMeasure):
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
    treated: int
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

    def summary(self) -> str:
        """Say in words whether the ranking beats random order."""
        effect = number(*self.effect.ends)
        if self.ci_low == self.ci_high == 0:
            return f"{NO_ORDER}; average effect {effect} ({self.words})."
        verdict = (
            "This order finds those whom the promotion changes"
            if self.ci_low > 0
            else "This order is worse than a random one"
            if self.ci_high < 0
            else "This order cannot be told from a random one"
        )
        name = "Qini" if self.convention == "radcliffe" else f"Qini as {self.convention} counts it"
        figure = number(*self.estimate.ends)
        return f"{verdict}: {name} {figure}, average effect {effect} ({self.words})."

    def plot(
        self, ax: Axes | None = None, *, label: str | None = None, colour: str | None = None
    ) -> Axes:
        """Draw the uplift curve with its band against random order; call again to add a model."""
        from promolab import plots

        first = ax is None or not ax.lines
        frame = self.curve
        name = label or ("this order" if first else "another order")
        ax = plots.curve(
            frame["share"],
            frame["gain"],
            low=frame["ci_low"],
            high=frame["ci_high"],
            label=f"{name} · Qini {number(*self.estimate.ends)}",
            colour=colour,
            ax=ax,
        )
        if first:
            ends = [0.0, self.effect.value]
            ax = plots.curve(
                [0, 1], ends, label="random order", colour=plots.MUTED, linestyle="--", ax=ax
            )
        ax.set(xlim=(0, 1))
        return plots.finish(
            ax,
            title=self.summary().split(":")[0] if first else "What each order gains",
            subtitle="gain per customer of the list by share contacted, pointwise "
            f"{self.level_words} band · {self.words}",
            xlabel="share of the list contacted, best first",
            ylabel="gain per customer of the list",
            percent_x=True,
        )


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
    if customers is None and rows.n > MANY_ROWS:
        effects = effects.coarse(FINE)
        spreads, both = spreads_by_runs(effects)
    else:
        spreads, both = spreads_by_rows(effects, customers)
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
        0 if rows.treated is None else int(np.count_nonzero(rows.treated)),
        curve,
    )
