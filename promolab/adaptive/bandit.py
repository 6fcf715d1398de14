"""A bandit of promotions: plan a round, hear late what came of it, and plan the next one better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from promolab.adaptive.beliefs import BANDITS, DRAWS, GREEDY, allocate_by
from promolab.checks import choice, columns_there, real_number, seed_of, share
from promolab.contract import NONE, Experiment
from promolab.effects import UpliftModel
from promolab.errors import InputError, PromolabError, nearest
from promolab.metrics import random_effects
from promolab.policy import Allocation
from promolab.results import Result
from promolab.stats import normal_quantile

LEAST = 30
"""Decisions for an arm, with known outcomes, from which on its own average is learned."""
WIDE = 1e4
"""Prior variance of the mean of all arms, as a multiple of what was measured: it says nothing."""
LEVEL = 0.95
OUTCOME, ROUND, ID = "outcome", "round", "decision_id"
ROLES = (ID, "customer_id", ROUND, "action")


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
        self.kind = choice("kind", kind, BANDITS)
        self.explore, self.draws = share("explore", explore, zero=False, one=False), draws
        self.seed, self.round = seed_of(seed), 0
        self.arms: dict[str, dict[str, Any]] = {}
        for name, attributes in (arms or {}).items():
            self.add_arm({"name": name, **attributes})
        self._prior = prior
        self._rows = pd.DataFrame(columns=list(ROLES))
        self._chances: dict[str, dict[str, float]] = {}
        self._outcomes: dict[str, float] = {}
        if prior is not None:
            if prior.design != "known" or prior.propensity is None:
                raise InputError(
                    f"the log {prior.name!r} states no chances; expected the propensity of every "
                    "arm in every row: give Experiment(…, propensity=…)"
                )
            for arm in map(str, prior.arms[1:]):
                self._known(arm)

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
            least = 0.0 if each == "cost" else None
            told[each] = real_number(f"{each} of {name!r}", number, least=least)
        self.arms[name] = {"kind": kind, **told}

    def _known(self, arm: str) -> None:
        if arm not in self.arms and arm != NONE:
            raise InputError(
                f"the arm {arm!r} has no attributes; {nearest(arm, [*self.arms, NONE])}: give it "
                "in arms=, or by add_arm"
            )

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
            There are no arms, no customer_id or a customer twice; a budget below 0.
        """
        columns_there(X, ["customer_id"], "X")
        if not self.arms:
            raise InputError("there is no arm to give; add one by add_arm")
        if budget is not None:
            real_number("budget", budget, least=0)
        names = list(self.arms)
        value, error, believed = self._believed(X)
        cost = np.tile([float(self.arms[name]["cost"]) for name in names], (len(X), 1))
        known = bool(np.isfinite(value).all())
        found = allocate_by(
            self.kind if known else GREEDY,
            value - cost if known else np.zeros_like(cost), error, cost,
            draws=self.draws, seed=self.seed + self.round, budget=budget, promotions=names,
            customers=X["customer_id"].to_numpy(), explore=self.explore, p_min=0.0,
            pays=bool(known),
        )  # fmt: skip
        self.round += 1
        chances = found.chances()
        chances[ID] = [f"{self.round}-{each}" for each in chances["customer_id"]]
        mine = chances[chances["chosen"]].assign(**{ROUND: self.round})
        decisions = mine[[ID, "customer_id", "action", "propensity"]].reset_index(drop=True)
        described = mine[list(ROLES)].merge(X, on="customer_id")
        self._rows = pd.concat([self._rows, described], ignore_index=True)
        for name, action, chance in chances[[ID, "action", "propensity"]].itertuples(index=False):
            self._chances.setdefault(name, {})[action] = chance
        kept = chances[[ID, "action", "propensity"]].reset_index(drop=True)
        return BanditPlan(decisions, kept, found, believed)

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
        for frame in (decisions, outcomes):
            unknown = set(frame[ID]) - set(self._chances)
            if unknown:
                raise InputError(
                    f"decision_id {sorted(map(str, unknown))[0]!r} is none that was planned; give "
                    "those of plan(…).decisions"
                )
        done = decisions.set_index(ID)["action"].astype(str)
        for name, action in done.items():
            if action not in self._chances[str(name)]:
                raise InputError(
                    f"decision {name!r} was given {action!r}, which chance could not draw; give "
                    "what was done in place of what was planned only where it was drawn"
                )
        if not np.isfinite(outcomes[OUTCOME].astype(float)).all():
            raise InputError("an outcome is no number; leave out those that are not known yet")
        settled = outcomes.groupby(ID)[OUTCOME].agg(["min", "max"]).astype(float)
        earlier = settled.index.map(lambda name: self._outcomes.get(name, np.nan)).to_numpy(float)
        twice = settled["min"].ne(settled["max"]) | (
            np.isfinite(earlier) & (settled["min"].to_numpy() != earlier)
        )
        if twice.any():
            raise InputError(
                f"decision {settled.index[twice][0]!r} is told with two outcomes; expected one for "
                "each, once it is settled"
            )
        actions = self._rows[ID].map(done)
        self._rows["action"] = actions.where(actions.notna(), self._rows["action"])
        self._outcomes.update({str(name): float(each) for name, each in settled["min"].items()})

    def _believed(self, X: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
        """Return each arm's effect on each customer, its standard error, and the arms' averages.

        All are nan where no arm was measured.
        """
        names = list(self.arms)
        told = pd.Series(0, index=names)
        measured = pd.DataFrame(columns=["effect", "std_error"], dtype=float)
        model = self._fitted()
        if model is not None:
            average = model.average(LEVEL).rows.set_index("arm")
            measured = average.loc[average["std_error"] > 0, ["effect", "std_error"]]
            given = model.experiment_.frame[model.experiment_.arm].value_counts()
            told = given.reindex(names).fillna(0).astype(int)
        mean, covariance = self._levels(measured)
        error = np.sqrt(np.diag(covariance))
        frame = {"arm": names, "mean": mean, "std_error": error, "decisions": told.to_numpy()}
        away = np.zeros((2, len(X), len(names)))  # from the arm's average, and its variance
        if model is not None and len(measured):
            table = model.effect(X, LEVEL)
            for j, name in enumerate(names):
                alike = [name] if name in measured.index else self._alike(name, measured.index)
                each = [(table[one], *measured.loc[one]) for one in alike]
                away[0, :, j] = np.mean([of["effect"] - level for of, level, _ in each], axis=0)
                half = [(of["ci_high"] - of["effect"]) / normal_quantile(LEVEL) for of, *_ in each]
                own = [h**2 - se**2 for h, (*_, se) in zip(half, each, strict=True)]
                away[1, :, j] = np.maximum(np.mean(own, axis=0), 0.0)
        return mean + away[0], np.sqrt(error**2 + away[1]), pd.DataFrame(frame)

    def _alike(self, name: str, among: Iterable[str]) -> list[str]:
        """Return the arms of the same kind; all where there is none."""
        same = [each for each in among if self.arms[each]["kind"] == self.arms[name]["kind"]]
        return same or list(among)

    def _levels(self, measured: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and covariance of the arms' averages, all nan where none was measured."""
        names, k = list(self.arms), len(self.arms)
        if measured.empty:
            return np.full(k, np.nan), np.full((k, k), np.nan)
        told = pd.DataFrame.from_dict(self.arms, orient="index")
        kinds, numbers = pd.get_dummies(told["kind"]), told.drop(columns=["kind", "cost"])
        numbers = (numbers - numbers.mean()) / numbers.std(ddof=0).where(lambda sd: sd > 0)
        parts = [np.ones((k, 1)), kinds.to_numpy(float), numbers.fillna(0.0).to_numpy(float)]
        parts += [np.eye(k)]
        y, variances = measured["effect"].to_numpy(), measured["std_error"].to_numpy() ** 2
        between = random_effects(y, variances).sd
        usual = float(np.mean(y**2 + variances))
        own = between**2 if np.isfinite(between) and between > 0 else 0.25 * usual
        design = np.hstack(parts)
        prior = np.full(design.shape[1], own)
        prior[0] = WIDE * usual
        rows = [names.index(arm) for arm in measured.index]
        mean, covariance = linear_posterior(design[rows], y, variances, prior)
        return design @ mean, design @ covariance @ design.T

    def _fitted(self) -> UpliftModel | None:
        """Return what the decisions with outcomes tell; None where that is too little."""
        experiment = self._experiment()
        if experiment is None:
            return None
        try:
            return UpliftModel("dr", "pooled", seed=self.seed).fit(experiment)
        except PromolabError:
            return None

    def _experiment(self) -> Experiment | None:
        """Return the prior and the rounds as one log of arms that were given often enough."""
        rows = self._rows[self._rows[ID].isin(self._outcomes.keys())]
        rows = rows.assign(**{OUTCOME: rows[ID].map(self._outcomes).astype(float)})
        chances = pd.DataFrame([self._chances[name] for name in rows[ID]], index=rows.index)
        covariates = [str(c) for c in rows if c not in (*ROLES, OUTCOME)]
        if (before := self._prior) is not None:
            covariates = list(before.covariates)
            said = before.frame[covariates].assign(
                customer_id=before.frame[before.customer_id],
                action=before.frame[before.arm].astype(str).replace(str(before.control), NONE),
                outcome=before.frame[before.outcomes[0]],
                round="" if before.block is None else before.frame[before.block].astype(str),
            )
            arms = [NONE, *map(str, before.arms[1:])]
            known = pd.DataFrame(np.asarray(before.propensity), columns=arms)
            rows = pd.concat([said, rows], ignore_index=True)
            chances = pd.concat([known, chances], ignore_index=True)
        given = rows["action"].value_counts()
        arms = [name for name in self.arms if given.get(name, 0) >= LEAST]
        if not arms or given.get(NONE, 0) < LEAST:
            return None
        mine = rows["action"].isin([NONE, *arms]).to_numpy()
        chance = chances.reindex(columns=[NONE, *arms]).fillna(0.0).to_numpy()[mine]
        chance = chance / chance.sum(axis=1, keepdims=True)  # given that it was one of these
        frame = rows[mine].assign(round=rows.loc[mine, ROUND].astype(str))
        return Experiment(
            frame, "action", NONE, covariates, [OUTCOME],
            propensity=chance, arms=[NONE, *arms], block=ROUND,
        )  # fmt: skip
