"""How much each covariate moves the predicted effects, and how much of that is true."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.effects.identification import lines
from promolab.effects.means import group_means
from promolab.results import Result, plain
from promolab.wording import arm_words, capital, number, percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from promolab.effects.learners.learners import EffectModel, Setting
    from promolab.effects.model import UpliftModel


@dataclass(frozen=True)
class EffectImportance(Result):
    """How much each covariate moves the predicted effects, and what that is good for.

    Parameters
    ----------
    rows : DataFrame
        One row per arm and covariate, the most used first: arm, column; used (its share of the
        mean squared changes of the predicted effect when columns are shuffled one by one); gain (by
        how much shuffling it worsens the squared distance to the doubly robust scores, in squared
        units of the outcome), ci_low, ci_high.
    outcome : str
    level : float
        Of the intervals of ``gain``, clustered by customer.
    n : int
        Rows looked at; effects are predicted out of fold.
    """

    rows: pd.DataFrame
    outcome: str
    level: float
    n: int

    def to_frame(self) -> pd.DataFrame:
        """Return one row per arm and covariate."""
        return self.rows.copy()

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by arm and covariate."""
        arms = {
            str(arm): rows.drop(columns="arm").set_index("column").to_dict("index")
            for arm, rows in self.rows.groupby("arm", sort=False, observed=True)
        }
        return {"outcome": self.outcome, "n": self.n, "arms": plain(arms)}

    def summary(self) -> str:
        """Return the covariates used most, and which of them are known to help."""
        words = []
        for arm, rows in self.rows.groupby("arm", sort=False, observed=True):
            top = rows.head(3)
            used = ", ".join(f"{r.column} ({percent(r.used)})" for r in lines(top))
            sure = rows.loc[rows["ci_low"] > 0, "column"].tolist()
            known = (
                f"beyond noise help {', '.join(sure[:5])}" if sure else "none helps beyond noise"
            )
            words.append(
                f"{capital(arm_words(arm))}: its predicted effects move most with {used}; {known}."
            )
        return " ".join(words)

    def plot(self, ax: Axes | None = None, *, arm: Any = None, top: int = 12) -> Axes:
        """Draw how much the covariates used most gain, of one arm (the first by default)."""
        from promolab import plots

        arm = self.rows["arm"].iloc[0] if arm is None else arm
        rows = self.rows[self.rows["arm"] == arm].head(top)
        ax = plots.intervals(
            rows["column"], rows["gain"], rows["ci_low"], rows["ci_high"], reference=0.0, ax=ax,
            text=[f"used {percent(used)}" for used in rows["used"]],
        )  # fmt: skip
        sure = int((rows["ci_low"] > 0).sum())
        return plots.finish(
            ax,
            title=f"{capital(arm_words(arm))}: {rows['column'].iloc[0]} moves the predicted effect "
            "most; "
            f"{number(sure, decimals=0)} of {len(rows)} covariates help beyond noise",
            subtitle=f"How much worse effects on {self.outcome} are predicted with the covariate "
            f"shuffled, out of fold; {self.level:.0%} intervals, n = {self.n:,}",
            xlabel=f"squared units of {self.outcome}",
        )


def importance_of(
    model: UpliftModel, setting: Setting, fitted: EffectModel, rows: int, level: float
) -> EffectImportance:
    """Shuffle the columns of each covariate among the rows of a fold, and predict again.

    Parameters
    ----------
    model : UpliftModel
    setting : Setting
    fitted : EffectModel
    rows : int
        At most so many are looked at.
    level : float
    """
    import pandas as pd
    from tqdm import tqdm

    rng = np.random.default_rng([model.seed, 7])
    n = setting.rows.n
    looked = np.sort(rng.choice(n, rows, replace=False)) if n > rows else np.arange(n)
    sources = setting.design.sources
    names = list(dict.fromkeys(sources))
    places = {name: [j for j, s in enumerate(sources) if s == name] for name in names}
    before = np.empty((len(looked), len(model.treatments_)))
    after = {name: np.empty_like(before) for name in names}
    fold = model.fold_[looked]
    for number_ in tqdm(range(model.folds), "importance", leave=False, disable=None, delay=2):
        there = np.flatnonzero(fold == number_)
        part = copy.copy(fitted).fit(model.fold_ != number_)
        Z = setting.Z[looked[there]]
        before[there] = part.predict(Z)
        for name in names:
            shuffled, order = Z.copy(), rng.permutation(len(there))
            shuffled[:, places[name]] = Z[order][:, places[name]]
            after[name][there] = part.predict(shuffled)
    tables = []
    for k, arm in enumerate(model.treatments_):
        score = model.nuisance_.gamma[looked, k]
        lines = []
        for name in names:
            moved = after[name][:, k] - before[:, k]
            worse = (score - after[name][:, k]) ** 2 - (score - before[:, k]) ** 2
            gain = group_means(
                worse, np.zeros(len(worse), dtype=np.int64), 1, model.cluster_[looked]
            )
            low, high = gain.interval(level)
            used = float((moved**2).mean())
            lines.append((arm, name, used, gain.value[0], low[0], high[0]))
        columns = ["arm", "column", "used", "gain", "ci_low", "ci_high"]
        table = pd.DataFrame(lines, columns=columns)
        table["used"] /= max(table["used"].sum(), 1e-300)
        tables.append(table.sort_values(["used", "column"], ascending=[False, True]))
    return EffectImportance(
        pd.concat(tables, ignore_index=True), model.outcome_, level, len(looked)
    )
