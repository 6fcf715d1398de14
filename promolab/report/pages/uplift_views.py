"""What page 05 shows: checks first, then averages, curves, segments, and how sure they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promolab.campaign.past import promotion_name
from promolab.display import Html, absent, join, picture, say, table
from promolab.effects import figure, spoken
from promolab.report.pages.uplift_choice import FILE, OBSERVED
from promolab.report.pages.uplift_effects import (
    NOTHING,
    best_arm,
    calibration,
    not_shown,
    spoken_arms,
    written,
)
from promolab.report.pages.uplift_step import UpliftStep
from promolab.report.pages.uplift_teaching import customer_types
from promolab.wording import arm_words, count, number, percent, plural

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "average",
    "best_arm",
    "calibration",
    "checks",
    "compared",
    "curves",
    "customer_types",
    "meaning",
    "segments",
    "selection",
    "sure",
    "this_week",
]

HOW_COUNTED = (
    "Per decision, over all products, from the window's start to the end of the horizon: what is "
    "bought earlier because of a promotion, and missing later, is in."
)
OUTCOMES = {
    "margin": "mean margin",
    "sales": "mean sales",
    "purchases": "bought at all",
    "orders_placed": "mean orders",
}
MONEY = ("margin", "sales")
WORTH = {"passed": "passed", "warning": "warning", "refused": "refused", "not possible": "–"}


def compared(step: UpliftStep, currency: str = "") -> Html:
    """Return what is compared: the experiment, and its arms.

    Parameters
    ----------
    step : UpliftStep
    currency : str
        Of the shop's money.
    """
    trial = step.experiment
    if trial is None:
        return say(step.summary())
    named, own = trial.outcomes[:4], step.choice.source != FILE
    shown = {"arm": "arm", "n": "decisions", "customers": "customers", "share": "share"}
    shown |= {name: OUTCOMES.get(name, "") if own else f"mean {name}" for name in named}
    formats: dict[str, Any] = {"n": count, "customers": count, "share": percent}
    formats |= dict.fromkeys(named, number)
    if own:
        formats |= {name: percent for name in named if name == "purchases"}
    caption = f"Who got what, and what followed; {arm_words(trial.control)} is the control."
    if step.choice.source == OBSERVED:
        caption += " Who got what was not the same kind of customer: these means tell no effect."
    money = f", in {currency}" if own and currency and trial.outcomes[0] in MONEY else ""
    outcome = say(f"The outcome below is {spoken(trial.outcomes[0])}{money}.", css="muted")
    return join(
        [
            say(step.answer()),
            say(step.choice.why, css="muted"),
            table(spoken_arms(trial.describe()), shown, formats, caption=caption, most=20),
            outcome,
        ]
    )


def checks(step: UpliftStep) -> Html:
    """Return every check in words, balance and overlap."""
    found = step.checks
    if found is None:
        return absent(NOTHING)
    frame = found.to_frame()
    frame = frame.assign(verdict=frame["verdict"].map(WORTH))
    shown = {"name": "check", "verdict": "verdict", "sentence": "what was found"}
    lead = (
        f"Refused: {', '.join(found.refused)}. No effect is shown."
        if found.refused
        else f"No check refuses: effects are shown, and are {found.identification}."
    )
    pieces = [
        say(lead),
        table(
            frame, shown, caption="What each check found; any of them may refuse.", most=len(frame)
        ),
    ]
    if len(found.balance):
        pieces.append(picture(found.plot(), "How far arms and control differ in each covariate."))
    overlap = found.overlap
    columns = {
        "arm": "arm",
        "n": "decisions",
        "lowest": "lowest chance",
        "median": "median chance",
        "kept": "with overlap",
        "effective_n": "worth, weighted",
    }
    formats: dict[str, Any] = {"n": count, "kept": percent}
    formats |= {"lowest": percent, "median": percent}
    formats["effective_n"] = count
    caption = (
        "Chances of the arms among those who could get them; how many equally weighted decisions "
        "each arm is worth."
    )
    return join([*pieces, table(spoken_arms(overlap), columns, formats, caption=caption, most=20)])


def average(step: UpliftStep) -> Html:
    """Return the average effect of each arm with its interval."""
    if step.model is None:
        return not_shown(step)
    found = step.model.average()
    pieces = [say(found.summary()), picture(found.plot(), "Average effect of each arm.")]
    if step.choice.source != FILE:
        pieces.insert(0, say(HOW_COUNTED, css="muted"))
    if len(found.table) > 1:
        said = (
            f"{plural(len(found.table), 'interval')} at 95 % each: the best of several arms looks "
            "better than it is."
        )
        pieces.append(say(said, css="muted"))
    return join(pieces)


def selection(step: UpliftStep) -> Html:
    """Return the plain difference beside the effect: what choosing whom to contact did."""
    if step.model is None:
        return not_shown(step)
    trial = step.model.experiment_
    chances = trial.propensity
    if chances is not None and float(chances.std(axis=0).max()) < 1e-9:
        return say(
            "Everybody had the same chances, so the plain difference is an effect as it is: "
            "nothing was selected."
        )
    found = step.model.sensitivity()
    pieces = [say(found.summary()), picture(found.plot(), "Plain differences beside effects.")]
    if found.identification.name == "adjusted":
        pieces.append(_e_values(found.table, found.outcome))
    return join(pieces)


def _e_values(arms: pd.DataFrame, outcome: str) -> Html:
    rows = arms.assign(
        plain=written(arms, "raw", "raw_low", "raw_high"),
        left=written(arms, "effect", "ci_low", "ci_high"),
    )
    shown = {
        "arm": "arm",
        "plain": "plain difference [95 %]",
        "left": "adjusted [95 %]",
        "selection": "made up by selection",
        "e_value": "E-value",
        "e_value_ci": "E-value of the interval",
    }
    formats: dict[str, Any] = {"plain": str, "left": str, "selection": figure}
    formats |= {"e_value": number, "e_value_ci": number}
    caption = (
        f"In {outcome}. E-value: how many times as frequent among the contacted a hidden cause "
        "would have to be, and raise the outcome as much, to explain the effect away; 1 means that "
        "none is needed."
    )
    return table(spoken_arms(rows), shown, formats, caption=caption, most=20)


def curves(step: UpliftStep) -> Html:
    """Return the uplift curve beside that of the order by response, and each arm by itself."""
    found = step.targeting
    if found is None:
        return not_shown(step)
    pieces = [
        say(found.summary()),
        picture(found.plot(), "Gain by share contacted, by predicted effect and by response."),
    ]
    if len(found.arms) > 1:
        pieces += [say(found.of_arms()), _arms(found.arms, found.outcome)]
    return join(pieces)


def _arms(arms: pd.DataFrame, outcome: str) -> Html:
    rows = arms.assign(
        average=written(arms, "effect", "ci_low", "ci_high"),
        order=written(arms, "qini", "qini_low", "qini_high"),
        against=written(arms, "difference", "difference_low", "difference_high"),
    )
    shown = {
        "arm": "arm",
        "n": "decisions for it",
        "average": "average effect [95 %]",
        "order": "Qini [all at once]",
        "against": "against an order by response",
    }
    formats: dict[str, Any] = {"n": count, "average": str, "order": str}
    formats["against"] = str
    caption = f"In {outcome} per decision; Qini is what the order adds to a random one."
    return table(spoken_arms(rows), shown, formats, caption=caption, most=20)


def segments(step: UpliftStep) -> Html:
    """Return the effect in each segment, and what many intervals mean."""
    if step.model is None:
        return not_shown(step)
    found = step.segments
    if found is None:
        return say(
            "No segments: the RFM grid needs recency_days, orders and amount, and no other column "
            "puts customers into two to eight groups of 30 or more."
        )
    several = len(found.table)
    said = (
        f"{plural(several, 'interval')} at 95 % each: about one in twenty misses its figure, so "
        "that only the test of all together tells whether groups differ."
    )
    return join(
        [
            say(found.summary()),
            picture(found.plot(), "Effect in each segment with its interval."),
            say(said, css="muted"),
        ]
    )


def this_week(step: UpliftStep, rows: pd.DataFrame) -> Html:
    """Return what is predicted for the promotions that start this week."""
    if step.model is None:
        return not_shown(step)
    starts = rows[rows["promotion_id"] != ""]
    if starts.empty:
        held = (
            "the effects predicted for past decisions, each by a model of other customers"
            if step.model.calibrated_.told_apart
            else "past decisions with the average effect, which everybody is given"
        )
        return say(
            "Nothing that starts this week is of a kind that was compared; the file holds "
            + held
            + "."
        )
    groups = starts.assign(above=starts["ci_low"] > 0).groupby(["promotion_id", "arm"])
    told = groups.agg(
        customers=("effect", "size"), mean=("effect", "mean"), above=("above", "mean")
    ).reset_index()
    low, high = (groups["effect"].quantile(end).to_numpy() for end in (0.1, 0.9))
    told["promotion_id"] = [
        promotion_name(*row) for row in told[["arm", "promotion_id"]].to_numpy().tolist()
    ]
    told["spread"] = [
        "all the same" if a == b else f"{figure(a)} to {figure(b)}"
        for a, b in zip(low, high, strict=True)
    ]
    shown = {
        "promotion_id": "promotion",
        "arm": "kind",
        "customers": "customers",
        "mean": "mean effect",
        "spread": "8 of 10 customers",
        "above": "whole interval above 0",
    }
    formats: dict[str, Any] = {"customers": count, "mean": figure, "spread": str}
    formats["above"] = percent
    found = step.targeting
    assert found is not None
    use = (
        "The order in the file may be used to choose whom to contact."
        if found.found
        else "As nothing to target is seen, everybody has the average effect, and the file holds "
        "no order."
    )
    caption = (
        f"Effects on {found.outcome}, calibrated, of every customer with history; the interval is "
        "that of the average among customers predicted alike. The cost of a contact is not in."
    )
    return say(use) + table(
        spoken_arms(told), shown, formats, caption=caption, most=20,
        file="tables/uplift.parquet", file_text="Every customer as a file",
    )  # fmt: skip


def meaning(step: UpliftStep) -> Html:
    """Return what to do with it."""
    found = step.targeting
    if step.checks is None:
        return say(
            "Whom a promotion changes is not known. Hold some customers back by chance, as the "
            "page Plan does, write down who was assigned what, and this page fills."
        )
    if found is None:
        return say(
            "A difference between those who got a promotion and those who did not is there, but it "
            "must not be called an effect. Do not choose whom to contact by it."
        )
    words = [found.verdict()]
    if not found.found:
        words.append(
            "More decisions drawn by chance make smaller differences visible; what is not seen may "
            "still be there, within the interval."
        )
    if str(found.identification) == "adjusted":
        words.append(
            "It rests on customers who are alike in what is recorded: a holdout drawn by chance "
            "would prove it."
        )
    return say(" ".join(words))


def sure(step: UpliftStep) -> Html:
    """Return how sure the figures are, in a few sentences."""
    found, trial = step.targeting, step.experiment
    if found is None or trial is None or step.model is None or step.checks is None:
        return not_shown(step)
    q = found.by_effect
    warned = [check.name for check in step.checks.checks if check.verdict == "warning"]
    words = [
        f"Intervals hold 95 of 100 times, customers (not decisions) taken as independent: "
        f"{count(q.clusters)} of them with {plural(q.n, 'decision')}.",
        "Every prediction was made by a model that had not seen the customer, and for Qini by one "
        "of the fifths of customers before, the choice of the model included; the first fifth only "
        "teaches.",
        f"Warnings: {', '.join(warned)}." if warned else "No check warns.",
    ]
    if step.calibration is not None:
        words.append(step.calibration.summary())
    if step.choice.source == FILE:
        words.append("The experiment is a file of its own: it says nothing of this shop's week.")
    return say(" ".join(words))
