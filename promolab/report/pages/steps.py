"""What the step pages show besides the library's own results."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import TYPE_CHECKING, Any

from promolab.campaign.outlook import PREDICTION_LEVEL, Launch, type_of
from promolab.compare import Backtest
from promolab.display import Html, absent, picture, say
from promolab.folder import RunFolder
from promolab.glossary import label
from promolab.metrics import ALARM_AUC
from promolab.wording import Answer, answer_to, count, number, percent

if TYPE_CHECKING:
    import pandas as pd

    from promolab.segmentation import SegmentProfile

__all__ = [
    "coefficients",
    "explained",
    "gain_sentence",
    "leakage_alarm",
    "meaning",
    "segment_columns",
    "segment_formats",
    "segment_rows",
]

ALARM_POSITIVES = 100
_ANSWER = answer_to(())


def segment_columns() -> dict[str, str]:
    """Return the columns of a segment table and their headings."""
    return {
        "segment": "segment",
        "customers": "customers",
        "share_sales": "share of sales",
        "response_rate": "response rate",
        "interests": "interests",
        "purchasing_power": "purchasing power",
        "loyalty": "loyalty",
        "habits": "habits",
    }


def segment_rows(profile: SegmentProfile) -> pd.DataFrame:
    """Return a row per segment, each figure written with its interval."""
    frame = profile.to_frame()
    writers: dict[str, Callable[..., str]] = dict.fromkeys(
        ("share_sales", "response_rate"), percent
    )
    writers |= dict.fromkeys(("interests", "purchasing_power", "loyalty", "habits"), _score)
    rows = frame.to_dict("records")
    return frame.assign(
        **{
            c: [
                "–" if row[c] != row[c] else write(row[c], row[f"{c}_low"], row[f"{c}_high"])
                for row in rows
            ]
            for c, write in writers.items()
        }
    )


def _score(value: float, low: float, high: float) -> str:
    return number(value, low, high, decimals=0)


def segment_formats() -> dict[str, Callable[[Any], str]]:
    """Return how the columns of `segment_rows` are written: as figures, on the right."""
    return {c: str for c in segment_columns() if c != "segment"} | {"customers": count}


def coefficients(launch: Launch) -> Html:
    """Return the figure of the largest weights or of the tree, or say what to look at instead."""
    from promolab.explain import plot_coefficients, tree_rules

    model = launch.model
    if model is None:
        return absent(launch.why)
    labels = {str(column): label(str(column)) for column in launch.pairs.columns}
    if model.kind == "logistic":
        axes = plot_coefficients(model, labels)
        return picture(axes, "The largest weights of the response model with their intervals.")
    if model.kind == "tree":
        return picture(
            tree_rules(model, labels).plot(), "The questions of the tree and what they tell."
        )
    return say(f"The method {model.kind} has no weights to show; what it uses stands below.")


def explained(launch: Launch, run: RunFolder) -> Html:
    """Return what explains the likeliest customer, under a pseudonym."""
    from promolab import plots
    from promolab.explain import explain_row

    if launch.model is None or launch.scores.empty:
        return absent("Nobody is ranked this week, so there is no score to explain.")
    order = launch.scores.sort_values(["p_redeemed", "customer_id"], ascending=[False, True]).index[
        :1
    ]
    row = launch.candidates.loc[order]
    who = f"Customer {run.pseudonym(row['customer_id'].tolist())[0]}"
    labels = {str(column): label(str(column)) for column in row.columns}
    # Against some of those whom past promotions contacted; the logistic one needs none.
    done = launch.pairs[launch.pairs["label_complete"]]
    past = done.sample(min(200, len(done)), random_state=0)
    background = None if launch.model.kind == "logistic" else past
    found = explain_row(launch.model, row, background, who=who, labels=labels)
    chance, usual = (percent(p, decimals=1) for p in (found.probability, found.base_probability))
    verb = answer_to(row["promotion_kind"]).verb if "promotion_kind" in row else "respond"
    title = f"{who} has a chance of {chance} to {verb}, {found.against} of {usual}"
    most = " and ".join(found.frame["feature"].head(2))
    exact = (found.frame["ci_low"] == found.frame["ci_high"]).all()
    axes = plots.finish(
        found.plot(),
        title=title,
        subtitle=f"what each feature adds to the log odds, {number(found.base, decimals=2)} at the "
        f"start, {number(found.logit, decimals=2)} at the end"
        + ("" if exact else "; lines: error of the calculation, 95 %"),
        xlabel="added to the log odds",
    )
    return say(f"{title}. Most of the difference comes from {most}.") + picture(
        axes, f"What each feature adds to the score of {who[:1].lower()}{who[1:]}."
    )


def meaning(launch: Launch) -> Html:
    """Return what the list says and what it does not."""
    if launch.model is None:
        return absent(launch.why)
    verb = launch.words.verb
    what = "a coupon" if verb == "redeem" else "a promotion"
    return say(
        f"The list says who is likely to {verb}, not whom {what} changes: many of the "
        "likeliest would have bought anyway. The ranking is tested on customers of the kind that "
        "were contacted before; for those who never were, it is a guess. Expect whole promotions "
        "to miss the forecast by more than chance alone would do: the interval says by how much "
        "they did before."
    )


def gain_sentence(launch: Launch) -> str:
    """Say what share of redeemers the top of a list holds, and how far whole promotions missed."""
    found = launch.backtest.lift
    if found is None:
        return launch.backtest.summary()
    text = found.at(0.4).summary()
    ratios = launch.backtest.past_ratios
    rows = launch.promotions.to_dict("records")
    for type_ in dict.fromkeys(type_of(row) for row in rows) or [""]:
        e = ratios.predict(0.0, type_, PREDICTION_LEVEL)
        if not isfinite(e.ci_low):
            continue
        times = number(e.value, e.ci_low, e.ci_high, decimals=2)
        text += (
            f" A forecast of a whole promotion{f' ({type_})' if type_ else ''} is the sum of its "
            f"chances times {times}: the correction by {ratios.k} past ones, weighted by size and "
            f"type ({percent(PREDICTION_LEVEL, decimals=0)} for a new one)."
        )
    return text


def leakage_alarm(backtest: Backtest, words: Answer = _ANSWER) -> str:
    """Say whether a figure is too good to be true: an AUC above 0.90 would mean leakage."""
    rows = backtest.by_promotion
    high = rows[(rows["auc"] > ALARM_AUC) & (rows["positives"] >= ALARM_POSITIVES)]
    pooled = backtest.pooled is not None and backtest.pooled.auc > ALARM_AUC
    if pooled or len(high):
        return "Alarm: an AUC above 0.90 on real promotions means that the future leaked in."
    return (
        f"No AUC above 0.90, pooled or on a promotion with at least {ALARM_POSITIVES} "
        f"{words.who}s: no sign that features know what came later."
    )
