"""Too good to be true: a figure, or a single column, that tells what nobody knew beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from promolab.metrics.alone import ALARM_AUC, FEWEST, columns_too_good, told_too_good

if TYPE_CHECKING:
    from promolab.model.rolling import Setting

__all__ = ["leakage_alarm"]


def leakage_alarm(setting: Setting, scores: Mapping[str, np.ndarray]) -> str:
    """Say that an AUC is above 0.90, of a model or of a column by itself; empty where none is.

    Parameters
    ----------
    setting : Setting
        Its folds' rows are those that count.
    scores : mapping of str to ndarray of shape (n,)
        Predictions by model; nan where there is none.
    """
    from promolab.metrics import measure

    rows = setting.folds.tested
    y = setting.labels[rows]
    if min((y == 1).sum(), (y == 0).sum()) < FEWEST:
        return ""
    aucs = {name: measure(y, p[rows], "auc").value for name, p in scores.items()}
    high = {name: auc for name, auc in aucs.items() if auc > ALARM_AUC}
    alone = columns_too_good(setting.frame.iloc[rows], setting.features, y)
    if not high and not alone:
        return ""
    said = []
    if high:
        best = max(high, key=lambda name: high[name])
        said.append(f"{best} has an AUC of {high[best]:.2f}")
    if alone:
        said.append(told_too_good(alone, setting.outcome))
    return (
        f"Alarm: {'; '.join(said)}. Above {ALARM_AUC:.2f} something that came later is, as a rule, "
        "among the features: take out what was not known beforehand."
    )
