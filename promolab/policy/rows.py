"""The logged decisions by which policies are valued: scores, and what other customers foretell."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.effects import costs_of, effect_evidence
from promolab.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from promolab.effects import EffectEvidence, UpliftModel


@dataclass(frozen=True)
class PolicyRows:
    """Logged decisions, each with what the arms added and what other customers foretold of it.

    A policy decides by ``effect`` and is valued by ``gamma``: never by the predictions that chose.

    Parameters
    ----------
    gamma : ndarray of shape (n, K)
        Doubly robust scores of what each arm adds to profit over none, contacts paid; nan where the
        row could not get the arm, or does not count.
    effect : ndarray of shape (n, K)
        The same, predicted by models that did not see the customer.
    cost : ndarray of shape (n, K)
        What each arm would charge to the budget, 0 or more.
    fold : ndarray of int of shape (n,)
        0, 1, …: customers are predicted by the other folds.
    cluster : ndarray of shape (n,)
        Customers. None may lie in two folds.
    arms : tuple of K
        The arms but none.
    response : ndarray of shape (n, K), optional
        Expected outcome with each arm, from models that did not see the customer: what an order by
        response ranks by.
    outcome : ndarray of shape (n,), optional
        What came of each decision, in money: tells how much a readout varies by chance.
    soon : ndarray of shape (n, K), optional
        As ``gamma``, of what arms add in the window alone: it tells with less chance whether they
        do anything at all.
    evidence : EffectEvidence, optional
        How much the decisions speak for promotions that do something, by who buys and by baskets.
    known : DataFrame of n rows, optional
        What was known of the customers, for ``evidence``.
    contact : ndarray of shape (n, K), optional
        What ``gamma`` and ``effect`` have been lowered by beside the outcome; 0 by default.

    Examples
    --------
    >>> rows = PolicyRows([[4.0], [2.0]], [[1.0], [0.5]], [[0.2], [0.2]], [0, 1], [7, 8], ["m"])
    >>> len(rows), rows.eligible.tolist()
    (2, [[True], [True]])
    >>> PolicyRows([[4.0]], [[1.0]], [[-0.2]], [0], [7], ("mail",))
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: cost of "mail" is −0.2 in row 0; a cost is 0 or more
    """

    gamma: np.ndarray
    effect: np.ndarray
    cost: np.ndarray
    fold: np.ndarray
    cluster: np.ndarray
    arms: tuple[Any, ...]
    response: np.ndarray | None = None
    outcome: np.ndarray | None = None
    soon: np.ndarray | None = None
    evidence: EffectEvidence | None = None
    known: pd.DataFrame | None = None
    contact: np.ndarray | None = None

    def __post_init__(self) -> None:
        import pandas as pd

        object.__setattr__(self, "arms", tuple(self.arms))
        n, k = len(np.asarray(self.gamma)), len(self.arms)
        if not n or not k:
            raise InputError(
                f"there are {n} logged decisions of {k} arms; give one of each at least"
            )
        for name in ("gamma", "effect", "cost", "response", "soon", "contact"):
            self._set(name, float, (n, k))
        self._set("outcome", float, (n,))
        self._set("fold", np.int64, (n,))
        codes = pd.factorize(np.asarray(self.cluster), sort=True, use_na_sentinel=False)[0]
        object.__setattr__(self, "cluster", codes)
        self._set("cluster", np.int64, (n,))
        self._check()

    def _set(self, name: str, kind: type, shape: tuple[int, ...]) -> None:
        """Keep an argument as an array of this shape; one left out stays so."""
        value = getattr(self, name)
        if value is None:
            return
        try:
            array: np.ndarray = np.asarray(value, dtype=kind)
        except (TypeError, ValueError):
            raise InputError(f"{name} holds values that are no numbers") from None
        if array.shape != shape:
            raise InputError(
                f"{name} has the shape {array.shape}; expected {shape}: one row per logged "
                "decision, as gamma has"
            )
        object.__setattr__(self, name, array)

    def _check(self) -> None:
        """Refuse bad costs, effects missing where there is a score, customers in two folds."""
        eligible = self.eligible
        wrong = eligible & ~(self.cost >= 0)
        if wrong.any():
            row, arm = (int(place[0]) for place in np.nonzero(wrong))
            found = f"{self.cost[row, arm]:g}".replace("-", "−")
            raise InputError(
                f'cost of "{self.arms[arm]}" is {found} in row {row}; a cost is 0 or more'
            )
        for name in ("effect", "response", "soon"):
            value = getattr(self, name)
            if value is not None and (wrong := eligible & ~np.isfinite(value)).any():
                row = int(wrong.any(axis=1).argmax())
                raise InputError(f"{name} is missing in row {row}, which has a score")
        one = np.empty(self.cluster.max() + 1, dtype=np.int64)
        one[self.cluster] = self.fold  # of a row of each customer
        if (self.fold != one[self.cluster]).any():
            raise InputError(
                "a customer lies in two folds; deal whole customers out, or what chose would have "
                "seen what values it"
            )

    def __len__(self) -> int:
        return len(self.gamma)

    @property
    def eligible(self) -> np.ndarray:
        """Where a row could get the arm and counts, shape (n, K)."""
        return np.asarray(np.isfinite(self.gamma))

    @cached_property
    def modelled(self) -> np.ndarray:
        """What each arm adds by ``evidence``, before any cost, if promotions do something."""
        assert self.evidence is not None and self.known is not None
        return self.evidence.effects(self.known)

    @property
    def folds(self) -> np.ndarray:
        """The folds that have rows, in order."""
        return np.unique(self.fold)

    def only(self, mine: np.ndarray) -> PolicyRows:
        """Return some of the rows.

        Parameters
        ----------
        mine : ndarray of bool of shape (n,)

        Examples
        --------
        >>> rows = PolicyRows([[4.0], [2.0]], [[1.0], [0.5]], [[0.2], [0.2]], [0, 1], [7, 8], "m")
        >>> rows.only(np.array([False, True])).effect.tolist()
        [[0.5]]
        """
        same = ("arms", "evidence")
        values = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in same}
        mine_alone: Any = {k: None if v is None else v[mine] for k, v in values.items()}
        return replace(self, **mine_alone)

    @classmethod
    def of_model(
        cls,
        model: UpliftModel,
        cost: Any = None,
        contact_cost: Any = None,
    ) -> PolicyRows:
        """Take the rows that an uplift model learned from.

        Parameters
        ----------
        model : UpliftModel
            Fitted on profit: margin net of discounts.
        cost : number, {arm: number} or array-like of shape (n, K), optional
            What each arm charges to the budget: the shop's share of the discount, and the contact.
        contact_cost : likewise, optional
            What the outcome does not hold yet: taken off scores and predictions.

        Raises
        ------
        InputError
            Costs that are negative, missing, or of another shape.

        Examples
        --------
        >>> import pandas as pd
        >>> from promolab import UpliftModel
        >>> from promolab.contract import Experiment
        >>> rows = pd.DataFrame({"customer_id": range(400), "age": np.arange(400.0) % 50})
        >>> rows["mail"], rows["y"] = np.arange(400) % 2, np.arange(400) % 2 * rows["age"]
        >>> trial = Experiment(rows, "mail", 0, ["age"], ["y"], propensity=[[0.5, 0.5]] * 400)
        >>> found = PolicyRows.of_model(UpliftModel("dr", "ridge").fit(trial), contact_cost=0.5)
        >>> found.gamma.shape, round(float(found.gamma.mean()), 2)
        ((400, 1), 24.0)
        """
        n, arms = len(model.fold_), model.treatments_
        paid = costs_of(contact_cost, n, arms)
        early = model.early_scores_.to_numpy() - paid if model.told_early_ else None
        return cls(
            np.where(model.kept_, model.pooled_scores_.to_numpy() - paid, np.nan),
            np.nan_to_num(model.effects_by_others_.to_numpy()) - paid,
            costs_of(cost, n, arms),
            model.fold_,
            model.cluster_,
            arms,
            model.nuisance_.mu[:, 1:],
            model.experiment_.y(model.outcome_),
            early,
            effect_evidence(model.experiment_, model.outcome_),
            model.experiment_.X,
            paid,
        )
