"""What `plan_week` returns: the funnel, who is planned, who is held back, and with what chance."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.plan.eligibility import offers_of
from promolab.contract import NONE, read_operations
from promolab.display import Html, join, table
from promolab.errors import InputError
from promolab.language import _, marked
from promolab.results import Result, plain
from promolab.wording import count, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from promolab.contract import Shop
    from promolab.folder import RunFolder


STEPS: Mapping[str, str] = MappingProxyType(
    {
        "no_right": marked("no right to contact"),
        "status": marked("status is never contacted"),
        "over_limit": marked("over the contact limit, or quiet after a complaint"),
        "excluded": marked("excluded by another promotion"),
        "by_hand": marked("taken out by hand"),
        "not_planned": marked("not among the likeliest"),
        "held_out_standing": marked("held out for the long run"),
        "held_out_promotion": marked("held out of this promotion"),
        "to_contact": marked("to contact"),
    }
)
"""Where a customer leaves the funnel, in order, and in words; the last one is its end."""

NOT_WORTH = marked("not worth it, or outside the budget")


def step_words(actions: Iterable[str], by_effect: Collection[str]) -> dict[str, str]:
    """Return the words of `STEPS`: whom an allocation leaves out is not among its best.

    Parameters
    ----------
    actions : iterable of str
        Whose funnel it is.
    by_effect : collection of str
        Actions whose customers an allocation chose.

    Examples
    --------
    >>> step_words(["7"], ["7"])["not_planned"], step_words(["7"], [])["not_planned"]
    ('not worth it, or outside the budget', 'not among the likeliest')
    """
    words = {step: _(text) for step, text in STEPS.items()}
    chosen = {action in by_effect for action in actions}
    if True in chosen:
        likeliest, not_worth = words["not_planned"], _(NOT_WORTH)
        both = _("{reason}; or {other}", reason=not_worth, other=likeliest)
        words["not_planned"] = both if False in chosen else not_worth
    return words


LEFT = ("no_right", "status", "over_limit", "excluded")
"""Steps at which a customer is not eligible."""
STEP = pd.CategoricalDtype(list(STEPS), ordered=True)
"""What the steps of a plan are, in their order."""
_CODE = {step: code for code, step in enumerate(STEPS)}
_FUNNEL = ["promotion_id", "channel", "action", "active", *STEPS, "planned"]
_SIDE_BY_SIDE = 7  # promotions; of more, each has a table of its own
_SETTINGS = ("holdout", "standing_holdout", "seed", "standing_seed")


def allot(probability: np.ndarray, eligible: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Give each customer at most one action, the likeliest pairs first, until the lists are full.

    All eligible pairs of a customer and an action are gone through from the likeliest on (equal
    ones: the earlier action, then the earlier customer); a pair is taken if the customer has no
    action yet and the action's list is not full. So every list holds the likeliest of the customers
    whom no other list holds, and whoever is eligible for several is planned where the chance is
    highest, or next highest where that list was full with likelier ones.

    Parameters
    ----------
    probability : array, shape (n, k)
        Of each customer and action.
    eligible : array of bool, shape (n, k)
        Which pairs may be taken.
    sizes : array of int, shape (k,)
        How long each list may get.

    Returns
    -------
    array of int, shape (n,)
        Number of the customer's action; −1 for none.

    Examples
    --------
    >>> p = np.array([[0.9, 0.8], [0.7, 0.1], [0.6, 0.5]])
    >>> allot(p, np.ones((3, 2), bool), np.array([1, 1])).tolist()
    [0, -1, 1]
    """
    taken = np.full(len(probability), -1)
    room = np.asarray(sizes, dtype=np.int64).copy()
    customer, action = np.nonzero(eligible & (room > 0))
    order = np.lexsort((customer, action, -probability[customer, action]))
    customer, action = customer[order], action[order]
    while len(customer):
        # Until a list is full, everybody gets the first of their pairs that are left. Each round
        # fills a list or is the last one.
        first = np.sort(np.unique(customer, return_index=True)[1])
        end = len(customer)
        for k in np.flatnonzero(room > 0):
            mine = first[action[first] == k]
            if len(mine) >= room[k]:
                end = min(end, int(mine[room[k] - 1]) + 1)
        got = first[first < end]
        taken[customer[got]] = action[got]
        room -= np.bincount(action[got], minlength=len(room))
        customer, action = customer[end:], action[end:]
        left = (taken[customer] < 0) & (room[action] > 0)
        customer, action = customer[left], action[left]
    return taken


def step_of(
    bars: Mapping[str, np.ndarray], planned: np.ndarray, elsewhere: np.ndarray, held: np.ndarray
) -> np.ndarray:
    """Return the step at which each customer leaves one promotion's funnel.

    Parameters
    ----------
    bars : mapping of str to array of bool, shape (n,)
        For each of `LEFT`, whom it bars.
    planned, elsewhere : array of bool, shape (n,)
        Who is planned for the promotion, and who for another one.
    held : array of text, shape (n,)
        ``none``, ``standing`` or ``promotion``.

    Returns
    -------
    array of int8, shape (n,)
        Places in `STEPS`.
    """
    conditions = [bars[step] for step in LEFT]
    conditions += [elsewhere, ~planned, held == "standing", held == "promotion"]
    steps = [*LEFT, "excluded", "not_planned", "held_out_standing", "held_out_promotion"]
    codes = [np.int8(_CODE[step]) for step in steps]
    return np.select(conditions, codes, np.int8(_CODE["to_contact"])).astype(np.int8)


def count_steps(steps: pd.DataFrame, promotions: pd.DataFrame) -> pd.DataFrame:
    """Count the customers that leave at each step, per promotion and channel.

    Parameters
    ----------
    steps : DataFrame
        promotion_id, step (categorical): a row per active customer and promotion.
    promotions : DataFrame
        promotion_id, channel, action, in the order of the rows.

    Returns
    -------
    DataFrame
        promotion_id, channel, action, active, each of `STEPS`, and planned (held out or to
        contact). The steps of a row add up to active.
    """
    found: dict[str, Any] = {c: promotions[c] for c in ("promotion_id", "channel", "action")}
    counts = {
        promotion: np.bincount(part["step"].cat.codes, minlength=len(STEPS))
        for promotion, part in steps.groupby("promotion_id", observed=True)
    }
    nobody = np.zeros(len(STEPS), dtype=np.int64)
    table = np.array([counts.get(p, nobody) for p in promotions["promotion_id"]], dtype=np.int64)
    table = table.reshape(len(promotions), len(STEPS))
    found["active"] = table.sum(axis=1)
    found |= {step: table[:, code] for step, code in _CODE.items()}
    found["planned"] = table[:, _CODE["held_out_standing"] :].sum(axis=1)
    return pd.DataFrame(found).reset_index(drop=True)


@dataclass(frozen=True)
class Plan(Result):
    """Whom to contact in a week, whom not, and who is held back; made by `plan_week`.

    Parameters
    ----------
    as_of, sends_at : datetime
        The decision and the sending, UTC.
    holdout, standing_holdout : float
        Shares held back of a promotion's planned customers, and for the long run.
    seed, standing_seed : int
        Of the two draws.
    promotions : DataFrame
        promotion_id, name, channel, action (its own, or its bundle's), list_size, contact_cost
        (missing where the promotion states none), starts_at, ends_at.
    funnel : DataFrame
        A row per promotion and channel: active customers, those who leave at each step
        (`promolab.campaign.plan.STEPS`), and planned (held out or to contact).
    steps : DataFrame
        A row per active customer and promotion: customer_id, promotion_id, p_redeemed, step.
    planned : DataFrame
        A row per planned customer and promotion: customer_id, promotion_id, channel, action,
        p_redeemed, holdout (``none`` is to contact), decision_id.
    decisions : DataFrame
        The contract's table: a row per eligible customer, those who get nothing included.
    propensities : DataFrame
        The contract's `decision_propensities`.
    notes : tuple of str
        Sentences on what was not checked, or counted.
    unchecked : tuple of str
        Those of them on what was not checked: to be read before anything is sent.
    consent : bool
        Whether the shop says who may be contacted.
    by_effect : tuple of str
        Actions whose customers an allocation chose, by what contacts add.
    """

    as_of: datetime
    sends_at: datetime
    holdout: float
    standing_holdout: float
    seed: int
    standing_seed: int
    promotions: pd.DataFrame = field(repr=False)
    funnel: pd.DataFrame = field(repr=False)
    steps: pd.DataFrame = field(repr=False)
    planned: pd.DataFrame = field(repr=False)
    decisions: pd.DataFrame = field(repr=False)
    propensities: pd.DataFrame = field(repr=False)
    notes: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    consent: bool = True
    by_effect: tuple[str, ...] = ()

    @property
    def to_contact(self) -> pd.DataFrame:
        """The rows of ``planned`` that are not held out."""
        return self.planned[self.planned["holdout"] == "none"].reset_index(drop=True)

    @property
    def held_out(self) -> pd.DataFrame:
        """The rows of ``planned`` that are held out."""
        return self.planned[self.planned["holdout"] != "none"].reset_index(drop=True)

    @property
    def by_hand(self) -> int:
        """How many customers and promotions were taken out by hand."""
        return int(self.funnel["by_hand"].sum()) if "by_hand" in self.funnel else 0

    @classmethod
    def read(cls, run: RunFolder, shop: Shop) -> Plan:
        """Read the plan that a run wrote (`write`).

        Parameters
        ----------
        run : RunFolder
            With the plan's tables.
        shop : Shop
            The cleaned shop that it was made from.
        """
        told, funnel = run.metrics["plan"], run.read_table("funnel")
        funnel = funnel.reindex(columns=_FUNNEL, fill_value=0)  # of before steps were added
        decisions = run.read_table("decisions")
        offers = offers_of(shop, funnel, read_operations(shop.settings).contact, [])
        return cls(
            as_of=decisions["ts"].iloc[0].to_pydatetime() if len(decisions) else run.as_of,
            sends_at=run.week.start(shop.zone),
            **{name: told[name] for name in _SETTINGS},
            promotions=offers.drop(columns="messages").assign(list_size=0),
            funnel=funnel,
            steps=run.read_table("steps").astype({"step": STEP}),
            planned=run.read_table("planned"),
            decisions=decisions,
            propensities=run.read_table("decision_propensities"),
            notes=tuple(told.get("notes", ())),
            unchecked=tuple(told.get("unchecked", ())),
            consent=shop.has("contact_rights"),
            by_effect=tuple(told.get("by_effect") or ()),
        )

    def write(self, run: RunFolder) -> None:
        """Write the plan's tables into a run folder."""
        steps = self.steps.astype({"step": "str"})
        propensities = self.propensities
        run.write_table("decisions", self.decisions, by="decision_id")
        run.write_table("decision_propensities", propensities, by=["decision_id", "action"])
        run.write_table("planned", self.planned, by=["promotion_id", "customer_id"])
        run.write_table("steps", steps, by=["promotion_id", "customer_id"])
        run.write_table("funnel", self.funnel, by=["promotion_id", "channel"])

    def to_frame(self) -> pd.DataFrame:
        """Return the funnel."""
        return self.funnel

    def to_dict(self) -> dict[str, Any]:
        """Return the settings, the customers to contact, and the funnel by promotion_id."""
        keep = [c for c in self.funnel.columns if c != "promotion_id"]
        rows = self.funnel.to_dict("records")
        told = super().to_dict()
        del told["consent"]  # a note says it
        return told | {
            "customers_to_contact": int(self.to_contact["customer_id"].nunique()),
            "customers_held_out": int(self.held_out["customer_id"].nunique()),
            "funnel": {str(r["promotion_id"]): plain({c: r[c] for c in keep}) for r in rows},
            "by_effect": list(self.by_effect),
            "notes": list(self.notes),
            "unchecked": list(self.unchecked),
        }

    def summary(self) -> str:
        """Say how many are to be contacted and held back for each promotion, then what to know."""
        if self.funnel.empty:
            return self.opening()
        lines = [self._sentence(row) for row in self.funnel.to_dict("records")]
        if len(lines) > 1:
            lines.insert(0, self.opening())
        return "\n".join([*lines, *self.notes])

    def opening(self) -> str:
        """Say in one sentence how many are to be contacted."""
        if self.funnel.empty:
            return "No promotion starts this week; nobody is to be contacted."
        if len(self.funnel) == 1:
            return self._sentence(self.funnel.to_dict("records")[0])
        n = self.to_contact["customer_id"].nunique()
        who = plural(n, "customer is", "customers are") if n else "Nobody is"
        return f"{who} to be contacted for {plural(len(self.funnel), 'promotion')}."

    def without(self, gone: pd.DataFrame, note: str = "") -> Plan:
        """Return the plan without some of its customers: as if they had never been on its lists.

        Whoever is taken out has a decision all the same: ``none``, with chance 1, planned for
        nothing. The chances of the others stay, for who is held out was drawn one by one.

        Parameters
        ----------
        gone : DataFrame
            customer_id, promotion_id, step (of `STEPS`): planned rows, held out or not, and the
            step of the funnel at which they leave now.
        note : str
            A sentence to put before the notes.

        Examples
        --------
        >>> from promolab.campaign.plan.planning import plan_week
        >>> from promolab.contract import Shop
        >>> nobody = pd.DataFrame({"customer_id": [], "promotion_id": [], "p_redeemed": []})
        >>> plan = plan_week(Shop({}), nobody, "2017-03-06", [])
        >>> gone = pd.DataFrame({"customer_id": [], "promotion_id": [], "step": []})
        >>> plan.without(gone, "Nobody was taken out.").notes[0]
        'Nobody was taken out.'
        """
        keys = ["customer_id", "promotion_id"]
        if gone.empty:
            return replace(self, notes=(note, *self.notes) if note else self.notes)
        rows = self.planned.merge(gone[[*keys, "step"]], on=keys)
        kept = self.planned.merge(gone[keys], on=keys, how="left", indicator=True)["_merge"]
        decisions, chances = self.decisions.copy(), self.propensities
        out = decisions["decision_id"].isin(rows["decision_id"])
        decisions.loc[out, ["action", "planned_action", "holdout"]] = NONE
        decisions.loc[out, "propensity"] = 1.0
        mine = chances["decision_id"].isin(rows["decision_id"])
        chances = chances[~mine | (chances["action"] == NONE)].reset_index(drop=True)
        chances.loc[chances["decision_id"].isin(rows["decision_id"]), "propensity"] = 1.0
        return replace(
            self,
            funnel=_moved(self.funnel, rows),
            steps=_left(self.steps, gone),
            planned=self.planned[(kept == "left_only").to_numpy()].reset_index(drop=True),
            decisions=decisions,
            propensities=chances,
            notes=(note, *self.notes) if note else self.notes,
        )

    def _sentence(self, row: dict[Any, Any]) -> str:
        held = int(row["held_out_standing"] + row["held_out_promotion"])
        text = (
            f"{self._name(row['promotion_id'])} ({row['channel'].strip()}): "
            f"{count(row['to_contact'])} of "
            f"{plural(row['active'], 'active customer')} to contact"
        )
        if not row["to_contact"]:
            name = f"{self._name(row['promotion_id'])} ({row['channel'].strip()})"
            return f"{name}: none of {plural(row['active'], 'active customer')} is to be contacted."
        if not held:
            return f"{text}; nobody is held back, so the effect will not be known."
        back = (
            f"{count(held)} of the {count(row['planned'])} planned {'is' if held == 1 else 'are'}"
        )
        long_run, own = int(row["held_out_standing"]), int(row["held_out_promotion"])
        which = ""
        if long_run and own:
            which = (
                f": {count(own)} from this promotion, to be compared with those contacted, and "
                f"{count(long_run)} from all promotions, for the long run"
            )
        return f"{text}; {back} held back, so that the effect can be known{which}."

    def _name(self, promotion_id: Any) -> str:
        match = self.promotions["promotion_id"] == promotion_id
        return str(self.promotions.loc[match, "name"].iloc[0])

    def table(self) -> Html:
        """Return the funnels: of several promotions side by side, of many one after the other."""
        rows = self.funnel.to_dict("records")
        if 1 < len(rows) <= _SIDE_BY_SIDE:
            return self._side_by_side(rows)
        return join([self._funnel(row) for row in rows])

    def _funnel(self, row: dict[Any, Any]) -> Html:
        frame = pd.DataFrame(self._steps_of(row), columns=["step", "gone", "left"])
        # A column of numbers holds nan where a step takes nobody out by its nature.
        gone = frame["gone"].tolist()
        frame["gone"] = ["" if n is None or n != n else f"−{count(n)}" if n else "0" for n in gone]
        return table(
            frame,
            {"step": "step", "gone": "customers that it takes out", "left": "customers left"},
            {"gone": str, "left": count},
            caption=f"{self._name(row['promotion_id'])}, by {row['channel']}: from all ever active "
            "to those to contact.",
            most=len(frame),
        )

    def _side_by_side(self, rows: list[dict[Any, Any]]) -> Html:
        actions = [row["action"] for row in rows]
        lines = [self._steps_of(row, actions) for row in rows]
        frame = pd.DataFrame({"step": [step for step, _, _ in lines[0]]})
        heads = {"step": "step"}
        for place, (row, line) in enumerate(zip(rows, lines, strict=True)):
            frame[str(place)] = [left for _, _, left in line]
            heads[str(place)] = f"{self._name(row['promotion_id'])} ({row['channel']})"
        return table(
            frame,
            heads,
            dict.fromkeys(map(str, range(len(rows))), count),
            caption="Customers left after each step, from all ever active to those to contact.",
            most=len(frame),
        )

    def _steps_of(
        self, row: Mapping[Any, Any], beside: Iterable[str] = ()
    ) -> list[tuple[str, int | None, int]]:
        """Return each step in words, how many it takes out, and how many are left."""
        unchecked = "" if self.consent else " (not checked)"
        words = step_words([row["action"], *beside], self.by_effect)
        words["no_right"] += unchecked
        left = int(row["active"])
        lines: list[tuple[str, int | None, int]] = [("active customers", None, left)]
        for step in list(STEPS)[:-1]:
            if step == "by_hand" and not self.by_hand:
                continue
            left -= int(row[step])
            lines.append((words[step], int(row[step]), left))
        return [*lines, (STEPS["to_contact"], None, int(row["to_contact"]))]

    def plot(self, ax: Axes | None = None, promotion_id: Any = None) -> Axes:
        """Draw how many customers are left after each step of a promotion's funnel.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw.
        promotion_id : object, optional
            The promotion; by default the one with the most customers to contact.
        """
        from promolab import plots

        row = self._row(promotion_id)
        labels, left, words = ["active customers"], [0 if row is None else row["active"]], [""]
        words_of = step_words([] if row is None else [row["action"]], self.by_effect)
        for step, meaning in list(words_of.items())[:-1] if row is not None else ():
            gone = row[step]
            if step == "by_hand" and not gone:
                continue
            labels.append(f"− {meaning}")
            left.append(left[-1] - gone)
            words.append(f"−{count(gone)}" if gone else "")
        words = [f"{count(n)}   {word}".rstrip() for n, word in zip(left, words, strict=True)]
        ax = plots.bars(labels, left, text=words, ax=ax)
        if row is None:
            return plots.finish(ax, title=self.summary().splitlines()[0], xlabel="customers")
        share = percent(row["to_contact"] / row["active"], decimals=0) if row["active"] else "0 %"
        return plots.finish(
            ax,
            title=(
                f"{self._name(row['promotion_id'])}: {plural(row['to_contact'], 'customer')} "
                f"to contact by {row['channel']}, {share} of the active"
            ),
            subtitle="customers left after each step, and how many it takes out",
            xlabel="customers",
        )

    def _row(self, promotion_id: Any) -> Any:
        rows = self.funnel.to_dict("records")
        if promotion_id is None:
            return max(rows, key=lambda row: row["to_contact"], default=None)
        for row in rows:
            if str(row["promotion_id"]) == str(promotion_id):
                return row
        known = ", ".join(str(row["promotion_id"]) for row in rows) or "none"
        raise InputError(f"{promotion_id!r} is not in the plan; these are: {known}")


_HELD = {"none": "to_contact", "standing": "held_out_standing", "promotion": "held_out_promotion"}


def _moved(funnel: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return a funnel in which planned rows leave at their step instead."""
    moved = funnel.set_index("promotion_id")
    left = rows.assign(left=rows["holdout"].map(_HELD))
    for column, sign in (("left", -1), ("step", 1)):
        change = pd.crosstab(left["promotion_id"], left[column])
        change = change.reindex(index=moved.index, columns=list(STEPS), fill_value=0)
        moved[list(STEPS)] += sign * change.to_numpy()
    moved["planned"] -= rows.groupby("promotion_id").size().reindex(moved.index, fill_value=0)
    return moved.reset_index()[list(funnel.columns)]


def _left(steps: pd.DataFrame, gone: pd.DataFrame) -> pd.DataFrame:
    """Return the steps of all with those of the customers taken out as they are now."""
    keys = ["customer_id", "promotion_id"]
    now = steps[keys].merge(gone[[*keys, "step"]], on=keys, how="left")["step"]
    then = steps["step"].astype("object").reset_index(drop=True)
    step = now.where(now.notna(), then).astype(steps["step"].dtype)
    return steps.assign(step=step.to_numpy())
