"""The blocks of the page on promotions that start: what to expect, who, the funnel, the list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd

from promolab import plots
from promolab.campaign.economics_result import PromotionEconomics
from promolab.campaign.funnel import STEPS
from promolab.campaign.outlook import PREDICTION_LEVEL, ListOutlook, expected_words
from promolab.metrics import lift
from promolab.report.artifacts import RunFolder
from promolab.report.launch_figures import economics_table
from promolab.report.page import Html, join, picture, say, table
from promolab.segmentation import segment_index
from promolab.wording import Answer, answer_to, count, number, percent

__all__ = ["funnel_table", "gain_block", "launch_block", "outlook_of"]

_LEVEL = percent(PREDICTION_LEVEL, decimals=0)
_ANSWER = answer_to(())
_BEFORE = {"inside": "yes", "new_customer": "never", "new_promotion": "not for this kind"}


def outlook_of(
    outlook: pd.DataFrame, promotion_id: Any, promotions: int, kind: str = "coupon"
) -> ListOutlook | None:
    """Return a promotion's part of the table ``outlook``; None where nobody was ranked.

    Parameters
    ----------
    outlook : DataFrame
        What step 04 wrote.
    promotion_id : object
        The promotion.
    promotions : int
        Past promotions behind the intervals.
    kind : str
        Of the promotion.
    """
    rows = outlook[outlook["promotion_id"] == promotion_id]
    if rows.empty:
        return None
    return ListOutlook(promotion_id, rows, int(rows["usual"].iloc[0]), promotions, kind)


def gain_block(backtest: pd.DataFrame, words: Answer = _ANSWER) -> Html:
    """Return the gain chart over past promotions, each ranked within its own list.

    Parameters
    ----------
    backtest : DataFrame
        customer_id, promotion_id, y, p.
    words : Answer
        What customers did about these promotions.
    """
    rows = backtest
    if rows.empty or rows["y"].nunique() < 2:
        return say("There are no past promotions yet to show how good the ranking is.")
    gain = lift(rows["y"], rows["p"], group=rows["promotion_id"], cluster=rows["customer_id"])
    found = gain.at(0.4).capture
    sentence = (
        "In past promotions, the top 40 % of the list held "
        f"{percent(found.value, found.ci_low, found.ci_high)} of those who {words.past}."
    )
    axes = plots.finish(
        gain.plot(depth=0.4),
        title=f"The top 40 % held {percent(found.value, found.ci_low, found.ci_high)} of "
        f"{words.who}s",
        subtitle=f"{count(rows['y'].sum())} {words.who}s among {count(len(rows))} contacts of "
        f"{rows['promotion_id'].nunique()} past promotions, 95 % band",
        xlabel="share of each promotion's list, likeliest first",
        ylabel=f"share of {words.who}s found",
        percent_x=True,
        percent_y=True,
    )
    return join([say(sentence), picture(axes, f"Gain chart. {sentence}")])


def launch_block(
    promotion: Mapping[Any, Any],
    outlook: ListOutlook | None,
    run: RunFolder,
    *,
    valid: str,
    currency: str,
    economics: PromotionEconomics | None = None,
    planned: pd.DataFrame | None = None,
    gain: Html | None = None,
    funnel: Html | None = None,
    files: Sequence[str] = (),
) -> Html:
    """Return what there is to know about one promotion that starts.

    Parameters
    ----------
    promotion : dict
        Its row of `promolab.campaign.timeline`.
    outlook : ListOutlook or None
        Expected redemptions.
    run : RunFolder
        Holds scores, segments and features.
    valid : str
        Its days, in words.
    currency : str
        Of the amounts.
    economics : PromotionEconomics, optional
        What it may cost and must bring.
    planned : DataFrame, optional
        Its planned customers: customer_id, promotion_id, holdout; those with ``none`` are the list.
        By default the list is the likeliest, as many as past promotions contacted.
    gain, funnel : Html, optional
        The gain chart (`gain_block`) and the funnel (`funnel_table`, or a figure of the plan).
    files : sequence of str
        The send files, relative to the page.
    """
    if outlook is None:
        return say(f"{promotion['name']}: nobody could be ranked.")
    scores = run.read_table("scores")
    scores = scores[scores["promotion_id"] == promotion["promotion_id"]]
    ranked = scores.sort_values(["p_redeemed", "customer_id"], ascending=[False, True])
    chosen = _chosen(ranked, outlook, planned)
    segments = run.read_table("segments")
    segments = segments[segments["customer_id"].isin(scores["customer_id"])]
    index = segment_index(segments, chosen["customer_id"].to_numpy())
    return join(
        [
            say(_title(promotion, valid), kind="h3"),
            say(outlook.summary() if economics is None else economics.expected_sentence()),
            *([] if economics is None else [economics_table(economics)]),
            *([] if gain is None else [gain]),
            _outlook_table(outlook),
            say(_untested(scores)),
            say("Segments over- and under-represented among them", kind="h4"),
            say(index.summary()),
            picture(index.plot(), index.summary()),
            *([] if funnel is None else [say("Who may be contacted", kind="h4"), funnel]),
            say(f"Who is likely to {answer_to(outlook.kind).verb}", kind="h4"),
            say(_as_the_model_has_it(ranked, outlook)),
            _ranked(chosen, segments, run, currency, answer_to(outlook.kind).verb),
            _send_links(files),
        ]
    )


def _chosen(
    ranked: pd.DataFrame, outlook: ListOutlook, planned: pd.DataFrame | None
) -> pd.DataFrame:
    """Return the list, likeliest first: those to contact, or as many as usual."""
    if planned is None:
        return ranked.head(outlook.usual)
    mine = planned["promotion_id"].astype(str) == str(outlook.promotion_id)
    sent = planned.loc[mine & (planned["holdout"] == "none"), "customer_id"]
    return ranked[ranked["customer_id"].isin(sent)]


def _send_links(files: Sequence[str]) -> Html:
    links = [f'<a href="{escape(file)}">{escape(file)}</a>' for file in files]
    return Html(f'<p class="more">To be sent: {", ".join(links)}</p>' if links else "")


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


def _untested(scores: pd.DataFrame) -> str:
    share = float((scores["support"] != "inside").mean())
    return (
        f"{percent(share, decimals=0)} of all customers were never contacted before: how well the "
        "ranking holds for them has never been tested."
    )


def _as_the_model_has_it(ranked: pd.DataFrame, outlook: ListOutlook) -> str:
    """Say how single customers' chances go together with what their list is expected to bring."""
    row = outlook.at_usual
    ratio = row["expected"] / ranked["p_redeemed"].head(int(row["customers"])).sum()
    return (
        "The chances below are the model's own and serve to rank. For the expected "
        f"{answer_to(outlook.kind).noun}s above their sum is multiplied by "
        f"{number(ratio, decimals=2)}, the correction by what past promotions brought as wholes, "
        "weighted by size and type."
    )


def _ranked(
    ranked: pd.DataFrame, segments: pd.DataFrame, run: RunFolder, currency: str, verb: str
) -> Html:
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
            "amount_84d": f"spent in 84 days, {currency}",
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


def _outlook_table(outlook: ListOutlook) -> Html:
    rows = outlook.table.to_dict("records")
    text = outlook.table.assign(
        found=[expected_words(r["expected"], r["ci_low"], r["ci_high"]) for r in rows],
        share=[percent(r["rate"], decimals=1) for r in rows],
    )
    return table(
        text,
        {
            "customers": "customers contacted, likeliest first",
            "found": f"expected {answer_to(outlook.kind).noun}s [{_LEVEL}]",
            "share": "of those contacted",
            "inside": "contacted before",
        },
        {
            "customers": count,
            "found": str,
            "share": str,
            "inside": lambda x: percent(x, decimals=0),
        },
        caption=outlook.interval_note(),
        most=12,
    )


def _title(promotion: Mapping[Any, Any], valid: str) -> str:
    products = promotion.get("products")
    offered = "" if pd.isna(products) or not products else f" · {count(products)} products"
    return f"{promotion['name']} · {valid}{offered}"
