"""What page 05 shows of customers' effects: how far they come true, what choosing is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promolab.display import Html, absent, join, picture, say, table
from promolab.effects import figure, spoken
from promolab.wording import count

if TYPE_CHECKING:
    import pandas as pd

    from promolab.report.pages.uplift_step import UpliftStep

__all__ = ["NOTHING", "best_arm", "calibration", "not_shown", "spoken_arms", "written"]

NOT_SHOWN = "Not shown: the checks above do not allow an effect."
NOTHING = "Not shown: there is nothing to compare."


def calibration(step: UpliftStep) -> Html:
    """Return how far effects are drawn to the average, and whether what is shown comes true."""
    if step.model is None:
        return not_shown(step)
    drawn, found = step.model.calibrated_, step.calibration
    if found is None:
        return say(drawn.summary())
    rows = drawn.table.assign(
        average=written(drawn.table, "effect", "ci_low", "ci_high"),
        true=written(drawn.table, "slope", "slope_low", "slope_high"),
    )
    shown = {
        "arm": "arm",
        "learner": "predicted by",
        "average": "average effect [95 %]",
        "true": "comes true of a difference [95 %]",
        "spread": "standard deviation shown",
    }
    formats: dict[str, Any] = {"average": str, "true": str, "spread": figure}
    caption = (
        f"In {drawn.outcome}. Of those tried the learner is taken whose prediction came nearest to "
        "what followed, each fifth of the customers predicted from the fifths before it; constant: "
        "everybody has the average."
    )
    pieces = [
        say(found.summary()),
        table(spoken_arms(rows), shown, formats, caption=caption, most=20),
    ]
    pieces.append(
        picture(found.plot(), "Observed against shown effect, by tenth of what is shown.")
    )
    return join(pieces)


def best_arm(step: UpliftStep) -> Html:
    """Return what giving each customer the best arm is worth, beside all and none."""
    found = step.best_arm
    if found is None:
        return not_shown(step)
    frame = found.to_frame()
    rows = frame.assign(
        policy=frame["policy"].map(spoken), gain=written(frame, "value", "ci_low", "ci_high")
    )
    shown = {"policy": "who gets what", "gain": "gain over none [95 %]", "n": "decisions"}
    caption = (
        f"In {found.outcome} per decision, before the cost of contacts. Best arm: each customer "
        "gets the arm that the other fifths of the customers show to be best, or none; all: "
        "everybody gets it."
    )
    formats: dict[str, Any] = {"gain": str, "n": count}
    return say(found.summary()) + table(rows, shown, formats, caption=caption, most=20)


def spoken_arms(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the arms' names as one says them."""
    return frame.assign(arm=frame["arm"].map(spoken))


def written(frame: pd.DataFrame, *names: str) -> list[str]:
    """Return values with their intervals as texts."""
    return [figure(*row) for row in frame[list(names)].to_numpy(dtype=float).tolist()]


def not_shown(step: UpliftStep) -> Html:
    """Say why there is nothing to show."""
    return absent(NOTHING if step.checks is None else NOT_SHOWN)
