"""Ways to learn effects compared on the same decisions: which one to rank customers by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from promolab.checks import choice, choices_of, level_of, seed_of, share, whole_number
from promolab.compare.cross_validation import progress_bar
from promolab.contract import Experiment
from promolab.effects import SharedPredictions, UpliftModel, place_within, predict_models
from promolab.errors import InputError
from promolab.metrics import compare_qini, cost_curve, funded, qini, rate
from promolab.results import Estimate, Result, plain
from promolab.stats import around, holm, spread_of, two_sided
from promolab.wording import plural

DEFAULT = "dr"
METHODS = (DEFAULT, "t/linear", "dr/boosting", "t/boosting", "s/boosting", "x/boosting")
"""Compared where none are named: kind/learner of `UpliftModel`, the simplest first."""
MEASURES = ("qini", "autoc", "value")
HALF = 2.0
"""A method that finds so many times what the chosen one finds is taken in its place."""
ENDS = ("", "_low", "_high")


@dataclass(frozen=True)
class EffectComparison(Result):
    """Ways to learn effects, from the simplest to the most involved, on the same decisions.

    Parameters
    ----------
    methods : tuple of str
        The first is the one that the others are compared with.
    measure : str
        What decides: one of `MEASURES`.
    pairs : DataFrame
        measure, first, second, difference, difference_low, difference_high, p_value: every pair of
        methods, paired on the same decisions.
    frame : DataFrame
        One row per method: method, each measure with its interval (``_low``, ``_high``), its
        difference to the first (``_difference``, ``_difference_low``, ``_difference_high``), the
        p values of that (``_p``, and ``_p_holm`` over the methods), seconds.
    budget : float
        Share of what contacting everybody costs.
    outcome : str
    decisions, customers, folds : int
        What they were compared on; the first of the folds of customers only teaches.
    right : str
        By what right differences are called effects.
    level : float
        Of the intervals.
    """

    methods: tuple[str, ...]
    measure: str
    pairs: pd.DataFrame = field(repr=False)
    frame: pd.DataFrame = field(repr=False)
    budget: float
    outcome: str
    decisions: int
    customers: int
    folds: int
    right: str
    level: float

    def figure(self, method: str, measure: str | None = None, what: str = "") -> Estimate:
        """Return a method's figure, or with ``what="_difference"`` its difference to the first."""
        place = self.methods.index(choice("method", method, self.methods))
        name = choice("measure", measure or self.measure, MEASURES) + what
        return Estimate.of(self.frame[f"{name}{end}"].to_numpy()[place] for end in ENDS)

    @cached_property
    def best(self) -> str:
        """The method that finds most, the simplest of equals."""
        return self._best(self.measure)

    def _best(self, measure: str) -> str:
        return self.methods[int(np.argmax(self.frame[measure].to_numpy()))]

    def beaten_by(self, method: str, measure: str | None = None) -> list[str]:
        """Return the methods that find more beyond noise (Holm over the others)."""
        name = choice("measure", measure or self.measure, MEASURES)
        of = self.pairs[(self.pairs["measure"] == name) & (self.pairs["second"] == method)]
        sure = (holm(of["p_value"]) < 1 - self.level) & (of["difference"] > 0)
        return of["first"][sure].tolist()

    def unbeaten(self, measure: str | None = None) -> str:
        """Return the simplest method that no other one beats beyond noise."""
        name = choice("measure", measure or self.measure, MEASURES)
        return next((m for m in self.methods if not self.beaten_by(m, name)), self._best(name))

    def surely(self, measure: str | None = None) -> list[str]:
        """Return the methods that surely find something.

        The interval lies above 0 at a level that holds for all methods at once (Bonferroni).
        """
        name = choice("measure", measure or self.measure, MEASURES)
        return self.frame["method"][self.frame[f"{name}_surely"]].tolist()

    def take(self, measure: str | None = None) -> str:
        """Return the simplest that is not beaten, or what finds twice as much as that.

        What finds twice as much must by its own interval find something. A gain that is left is
        dearer than a method more involved than need be, so this does not wait for certainty.
        """
        name = choice("measure", measure or self.measure, MEASURES)
        simple, best = self.unbeaten(name), self._best(name)
        mine, most = (self.figure(m, name) for m in (simple, best))
        return best if most.ci_low > 0 and most.value >= HALF * max(mine.value, 0.0) else simple

    @cached_property
    def chosen(self) -> str:
        """What `take` returns by the measure that decides."""
        return self.take()

    def facts(self) -> dict[str, Any]:
        """Return which method is taken and why, and the methods and measures that speak."""
        first, chosen, simple = self.methods[0], self.chosen, self.unbeaten()
        speaking = [m for m in dict.fromkeys((self.best, chosen)) if m != first]
        why = "twice" if chosen != simple else "first" if chosen == first else "unbeaten"
        frame = self._deciding()
        return {
            "first": first,
            "why": why,
            "simple": simple,
            "own": self.figure(first),
            "others": frame[frame["method"].isin(speaking)],
            "gaps": frame.iloc[1:],
            "shown": self.frame.join(frame[["gap", "gap_low", "gap_high", "p", "taken"]]),
            "gains": self.frame[self.frame["method"].isin([first, chosen])],
            "beaten_by": self.beaten_by(first),
            "doubt": why != "unbeaten" and not self.surely(),
            "qualified": self.right != "randomised",
            "finds_most": self.best != chosen,
            "by_method": lambda: plain(self.frame.set_index("method").to_dict("index")),
        }

    def _deciding(self) -> pd.DataFrame:
        """Return each method's figure by the measure that decides, and its gap to the first."""
        frame, name = self.frame, self.measure
        made = pd.DataFrame({"method": list(self.methods)})
        for end in ENDS:
            made[f"figure{end}"] = frame[f"{name}{end}"]
            made[f"gap{end}"] = frame[f"{name}_difference{end}"]
        return made.assign(p=frame[f"{name}_p_holm"], taken=made["method"] == self.chosen)


def compare_effects(
    trial: Experiment,
    methods: Mapping[str, UpliftModel] | Sequence[str] = METHODS,
    outcome: str | None = None,
    *,
    cost: Any = 1.0,
    budget: float = 0.3,
    arm: Any = None,
    measure: str = "qini",
    folds: int = 5,
    seed: int = 0,
    level: float = 0.95,
    despite: Sequence[str] = (),
) -> EffectComparison:
    """Compare ways to learn effects on the same decisions, each fold predicted from those before.

    Folds, columns, chances and expected outcomes are worked out once for all of them; all are
    measured by the same doubly robust scores.

    Parameters
    ----------
    trial : Experiment
    methods : sequence of str, or mapping of str to UpliftModel
        From the simplest to the most involved: ``"dr"`` (which tries ridge, linear and boosting),
        ``"t/boosting"`` (kind/learner), or models of one's own by name, not fitted. The first is
        the one that the others are compared with. ``"dr"``, which is taken where nothing is
        compared, is put in front of names that lack it.
    outcome : str, optional
        The first by default.
    cost : float or array-like of shape (n,)
        What a promotion costs each customer of the trial's rows, above 0 for some; customers are
        then ranked by effect per cost.
    budget : float
        Share of what contacting everybody costs, at which the policies are valued
        (`promolab.metrics.cost_curve`).
    arm : optional
        The one that counts; by default all arms are taken together.
    measure : {"qini", "autoc", "value"}
        What decides.
    folds : int
        Of customers, at least 3: the first only teaches.
    seed : int
    level : float
        Of the intervals, and 1 − it of the tests.
    despite : sequence of str
        Names of checks to go on in spite of, as in `UpliftModel.fit`.

    Returns
    -------
    EffectComparison
        ``chosen``: the simplest that no other beats beyond noise (Holm over the methods); but where
        the one that finds most finds twice as much, its own interval above 0, that one.

    Raises
    ------
    InputError
        No such method, fewer than two, or a cost, budget or measure that cannot be.
    Refused
        A check refuses the trial.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rows = pd.DataFrame({"customer_id": range(3000), "orders": rng.normal(size=3000)})
    >>> rows["mail"] = rng.choice(["no", "yes"], 3000)
    >>> rows["spend"] = rng.normal(size=3000) + (rows["mail"] == "yes") * rows["orders"]
    >>> even = [[0.5, 0.5]] * 3000
    >>> trial = Experiment(rows, "mail", "no", ["orders"], ["spend"], propensity=even)
    >>> compare_effects(trial, ["dr", "t/linear"]).chosen
    'dr'
    """
    if not isinstance(trial, Experiment):
        raise InputError(
            f"trial is a {type(trial).__name__}; give an Experiment, as promolab.load_experiment "
            "returns one"
        )
    level_of(level)
    choice("measure", measure, MEASURES)
    share("budget", budget, zero=False, one=False)
    whole_number("folds", folds, 3)
    if arm is not None:
        choice("arm", arm, trial.treatments)
    models = _models(methods, seed_of(seed), folds)
    with progress_bar(len(models), "comparing ways to learn effects") as bar:
        found = predict_models(
            trial, models, outcome, folds=folds, seed=seed, arm=arm, despite=despite,
            done=lambda name: bar.update(),
        )  # fmt: skip
    return _compared(found, _costs(cost, len(found.gamma)), budget, measure, level)


def _models(methods: Any, seed: int, folds: int) -> dict[str, UpliftModel]:
    if isinstance(methods, Mapping):
        for name, model in methods.items():
            if not isinstance(model, UpliftModel):
                raise InputError(
                    f"the method {name!r} is a {type(model).__name__}; give an UpliftModel that "
                    "is not fitted"
                )
        made = {str(name): model for name, model in methods.items()}
    else:
        made, names = {}, [str(name) for name in choices_of("methods", methods)]
        for name in names if DEFAULT in names else [DEFAULT, *names]:
            kind, _, learner = name.partition("/")
            made[name] = UpliftModel(kind, learner or None, folds=folds, seed=seed)
    if len(made) < 2:
        raise InputError(f"methods names {plural(len(made), 'method')}; give two or more")
    return made


def _costs(cost: Any, n: int) -> np.ndarray:
    costs = np.asarray(cost, dtype=float)
    costs = np.full(n, float(costs)) if costs.ndim == 0 else costs
    if costs.shape != (n,):
        raise InputError(f"cost has shape {costs.shape}; give a number, or one for each of {n:,}")
    if not (np.isfinite(costs).all() and (costs > 0).all()):
        raise InputError("cost is 0, negative or missing in places; give what a contact costs")
    return costs


def _compared(
    found: SharedPredictions, cost: np.ndarray, budget: float, measure: str, level: float
) -> EffectComparison:
    names = list(found.effects)
    known = np.isfinite(found.gamma) & np.isfinite(found.effects[names[0]])
    gamma, cost, fold = found.gamma[known], cost[known], found.fold[known]
    cluster = np.unique(found.cluster[known], return_inverse=True)[1]
    scores = {
        name: place_within(values[known] / cost, fold) for name, values in found.effects.items()
    }
    how: dict[str, Any] = {"gamma": gamma, "cluster": cluster, "level": level}
    paid = {name: funded(score, cost, budget * cost.sum()) for name, score in scores.items()}
    # What both orders spend is the same: the mean effect per cost may be taken off.
    left = gamma - cost * (gamma.mean() / cost.mean())
    pairs, rows = [], []
    for name, score in scores.items():
        figures = _figures(score, cost, budget, how)
        sure = 1 - (1 - level) / len(names)
        at_once = _figures(score, cost, budget, how | {"level": sure})
        row: dict[str, Any] = {"method": name}
        for each, estimate in figures.items():
            row |= dict(zip((f"{each}{end}" for end in ENDS), estimate.ends, strict=True))
            row[f"{each}_surely"] = at_once[each].ci_low > 0
        rows.append(row | {"seconds": found.seconds[name]})
        for other in names[len(rows) :]:
            for each in ("qini", "autoc"):
                gap = compare_qini(None, None, score, scores[other], weighting=each, **how)
                pairs += _both(each, name, other, gap.estimate, gap.p_value)
            added = (paid[name] - paid[other]) * left
            gain = float(added.mean())
            spread = spread_of((added - gain) / len(added), cluster)
            p = two_sided(gain, spread.std_error, spread.degrees)
            estimate = Estimate(gain, *around(gain, spread, level))
            pairs += _both("value", name, other, estimate, p)
    columns = ["measure", "first", "second", *(f"difference{end}" for end in ENDS), "p_value"]
    compared = pd.DataFrame(pairs, columns=columns)
    frame = _against_first(pd.DataFrame(rows), compared, names)
    return EffectComparison(
        tuple(names),
        measure,
        compared,
        frame,
        budget,
        found.outcome,
        len(gamma),
        int(cluster.max()) + 1,
        int(found.fold.max()) + 1,
        str(found.identification),
        level,
    )


def _both(measure: str, name: str, other: str, gap: Estimate, p: float) -> list[tuple[Any, ...]]:
    """Return a paired difference, and the same the other way round."""
    back = (-gap.value, -gap.ci_high, -gap.ci_low)
    return [(measure, name, other, *gap.ends, p), (measure, other, name, *back, p)]


def _figures(
    score: np.ndarray, cost: np.ndarray, budget: float, how: dict[str, Any]
) -> dict[str, Estimate]:
    spent = cost_curve(None, None, score, cost, **how)
    return {
        "qini": qini(None, None, score, **how).estimate,
        "autoc": rate(None, None, score, **how).estimates["autoc"],
        "value": spent.at(budget * spent.cost),
    }


def _against_first(frame: pd.DataFrame, pairs: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Add each method's differences to the first, and p values adjusted for their number."""
    for measure in MEASURES:
        mine = pairs[(pairs["measure"] == measure) & (pairs["second"] == names[0])]
        mine = mine.set_index("first").reindex(names)
        for end in ENDS:
            frame[f"{measure}_difference{end}"] = mine[f"difference{end}"].to_numpy()
        p = mine["p_value"].to_numpy()
        frame[f"{measure}_p"] = p
        frame[f"{measure}_p_holm"] = np.append(np.nan, holm(p[1:]))
    return frame
