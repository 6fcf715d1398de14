"""Review and release: a week's draft, what is changed of it by hand, and its release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from promolab.campaign.plan import Overrides, Plan
from promolab.display import Html, Line, Upright, beside, fold, join, say
from promolab.errors import InputError
from promolab.folder import RunFolder
from promolab.loop import check_plan
from promolab.results import Estimate, Facts, worded_table, words_of
from promolab.widgets.controls import control, several, slide, text
from promolab.widgets.customer_index import promotion_names
from promolab.widgets.explorer import Explorer, Progress, drawn, reading, week_of
from promolab.widgets.plan_draft import Changed, Draft, PlannedList, read_draft
from promolab.wording import count

FIRST = 10
"""Customers of a list that are shown."""


@dataclass(frozen=True)
class ReviewState:
    """What is looked at, and what is changed.

    Parameters
    ----------
    promotion : str
        Whose list is shown.
    most : int
        Customers that its list may hold: *Cap this list* makes it so.
    without : tuple of str
        Promotions taken out.
    customer, reason : str
        Whom *Force out* takes out, and why.
    drop : bool
        Whether those who may not be contacted any more are left out at the release.
    by : str
        Who releases it; empty for the user.
    caps : dict of str to int
        Promotion → most customers to plan.
    forced : dict of object to str
        Customer → why.
    """

    promotion: str
    most: int
    without: tuple[str, ...] = ()
    customer: str = ""
    reason: str = ""
    drop: bool = False
    by: str = ""
    caps: dict[str, int] = field(default_factory=dict)
    forced: dict[Any, str] = field(default_factory=dict)

    @property
    def overrides(self) -> Overrides:
        """What is changed of the plan."""
        return Overrides(self.without, self.caps, self.forced)


@dataclass(frozen=True)
class Reviewed:
    """A draft with what is changed by hand.

    Parameters
    ----------
    draft : Draft
    plan : Plan
        As the release would write it.
    changed : list of Changed
        What becomes of each list.
    """

    draft: Draft
    plan: Plan = field(repr=False)
    changed: list[Changed] = field(repr=False)

    @classmethod
    def of(cls, draft: Draft, state: ReviewState) -> Reviewed:
        """Change a draft by hand."""
        plan = draft.with_overrides(state.overrides)
        return cls(draft, plan, draft.changed(plan))


def review(
    week: str | Path | RunFolder | None = None, out: str | Path = "reports"
) -> Explorer[ReviewState, Reviewed]:
    """Look through a week's draft, change it by hand and release it.

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
        There is no such week, or it has no plan.

    Notes
    -----
    Totals move with each change and are those that the release writes
    (`promolab.campaign.plan.override_plan`); costs are scaled from the draft's. Nothing is written
    before *Release*. The list shows nobody's draw of the holdout: whom to force out must not depend
    on it.
    """
    from promolab.sources import load_shop

    run = week_of(week, out)
    check_plan(run.path, str(run.week))
    rows = run.read_table("funnel")
    if rows.empty:
        raise InputError(f"no promotion starts in {run.week}; there is nothing to review")
    longest = int(rows["planned"].max())
    largest = str(rows["promotion_id"].iloc[int(rows["planned"].to_numpy().argmax())])

    known: list[Draft] = []

    def prepare(state: ReviewState, progress: Progress) -> Reviewed:
        with reading(run):
            progress(None)
            known.extend([] if known else [read_draft(run)])
            return Reviewed.of(known[0], state)

    with reading(run):
        called = promotion_names(load_shop(run.path / "shop"))
        names = {called[str(one)]: str(one) for one in rows["promotion_id"]}
        words = words_of(__name__, "review", week=str(run.week))
        label = words.word
        controls = {
            "promotion": control("Dropdown", label("list"), options=names),
            "most": slide(label("most"), 0, longest),
            "cap": control("Button", label("cap")),
            "without": several(label("without"), names),
            "customer": text(label("customer"), label("customer_hint")),
            "reason": text(label("because")),
            "force": control("Button", label("force")),
            "undo": control("Button", label("undo")),
            "by": text(label("by")),
            "drop": control("Checkbox", label("drop")),
            "release": control("Button", label("release"), button_style="primary"),
        }
        presses = {"cap": _cap, "force": _force, "undo": _undo, "release": _release}
        state, title = ReviewState(largest, longest), words.say("title")
        return Explorer(
            title,
            state,
            controls,
            render,
            prepare=prepare,
            presses=presses,
            needs=lambda state: state.without,
        )


Pressed = tuple[ReviewState, Reviewed, str]


def _cap(state: ReviewState, found: Reviewed, _: Progress) -> Pressed:
    state = replace(state, caps=state.caps | {state.promotion: state.most})
    return state, Reviewed.of(found.draft, state), ""


def _force(state: ReviewState, found: Reviewed, _: Progress) -> Pressed:
    place = found.draft.place(state.customer)
    if not state.reason.strip():
        raise InputError(words_of(__name__, "review").say("say_why"))
    who = found.draft.ids[place]
    who = who.item() if isinstance(who, np.generic) else who
    forced = state.forced | {who: state.reason.strip()}
    state = replace(state, forced=forced, customer="", reason="")
    return state, Reviewed.of(found.draft, state), ""


def _undo(state: ReviewState, found: Reviewed, _: Progress) -> Pressed:
    nothing: dict[str, Any] = {"without": (), "caps": {}, "forced": {}, "customer": ""}
    state = replace(state, **nothing, reason="")
    undone = words_of(__name__, "review").say("undone")
    return state, Reviewed.of(found.draft, state), undone


def _release(state: ReviewState, found: Reviewed, progress: Progress) -> Pressed:
    """Release the week as it is shown; the pages are drawn again where lists changed."""
    from promolab.loop import release_week
    from promolab.report.running import PAGES

    run = found.draft.run
    progress(None, words_of(__name__, "review").word("releasing"))
    folder = release_week(
        str(run.week),
        run.reports.path,
        state.by.strip() or None,
        pages=PAGES,
        drop=state.drop,
        overrides=state.overrides,
    )
    said = words_of(__name__, "review", folder=str(folder)).say("done")
    state = replace(state, without=(), caps={}, forced={})
    return state, Reviewed.of(read_draft(run.reports.whole_run(run.week)), state), said


def render(state: ReviewState, found: Reviewed) -> Html:
    """Return the totals before and after, and the list that is looked at.

    Parameters
    ----------
    state : ReviewState
    found : Reviewed
    """
    draft, plan, after = found.draft, found.plan, found.changed
    before = draft.drafted
    place = next(k for k, one in enumerate(draft.lists) if one.promotion == state.promotion)
    one, now = draft.lists[place], after[place]
    words = words_of(__name__, "review", **_facts(state, draft, one, before, after, now))
    totals, forced, first = words.words["table"]
    changes = [worded_table(forced, words, _forced(state, draft))] if state.forced else []
    funnel = replace(plan, funnel=plan.funnel.iloc[[place]]).to_table()
    return join(
        [
            say(words.say("finding"), css="finding"),
            *(say(words.say(line)) for line in ("released", "by_hand", "drafted") if words[line]),
            worded_table(totals, words, _totals(draft, before, after)),
            *changes,
            beside([_answers(words, one), funnel]),
            worded_table(first, words, _first(draft, one, now)),
            fold(words.word("unchecked"), [say(sentence) for sentence in draft.sentences]),
        ]
    )


def _facts(
    state: ReviewState,
    draft: Draft,
    one: PlannedList,
    before: Sequence[Changed],
    after: Sequence[Changed],
    now: Changed,
) -> Mapping[str, Any]:
    """Return what is said of the week, and of the list that is looked at."""
    release = draft.run.manifest.get("release", {}) if draft.state != "draft" else {}
    n, was = (sum(c.contacts for c in each) for each in (after, before))
    return {
        "currency": draft.currency,
        "state": draft.state,
        "n": n,
        "was": was if n != was else 0,
        "promotions": sum(c.contacts > 0 for c in after),
        "held": sum(c.held for c in after),
        "released": release,
        "by": str(release.get("by", "unknown")),
        "day": str(release.get("at", ""))[:10],
        "overrides": str(release.get("overrides", {}).get("said") or ""),
        "by_hand": state.overrides.summary() if state.overrides and not release else "",
        "drafted": draft.money,
        "name": one.name,
        "answers": now.answers.value,
        "shown": min(now.planned, FIRST),
        "planned": now.planned,
        "most": state.most if state.most < len(one.customers) else None,
    }


def _totals(draft: Draft, before: Sequence[Changed], after: Sequence[Changed]) -> pd.DataFrame:
    """Return a row per promotion and one of all; after an arrow what was the draft's."""
    rows = [
        {"promotion": one.name, **_row(was, now), "changed": was.planned != now.planned}
        for one, was, now in zip(draft.lists, before, after, strict=True)
    ]
    if len(rows) > 1:
        all_of = words_of(__name__, "review").word("all")
        rows.append({"promotion": all_of, **_row(_sum(before), _sum(after)), "changed": False})
    return pd.DataFrame(rows)


def _row(was: Changed, now: Changed) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("planned", "contacts", "held"):
        a, b = getattr(was, name), getattr(now, name)
        found[name] = count(b) if a == b else f"{count(b)} ← {count(a)}"
    for name in ("answers", "cost", "each"):
        ends = zip(("", "_low", "_high"), getattr(now, name).ends, strict=True)
        found |= {f"{name}{end}": value for end, value in ends}
    nothing = {} if now.contacts else {"each": np.nan}
    return found | nothing | {"adds": now.adds if now.contacts else np.nan}


def _sum(parts: Sequence[Changed]) -> Changed:
    """Add promotions up; the ends of intervals too, as if all missed in the same direction."""
    some = [c for c in parts if c.contacts]

    def total(name: str) -> Estimate:
        ends = [getattr(c, name).ends for c in some]
        return Estimate.of([sum(one) for one in zip(*ends, strict=True)] or [0.0, 0.0, 0.0])

    counts = [sum(getattr(c, name) for c in parts) for name in ("planned", "contacts", "held")]
    known, unknown = [c.adds for c in some if np.isfinite(c.adds)], float("nan")
    adds, nobody = float(sum(known)) if known else unknown, np.zeros(0, dtype=bool)
    planned, contacts, held = counts
    rest = total("answers"), total("cost"), Estimate(unknown), adds, nobody
    return Changed(planned, contacts, held, *rest)


def _forced(state: ReviewState, draft: Draft) -> pd.DataFrame:
    """Return the customers forced out, under their pseudonyms, and why."""
    who = draft.codes[np.searchsorted(draft.ids, list(state.forced))]
    return pd.DataFrame({"who": who, "because": list(state.forced.values())})


def _answers(words: Facts, one: PlannedList) -> Html:
    cap = [] if words["most"] is None else [Upright(words["most"], words.word("cap_here"), 2)]
    sizes, answers = one.by_size
    marks = [Line(sizes, answers), Upright(words["planned"], words.word("as_it_is")), *cap]
    return drawn(words, "answers", marks)


def _first(draft: Draft, one: PlannedList, now: Changed) -> pd.DataFrame:
    """Return who comes first on the list, under pseudonyms, without the draw of the holdout."""
    shown = np.flatnonzero(now.left)[:FIRST]
    codes = draft.codes[np.searchsorted(draft.ids, one.customers[shown].to_numpy())]
    rows = {"place": shown + 1, "customer": codes, "p_redeemed": one.chance[shown]}
    return pd.DataFrame(rows | {"adds": one.adds[shown]})
