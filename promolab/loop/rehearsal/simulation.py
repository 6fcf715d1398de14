"""The loop from its first week to its last: one world for each policy, all with the same luck."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.adaptive import GREEDY
from promolab.errors import InputError
from promolab.folder import write_whole
from promolab.loop.ledger import Ledger
from promolab.loop.monitoring import weeks_by_policy
from promolab.loop.rehearsal.learned_policy import Decided
from promolab.loop.rehearsal.policies import (
    LEARNED,
    LEARNING,
    NOBODY,
    ORACLES,
    RehearsalSettings,
    begins,
    decide,
)
from promolab.results import Result, plain
from promolab.simulated import GoingShop
from promolab.weeks import Week

if TYPE_CHECKING:
    from promolab.contract import Shop

FILE, SHOP, WEEKS, LEDGER = "loop.json", "shop", "weeks", "ledger.duckdb"
HORIZON = 4
"""Weeks after a window in which what came of it still counts."""
CAN_HAVE_LEARNED = 9
"""The first of the weeks in which a policy can have learned."""
CURRENCY = "CNY"
NAMES = {name: f"{name} oracle" for name in ORACLES}
Opener = Callable[[Path], "Shop"]
Told = Callable[[str, int, int], None]
"""Told of each week: what to say, weeks done, weeks in all."""


@dataclass(frozen=True)
class Rehearsal(Result):
    """What each policy truly added; made by `promolab.loop.rehearse`.

    Parameters
    ----------
    frame : DataFrame
        A row per policy and week: policy, number (of the week, from 1), week, contacted
        (customers), profit (truly expected added profit over nobody, window and horizon, contacts
        paid; money), spend (truly expected discounts and contacts; money), foreseen (what the
        policy expected to spend), explored (share), pays (whether spending was shown to pay), and
        of the learned policy said_value … said_readout_high: what it promised of profit, with both
        intervals.
    policies : tuple of str
        The oracles last.
    weeks, customers, seed : int
    budget : float
        Of every week.
    variant : str
    """

    frame: pd.DataFrame = field(repr=False)
    policies: tuple[str, ...]
    weeks: int
    customers: int
    seed: int
    budget: float
    variant: str

    def added(self, policy: str, since: int = 1) -> float:
        """Return what a policy added from a week of the loop on, in money; nobody adds 0."""
        if policy == NOBODY:
            return 0.0
        mine = self.frame[(self.frame["policy"] == policy) & (self.frame["number"] >= since)]
        return float(mine["profit"].sum())

    def share(self, policy: str, since: int = 1) -> float:
        """Return what a policy added as a share of the attainable oracle; nan where that is 0."""
        whole = self.added(ORACLES[0], since)
        return self.added(policy, since) / whole if whole else float("nan")

    def by_policy(self) -> pd.DataFrame:
        """Return a row per policy: profit, its share of the attainable oracle, spend, contacts."""
        rows = []
        for policy in (*self.policies, NOBODY):
            mine = self.frame[self.frame["policy"] == policy]
            rows.append(
                {
                    "policy": NAMES.get(policy, policy),
                    "profit": self.added(policy),
                    "of_attainable": self.share(policy),
                    "late_of_attainable": self.share(policy, min(CAN_HAVE_LEARNED, self.weeks)),
                    "spend": float(mine["spend"].sum()),
                    "contacted": int(mine["contacted"].sum()),
                }
            )
        return pd.DataFrame(rows)

    def facts(self) -> Mapping[str, Any]:
        """Return what each policy added, and the curves of the figure."""
        rows, curves = self.by_policy(), []
        for policy in self.policies:
            mine = self.frame[self.frame["policy"] == policy].sort_values("number")
            curve = {"week": [0, *mine["number"]], "added": [0.0, *mine["profit"].cumsum()]}
            curves.append(pd.DataFrame(curve).assign(policy=NAMES.get(policy, policy)))
        learned = self.frame[self.frame["policy"].isin((LEARNED, GREEDY))]
        told = rows[~rows["policy"].isin([*NAMES.values(), NOBODY])]
        return {
            "currency": CURRENCY,
            "told": told.assign(known=told["of_attainable"].notna()),
            "beside": self._beside,
            "nothing_pays": len(learned) > 0 and not learned["pays"].any(),
            "curves": pd.concat(curves, ignore_index=True),
        }

    def _beside(self) -> str:
        """Say whether another policy that learns added more than the greedy one."""
        rows = self.frame.replace({"policy": {LEARNED: GREEDY}})
        rows = rows[rows["policy"].isin(LEARNING)].rename(columns={"profit": "added"})
        several = len({GREEDY, *rows["policy"]}) == len(set(rows["policy"])) > 1
        return weeks_by_policy(rows, currency=CURRENCY).summary() if several else ""

    def to_dict(self) -> dict[str, Any]:
        """Return the final figures."""
        policies = self.by_policy().set_index("policy").to_dict("index")
        return super().to_dict() | {"policies": plain(policies)}


def rehearse(
    weeks: int = 12,
    customers: int = 20_000,
    policy: Any = LEARNED,
    *,
    budget: float | None = None,
    variant: str = "weekly",
    seed: int = 0,
    exploration: float = 0.05,
    holdout: float = 0.05,
    out: str | Path | None = None,
    told: Told | None = None,
) -> Rehearsal:
    """Run the library's own steps week by week on a simulated shop, and add up what they truly add.

    Each policy, and each of two oracles, decides in a world of its own, with the same customers and
    the same luck. All begin after the same 26 logged weeks; what is assigned decides what happens
    next, and what the next week can learn from.

    Parameters
    ----------
    weeks : int
        To decide.
    customers : int
    policy : str or sequence of str
        ``greedy`` or ``learned`` (the week's own steps: effects of past decisions, what promotions
        are worth, the allocation, exploration, holdouts, promises, ledger), ``ucb`` and ``ts`` (the
        same, by the upper end of what is believed, or a draw of it), ``freeze`` (learned once, from
        the logged weeks), ``response`` (whoever is likeliest to
        respond), ``random``, ``everyone`` (all get what costs least), ``nobody``; a text names
        several by commas. All spend the same budget.
    budget : float, optional
        Of every week, for discounts and contacts, in CNY; by default 0.5 for each customer.
    variant : {"weekly", "default", "null"}
        Of the shop; ``default`` decides every five weeks.
    seed : int
        Of the shop and of all that chance draws.
    exploration, holdout : float
        Shares of the learned policy's customers whose promotion chance draws, and of its planned
        contacts that are held back (0–1).
    out : path, optional
        Folder for the worlds, the ledger and each week's row. A loop that was ended there goes on;
        without one all goes when it is done.
    told : callable, optional
        Called with a sentence, weeks done and weeks in all.

    Returns
    -------
    Rehearsal

    Raises
    ------
    InputError
        An argument that cannot be, or a folder of another loop.
    """
    asked = RehearsalSettings.of(
        weeks=weeks,
        customers=customers,
        policy=policy,
        budget=budget,
        variant=variant,
        seed=seed,
        exploration=exploration,
        holdout=holdout,
    )
    made = nullcontext(out) if out else tempfile.TemporaryDirectory(prefix="promolab-loop-")
    with made as place:
        folder = Path(place).expanduser() if out else Path(place) / "loop"
        claim(folder, asked)
        frame = pd.DataFrame(_rows(asked, folder, told))
    return Rehearsal(
        frame, asked.run, asked.weeks, asked.customers, asked.seed, asked.budget, asked.variant
    )


def claim(folder: Path, settings: RehearsalSettings) -> None:
    """Make the folder this rehearsal's, or see that it is.

    Raises
    ------
    InputError
        It holds something else, or a rehearsal with other arguments.
    """
    path, mine = folder / FILE, plain(dataclasses.asdict(settings))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            if any(one.name != f".{FILE}.part" for one in folder.iterdir()):
                raise InputError(f"{folder} holds something else; give an empty or a new folder")
            write_whole(path, json.dumps(mine, indent=1) + "\n")
        there = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be used: {error}; give another folder") from error
    for name, value in mine.items():
        if there.get(name) != value:
            raise InputError(
                f"{folder} holds a loop with {name} = {there.get(name)}, and this one has {value}; "
                "give another folder, or the same arguments to go on"
            )


def _rows(asked: RehearsalSettings, folder: Path, told: Told | None) -> list[dict[str, Any]]:
    from promolab.sources import load_shop

    found: list[dict[str, Any]] = []
    for policy in asked.run:
        for number, row in enumerate(run_policy(asked, policy, folder / policy, load_shop), 1):
            found.append(row | {"number": number})
            if told is not None:
                said = f"{policy}, week {number}: added {row['profit']:,.0f}"
                told(said, len(found), len(asked.run) * asked.weeks)
    return found


def run_policy(
    asked: RehearsalSettings, policy: str, folder: Path, opened: Opener
) -> Iterator[dict[str, Any]]:
    """Let a policy decide week after week, and yield what came of each, those known first.

    Parameters
    ----------
    asked : RehearsalSettings
    policy : str
    folder : Path
        The policy's own; what is there already is not done again.
    opened : callable
        Opens a folder of tables as a shop (`promolab.load_shop`).

    Yields
    ------
    dict
        A row of `Rehearsal`.

    Notes
    -----
    A week's row is written before the world goes on, and the world goes on at once or not at all.
    So a week without a next one is decided again, to the same: what chance draws hangs on the seed
    and the week alone.
    """
    first = folder.parent / asked.run[0] / SHOP  # all begin with the same log
    going = GoingShop.begin(asked.world, folder / SHOP, opened, first)
    rows, kept = folder / WEEKS, None
    rows.mkdir(exist_ok=True)
    for path in sorted(rows.glob("[0-9]*.json")):
        if int(path.stem) < going.week:
            yield json.loads(path.read_text("utf-8"))
    while (week := going.week) < going.first + asked.weeks * going.world.every:
        made = decide(policy, going, asked, kept)
        kept = made.trial
        row = plain({"policy": policy, "week": going.iso_week, **_came(made, going)})
        if policy in (LEARNED, GREEDY):
            row |= plain(_promised(asked, going, made, folder))
        write_whole(rows / f"{week:03d}.json", json.dumps(row, indent=1) + "\n")
        going.decide(made.decisions, made.chances)
        yield row


def _came(made: Decided, going: GoingShop) -> dict[str, Any]:
    """Return what a week's decisions truly add and cost, in money, by expectation."""
    sent = made.decisions[made.decisions["action"].astype(str) != "none"]
    assert sent["customer_id"].isin(going.contactable).all()
    value, cost = going.assigned_values(sent)
    return {
        "contacted": len(sent),
        "profit": float(np.sum(value)),
        "spend": float(np.sum(cost)),
        "foreseen": made.foreseen,
        "explored": made.explored,
        "pays": made.pays,
    }


def _promised(
    asked: RehearsalSettings, going: GoingShop, made: Decided, folder: Path
) -> dict[str, Any]:
    """Write what is promised of a week, and what came of earlier ones, into the loop's ledger."""
    from promolab.loop.promises import forecast_week, week_outcomes

    shop, week = going.shop(), going.iso_week
    now = begins(going, shop)
    said = forecast_week(shop, made.decisions, made.chances, made.worth, as_of=now, week=week)
    name = f"{shop.settings.name} {asked.variant} {asked.customers} {asked.seed}"
    book = Ledger.open(folder / LEDGER, shop=name, create=True)
    book.record_week(
        week, now, state="released", decisions=made.decisions,
        decision_propensities=made.chances, predictions=said,
    )  # fmt: skip
    settled = book.outcomes()
    closed = set(settled.loc[settled["state"] == "settled", "week"])
    over = asked.world.window + HORIZON
    for earlier in book.weeks()["week"]:
        behind = Week.parse(week).monday() - Week.parse(str(earlier)).monday()
        if str(earlier) in closed or behind < timedelta(weeks=over):
            continue
        found = week_outcomes(
            shop, book.decisions(earlier), book.rows("decision_propensities", earlier),
            as_of=now, week=str(earlier),
        )  # fmt: skip
        if len(found) and (found["state"] == "settled").all():
            book.record_outcomes(str(earlier), found, state="settled")
    whole = said[(said["promotion_id"] == "") & (said["segment"] == "")].set_index("measure")
    if "added_profit" not in whole.index:
        return {}
    names = ("value", "ci_low", "ci_high", "readout_low", "readout_high")
    told = whole.loc["added_profit", list(names)].to_numpy(dtype=float)
    return {f"said_{name}": each for name, each in zip(names, told.tolist(), strict=True)}
