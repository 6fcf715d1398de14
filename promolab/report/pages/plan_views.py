"""What the page on the plan shows: the funnel, lists side by side, who is on the list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.campaign.outlook import PromotionEconomics
from promolab.campaign.plan import STEPS
from promolab.display import Html, absent, fold, join, picture, say, table
from promolab.glossary import describe
from promolab.segmentation import segment_index
from promolab.wording import answer_to, count, number, percent

if TYPE_CHECKING:
    from promolab.report.pages.planning import WeekPlan

__all__ = ["funnel_table", "funnels", "funnels_table", "likeliest", "opening", "prices", "words"]

_SIDE_BY_SIDE = 7  # promotions; of more, each has a table of its own

_BEFORE = {"inside": "yes", "new_customer": "never", "new_promotion": "not for this kind"}
_WORDS = (
    *("expected redemptions", "prediction interval", "expected discount cost", "break-even"),
    *("smallest effect", "bought anyway", "assumed", "holdout", "standing holdout"),
    *("likely to redeem", "over-represented", "support", "pseudonym"),
)


def opening(made: WeekPlan) -> Html:
    """Return whom to contact about what, a row per promotion, and what was not checked."""
    words = [say(sentence) for sentence in (made.plan.opening(), *made.plan.unchecked)]
    return join([*words, made.economics.to_table() if len(made.economics) else Html("")])


def funnels(made: WeekPlan) -> Html:
    """Return where the customers of each promotion leave, from all active to those to contact."""
    plan, consent = made.plan, made.shop.has("contact_rights")
    if plan.funnel.empty:
        return absent("No promotion starts.")
    largest = picture(plan.plot(), "Customers left after each step of the funnel.")
    names = dict(zip(plan.promotions["promotion_id"], plan.promotions["name"], strict=True))
    rows = [row | {"name": names[row["promotion_id"]]} for row in plan.funnel.to_dict("records")]
    if 1 < len(rows) <= _SIDE_BY_SIDE:
        return largest + funnels_table(rows, consent=consent)
    return join([largest, *(funnel_table(row, consent=consent) for row in rows)])


def prices(made: WeekPlan) -> Html:
    """Return what each promotion may cost and must bring, and what longer lists would."""
    rows = made.economics.promotions
    if not rows:
        return absent("Nobody is planned for a promotion.")
    lists = [
        made.sizes.of(row.promotion_id).to_table() if row.contacts else Html("") for row in rows
    ]
    tables = zip([row.to_table() for row in rows], lists, strict=True)
    return _one_by_one([row.name for row in rows], tables)


def likeliest(made: WeekPlan) -> Html:
    """Return the ten likeliest customers on each list, under pseudonyms, and whom a list holds."""
    rows = [row for row in made.economics.promotions if row.contacts]
    if not rows:
        return absent("Nobody is to be contacted.")
    scores = made.run.read_table("scores")
    segments = made.run.read_table("segments")
    lists = (
        _list_of(made, row, scores[scores["promotion_id"] == row.promotion_id], segments)
        for row in rows
    )
    return say(_untested(scores)) + _one_by_one([row.name for row in rows], lists)


def _one_by_one(names: Sequence[str], pieces: Iterable[Sequence[Html]]) -> Html:
    """Return what there is of each promotion: of several, each behind a line that opens."""
    each = list(zip(names, pieces, strict=True))
    if len(each) == 1:
        return join(each[0][1])
    return join([fold(name, parts) for name, parts in each])


def _list_of(
    made: WeekPlan, row: PromotionEconomics, scores: pd.DataFrame, segments: pd.DataFrame
) -> list[Html]:
    sent = made.plan.to_contact
    sent = sent.loc[sent["promotion_id"] == row.promotion_id, "customer_id"]
    known = segments[segments["customer_id"].isin(scores["customer_id"])]
    index = segment_index(known, sent.to_numpy())
    ranked = scores[scores["customer_id"].isin(sent)]
    ranked = ranked.sort_values(["p_redeemed", "customer_id"], ascending=[False, True])
    return [
        say(index.summary()),
        picture(index.plot(), index.summary()),
        say(_as_the_model_has_it(ranked, row)),
        _ranked(made, ranked, segments, row),
    ]


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
        caption=f"{row.name}: likeliest to {verb} first; pseudonyms stand for customers.",
    )
    more = (
        f'<p class="more">First {len(top)} of {len(ranked):,}. '
        '<a href="tables/scores.parquet">The whole list as a file</a></p>'
    )
    return shown + Html(more)


def funnels_table(rows: Sequence[Mapping[Any, Any]], *, consent: bool = True) -> Html:
    """Return how many customers of several promotions are left after each step, side by side.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of `promolab.campaign.Plan.funnel`, each with the promotion's ``name``.
    consent : bool
        Whether the shop says who may be contacted.
    """
    lines = [_steps_of(row, consent) for row in rows]
    frame = pd.DataFrame({"step": [step for step, _, _ in lines[0]]})
    for place, line in enumerate(lines):
        frame[str(place)] = [left for _, _, left in line]
    return table(
        frame,
        {"step": "step"} | {str(n): f"{r['name']} ({r['channel']})" for n, r in enumerate(rows)},
        dict.fromkeys(map(str, range(len(rows))), count),
        caption="Customers left after each step, from all ever active to those to contact.",
        most=len(frame),
    )


def funnel_table(row: Mapping[Any, Any], *, consent: bool = True) -> Html:
    """Return where a promotion's customers leave, from all that are active to those to contact.

    Parameters
    ----------
    row : mapping
        A row of `promolab.campaign.Plan.funnel`, with the promotion's ``name``.
    consent : bool
        Whether the shop says who may be contacted.
    """
    lines = _steps_of(row, consent)
    frame = pd.DataFrame(lines, columns=["step", "gone", "left"])
    # A column of numbers holds nan where a step takes nobody out by its nature.
    gone = frame["gone"].tolist()
    frame["gone"] = ["" if n is None or n != n else f"−{count(n)}" if n else "0" for n in gone]
    return table(
        frame,
        {"step": "step", "gone": "customers that it takes out", "left": "customers left"},
        {"gone": str, "left": count},
        caption=f"{row['name']}, by {row['channel']}: from all ever active to those to contact.",
        most=len(lines),
    )


def _steps_of(row: Mapping[Any, Any], consent: bool) -> list[tuple[str, int | None, int]]:
    """Return each step in words, how many it takes out, and how many are left."""
    words = dict(STEPS) | ({} if consent else {"no_right": f"{STEPS['no_right']} (not checked)"})
    left = int(row["active"])
    lines: list[tuple[str, int | None, int]] = [("active customers", None, left)]
    for step in list(STEPS)[:-1]:
        left -= int(row[step])
        lines.append((words[step], int(row[step]), left))
    return [*lines, (STEPS["to_contact"], None, int(row["to_contact"]))]


def words() -> Html:
    """Return the words of the page and what they mean."""
    frame = describe(list(_WORDS))
    return table(frame, {"label": "word", "meaning": "meaning"}, most=len(_WORDS))
