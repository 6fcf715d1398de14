"""Search for a model's options: by what they would have meant for promotions not seen yet."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import choice, real_number, whole_number
from promolab.compare.cross_validation import Setting, make_setting, predict_folds, progress_bar
from promolab.compare.leaderboard import higher_is_better, leakage_alarm
from promolab.errors import InputError, MissingExtraError, nearest
from promolab.metrics import compare, measure
from promolab.model import ResponseModel
from promolab.model.inputs import Fold, Folds
from promolab.model.learners import learner_class
from promolab.results import Estimate, Result
from promolab.wording import count

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import Trial


@dataclass(frozen=True)
class Span:
    """Numbers from ``low`` to ``high``.

    Parameters
    ----------
    low, high : float
        Both are tried.
    log : bool
        Whether twice as much counts the same everywhere, as for penalties and rates.
    whole : bool
        Whole numbers only.

    Examples
    --------
    >>> Span(1, 9, whole=True)
    Span(low=1, high=9, log=False, whole=True)
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no range."""
        if not (np.isfinite([self.low, self.high]).all() and self.low < self.high):
            raise InputError(f"a span from {self.low} to {self.high}; give two numbers that ascend")
        if self.log and self.low <= 0:
            raise InputError(f"a logarithmic span from {self.low}; it has to start above 0")


Space = Mapping[str, Span | Sequence[Any]]

SPACES: Mapping[str, Space] = {
    "logistic": {"l2": Span(1.0, 1000.0, log=True), "l1": (0.0, 1.0, 3.0, 10.0)},
    "tree": {"depth": Span(2, 8, whole=True), "min_leaf": Span(10, 300, log=True, whole=True)},
    # More trees only cost time: their number is no matter of search.
    "forest": {
        "min_leaf": Span(1, 60, log=True, whole=True),
        "features": Span(0.05, 0.8, log=True),
    },
    "boosting": {
        "iterations": Span(25, 400, log=True, whole=True),
        "learning_rate": Span(0.01, 0.2, log=True),
        "leaves": Span(2, 31, log=True, whole=True),
        "min_leaf": Span(5, 100, log=True, whole=True),
        "l2": Span(0.1, 100.0, log=True),
    },
    "mlp": {
        "hidden": ((32,), (64, 32), (128, 64)),
        "dropout": Span(0.0, 0.5),
        "weight_decay": Span(1e-4, 1.0, log=True),
        "learning_rate": Span(5e-4, 1e-2, log=True),
    },
    "multitask": {
        "hidden": ((32,), (64, 32), (128, 64)),
        "dropout": Span(0.0, 0.5),
        "weight_decay": Span(1e-4, 1.0, log=True),
        "learning_rate": Span(5e-4, 1e-2, log=True),
    },
}
"""By kind; of what is not listed the default stays."""


def space_of(kind: str, space: Space | None = None, fixed: Sequence[str] = ()) -> dict[str, Any]:
    """Return the options to search, checked, in the order of their names.

    Parameters
    ----------
    kind : str
        Of the model.
    space : mapping, optional
        Option → `Span` or a sequence of choices; by default that of `SPACES`.
    fixed : sequence of str
        Options that are given and not searched.

    Raises
    ------
    InputError
        The kind has no such option, or nothing is left to search.

    Examples
    --------
    >>> space_of("tree", {"depth": [2, 4]})
    {'depth': (2, 4)}
    """
    known = learner_class(kind).DEFAULTS
    if space is not None and not isinstance(space, Mapping):
        raise InputError(f"space = {space!r}; give a mapping: {{option: Span(low, high)}}")
    found: dict[str, Any] = {}
    for name, where in sorted((SPACES.get(kind, {}) if space is None else space).items()):
        if name not in known:
            raise InputError(f"{kind} has no option {name!r}; {nearest(name, known)}")
        if name in fixed:
            continue
        if not isinstance(where, Span):
            if isinstance(where, str) or not isinstance(where, Sequence) or len(where) < 2:
                raise InputError(
                    f"{name} is to be searched in {where!r}; give a Span or at least two choices"
                )
            where = tuple(where)
        found[name] = where
    if not found:
        raise InputError(
            f"there is nothing to search for {kind}; give space={{option: Span(low, high)}}"
        )
    return found


@dataclass(frozen=True)
class SearchResult(Result):
    """The best options found, and how they compare with the defaults on the same rows.

    Parameters
    ----------
    kind, outcome, metric : str
        Of the model, the label, and what made options good.
    best : mapping
        Option → value; empty where nothing tried was better than the defaults.
    defaults : mapping
        The defaults of the options that were searched.
    fixed : mapping
        Options that stayed as given.
    features : tuple of str
        Source columns used.
    value, default_value : float
        The measure of the best and of the defaults, on rows that no model had seen.
    advantage : Estimate
        By how much the best is better (above 0) on the same rows, clustered by customer. It was
        chosen for being large, so it flatters.
    frame : DataFrame
        One row per trial: trial, state (complete, pruned, refused), value (nan unless complete),
        folds, seconds, and a column per option.
    basis : {"promotions", "time", "customers"}
        What each part of the rows, predicted from others, was.
    wanted : int
        Trials asked for.
    leakage : str
        What is too good to be true, in a sentence; empty where nothing is.
    """

    kind: str
    outcome: str
    metric: str
    best: Mapping[str, Any]
    defaults: Mapping[str, Any]
    fixed: Mapping[str, Any]
    features: tuple[str, ...]
    value: float
    default_value: float
    advantage: Estimate
    frame: pd.DataFrame = field(repr=False)
    basis: str
    wanted: int
    leakage: str = ""

    def model(self) -> ResponseModel:
        """Return a new, unfitted model with the best options."""
        return ResponseModel(self.kind, **{**self.fixed, **self.best})

    def facts(self) -> dict[str, Any]:
        """Return what is best, and what its figure is worth."""
        options = (self.best or self.defaults).items()
        return {
            "short": len(self.frame) < self.wanted,
            "found": "better" if self.best else "none",
            "options": [{"option": name, "shown": _short(value)} for name, value in options],
            "worth": bool(self.best),
            "trials": len(self.frame),
        }


def _short(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return count(value) if 1000 <= abs(value) < 1e15 else f"{value:.3g}"


def suggested(trial: Trial, space: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that a trial is to try.

    Parameters
    ----------
    trial : optuna.trial.Trial
    space : mapping
        Of `space_of`.
    """
    given: dict[str, Any] = {}
    for name, where in space.items():
        if not isinstance(where, Span):
            given[name] = trial.suggest_categorical(name, where)
        elif where.whole:
            given[name] = trial.suggest_int(name, int(where.low), int(where.high), log=where.log)
        else:
            low, high = float(where.low), float(where.high)
            given[name] = trial.suggest_float(name, low, high, log=where.log)
    return given


STARTUP = 8  # trials drawn at random before the others are looked at
OBJECTIVES = ("log_loss", "auc", "auc_within", "average_precision", "brier")
"""What `search_options` can search by."""


@dataclass
class Task:
    """What a trial has to do: predict the folds with some options, and say how well."""

    setting: Setting
    kind: str
    fixed: dict[str, Any]
    metric: str
    seed: int
    space: dict[str, Any]

    def maker(self, options: Mapping[str, Any]) -> Callable[[], ResponseModel]:
        """Return what makes a model with these options."""
        given = {**self.fixed, **options}
        return lambda: ResponseModel(self.kind, seed=self.seed, **given)

    def defaults(self) -> np.ndarray:
        """Predict with the defaults; folds that even they cannot learn for are left out."""
        refused: dict[str, str] = {}
        p = predict_folds(self.setting, self.maker({}), refused=refused)
        parts = tuple(f for f in self.setting.folds.parts if f.name not in refused)
        if not parts:
            told = self.setting.folds.left_out["reason"].unique()[:2]
            why = next(iter(refused.values()), "; ".join(told) or "too few rows with the outcome")
            raise InputError(f"there is nothing to search on: {why}")
        folds = Folds(parts, self.setting.folds.left_out)
        self.setting = replace(self.setting, folds=folds)
        y = self.setting.labels[folds.tested]
        if y.min() == y.max():
            raise InputError(f"all rows predicted have {self.setting.outcome} = {y.min():.0f}")
        return p

    def steps(self) -> list[list[Fold]]:
        """Return the folds, those with the same training rows together: they share a model."""
        steps: list[list[Fold]] = []
        for fold in self.setting.folds.parts:
            if steps and steps[-1][0].train is fold.train:
                steps[-1].append(fold)
            else:
                steps.append([fold])
        return steps

    def __call__(self, trial: Trial) -> float:
        """Evaluate one trial fold by fold, and stop it where it is behind."""
        from optuna import TrialPruned

        make, steps = self.maker(suggested(trial, self.space)), self.steps()
        p, value = np.full(len(self.setting.frame), np.nan), np.nan
        for k, parts in enumerate(steps):
            part = predict_folds(self.setting, make, parts)
            p = np.where(np.isnan(part), p, part)
            value = self.value(p)
            trial.set_user_attr("folds", k + 1)
            if np.isfinite(value):
                trial.report(value, k)
                if k + 1 < len(steps) and trial.should_prune():
                    raise TrialPruned
        return value  # nan, which is no value to Optuna, where all rows are of one class

    def predict(self, options: Mapping[str, Any]) -> np.ndarray:
        """Predict all folds."""
        return predict_folds(self.setting, self.maker(options))

    def value(self, p: np.ndarray) -> float:
        """Return the measure over the rows predicted so far; nan where they have one class."""
        rows = np.flatnonzero(~np.isnan(p))
        y, group = self.setting.labels[rows], self._groups(rows)
        of_one = group is None or (pd.Series(y).groupby(group).nunique() < 2).all()
        ranks = self.metric in ("auc", "average_precision") and y.min() == y.max()
        if ranks or (self.metric == "auc_within" and of_one):
            return np.nan
        group = group if self.metric == "auc_within" else None
        found = measure(y, p[rows], self.metric.removesuffix("_within"), group=group)
        return float(found.value)

    def _groups(self, rows: np.ndarray) -> np.ndarray | None:
        promotions = self.setting.column("promotion_id")
        return None if promotions is None else promotions[rows]

    def advantage(self, p: np.ndarray, base: np.ndarray) -> Estimate:
        """Return by how much p is better than the base on the same rows, clustered by customer."""
        rows = np.flatnonzero(~np.isnan(p) & ~np.isnan(base))
        customers = self.setting.column("customer_id")
        found = compare(
            self.setting.labels[rows],
            {"defaults": base[rows], "best": p[rows]},
            self.metric.removesuffix("_within"),
            cluster=None if customers is None else customers[rows],
            group=self._groups(rows) if self.metric == "auc_within" else None,
        ).against("best")
        return found if higher_is_better(self.metric) else found * -1


def search_options(
    pairs: pd.DataFrame,
    kind: str = "logistic",
    *,
    outcome: str = "redeemed",
    columns: Sequence[str] | None = None,
    trials: int = 30,
    seconds: float | None = None,
    metric: str = "log_loss",
    space: Space | None = None,
    fixed: Mapping[str, Any] | None = None,
    time: str | None = None,
    folds: int | None = None,
    min_positives: int = 20,
    seed: int = 0,
) -> SearchResult:
    """Try options of a model, each by what it would have predicted of what came later.

    Every trial predicts each promotion from those over before it started (or block of time from the
    rows before it, or fold of customers from the others: see `compare_models`). The next options
    are proposed by the tree-structured Parzen estimator from the trials before; a trial that after
    some folds is worse than half of the earlier ones were there is stopped. Same rows, same seed,
    same trials.

    Parameters
    ----------
    pairs : DataFrame
        Pairs (`build_pairs`) or a labelled table (`load_labelled`).
    kind : str
        One of `promolab.model.learners.KINDS`.
    outcome : str
        Label column.
    columns : sequence of str, optional
        Features; by default `pair_features`.
    trials : int
        How many.
    seconds : float, optional
        Start no more trials after as many seconds.
    metric : {"log_loss", "auc", "auc_within", "average_precision", "brier"}
        What makes options good.
    space : mapping, optional
        Option → `Span` or a sequence of choices; by default `SPACES` of the kind.
    fixed : mapping, optional
        Options that stay as given, in every trial and in the defaults compared with.
    time : str, optional
        Column of the moment of each row, of a table without promotions.
    folds : int, optional
        At most this many; by default one per start of promotions, or five.
    min_positives : int
        Rows with the outcome that a fold's training rows need.
    seed : int
        Start of every random number.

    Returns
    -------
    SearchResult

    Raises
    ------
    MissingExtraError
        Optuna is not installed (extra ``search``).
    InputError
        No row can be predicted, an unknown kind, option or metric, a budget of nothing.

    References
    ----------
    Bergstra, Bardenet, Bengio & Kégl (2011), "Algorithms for hyper-parameter optimization", NeurIPS
    24. Akiba et al. (2019), "Optuna", KDD.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> rows = pd.DataFrame({"customer_id": range(300), "orders": rng.poisson(3.0, 300)})
    >>> rows["click"] = (rows["orders"] + rng.normal(size=300) > 4).astype(int)
    >>> found = search_options(rows, "tree", outcome="click", trials=3, folds=2)
    >>> len(found.frame), sorted(found.model().get_params())[:2]
    (3, ['calibration', 'columns'])
    """
    with quiet() as optuna:
        whole_number("trials", trials, 1)
        if seconds is not None:
            real_number("seconds", seconds, above=0)
        choice("metric", metric, OBJECTIVES)
        kept = dict(fixed or {})
        where = space_of(kind, space, tuple(kept))
        ResponseModel(kind, **kept)
        how: dict[str, Any] = {"time": time, "folds": folds, "min_positives": min_positives}
        setting = make_setting(pairs, outcome, columns, seed=seed, **how)
        task = Task(setting, kind, kept, metric, seed, where)
        defaults = task.defaults()
        default = task.value(defaults)
        study = _searched(task, trials, seconds, optuna)
    table = _table(study)
    best = _best(table, where, metric, default)
    p, predicted = task.predict(best) if best else defaults, len(task.setting.folds.tested)
    return SearchResult(
        kind,
        outcome,
        metric,
        best,
        {option: learner_class(kind).DEFAULTS[option] for option in where},
        kept,
        tuple(task.setting.features),
        task.value(p),
        default,
        task.advantage(p, defaults) if best else Estimate(0.0, 0.0, 0.0, predicted),
        table,
        task.setting.basis,
        trials,
        leakage_alarm(task.setting, {kind: p}),
    )


@contextmanager
def quiet() -> Iterator[Any]:
    """Give Optuna without its log lines and warnings; its settings are what they were afterwards.

    Raises
    ------
    MissingExtraError
        Optuna is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError("the search for options", "search") from error
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="optuna")
            yield optuna
    finally:
        optuna.logging.set_verbosity(before)


def _searched(task: Task, trials: int, seconds: float | None, optuna: Any) -> Study:
    """Return the search, all its trials tried."""
    warmup = max(1, len(task.steps()) // 3)
    study: Study = optuna.create_study(
        direction="maximize" if higher_is_better(task.metric) else "minimize",
        sampler=optuna.samplers.TPESampler(n_startup_trials=STARTUP, seed=task.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=warmup),
    )
    with progress_bar(trials, f"searching {task.kind}") as bar:
        how: dict[str, Any] = {"catch": (InputError,), "callbacks": [lambda *_: bar.update()]}
        study.optimize(task, n_trials=trials, timeout=seconds, **how)
        if not study.trials:  # a budget of seconds too short for one trial still gives one
            study.optimize(task, n_trials=1, **how)
    return study


def _table(study: Study) -> pd.DataFrame:
    """Return one row per trial, in order."""
    states = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "refused"}
    records = []
    for trial in study.trials:
        state, took = states[trial.state.name], trial.duration
        records.append(
            {
                "trial": trial.number,
                "state": state,
                "value": trial.value if state == "complete" else np.nan,
                "folds": trial.user_attrs.get("folds", 0),
                "seconds": took.total_seconds() if took else np.nan,
                **trial.params,
            }
        )
    return pd.DataFrame(records)


def _best(table: pd.DataFrame, space: Iterable[str], metric: str, default: float) -> dict[str, Any]:
    """Return the best options, the earliest of equals; none where the defaults are as good."""
    values = table["value"].to_numpy() * (1 if higher_is_better(metric) else -1)
    if np.isnan(values).all():
        return {}
    at = int(np.nanargmax(values))
    if values[at] <= default * (1 if higher_is_better(metric) else -1):
        return {}
    row = table.astype(object).iloc[at]
    return {name: row[name] for name in space}
