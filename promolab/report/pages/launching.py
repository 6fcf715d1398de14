"""The blocks of the first page on promotions that start: how long a list, at what cost, to whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd

from promolab.campaign.outlook import (
    PREDICTION_LEVEL,
    PromotionEconomics,
    amount_words,
    expected_words,
)
from promolab.display import Html, join, say, table
from promolab.results import Estimate
from promolab.segmentation.groups import segment_index
from promolab.wording import answer_to, count, percent, plural

__all__ = ["decision_table", "launch_block"]


def launch_block(
    promotion: Mapping[Any, Any],
    economics: PromotionEconomics | None,
    sizes: pd.DataFrame,
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
    sizes : DataFrame
        Of `promolab.campaign.outlook.ListSteps`, of all promotions.
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
            decision_table(sizes, economics),
            say(index.line()),
            _links(files, economics),
        ]
    )


def decision_table(sizes: pd.DataFrame, economics: PromotionEconomics) -> Html:
    """Return a promotion's lists of several sizes, the planned one marked.

    Parameters
    ----------
    sizes : DataFrame
        Of `promolab.campaign.outlook.ListSteps`, of all promotions.
    economics : PromotionEconomics
        Gives the currency and the words of its kind.
    """
    rows = sizes[sizes["promotion_id"].astype(str) == str(economics.promotion_id)]
    noun, currency = answer_to(economics.kind).noun, economics.currency

    def amounts(name: str) -> list[str]:
        return [amount_words(e, currency) for e in _estimates(rows, name)]

    shown = pd.DataFrame(
        {
            "size": [
                f"{count(r['contacts'])}{' · planned' if r['planned'] else ''}"
                for r in rows.to_dict("records")
            ],
            "redemptions": [
                expected_words(e.value, e.ci_low, e.ci_high)
                for e in _estimates(rows, "redemptions")
            ],
            "cost": amounts("cost"),
            "break_even": amounts("break_even"),
            "adds": [r["whom"] or plural(r["added"], "customer") for r in rows.to_dict("records")],
            "never": [percent(share, decimals=0) for share in rows["never"]],
            "planned": rows["planned"].to_numpy(),
        }
    )
    level = percent(PREDICTION_LEVEL, decimals=0)
    return table(
        shown,
        {
            "size": "contacts",
            "redemptions": f"expected {noun}s",
            "cost": "cost",
            "break_even": "break-even",
            "adds": "adds mostly",
            "never": "never contacted",
        },
        dict.fromkeys(["size", "redemptions", "cost", "break_even", "never"], str),
        caption=f"{economics.name}: shortest list first; {level} prediction interval.",
        marked="planned",
    )


def _estimates(rows: pd.DataFrame, name: str) -> list[Estimate]:
    columns = (rows[f"{name}{end}"] for end in ("", "_low", "_high"))
    return [Estimate(a, low, high, 0) for a, low, high in zip(*columns, strict=True)]


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
