"""What one page learned of effects, kept in the run folder for the pages after it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from promolab.campaign.worth.log import kinds_in, scored_log
from promolab.campaign.worth.terms import moved_terms
from promolab.campaign.worth.valuing import Worth, week_worth
from promolab.effects import UpliftModel
from promolab.errors import InputError
from promolab.promotions import read_promotions

if TYPE_CHECKING:
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
    model = UpliftModel.load(run.path / MODEL)
    return week_worth(shop, run.as_of, model, log, ids, terms=run.read_table(TERMS))
