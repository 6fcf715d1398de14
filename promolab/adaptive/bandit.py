"""A bandit of promotions: plan a round, hear late what came of it, and plan the next one better."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from promolab.abtest import most_telling
from promolab.adaptive.beliefs import BANDITS, DRAWS, GREEDY, allocate_by
from promolab.checks import choice, columns_there, numbers_of, real_number, seed_of, share
from promolab.contract import NONE, Experiment
from promolab.effects import UpliftModel
from promolab.errors import InputError
from promolab.metrics import random_effects
from promolab.policy import Allocation
from promolab.results import Result
from promolab.stats import normal_quantile

LEAST = 30
"""Decisions for an arm, with known outcomes, from which on its own average is learned."""
WIDE = 1e4
"""Prior variance of the mean of all arms, as a multiple of what was measured: it says nothing."""
LEVEL = 0.95
ID, OUTCOME = "decision_id", "outcome"
ROLES = ("customer_id", "round", "action", OUTCOME)


@dataclass(frozen=True)
class BanditPlan(Result):
    """A round's decisions, made by `PromotionBandit.plan`.

    Parameters
    ----------
    decisions : DataFrame
        decision_id, customer_id, action, propensity: a row per customer.
    chances : DataFrame
        decision_id, action, propensity: every action that chance could have given to whom.
    allocation : Allocation
        What it adds and costs by what was believed.
    believed : DataFrame
        arm, mean, std_error (of its average effect, in money), decisions (that told).
    """

    decisions: pd.DataFrame = field(repr=False)
    chances: pd.DataFrame = field(repr=False)
    allocation: Allocation = field(repr=False)
    believed: pd.DataFrame = field(repr=False)

    def facts(self) -> dict[str, Any]:
        """Return how many are contacted, and what is believed of each arm."""
        return {
            "customers": len(self.decisions),
            "contacted": int((self.decisions["action"] != NONE).sum()),
            "spend": self.allocation.spend,
            "value": self.allocation.value,
        }


def linear_posterior(
    design: np.ndarray, values: np.ndarray, variances: np.ndarray, prior: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    r"""Return mean and covariance of a straight line's coefficients after some measurements.

    :math:`S = (P^{-1} + D^\top V^{-1} D)^{-1}` and :math:`m = S D^\top V^{-1} y` (Bishop 2006,
    3.50–3.51), the prior mean being 0.

    Parameters
    ----------
    design : ndarray of shape (k, q)
    values, variances : ndarray of shape (k,)
        What was measured, and its variance.
    prior : ndarray of shape (q,)
        Prior variances, above 0.

    Examples
    --------
    >>> mean, covariance = linear_posterior(np.eye(1), np.array([3.0]), np.ones(1), np.array([2.0]))
    >>> mean.round(6).tolist(), covariance.round(6).tolist()
    ([2.0], [[0.666667]])
    """
    weighted = design / variances[:, None]
    covariance = np.linalg.inv(np.diag(1 / prior) + design.T @ weighted)
    return covariance @ (weighted.T @ values), covariance


class PromotionBandit:
    """Choose promotions round after round while it is being learned what each adds.

    Parameters
    ----------
    kind : {"greedy", "ucb", "ts"}
        How the budget goes by what is believed (`promolab.adaptive.allocate_by`).
    arms : mapping of arm to attributes, optional
        What may be given: ``kind`` (a text), ``cost`` (of a contact, in money) and other numbers,
        such as ``depth``. Arms that are alike are believed to add alike.
    prior : Experiment, optional
        A log of earlier rounds, with known chances; its arms must have attributes.
    explore : float
        Share of the customers who get an arm, or none, drawn evenly (0–1), above 0: of what is
        never drawn nothing is learned.
    draws : int
        Of what may be true, for ``ts``.
    seed : int

    Raises
    ------
    InputError
        There is no such kind, an arm lacks attributes, or the prior has no known chances.

    Notes
    -----
    Effects of each arm and customer are those of `promolab.UpliftModel` (``"dr"``, ``"pooled"``).
    Their averages are drawn together: an arm's average is a straight line in its kind and numbers,
    and what is its own (`linear_posterior`), whose spread is what arms are seen to differ by
    (DerSimonian & Laird 1986). Of an arm that was never given the line alone tells.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> people = pd.DataFrame({"customer_id": range(600), "orders": rng.poisson(3.0, 600)})
    >>> bandit = PromotionBandit(arms={"mail": {"kind": "mail", "cost": 0.5}}, explore=0.5)
    >>> first = bandit.plan(people, budget=200.0)
    >>> sent = first.decisions["action"] == "mail"
    >>> told = first.decisions.assign(outcome=rng.normal(size=600) + 2.0 * sent)
    >>> bandit.update(told[["decision_id", "action"]], told[["decision_id", "outcome"]])
    >>> second = bandit.plan(people, budget=200.0)
    >>> second.believed.round(1).values.tolist()
    [['mail', 1.9, 0.1, 147]]
    """

    def __init__(
        self,
        kind: str = GREEDY,
        *,
        arms: Mapping[Any, Mapping[str, Any]] | None = None,
        prior: Experiment | None = None,
        explore: float = 0.05,
        draws: int = DRAWS,
        seed: int = 0,
    ) -> None:
        self.kind, self.draws = choice("kind", kind, BANDITS), draws
        self.explore = share("explore", explore, zero=False, one=False)
        self.seed, self.round = seed_of(seed), 0
        self.arms: dict[str, dict[str, Any]] = {}
        for name, attributes in (arms or {}).items():
            self.add_arm({"name": name, **attributes})
        self._prior, self._rows, self._chances = prior, pd.DataFrame(), pd.DataFrame()
        if prior is not None and prior.design != "known":
            raise InputError(
                f"the log {prior.name!r} states no chances; expected the propensity of every arm "
                "in every row: give Experiment(…, propensity=…)"
            )
        told = () if prior is None else prior.arms[1:]
        for arm in sorted({*map(str, told)} - {*self.arms}):
            raise InputError(f"the arm {arm!r} of the prior has no attributes; give it in arms=")

    def add_arm(self, attributes: Mapping[str, Any]) -> None:
        """Take an arm up: from the next round on it may be given.

        Parameters
        ----------
        attributes : mapping
            ``name``, ``kind``, ``cost`` (of a contact, in money, from 0) and other numbers.

        Raises
        ------
        InputError
            One of them is missing, a further attribute is no number, or the arm is there already.
        """
        given = dict(attributes)
        for needed in ("name", "kind", "cost"):
            if given.get(needed) is None:
                raise InputError(
                    f"the arm {given.get('name', '')!r} has no {needed}; expected name, kind and "
                    "cost, and numbers such as depth: what is like it tells what it may add"
                )
        name = str(given.pop("name"))
        if name in self.arms or name == NONE:
            raise InputError(f"there is an arm {name!r} already; give another name")
        kind, told = str(given.pop("kind")), {}
        for each, number in given.items():
            what = f"{each} of {name!r}"
            told[each] = real_number(what, number, least=0.0 if each == "cost" else None)
        self.arms[name] = {"kind": kind, **told}

    def plan(self, X: pd.DataFrame, budget: float | None = None) -> BanditPlan:
        """Choose who gets what in the next round.

        Parameters
        ----------
        X : DataFrame of n rows
            customer_id, and numbers or texts that are known before the round, the same in all.
        budget : float, optional
            Most that contacts may cost, in money.

        Raises
        ------
        InputError
            There are no arms, no customer_id or a customer twice, a column of the prior is missing;
            a budget below 0.
        """
        needed = () if self._prior is None else self._prior.covariates
        columns_there(X, ["customer_id", *needed], "X")
        if not self.arms:
            raise InputError("there is no arm to give; add one by add_arm")
        value, error, believed = self._believed(X)
        cost = np.tile([float(arm["cost"]) for arm in self.arms.values()], (len(X), 1))
        found = allocate_by(
            self.kind, np.nan_to_num(value - cost), np.nan_to_num(error), cost, draws=self.draws,
            seed=self.seed + self.round, budget=budget, customers=X["customer_id"].to_numpy(),
            promotions=list(self.arms), explore=self.explore, p_min=0.0,
            pays=bool(np.isfinite(value).all()),
        )  # fmt: skip
        self.round += 1
        chances = found.chances()
        chances[ID] = f"{self.round}-" + chances["customer_id"].astype(str)
        own = chances[chances["chosen"]].drop(columns="chosen").set_index(ID)
        wide = chances.pivot_table("propensity", ID, "action", fill_value=0.0)
        self._chances = pd.concat([self._chances, wide]).fillna(0.0)
        rows = own.drop(columns="propensity").assign(round=str(self.round), outcome=np.nan)
        rows = rows.reset_index().merge(X, on="customer_id").set_index(ID)
        self._rows = pd.concat([self._rows, rows])
        return BanditPlan(own.reset_index(), chances[[ID, "action", "propensity"]], found, believed)

    def update(self, decisions: pd.DataFrame, outcomes: pd.DataFrame) -> None:
        """Hear what was done and what came of it: late, in parts, and each once.

        Parameters
        ----------
        decisions : DataFrame
            decision_id, action: what was done in fact, of any rounds.
        outcomes : DataFrame
            decision_id, outcome (money, once it is settled), of any decisions; those not yet known
            come later. One that is told again counts once.

        Raises
        ------
        InputError
            A decision that was never planned, an action that chance could not have given, an
            outcome that is no number, or one that differs from what was told before.
        """
        columns_there(decisions, [ID, "action"], "decisions")
        columns_there(outcomes, [ID, OUTCOME], "outcomes")
        told = outcomes.drop_duplicates([ID, OUTCOME])
        numbers = numbers_of("outcomes.outcome", told[OUTCOME], finite=True)
        for named in (decisions[ID], told[ID]):
            self._refuse(named, ~named.isin(self._rows.index), "is none that was planned")
        done = pd.Index(decisions["action"].astype(str))
        place = self._chances.columns.get_indexer(done)
        row = self._chances.index.get_indexer(pd.Index(decisions[ID]))
        could = (place >= 0) & (self._chances.to_numpy()[row, place] > 0)
        self._refuse(decisions[ID], ~could, "was given an action that chance could not draw")
        before = self._rows[OUTCOME].reindex(told[ID]).to_numpy()
        twice = told[ID].duplicated() | (np.isfinite(before) & (before != numbers))
        self._refuse(told[ID], twice, "is told with two outcomes, and has one, once it is settled")
        self._rows.loc[decisions[ID], "action"] = done
        self._rows.loc[told[ID], OUTCOME] = numbers

    def _refuse(self, decisions: pd.Series[Any], wrong: Any, what: str) -> None:
        if np.any(wrong):
            first = str(decisions[np.asarray(wrong)].iloc[0])
            raise InputError(f"decision {first!r} {what}; give those of plan(…).decisions")

    def _believed(self, X: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
        """Return each arm's effect on each customer, its standard error, and the arms' averages.

        All are nan where no arm was measured.
        """
        names, models = list(self.arms), self._models()
        rows = [model.average(LEVEL).rows.iloc[0] for model in models.values()]
        measured = pd.DataFrame(rows, list(models), ["effect", "std_error"]).astype(float)
        mean, covariance = self._levels(measured)
        error = np.sqrt(np.diag(covariance))
        frame = pd.DataFrame({"arm": names, "mean": mean, "std_error": error})
        told = {name: int(model.experiment_.codes.sum()) for name, model in models.items()}
        frame["decisions"] = frame["arm"].map(told).fillna(0).astype(int)
        apart = {}  # of each customer from the arm's average, and its variance
        for name, model in models.items():
            level, se = measured.loc[name].to_numpy(dtype=float)
            of = model.effect(X, LEVEL)[name]
            half = (of["ci_high"] - of["effect"]) / normal_quantile(LEVEL)
            apart[name] = of["effect"] - level, np.maximum(half**2 - se**2, 0.0)
        away, own = np.zeros((2, len(X), len(names)))
        for j, name in enumerate(names if apart else ()):
            same = [each for each in apart if self.arms[each]["kind"] == self.arms[name]["kind"]]
            alike = [name] if name in apart else same or list(apart)
            away[:, j], own[:, j] = np.mean([apart[each] for each in alike], axis=0)
        return mean + away, np.sqrt(error**2 + own), frame

    def _levels(self, measured: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and covariance of the arms' averages, all nan where none was measured."""
        names, k = list(self.arms), len(self.arms)
        if measured.empty:
            return np.full(k, np.nan), np.full((k, k), np.nan)
        told = pd.DataFrame.from_dict(self.arms, orient="index")
        numbers = told.drop(columns=["kind", "cost"]).astype(float)
        numbers = (numbers - numbers.mean()) / numbers.std(ddof=0).where(lambda sd: sd > 0)
        kinds = pd.get_dummies(told["kind"], dtype=float)
        design = np.column_stack([np.ones(k), kinds, numbers.fillna(0.0), np.eye(k)])
        y, variances = measured["effect"].to_numpy(), measured["std_error"].to_numpy() ** 2
        between = random_effects(y, variances).sd
        usual = float(np.mean(y**2 + variances))
        own = between**2 if between > 0 else 0.25 * usual
        prior = np.full(design.shape[1], own)
        prior[0] = WIDE * usual
        at = [names.index(arm) for arm in measured.index]
        mean, covariance = linear_posterior(design[at], y, variances, prior)
        return design @ mean, design @ covariance @ design.T

    def _models(self) -> dict[str, UpliftModel]:
        """Return of each arm given often enough what the rounds that tell most of it say."""
        found: dict[str, UpliftModel] = {}
        if (log := self._log()) is None:
            return found
        for arm in self.arms:
            with suppress(InputError):  # too few rows, or too rarely drawn
                pair = log.subset(arm)
                if np.bincount(pair.codes, minlength=2).min() >= LEAST:
                    model = UpliftModel("dr", "pooled", seed=self.seed)
                    found[arm] = model.fit(most_telling(pair))
        return found

    def _log(self) -> Experiment | None:
        """Return the prior and the rounds as one log, of decisions whose outcomes are known."""
        rows, chances, before = self._rows, self._chances, self._prior
        if len(rows):
            rows = rows[rows[OUTCOME].notna()]
            chances = chances.loc[rows.index]
        covariates = [str(c) for c in rows if c not in ROLES]
        if before is not None:
            covariates = list(before.covariates)
            said = before.frame[covariates].assign(
                customer_id=before.frame[before.customer_id],
                action=before.frame[before.arm].astype(str).replace(str(before.control), NONE),
                outcome=before.frame[before.outcomes[0]],
                round="" if before.block is None else before.frame[before.block].astype(str),
            )
            known = pd.DataFrame(before.propensity, columns=[NONE, *map(str, before.arms[1:])])
            rows = pd.concat([said, rows], ignore_index=True)
            chances = pd.concat([known, chances], ignore_index=True)
        if not len(rows) or NONE not in set(rows["action"]):
            return None
        arms = [NONE, *self.arms]
        known = chances.reindex(columns=arms).fillna(0.0)
        return Experiment(
            rows, "action", NONE, covariates, [OUTCOME], propensity=known, arms=arms, block="round"
        )
