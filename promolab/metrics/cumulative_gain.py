"""What contacting the top of a ranked list brings: capture, lift and response rate at any depth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import aligned, labels_of, level_of, numbers_of
from promolab.errors import InputError
from promolab.metrics._inputs import (
    Drawn,
    OnRows,
    codes_of,
    cut_influences,
    found_at,
    ranked_rows,
    rows_of,
)
from promolab.results import Estimate
from promolab.stats import cluster_sums, share_interval

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class LiftPoint:
    """The top of a list down to one depth.

    Parameters
    ----------
    depth : float
        Share of the list.
    rows : float
        Rows contacted; not whole where the depth cuts through a row or a tie.
    capture : Estimate
        Share of all positives that the top holds.
    lift : Estimate
        How many times as many positives as a random choice of the same size holds.
    rate : Estimate
        Share of positives in the top (the precision, or response rate).
    """

    depth: float
    rows: float
    capture: Estimate
    lift: Estimate
    rate: Estimate


@dataclass(frozen=True)
class Lift(Drawn, OnRows):
    """The gain curve of a ranked list.

    Parameters
    ----------
    depths, rows : ndarray of shape (depths,)
        Shares of the list, rising, and the rows that they are.
    capture, capture_low, capture_high : ndarray of shape (depths,)
        Share of the positives found, with its interval.
    rate, rate_low, rate_high : ndarray of shape (depths,)
        Share of positives among those contacted, with its interval.
    groups : int
        Lists that were ranked apart.
    n, positives, clusters, level
        The rows behind it.
    """

    depths: np.ndarray = field(repr=False)
    rows: np.ndarray = field(repr=False)
    capture: np.ndarray = field(repr=False)
    capture_low: np.ndarray = field(repr=False)
    capture_high: np.ndarray = field(repr=False)
    rate: np.ndarray = field(repr=False)
    rate_low: np.ndarray = field(repr=False)
    rate_high: np.ndarray = field(repr=False)
    groups: int

    @property
    def lift(self) -> np.ndarray:
        """Capture divided by depth; its interval is the capture's, divided likewise."""
        return np.asarray(self.capture / self.depths)

    def at(self, depth: float) -> LiftPoint:
        """Return capture, lift and rate at one depth, straight between the depths computed.

        Parameters
        ----------
        depth : float
            Share of the list, from the smallest depth computed up to 1.

        Raises
        ------
        InputError
            If the depth lies outside.
        """
        first, last = float(self.depths[0]), float(self.depths[-1])
        if not first - 1e-12 <= depth <= last + 1e-12:
            raise InputError(
                f"depth is {depth}; this curve runs from {first:.4g} to {last:.4g}, so ask "
                "inside or pass depths= to lift"
            )

        def read(values: np.ndarray) -> float:
            return float(np.interp(depth, self.depths, values))

        shares = [read(x) for x in (self.capture, self.capture_low, self.capture_high)]
        times = [share / depth for share in shares]
        rates = [read(x) for x in (self.rate, self.rate_low, self.rate_high)]
        rows = depth * self.n
        return LiftPoint(
            float(depth),
            rows,
            Estimate(shares[0], shares[1], shares[2], self.positives),
            Estimate(times[0], times[1], times[2], self.positives),
            Estimate(rates[0], rates[1], rates[2], round(rows)),
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row per depth: ``depth, rows``, then capture, lift and rate with intervals."""
        import pandas as pd

        columns: dict[str, Any] = {"depth": self.depths, "rows": self.rows}
        for end in ("", "_low", "_high"):
            columns[f"capture{end}"] = getattr(self, f"capture{end}")
            columns[f"lift{end}"] = getattr(self, f"capture{end}") / self.depths
            columns[f"rate{end}"] = getattr(self, f"rate{end}")
        return pd.DataFrame(columns)

    def facts(self) -> dict[str, Any]:
        """Return the top fifth (or the depth computed that is nearest to it), and the curve."""
        import pandas as pd

        ends = ("capture", "capture_low", "capture_high")
        columns = {name: np.append(0.0, getattr(self, name)) for name in ends}
        curve = pd.DataFrame({"depth": np.append(0.0, self.depths), **columns})
        apart = self.groups if self.groups > 1 else 0
        return {**vars(self._near(0.2)), "curve": curve, "apart": apart}

    def _near(self, depth: float) -> LiftPoint:
        inside = self.depths[0] <= depth <= self.depths[-1]
        return self.at(depth if inside else self.depths[np.abs(self.depths - depth).argmin()])

    def plot(
        self,
        ax: Axes | None = None,
        *,
        label: str = "",
        colour: str | None = None,
        depth: float = 0.2,
    ) -> Axes:
        """Draw the gain chart with its band; the title reads the curve at ``depth``."""
        return self._curve(ax, label, colour, **vars(self._near(depth)))


def lift(
    y_true: ArrayLike,
    y_score: ArrayLike,
    depths: ArrayLike | None = None,
    group: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    level: float = 0.95,
) -> Lift:
    """Gain curve: what share of the positives the top of the list holds, at each depth.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        The label: 0/1 or booleans; at least one positive.
    y_score : array-like of shape (n,)
        Higher is contacted first. A depth that cuts through equal scores takes of them the share
        that fits, which is what a random order among them gives on average.
    depths : array-like, optional
        Shares of the list in (0, 1], by default 0.01, 0.02, …, 1.
    group : array-like of shape (n,), optional
        Rank each group (promotion) as a list of its own, to the same depth, and add up.
    cluster : array-like of shape (n,), optional
        Which rows belong together (the customer).
    level : float
        Confidence level.

    Returns
    -------
    Lift

    Raises
    ------
    InputError
        If lengths differ, labels are not 0/1 or never 1, values are missing, or depths are outside
        (0, 1].

    Notes
    -----
    The variance is that of the influence function, summed within clusters: with q the share of a
    row that is contacted, C the capture, d the depth, r the response rate at the cut and m
    positives, a row adds (y(q − C) − r(q − d))/m; the second term is the cut's own variance. The
    interval is Wilson's at the sample size that the variance amounts to.

    References
    ----------
    Jiang & Zhao (2015), "On asymptotic distributions and confidence intervals for LIFT measures in
    data mining", JASA 110(512); Korn & Graubard (1998), Survey Methodology 24(2).

    Examples
    --------
    >>> result = lift([1, 0, 1, 0, 0, 0, 0, 0, 0, 0], [9, 8, 7, 6, 5, 4, 3, 2, 1, 0])
    >>> point = result.at(0.3)
    >>> point.capture.value, round(point.lift.value, 2), round(point.rate.value, 2)
    (1.0, 3.33, 0.67)
    """
    y_true, y_score, group, cluster = aligned(
        y_true=y_true, y_score=y_score, group=group, cluster=cluster
    )
    level_of(level)
    y = labels_of("y_true", y_true)
    score = numbers_of("y_score", y_score, len(y))
    if not y.any():
        raise InputError(
            f"y_true holds no positive ({len(y):,} rows, all 0); a lift needs at least one, so "
            "choose a period or a promotion with responses"
        )
    at = _checked_depths(depths)
    groups, names = codes_of(group, len(y), "group")
    clusters, customers = codes_of(cluster, len(y), "cluster")
    ranked = ranked_rows(y, score, groups, max(len(names), 1))
    found, slopes = found_at(ranked, at)
    n, positives = len(y), int(np.count_nonzero(y))
    capture, rows = found / positives, at * n
    rate = np.clip(found / rows, 0, 1)
    mine, units = ranked.listed(clusters), n if clusters is None else len(customers)
    spread = np.empty((2, len(at)))
    for k, depth in enumerate(at):
        for j, added in enumerate(cut_influences(ranked, depth, found[k], slopes[:, k])):
            spread[j, k] = np.square(cluster_sums(added, mine)).sum() * units / max(units - 1, 1)
    winners = positives if clusters is None else len(np.unique(clusters[y]))
    ends = share_interval(capture, spread[0], winners, level)
    full = at >= 1  # all of the list holds all of the positives, whatever the sample
    rate_ends = share_interval(rate, spread[1], at * units, level)
    return Lift(
        *rows_of(y, clusters, level),
        at,
        rows,
        capture,
        np.where(full, 1.0, ends[0]),
        np.where(full, 1.0, ends[1]),
        rate,
        rate_ends[0],
        rate_ends[1],
        max(len(names), 1),
    )


def _checked_depths(depths: ArrayLike | None) -> np.ndarray:
    if depths is None:
        return np.arange(1, 101) / 100
    try:
        at = np.unique(np.asarray(depths, dtype=float))
    except (TypeError, ValueError):
        at = np.empty(0)
    if not len(at) or not ((at > 0) & (at <= 1)).all():
        raise InputError(f"depths are {depths}; give shares of the list above 0 and up to 1")
    return at
