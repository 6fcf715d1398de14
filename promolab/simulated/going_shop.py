"""A simulated shop that goes on: what it is told to assign decides what happens next."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from promolab.contract import Shop
from promolab.errors import InputError
from promolab.simulated.going_folder import WEEKS, Folder, Making, as_table
from promolab.simulated.oracles import (
    MOMENTS,
    MOST,
    Attainable,
    Features,
    OracleValues,
    Seen,
    history,
    moment_of,
    moved,
    option_values,
    part_of,
)
from promolab.simulated.people import Customers
from promolab.simulated.rounds import (
    NEEDED,
    NEEDED_CHANCES,
    NOTHING,
    check_chances,
    check_columns,
    check_times,
    claims_of,
    decided_tables,
    drawn,
    keep_rest,
    numbers_of,
    people_of,
    places_of,
    write_log,
)
from promolab.simulated.tables import CHUNK, CONTACT_COST, OFFSET, promotion_tables, settings_of
from promolab.simulated.world import NONE, Promotion, World

if TYPE_CHECKING:
    import pandas as pd

Opener = Callable[[Path], Shop]
"""Opens a folder of tables: `promolab.load_shop`."""
LAST = 260
"""Weeks that a world may have."""
EARLIEST = 10
"""A world has eleven weeks at least."""
INDEPENDENT = 1_000_003
"""Seed of the independent draw."""


@functools.lru_cache(maxsize=2)
def _attainable(world: World, opened: Opener, features: Features) -> Attainable:
    from promolab.engines import scratch

    named = hashlib.sha256(repr(world).encode()).hexdigest()[:16]
    other = GoingShop.begin(world, Path(scratch()) / f"going-{named}", opened)
    return other._learned(features)


def _independent(world: World) -> World:
    """Return the world of an independent draw: one for all worlds that differ by seed alone."""
    seed = INDEPENDENT + (world.seed == INDEPENDENT)
    return dataclasses.replace(world, seed=seed, customers=min(world.customers, MOST))


class GoingShop:
    """A shop whose future is drawn week by week, given what was assigned.

    Its first weeks are those of the log that `promolab.load_shop` makes of such a world, with the
    log's own decisions; then each round of decisions comes from outside. The same assignments bring
    the same orders to the last byte, and what a customer does hangs on her own assignments alone.

    Parameters
    ----------
    world : World
        Its ``weeks`` are logged; decisions begin with the first round after them.
    folder : Path
        Empty or new, or one where this world's shop lies already: it goes on from there.
    opened : callable
        Opens a folder of tables as a shop: `promolab.load_shop`.
    like : Path, optional
        Folder of a shop of the same world: the log is copied from there.

    Examples
    --------
    >>> import tempfile
    >>> from promolab import load_shop
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     world = World(customers=300, weeks=12, variant="weekly")
    ...     going = GoingShop.begin(world, Path(folder) / "shop", load_shop)
    ...     going.decide(*going.of_nobody())
    ...     going.week, len(going.options), going.added_profit(12)
    (13, 12, 0.0)
    """

    def __init__(
        self, world: World, folder: Path, opened: Opener, like: Path | None = None
    ) -> None:
        self.world, self.opened = world, opened
        self._folder = Folder(folder, world)
        self._shop: Shop | None = None
        if not self._folder.known:
            log = like and like / WEEKS
            write_log(self._at(world.weeks - 1 + world.every), self._folder, log)
        known = self._folder.known
        self._week = known[-1]
        self._action = np.column_stack([self._folder.kept(week, "assigned") for week in known])
        self._folder.describe(settings_of(self._at(self.week)))

    @classmethod
    def begin(
        cls, world: World, folder: str | Path, opened: Opener, like: Path | None = None
    ) -> GoingShop:
        """Write the log, or open again what is there; what was not finished is made again."""
        return cls(world, Path(folder).expanduser(), opened, like)

    @property
    def folder(self) -> Path:
        """Where its tables lie; any tool can open them as a shop."""
        return self._folder.path

    @property
    def first(self) -> int:
        """The first week (from 0) whose decisions come from outside."""
        return self._folder.known[0]

    @property
    def week(self) -> int:
        """The week (from 0) to decide next."""
        return self._week

    @property
    def starts(self) -> datetime:
        """When that week begins, local time."""
        return self.world.starts(self.week)

    @property
    def iso_week(self) -> str:
        """That week as reports name it."""
        year, week, _ = self.starts.isocalendar()
        return f"{year}-W{week:02d}"

    @property
    def options(self) -> tuple[str, ...]:
        """The promotions that start in that week."""
        return tuple(p.id for p in self._round)

    @property
    def contactable(self) -> np.ndarray:
        """Ids of those who may be contacted and are in no standing holdout of the log."""
        return np.nonzero(self._eligible & ~self._standing)[0] + 1

    def shop(self) -> Shop:
        """Return the shop as it is known when that week begins: nothing of what comes is in it."""
        if self._shop is None:
            self._shop = self.opened(self.folder)
        return self._shop

    def of_nobody(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the decisions to contact nobody, in the columns of `decide`."""
        return self.decisions_of(np.full(self.world.customers, NONE))

    def decisions_of(self, places: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return sure decisions for all who may be contacted.

        Parameters
        ----------
        places : ndarray of int, shape (customers,)
            A place among `options`, or −1 for none.
        """
        import pandas as pd

        ids = np.nonzero(self._eligible)[0] + 1
        names = np.array([*self.options, NOTHING], dtype=object)[places[ids - 1]]
        decision = [f"D{n}-{self.week}" for n in ids]
        columns = {"decision_id": decision, "customer_id": ids, "action": names}
        frame = pd.DataFrame(columns).assign(propensity=1.0)
        return frame, frame[list(NEEDED_CHANCES)]

    def decide(self, decisions: pd.DataFrame, decision_propensities: pd.DataFrame) -> None:
        """Carry out a round of decisions and draw what follows, up to the next round.

        Parameters
        ----------
        decisions : DataFrame
            The contract's columns decision_id, customer_id, action (one of `options`, or ``none``)
            and propensity; ts (UTC; by default the start of the week), planned_action and holdout
            where there are any. Who has no row gets nothing.
        decision_propensities : DataFrame
            decision_id, action, propensity: of every action that was possible.

        Raises
        ------
        InputError
            They lack something, decide on a customer twice or on one whom the shop does not have,
            contact one who may not be contacted, name a promotion that does not start in that week,
            or have chances that are none, do not sum to 1 or do not agree.
        """
        if self.week + self.world.every > LAST - 1:
            raise InputError(f"the world ends with week {LAST}; begin another one")
        check_columns(decisions, NEEDED, "decisions")
        check_columns(decision_propensities, NEEDED_CHANCES, "decision_propensities")
        own = self._places(decisions)
        places_of(decision_propensities["action"], self.options, self.iso_week)
        check_chances(decisions, decision_propensities)
        start = self.starts - OFFSET
        rows = decisions if "ts" in decisions else decisions.assign(ts=start)
        check_times(rows, start)
        self._go_on(own, rows, decision_propensities)

    def added_profit(self, week: int, *, after: bool = False) -> float:
        """Return the true expected profit that a week's assignments added over assigning nobody.

        Summed over customers: the margin expected from the window's start to 28 days after its end,
        with the promotion less without, given all that was assigned before and nothing after;
        less the cost of the contacts. The sum over weeks is what all rounds together add over
        nobody: what a contact takes from later rounds is in theirs.

        Parameters
        ----------
        week : int
            A week (from 0) that was decided.
        after : bool
            Given also the rounds after, as far as they are decided, where rounds overlap: what the
            week's contacts take from them by fatigue is then in this. It is what a comparison of
            those contacted with others can read; where effects are gains it is less than without.
        """
        return self._decided(week, after)[0]

    def spent(self, week: int) -> float:
        """Return what a week's assignments cost: contacts, and what is expected to be taken off.

        Parameters
        ----------
        week : int
            A week (from 0) that was decided.
        """
        return self._decided(week)[1]

    def latent_values(self) -> OracleValues:
        """Return what each of `options` would truly add and cost, for each who may be contacted."""
        parts = [
            option_values(self._at(self.week), people, self._action[rows].astype(np.int64))
            for people, rows in self._chunks()
        ]
        gain, given = (np.concatenate(one) for one in zip(*parts, strict=True))
        mine = self.contactable
        cost = CONTACT_COST + np.maximum(given[mine - 1], 0.0)
        return OracleValues("latent", mine, self.options, gain[mine - 1] - CONTACT_COST, cost)

    def assigned_values(self, decisions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return value and cost of what each row of decisions assigns, as `latent_values` has them.

        Parameters
        ----------
        decisions : DataFrame
            customer_id and action, one of `options`, of some who may be contacted.
        """
        own, values = self._places(decisions), np.zeros((2, self.world.customers))
        for rows, *found in self._moved(self._at(self.week), own, self._action.shape[1]):
            values[:, rows] = found
        gain, given = values[:, numbers_of(decisions["customer_id"], self.world.customers)]
        return gain - CONTACT_COST, CONTACT_COST + np.maximum(given, 0.0)

    def attainable_values(self, features: Features = history) -> OracleValues:
        """Return what can be known of `latent_values` by one who may see whatever a shop sees.

        Boosted trees on `features`, the contacts before and the promotions' terms, fitted once to
        the noise-free truth of an independent draw: same world, another seed, assignments of all
        kinds, and without what nobody foresees, the promotions' own luck and the weeks' shocks.

        Parameters
        ----------
        features : callable, optional
            ``features(shop, moment)`` returns customer_id and what was known before the moment
            (UTC): numbers, and texts, which are taken as categories. By default what customers
            bought, looked at and answered, and their attributes.
        """
        fitted = _attainable(_independent(self.world), self.opened, features)
        mine = self.contactable
        gain, given = fitted.predict(self._seen(self.week, features).of(mine - 1))
        cost = CONTACT_COST + np.maximum(given, 0.0)
        return OracleValues("attainable", mine, self.options, gain - CONTACT_COST, cost)

    # The rest is how.

    def _seen(self, week: int, features: Features) -> Seen:
        import pandas as pd

        found = features(self.shop(), moment_of(self.world, week))
        if "customer_id" in found:
            found = found.set_index("customer_id")
        found = found.reindex(pd.RangeIndex(1, self.world.customers + 1))
        past = self._action[:, : self._rounds(week)].astype(np.int64)
        return Seen(self._at(week), found, past)

    def _learned(self, features: Features) -> Attainable:
        """Return models of what this shop's last rounds of the log truly bring."""
        people, seen, truth = people_of(self.world, 0), [], []
        weeks = [self.first - back * self.world.every for back in range(MOMENTS)]
        for turn, week in enumerate(week for week in weeks if week >= EARLIEST):
            mine = np.arange(turn, self.world.customers, MOMENTS)  # each customer at one moment
            one = self._seen(week, features).of(mine).redrawn(self.world.seed)
            seen.append(one)
            truth.append(option_values(one.world, part_of(people, mine), one.past, lucky=False))
        return Attainable.fit(seen, truth)

    @property
    def _round(self) -> list[Promotion]:
        return self._at(self.week).promotions[-self.world.per_round :]

    def _rounds(self, week: int) -> int:
        """Return how many rounds were before a week."""
        return len(self._at(week).rounds)

    def _at(self, week: int) -> World:
        """Return the world whose last round, which nobody has been assigned yet, is that week's."""
        return dataclasses.replace(self.world, weeks=week + 1)

    def _chunks(self) -> list[tuple[Customers, slice]]:
        many = self.world.customers
        firsts = range(0, many, CHUNK)
        return [(people_of(self.world, a), slice(a, min(a + CHUNK, many))) for a in firsts]

    @functools.cached_property
    def _eligible(self) -> np.ndarray:
        return self._folder.kept(self.first, "eligible")

    @functools.cached_property
    def _standing(self) -> np.ndarray:
        return np.concatenate([people.standing for people, _ in self._chunks()])

    def _places(self, decisions: pd.DataFrame) -> np.ndarray:
        """Return what everybody gets: a place in the round, or `NONE`."""
        position = numbers_of(decisions["customer_id"], self.world.customers)
        place = places_of(decisions["action"], self.options, self.iso_week)
        wrong = (place != NONE) & ~self._eligible[position]
        if wrong.any():
            raise InputError(
                f"customer {int(position[wrong.argmax()]) + 1} may not be contacted; such can only "
                f"have the action {NOTHING!r}"
            )
        own = np.full(self.world.customers, NONE)
        own[position] = place
        return own

    def _decided(self, week: int, after: bool = False) -> tuple[float, float]:
        weeks = list(range(self.first, self.week, self.world.every))
        if week not in weeks:
            raise InputError(f"week {week} was not decided here; expected one of {weeks}")
        return self._worth(week, self._action[:, self._rounds(week)], after)

    def _worth(self, week: int, own: np.ndarray, after: bool = False) -> tuple[float, float]:
        """Return the profit that an assignment adds over none, and what it costs."""
        number = self._rounds(week)
        until = self._action.shape[1] if after else number
        world = self._at(self.week if until > number else week)
        contacts = CONTACT_COST * float((own != NONE).sum())
        margin = discount = 0.0
        for _, gain, given in self._moved(world, own, number, until):
            margin, discount = margin + float(gain.sum()), discount + float(given.sum())
        return margin - contacts, contacts + discount

    def _moved(
        self, world: World, own: np.ndarray, number: int, until: int | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield places of customers assigned something, what it adds, and what it takes off."""
        for people, rows in self._chunks():
            who = np.nonzero(own[rows] != NONE)[0]
            if len(who):
                action = self._action[rows, :until][who].astype(np.int64)
                mine = own[rows][who].astype(np.int64)
                yield rows.start + who, *moved(world, people, who, action, mine, number)

    def _go_on(self, own: np.ndarray, decisions: pd.DataFrame, chances: pd.DataFrame) -> None:
        week = self.week
        world = self._at(week + self.world.every)
        making = Making(self._folder.weeks, week + self.world.every)
        action = np.column_stack([self._action, own.astype(np.int8)])
        for table, columns in decided_tables(decisions, chances):
            making.write(table, 0, as_table(columns, self._folder.schema(table)))
        for table, columns in promotion_tables(world, world.promotions[-world.per_round :]):
            making.write(table, 0, as_table(columns, self._folder.schema(table)))
        past, claimed = self._folder.kept(week, "claimed"), []
        late = [self._folder.kept_rows(week, "reviews")]
        for people, rows in self._chunks():
            mine = past[(past[:, 0] > rows.start) & (past[:, 0] <= rows.stop)]
            for table, columns in drawn(world, people, action[rows].astype(np.int64), mine):
                found = as_table(columns, self._folder.schema(table))
                if table == "reviews":
                    late.append(found)
                    continue
                making.write(table, rows.start // CHUNK, found)
                if table == "responses":
                    since = (action.shape[1] - 1) * world.per_round
                    claimed.append(claims_of(columns, world.promotions, since))
        keep_rest(making, week + self.world.every, late, claimed)
        making.keep("assigned", own.astype(np.int8))
        making.publish()
        self._action, self._week, self._shop = action, week + self.world.every, None
        self._folder.describe(settings_of(world))
