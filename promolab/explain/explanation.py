"""One row's explanation: a table, a sentence and a figure, for every kind of model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.glossary import label
from promolab.model import logits_of, shapley_parts
from promolab.results import Estimate, Result, plain
from promolab.stats import normal_quantile
from promolab.wording import answer_to, number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from promolab.model import ResponseModel


@dataclass(frozen=True)
class Explanation(Result):
    """What each feature adds to one row's log odds.

    Parameters
    ----------
    frame : DataFrame
        feature, value (of the row, as text), contribution (log odds), ci_low, ci_high (95 %, of the
        Monte Carlo error alone; both equal the contribution where it is exact), largest first.
    base, logit : float
        Log odds before any feature, and the row's.
    probability, base_probability : float
        The same as probabilities.
    who, verb : str
        What to call the row, and what it may do.
    against : str
        What ``base`` stands for.
    """

    frame: pd.DataFrame = field(repr=False)
    base: float
    logit: float
    probability: float
    base_probability: float
    who: str
    verb: str
    against: str

    ALT = "What each feature adds to the score."

    def to_dict(self) -> dict[str, Any]:
        """Return the figures and the contribution per feature as plain values."""
        each = {
            row["feature"]: plain(Estimate(row["contribution"], row["ci_low"], row["ci_high"], n=1))
            for row in self.frame.to_dict("records")
        }
        return {**super().to_dict(), "contributions": each}

    def summary(self) -> str:
        """Say the chance, what it is compared with, and what makes most of the difference."""
        most = " and ".join(self.frame["feature"].head(2))
        return f"{self._finding()}. Most of the difference comes from {most}."

    def _finding(self) -> str:
        chance, usual = (percent(p, decimals=1) for p in (self.probability, self.base_probability))
        return f"{self.who} has a chance of {chance} to {self.verb}, {self.against} of {usual}"

    def plot(self, ax: Axes | None = None, *, most: int = 10) -> Axes:
        """Draw the contributions, the smaller ones as one bar."""
        from promolab import plots

        shown = self.frame.head(most)
        names = [
            f"{f} = {v}" if v else f for f, v in zip(shown["feature"], shown["value"], strict=True)
        ]
        values, rest = shown["contribution"].tolist(), self.frame.iloc[most:]
        low, high = shown["ci_low"].tolist(), shown["ci_high"].tolist()
        if len(rest):
            names.append(plural(len(rest), "other"))
            values.append(float(rest["contribution"].sum()))
            low, high = [*low, float("nan")], [*high, float("nan")]
        exact = bool((self.frame["ci_low"] == self.frame["ci_high"]).all())
        ax = plots.bars(
            names,
            values,
            low=None if exact else low,
            high=None if exact else high,
            text=[f"{v:+.2f}".replace("-", "−") for v in values],
            colours=[plots.COLOURS[0] if v >= 0 else plots.COLOURS[1] for v in values],
            ax=ax,
        )
        lines = "" if exact else "; lines: error of the calculation, 95 %"
        return plots.finish(
            ax,
            title=self._finding(),
            subtitle=f"what each feature adds to the log odds, {number(self.base, decimals=2)} at "
            f"the start, {number(self.logit, decimals=2)} at the end{lines}",
            xlabel="added to the log odds",
        )


def explain_row(
    model: ResponseModel,
    row: pd.DataFrame,
    background: pd.DataFrame | None = None,
    *,
    who: str = "This customer",
    outcome: str | None = None,
    permutations: int = 256,
    seed: int = 0,
) -> Explanation:
    """Explain one customer × promotion.

    Parameters
    ----------
    model : ResponseModel
        Fitted.
    row : DataFrame, shape (1, k)
        The features.
    background : DataFrame, shape (m, k), optional
        Rows to compare with; needed by all kinds but a logistic one.
    who : str
        What to call the row: a pseudonym, wherever the figure is shared.
    outcome : str, optional
        Which outcome, where the model has several; by default what customers do about promotions
        of the row's kind.
    permutations, seed : int
        As in `shapley_parts`.

    Raises
    ------
    InputError
        As `shapley_parts`; also where ``row`` is not one row.

    Examples
    --------
    >>> from promolab.model import ResponseModel
    >>> X = pd.DataFrame({"orders": range(40), "visits": [i % 7 for i in range(40)]})
    >>> model = ResponseModel().fit(X, [int(i % 3 == 0 or i > 30) for i in range(40)])
    >>> explain_row(model, X.tail(1)).frame["feature"].tolist()
    ['orders', 'visits']
    """
    from scipy.special import expit

    if len(row) != 1:
        raise InputError(f"row has {len(row)} rows; explain_row explains one (row.iloc[[0]])")
    parts = shapley_parts(model, row, background, permutations, seed, outcome=outcome)
    values = parts.iloc[0].to_numpy()
    errors = parts.attrs.get("std_error")
    error = np.zeros(len(values)) if errors is None else np.array([e[0] for e in errors.values()])
    half = normal_quantile(0.95) * error
    names = [str(c) for c in parts.columns]
    table = pd.DataFrame(
        {
            "feature": [label(c) for c in names],
            "value": [written(row[c].iloc[0]) for c in names],
            "contribution": values,
            "ci_low": values - half,
            "ci_high": values + half,
        }
    ).iloc[np.lexsort([np.array(names), -np.abs(values)])]
    logit = float(logits_of(model, row, outcome)[0])
    base = float(parts.attrs["base"])
    return Explanation(
        table.reset_index(drop=True),
        base,
        logit,
        float(expit(logit)),
        float(expit(base)),
        who,
        outcome or answer_to(row.get("promotion_kind", "mixed")).verb,
        "the average contact"
        if background is None
        else f"the average of {plural(len(background), 'other')}",
    )


def written(value: Any) -> str:
    """Return the value of a feature as a person would write it."""
    if pd.isna(value):
        return "missing"
    if isinstance(value, bool | np.bool_ | str):
        return str(value)
    figure = float(value)
    text = f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"
    return text.replace("-", "−")
