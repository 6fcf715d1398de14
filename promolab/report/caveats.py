"""What a reader must know before the figures: what was tested, what was not checked."""

from __future__ import annotations

import pandas as pd

from promolab.metrics import lift, roc
from promolab.wording import Answer, count, percent, plural

__all__ = ["FEWEST", "PROFILES_ONLY", "how_tested", "what_data_allow"]

FEWEST = 10
"""Answers among past contacts below which a test says too little to be called one."""
DEPTH = 0.4
PROFILES_ONLY = (
    "Nothing can be said about promotions: no table says what ran, who was contacted and who "
    "answered."
)


def what_data_allow(
    backtest: pd.DataFrame, words: Answer, *, decisions: bool, measured: str = ""
) -> str:
    """Say what may be said of promotions: who answers, as far as it was tested, and what they add.

    Parameters
    ----------
    backtest : DataFrame
        Past promotions predicted from those before them: customer_id, promotion_id, y, p.
    words : Answer
        What customers do about these promotions.
    decisions : bool
        Whether a table says who was held back by which chance.
    measured : str
        What past decisions tell of effects, in sentences; empty where they tell nothing.
    """
    found = how_tested(backtest, words)
    likely = f"Likely to {words.verb} does not mean worth sending to."
    if measured:
        return f"{found} {measured} {likely}"
    if decisions:
        return (
            f"{found} What a promotion adds is told by those held back at random, where there were "
            f"any. {likely}"
        )
    return (
        f"{found} What a promotion adds is not known: nothing states who was held back by chance. "
        f"{likely}"
    )


def how_tested(backtest: pd.DataFrame, words: Answer) -> str:
    """Say how the ranking of past promotions turned out.

    Parameters
    ----------
    backtest, words
        As for `what_data_allow`.

    Examples
    --------
    >>> from promolab.wording import answer_to
    >>> nothing = pd.DataFrame({"customer_id": [], "promotion_id": [], "y": [], "p": []})
    >>> how_tested(nothing, answer_to("coupon"))
    'Who is likely to redeem has not been tested: no past promotion could be predicted.'
    """
    rows = backtest
    likely = f"Who is likely to {words.verb}"
    if rows.empty:
        return f"{likely} has not been tested: no past promotion could be predicted."
    promotions = plural(rows["promotion_id"].nunique(), "past promotion")
    answers = int(rows["y"].sum())
    if min(answers, len(rows) - answers) < FEWEST:
        who = f"{plural(answers, words.who)} among {plural(len(rows), 'contact')}"
        return f"{likely} has hardly been tested: on {promotions} with {who}."
    order = roc(rows["y"], rows["p"], cluster=rows["customer_id"])
    if not order.ci_low > 0.5:
        return (
            f"{likely} cannot be told: on {promotions} the ranking is not shown to be better than "
            "chance."
        )
    gain = lift(rows["y"], rows["p"], group=rows["promotion_id"], cluster=rows["customer_id"])
    share = gain.at(DEPTH).capture
    held = f"{percent(share.value, share.ci_low, share.ci_high)} of {count(answers)} {words.who}s"
    return (
        f"{likely} was tested on {promotions}: the top {percent(DEPTH, decimals=0)} of their lists "
        f"held {held}."
    )
