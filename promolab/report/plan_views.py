"""What the page on the plan shows: the funnel, lists side by side, who is on the list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.campaign.economics_result import PromotionEconomics
from promolab.campaign.funnel import STEPS
from promolab.glossary import describe
from promolab.report.launch_figures import economics_table
from promolab.report.launching import decision_table
from promolab.report.page import Html, join, picture, say, table
from promolab.segmentation import segment_index
from promolab.wording import answer_to, count, number, percent

if TYPE_CHECKING:
    from promolab.report.planning import WeekPlan

__all__ = ["funnel_table", "funnels", "likeliest", "prices", "words"]

_BEFORE = {"inside": "yes", "new_customer": "never", "new_promotion": "not for this kind"}
_WORDS = (
    *("expected redemptions", "prediction interval", "expected discount cost", "break-even"),
    *("smallest effect", "bought anyway", "assumed", "holdout", "standing holdout"),
    *("likely to redeem", "over-represented", "support", "pseudonym"),
)


def funnels(made: WeekPlan) -> Html:
    """Return where the customers of each promotion leave, from all active to those to contact."""
    consent = made.shop.has("contact_rights")
    planned = made.plan.promotions["promotion_id"]
    return join([funnel_table(made.plan.funnel, p, consent=consent) for p in planned])


def prices(made: WeekPlan) -> Html:
    """Return what each promotion may cost and must bring, and what longer lists would."""
    pieces = []
    for row in made.economics.promotions:
        pieces += [say(row.name, kind="h3"), economics_table(row)]
        pieces += [decision_table(made.sizes.table, row)] if row.contacts else []
    return join(pieces)


def likeliest(made: WeekPlan) -> Html:
    """Return the ten likeliest customers on each list, under pseudonyms, and whom a list holds."""
    scores = made.run.read_table("scores")
    segments = made.run.read_table("segments")
    return join(
        [
            _list_of(made, row, scores[scores["promotion_id"] == row.promotion_id], segments)
            for row in made.economics.promotions
            if row.contacts
        ]
    )


def _list_of(
    made: WeekPlan, row: PromotionEconomics, scores: pd.DataFrame, segments: pd.DataFrame
) -> Html:
    sent = made.plan.to_contact
    sent = sent.loc[sent["promotion_id"] == row.promotion_id, "customer_id"]
    known = segments[segments["customer_id"].isin(scores["customer_id"])]
    index = segment_index(known, sent.to_numpy())
    ranked = scores[scores["customer_id"].isin(sent)]
    ranked = ranked.sort_values(["p_redeemed", "customer_id"], ascending=[False, True])
    return join(
        [
            say(row.name, kind="h3"),
            say(index.summary()),
            picture(index.plot(), index.summary()),
            say(_as_the_model_has_it(ranked, row)),
            say(_untested(scores)),
            _ranked(made, ranked, segments, row),
        ]
    )


def _as_the_model_has_it(ranked: pd.DataFrame, row: PromotionEconomics) -> str:
    """Say how single customers' chances go together with what their list is expected to bring."""
    ratio = row.redemptions.value / ranked["p_redeemed"].sum()
    return (
        "The chances below are the model's own and serve to rank. For the expected "
        f"{answer_to(row.kind).noun}s their sum is multiplied by {number(ratio, decimals=2)}, the "
        "correction by what past promotions brought as wholes, weighted by size and type."
    )


def _untested(scores: pd.DataFrame) -> str:
    share = float((scores["support"] != "inside").mean())
    return (
        f"{percent(share, decimals=0)} of all customers were never contacted before: how well the "
        "ranking holds for them has never been tested."
    )


def _ranked(
    made: WeekPlan, ranked: pd.DataFrame, segments: pd.DataFrame, row: PromotionEconomics
) -> Html:
    run, verb = made.run, answer_to(row.kind).verb
    features = run.read_table("features")[["customer_id", "recency_days", "amount_84d"]]
    top = ranked.head(10).merge(features, on="customer_id", how="left")
    top = top.merge(segments[["customer_id", "segment"]], on="customer_id", how="left")
    top = top.assign(
        rank=range(1, len(top) + 1),
        who=run.pseudonym(top["customer_id"]),
        before=top["support"].map(_BEFORE),
    )
    shown = table(
        top,
        {
            "rank": "rank",
            "who": "customer",
            "segment": "segment",
            "p_redeemed": f"chance to {verb}",
            "recency_days": "days since last order",
            "amount_84d": f"spent in 84 days, {row.currency}",
            "before": "contacted before",
        },
        {
            "p_redeemed": lambda p: percent(p, decimals=0),
            "recency_days": lambda d: number(d, decimals=0),
            "amount_84d": lambda a: number(a, decimals=0),
        },
        caption=f"Sorted by the chance to {verb}, likeliest first; pseudonyms stand for customers.",
    )
    more = (
        f'<p class="more">First {len(top)} of {len(ranked):,}. '
        '<a href="tables/scores.parquet">The whole list as a file</a></p>'
    )
    return shown + Html(more)


def funnel_table(funnel: pd.DataFrame, promotion_id: Any, *, consent: bool = True) -> Html:
    """Return where a promotion's customers leave, from all that are active to those to contact.

    Parameters
    ----------
    funnel : DataFrame
        `promolab.campaign.Plan.funnel`: a row per promotion and channel.
    promotion_id : object
        The promotion.
    consent : bool
        Whether the shop says who may be contacted.
    """
    words = dict(STEPS) | ({} if consent else {"no_right": f"{STEPS['no_right']} (not checked)"})
    rows = funnel[funnel["promotion_id"].astype(str) == str(promotion_id)]
    if rows.empty:
        return say("Nobody is planned for it.")
    pieces = []
    for row in rows.to_dict("records"):
        left, lines = int(row["active"]), [("active customers", "", int(row["active"]))]
        for step in list(STEPS)[:-1]:
            left -= int(row[step])
            lines.append((words[step], f"−{count(row[step])}" if row[step] else "0", left))
        lines.append((STEPS["to_contact"], "", int(row["to_contact"])))
        frame = pd.DataFrame(lines, columns=["step", "gone", "left"])
        pieces.append(
            table(
                frame,
                {"step": "step", "gone": "customers that it takes out", "left": "customers left"},
                {"gone": str, "left": count},
                caption=f"By {row['channel']}, from all who were ever active to those to contact.",
                most=len(lines),
            )
        )
    return join(pieces)


def words() -> Html:
    """Return the words of the page and what they mean."""
    frame = describe(list(_WORDS))
    return table(frame, {"label": "word", "meaning": "meaning"}, most=len(_WORDS))
