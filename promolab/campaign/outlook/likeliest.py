"""Who is on a promotion's list: whom it holds more often than others, and who comes first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from promolab.campaign.outlook.promotion_economics import PromotionEconomics
from promolab.display import Html, picture, say, table
from promolab.results import Result
from promolab.segmentation import SegmentIndex, segment_index
from promolab.wording import answer_to, number, percent

_BEFORE = {"inside": "yes", "new_customer": "never", "new_promotion": "not for this kind"}
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

    def summary(self) -> str:
        """Say how single chances go together with what the list is expected to bring."""
        ratio = self.economics.redemptions.value / self.rows["p_redeemed"].sum()
        return (
            "The chances below are the model's own and serve to rank. For the expected "
            f"{answer_to(self.economics.kind).noun}s their sum is multiplied by "
            f"{number(ratio, decimals=2)}, the correction by what past promotions brought as "
            "wholes, weighted by size and type."
        )

    def table(self) -> Html:
        """Return the first ten, under pseudonyms."""
        row, verb = self.economics, answer_to(self.economics.kind).verb
        top = self.rows.head(_TOP)
        top = top.assign(
            rank=range(1, len(top) + 1),
            who=self.pseudonym(top["customer_id"]),
            before=top["support"].map(_BEFORE),
        )
        shown = table(
            top,
            {
                "rank": "rank",
                "who": "customer",
                "segment": "segment",
                **({"adds": f"predicted to add, {row.currency}"} if self.by_effect else {}),
                "p_redeemed": f"chance to {verb}",
                "recency_days": "days since last order",
                "amount_84d": f"spent in 84 days, {row.currency}",
                "before": "contacted before",
            },
            {
                "adds": lambda a: number(a, decimals=1),
                "p_redeemed": lambda p: percent(p, decimals=0),
                "recency_days": lambda d: number(d, decimals=0),
                "amount_84d": lambda a: number(a, decimals=0),
            },
            caption=f"{row.name}: {self._first(verb)} first; pseudonyms stand for customers.",
        )
        more = (
            f'<p class="more">First {len(top)} of {len(self.rows):,}. '
            '<a href="tables/scores.parquet">The whole list as a file</a></p>'
        )
        return shown + Html(more)

    def _first(self, verb: str) -> str:
        if not self.by_effect:
            return f"likeliest to {verb}"
        adds = self.rows["adds"].round(1)
        if (adds == adds.iloc[0]).all():
            return f"all predicted to add the same, likeliest to {verb}"
        return "whom it adds most with"

    def blocks(self) -> list[Html]:
        """Return whom the list holds, then who comes first."""
        index = self.index
        return [
            say(index.summary()),
            picture(index.plot(), index.summary()),
            say(self.summary()),
            self.to_table(),
        ]


def untested_words(scores: pd.DataFrame) -> str:
    """Say for which customers the ranking has never been tested."""
    share = float((scores["support"] != "inside").mean())
    return (
        f"{percent(share, decimals=0)} of all customers were never contacted before: how well the "
        "ranking holds for them has never been tested."
    )
