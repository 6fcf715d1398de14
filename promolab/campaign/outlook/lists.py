"""Longer and shorter lists side by side; and who is on a promotion's list, the likeliest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.campaign.outlook.economics import (
    LaunchEconomics,
    PromotionEconomics,
    launched,
    list_prices,
)
from promolab.campaign.plan.result import Plan
from promolab.display import Html, say
from promolab.language import own_name
from promolab.metrics import PastRatios
from promolab.results import Estimate, Result
from promolab.segmentation import SegmentIndex, segment_index
from promolab.wording import answer_to, percent

if TYPE_CHECKING:
    from promolab.contract import Shop
    from promolab.folder import RunFolder


_FIGURES, _ENDS = ("redemptions", "cost", "break_even"), ("", "_low", "_high")


@dataclass(frozen=True)
class ListSteps(Result):
    """Lists of several sizes for each promotion that starts; made by `list_steps`.

    Parameters
    ----------
    frame : DataFrame
        A row per promotion and size, the shortest first: promotion_id, contacts, planned (whether
        it is the plan's list), redemptions, cost (to the shop) and break_even (extra sales per
        contact), each with ``_low`` and ``_high`` (90 % prediction interval), added (customers that
        the step adds), never (share of the whole list never contacted before), whom (its most
        frequent segment, in words).
    economics : LaunchEconomics
        Of the same promotions, as they are planned.
    """

    frame: pd.DataFrame = field(repr=False)
    economics: LaunchEconomics

    def of(self, promotion_id: Any) -> ListSteps:
        """Return the lists of one promotion."""
        mine = self.frame["promotion_id"].astype(str) == str(promotion_id)
        return replace(self, frame=self.frame[mine])

    def facts(self) -> dict[str, Any]:
        """Return the lists by name, each with its most frequent segment in words."""
        known = {str(p.promotion_id): p for p in self.economics.promotions}
        of = [known[str(promotion)] for promotion in self.frame["promotion_id"]]
        names, mostly = [p.name for p in of], [_whom(told) for told in self.frame["whom"]]
        shown, alone = self.frame.assign(mostly=mostly), len(set(names)) == 1
        return {
            "state": "some" if of else "none",
            "lists": len(of),
            "promotions": self.frame["promotion_id"].nunique(),
            "answer": answer_to(p.kind for p in of),
            "currency": of[0].currency if of else "",
            "alone": alone,
            "title": names[0] if names else "",
            "shown": shown if alone else shown.assign(name=names),
        }


def list_steps(
    shop: Shop,
    plan: Plan,
    economics: LaunchEconomics,
    scores: pd.DataFrame,
    segments: pd.DataFrame,
    ratios: PastRatios,
) -> ListSteps:
    """Set lists of half, once and twice the planned size and of everybody side by side.

    The customers to contact come first, the likeliest before the others; then those who may be
    contacted and are not among the planned. Who is held back stays so. Of a list that an allocation
    chose there is one size: another budget is another list.

    Parameters
    ----------
    shop : Shop
        Cleaned, with promotions, exposures and responses.
    plan : Plan
        Of `promolab.campaign.plan_week`; nothing at or after its decision is read.
    economics : LaunchEconomics
        Of `launch_economics`: how the planned size stands.
    scores : DataFrame
        customer_id, promotion_id, support (``inside`` where the like was contacted before).
    segments : DataFrame
        customer_id, segment.
    ratios : PastRatios
        How far whole promotions missed (`promolab.compare.Backtest.past_ratios`).

    Returns
    -------
    ListSteps
        The row of the planned size has the figures of ``economics``.
    """
    ends = [f"{name}{end}" for name in _FIGURES for end in _ENDS]
    columns = ["promotion_id", "contacts", "planned", *ends, "added", "never", "whom"]
    if plan.planned.empty:
        return ListSteps(pd.DataFrame(columns=columns), economics)
    named = segments.set_index("customer_id")["segment"]
    actions = dict(
        zip(plan.promotions["promotion_id"].astype(str), plan.promotions["action"], strict=True)
    )
    rows: list[dict[str, Any]] = []
    for price in list_prices(shop, plan.as_of, launched(shop, plan.planned), ratios):
        promotion = price.promotion["promotion_id"]
        ranked = _ranked(plan, promotion, scores)
        ranked["segment"] = ranked["customer_id"].map(named)
        planned = int((ranked["step"] == "to_contact").sum())
        known = economics.of(promotion)
        chosen = actions[str(promotion)] in plan.by_effect
        for low, size in [(0, planned)][:planned] if chosen else _sizes(planned, len(ranked)):
            chances = ranked.set_index("customer_id")["p_redeemed"].head(size).astype(float)
            redemptions, _, cost, extra = price.of(chances)
            if known is not None and size == planned:
                cost, extra = known.cost, known.break_even
            figures = zip(_FIGURES, (redemptions, cost, extra), strict=True)
            rows.append(
                {"promotion_id": promotion, "contacts": size}
                | {"planned": size == planned}
                | {f"{name}{end}": v for name, e in figures for end, v in _ends(e)}
                | {"added": size - low}
                | _whose(ranked.head(size))
            )
    return ListSteps(pd.DataFrame(rows, columns=columns), economics)


def _whom(told: str) -> str:
    """Return the most frequent segment with its share, as `_whose` wrote them."""
    share, percent_sign, segment = told.partition(" % ")
    if not percent_sign:
        return told or "–"
    share = percent(float(share.replace(",", "")) / 100, decimals=0)
    return f"{share} {own_name(segment)}"


def _ranked(plan: Plan, promotion_id: Any, scores: pd.DataFrame) -> pd.DataFrame:
    """Return who is to be contacted, then who might be, each likeliest first."""
    steps = plan.steps
    mine: pd.DataFrame = steps[(steps["promotion_id"] == promotion_id)]
    mine = mine[mine["step"].isin(["to_contact", "not_planned"])]
    mine = mine.assign(later=(mine["step"] != "to_contact").astype(int))
    mine = mine.sort_values(["later", "p_redeemed", "customer_id"], ascending=[True, False, True])
    support = scores.loc[scores["promotion_id"] == promotion_id, ["customer_id", "support"]]
    return mine.merge(support, on="customer_id", how="left")


def _sizes(planned: int, everybody: int) -> Iterator[tuple[int, int]]:
    """Return where each step begins and ends."""
    wanted = (planned // 2, planned, 2 * planned, everybody)
    sizes = sorted({min(n, everybody) for n in wanted if n > 0})
    return zip([0, *sizes], sizes, strict=False)


def _ends(e: Estimate) -> Iterator[tuple[str, float]]:
    return zip(_ENDS, e.ends, strict=True)


def _whose(rows: pd.DataFrame) -> dict[str, Any]:
    sizes = rows["segment"].value_counts().sort_index()
    whom = ""
    if len(sizes):
        whom = f"{percent(sizes.max() / len(rows), decimals=0)} {sizes.idxmax()}"
    never = float((rows["support"] == "new_customer").mean())
    return {"never": never, "whom": whom}


_TOP = 10  # customers of a list that are shown


@dataclass(frozen=True)
class LikeliestList(Result):
    """The customers to contact for one promotion, the best first; made by `likeliest_list`.

    Parameters
    ----------
    frame : DataFrame
        Of those to contact: customer_id, p_redeemed, support, segment, recency_days, amount_84d;
        and, where effects chose them, adds: what each contact is predicted to add in money.
    index : SegmentIndex
        How often the list holds each segment, against all customers.
    economics : PromotionEconomics
        What the promotion may cost and must bring.
    pseudonym : callable
        Gives codes to show for customer ids (`promolab.folder.RunFolder.pseudonym`).
    """

    frame: pd.DataFrame = field(repr=False)
    index: SegmentIndex
    economics: PromotionEconomics
    pseudonym: Callable[[Any], Any] = field(repr=False)

    def facts(self) -> dict[str, Any]:
        """Return the first ten under pseudonyms, and what their chances are multiplied by."""
        row, top, first = self.economics, self.frame.head(_TOP), "likeliest"
        if "adds" in self.frame:
            adds = self.frame["adds"].round(1)
            first = "alike" if (adds == adds.iloc[0]).all() else "adds"
        return {
            "answer": answer_to(row.kind),
            "currency": row.currency,
            "name": row.name,
            "first": first,
            "times": row.redemptions.value / self.frame["p_redeemed"].sum(),
            "top": top.assign(rank=range(1, len(top) + 1), who=self.pseudonym(top["customer_id"])),
        }

    def blocks(self) -> list[Html]:
        """Return whom the list holds, then who comes first."""
        return [say(self.index.summary()), say(self.summary()), self.to_table()]


def likeliest_list(
    run: RunFolder, economics: PromotionEconomics, sent: pd.DataFrame, adds: pd.DataFrame | None
) -> LikeliestList:
    """Rank the customers to contact for a promotion.

    Parameters
    ----------
    run : RunFolder
        With scores, segments and features.
    economics : PromotionEconomics
        Of the promotion.
    sent : DataFrame
        customer_id of those to contact.
    adds : DataFrame or None
        customer_id, action, value: what contacts are predicted to add, where effects chose some.
    """
    scores, segments = run.read_table("scores"), run.read_table("segments")
    mine = scores[scores["promotion_id"] == economics.promotion_id]
    known = segments[segments["customer_id"].isin(mine["customer_id"])]
    ranked = mine[mine["customer_id"].isin(sent["customer_id"])]
    features = run.read_table("features")[["customer_id", "recency_days", "amount_84d"]]
    for more in (features, segments[["customer_id", "segment"]]):
        ranked = ranked.merge(more, on="customer_id", how="left")
    order = ["p_redeemed", "customer_id"]
    if adds is not None and (own := adds["action"] == str(economics.promotion_id)).any():
        values = adds[own].set_index("customer_id")["value"]
        ranked, order = ranked.assign(adds=ranked["customer_id"].map(values)), ["adds", *order]
    ascending = [name == "customer_id" for name in order]
    ranked = ranked.sort_values(order, ascending=ascending)
    index = segment_index(known, sent["customer_id"].to_numpy())
    return LikeliestList(ranked, index, economics, run.pseudonym)
