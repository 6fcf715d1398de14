"""What promotions that start this week are predicted to add, per customer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.past import known_at
from promolab.effects import Withheld, spoken
from promolab.results import Result, words_of

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

    def facts(self) -> dict[str, Any]:
        """Return the promotions that start, and how far their effects differ."""
        return {"starts": self.rows["promotion_id"].ne("").any(), "promotions": self._promotions}

    def _promotions(self) -> pd.DataFrame:
        starts = self.rows[self.rows["promotion_id"] != ""]
        groups = starts.assign(above=starts["ci_low"] > 0).groupby(["promotion_id", "arm"])
        told = groups.agg(
            customers=("effect", "size"), mean=("effect", "mean"), above=("above", "mean")
        ).reset_index()
        told["low"], told["high"] = (groups["effect"].quantile(q).to_numpy() for q in (0.1, 0.9))
        named = told["promotion_id"].map(self.names)
        alike = (told["low"] == told["high"]).map({True: "same", False: "apart"})
        return told.assign(named=named, arm=told["arm"].map(spoken), spread=alike)


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
        promotion_id and kind, as `ExperimentChoice.starting`; without any, the past decisions'
        effects, each by a model of other customers.
    """
    if isinstance(found := model.targeting(), Withheld):
        return WeekEffects(pd.DataFrame(columns=list(COLUMNS)), found.summary())
    if promotions.empty:
        differ = model.calibrated_.told_apart
        why = words_of(__name__, "WeekEffects", differ=differ).say("past_only")
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
    use = words_of(__name__, "WeekEffects", ordered=bool(found.found)).say("use")
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
