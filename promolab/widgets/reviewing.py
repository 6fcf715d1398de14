"""Review and release: a week's draft, what is changed of it by hand, and its release."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from promolab.campaign.plan import Overrides
from promolab.display import Html, Line, Upright, beside, chart, fold, join, say, table
from promolab.errors import InputError
from promolab.folder import RunFolder
from promolab.loop import check_plan
from promolab.results import Estimate
from promolab.widgets.controls import Choose, Press, Several, Slide, Tick, Words
from promolab.widgets.drafted import Changed, Draft, PlannedList, funnel_of, read_draft
from promolab.widgets.explorer import Explorer, Progress
from promolab.widgets.known import promotion_names
from promolab.widgets.opened import read_as_now, week_of
from promolab.wording import capital, count, money, number, percent, plural

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


def review(
    week: str | Path | RunFolder | None = None, out: str | Path = "reports"
) -> Explorer[ReviewState, Draft]:
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
    called = promotion_names(load_shop(run.path / "shop"))
    names = {called[str(one)]: str(one) for one in rows["promotion_id"]}
    longest = int(rows["planned"].max())
    largest = str(rows["promotion_id"].iloc[int(rows["planned"].to_numpy().argmax())])
    controls = {
        "promotion": Choose("list", names),
        "most": Slide("at most planned", 0, longest, 1),
        "cap": Press("Cap this list", _cap),
        "without": Several("take out", names),
        "customer": Words("customer", hint="an id, or a pseudonym as pages show it"),
        "reason": Words("because"),
        "force": Press("Force out", _force),
        "undo": Press("Undo all", _undo),
        "by": Words("released by"),
        "drop": Tick("leave out who may not be contacted any more"),
        "release": Press("Release", _release, primary=True),
    }

    def prepare(_: ReviewState, progress: Progress) -> Draft:
        progress(None, "reading the plan and sorting its lists")
        with read_as_now(run):
            return read_draft(run)

    state, title = ReviewState(largest, longest), f"Review and release {run.week}"
    return Explorer(title, state, controls, render, prepare=prepare)


def _cap(state: ReviewState, draft: Draft, _: Progress) -> tuple[ReviewState, Draft, str]:
    return replace(state, caps=state.caps | {state.promotion: state.most}), draft, ""


def _force(state: ReviewState, draft: Draft, _: Progress) -> tuple[ReviewState, Draft, str]:
    place = draft.place(state.customer)
    if not state.reason.strip():
        raise InputError("say why the customer is forced out; the reason goes on record")
    who = draft.ids[place]
    who = who.item() if isinstance(who, np.generic) else who
    forced = state.forced | {who: state.reason.strip()}
    return replace(state, forced=forced, customer="", reason=""), draft, ""


def _undo(state: ReviewState, draft: Draft, _: Progress) -> tuple[ReviewState, Draft, str]:
    nothing: dict[str, Any] = {"without": (), "caps": {}, "forced": {}, "customer": ""}
    return replace(state, **nothing, reason=""), draft, "Nothing is changed by hand any more."


def _release(
    state: ReviewState, draft: Draft, progress: Progress
) -> tuple[ReviewState, Draft, str]:
    """Release the week as it is shown; the pages are drawn again where lists changed."""
    from promolab.loop import release_week
    from promolab.report.running import PAGES

    run = draft.run
    progress(None, "releasing: this cannot be cancelled halfway, it is whole or not at all")
    folder = release_week(
        str(run.week),
        run.reports.path,
        state.by.strip() or None,
        pages=PAGES,
        drop=state.drop,
        overrides=state.overrides,
    )
    now = read_draft(run.reports.whole_run(run.week))
    said = f"Released; the files for the sending tool are in {folder}."
    return replace(state, without=(), caps={}, forced={}), now, said


def render(state: ReviewState, draft: Draft) -> Html:
    """Return the totals before and after, and the list that is looked at.

    Parameters
    ----------
    state : ReviewState
    draft : Draft
    """
    before, after = draft.drafted, draft.changed(state.overrides)
    place = next(k for k, one in enumerate(draft.lists) if one.promotion == state.promotion)
    one, now = draft.lists[place], after[place]
    files = table(
        draft.control,
        {"file": "file", "rows": "rows", "sha256": "SHA-256"},
        {"rows": count},
        caption="The draft's files with their control sums; a changed release writes them anew.",
        most=len(draft.control),
    )
    drafted = [say(f"As drafted: {draft.money}")] if draft.money else []
    return join(
        [
            *_opening(state, draft, before, after),
            *drafted,
            _totals(draft, before, after),
            _changes(state, draft),
            beside([_answers(one, state, now), _paying(one, state, now)]),
            beside([funnel_of(draft, place, now).to_table(), _first(draft, one, state)]),
            fold("Money, holdouts and what was not checked", [say(s) for s in draft.sentences]),
            fold("Send files", [files] if len(draft.control) else []),
        ]
    )


def _opening(
    state: ReviewState, draft: Draft, before: Sequence[Changed], after: Sequence[Changed]
) -> list[Html]:
    """Say what stands now, and what was changed."""
    n, was = sum(c.contacts for c in after), sum(c.contacts for c in before)
    held = sum(c.held for c in after)
    said = f"{capital(draft.state)}: {plural(n, 'contact')} about "
    said += f"{plural(sum(c.contacts > 0 for c in after), 'promotion')}, {count(held)} held out"
    if n != was:
        said += f"; {count(was)} in the draft"
    opening = [say(f"{said}.", css="finding")]
    if draft.state != "draft":
        released = draft.run.manifest.get("release", {})
        opening.append(
            say(
                f"Released by {released.get('by', 'unknown')} on "
                f"{str(released.get('at', ''))[:10]}: a released plan never changes."
            )
        )
        if told := released.get("overrides", {}).get("said"):
            opening.append(say(str(told)))
    elif state.overrides:
        opening.append(say(f"{state.overrides.summary()} Nothing is written before the release."))
    return opening


def _totals(draft: Draft, before: Sequence[Changed], after: Sequence[Changed]) -> Html:
    """Return a row per promotion and one of all, what changed marked."""
    unit = draft.currency
    write = partial(money, currency=unit)
    rows = [
        [one.name, *_row(was, now, write), was.off != now.off]
        for one, was, now in zip(draft.lists, before, after, strict=True)
    ]
    if len(rows) > 1:
        rows.append(["all", *_row(_sum(before), _sum(after), write), False])
    heads = {
        "name": "promotion", "planned": "planned", "sent": "to contact", "held": "held out",
        "expected": "expected answers", "cost": "cost", "each": "break-even per contact",
        "adds": "predicted to add",
    }  # fmt: skip
    frame = pd.DataFrame(rows, columns=[*heads, "changed"])
    if not np.isfinite([c.adds for c in after if c.contacts]).any():
        del heads["adds"]
    return table(
        frame,
        heads,
        dict.fromkeys(list(heads)[1:], str),
        caption="As the week would be released; in brackets 90 % intervals, after an arrow what "
        "was the draft's.",
        most=len(frame),
        marked="changed",
    )


def _row(was: Changed, now: Changed, write: Any) -> list[str]:
    def moved(name: str) -> str:
        a, b = getattr(was, name), getattr(now, name)
        return count(b) if a == b else f"{count(b)} ← {count(a)}"

    known = np.isfinite(now.adds) and now.contacts
    return [
        moved("planned"), moved("contacts"), moved("held"), number(*now.answers.ends),
        write(*now.cost.ends), write(*now.each.ends) if now.contacts else "–",
        write(now.adds) if known else "–",
    ]  # fmt: skip


def _sum(parts: Sequence[Changed]) -> Changed:
    """Add promotions up; the ends of intervals too, as if all missed in the same direction."""
    added = {n: sum(getattr(c, n) for c in parts) for n in ("planned", "contacts", "held", "off")}
    some = [c for c in parts if c.contacts]

    def total(name: str, weigh: bool = False) -> Estimate:
        each = [[e * (c.contacts if weigh else 1) for e in getattr(c, name).ends] for c in some]
        return Estimate.of([sum(one) for one in zip(*each, strict=True)] or [0.0, 0.0, 0.0])

    n = added["contacts"]
    each = total("each", weigh=True) * (1 / n if n else float("nan"))
    known = [c.adds for c in some if np.isfinite(c.adds)]
    adds = float(sum(known)) if known else float("nan")
    return Changed(
        added["planned"], n, added["held"], total("answers"), total("discount"), total("cost"),
        each, adds, {}, added["off"],
    )  # fmt: skip


def _changes(state: ReviewState, draft: Draft) -> Html:
    """Return the customers forced out, under their pseudonyms, and why."""
    if not state.forced:
        return Html("")
    rows = [
        [draft.codes[np.searchsorted(draft.ids, who)], why] for who, why in state.forced.items()
    ]
    return table(
        pd.DataFrame(rows, columns=["who", "why"]),
        {"who": "forced out", "why": "because"},
        caption="Not eligible this week: in no list, no holdout and no comparison.",
        most=20,
    )


def _answers(one: PlannedList, state: ReviewState, now: Changed) -> Html:
    sizes, answers, _ = one.by_size
    return chart(
        [Line(sizes, answers), Upright(now.planned, "as it is"), *_mark(one, state)],
        f"{one.name}: {number(now.answers.value)} answers expected",
        "Expected answers by customers planned",
        "customers planned, the best first",
        "expected answers",
    )


def _paying(one: PlannedList, state: ReviewState, now: Changed) -> Html:
    sizes, _, each = one.by_size
    unit = one.economics.currency if one.economics else ""
    title = f"{money(now.each.value, currency=unit)} of extra sales a contact pay for it"
    if not now.contacts:
        title = "Nobody is contacted"
    elif not np.isfinite(now.each.value):
        return say("What a contact must bring is not known: nor is what it costs.", css="absent")
    some = each > 0
    return chart(
        [Line(sizes[some], each[some]), Upright(now.planned, "as it is"), *_mark(one, state)],
        title,
        "Break-even per contact by customers planned",
        "customers planned, the best first",
        f"break-even per contact, {unit}",
    )


def _mark(one: PlannedList, state: ReviewState) -> list[Upright]:
    return [Upright(state.most, "a cap here", 2)] if state.most < len(one.customers) else []


def _first(draft: Draft, one: PlannedList, state: ReviewState) -> Html:
    """Return who comes first on the list, under pseudonyms, without the draw of the holdout."""
    kept = one.places_without(list(state.forced))
    if one.promotion in state.without:
        kept = kept[:0]
    kept = kept[: state.caps.get(one.promotion, len(kept))]
    shown = kept[:FIRST]
    at = np.searchsorted(draft.ids, one.customers[shown].to_numpy())
    frame = pd.DataFrame({"place": shown + 1, "who": draft.codes[at], "chance": one.chance[shown]})
    if np.isfinite(one.adds).any():
        frame["adds"] = one.adds[shown]
    heads = {"place": "", "who": "customer", "chance": "chance of an answer"}
    heads |= {"adds": "predicted to add"} if "adds" in frame else {}
    return table(
        frame,
        heads,
        {
            "place": count,
            "chance": percent,
            "adds": partial(money, currency=draft.currency),
        },
        caption=f"{one.name}: the first {count(len(shown))} of {count(len(kept))} planned.",
        most=FIRST,
        otherwise="Nobody is planned for it.",
    )
