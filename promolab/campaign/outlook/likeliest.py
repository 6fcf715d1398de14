"""Who is on a promotion's list: whom it holds more often than others, and who comes first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from promolab.campaign.outlook.promotion_economics import PromotionEconomics
from promolab.display import Html, picture, say
from promolab.results import Result
from promolab.segmentation import SegmentIndex, segment_index
from promolab.wording import answer_to

_TOP = 10


@dataclass(frozen=True)
class LikeliestList(Result):
    """The customers to contact for one promotion, the likeliest first.

    Parameters
    ----------
    rows : DataFrame
        Of those to contact: customer_id, p_redeemed, support, segment, recency_days, amount_84d.
    index : SegmentIndex
        How often the list holds each segment, against all customers.
    economics : PromotionEconomics
        What the promotion may cost and must bring.
    pseudonym : callable
        Gives codes to show for customer ids (`promolab.folder.RunFolder.pseudonym`).
    by_effect : bool
        Whether ``rows`` hold ``adds``, what each contact is predicted to add in money, and come in
        that order.
    """

    rows: pd.DataFrame = field(repr=False)
    index: SegmentIndex
    economics: PromotionEconomics
    pseudonym: Callable[[Any], Any] = field(repr=False)
    by_effect: bool = False

    @classmethod
    def of(
        cls,
        economics: PromotionEconomics,
        sent: pd.Series[Any],
        scores: pd.DataFrame,
        segments: pd.DataFrame,
        features: pd.DataFrame,
        pseudonym: Callable[[Any], Any],
        adds: pd.Series[float] | None = None,
    ) -> LikeliestList:
        """Rank the customers to contact (``sent``), by ``adds`` (of customer_id) where given."""
        mine = scores[scores["promotion_id"] == economics.promotion_id]
        known = segments[segments["customer_id"].isin(mine["customer_id"])]
        ranked = mine[mine["customer_id"].isin(sent)]
        ranked = ranked.sort_values(["p_redeemed", "customer_id"], ascending=[False, True])
        for more in (
            features[["customer_id", "recency_days", "amount_84d"]],
            segments[["customer_id", "segment"]],
        ):
            ranked = ranked.merge(more, on="customer_id", how="left")
        index = segment_index(known, sent.to_numpy())
        if adds is not None:
            ranked = ranked.assign(adds=ranked["customer_id"].map(adds))
            order = ["adds", "p_redeemed", "customer_id"]
            ranked = ranked.sort_values(order, ascending=[False, False, True])
        return cls(ranked, index, economics, pseudonym, adds is not None)

    def to_frame(self) -> pd.DataFrame:
        """Return all of them, by customer_id."""
        return self.rows

    def facts(self) -> dict[str, Any]:
        """Return the first ten under pseudonyms, and what their chances are multiplied by."""
        row, top = self.economics, self.rows.head(_TOP)
        adds = self.rows["adds"].round(1) if self.by_effect else None
        same = adds is not None and (adds == adds.iloc[0]).all()
        return {
            "answer": answer_to(row.kind),
            "currency": row.currency,
            "name": row.name,
            "first": "alike" if same else "adds" if self.by_effect else "likeliest",
            "times": row.redemptions.value / self.rows["p_redeemed"].sum(),
            "top": top.assign(rank=range(1, len(top) + 1), who=self.pseudonym(top["customer_id"])),
        }

    def blocks(self) -> list[Html]:
        """Return whom the list holds, then who comes first."""
        index = self.index
        return [
            say(index.summary()),
            picture(index.plot(), index.summary()),
            say(self.summary()),
            self.to_table(),
        ]
