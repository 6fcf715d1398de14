"""Before an experiment: how many customers, for how long, and what it can show."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from promolab.abtest.assignment import checked_shares
from promolab.abtest.comparison import KINDS, MEAN, RATIO, SHARE
from promolab.abtest.history import Outcome, outcome_of
from promolab.abtest.power import PlannedTest
from promolab.abtest.sequential import default_burn_in
from promolab.checks import choice, flag, level_of, real_number, share, text
from promolab.errors import InputError
from promolab.results import Result, words_of
from promolab.wording import arm_words, plural

HALVES = {"control": 0.5, "treatment": 0.5}
CURVE_POINTS = 41
LONGEST = 36_500
"""Days after which nobody waits for an experiment any more."""


@dataclass(frozen=True)
class ExperimentPlan(Result):
    """How many customers an experiment needs, what it can show, and when; by `plan_experiment`.

    Parameters
    ----------
    kind : {"share", "mean", "ratio"}
        Of outcome.
    centre, sd : float
        The outcome without a promotion, and its standard deviation over customers.
    effect : float or None
        The difference to be found; None where the size was given and no effect.
    smallest : float
        The smallest difference that is found with `power` in every arm, at the planned size.
    reached : float
        How often ``effect`` is found at the planned size; the power where none was asked for.
    customers : int
        All that are needed, or were given.
    shares : dict of str to float
        Arm → share.
    control : str
        The arm that the others are compared with.
    power, level : float
        How often the effect is to be found; confidence of the whole experiment.
    comparisons : int
        That share the level: one is planned at (1 − level) ÷ comparisons, what the strictest step
        of Holm's rule asks, and of Benjamini and Hochberg's.
    correlation, design_effect : float
        With the earlier figure, and of clusters: the variance is multiplied by
        (1 − correlation²) · design_effect.
    sequential : bool
        Looked at every day, with the confidence sequence tuned for the planned size.
    days : int or None
        Until all customers have come and their outcomes are known.
    outcome_days : int
        Of these, the days that the last customer's outcome takes.
    frame : DataFrame
        One row per arm: arm, share, customers, smallest_effect, smallest_lift, power.
    curve : DataFrame
        effect, lift, power: of the arm that sees least, at the planned size.
    over_time : DataFrame
        day, customers, smallest_effect: what could be shown if the experiment ended then.
    """

    kind: str
    centre: float
    sd: float
    effect: float | None
    smallest: float
    reached: float
    customers: int
    shares: Mapping[str, float]
    control: str
    power: float
    level: float
    comparisons: int
    correlation: float
    design_effect: float
    sequential: bool
    days: int | None
    outcome_days: int
    frame: pd.DataFrame = field(repr=False)
    curve: pd.DataFrame = field(repr=False)
    over_time: pd.DataFrame = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per arm."""
        return self.frame.copy()

    @property
    def sizes(self) -> dict[str, int]:
        """Customers of each arm."""
        return dict(zip(self.frame["arm"], map(int, self.frame["customers"]), strict=True))

    @property
    def burn_in(self) -> int | None:
        """Customers before the first look; None where there is one look, at the end."""
        return math.ceil(default_burn_in(self.customers)) if self.sequential else None

    def facts(self) -> dict[str, Any]:
        """Return what is shown and why, as codes, and the rows in the unit that is written."""
        times = 100 if self.kind == SHARE else 1
        wanted = self.smallest if self.effect is None else self.effect
        known = not math.isnan(wanted)
        return {
            "shows": "difference" if known else "nothing",
            "wanted": self.worded(wanted) if known else "",
            "least": self.worded(self.smallest),
            "often": self.power if self.effect is None else self.reached,
            "short": self.effect is not None and self.reached < self.power - 0.005,
            "several": self.comparisons > 1,
            "saved": self.correlation and self.correlation**2,
            "points": self.kind == SHARE,
            "grouped": abs(self.design_effect - 1) > 1e-9,
            "arms": self.frame.assign(
                arm=self.frame["arm"].map(arm_words),
                smallest_effect=times * self.frame["smallest_effect"],
            ),
        }

    def worded(self, effect: float) -> str:
        """Write an effect in points or in the outcome's unit, and against what it was."""
        points = self.kind == SHARE
        fine = "" if abs(effect) * (100 if points else 1) >= 0.1 else "_fine"
        basis = ("share" if points else "amount") if self.centre else ""
        lift = effect / abs(self.centre) if self.centre else math.nan
        told = {"size": effect, "unit": ("points" if points else "number") + fine, "basis": basis}
        return words_of(__name__, "ExperimentPlan", lift=lift, centre=self.centre, **told).say(
            "worded"
        )


def plan_experiment(
    data: Any = None,
    outcome: str | None = None,
    *,
    kind: str | None = None,
    per: str | None = None,
    earlier: str | None = None,
    cluster: str | None = None,
    rate: float | None = None,
    mean: float | None = None,
    sd: float | None = None,
    correlation: float | None = None,
    effect: float | None = None,
    lift: float | None = None,
    customers: float | None = None,
    shares: Mapping[str, float] | None = None,
    control: str | None = None,
    power: float = 0.8,
    level: float = 0.95,
    comparisons: int | None = None,
    sequential: bool = False,
    arrivals: float | None = None,
    days: float | None = None,
    outcome_days: int = 0,
) -> ExperimentPlan:
    """Plan an experiment: its size for an effect, or the effect that a size can show.

    The outcome is described by figures (``rate``; or ``mean`` and ``sd``), or by ``data`` from
    before, out of which they are taken. Asked for an ``effect`` (or ``lift``) it says how many
    customers are needed; for ``customers`` (or ``arrivals`` and ``days``), which effect shows; for
    both, how often.

    Parameters
    ----------
    data : DataFrame, ibis Table, path of a parquet or csv file, or Shop, optional
        One row per customer, of a time in which nothing was tested. Of a shop the last 28 days are
        taken (`promolab.abtest.customer_history` makes the same table at other moments), with the
        28 days before as earlier figures.
    outcome : str, optional
        Its column; of a shop ``purchases`` (bought or not), ``sales``, ``orders_placed`` or
        ``margin``.
    kind : {"share", "mean", "ratio"}, optional
        By default ``share`` for 0 and 1, ``ratio`` with ``per``, else ``mean``.
    per : str, optional
        The denominator's column of a ratio metric, such as orders: Σ outcome ÷ Σ per, with the
        customer as the unit.
    earlier : str, optional
        A column with a figure from before: the readout will be adjusted for it (CUPED).
    cluster : str, optional
        Column of the group that is drawn together.
    rate : float, optional
        Share (0–1) without the promotion.
    mean, sd : float, optional
        Mean and standard deviation over customers; of a ratio, the ratio and the standard deviation
        of (outcome − ratio · per) ÷ mean of per.
    correlation : float, optional
        Of the outcome with the figure from before, −1 to 1.
    effect, lift : float, optional
        Difference from the control: in the outcome's unit (a share as 0.01), or as a part of what
        it was (0.1 is 10 % more).
    customers : float, optional
        All there are, in all arms.
    shares : mapping of str to float, optional
        Arm → share, adding up to 1; by default half and half, control and treatment.
    control : str, optional
        By default the first arm of ``shares``.
    power : float
        How often the effect is to be found.
    level : float
        Confidence level of the whole experiment.
    comparisons : int, optional
        By default arms less one; more where several metrics share the level. The plan holds for an
        arm that is alone in having an effect; where others have one too, Holm finds it more often.
    sequential : bool
        Whether it is looked at every day, with `confidence_sequence` tuned for the planned size.
        The plan counts what is found at the end; some of it is found before.
    arrivals : float, optional
        New customers per day.
    days : float, optional
        How long customers are taken in, where arrivals are to say how many.
    outcome_days : int
        Days from a customer's start to the end of the outcome's window.

    Returns
    -------
    ExperimentPlan

    Raises
    ------
    InputError
        Neither effect nor size, figures out of their range, shares that do not add up to 1, power
        or level outside (0, 1), columns that are not there or have missing values.

    Notes
    -----
    Means and ratios: the power of the two-sided Welch test, both arms with the same variance, by
    the noncentral t distribution. Shares: Fleiss, Levin & Paik's formula.
    Clusters (their design effect) and earlier figures multiply the variance. Several arms: each
    comparison at a level of (1 − level) ÷ comparisons.

    References
    ----------
    Fleiss, Levin & Paik (2003), Statistical Methods for Rates and Proportions, ch. 4; Deng, Xu,
    Kohavi & Walker (2013), WSDM (CUPED); Deng, Knoblich & Lu (2018), KDD (ratio metrics); Kish
    (1965), Survey Sampling (design effect); Holm (1979), Scandinavian Journal of Statistics 6.

    Examples
    --------
    >>> found = plan_experiment(rate=0.05, effect=0.01, arrivals=1000)
    >>> found.sizes, found.days
    ({'control': 8158, 'treatment': 8158}, 17)
    >>> plan_experiment(mean=40, sd=80, customers=10_000, correlation=0.7).worded(2.0)
    '2.00 (5.0 % of 40.0)'
    """
    arms = {arm: float(part) for arm, part in checked_shares(shares or HALVES).items()}
    held = _control_of(arms, control)
    m = len(arms) - 1
    if comparisons is not None:
        m = int(real_number("comparisons", comparisons, least=m))
    alpha = (1 - level_of(level)) / m
    if share("power", power, zero=False, one=False, hint=", such as 0.8") <= alpha:
        raise InputError(f"power = {power:g} is no more than chance finds; give one such as 0.8")
    columns = {"outcome": outcome, "per": per, "earlier": earlier, "cluster": cluster}
    known = _outcome(data, kind, columns, rate, mean, sd, correlation)
    test = PlannedTest(
        known.kind, known.centre, known.sd, known.inflation, alpha, power,
        flag("sequential", sequential),
    )  # fmt: skip
    wanted = _effect_of(effect, lift, known)
    coming = None if arrivals is None else real_number("arrivals", arrivals, above=0)
    total = _size_of(customers, coming, days, wanted, test, arms, held)
    sizes = {arm: math.ceil(part * total - 1e-9) for arm, part in arms.items()}
    frame = _arm_rows(test, sizes, arms, held, wanted)
    compared = frame[frame["arm"] != held]
    least = compared["arm"].iloc[int(np.argmin([arms[arm] for arm in compared["arm"]]))]
    smallest = float(compared["smallest_effect"].max(skipna=False))
    whole = sum(sizes.values())
    wait = int(real_number("outcome_days", outcome_days, least=0))
    return ExperimentPlan(
        known.kind, known.centre, known.sd, wanted, smallest,
        power if wanted is None else float(compared["power"].min()),
        whole, arms, held, power, level, m, known.correlation, known.design_effect, sequential,
        None if coming is None else _days_until(whole, coming) + wait, wait,
        frame, _curve(test, sizes[least], sizes[held], wanted, smallest),
        _over_time(test, coming, whole, arms[least], arms[held]),
    )  # fmt: skip


def _control_of(arms: Mapping[str, float], control: str | None) -> str:
    used = [arm for arm, part in arms.items() if part > 0]
    if len(used) < 2 or len(used) < len(arms):
        empty = ", ".join(arm for arm in arms if arm not in used) or "no other"
        raise InputError(
            f"shares has {plural(len(used), 'arm')} with customers ({empty} gets none); an "
            "experiment needs two at least, each with a share above 0"
        )
    return used[0] if control is None else choice("control", control, used)


def _outcome(
    data: Any,
    kind: str | None,
    columns: Mapping[str, str | None],
    rate: float | None,
    mean: float | None,
    sd: float | None,
    correlation: float | None,
) -> Outcome:
    """Return what is known of the outcome, from data or as it was given."""
    if kind is not None:
        choice("kind", kind, KINDS)
    if data is not None:
        given = {"rate": rate, "mean": mean, "sd": sd}
        if twice := [name for name, value in given.items() if value is not None]:
            raise InputError(f"both data and {twice[0]} are given; take the figures from one")
        outcome, *others = columns.values()
        return outcome_of(data, text("outcome", outcome), kind, *others)
    for name, value in columns.items():
        if value is not None:
            raise InputError(f"{name} = {value!r} names a column, but there is no data to look in")
    r = 0.0
    if correlation is not None:
        r = real_number("correlation", correlation, above=-1, below=1)
    if rate is not None:
        if mean is not None or sd is not None or kind in (MEAN, RATIO):
            raise InputError("rate is of a share; give mean and sd instead for means and ratios")
        centre = share("rate", rate, one=False, hint=", such as 0.05")
        return Outcome(SHARE, centre, math.sqrt(centre * (1 - centre)), r, 1.0)
    if sd is None or kind == SHARE:
        raise InputError(
            "the outcome is not described; give rate (0–1), or mean and sd, or data and outcome"
        )
    middle = 0.0 if mean is None else real_number("mean", mean)
    return Outcome(kind or MEAN, middle, real_number("sd", sd, above=0), r, 1.0)


def _effect_of(effect: float | None, lift: float | None, known: Outcome) -> float | None:
    if effect is not None and lift is not None:
        raise InputError("both effect and lift are given; give the one that matters")
    if lift is not None:
        if not known.centre:
            raise InputError("lift is a part of the outcome, which is 0 without it; give effect")
        effect = real_number("lift", lift) * abs(known.centre)
    if effect is None:
        return None
    size = real_number("effect", effect)
    if size == 0:
        raise InputError("effect = 0; expected a difference to be found, such as 0.01")
    if known.kind == SHARE and not 0 <= known.centre + size <= 1:
        raise InputError(
            f"effect = {size:g} takes the share from {known.centre:g} to "
            f"{known.centre + size:g}; a share lies between 0 and 1"
        )
    return size


def _size_of(
    customers: float | None, coming: float | None, days: float | None, wanted: float | None,
    test: PlannedTest, arms: Mapping[str, float], held: str,
) -> float:  # fmt: skip
    """Return the customers given, those who come in the days given, or those the effect needs."""
    if customers is not None:
        if days is not None:
            raise InputError("both customers and days are given; give one of them")
        return real_number("customers", customers, least=2 * len(arms))
    if days is not None:
        if coming is None:
            raise InputError("days are given without arrivals; give arrivals too, or customers")
        return coming * real_number("days", days, above=0)
    if wanted is None:
        raise InputError(
            "neither an effect nor a size is given; give effect or lift to learn how many "
            "customers it needs, or customers (or arrivals and days) to learn which effect shows"
        )
    parts = [part for arm, part in arms.items() if arm != held]
    return max(test.customers(wanted, part, arms[held]) for part in parts)


def _days_until(customers: float, per_day: float) -> int:
    """Return after how many whole days so many have come."""
    days = math.ceil(customers / per_day * (1 - 1e-12))
    if days > LONGEST:
        raise InputError(
            f"at this rate of arrivals the experiment takes {days:,} days; look for a larger "
            "effect, or take in more customers"
        )
    return days


def _arm_rows(
    test: PlannedTest,
    sizes: Mapping[str, int],
    arms: Mapping[str, float],
    held: str,
    wanted: float | None,
) -> pd.DataFrame:
    rows = []
    for arm, n in sizes.items():
        smallest = found = math.nan
        if arm != held:
            smallest = test.smallest(n, sizes[held])
            found = test.power if wanted is None else test.power_of(wanted, n, sizes[held])
        rows.append((arm, arms[arm], n, smallest, smallest / (abs(test.centre) or math.nan), found))
    names = ["arm", "share", "customers", "smallest_effect", "smallest_lift", "power"]
    return pd.DataFrame(rows, columns=names)


def _curve(
    test: PlannedTest, treated: int, control: int, wanted: float | None, smallest: float
) -> pd.DataFrame:
    known = [abs(x) for x in (wanted, smallest) if x is not None and math.isfinite(x)]
    most = 2 * max(known) if known else test.sd
    if test.kind == SHARE:
        most = min(most, 1 - test.centre)
    effects = np.linspace(0, most, CURVE_POINTS)
    found = [test.power_of(float(effect), treated, control) for effect in effects]
    lift = effects / (abs(test.centre) or math.nan)
    return pd.DataFrame({"effect": effects, "lift": lift, "power": found})


def _over_time(
    test: PlannedTest, coming: float | None, total: int, treated: float, control: float
) -> pd.DataFrame:
    """Return what could be shown week by week; without arrivals a table without rows."""
    rows = []
    if coming is not None:
        end = _days_until(total, coming)
        step = 7 * max(1, math.ceil(end / 7 / 26))
        for day in [*range(step, end, step), end]:
            n = min(coming * day, float(total))
            enough = n * min(treated, control) >= 2
            smallest = test.smallest(treated * n, control * n) if enough else math.nan
            rows.append((day, round(n), smallest))
    return pd.DataFrame(rows, columns=["day", "customers", "smallest_effect"])
