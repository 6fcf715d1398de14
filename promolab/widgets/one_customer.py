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
from promolab.display import Dots, Html, absent, beside, join, lying_bars, say
from promolab.explain import explain_row
from promolab.folder import RunFolder
from promolab.profiles import contrast_customers, profile_card
from promolab.results import Facts, worded_table, words_of
from promolab.weeks import local_day
from promolab.widgets.controls import control, slide, text
from promolab.widgets.customer_index import CustomerIndex, promotion_names, read_index
from promolab.widgets.explorer import Explorer, Progress, drawn, reading, week_of
from promolab.wording import number

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
) -> Explorer[CustomerState, CustomerIndex]:
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
    proposed = tuple(dict.fromkeys(map(str, codes)))

    def prepare(_: CustomerState, progress: Progress) -> CustomerIndex:
        with reading(run):
            return read_index(run, progress)

    with reading(run):
        words, names = words_of(__name__, "customer"), _scored(run)
        controls = {
            "customer": text(words.word("customer"), words.word("customer_hint"), proposed),
            "weeks": slide(words.word("weeks"), 4, 156, 4),
        }
        state = CustomerState(proposed[0], next(iter(names.values()), ""))
        if names:
            controls["promotion"] = control("Dropdown", words.word("score_of"), options=names)
        return Explorer(words.word("title"), state, controls, render, prepare=prepare)


def _scored(run: RunFolder) -> dict[str, str]:
    """Return the promotions that customers are scored for, by what readers call them."""
    from promolab.sources import load_shop

    if not run.table_path("scores").is_file():
        return {}
    names = promotion_names(load_shop(run.path / "shop"))
    found = run.read_table("scores")["promotion_id"].drop_duplicates()
    return {names.get(str(one), str(one)): str(one) for one in found}


def render(state: CustomerState, index: CustomerIndex) -> Html:
    """Return what is known of a customer, and what the week decided about them.

    Parameters
    ----------
    state : CustomerState
    index : CustomerIndex
    """
    place = index.place(state.customer)
    return join(
        [
            say(_finding(index, place), css="finding"),
            beside([_card(index, place), _timeline(index, place, state.weeks)]),
            _decided(index, place),
            _why(index, place, state.promotion),
        ]
    )


def _words(index: CustomerIndex, **given: Any) -> Facts:
    return words_of(__name__, "customer", currency=index.shop.settings.currency, **given)


def _one(index: CustomerIndex, name: str, place: int) -> Mapping[str, Any]:
    """Return the row of a customer in a table that has one each; empty where there is none."""
    rows = index.rows(name, place)
    return {} if rows.empty else {str(k): v for k, v in rows.iloc[0].items()}


def _finding(index: CustomerIndex, place: int) -> str:
    """Say who it is, and what is sent."""
    stage, segment = _one(index, "life_stages", place), _one(index, "segments", place)
    parts = (segment.get("segment"), str(stage.get("stage", "")).lower())
    planned = index.rows("planned", place)
    known = len(planned) or _one(index, "decisions", place) or len(index.rows("steps", place))
    return _words(
        index,
        who=str(index.codes[place]),
        parts=[str(part) for part in parts if part and part == part],
        case="planned" if len(planned) else "nothing" if known else "inactive",
        promotions=[index.names.get(str(p), str(p)) for p in planned.get("promotion_id", ())],
        held=bool(len(planned)) and bool(planned["holdout"].iloc[0] != NONE),
    ).say("finding")


def _card(index: CustomerIndex, place: int) -> Html:
    profiles, features = (index.rows(name, place) for name in ("profiles", "features"))
    if profiles.empty:
        return absent(_words(index).say("no_profile"))
    who = index.ids[place]
    card = profile_card(
        profiles.assign(customer_id=who),
        who,
        features.assign(customer_id=who),
        shown_as=str(index.codes[place]),
        shop=index.shop,
        attributes=index.attributes,
        among=len(index.tables["profiles"]),
    )
    return Html(card._repr_html_())


def _timeline(index: CustomerIndex, place: int, weeks: int) -> Html:
    """Draw orders as high as their amounts, what was sent and what was answered below them."""

    def recent(name: str) -> tuple[np.ndarray, np.ndarray]:
        rows = index.rows(name, place)
        if rows.empty:
            return np.zeros(0), np.zeros(0)
        before = (pd.to_datetime(rows["ts"]) - index.start) / pd.Timedelta(weeks=1)
        mine = ((before >= -weeks) & (before < 0)).to_numpy()
        high = rows.get("amount", before)
        return before.to_numpy()[mine], high.to_numpy(dtype=float)[mine]

    (at, amounts), (sent, _), (answered, _) = map(recent, ("orders", "contacts", "answers"))
    top = float(amounts.max()) if len(amounts) else 1.0
    words = _words(
        index,
        orders=len(at),
        sent=len(sent),
        answers=len(answered),
        weeks=weeks,
        day=local_day(index.start, index.shop.zone),
    )
    marks = [Dots(at, amounts, words.say("orders_line"), 0)]
    if len(sent):
        marks.append(Dots(sent, np.full(len(sent), -0.07 * top), words.say("sent_line"), 1))
    if len(answered):
        low = np.full(len(answered), -0.15 * top)
        marks.append(Dots(answered, low, words.say("answers_line"), 2))
    ends: dict[str, Any] = {"xlim": (-float(weeks), 0.0), "ylim": (-0.2 * top, 1.05 * top)}
    return drawn(words, "timeline", marks, width=620, **ends)


def _decided(index: CustomerIndex, place: int) -> Html:
    """Return what is decided of each promotion, with its chance and the reason."""
    steps, words = index.rows("steps", place), _words(index)
    if steps.empty:
        return absent(words.say("undecided"))
    measured = index.run.metrics.get("plan", {}).get("by_effect") or []
    rows = steps.sort_values("p_redeemed", ascending=False)
    action = rows["promotion_id"].astype(str)
    rows = rows.assign(
        promotion=[index.names.get(one, one) for one in action],
        adds=action.map(_by_action(index.rows("allocation", place), "value")).astype(float),
        drawn=action.map(_by_action(index.rows("decision_propensities", place), "propensity")),
        why=[step_words([a], measured)[s] for s, a in zip(rows["step"], action, strict=True)],
    )
    rows["drawn"] = rows["drawn"].astype(float).fillna(0.0)
    return worded_table(words.words["table"], words, rows)


def _by_action(rows: pd.DataFrame, column: str) -> dict[str, float]:
    """Return a column of a customer's rows by promotion or bundle."""
    return dict(zip(rows["action"].astype(str), rows[column], strict=True)) if len(rows) else {}


def _why(index: CustomerIndex, place: int, promotion: str) -> Html:
    """Return what makes the score of a promotion, the largest parts first."""
    rows = index.rows("candidates", place)
    mine = rows[rows["promotion_id"].astype(str) == promotion] if len(rows) else rows
    if index.model is None or mine.empty:
        return absent(_words(index).say("no_score"))
    row = mine.assign(customer_id=index.ids[place])
    who = _words(index).word("who")
    found = explain_row(index.model, row, index.background, who=who, permutations=64)
    words = _words(index, base=found.base, logit=found.logit)
    shown = found.frame.head(MOST_PARTS)
    names = [
        f"{f} = {v}" if v else str(f) for f, v in zip(shown["feature"], shown["value"], strict=True)
    ]
    parts, rest = shown["contribution"].tolist(), found.frame.iloc[MOST_PARTS:]
    if len(rest):
        names.append(_words(index, others=len(rest)).say("rest"))
        parts.append(float(rest["contribution"].sum()))
    return lying_bars(
        names,
        parts,
        title=f"{index.names.get(promotion, promotion)}: {found.summary().split('. ')[0]}",
        label=found.summary(),
        text=[number(v, decimals=2) for v in parts],
        colours=[0 if v >= 0 else 1 for v in parts],
        width=760,
    ) + say(words.say("adds_up"), css="note-small")
