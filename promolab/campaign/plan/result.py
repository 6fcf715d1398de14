"""What `plan_week` returns: the funnel, who is planned, who is held back, and with what chance."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.plan.eligibility import Note, offers_of
from promolab.contract import NONE, read_operations
from promolab.display import Html, join, table
from promolab.results import Result, plain, words_of
from promolab.stats import joined
from promolab.wording import count, listed

if TYPE_CHECKING:
    from promolab.contract import Shop
    from promolab.folder import RunFolder


STEPS = (
    *("no_right", "status", "over_limit", "excluded", "by_hand", "not_planned"),
    *("held_out_standing", "held_out_promotion", "to_contact"),
)
"""Where a customer leaves the funnel, in order; the last one is its end."""


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
    chosen = {action in by_effect for action in actions}
    code = "not_planned" if True not in chosen else "either" if False in chosen else "not_worth"
    words = words_of(__name__, "Plan")
    return {step: words.word(code if step == "not_planned" else step) for step in STEPS}


LEFT = ("no_right", "status", "over_limit", "excluded")
"""Steps at which a customer is not eligible."""
STEP = pd.CategoricalDtype(list(STEPS), ordered=True)
"""What the steps of a plan are, in their order."""
_CODE = {step: code for code, step in enumerate(STEPS)}
_FUNNEL = ["promotion_id", "channel", "action", "active", *STEPS, "planned"]
_SIDE_BY_SIDE = 7  # promotions in a table
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
    least : int
        Whom a step bars is shown with the next one's where they are fewer.
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
    least: int = 1

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
        rules = read_operations(shop.settings)
        funnel = funnel.reindex(columns=_FUNNEL, fill_value=0)  # of before steps were added
        decisions = run.read_table("decisions")
        offers = offers_of(shop, funnel, rules.contact, [])
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
            least=rules.least,
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
        del told["consent"], told["least"]  # a note says it; `funnel` is whole
        return told | {
            "customers_to_contact": int(self.to_contact["customer_id"].nunique()),
            "customers_held_out": int(self.held_out["customer_id"].nunique()),
            "funnel": {str(r["promotion_id"]): plain({c: r[c] for c in keep}) for r in rows},
            "by_effect": list(self.by_effect),
            "notes": list(self.notes),
            "unchecked": list(self.unchecked),
        }

    def facts(self) -> dict[str, Any]:
        """Return how many are to be contacted in all, and the largest promotion's funnel."""
        rows = [self._facts_of(row) for row in self.funnel.to_dict("records")]
        largest = max(rows, key=lambda row: row["to_contact"], default={})
        return {
            "promotions": len(rows),
            "several": "one" if len(rows) == 1 else "several" if rows else "none",
            "contacted": lambda: self.to_contact["customer_id"].nunique() if rows else 0,
            "row": largest,
            "rows": lambda: self._drawn(largest) if rows else pd.DataFrame(),
        }

    def _facts_of(self, row: dict[Any, Any]) -> dict[Any, Any]:
        """Return what is said of one promotion."""
        own, long_run = int(row["held_out_promotion"]), int(row["held_out_standing"])
        state = "nobody" if not row["to_contact"] else "held" if own + long_run else "unheld"
        found = {"name": self._name(row["promotion_id"]), "channel": row["channel"].strip()}
        found |= {"held": own + long_run, "own": own, "long_run": long_run, "state": state}
        found |= {"contacts": row["to_contact"], "active_customers": row["active"]}
        found |= {"planned_customers": row["planned"]}
        share = row["to_contact"] / row["active"] if row["active"] else 0.0
        return row | found | {"both": bool(own and long_run), "share": share}

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
        if len(self.funnel) == 1:
            return self._sentence(self.funnel.to_dict("records")[0])
        return self.say("opening")

    def certainty(self) -> list[str]:
        """Say what was not checked, or counted, in the language that is spoken."""
        told = [note.spoken() if isinstance(note, Note) else note for note in self.notes]
        return told or [self.say("all_checked")]

    def without(self, gone: pd.DataFrame) -> Plan:
        """Return the plan without some of its customers: as if they had never been on its lists.

        Whoever is taken out has a decision all the same: ``none``, with chance 1, planned for
        nothing. The chances of the others stay, for who is held out was drawn one by one.

        Parameters
        ----------
        gone : DataFrame
            customer_id, promotion_id, step (of `STEPS`): planned rows, held out or not, and the
            step of the funnel at which they leave now.
        """
        keys = ["customer_id", "promotion_id"]
        found = self.planned.merge(gone[keys], on=keys, how="left", indicator=True)["_merge"]
        out = (found == "both").to_numpy()
        ids = self.planned.loc[out, "decision_id"]
        decisions, chances = self.decisions.copy(), self.propensities
        mine = decisions["decision_id"].isin(ids)
        decisions.loc[mine, ["action", "planned_action", "holdout"]] = NONE
        decisions.loc[mine, "propensity"] = 1.0
        mine = chances["decision_id"].isin(ids)
        chances = chances[~mine | (chances["action"] == NONE)].reset_index(drop=True)
        chances.loc[chances["decision_id"].isin(ids), "propensity"] = 1.0
        now = self.steps[keys].merge(gone[[*keys, "step"]], on=keys, how="left")["step"]
        then = self.steps["step"].astype("object").reset_index(drop=True)
        step = now.where(now.notna(), then).astype(self.steps["step"].dtype)
        steps = self.steps.assign(step=step.array)
        return replace(
            self,
            funnel=count_steps(steps, self.funnel),
            steps=steps,
            planned=self.planned[~out].reset_index(drop=True),
            decisions=decisions,
            propensities=chances,
        )

    def _sentence(self, row: dict[Any, Any]) -> str:
        return self.say("told", **self._facts_of(row))

    def _name(self, promotion_id: Any) -> str:
        match = self.promotions["promotion_id"] == promotion_id
        return str(self.promotions.loc[match, "name"].iloc[0])

    def table(self) -> Html:
        """Return the funnels side by side, as many promotions as a table has room for."""
        rows = [self._facts_of(row) for row in self.funnel.to_dict("records")]
        actions = [row["action"] for row in rows]
        parts = [rows[n : n + _SIDE_BY_SIDE] for n in range(0, len(rows), _SIDE_BY_SIDE)]
        return join([self._side_by_side(part, actions) for part in parts])

    def _side_by_side(self, rows: list[dict[Any, Any]], actions: list[str]) -> Html:
        shown = self._steps_of(rows[0], actions)
        heads = {"step": self.say("step_head")}
        for place, row in enumerate(rows):
            shown[str(place)] = self._steps_of(row, actions)["left"]
            heads[str(place)] = self.say("list_head", **row)
        formats = dict.fromkeys(map(str, range(len(rows))), count)
        hidden = any(shown[each].isna().any() for each in formats)
        caption = self.say("caption_of_all", hidden=hidden)
        return table(shown, heads, formats, caption=caption, most=len(shown))

    def _drawn(self, row: Mapping[Any, Any]) -> pd.DataFrame:
        """Return a funnel as it is drawn: after each step, whom it left."""
        told: Any = {"step": listed, "left": "last", "gone": lambda gone: gone.sum(min_count=1)}
        shown: pd.DataFrame = self._steps_of(row).iloc[:-1].groupby("part").agg(told)
        first = shown["step"].iloc[0]
        return shown.assign(step=[first, *(f"− {step}" for step in shown["step"].iloc[1:])])

    def _steps_of(self, row: Mapping[Any, Any], beside: Iterable[str] = ()) -> pd.DataFrame:
        """Return each step in words, how many it takes out (nan: no such step), and the rest."""
        words = step_words([row["action"], *beside], self.by_effect)
        steps = [step for step in STEPS[:-1] if step != "by_hand" or self.by_hand]
        gone = [int(row[step]) for step in steps]
        names = [words[step] for step in steps]
        names[0] += "" if self.consent else self.say("not_checked")
        left = [row["active"], *(row["active"] - np.cumsum(gone)), row["to_contact"]]
        told = {"step": [self.say("active"), *names, words["to_contact"]], "left": left}
        parts = joined(gone[:-2], self.least)  # of whom a step bars: who is held out is drawn
        parts = np.array([-1, *parts, *(parts[-1] + np.arange(1, 4))])
        rows = pd.DataFrame(told | {"gone": [np.nan, *gone, np.nan], "part": parts})
        return rows.assign(left=rows["left"].where(rows["part"] != rows["part"].shift(-1)))
