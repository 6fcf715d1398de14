"""One customer: profile, orders and contacts, scores and why, and what the policy would send."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from promolab.campaign.plan import step_words
from promolab.contract import NONE
from promolab.display import Dots, Html, Stems, beside, chart, join, lying_bars, say, table
from promolab.explain import explain_row
from promolab.folder import RunFolder
from promolab.profiles import contrast_customers, profile_card
from promolab.weeks import local_day
from promolab.widgets.controls import Choose, Slide, Words
from promolab.widgets.explorer import Explorer, Progress
from promolab.widgets.known import Known, promotion_names, read_known
from promolab.widgets.opened import read_as_now, week_of
from promolab.wording import count, money, number, percent, plural

MOST_PARTS = 8
"""Features whose part in a score is shown, the largest first."""
PROPOSED = 200


@dataclass(frozen=True)
class CustomerState:
    """Who is looked at, and how.

    Parameters
    ----------
    customer : str
        An id or a pseudonym.
    promotion : str
        Whose score is explained.
    weeks : int
        How far back the timeline goes.
    """

    customer: str
    promotion: str = ""
    weeks: int = 52


def customer(
    week: str | Path | RunFolder | None = None, out: str | Path = "reports"
) -> Explorer[CustomerState, Known]:
    """Look up a customer: card, timeline, segment, scores and what makes them, and the decision.

    Parameters
    ----------
    week : str, Path or RunFolder, optional
        ISO week, or its folder; by default the newest week.
    out : str or Path
        The folder of all reports.

    Returns
    -------
    Explorer

    Raises
    ------
    InputError
        There is no such week.

    Notes
    -----
    A customer is found by id or by pseudonym and shown under the pseudonym alone. Contributions are
    those of `promolab.explain.explain_row`: they add up to the log odds, and are no causes.
    """
    run = week_of(week, out)
    profiles = run.read_table("profiles")
    first, last = contrast_customers(profiles)
    some = profiles["customer_id"].head(PROPOSED).tolist()
    codes = run.pseudonym([first, last, *some])
    with read_as_now(run):
        names = _scored(run)
    controls = {
        "customer": Words(
            "customer", tuple(dict.fromkeys(codes)), hint="an id, or a pseudonym as pages show it"
        ),
        "weeks": Slide("weeks shown", 4, 156, 4),
    }
    state = CustomerState(str(codes[0]), next(iter(names.values()), ""))
    if names:
        controls["promotion"] = Choose("score of", names)

    def prepare(_: CustomerState, progress: Progress) -> Known:
        with read_as_now(run):
            return read_known(run, progress)

    return Explorer("Customer", state, controls, render, prepare=prepare)


def _scored(run: RunFolder) -> dict[str, str]:
    """Return the promotions that customers are scored for, by what readers call them."""
    from promolab.sources import load_shop

    if not run.table_path("scores").is_file():
        return {}
    names = promotion_names(load_shop(run.path / "shop"))
    found = run.read_table("scores")["promotion_id"].drop_duplicates()
    return {names.get(str(one), str(one)): str(one) for one in found}


def render(state: CustomerState, known: Known) -> Html:
    """Return what is known of a customer, and what the week decided about them.

    Parameters
    ----------
    state : CustomerState
    known : Known
    """
    place = known.place(state.customer)
    return join(
        [
            say(_finding(known, place), css="finding"),
            beside([_card(known, place), _timeline(known, place, state.weeks)]),
            _decided(known, place),
            _why(known, place, state.promotion),
        ]
    )


def _one(known: Known, name: str, place: int) -> Mapping[str, Any]:
    """Return the row of a customer in a table that has one each; empty where there is none."""
    rows = known.tables[name].at(place)
    return {} if rows.empty else {str(k): v for k, v in rows.iloc[0].items()}


def _finding(known: Known, place: int) -> str:
    """Say who it is, and what is sent."""
    who = f"Customer {known.codes[place]}"
    stage, segment = _one(known, "stages", place), _one(known, "segments", place)
    parts = (segment.get("segment"), str(stage.get("stage", "")).lower())
    is_a = ", ".join(str(part) for part in parts if part and part == part)
    planned = known.tables["planned"].at(place)
    said = f"{who}: {is_a}" if is_a else who
    decision = _one(known, "decisions", place)
    if len(planned):
        names = " and ".join(known.names.get(str(p), str(p)) for p in planned["promotion_id"])
        held = planned["holdout"].iloc[0] != NONE
        return f"{said}. Planned for {names}" + (", and held out by chance." if held else ".")
    if not decision and known.tables["steps"].at(place).empty:
        return f"{said}. Not among this week's active customers."
    return f"{said}. Gets nothing this week."


def _card(known: Known, place: int) -> Html:
    profiles, features = (known.tables[name].at(place) for name in ("profiles", "features"))
    if profiles.empty:
        return say("Nothing was bought before this week: there is no profile.", css="absent")
    who = known.ids[place]
    card = profile_card(
        profiles.assign(customer_id=who),
        who,
        features.assign(customer_id=who),
        shown_as=str(known.codes[place]),
        shop=known.shop,
        attributes=known.attributes,
        among=len(known.tables["profiles"].frame),
    )
    return Html(card._repr_html_())


def _timeline(known: Known, place: int, weeks: int) -> Html:
    """Draw orders as stems, what was sent and what was answered below them."""

    def recent(name: str) -> tuple[np.ndarray, np.ndarray]:
        rows = known.tables[name].at(place)
        if rows.empty:
            return np.zeros(0), np.zeros(0)
        before = (pd.to_datetime(rows["ts"]) - known.start) / pd.Timedelta(weeks=1)
        mine = ((before >= -weeks) & (before < 0)).to_numpy()
        high = rows.get("amount", before)
        return before.to_numpy()[mine], high.to_numpy(dtype=float)[mine]

    (at, amounts), (sent, _), (answered, _) = map(recent, ("orders", "contacts", "answers"))
    top = float(amounts.max()) if len(amounts) else 1.0
    unit = known.shop.settings.currency
    marks: list[Any] = [Stems(at, amounts, f"{plural(len(at), 'order')}", 0)]
    if len(sent):
        marks.append(Dots(sent, np.full(len(sent), -0.07 * top), plural(len(sent), "contact"), 1))
    if len(answered):
        low = np.full(len(answered), -0.15 * top)
        marks.append(Dots(answered, low, plural(len(answered), "answer"), 2))
    total = money(float(amounts.sum()), currency=unit)
    return chart(
        marks,
        f"{plural(len(at), 'order')} and {plural(len(sent), 'contact')} in {weeks} weeks",
        f"Timeline; orders of {total} in all, {plural(len(answered), 'answer')}",
        f"weeks before the decision of {local_day(known.start, known.shop.zone)}",
        f"order, {unit}",
        xlim=(-float(weeks), 0.0),
        ylim=(-0.2 * top, 1.05 * top),
        width=620,
    )


def _decided(known: Known, place: int) -> Html:
    """Return what is decided of each promotion, with its chance and the reason."""
    steps, scores = known.tables["steps"].at(place), known.tables["scores"].at(place)
    if steps.empty:
        return say("No promotion of this week was decided about.", css="absent")
    chances = known.tables["chances"].at(place)
    worth = known.tables["allocation"].at(place)
    by_effect = known.run.metrics.get("plan", {}).get("by_effect") or []
    unit = known.shop.settings.currency
    support = scores.set_index("promotion_id")["support"] if len(scores) else pd.Series(dtype=str)
    rows = []
    for row in steps.sort_values("p_redeemed", ascending=False).to_dict("records"):
        action = str(row["promotion_id"])
        mine = worth[worth["action"].astype(str) == action] if len(worth) else worth
        drawn = chances[chances["action"] == action] if len(chances) else chances
        rows.append(
            {
                "name": known.names.get(action, action),
                "chance": percent(float(row["p_redeemed"])),
                "adds": money(float(mine["value"].iloc[0]), currency=unit) if len(mine) else "–",
                "drawn": percent(float(drawn["propensity"].iloc[0])) if len(drawn) else "0 %",
                "why": _why_step(str(row["step"]), action, by_effect),
                "like": _SUPPORT.get(str(support.get(row["promotion_id"], "")), ""),
            }
        )
    heads = {"name": "promotion", "chance": "chance of an answer", "adds": "predicted to add"}
    heads |= {"drawn": "chance to be sent it", "why": "decision", "like": "known from the past"}
    if not len(worth):
        del heads["adds"]
    return table(
        pd.DataFrame(rows),
        heads,
        {"chance": str, "adds": str, "drawn": str},
        caption="What the policy would send, and why; the likeliest answer first.",
        most=15,
    )


_SUPPORT = {
    "inside": "yes: the like was contacted before",
    "new_customer": "no: never contacted before",
    "new_promotion": "no: no promotion of its kind is over yet",
}


def _why_step(step: str, action: str, by_effect: Any) -> str:
    words = step_words([action], by_effect)[step]
    return f"{words} (by chance, so that the effect can be known)" if "held" in step else words


def _why(known: Known, place: int, promotion: str) -> Html:
    """Return what makes the score of a promotion, the largest parts first."""
    rows = known.candidates.at(place)
    if known.model is None or rows.empty or not promotion:
        return say("There is no score of this customer to explain.", css="absent")
    mine = rows[rows["promotion_id"].astype(str) == promotion]
    if mine.empty:
        return say("This customer is not scored for it.", css="absent")
    row = mine.assign(customer_id=known.ids[place])
    found = explain_row(known.model, row, known.background, who="The customer", permutations=64)
    shown = found.frame.head(MOST_PARTS)
    names = [
        f"{f} = {v}" if v else str(f) for f, v in zip(shown["feature"], shown["value"], strict=True)
    ]
    parts, rest = shown["contribution"].tolist(), found.frame.iloc[MOST_PARTS:]
    if len(rest):
        names.append(f"{count(len(rest))} others")
        parts.append(float(rest["contribution"].sum()))
    return lying_bars(
        names,
        parts,
        title=f"{known.names.get(promotion, promotion)}: {found.summary().split('. ')[0]}",
        label=found.summary(),
        text=[f"{number(v, decimals=2)}".replace("-", "−") for v in parts],
        colours=[0 if v >= 0 else 1 for v in parts],
        width=760,
    ) + say(
        f"What each feature adds to the log odds, from {number(found.base, decimals=2)} to "
        f"{number(found.logit, decimals=2)}; blue raises the chance, orange lowers it.",
        css="note-small",
    )
