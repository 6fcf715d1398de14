"""Rank-weighted average effects: TOC, AUTOC and Qini's weighting."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.metrics.uplift._curves import (
    NO_ORDER,
    estimate_of,
    gain_curve,
    influence,
    overall_estimate,
    overall_influence,
    spread_of,
)
from promolab.metrics.uplift._inputs import (
    Effects,
    check_uplift,
    check_uplift_score,
    effects_of,
    ranking_of,
)
from promolab.results import Estimate, Result, plain
from promolab.wording import number, percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Rate(Result):
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
    n, clusters : int
        Rows and independent units.
    level : float
        Confidence level.
    """

    autoc: float
    autoc_ci_low: float
    autoc_ci_high: float
    qini: float
    qini_ci_low: float
    qini_ci_high: float
    effect: Estimate
    estimator: str
    n: int
    clusters: int
    level: float
    words: str = field(repr=False)
    toc: pd.DataFrame = field(repr=False)

    @property
    def value(self) -> float:
        """AUTOC, under the name that all estimates share."""
        return self.autoc

    @property
    def ci_low(self) -> float:
        """Lower end of AUTOC's interval."""
        return self.autoc_ci_low

    @property
    def ci_high(self) -> float:
        """Upper end of AUTOC's interval."""
        return self.autoc_ci_high

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

    def to_dict(self) -> dict[str, Any]:
        """Return values, intervals and counts as plain values."""
        shown = {k: v for k, v in super().to_dict().items() if k != "words"}
        return {"value": plain(self.autoc), **shown, "effect": self.effect.to_dict()}

    def summary(self) -> str:
        """Say in words whether the top gains more than the average."""
        effect = number(*self.effect.ends)
        if self.autoc_ci_low == self.autoc_ci_high == 0:
            return f"{NO_ORDER}; average effect {effect} ({self.words})."
        verdict = (
            "Those on top gain more from the promotion than the average customer"
            if self.autoc_ci_low > 0
            else "Those on top gain less from the promotion than the average customer"
            if self.autoc_ci_high < 0
            else "It is not known whether those on top gain more than the average customer"
        )
        area = number(self.autoc, self.autoc_ci_low, self.autoc_ci_high)
        other = number(self.qini, self.qini_ci_low, self.qini_ci_high)
        return f"{verdict}: AUTOC {area}, Qini {other}, average effect {effect} ({self.words})."

    def plot(
        self, ax: Axes | None = None, *, label: str | None = None, colour: str | None = None
    ) -> Axes:
        """Draw the TOC with its band; call again to add a model."""
        from promolab import plots

        first = ax is None or not ax.lines
        # Above a twentieth a few rows decide, and the band would hide all the rest.
        cut = len(self.toc) > 20
        frame = self.toc[self.toc["share"] >= 0.05] if cut else self.toc
        area = number(self.autoc, self.autoc_ci_low, self.autoc_ci_high)
        name = label or ("this order" if first else "another order")
        ax = plots.curve(
            frame["share"],
            frame["toc"],
            low=frame["ci_low"],
            high=frame["ci_high"],
            label=f"{name} · AUTOC {area}",
            colour=colour,
            ax=ax,
        )
        if first:
            plots.curve(
                [0, 1], [0, 0], label="random order", colour=plots.MUTED, linestyle="--", ax=ax
            )
        ax.set(xlim=(0, 1))
        return plots.finish(
            ax,
            title=self.summary().split(":")[0] if first else "What those on top gain more",
            subtitle="effect among the top less the average effect, per customer (TOC"
            + (", from 5 % on" if cut else "")
            + f"), pointwise {percent(self.level, decimals=0)} band · {self.words}",
            xlabel="share of the list contacted, best first",
            ylabel="effect above the average",
            percent_x=True,
        )


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
        estimate_of(*influence(effects, weighting), customers, rows)
        for weighting in ("autoc", "qini")
    )
    overall = spread_of(overall_influence(effects) / rows.n, customers)
    return Rate(
        autoc.value,
        autoc.ci_low,
        autoc.ci_high,
        area.value,
        area.ci_low,
        area.ci_high,
        overall_estimate(float(effects.effect[-1]), overall, rows),
        "difference in means" if rows.gamma is None else "AIPW scores",
        rows.n,
        rows.clusters,
        rows.level,
        rows.words,
        _toc(effects, customers, rows.level),
    )


def _toc(effects: Effects, cluster: np.ndarray | None, level: float) -> pd.DataFrame:
    import pandas as pd

    frame = gain_curve(effects, cluster, level).iloc[1:]
    share = frame["share"]
    names = {"toc": "above", "ci_low": "above_low", "ci_high": "above_high"}
    columns = {name: frame[column] / share for name, column in names.items()}
    return pd.DataFrame({"share": share, **columns}).reset_index(drop=True)
