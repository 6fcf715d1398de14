"""The four types of customers: known of a simulated shop alone, shown as teaching."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from promolab.display import Html, absent, say, table
from promolab.effects import figure
from promolab.folder import RunFolder, read_json
from promolab.wording import count, percent

if TYPE_CHECKING:
    import pandas as pd

    from promolab.report.pages.uplift_step import UpliftStep
    from promolab.simulated import Truth

__all__ = ["customer_types", "types_table"]

SIMULATED = "simulated"
TOP = 0.3
ORDER = ("persuadable", "sure buyer", "lost cause", "put off")
UNKNOWN = (
    "Persuadables, sure buyers, lost causes and those whom contact puts off: which of them a "
    "customer is, no shop can know, for nobody is seen both with and without a promotion. The "
    "simulated shop shows them (promolab report --source simulated)."
)


def customer_types(step: UpliftStep, run: RunFolder) -> Html:
    """Return the true types beside both orders, where the shop is a simulated one; else why not.

    Parameters
    ----------
    step : UpliftStep
    run : RunFolder
        Its manifest says where the shop came from, such as ``simulated:customers=5000``.
    """
    from promolab.simulated import Truth, World
    from promolab.sources import stated_world

    manifest = read_json(run.path / "manifest.json") or {}
    source = str((manifest.get("parameters") or {}).get("source", ""))
    if source.partition(":")[0] != SIMULATED or step.choice.source != "decisions":
        return absent(UNKNOWN)
    if step.model is None:
        return absent("Not shown: the checks above do not allow an effect.")
    stated = {k: v for k, v in stated_world(source).items() if k != "folder"}
    promotion, rows = types_table(step, Truth(World(**stated)))
    shown = {
        "type": "type",
        "customers": "customers",
        "truth": "true effect, mean",
        "predicted": "predicted effect, mean",
        "by_effect": f"in the top {percent(TOP, decimals=0)} by effect",
        "by_response": f"in the top {percent(TOP, decimals=0)} by response",
    }
    formats = {"customers": count, "truth": figure, "predicted": figure}
    formats |= {"by_effect": percent, "by_response": percent}
    words = (
        "For teaching: this shop is simulated, and its truth is known; a real customer's type "
        f"never is. Promotion {promotion}, of all decided about in its round; a random order would "
        f"put {percent(TOP, decimals=0)} of every type into its top."
    )
    caption = (
        "True types, most worth first. Customers' true effects have a standard deviation of "
        f"{figure(rows.attrs['truth'])}, the predicted ones of {figure(rows.attrs['predicted'])}."
    )
    return say(words) + table(rows, shown, formats, caption=caption)


def types_table(step: UpliftStep, truth: Truth) -> tuple[str, pd.DataFrame]:
    """Return a promotion, and per true type where both orders put its customers.

    Parameters
    ----------
    step : UpliftStep
        Of a simulated shop's decisions.
    truth : Truth

    Returns
    -------
    str, DataFrame
        type, customers, truth and predicted (mean effects), by_effect and by_response (shares of
        the type in the top of each order). Its attrs hold the standard deviations of truth and
        predicted over all customers.
    """
    import pandas as pd

    model = step.model
    assert model is not None
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
    table = groups.mean().assign(customers=groups.size())
    table = table.reindex([t for t in ORDER if t in table.index]).reset_index()
    table.attrs |= {name: float(rows[name].std()) for name in ("truth", "predicted")}
    return promotion, table


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
