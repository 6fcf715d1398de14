"""Budget: slide along the frontier, and see who gains or loses a contact and what that adds."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import real_number
from promolab.contract import NONE
from promolab.display import Dots, Html, Line, Upright, beside, join, say, thin
from promolab.errors import InputError
from promolab.folder import RunFolder
from promolab.language import language, speaking
from promolab.policy import options_of
from promolab.policy.frontier import HullPath, hull_path
from promolab.results import Estimate, Facts, worded_table, words_of
from promolab.widgets.controls import round_step, slide
from promolab.widgets.explorer import Explorer, drawn, reading, week_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class BudgetState:
    """What may be spent.

    Parameters
    ----------
    budget : float
        Most that may be spent, in money.
    """

    budget: float


@dataclass(frozen=True)
class Options:
    """What each customer may get, and what of it comes at every budget.

    Parameters
    ----------
    value, cost : ndarray of shape (n, P)
        Net incremental profit and cost.
    names : tuple of str
        What readers call the promotions.
    group : ndarray of int of shape (n,)
        Code of each customer's group, −1 for none.
    groups : tuple of str
    start : ndarray of int of shape (n,)
        What each customer gets at the budget that the explorer begins with; −1 for nothing.
    began : float
        That budget.
    path : HullPath
        The steps of all customers' hulls, in order.
    told : DataFrame or None
        ``budget, profit, ci_low, ci_high`` by what came of past decisions.
    currency : str
    """

    value: np.ndarray
    cost: np.ndarray
    names: tuple[str, ...]
    group: np.ndarray
    groups: tuple[str, ...]
    start: np.ndarray
    began: float
    path: HullPath
    told: pd.DataFrame | None
    currency: str

    @functools.cached_property
    def curve(self) -> tuple[np.ndarray, ...]:
        """Budget and profit along the frontier, thinned."""
        frontier = self.path.frontier()
        return thin(frontier["budget"], frontier["profit"])

    @functools.cached_property
    def before(self) -> pd.DataFrame:
        """What `sums` says of the start: looked up at each move."""
        return self.sums(self.start)

    @functools.cached_property
    def of_groups(self) -> pd.DataFrame:
        """``segment, all, before``: customers of each group, and those contacted at the start."""
        size = 1 + len(self.groups)
        everybody = np.bincount(self.group + 1, minlength=size)[1:]
        before = self.reached(self.start)
        return pd.DataFrame({"segment": self.groups, "all": everybody, "before": before})

    def reached(self, choice: np.ndarray) -> np.ndarray:
        """Return how many customers of each group get something."""
        size = 1 + len(self.groups)
        return np.bincount(self.group + 1, choice >= 0, minlength=size)[1:].astype(int)

    def sums(self, choice: np.ndarray) -> pd.DataFrame:
        """Return ``customers, cost, value`` of each promotion.

        Parameters
        ----------
        choice : ndarray of int of shape (n,)
            What each customer gets; −1 for nothing.
        """
        got = np.flatnonzero(choice >= 0)
        code = choice[got].astype(int)
        size = len(self.names)
        return pd.DataFrame(
            {
                "customers": np.bincount(code, minlength=size),
                "cost": np.bincount(code, self.cost[got, code], minlength=size),
                "value": np.bincount(code, self.value[got, code], minlength=size),
            }
        )


def budget(
    value: Any,
    cost: ArrayLike | None = None,
    *,
    budget: float | None = None,
    promotions: Sequence[Any] | None = None,
    currency: str = "",
    out: str | Path = "reports",
) -> Explorer[BudgetState, Options]:
    """Explore what other budgets would bring.

    Parameters
    ----------
    value, cost : array-like of shape (n, P)
        As `promolab.allocate` takes them. Or a week alone, by its ISO name, its path or its folder,
        whose policy is known by what contacts add: all else is then taken from there.
    budget : float, optional
        What to begin with; by default what the week was given, else half of what pays.
    promotions : sequence of P, optional
        What readers call them.
    currency : str
        Of all amounts.
    out : str or Path
        The folder of all reports, for an ISO week.

    Returns
    -------
    Explorer

    Raises
    ------
    InputError
        Shapes that differ, a week of which nobody knows what contacts add.

    Notes
    -----
    Of a week, amounts are those of the customers who are sent something after all holdouts, and
    what chance draws is left out: each budget goes where it is expected to return most.

    Examples
    --------
    >>> found = budget([[3.0, 4.0], [1.0, 5.0]], [[1.0, 2.0], [1.0, 2.0]], budget=2)
    >>> "9.00" in found.move(budget=4).text
    True
    """
    spoken = language()
    if isinstance(value, (str, Path, RunFolder)):
        run = week_of(value, out)
        spoken = run.language
        with reading(run):
            given = _of_week(run, budget)
    else:
        found = options_of(value, cost, promotions=promotions)
        given = (found.value, found.cost, found.promotions, None, None, currency, budget)
    amounts, costs, names, group, told, currency, begun = given
    path, n = hull_path(amounts, costs), len(amounts)
    most = float(path.spend[-1])
    if most <= 0:
        raise InputError(
            "no promotion both costs something and adds something, so that there is no budget to "
            "explore; give values above 0 and their costs"
        )
    begun = most / 2 if begun is None else min(real_number("budget", begun, least=0), most)
    step = round_step(most, parts=200)
    begun = round(begun / step) * step
    codes, uniques = pd.factorize(np.full(n, None) if group is None else pd.Series(group))
    made = Options(
        amounts, costs, names, codes, tuple(map(str, uniques)), path.choose(begun), begun, path,
        told, currency,
    )  # fmt: skip
    with speaking(spoken):
        words = words_of(__name__, "budget", currency=currency)
        most = float(np.ceil(most / step) * step)
        controls = {"budget": slide(words.say("budget"), 0.0, most, step)}
        return Explorer(words.word("title"), BudgetState(begun), controls, render, made)


def _of_week(run: RunFolder, budget: float | None) -> tuple[Any, ...]:
    """Return what `budget` explores, of a week that was planned by what contacts add."""
    policy = run.metrics.get("policy") or {}
    if not policy.get("by_effect"):
        raise InputError(
            f"what the promotions of {run.week} add is not known, and its lists are ranked by "
            "response: there is no budget to explore; notebook 07 says what would tell"
        )
    rows = run.read_table("allocation")
    wide = rows[rows["action"] != NONE].pivot_table(
        ["value", "cost"], "customer_id", "action", "sum", fill_value=0.0
    )
    value, cost = (policy["sent"] * wide[c].to_numpy() for c in ("value", "cost"))
    names = tuple(policy["promotions"][one]["name"] for one in wide["value"].columns)
    segment = run.read_table("segments").set_index("customer_id")["segment"].reindex(wide.index)
    answer, stated = policy["answer"], policy["budget"] if budget is None else budget
    begin = answer["spend"] if stated is None else stated
    return value, cost, names, segment, run.read_table("frontier"), answer["currency"], begin


def render(state: BudgetState, options: Options) -> Html:
    """Return what a budget adds, who gains and loses by it, and the frontier with its place on it.

    Parameters
    ----------
    state : BudgetState
    options : Options
    """
    choice = options.path.choose(state.budget)
    sums = options.sums(choice)
    words = words_of(__name__, "budget", **_facts(state, options, choice, sums))
    by_promotion, by_group = words.words["table"]
    change = sums["customers"] - options.before["customers"]
    rows = sums.assign(promotion=options.names, change=change)
    tables = [worded_table(by_promotion, words, rows)]
    if options.groups:
        tables.append(worded_table(by_group, words, _by_group(options, choice)))
    return join(
        [
            say(words.say("finding"), css="finding"),
            say(words.say("changes")),
            _frontier(words, options),
            beside(tables),
        ]
    )


def _facts(
    state: BudgetState, options: Options, choice: np.ndarray, sums: pd.DataFrame
) -> dict[str, Any]:
    """Return what is said of a budget: what it adds, and what changes against the start."""
    spend, profit = float(sums["cost"].sum()), float(sums["value"].sum())
    more = state.budget / 10 or options.began / 10
    adds = options.path.bound(state.budget + more) - options.path.bound(state.budget)
    before, now = options.start >= 0, choice >= 0
    gain, lose = int((now & ~before).sum()), int((before & ~now).sum())
    other = int((now & before & (choice != options.start)).sum())
    found: dict[str, Any] = {
        "currency": options.currency,
        "given": state.budget,
        "began": options.began,
        "planned": int(now.sum()),
        "n": len(choice),
        "spend": spend,
        "profit": profit,
        "more": more,
        "adds": adds,
        "more_adds": adds > 0,
        "gain": gain,
        "lose": lose,
        "other": other,
        "changed": gain + lose + other > 0,
        "told": "unknown",
    }
    if (told := options.told) is not None:
        found |= {"first": float(told["budget"].iloc[0]), "last": float(told["budget"].iloc[-1])}
        known = (float(np.interp(spend, told["budget"], told[column])) for column in _ENDS)
        inside = found["first"] <= spend <= found["last"]
        found |= {"told": "inside" if inside else "beyond", "known": Estimate.of(known)}
    return found


_ENDS = ("profit", "ci_low", "ci_high")


def _frontier(words: Facts, options: Options) -> Html:
    spend, gained = options.curve
    marks: list[Line | Dots | Upright] = []
    if (told := options.told) is not None:
        ends: dict[str, Any] = {"low": told["ci_low"], "high": told["ci_high"]}
        marks.append(Line(told["budget"], told["profit"], words.word("past"), 2, **ends))
    marks += [
        Line(spend, gained, label=words.word("expected")),
        Upright(options.began, label=words.word("at_first"), colour="grey"),
        Dots([words["given"]], [words["profit"]], label=words.word("here")),
    ]
    return drawn(words, "frontier", marks, ("budget", "extra_profit"), width=620)


def _by_group(options: Options, choice: np.ndarray) -> pd.DataFrame:
    """Return whose contacts rise and fall, the most changed first."""
    rows = options.of_groups.assign(contacted=options.reached(choice))
    rows["change"] = rows["contacted"] - rows["before"]
    rows["share"] = rows["contacted"] / rows["all"]
    return rows.sort_values(
        ["change", "segment"], key=lambda c: -c.abs() if c.name == "change" else c
    )
