"""The one door to models of what a promotion adds: several arms against one control."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from promolab.contract import Experiment
from promolab.effects.candidates import DEFAULT, Candidates
from promolab.effects.checks import check_experiment
from promolab.effects.fitted import Fitted
from promolab.effects.learners.aipw import estimate_propensity, fit_nuisance, kept_rows
from promolab.effects.learners.learners import KINDS, EffectModel, Setting
from promolab.effects.learners.makers import MAKERS, Maker, maker_of
from promolab.effects.learners.rows import Design, folds_of, rows_of, steady
from promolab.errors import InputError, PromolabError, nearest

__all__ = ["UpliftModel"]

FOREST = "forest"


class UpliftModel(Fitted, BaseEstimator):  # type: ignore[misc]
    """What each arm of an experiment adds to an outcome, per customer, on average and by group.

    Parameters
    ----------
    kind : {"dr", "s", "t", "x", "r", "forest"}
        How effects are learned (Künzel et al. 2019, Nie & Wager 2021, Kennedy 2023; ``"forest"``
        is EconML's causal forest, Athey, Tibshirani & Wager 2019, and needs the extra ``uplift``).
        Averages and groups come from doubly robust scores whichever it is.
    learner : optional
        What learns the effect: ``"linear"``, ``"ridge"``, ``"boosting"``, any estimator of
        scikit-learn, or a function that returns one; by default, for each arm, the one of the
        first three whose predictions of later folds of customers come nearest to what followed.
        Either way effects are drawn to the average as far as they come true (`calibrated_`).
    outcome_learner : optional
        What learns expected outcomes on the way; by default as ``learner``, or ``"linear"``.
    folds : int
        Of customers: everything estimated on the way comes from models that did not see the
        customer.
    seed : int
        Of the folds and the learners.
    clip : float
        Lowest estimated chance of an arm; those below are raised to it and counted.
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
        Expected outcomes, chances, and how many were clipped.
    kept_ : ndarray of bool of shape (n, K − 1)
        Rows that count in averages.

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
        kind, folds, clip, trim = self.kind, self.folds, self.clip, self.trim
        if kind not in (*KINDS, FOREST):
            raise InputError(f"kind {kind!r} is unknown; {nearest(str(kind), [*KINDS, FOREST])}")
        if not (isinstance(folds, int) and folds >= 2):
            raise InputError(f"folds = {folds!r}; expected a whole number, 2 or more")
        if not 0 < clip < 0.5:
            raise InputError(f"clip = {clip!r}; expected a chance between 0 and 0.5")
        if isinstance(trim, str) and trim not in ("auto", "optimal"):
            raise InputError(f"trim = {trim!r}; expected 'auto', 'optimal', a chance or None")
        self._makers()

    def _makers(self) -> tuple[Maker, Maker]:
        """Return what makes the models of effects and of outcomes."""
        maker = maker_of(DEFAULT if self.learner is None else self.learner)
        return maker, maker if self.outcome_learner is None else maker_of(self.outcome_learner)

    def _named(self) -> str | None:
        """Return what the learner is called, if one was named."""
        if self.kind == FOREST or isinstance(self.learner, str):
            return FOREST if self.kind == FOREST else self.learner
        return None if self.learner is None else type(self.learner).__name__

    def __repr__(self) -> str:
        learner = "" if self.learner is None else f", learner={self.learner!r}"
        return f"UpliftModel({self.kind!r}{learner}, folds={self.folds}, seed={self.seed})"

    def fit(
        self, experiment: Experiment, outcome: str | None = None, *, despite: Sequence[str] = ()
    ) -> UpliftModel:
        """Check the experiment, then learn what its arms add.

        Parameters
        ----------
        experiment : Experiment
        outcome : str, optional
            The first by default.
        despite : sequence of str
            Names of checks to go on in spite of; the result is then ``not identified``.

        Raises
        ------
        Refused
            A check refuses.
        InputError
            There is no such outcome, or the learner cannot learn it.
        """
        if not isinstance(experiment, Experiment):
            raise InputError(
                f"fit takes an Experiment, and got a {type(experiment).__name__}; make one with "
                "promolab.load_experiment"
            )
        self._check()
        X = experiment.X
        fold = folds_of(experiment.frame[experiment.customer_id], self.folds, self.seed)
        rows = rows_of(experiment, outcome, fold, self.folds, self.seed)
        maker, outcome_maker = self._makers()
        encoded = {maker.style, outcome_maker.style}
        if not experiment.randomised:
            encoded.add("encoded")
        designs = {style: Design.learn(X, style) for style in sorted(encoded)}
        matrices = {style: design.matrix(X) for style, design in designs.items()}
        with steady(rows.n * X.shape[1]):
            chances, clipped = experiment.propensity, 0
            if chances is None:
                chances, clipped = estimate_propensity(rows, matrices["encoded"], self.clip)
            kept = kept_rows(chances, self._trim(experiment))
            self.checks_ = check_experiment(experiment, outcome, propensity=chances, kept=kept)
            self.checks_.require(tuple(despite))
            style, outcome_style = maker.style, outcome_maker.style
            there, design = matrices[outcome_style], designs[outcome_style]
            nuisance = fit_nuisance(rows, there, design, outcome_maker, chances, clipped)
            setting = Setting(
                rows, matrices[style], designs[style], maker, there, design, outcome_maker,
                nuisance,
            )  # fmt: skip
            self._model = self._effect_model(setting).fit(np.ones(rows.n, dtype=bool))
        self.experiment_, self.arms_ = experiment, tuple(experiment.arms)
        self.outcome_ = outcome or experiment.outcomes[0]
        self.identification_ = self.checks_.identification
        self._candidates = Candidates(
            experiment, self._model, self._effect_model, self._named(), kept, self.outcome_
        )
        self.fold_, self.cluster_, self.nuisance_ = fold, rows.cluster, nuisance
        self.kept_ = kept
        return self

    def save(self, path: str | Path) -> Path:
        """Write what the fitted model shows to one file (safetensors: numbers and JSON).

        Effects, averages and the best arm; no row of the experiment is in it. Trees are written by
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
        from promolab.effects.saved import FORMAT, state_of
        from promolab.model import write_model

        self._fitted()
        for learner in (self.learner, self.outcome_learner):
            if self.kind == FOREST or not (learner is None or isinstance(learner, str)):
                raise InputError(
                    f"an uplift model of {FOREST if self.kind == FOREST else repr(learner)} cannot "
                    f"be saved; take one of the learners {', '.join(map(repr, MAKERS))}"
                )
        state, arrays = state_of(self._drawn(), self.average())
        return write_model(path, {"parameters": self.get_params(), **state}, arrays, FORMAT)

    @classmethod
    def load(cls, path: str | Path) -> UpliftModel:
        """Read a model that `save` wrote: it predicts the same, knows the averages and best arms.

        Raises
        ------
        InputError
            There is no such file, it is no uplift model, or it was changed or cut short.
        """
        from promolab.effects.saved import FORMAT, restored
        from promolab.model import read_model

        state, arrays = read_model(path, FORMAT)
        try:
            model = cls(**state["parameters"])
            model._saved = restored(model.kind, state, arrays)
            model.arms_, model.outcome_ = tuple(state["arms"]), state["outcome"]
            model.identification_ = model._saved[1].identification
        except PromolabError:
            raise
        except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
            raise InputError(
                f"{path} is a model of another version of promolab ({error!r}); fit it again"
            ) from error
        model._candidates = None
        return model

    def _trim(self, experiment: Experiment) -> float | str | None:
        if self.trim != "auto":
            return self.trim
        return None if experiment.randomised else "optimal"

    def _effect_model(self, setting: Setting) -> EffectModel:
        if self.kind == FOREST:
            from promolab.effects.learners.learners import ForestLearner

            return ForestLearner(setting)
        return KINDS[self.kind](setting)
