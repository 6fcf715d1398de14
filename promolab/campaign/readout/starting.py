"""What promotions that start this week are predicted to add, per customer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.past import known_at
from promolab.display import Html, table
from promolab.effects import Withheld, spoken
from promolab.results import Result
from promolab.wording import count, figure, percent

if TYPE_CHECKING:
    from promolab.contract import Shop
    from promolab.effects import UpliftModel


WEEK, PAST = "what starts this week", "past decisions, out of fold"
COLUMNS = ("arm", "promotion_id", "customer_id", "decision", "effect", "ci_low", "ci_high", "basis")


@dataclass(frozen=True)
class WeekEffects(Result):
    """The effect per customer and arm: of what starts this week, or of past decisions.

    Parameters
    ----------
    rows : DataFrame
        arm, promotion_id (text; empty for past decisions), customer_id, decision (place in the
        experiment, −1 for what starts), effect, ci_low, ci_high (nan where the kind of model has
        none), basis.
    why : str
        What they may be used for, or why there is none.
    outcome : str
        What the effects are on; empty where there is none.
    names : mapping of str to str
        What readers call each promotion.
    """

    rows: pd.DataFrame
    why: str
    outcome: str = ""
    names: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.outcome)

    def to_frame(self) -> pd.DataFrame:
        """Return ``rows``: those of ``tables/uplift.parquet``."""
        return self.rows

    def summary(self) -> str:
        """Say what they may be used for."""
        return self.why

    def table(self) -> Html:
        """Return each promotion that starts: its mean effect, and how far customers differ."""
        starts = self.rows[self.rows["promotion_id"] != ""]
        if starts.empty:
            return Html("")
        groups = starts.assign(above=starts["ci_low"] > 0).groupby(["promotion_id", "arm"])
        told = groups.agg(
            customers=("effect", "size"), mean=("effect", "mean"), above=("above", "mean")
        ).reset_index()
        low, high = (groups["effect"].quantile(end).to_numpy() for end in (0.1, 0.9))
        told["promotion_id"] = told["promotion_id"].map(self.names)
        told["arm"] = told["arm"].map(spoken)
        told["spread"] = [
            "all the same" if a == b else f"{figure(a)} to {figure(b)}"
            for a, b in zip(low, high, strict=True)
        ]
        shown = {"promotion_id": "promotion", "arm": "kind", "customers": "customers"}
        shown |= {"mean": "mean effect", "spread": "8 of 10 customers"}
        shown |= {"above": "whole interval above 0"}
        formats: dict[str, Any] = {"customers": count, "mean": figure, "spread": str}
        formats["above"] = percent
        caption = (
            f"Effects on {self.outcome}, calibrated, of every customer with history; the interval "
            "is that of the average among customers predicted alike. The cost of a contact is not "
            "in."
        )
        return table(
            told, shown, formats, caption=caption, most=20,
            file="tables/uplift.parquet", file_text="Every customer as a file",
        )  # fmt: skip


def week_effects(
    model: UpliftModel, shop: Shop, as_of: Any, promotions: pd.DataFrame
) -> WeekEffects:
    """Predict what starts this week for every customer with history.

    Parameters
    ----------
    model : UpliftModel
        One that a check refuses has no row.
    shop : Shop
    as_of : datetime
        When what starts is decided.
    promotions : DataFrame
        promotion_id and kind, as `Choice.starting`; without any, the past decisions' effects, each
        by a model of other customers.
    """
    if isinstance(found := model.targeting(), Withheld):
        return WeekEffects(pd.DataFrame(columns=list(COLUMNS)), found.why)
    if promotions.empty:
        held = (
            "the effects predicted for past decisions, each by a model of other customers"
            if model.calibrated_.told_apart
            else "past decisions with the average effect, which everybody is given"
        )
        why = (
            f"Nothing that starts this week is of a kind that was compared; the file holds {held}."
        )
        return WeekEffects(_past(model), why, model.outcome_)
    known = known_at(shop, as_of)
    effect = model.effect(known.reindex(columns=list(model.experiment_.covariates)))
    frames = [
        _rows(
            row.kind, str(row.promotion_id), known["customer_id"], -1,
            {name: effect[(row.kind, name)].to_numpy() for name in COLUMNS[4:7]}, WEEK,
        )
        for row in promotions.itertuples()
    ]  # fmt: skip
    use = (
        "The order in the file may be used to choose whom to contact."
        if found.found
        else "As nothing to target is seen, everybody has the average effect, and the file holds "
        "no order."
    )
    rows = promotions[["kind", "promotion_id"]].to_numpy().tolist()
    names = {str(one): shop.promotion_name(kind, one) for kind, one in rows}
    return WeekEffects(pd.concat(frames, ignore_index=True), use, found.outcome, names)


def _past(model: UpliftModel) -> pd.DataFrame:
    trial, effects = model.experiment_, model.effects_
    who, decision = trial.frame[trial.customer_id], np.arange(trial.n)
    frames = []
    for place, arm in enumerate(model.treatments_):
        values = {"effect": effects.iloc[:, place].to_numpy(), "ci_low": np.nan, "ci_high": np.nan}
        frames.append(_rows(arm, "", who, decision, values, PAST))
    return pd.concat(frames, ignore_index=True)


def _rows(
    arm: Any, promotion: str, who: pd.Series[Any], decision: Any, values: dict[str, Any], basis: str
) -> pd.DataFrame:
    keys = {"arm": str(arm), "promotion_id": promotion, "customer_id": who, "decision": decision}
    return pd.DataFrame({**keys, **values, "basis": basis})[list(COLUMNS)]
