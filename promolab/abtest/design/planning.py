"""Before an experiment: how many customers, for how long, and what it can show."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.abtest.analysis.metric import ALONE, CORRECTIONS, HOLM, KINDS, MEAN, RATIO, SHARE
from promolab.abtest.assignment import checked_shares
from promolab.abtest.design.arrivals import Arrivals, read_arrivals
from promolab.abtest.design.history import Outcome, outcome_of
from promolab.abtest.design.learning import Learning, Stakes, worth_of_test
from promolab.abtest.design.planned import ExperimentPlan
from promolab.abtest.design.power import PlannedTest
from promolab.checks import choice, flag, level_of, real_number, share, text
from promolab.errors import InputError
from promolab.wording import plural

if TYPE_CHECKING:
    import pandas as pd

HALVES = {"control": 0.5, "treatment": 0.5}
CURVE_POINTS = 41


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
    cluster_size: float | None = None,
    cluster_correlation: float | None = None,
    effect: float | None = None,
    lift: float | None = None,
    customers: float | None = None,
    shares: Mapping[str, float] | None = None,
    control: str | None = None,
    power: float = 0.8,
    level: float = 0.95,
    multiplicity: str = HOLM,
    comparisons: int | None = None,
    sequential: bool = False,
    arrivals: Any = None,
    days: float | None = None,
    outcome_days: int = 0,
    stakes: Stakes | None = None,
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
    cluster_size, cluster_correlation : float, optional
        Mean customers in a cluster and the correlation of two of its customers; the design effect
        is 1 + (size − 1) · correlation.
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
    multiplicity : {"holm", "benjamini-hochberg", "none"}
        What the readout will use for several comparisons. The plan holds for an arm that is alone
        in having an effect; where others have one too, Holm finds it more often.
    comparisons : int, optional
        By default arms less one; more where several metrics share the level.
    sequential : bool
        Whether it is looked at every day, with `confidence_sequence` tuned for the planned size.
        The plan counts what is found at the end; some of it is found before.
    arrivals : float or DataFrame, optional
        New customers per day; or a table with date and customers, one row per day, which is gone
        through again from its start when it ends.
    days : float, optional
        How long customers are taken in, where arrivals are to say how many.
    outcome_days : int
        Days from a customer's start to the end of the outcome's window.
    stakes : Stakes, optional
        For a mean that is a profit: weigh the cost of the test against what it teaches.

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
    Means and ratios: tea-tasting's power of the two-sided Welch test, both arms with the same
    variance. Shares: Fleiss, Levin & Paik's formula, as `smallest_effect`. A design effect and
    earlier figures multiply the variance. Several arms: each comparison at a level of
    (1 − level) ÷ comparisons.

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
    alpha, m = _alpha_of(len(arms), level, multiplicity, comparisons)
    share("power", power, zero=False, one=False, hint=", such as 0.8")
    if power <= alpha / m:
        raise InputError(f"power = {power:g} is no more than chance finds; give one such as 0.8")
    columns = {"outcome": outcome, "per": per, "earlier": earlier, "cluster": cluster}
    figures = {"rate": rate, "mean": mean, "sd": sd, "correlation": correlation}
    figures |= {"cluster_size": cluster_size, "cluster_correlation": cluster_correlation}
    known = _outcome(data, kind, columns, figures)
    test = PlannedTest(
        known.kind, known.centre, known.sd, known.inflation, alpha / m, power,
        flag("sequential", sequential),
    )  # fmt: skip
    wanted = _effect_of(effect, lift, known)
    coming = None if arrivals is None else read_arrivals(arrivals)
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
        whole, arms, held, power, level, m, multiplicity,
        known.correlation, known.design_effect, sequential,
        None if coming is None else coming.days_until(whole) + wait, wait,
        frame, _curve(test, sizes[least], sizes[held], wanted, smallest),
        _over_time(test, coming, whole, arms[least], arms[held]),
        None if stakes is None else _learning(stakes, arms, held, known, whole),
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


def _alpha_of(
    arms: int, level: float, multiplicity: str, comparisons: int | None
) -> tuple[float, int]:
    choice("multiplicity", multiplicity, CORRECTIONS)
    alpha, m = 1 - level_of(level), arms - 1
    if comparisons is not None:
        m = int(real_number("comparisons", comparisons, least=m))
    # Not divided, but still said how many there are.
    return (alpha * m if multiplicity == ALONE else alpha), m


def _outcome(
    data: Any,
    kind: str | None,
    columns: Mapping[str, str | None],
    figures: Mapping[str, float | None],
) -> Outcome:
    """Return what is known of the outcome, from data or as it was given."""
    if kind is not None:
        choice("kind", kind, KINDS)
    rate, mean, sd, r, size, alike = figures.values()
    if data is not None:
        if given := [name for name in ("rate", "mean", "sd") if figures[name] is not None]:
            raise InputError(f"both data and {given[0]} are given; take the figures from one")
        outcome, *others = columns.values()
        return outcome_of(data, text("outcome", outcome), kind, *others)
    for name, value in columns.items():
        if value is not None:
            raise InputError(f"{name} = {value!r} names a column, but there is no data to look in")
    r = 0.0 if r is None else real_number("correlation", r, above=-1, below=1)
    design = 1.0
    if size is not None or alike is not None:
        more = real_number("cluster_size", size, least=1) - 1
        design += more * real_number("cluster_correlation", alike, least=0, most=1)
    if rate is not None:
        if mean is not None or sd is not None or kind in (MEAN, RATIO):
            raise InputError("rate is of a share; give mean and sd instead for means and ratios")
        centre = share("rate", rate, one=False, hint=", such as 0.05")
        return Outcome(SHARE, centre, math.sqrt(centre * (1 - centre)), r, design)
    if sd is None or kind == SHARE:
        raise InputError(
            "the outcome is not described; give rate (0–1), or mean and sd, or data and outcome"
        )
    middle = 0.0 if mean is None else real_number("mean", mean)
    return Outcome(kind or MEAN, middle, real_number("sd", sd, above=0), r, design)


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
    customers: float | None, coming: Arrivals | None, days: float | None, wanted: float | None,
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
        return coming.until(real_number("days", days, above=0))
    if wanted is None:
        raise InputError(
            "neither an effect nor a size is given; give effect or lift to learn how many "
            "customers it needs, or customers (or arrivals and days) to learn which effect shows"
        )
    parts = [part for arm, part in arms.items() if arm != held]
    return max(test.customers(wanted, part, arms[held]) for part in parts)


def _arm_rows(
    test: PlannedTest,
    sizes: Mapping[str, int],
    arms: Mapping[str, float],
    held: str,
    wanted: float | None,
) -> pd.DataFrame:
    import pandas as pd

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
    import pandas as pd

    known = [abs(x) for x in (wanted, smallest) if x is not None and math.isfinite(x)]
    most = 2 * max(known) if known else test.sd
    if test.kind == SHARE:
        most = min(most, 1 - test.centre)
    effects = np.linspace(0, most, CURVE_POINTS)
    found = [test.power_of(float(effect), treated, control) for effect in effects]
    lift = effects / (abs(test.centre) or math.nan)
    return pd.DataFrame({"effect": effects, "lift": lift, "power": found})


def _over_time(
    test: PlannedTest, coming: Arrivals | None, total: int, treated: float, control: float
) -> pd.DataFrame:
    """Return what could be shown week by week; without arrivals a table without rows."""
    import pandas as pd

    rows = []
    if coming is not None:
        end = coming.days_until(total)
        step = 7 * max(1, math.ceil(end / 7 / 26))
        for day in [*range(step, end, step), end]:
            n = min(coming.until(day), float(total))
            enough = n * min(treated, control) >= 2
            smallest = test.smallest(treated * n, control * n) if enough else math.nan
            rows.append((day, round(n), smallest))
    return pd.DataFrame(rows, columns=["day", "customers", "smallest_effect"])


def _learning(
    stakes: Stakes, arms: Mapping[str, float], held: str, known: Outcome, total: int
) -> Learning:
    if known.kind != MEAN:
        raise InputError(
            f"stakes are of a profit per customer, and the outcome is a {known.kind}; give the "
            "profit's mean and sd"
        )
    return worth_of_test(stakes, arms, held, known.sd**2 * known.inflation, total)
