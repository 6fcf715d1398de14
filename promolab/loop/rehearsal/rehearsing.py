"""The loop from its first week to its last: one world for each policy, all with the same luck."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from promolab.loop.rehearsal.asked import LEARNED, Asked, asked_of, claim
from promolab.loop.rehearsal.result import Rehearsal
from promolab.loop.rehearsal.running import run_policy

Told = Callable[[str, int, int], None]
"""Told of each week: what to say, weeks done, weeks in all."""


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
        ``learned`` (the week's own steps: effects of past decisions, what promotions are worth, the
        allocation, exploration, holdouts, promises, ledger), ``response`` (whoever is likeliest to
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
    asked = asked_of(weeks, customers, policy, budget, variant, seed, exploration, holdout)
    with _folder(out) as folder:
        claim(folder, asked)
        return Rehearsal.of(pd.DataFrame(_rows(asked, folder, told)), asked)


@contextmanager
def _folder(out: str | Path | None) -> Iterator[Path]:
    if out is not None:
        yield Path(out).expanduser()
        return
    with tempfile.TemporaryDirectory(prefix="promolab-loop-") as place:
        yield Path(place) / "loop"


def _rows(asked: Asked, folder: Path, told: Told | None) -> list[dict[str, Any]]:
    from promolab.sources import load_shop

    found: list[dict[str, Any]] = []
    for policy in asked.run:
        for number, row in enumerate(run_policy(asked, policy, folder / policy, load_shop), 1):
            found.append(row | {"number": number})
            if told is not None:
                said = f"{policy}, week {number}: added {row['profit']:,.0f}"
                told(said, len(found), len(asked.run) * asked.weeks)
    return found
