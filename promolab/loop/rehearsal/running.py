"""A policy's weeks, one after another, each written before the world goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.folder import write_whole
from promolab.loop.ledger import Ledger
from promolab.loop.rehearsal.asked import LEARNED, Asked
from promolab.loop.rehearsal.deciding import Memory, begins, decide
from promolab.loop.rehearsal.steps import Decided, Learned
from promolab.results import plain
from promolab.simulated import GoingShop
from promolab.weeks import Week

if TYPE_CHECKING:
    from promolab.contract import Shop
    from promolab.simulated import OracleValues

SHOP, WEEKS, LEDGER = "shop", "weeks", "ledger.duckdb"
HORIZON = 4
"""Weeks after a window in which what came of it still counts."""
Opener = Callable[[Path], "Shop"]


def run_policy(asked: Asked, policy: str, folder: Path, opened: Opener) -> Iterator[dict[str, Any]]:
    """Let a policy decide week after week, and yield what came of each, those known first.

    Parameters
    ----------
    asked : Asked
    policy : str
    folder : Path
        The policy's own; what is there already is not done again.
    opened : callable
        Opens a folder of tables as a shop (`promolab.load_shop`).

    Yields
    ------
    dict
        A row of `promolab.loop.rehearsal.Rehearsal`.

    Notes
    -----
    A week's row is written before the world goes on, and the world goes on at once or not at all.
    So a week without a next one is decided again, to the same: what chance draws hangs on the seed
    and the week alone.
    """
    rows = folder / WEEKS
    known = sorted(rows.glob("[0-9]*.json")) if rows.exists() else []
    if len(known) > asked.weeks:
        raise InputError(f"{folder} holds more weeks than {asked.weeks}; give another folder")
    done = folder / "done"
    if done.exists():  # its world is not opened again
        yield from (json.loads(path.read_text("utf-8")) for path in known)
        return
    going = GoingShop.begin(asked.world, folder / SHOP, opened)
    rows.mkdir(exist_ok=True)
    memory = Memory(Learned())
    first = going.first
    for path in known:
        if int(path.stem) < going.week:
            yield json.loads(path.read_text("utf-8"))
    while (week := going.week) < first + asked.weeks * going.world.every:
        truth = going.latent_values()
        made = decide(policy, going, asked, truth, memory)
        row = plain({"policy": policy, "week": going.iso_week, **_came(made, truth)})
        if policy == LEARNED:
            row |= plain(_promised(asked, going, made, folder))
        write_whole(rows / f"{week:03d}.json", json.dumps(row, indent=1) + "\n")
        going.decide(made.decisions, made.chances)
        yield row
    write_whole(done, "")


def _came(made: Decided, truth: OracleValues) -> dict[str, Any]:
    """Return what a week's decisions truly add and cost, in money, by expectation."""
    sent = made.decisions[made.decisions["action"].astype(str) != "none"]
    who = pd.Index(truth.customers).get_indexer(pd.Index(sent["customer_id"]))
    what = pd.Index(truth.promotions).get_indexer(pd.Index(sent["action"].astype(str)))
    assert (who >= 0).all() and (what >= 0).all()
    return {
        "contacted": len(sent),
        "profit": float(np.sum(truth.value[who, what])),
        "spend": float(np.sum(truth.cost[who, what])),
        "foreseen": made.foreseen,
        "explored": made.explored,
        "pays": made.pays,
    }


def _promised(asked: Asked, going: GoingShop, made: Decided, folder: Path) -> dict[str, Any]:
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
            shop, book.decisions(earlier), book.decision_propensities(earlier),
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
