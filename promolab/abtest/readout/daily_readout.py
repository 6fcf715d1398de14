"""A running experiment, looked at every day: the interval that allows it, and one that does not."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from promolab.abtest.analysis.comparison import MEAN, SHARE
from promolab.abtest.analysis.rows import control_of
from promolab.abtest.sequential import EARLIEST, FEWEST, enough, multiplier
from promolab.checks import choice, columns_there, flag, level_of, real_number, whole_number
from promolab.errors import InputError
from promolab.results import Estimate, Result
from promolab.stats import normal_quantile
from promolab.wording import arm_words

MOMENTS = ["customers", "total", "squares"]


@dataclass(frozen=True)
class ExperimentMonitor(Result):
    """What a running experiment showed on each day; by `monitor_experiment`.

    Parameters
    ----------
    control, treated : str
        The two arms.
    kind : {"share", "mean"}
        Of outcome.
    level : float
        Confidence level of all looks together.
    days : int
        Planned length; the interval is narrowest there.
    first_look : int or None
        Day of the first look, after the burn-in; None before it.
    decided_on : int or None
        Day on which the interval first left zero.
    naive_first : int or None
        Day on which an interval made for a single look first left zero.
    naive_calls : int
        How often that one changed between zero inside and outside, or was outside on the first
        look: each time somebody would have called it, or called it off.
    estimate : Estimate
        The difference on the last day, with the interval that allows looking.
    frame : DataFrame
        date, day, customers (both arms), difference, low, high, naive_low, naive_high, decided
        (whether the interval had left zero by then); low and high are missing before the burn-in.
    """

    control: str
    treated: str
    kind: str
    level: float
    days: int
    first_look: int | None
    decided_on: int | None
    naive_first: int | None
    naive_calls: int
    estimate: Estimate
    frame: pd.DataFrame = field(repr=False)

    @property
    def day(self) -> int:
        """The last day that there are figures of."""
        return int(self.frame["day"].iloc[-1])

    @property
    def better(self) -> str | None:
        """The arm that was found to be higher; None while that is open."""
        if self.decided_on is None:
            return None
        at = self.frame.loc[self.frame["day"] == self.decided_on, "difference"].iloc[0]
        return self.treated if at > 0 else self.control

    def facts(self) -> dict[str, Any]:
        """Return where it stands, as a code, and the days as they are shown."""
        ended = "ended" if self.day >= self.days else "open"
        state = ended if self.decided_on is None else "decided"
        scaled = self.frame.copy()
        ends = ["difference", "low", "high", "naive_low", "naive_high"]
        scaled[ends] *= 100 if self.kind == SHARE else 1
        seen = scaled.dropna(subset=["low"])
        # The first days' intervals would press all others together.
        bounds = np.append(seen.iloc[len(seen) // 8 :][["low", "high"]], 0.0)
        low, high = float(bounds.min()), float(bounds.max())
        room = 0.1 * max(high - low, 1e-12)
        return {
            "state": "early" if self.first_look is None else state,
            "naive": ""
            if self.first_look is None
            else "never"
            if self.naive_first is None
            else "called",
            "one": arm_words(self.treated),
            "other": arm_words(self.control),
            "winner": arm_words(self.better or ""),
            "scaled": scaled,
            "newest": scaled.iloc[::-1].assign(naive=scaled["difference"]),
            "ylim": [low - room, high + room] if len(seen) else None,
        }


def monitor_experiment(
    data: pd.DataFrame,
    outcome: str | None = None,
    *,
    days: int,
    date: str = "date",
    arm: str = "arm",
    control: str | None = None,
    treated: str | None = None,
    kind: str | None = None,
    cumulative: bool = False,
    level: float = 0.95,
    comparisons: int = 1,
    tuned_for: float | None = None,
    burn_in: int | None = None,
) -> ExperimentMonitor:
    r"""Follow a running experiment by an interval that may be looked at every day.

    Parameters
    ----------
    data : DataFrame
        With ``outcome``, one row per customer: the day on which the outcome was known, arm and
        outcome. Without it one row per day and arm, with the moments ``customers``, ``total`` (sum
        of outcomes) and ``squares`` (sum of squared outcomes, not needed of shares).
    outcome : str, optional
        The column of outcomes.
    days : int
        Planned length of the experiment: the interval is narrowest there.
    date, arm : str
        Columns.
    control, treated : str, optional
        The arms to compare; by default the one called control, holdout or none, and the only
        other one.
    kind : {"share", "mean"}, optional
        By default ``share`` where the squares are the totals (or are not there).
    cumulative : bool
        Whether the moments are of all days until then. Where the customers of an arm are the same
        on all days, as when a promotion's customers are drawn at its start, their outcomes so far
        are compared, and an effect is one *until then*.
    level : float
        Confidence level of all looks together.
    comparisons : int
        Arms that are compared with the control and share the level.
    tuned_for : float, optional
        Customers of both arms at the planned end; by default those of the first look, carried
        forward at the same pace. Not used where customers are the same on all days.
    burn_in : int, optional
        Days before the first look, by default 5 % of the planned days; never before there are 100
        customers, and in each arm 10 who count ((Σ y)² ÷ Σ y²: of shares those who did it) or 1,000
        in all.

    Returns
    -------
    ExperimentMonitor

    Raises
    ------
    InputError
        Columns that are not there, missing or impossible moments, cumulative ones without one of
        the arms on a day, an arm that is not there.

    Notes
    -----
    Half the width is the standard error of the difference (the larger of Welch's and the pooled
    one) times the multiplier of `confidence_sequence`, at the part r of the planned end's
    information that there is. Where customers come day by day, r is n₁n₀ / (n₁ + n₀) against its
    value at the end. Where the same customers' outcomes grow, r is the variance of their sum,
    carried forward from the first look to the planned end: the sums of n customers are nearly a
    Brownian motion in the clock of their variance, and where earlier buyers buy again they wander
    less than that, never more.

    References
    ----------
    Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), Annals of Statistics 52 (arXiv
    2103.06476); Jennison & Turnbull (2000), Group Sequential Methods, ch. 3 (information time).

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({
    ...     "date": [d for d in pd.date_range("2026-03-02", periods=10) for _ in range(2)],
    ...     "arm": ["control", "coupon"] * 10, "customers": [500] * 20, "total": [25, 36] * 10,
    ... })
    >>> found = monitor_experiment(table, days=28)
    >>> found.decided_on, found.naive_first, found.first_look
    (6, 3, 3)
    """
    alpha = (1 - level_of(level)) / whole_number("comparisons", comparisons, 1)
    planned = whole_number("days", days, 2)
    moments = _moments(data, outcome, date, arm, flag("cumulative", cumulative))
    held, other = _arms(moments["arm"].unique().tolist(), control, treated)
    one, zero = (_of_arm(moments, name) for name in (other, held))
    if not one.index.equals(zero.index):
        raise InputError(
            f"arms {other!r} and {held!r} have figures of different days; give cumulative moments "
            "of both on each day"
        )
    shares = np.allclose(moments["squares"], moments["total"])
    shares &= bool((moments["total"] <= moments["customers"]).all())
    kind = (SHARE if shares else MEAN) if kind is None else choice("kind", kind, (SHARE, MEAN))
    if kind == SHARE and not shares:
        raise InputError("outcomes are not 0 and 1 (total and squares differ); say kind='mean'")
    path = _path(one, zero)
    wait = math.ceil(EARLIEST * planned) if burn_in is None else whole_number("burn_in", burn_in, 0)
    looks = (path["day"] > wait) & (path["customers"] >= FEWEST) & (path["error"] > 0)
    looks &= _enough(one) & _enough(zero)
    half = pd.Series(math.nan, path.index)
    if looks.any():
        begin = path[looks].iloc[0]
        end = begin["clock"] * max(planned, begin["day"]) / begin["day"]
        if tuned_for is not None and not path["fixed"].all():
            tuned = real_number("tuned_for", tuned_for, above=0)
            end = begin["clock"] * tuned / begin["customers"]
        seen = path[looks]
        half[looks] = seen["error"] * multiplier(seen["clock"] / end, alpha)
    difference, naive = path["difference"], normal_quantile(1 - alpha) * path["error"]
    out, called = looks & (difference.abs() > half), looks & (difference.abs() > naive)
    frame = pd.DataFrame(
        {
            "date": path.index,
            "day": path["day"].to_numpy(),
            "customers": path["customers"].to_numpy(int),
            "difference": difference.to_numpy(),
            "low": (difference - half).to_numpy(),
            "high": (difference + half).to_numpy(),
            "naive_low": (difference - naive).to_numpy(),
            "naive_high": (difference + naive).to_numpy(),
            "decided": out.cummax().to_numpy(),
        }
    )
    last = frame.iloc[-1]

    def first(there: pd.Series[bool]) -> int | None:
        return int(path["day"][there].iloc[0]) if there.any() else None

    return ExperimentMonitor(
        held,
        other,
        kind,
        level,
        planned,
        first(looks),
        first(out),
        first(called),
        int(np.count_nonzero(np.diff(called.astype(int), prepend=0))),
        Estimate(float(last.difference), float(last.low), float(last.high), int(last.customers)),
        frame,
    )


def _moments(
    data: pd.DataFrame, outcome: str | None, date: str, arm: str, cumulative: bool
) -> pd.DataFrame:
    """Return arm, date and cumulative customers, total, squares, in order."""
    if not isinstance(data, pd.DataFrame):
        raise InputError(
            f"data is a {type(data).__name__}; give a table with a row per day and arm"
        )
    given = [outcome] if outcome is not None else ["customers", "total"]
    columns_there(data, [date, arm, *given], "data")
    if not len(data):
        raise InputError("data has no rows; give a row per day and arm")
    if outcome is not None and cumulative:
        raise InputError("cumulative moments have no outcome; leave one of the two out")
    table = pd.DataFrame({"arm": data[arm].astype(str), "date": pd.to_datetime(data[date])})
    table["date"] = table["date"].dt.normalize()
    if outcome is not None:
        y = data[outcome].astype(float)
        table = table.assign(customers=1.0, total=y, squares=y**2)
    else:
        squares = data["squares"] if "squares" in data.columns else data["total"]
        table = table.assign(customers=data["customers"], total=data["total"], squares=squares)
    table[MOMENTS] = table[MOMENTS].astype(float)
    if not np.isfinite(table[MOMENTS].to_numpy()).all() or table["date"].isna().any():
        raise InputError("data has days, moments or outcomes that are missing or infinite")
    if (table[["customers", "squares"]] < 0).any(axis=None):
        raise InputError("data has days with fewer than 0 customers or squares; give counts")
    if cumulative and table.duplicated(["arm", "date"]).any():
        raise InputError("data has a day of an arm more than once; give cumulative moments once")
    summed = table.groupby(["arm", "date"])[MOMENTS].sum()
    if not cumulative:
        # A day on which nobody came into an arm has no row there.
        every = pd.MultiIndex.from_product([summed.index.unique(0), summed.index.unique(1)])
        summed = summed.reindex(every, fill_value=0.0).groupby("arm").cumsum()
    elif (summed["customers"].groupby("arm").diff() < 0).any():
        raise InputError("data has fewer customers on a later day; cumulative moments only grow")
    return summed.reset_index()


def _arms(names: list[str], control: str | None, treated: str | None) -> tuple[str, str]:
    held = control_of(names, control)
    others = [name for name in names if name != held]
    if treated is not None:
        return held, choice("treated", treated, others)
    if len(others) != 1:
        rest = ", ".join(others) or "no other"
        raise InputError(f"besides {held!r} there is {rest}; name the arm to compare as treated=")
    return held, others[0]


def _of_arm(moments: pd.DataFrame, arm: str) -> pd.DataFrame:
    return moments[moments["arm"] == arm].set_index("date")[MOMENTS]


def _path(one: pd.DataFrame, zero: pd.DataFrame) -> pd.DataFrame:
    """Return day, customers, difference, its standard error, its clock, and whether it is fixed.

    That is whether customers stay the same on all days.
    """
    n, total, squares = (
        np.stack([side[name].to_numpy() for side in (one, zero)]) for name in MOMENTS
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        means = total / n
        within = np.maximum(squares - n * means**2, 0.0)
        apart = (within / (n - 1) / n).sum(axis=0)
        # A small arm without its largest outcomes yet has a low mean and a low variance at once:
        # the variance of both together does not fall for it.
        pooled = within.sum(axis=0) / (n.sum(axis=0) - 2) * (1 / n).sum(axis=0)
        error = np.sqrt(np.fmax(apart, pooled))
        fixed = n.shape[1] > 1 and bool((n == n[:, :1]).all())
        clock = error**2 if fixed else n[0] * n[1] / n.sum(axis=0)
    told = {"day": (one.index - one.index[0]).days + 1, "customers": n.sum(axis=0)}
    told |= {"difference": means[0] - means[1], "error": error, "clock": clock, "fixed": fixed}
    return pd.DataFrame(told, index=one.index)


def _enough(side: pd.DataFrame) -> np.ndarray:
    """Return on which days an arm's sums may be taken to be normal."""
    with np.errstate(divide="ignore", invalid="ignore"):
        bought = side["total"].to_numpy() ** 2 / side["squares"].to_numpy()
    return enough(bought, side["customers"].to_numpy())
