"""What a trial of a search does, and what of the table is kept for a test after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.model._inputs import check_columns
from promolab.model.folds import Fold, Folds
from promolab.model.response import ResponseModel
from promolab.model.rolling import Setting, make_setting, predict_folds, promotion_setting
from promolab.model.search_result import OBJECTIVES
from promolab.model.time_split import moment_among
from promolab.results import Estimate

__all__ = ["Task", "compared_later", "early_and_late"]

DRAWS = 1000


@dataclass
class Task:
    """What a trial has to do: predict the folds with some options, and say how well."""

    setting: Setting
    kind: str
    fixed: dict[str, Any]
    metric: str
    seed: int

    @property
    def rows(self) -> int:
        """Rows that are predicted."""
        return len(self.setting.folds.tested)

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
        folds = Folds(parts, self.setting.folds.words, self.setting.folds.left_out)
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

    def predict(self, options: Mapping[str, Any]) -> np.ndarray:
        """Predict all folds."""
        return predict_folds(self.setting, self.maker(options))

    def value(self, p: np.ndarray) -> float:
        """Return the measure over the rows predicted so far; nan where they have one class."""
        rows = np.flatnonzero(~np.isnan(p))
        y = self.setting.labels[rows]
        return OBJECTIVES[self.metric].value(y, p[rows], self._groups(rows))

    def _groups(self, rows: np.ndarray) -> np.ndarray | None:
        promotions = self.setting.column("promotion_id")
        return None if promotions is None else promotions[rows]

    def advantage(self, p: np.ndarray, base: np.ndarray) -> Estimate:
        """Return by how much p is better than the base on the same rows, clustered by customer."""
        from promolab.metrics import compare

        rows = np.flatnonzero(~np.isnan(p) & ~np.isnan(base))
        customers = self.setting.column("customer_id")
        objective = OBJECTIVES[self.metric]
        found = compare(
            self.setting.labels[rows],
            {"defaults": base[rows], "best": p[rows]},
            objective.name,
            cluster=None if customers is None else customers[rows],
            group=self._groups(rows) if objective.within else None,
            draws=DRAWS,
            seed=self.seed,
        ).against("best")
        if objective.higher:
            return found
        return Estimate(-found.value, -found.ci_high, -found.ci_low, found.n)


def early_and_late(
    pairs: pd.DataFrame,
    outcome: str,
    columns: Iterable[str] | None,
    moment: Any,
    *,
    time: str | None,
    folds: int | None,
    min_positives: int,
    seed: int,
) -> tuple[Setting, Setting | None]:
    """Return what a search may use, and what started from a moment on, to test its outcome.

    Raises
    ------
    InputError
        The table has no times, or one of the two parts is empty.
    """
    columns = None if columns is None else check_columns(columns)
    common: dict[str, Any] = {"min_positives": min_positives, "seed": seed, "time": time}
    if moment is None:
        return make_setting(pairs, outcome, columns, folds=folds, **common), None
    of_promotions = time is None and {"starts_at", "ends_at"} <= set(pairs.columns)
    if not of_promotions and time is None:
        raise InputError("holdout_from needs times: promotions with a start, or time=")
    if of_promotions:
        whole = promotion_setting(pairs, outcome, columns, min_positives=min_positives)
        table = whole.promotions
        assert table is not None
        at = moment_among(moment, table["predicted_at"], "holdout_from")
        later = table.index[table["predicted_at"] >= at]
        late = tuple(fold for fold in whole.folds.parts if set(fold.promotions) <= set(later))
        over = table.index[table["ends_at"] <= at]
        known = whole.frame["promotion_id"].isin(over).to_numpy()
    else:
        whole = make_setting(pairs, outcome, columns, **common)
        times = pd.Series(whole.times)
        after = (times >= moment_among(moment, times, "holdout_from")).to_numpy()
        last = Fold("later rows", np.flatnonzero(~after), np.flatnonzero(after), (), 1)
        late = (last,) if after.any() else ()
        known = ~after
    if not known.any() or not late:
        raise InputError(
            f"holdout_from = {moment} leaves nothing to {'test' if known.any() else 'search'} on; "
            "choose another moment"
        )
    early = make_setting(
        whole.frame[known].reset_index(drop=True), outcome, columns, folds=folds, **common
    )
    return early, replace(whole, folds=Folds(late, whole.folds.words, whole.folds.left_out))


def compared_later(task: Task, later: Setting, best: Mapping[str, Any]) -> dict[str, Any]:
    """Compare the best options with the defaults on what came after the search."""
    test = replace(task, setting=later)
    base = test.defaults()
    p = test.predict(best) if best else base
    gain = test.advantage(p, base) if best else Estimate(0.0, 0.0, 0.0, test.rows)
    return {"best": test.value(p), "defaults": test.value(base), "advantage": gain}
