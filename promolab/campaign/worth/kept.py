"""What one page learned of effects, kept in the run folder for the pages after it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from promolab.campaign.outlook import type_of
from promolab.campaign.worth.log import kinds_in, scored_log
from promolab.campaign.worth.terms import moved_terms
from promolab.campaign.worth.valuing import Worth, week_worth
from promolab.effects import UpliftModel
from promolab.errors import InputError
from promolab.metrics import PastRatios
from promolab.promotions import kinds_answered, read_promotions

if TYPE_CHECKING:
    import pandas as pd

    from promolab.contract import Shop
    from promolab.folder import RunFolder


MODEL = "uplift.safetensors"
LOG, TERMS = "uplift_log", "uplift_terms"


def keep_effects(run: RunFolder, shop: Shop, model: UpliftModel, promotions: Iterable[Any]) -> None:
    """Write the model, its scored decisions and how effects move to what starts.

    Parameters
    ----------
    run : RunFolder
        Gets ``uplift.safetensors``, ``tables/uplift_log.parquet`` and ``uplift_terms.parquet``; of
        a model that shows no effect of the shop's own decisions, or that cannot be saved, empty
        tables and no model.
    shop : Shop
        With its decisions.
    model : UpliftModel
        Fitted.
    promotions : iterable
        Ids of those that start.
    """
    log = scored_log(model)
    path = run.path / MODEL
    path.unlink(missing_ok=True)
    if not log.empty:
        try:
            run.wrote(model.save(path))
        except InputError:  # a forest stays on its page
            log = log.iloc[:0]
    offers = list(read_promotions(shop, list(promotions)).values()) if len(log) else []
    offers = [one for one in offers if one.kind in kinds_in(log)]
    run.write_table(LOG, log, by=["ts", "customer_id"])
    run.write_table(TERMS, moved_terms(shop, log, offers, model), by="promotion_id")


def kept_worth(run: RunFolder, shop: Shop, promotions: Iterable[Any]) -> Worth | None:
    """Work out what promotions are worth, from what `keep_effects` left in the run folder.

    Parameters
    ----------
    run : RunFolder
        Of the week.
    shop : Shop
        The same shop.
    promotions : iterable
        Ids of those that start.

    Returns
    -------
    Worth or None
        None where effects are not known, or none of the promotions is of a kind that was drawn.
    """
    log, ids = run.read_table(LOG), list(promotions)
    if log.empty or not ids:
        return None
    model, responses = UpliftModel.load(run.path / MODEL), expected_chances(run, shop)
    terms = run.read_table(TERMS)
    return week_worth(shop, run.as_of, model, log, ids, terms=terms, responses=responses)


def expected_chances(run: RunFolder, shop: Shop) -> pd.DataFrame:
    """Return customer_id, promotion_id and chance: each response score as past promotions bear out.

    Summed up over a list that is the forecast of its responses (`promolab.campaign.outlook`). Kinds
    whose answers were never recorded have no row.
    """
    told = (run.metrics.get("response") or {}).get("past_ratios")
    ratios, offers = PastRatios.of(told), shop.promotions.execute()
    offers = offers[offers["kind"].isin(kinds_answered(shop, run.as_of))]
    times = {
        row["promotion_id"]: ratios.mean(type_of(row)) if ratios.k else 1.0
        for row in offers.to_dict("records")
    }
    scores = run.read_table("scores")
    chance = scores["p_redeemed"] * scores["promotion_id"].map(times)
    return scores[["customer_id", "promotion_id"]].assign(chance=chance.clip(upper=1.0)).dropna()
