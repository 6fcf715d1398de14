"""The blocks of the first page on promotions that start: how long a list, at what cost, to whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd

from promolab.campaign.outlook import ListSteps, PromotionEconomics
from promolab.display import Html, join, say
from promolab.segmentation import segment_index
from promolab.wording import count, plural

__all__ = ["launch_block"]


def launch_block(
    promotion: Mapping[Any, Any],
    economics: PromotionEconomics | None,
    sizes: ListSteps,
    planned: pd.DataFrame,
    segments: pd.DataFrame,
    *,
    valid: str,
    files: Sequence[str] = (),
) -> Html:
    """Return one promotion that starts: its lists side by side, whom they hold, what to send.

    Parameters
    ----------
    promotion : mapping
        Its row of `promolab.campaign.past.timeline`.
    economics : PromotionEconomics or None
        What it may cost and must bring; None where nobody is planned for it.
    sizes : ListSteps
        Of all promotions.
    planned : DataFrame
        The planned customers of all promotions: customer_id, promotion_id, holdout.
    segments : DataFrame
        customer_id, segment of every customer ranked.
    valid : str
        Its days, in words.
    files : sequence of str
        The send files, relative to the page.
    """
    title = say(_title(promotion, valid), kind="h3")
    if economics is None or not economics.contacts:
        return join([title, say("Nobody is to be contacted for it.")])
    mine = planned["promotion_id"].astype(str) == str(promotion["promotion_id"])
    sent = planned.loc[mine & (planned["holdout"] == "none"), "customer_id"]
    index = segment_index(segments, sent.to_numpy())
    return join(
        [
            title,
            sizes.of(economics.promotion_id).table(),
            say(index.line()),
            _links(files, economics),
        ]
    )


def _links(files: Sequence[str], economics: PromotionEconomics) -> Html:
    links = [f'<a href="{escape(file)}">{escape(file)}</a>' for file in files]
    sent = f"Send: {', '.join(links)}. " if links else ""
    return Html(
        f'<p class="more">{sent}{count(economics.held)} are held out. '
        '<a href="08_plan.html">List, funnel, costs</a></p>'
    )


def _title(promotion: Mapping[Any, Any], valid: str) -> str:
    products = promotion.get("products")
    offered = "" if pd.isna(products) or not products else f" · {plural(products, 'product')}"
    return f"{promotion['name']} · {valid}{offered}"
