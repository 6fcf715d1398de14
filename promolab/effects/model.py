"""The one door to models of what a promotion adds: several arms against one control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator

from promolab.checks import choice, is_whole, real_number, seed_of, whole_number
from promolab.contract import Experiment
from promolab.effects.average_effects import (
    AverageEffects,
    GroupEffects,
    average_table,
    effect_table,
    equal_groups,
    group_tables,
    groups_from,
)
from promolab.effects.checks import check_experiment
from promolab.effects.identification import (
    NOTHING,
    Check,
    Identification,
    Refused,
    UpliftChecks,
    Withheld,
    of_effects,
)
from promolab.effects.learner_selection import DEFAULT, NO_ROWS, Candidates
from promolab.effects.learners.aipw import Nuisance, kept_rows, steady
from promolab.effects.learners.base_learners import BASE_LEARNERS, BaseLearner, base_learner
from promolab.effects.learners.learners import KINDS, Shared
from promolab.effects.shrinkage import CONSTANT, CalibratedEffects
from promolab.errors import InputError
from promolab.language import ENGLISH, speaking
from promolab.model.inputs import as_frame
from promolab.results import read_values, words_of, write_values
from promolab.stats import normal_quantile

if TYPE_CHECKING:
    import pandas as pd

    from promolab.effects.learner_selection import ShrunkEffects
    from promolab.effects.shrinkage import Forward
    from promolab.effects.targeting import Targeting


class UpliftModel(BaseEstimator):  # type: ignore[misc]
    """What each arm of an experiment adds to an outcome, per customer, on average and by group.

    Parameters
    ----------
    kind : {"dr", "s", "t", "x", "r"}
        How effects are learned (Künzel et al. 2019, Nie & Wager 2021, Kennedy 2023).
        Averages and groups come from doubly robust scores whichever it is.
    learner : optional
        What learns the effect: ``"linear"``, ``"ridge"``, ``"pooled"`` (as ridge, and arms learn
        from each other), ``"boosting"``, ``"two_part"`` (of heavy-tailed money: whether customers
        buy apart from how much), any estimator of scikit-learn, or a function that returns one; by
        default, for each arm, the one of linear, ridge and boosting whose predictions of later
        folds of customers come nearest to what followed, and two_part where the outcome is
        heavy-tailed money (see Notes). Effects are drawn to the average as far as they come true
        (`calibrated_`), those of two_part by its own prior.
    outcome_learner : optional
        What learns expected outcomes on the way; by default as ``learner``, or ``"linear"``.
    folds : int
        Of customers: everything estimated on the way comes from models that did not see the
        customer.
    seed : int
        Of the folds and the learners.
    clip : float
        Lowest estimated chance of an arm; those below are raised to it.
    trim : "auto", "optimal", float or None
        Rows that averages leave out for lack of overlap: ``"optimal"`` those that would make them
        less certain (Crump et al. 2009), a number those with a chance below it. ``"auto"`` is
        ``"optimal"`` where chances are estimated and nothing where they are known.

    Attributes
    ----------
    arms_ : tuple
        The control first.
    outcome_ : str
    checks_ : UpliftChecks
        What was checked before.
    identification_ : Identification
        ``randomised``, ``adjusted`` or ``not identified``.
    scores_ : DataFrame of shape (n, K − 1)
        Doubly robust scores of the effects: what metrics and policies take.
    fold_, cluster_ : ndarray of int of shape (n,)
    nuisance_ : Nuisance
        Expected outcomes, and chances.
    kept_ : ndarray of bool of shape (n, K − 1)
        Rows that count in averages.
    why_ : str or None
        Of a model kept although a check refuses (``fit(refuse=False)``): why it shows no effect.

    Notes
    -----
    Heavy-tailed money is nowhere below 0, 0 in at least 10 % of the rows, and elsewhere of a
    standard deviation above its mean. There learners see each basket as it was to be expected of
    the customer and arm, and effects assume that an arm changes all baskets by one factor; scores,
    averages and their intervals assume no such thing.

    Examples
    --------
    >>> import pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> rows = pd.DataFrame({"customer_id": range(2000), "orders": rng.normal(size=2000)})
    >>> rows["mail"] = rng.choice(["no", "yes"], 2000)
    >>> rows["spend"] = rng.normal(size=2000) + (rows["mail"] == "yes") * (1 + rows["orders"])
    >>> even = [[0.5, 0.5]] * 2000
    >>> trial = Experiment(rows, "mail", "no", ["orders"], ["spend"], propensity=even)
    >>> model = UpliftModel("dr").fit(trial)
    >>> model.average().summary()
    'Yes adds 1.03 [0.93, 1.12] to spend per decision.'
    >>> model.effect(pd.DataFrame({"orders": [1.0, 3.0]})).round()["yes"]["effect"].tolist()
    [2.0, 4.0]
    """

    arms_: tuple[Any, ...]
    outcome_: str
    experiment_: Experiment
    checks_: UpliftChecks | Withheld
    nuisance_: Nuisance
    fold_: np.ndarray
    cluster_: np.ndarray
    kept_: np.ndarray
    identification_: Identification
    why_: str | None
    _candidates: Candidates | None
    _saved: tuple[ShrunkEffects, AverageEffects]

    def __init__(
        self,
        kind: str = "dr",
        learner: Any = None,
        *,
        outcome_learner: Any = None,
        folds: int = 5,
        seed: int = 0,
        clip: float = 0.01,
        trim: float | str | None = "auto",
    ) -> None:
        self.kind, self.learner, self.outcome_learner = kind, learner, outcome_learner
        self.folds, self.seed, self.clip, self.trim = folds, seed, clip, trim
        self._check()

    def _check(self) -> None:
        """Refuse parameters that cannot be; they may have been set one by one."""
        choice("kind", self.kind, KINDS)
        whole_number("folds", self.folds, 2)
        seed_of(self.seed)
        real_number("clip", self.clip, above=0, below=0.5)
        if isinstance(self.trim, str):
            choice("trim", self.trim, ("auto", "optimal"))
        self._learners()

    def _learners(self) -> tuple[BaseLearner, BaseLearner]:
        """Return what makes the models of effects and of outcomes."""
        learner = base_learner(DEFAULT if self.learner is None else self.learner)
        other = self.outcome_learner
        return learner, learner if other is None else base_learner(other)

    def _named(self) -> str | None:
        """Return what the learner is called, if one was named."""
        named = self.learner is None or isinstance(self.learner, str)
        return self.learner if named else type(self.learner).__name__

    def fit(
        self,
        experiment: Experiment | None,
        outcome: str | None = None,
        *,
        despite: Sequence[str] = (),
        also: Sequence[Check] = (),
        refuse: bool = True,
        like: UpliftModel | None = None,
    ) -> UpliftModel:
        """Check the experiment, then learn what its arms add.

        Parameters
        ----------
        experiment : Experiment
            Where it has an ``early`` outcome, differences between customers are learned from that,
            and drawn by what follows of them in the outcome (Athey et al. 2019, surrogates):
            averages and slopes are the outcome's.
        outcome : str, optional
            The first by default.
        despite : sequence of str
            Names of checks to go on in spite of; the result is then ``not identified``.
        also : sequence of Check
            What was checked elsewhere, and may refuse as well.
        refuse : bool
            False keeps a model that a check refuses, or that got no experiment: it says why
            (`checks_`, `summary`) and, in place of every effect, that it is not shown.
        like : UpliftModel, optional
            Fitted to another outcome of the same decisions, asked alike: what does not hang on the
            outcome is its.

        Raises
        ------
        Refused
            A check refuses.
        InputError
            There is no such outcome, the learner cannot learn it, or ``like`` is of others.
        """
        self._check()
        self.why_ = None
        if experiment is None and not refuse:
            self.checks_, self.why_ = Withheld(NOTHING), ""
            return self
        if not isinstance(experiment, Experiment):
            raise InputError(
                f"fit takes an Experiment, and got a {type(experiment).__name__}; make one with "
                "promolab.load_experiment"
            )
        there = None if like is None else like._rows().shared
        if like is not None and not (
            like.get_params() == self.get_params() and _alike(like.experiment_, experiment)
        ):
            raise InputError("like learned of other decisions, or in another way; leave it out")
        shared = Shared(experiment, outcome, self.folds, self.seed, self.clip, there)
        with steady(shared.rows.n * len(experiment.covariates)):
            kept = kept_rows(shared.chances, self._trim(experiment))
            checks = check_experiment(
                experiment,
                outcome,
                propensity=shared.chances,
                kept=kept,
                like=None if like is None else like.checks_,
            )
            self.checks_ = checks = checks.with_others(also)
            self.experiment_ = experiment
            try:
                checks.require(tuple(despite))
            except Refused:
                if refuse:
                    raise
                self.why_ = " ".join(check.sentence for check in checks.of("refused"))
                return self
            self._candidates = Candidates(self, shared, kept)
            self._candidates.fitted.fit(np.ones(shared.rows.n, dtype=bool))
        self.arms_, self.outcome_ = tuple(experiment.arms), shared.outcome
        self.identification_ = checks.identification
        self.fold_, self.cluster_, self.kept_ = shared.fold, shared.rows.cluster, kept
        self.nuisance_ = self._candidates.setting.nuisance
        return self

    def save(self, path: str | Path) -> Path:
        """Write what the fitted model shows to one file (safetensors: numbers and JSON).

        Effects and averages; no row of the experiment is in it. Trees are written by
        skops, and read back under a list of what they may hold; nothing executes.

        Raises
        ------
        InputError
            The path cannot be written, or the learner is none of promolab's.

        Examples
        --------
        >>> import tempfile, pandas as pd
        >>> rows = pd.DataFrame({"customer_id": range(400), "age": np.arange(400.0) % 50})
        >>> rows["mail"], rows["y"] = np.arange(400) % 2, np.arange(400) % 2 * rows["age"]
        >>> trial = Experiment(rows, "mail", 0, ["age"], ["y"], propensity=[[0.5, 0.5]] * 400)
        >>> model = UpliftModel("dr", "ridge").fit(trial)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     again = UpliftModel.load(model.save(f"{folder}/model"))
        >>> bool((again.predict(trial.X) == model.predict(trial.X)).all())
        True
        """
        from promolab.effects.saved import FORMAT, SavedUplift

        self._fitted()
        for learner in (self.learner, self.outcome_learner):
            if not (learner is None or isinstance(learner, str)):
                raise InputError(
                    f"an uplift model of {learner!r} cannot be saved; take one of the learners "
                    f"{', '.join(map(repr, BASE_LEARNERS))}"
                )
        kept = SavedUplift.of(self.get_params(), self._drawn(), self.average())
        return write_values(kept, path, FORMAT, what="model")

    @classmethod
    def load(cls, path: str | Path) -> UpliftModel:
        """Read a model that `save` wrote: it predicts the same, and knows the averages.

        Raises
        ------
        InputError
            There is no such file, it is no uplift model, or it was changed or cut short.
        """
        from promolab.effects.saved import FORMAT, SavedUplift

        kept = read_values(path, FORMAT, what="model")
        if not isinstance(kept, SavedUplift):
            raise InputError(f"{path} holds a {type(kept).__name__} and no uplift model")
        model, average = cls(**kept.parameters), kept.average
        model._saved = kept.restored(), average
        model.why_ = None
        model.arms_, model.outcome_ = (average.control, *average.rows["arm"]), average.outcome
        model.identification_ = average.identification
        model._candidates = None
        return model

    @property
    def treatments_(self) -> tuple[Any, ...]:
        """The arms but the control."""
        self._fitted()
        return tuple(self.arms_[1:])

    @property
    def covariates_(self) -> tuple[str, ...]:
        """Columns that a frame must have to be predicted."""
        self._fitted()
        if self._candidates is None:
            return self._saved[0].columns
        return tuple(self.experiment_.covariates)

    @property
    def told_early_(self) -> bool:
        """Whether customers are told apart by an early outcome."""
        return self._rows().told_early

    @property
    def has_rows(self) -> bool:
        """Whether it knows what it learned from; one that was loaded does not."""
        return getattr(self, "_candidates", None) is not None

    @property
    def scores_(self) -> pd.DataFrame:
        """Doubly robust scores of the effects; nan where a row could not have got the arm."""
        return self._by_arm(self._rows().setting.nuisance.gamma)

    def _by_arm(self, values: np.ndarray) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame(values, columns=list(self.treatments_))

    @property
    def pooled_scores_(self) -> pd.DataFrame:
        """As `scores_`; where arms learn from each other, drawn together as their averages are."""
        return self._by_arm(self._rows().scores)

    @property
    def early_nuisance_(self) -> Nuisance:
        """As ``nuisance_``, of the early outcome where there is one."""
        return self._rows().fitted.setting.nuisance

    @property
    def early_scores_(self) -> pd.DataFrame:
        """As `scores_`, of the early outcome where there is one."""
        return self._by_arm(self.early_nuisance_.gamma)

    def expected(self, column: str) -> np.ndarray:
        """Return what each arm is expected to bring of another column of money, shape (n, K).

        By ridge regression, each row by models of the other folds.
        """
        shared = self._rows().shared
        rows = replace(shared.rows, y=self.experiment_.frame[column].to_numpy(float), binary=False)
        with steady(rows.n * len(self.experiment_.covariates)):
            return shared.nuisance(base_learner("ridge"), rows).mu

    @property
    def effects_(self) -> pd.DataFrame:
        """Calibrated effects of the training rows, each predicted by a model of the other folds."""
        found = self._rows()
        return self._by_arm(found.calibrated[0].effects(found.aways))

    @property
    def effects_by_others_(self) -> pd.DataFrame:
        """As `effects_`, average and slope of the other folds, too.

        What decisions may rest on that are then valued by `scores_`.
        """
        return self._by_arm(self._rows().by_others)

    @property
    def calibrated_(self) -> CalibratedEffects:
        """How far predicted effects come true, and so how far they are drawn to the average."""
        self._fitted()
        return self._drawn().result

    @property
    def forward_(self) -> Forward:
        """Effects predicted forward, each fold of customers by models of the folds before it."""
        return self._rows().forward

    def predict(self, X: Any, *, calibrated: bool = True) -> np.ndarray:
        """Return the effect of each arm but the control, shape (n, K − 1).

        Parameters
        ----------
        X : DataFrame or Experiment
            With the covariates, in any order.
        calibrated : bool
            Drawn to the average as far as predictions come true (`calibrated_`); False gives what
            the learner (``"linear"`` by default) says as it is: of the early outcome, if there is
            one.
        """
        if calibrated:
            drawn = self._drawn()
            return drawn.line.effects(drawn.away(_frame_of(X)))
        model = self._rows().fitted
        Z = model.setting.design.matrix(_frame_of(X))
        with steady(Z.size):
            return model.predict(Z)

    def effect(self, X: Any, level: float = 0.95) -> pd.DataFrame:
        """Return the effect of each arm per customer, with its interval.

        Parameters
        ----------
        X : DataFrame or Experiment of n rows
            With the covariates, in any order.
        level : float
            Of the intervals, each for itself.

        Returns
        -------
        DataFrame of n rows
            Columns (arm, ``effect``), (arm, ``ci_low``) and (arm, ``ci_high``), in the outcome's
            unit per decision. The interval is that of the average effect among customers with the
            same prediction (Chernozhukov et al. 2018, arXiv 1712.04802), clustered by customer;
            where nobody can be told apart, that of the average effect.
        """
        import pandas as pd

        normal_quantile(level)
        drawn = self._drawn()
        away = drawn.away(_frame_of(X))
        index = X.index if isinstance(X, pd.DataFrame) else None
        values, half = drawn.line.effects(away), drawn.line.half(away, level)
        table = effect_table(values, half, self.treatments_, index)
        known = self._candidates is not None or level == self._saved[1].level
        if known and CONSTANT in drawn.line.learners:
            # Where everybody has the average, there is one interval of it.
            for row, learner in zip(
                self.average(level).rows.itertuples(), drawn.line.learners, strict=True
            ):
                if learner == CONSTANT:
                    ends = np.array([row.effect, row.ci_low, row.ci_high]) - row.effect
                    table[row.arm] = table[row.arm]["effect"].to_numpy()[:, None] + ends
        return table

    @of_effects
    def average(self, level: float = 0.95) -> AverageEffects:
        """Return the average effect of each arm, over all rows that could have got it.

        Parameters
        ----------
        level : float
            Of the intervals.
        """
        self._fitted()
        normal_quantile(level)
        if self._candidates is None and level == self._saved[1].level:
            return self._saved[1]
        rows = self._rows().setting.rows
        table, alone = average_table(rows, self.nuisance_, self.kept_, self.treatments_, level)
        control, right = self.arms_[0], self.identification_
        return AverageEffects(table, self.outcome_, control, level, right, alone)

    @of_effects
    def by_group(self, groups: Any, level: float = 0.95) -> GroupEffects:
        """Return the average effect of each arm in each group.

        Parameters
        ----------
        groups : str, array-like of shape (n,), or int
            A column of the experiment's frame; the group of each row (missing: in none); or a
            number of equal groups by predicted effect, each arm's own, predicted out of fold.
        level : float
            Of the intervals.

        Raises
        ------
        InputError
            No such column, another length, or groups that an outcome could have made.
        """
        self._rows()
        normal_quantile(level)
        if is_whole(groups):
            effects = self.effects_.to_numpy()
            cut = [equal_groups(column, self.fold_, groups) for column in effects.T]
            by = "predicted effect (out of fold)"
        else:
            by, codes, names = groups_from(self.experiment_, groups)
            cut = [(codes, names)] * len(self.treatments_)
        rows, tests = group_tables(
            self.nuisance_.gamma, self.kept_, self.cluster_, self.treatments_, cut, level
        )
        control, right = self.arms_[0], self.identification_
        return GroupEffects(rows, self.outcome_, control, level, right, tests, by)

    @of_effects
    def targeting(self) -> Targeting:
        """Return whether an order by predicted effect is worth anything, and one by response."""
        from promolab.effects.targeting import targeting_of

        rows = self._rows()
        if rows.targeting is None:
            rows.targeting = targeting_of(self)
        return rows.targeting

    @of_effects
    def calibration(self) -> CalibratedEffects | Withheld:
        """Return how far effects are drawn to the average, and whether what is shown comes true."""
        from promolab.effects.targeting import calibration_of

        found = self.calibrated_
        return calibration_of(self) if found.told_apart else Withheld("found", found.summary())

    @of_effects
    def by_segment(self, level: float = 0.95) -> GroupEffects | Withheld:
        """Return what all arms together add in each segment, where the data have any."""
        from promolab.effects.targeting import segment_effects

        return segment_effects(self, level)

    def _say(self, line: str) -> str:
        """Return a line of the room's words, with what the model knows."""
        state = "known" if self.why_ is None else "refused" if self.why_ else "nothing"
        given: dict[str, Any] = {"state": state, "why": self.why_}
        if state == "known":
            found, right = self.targeting(), self.identification_
            given |= {"right": right.name, "because": right.because}
            given |= {"verdict": found.verdict, "target_meaning": found.meaning}
            given |= {"customers": found.by_effect.clusters, "decisions": found.by_effect.n}
        return words_of(__name__, "UpliftModel", **given).say(line)

    def summary(self) -> str:
        """Say what may be said of effects; nothing where nothing is compared."""
        return self._say("summary")

    def meaning(self) -> str:
        """Say what to do with it."""
        return self._say("meaning")

    @of_effects
    def certainty(self) -> str:
        """Say how sure the figures are, in a few sentences."""
        return self._say("certainty")

    def to_dict(self) -> dict[str, Any]:
        """Return what was found as plain values: checks, averages, targeting, calibration."""
        if not isinstance(self.checks_, UpliftChecks):
            return {"identification": None}
        kept = self.checks_.to_dict()
        if self.why_ is None:
            kept["average"] = self.average().to_dict()
            kept["targeting"] = self.targeting().to_dict()
            kept["calibrated"] = self.calibrated_.to_dict()
            if isinstance(found := self.calibration(), CalibratedEffects) and found.by_tenths:
                kept["calibration"] = found.by_tenths.to_dict()
        return kept

    def _trim(self, experiment: Experiment) -> float | str | None:
        if self.trim != "auto":
            return self.trim
        return None if experiment.randomised else "optimal"

    def _drawn(self) -> ShrunkEffects:
        self._fitted()
        return self._saved[0] if self._candidates is None else self._candidates.drawn

    def _rows(self) -> Candidates:
        """Return what was learned from; a model that was loaded has no rows."""
        self._fitted()
        if self._candidates is None:
            raise InputError(NO_ROWS)
        return self._candidates

    def _fitted(self) -> None:
        if getattr(self, "why_", None) is not None:
            with speaking(ENGLISH):  # an error is English
                why = self.why_ or Withheld(NOTHING).summary()
            raise Refused(f"a check refuses the experiment: {why}")
        if not hasattr(self, "arms_"):
            raise InputError("the uplift model has not learned yet; call fit(experiment) first")


def _frame_of(X: Any) -> pd.DataFrame:
    return as_frame(X.X if isinstance(X, Experiment) else X)


def _alike(one: Experiment, other: Experiment) -> bool:
    """Return whether two experiments differ in their outcomes alone."""
    columns = list(one.covariates)
    own, its = (np.ones(1) if e.propensity is None else e.propensity for e in (one, other))
    return columns == list(other.covariates) and all(
        (
            np.array_equal(one.codes, other.codes),
            np.array_equal(one.cluster, other.cluster),
            # An experiment made of another one may make its chances sum to 1 anew.
            np.allclose(own, its, rtol=1e-12, atol=0.0),
            all(one.frame[name].equals(other.frame[name]) for name in columns),
        )
    )
