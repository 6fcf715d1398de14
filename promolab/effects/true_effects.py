"""The four types of customers: known of a simulated shop alone, shown as teaching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.effects.identification import Withheld
from promolab.folder import RunRecord
from promolab.results import Result

if TYPE_CHECKING:
    import pandas as pd

    from promolab.effects.model import UpliftModel
    from promolab.folder import RunFolder
    from promolab.simulated import Truth


SIMULATED = "simulated"
TOP = 0.3
ORDER = ("persuadable", "sure buyer", "lost cause", "put off")
UNKNOWN = "types"


@dataclass(frozen=True)
class TrueSegments(Result):
    """Per true type where an order by effect and one by response put its customers.

    Parameters
    ----------
    rows : DataFrame
        type, customers, truth and predicted (mean effects), by_effect and by_response (shares of
        the type in the top of each order); most worth first.
    promotion : str
        Of all decided about in its round.
    truth, predicted : float
        Standard deviations of true and predicted effects over all customers.
    """

    rows: pd.DataFrame
    promotion: str
    truth: float
    predicted: float

    def to_frame(self) -> pd.DataFrame:
        """Return one row per type."""
        return self.rows

    def facts(self) -> dict[str, Any]:
        """Return how long the top of a list is."""
        return {"top": TOP}


def true_segments(model: UpliftModel, run: RunFolder) -> TrueSegments | Withheld:
    """Return the true types beside both orders, where the shop is a simulated one; else why not.

    Parameters
    ----------
    model : UpliftModel
        Of the shop's decisions.
    run : RunFolder
        Its record says where the shop came from, such as ``simulated:customers=5000``.
    """
    from promolab.simulated import Truth, World
    from promolab.sources import stated_world

    record = RunRecord.of(run.path)
    source = "" if record is None else record.source
    average = model.average()
    if source.partition(":")[0] != SIMULATED:
        return Withheld(UNKNOWN)
    if isinstance(average, Withheld):
        return average
    if "action" not in model.experiment_.frame or model.experiment_.block is None:
        return Withheld(UNKNOWN)
    stated = {k: v for k, v in stated_world(source).items() if k != "folder"}
    return types_of(model, Truth(World(**stated)))


def types_of(model: UpliftModel, truth: Truth) -> TrueSegments:
    """Return, of the last round's largest promotion, where both orders put each type's customers.

    Parameters
    ----------
    model : UpliftModel
        Of a simulated shop's decisions.
    truth : Truth
    """
    import pandas as pd

    trial = model.experiment_
    frame = trial.frame
    last = frame[trial.block] == frame[trial.block].max()
    sizes = frame.loc[last & (frame["arm"] != trial.control), "action"].value_counts()
    promotion = str(sizes.sort_index(kind="stable").idxmax())
    arm = frame.loc[frame["action"] == promotion, "arm"].iloc[0]
    place = model.treatments_.index(arm)
    mine = last.to_numpy()
    effect = model.effects_.to_numpy()[mine, place]
    response = model.nuisance_.mu[mine, place + 1]
    known = truth.effects(promotion).set_index("customer_id")["margin_effect"]
    who = frame.loc[mine, "customer_id"]
    rows = pd.DataFrame(
        {
            "type": who.map(truth.types(promotion)).to_numpy(),
            "truth": who.map(known).to_numpy(),
            "predicted": effect,
            "by_effect": in_top(effect),
            "by_response": in_top(response),
        }
    )
    groups = rows.groupby("type")
    means = groups.mean().assign(customers=groups.size())
    means = means.reindex([t for t in ORDER if t in means.index]).reset_index()
    # Of equal effects the rounding of their mean is no spread.
    spreads = (
        float(rows[name].std()) if np.ptp(rows[name]) else 0.0 for name in ("truth", "predicted")
    )
    return TrueSegments(means, promotion, *spreads)


def in_top(score: np.ndarray) -> np.ndarray:
    """Return which part of each row is in the top of an order; equal ones share what fits.

    Examples
    --------
    >>> in_top(np.ones(4)).tolist()
    [0.3, 0.3, 0.3, 0.3]
    """
    cut = np.quantile(score, 1 - TOP)
    above, level = score > cut, score == cut
    room = TOP * len(score) - int(above.sum())
    return np.asarray(above + level * (room / max(int(level.sum()), 1)))
