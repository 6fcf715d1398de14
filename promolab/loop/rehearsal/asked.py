"""What a rehearsal is asked for, written into its folder: another one is refused there."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promolab.checks import real_number, seed_of, share, whole_number
from promolab.errors import InputError, nearest
from promolab.folder import write_whole
from promolab.simulated import World

LEARNED, RESPONSE, RANDOM, EVERYONE, NOBODY = "learned", "response", "random", "everyone", "nobody"
ORACLES = ("attainable", "latent")
POLICIES = (LEARNED, RESPONSE, RANDOM, EVERYONE, NOBODY)
"""What may decide; both oracles are there beside them."""
LOGGED = 26
"""Weeks that are over when the loop begins."""
A_CUSTOMER = 0.5
"""Default budget of a week, in the shop's currency for each customer."""
MOST_WEEKS = 200
FILE = "loop.json"


@dataclass(frozen=True)
class Asked:
    """What a rehearsal is asked for; `asked_of` checks it.

    Parameters
    ----------
    weeks, customers, seed : int
    policies : tuple of str
    budget : float
        Of every week, in the shop's currency.
    variant : str
    explore, holdout : float
        Shares of the learned policy's customers whose promotion chance draws, and of its planned
        contacts that are held back.
    """

    weeks: int
    customers: int
    policies: tuple[str, ...]
    budget: float
    variant: str
    seed: int
    explore: float
    holdout: float

    @property
    def run(self) -> tuple[str, ...]:
        """The policies whose worlds are drawn, the oracles last; nobody adds nothing anywhere."""
        return (*(one for one in self.policies if one != NOBODY), *ORACLES)

    @property
    def world(self) -> World:
        """The world they all live in."""
        return World(
            customers=self.customers, weeks=LOGGED, seed=self.seed, variant=self.variant
        )  # fmt: skip

    def written(self) -> str:
        """Return it as JSON."""
        return json.dumps(dataclasses.asdict(self), indent=1) + "\n"


def asked_of(
    weeks: Any,
    customers: Any,
    policies: Any,
    budget: Any,
    variant: Any,
    seed: Any,
    explore: Any,
    holdout: Any,
) -> Asked:
    """Check what a rehearsal is asked for.

    Raises
    ------
    InputError
        It cannot be: the argument, what was given, and what is expected.
    """
    many = whole_number("customers", customers, 200)
    each = A_CUSTOMER * many if budget is None else real_number("budget", budget, least=0)
    if not math.isfinite(each):
        raise InputError(f"budget is {each}; expected money for each week, such as 5000")
    found = Asked(
        weeks=whole_number("weeks", weeks, 1, MOST_WEEKS),
        customers=many,
        policies=policies_of(policies),
        budget=float(each),
        variant=str(variant),
        seed=seed_of(seed),
        explore=share("exploration", explore, one=False),
        holdout=share("holdout", holdout, zero=False, one=False),
    )
    if found.world.variant == "hard":
        raise InputError("the loop runs in the variants weekly, default and null, not in 'hard'")
    return found


def policies_of(policies: Any) -> tuple[str, ...]:
    """Return the policies named, each once.

    Examples
    --------
    >>> policies_of("learned, random")
    ('learned', 'random')
    """
    named = policies.split(",") if isinstance(policies, str) else list(policies)
    found = tuple(dict.fromkeys(str(one).strip() for one in named if str(one).strip()))
    for one in found:
        if one not in POLICIES:
            raise InputError(f"there is no policy {one!r}; {nearest(one, POLICIES)}")
    if not found:
        raise InputError(f"no policy is named; expected some of {', '.join(POLICIES)}")
    return found


def claim(folder: Path, asked: Asked) -> None:
    """Make the folder this rehearsal's, or see that it is.

    Raises
    ------
    InputError
        It holds something else, or a rehearsal with other arguments.
    """
    path = folder / FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            if any(one.name != f".{FILE}" for one in folder.iterdir()):
                raise InputError(f"{folder} holds something else; give an empty or a new folder")
            write_whole(path, asked.written())
        there = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be used: {error}; give another folder") from error
    mine = json.loads(asked.written())
    for name, value in mine.items():
        if there.get(name) != value:
            raise InputError(
                f"{folder} holds a loop with {name} = {there.get(name)}, and this one has {value}; "
                "give another folder, or the same arguments to go on"
            )
