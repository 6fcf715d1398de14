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
from promolab.results import plain
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
class RehearsalSettings:
    """What a rehearsal is asked for; `RehearsalSettings.of` checks it.

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

    @classmethod
    def of(cls, **given: Any) -> RehearsalSettings:
        """Check what a rehearsal is asked for: all that `promolab.loop.rehearse` takes of it.

        Raises
        ------
        InputError
            It cannot be: the argument, what was given, and what is expected.
        """
        many, budget = whole_number("customers", given["customers"], 200), given["budget"]
        each = A_CUSTOMER * many if budget is None else real_number("budget", budget, least=0)
        if not math.isfinite(each):
            raise InputError(f"budget is {each}; expected money for each week, such as 5000")
        found = cls(
            weeks=whole_number("weeks", given["weeks"], 1, MOST_WEEKS),
            customers=many,
            policies=_policies(given["policy"]),
            budget=float(each),
            variant=str(given["variant"]),
            seed=seed_of(given["seed"]),
            explore=share("exploration", given["exploration"], one=False),
            holdout=share("holdout", given["holdout"], zero=False, one=False),
        )
        if found.world.variant == "hard":
            raise InputError(
                "the loop runs in the variants weekly, default and null, not in 'hard'"
            )
        return found

    @property
    def run(self) -> tuple[str, ...]:
        """The policies whose worlds are drawn, the oracles last; nobody adds nothing anywhere."""
        return (*(one for one in self.policies if one != NOBODY), *ORACLES)

    @property
    def world(self) -> World:
        """The world they all live in."""
        many, seed = self.customers, self.seed
        return World(customers=many, weeks=LOGGED, seed=seed, variant=self.variant)


def _policies(policies: Any) -> tuple[str, ...]:
    """Return the policies named, each once."""
    named = policies.split(",") if isinstance(policies, str) else list(policies)
    found = tuple(dict.fromkeys(str(one).strip() for one in named if str(one).strip()))
    for one in found:
        if one not in POLICIES:
            raise InputError(f"there is no policy {one!r}; {nearest(one, POLICIES)}")
    if not found:
        raise InputError(f"no policy is named; expected some of {', '.join(POLICIES)}")
    return found


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
