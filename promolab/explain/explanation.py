"""One row's explanation: a table, a sentence and a figure, for every kind of model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.glossary import label
from promolab.model import logits_of, shapley_parts
from promolab.plots import COLOURS
from promolab.results import Result
from promolab.stats import normal_quantile
from promolab.wording import answer_to

if TYPE_CHECKING:
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
    others : int
        How many rows ``base`` is the average of; 0: of the average contact.
    """

    frame: pd.DataFrame = field(repr=False)
    base: float
    logit: float
    probability: float
    base_probability: float
    who: str
    verb: str
    others: int

    def facts(self) -> dict[str, Any]:
        """Return what makes most of the difference, and what is drawn: the smaller parts as one."""
        bars, left = self.frame.head(MOST_DRAWN).assign(rest=0), self.frame.iloc[MOST_DRAWN:]
        if len(left):
            rest = {"contribution": left["contribution"].sum(), "rest": len(left)}
            bars = pd.concat([bars, pd.DataFrame([rest])], ignore_index=True)
        exact = bool((self.frame["ci_low"] == self.frame["ci_high"]).all())
        signs = bars["contribution"] >= 0
        return {
            "most": self.frame["feature"].head(2).tolist(),
            "compared": self.others > 0,
            "bars": bars,
            "low": None if exact else bars["ci_low"].to_numpy(),
            "high": None if exact else bars["ci_high"].to_numpy(),
            "drawn": not exact,
            "colours": [COLOURS[0] if more else COLOURS[1] for more in signs],
        }


MOST_DRAWN = 10


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
        0 if background is None else len(background),
    )


def written(value: Any) -> str:
    """Return the value of a feature as a person would write it."""
    if pd.isna(value):
        return "–"
    if isinstance(value, bool | np.bool_ | str):
        return str(value)
    figure = float(value)
    text = f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"
    return text.replace("-", "−")
