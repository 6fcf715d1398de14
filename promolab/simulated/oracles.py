"""What assignments of a round truly bring, and what of that boosted trees can know."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.contract import Shop
from promolab.simulated.effects import course, outcomes_of, tired
from promolab.simulated.people import Customers
from promolab.simulated.tables import OFFSET
from promolab.simulated.world import CATEGORIES, KINDS, NONE, World
from promolab.threads import single_threaded

if TYPE_CHECKING:
    import pandas as pd

MOMENTS = 3
"""Rounds of the independent draw that are learned from."""
LATELY = 6
"""Rounds whose assignments are drawn anew: before them all is nearly forgotten."""
MOST = 20_000
"""Customers of it."""
Features = Callable[[Shop, datetime], "pd.DataFrame"]
"""From a shop and a moment (UTC) to customer_id and what was known before it."""


def history(shop: Shop, moment: datetime) -> pd.DataFrame:
    """Return what a shop knows of its customers: attributes, purchases, visits, responses.

    Parameters
    ----------
    shop : Shop
    moment : datetime
        UTC without a zone; nothing at or after it is read.

    Returns
    -------
    DataFrame
        One row per customer, by customer_id.
    """
    events, goods = shop.events, shop.products.select("product_id", "category")
    events = events.filter(events.ts < moment)
    bought = events.filter(events.kind == "purchase")
    now = int((moment - datetime(1970, 1, 1)).total_seconds())
    # Cents: sums of whole numbers are the same in whatever order they are added up.
    bought = bought.mutate(
        cents=((bought.amount + bought.discount) * 100).round().cast("int64"),
        off=(bought.discount * 100).round().cast("int64"),
        used=(bought.coupon_discount * 100).round().cast("int64"),
        ago=(now - bought.ts.epoch_seconds()) / 604_800,
    ).join(goods, "product_id")
    orders = bought.order_id.nunique
    spent = bought.group_by("customer_id").aggregate(
        orders=orders(),
        orders_8=orders(where=bought.ago <= 8),
        orders_2=orders(where=bought.ago <= 2),
        spend=bought.cents.sum(),
        largest=bought.cents.max(),
        off=bought.off.sum(),
        used=bought.used.sum(),
        last=bought.ago.min(),
        products=bought.product_id.nunique(),
        **{f"in_{c}": bought.cents.sum(where=bought.category == c) for c in CATEGORIES},
    )
    seen = events.group_by("customer_id").aggregate(
        **{kind: (events.kind == kind).sum() for kind in ("view", "click", "cart", "share")}
    )
    told = shop.responses
    told = told.filter(told.ts < moment)
    names = ("open", "click", "claim", "redeem", "unsubscribe", "complaint")
    said = told.group_by("customer_id").aggregate(
        **{f"said_{kind}": (told.kind == kind).sum() for kind in names}
    )
    found: pd.DataFrame = shop.customers.execute().set_index("customer_id").sort_index()
    found = found.drop(columns=["status", "cluster_id"], errors="ignore")
    found["since"] = (moment - found["since"]).dt.days
    for part in (spent, seen, said):
        found = found.join(part.execute().set_index("customer_id").astype(float))
    shares = [f"in_{c}" for c in CATEGORIES]
    found[shares] = found[shares].fillna(0).div(found["spend"].clip(lower=1), axis=0)
    found["basket"] = found["spend"] / found["orders"]
    return found


def boosted_trees(many: int = 200) -> Any:
    """Return what learns effects from noise-free truth: so many boosted trees."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(
        categorical_features="from_dtype",
        early_stopping=False,
        learning_rate=0.05 * 200 / many,
        max_iter=many,
        max_leaf_nodes=15,
        min_samples_leaf=50,
        random_state=0,
    )


@dataclass(frozen=True)
class Seen:
    """What can be seen of a round: customers, contacts before it, and its terms.

    Parameters
    ----------
    world : World
        Whose last week is that of the round.
    customers : DataFrame
        By customer_id.
    past : ndarray of int, shape (n, rounds)
        What each of them was assigned before.
    """

    world: World
    customers: pd.DataFrame
    past: np.ndarray

    def of(self, which: np.ndarray) -> Seen:
        """Return what is seen of some of the customers, by their positions."""
        return Seen(self.world, self.customers.iloc[which], self.past[which])

    def redrawn(self, seed: int) -> Seen:
        """Return the same after other assignments lately, so that a policy's are among them.

        Some customers are contacted in every round, some in none: a log knows neither. What they
        did before stays as it was; the truth that goes with it is that of these assignments.
        """
        n, many = len(self.past), min(LATELY, self.past.shape[1])
        rng = np.random.default_rng([seed, 18, self.world.weeks])
        often, drawn = rng.uniform(size=(n, 1)), rng.uniform(size=(n, many))
        place = rng.integers(0, self.world.per_round, (n, many))
        past = self.past.copy()
        past[:, past.shape[1] - many :] = np.where(drawn < often, place, NONE)
        return Seen(self.world, self.customers, past)

    def rows(self, kind: str) -> tuple[pd.DataFrame, list[int]]:
        """Return a row per customer and promotion of a kind, and the promotions' places."""
        import pandas as pd

        world, number = self.world, self.past.shape[1]
        round_ = world.promotions[-world.per_round :]
        before = [*world.promotions[-2 * world.per_round : -world.per_round], None]
        last = self.past[:, -1] if number and world.overlaps else np.full(len(self.past), NONE)
        none = np.zeros((len(self.past), 1), dtype=int)
        common = self.customers.assign(
            remembered=tired(world, np.hstack([self.past, none]))[:, -1],
            lately=(self.past[:, max(number - 2, 0) :] != NONE).sum(axis=1),
            runs=np.array([KINDS.index(p.kind) if p else NONE for p in before])[last],
            runs_at=np.array([p.terms.depth if p else 0.0 for p in before])[last],
        )
        places = [place for place, p in enumerate(round_) if p.kind == kind]
        parts = []
        for place in places:
            terms, category = round_[place].terms, CATEGORIES[round_[place].category]
            own = common.get(f"in_{category}", 0.0)
            parts.append(common.assign(depth=terms.depth, threshold=terms.threshold, own_share=own))
        return pd.concat(parts, ignore_index=True), places


@dataclass(frozen=True)
class Attainable:
    """Models of the truth by kind, fitted once; `predict` says what they see in any round."""

    models: dict[str, tuple[Any, Any]]
    columns: list[str]
    levels: dict[str, Any]

    @classmethod
    def fit(
        cls, seen: Sequence[Seen], truth: Sequence[tuple[np.ndarray, np.ndarray]]
    ) -> Attainable:
        """Fit to the gains and discounts of some rounds, shape (n, promotions of a round) each."""
        import pandas as pd

        models: dict[str, tuple[Any, Any]] = {}
        columns: list[str] = []
        levels: dict[Any, Any] = {}
        for kind in seen[0].world.kinds:
            parts = [(one.rows(kind), *both) for one, both in zip(seen, truth, strict=True)]
            rows = pd.concat([found for (found, _), *_ in parts], ignore_index=True)
            if not columns:
                words = [c for c in rows if not pd.api.types.is_numeric_dtype(rows[c])]
                levels = {c: pd.CategoricalDtype(sorted(rows[c].dropna().unique())) for c in words}
                columns = list(rows.columns)
            rows = rows.astype(levels)
            targets = [
                np.concatenate(
                    [found[which][:, places].ravel("F") for (_, places), *found in parts]
                )
                for which in (0, 1)
            ]
            with single_threaded("openmp"):  # of so few rows several threads wait for each other
                models[kind] = (
                    boosted_trees().fit(rows, targets[0]),
                    boosted_trees(80).fit(rows, targets[1]),
                )
        return cls(models, columns, levels)

    def predict(self, seen: Seen) -> tuple[np.ndarray, np.ndarray]:
        """Return the gain and discount predicted, shape (n, promotions of the round) each."""
        n, per_round = len(seen.customers), seen.world.per_round
        gain, discount = np.zeros((n, per_round)), np.zeros((n, per_round))
        for kind, (of_gain, of_discount) in self.models.items():
            rows, places = seen.rows(kind)
            rows = rows[self.columns].astype(self.levels)
            with single_threaded("openmp"):
                gain[:, places] = of_gain.predict(rows).reshape(len(places), n).T
                discount[:, places] = of_discount.predict(rows).reshape(len(places), n).T
        return gain, discount


def moment_of(world: World, week: int) -> datetime:
    """Return when a week begins, UTC without a zone."""
    return world.starts(week) - OFFSET


@dataclass(frozen=True)
class OracleValues:
    """What each promotion of a round adds to each customer and costs, for an allocator.

    Parameters
    ----------
    kind : {"latent", "attainable"}
        Known exactly, or predicted from what can be seen.
    customers : ndarray of int, shape (n,)
        Ids of those who may be contacted.
    promotions : tuple of str
        Those that start in the week.
    value : ndarray, shape (n, promotions)
        Margin added over none, window and horizon, less the contact's cost.
    cost : ndarray, shape (n, promotions)
        Cost of the contact and of what the promotion is expected to take off in its window.
    """

    kind: str
    customers: np.ndarray
    promotions: tuple[str, ...]
    value: np.ndarray
    cost: np.ndarray


def part_of(customers: Customers, which: np.ndarray) -> Customers:
    """Return some of the customers."""
    fields = dataclasses.fields(customers)
    return Customers(**{f.name: getattr(customers, f.name)[which] for f in fields})


def moved(
    world: World,
    customers: Customers,
    which: np.ndarray,
    action: np.ndarray,
    own: np.ndarray,
    number: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return by how much what each is assigned in a round moves what is expected of them.

    Parameters
    ----------
    world : World
        Whose last week is that of the last round of ``action``, or of the one after it.
    customers : Customers
        A chunk.
    which : ndarray of int, shape (n,)
        Whom of them it is asked for.
    action : ndarray of int, shape (n, rounds)
        What they were assigned in other rounds.
    own : ndarray of int, shape (n,)
        A place in the round each; none is `NONE`.
    number : int, optional
        Which round; by default the one after all of ``action``. Where rounds overlap, those after
        it are as ``action`` has them.

    Returns
    -------
    gain, discount : ndarray, shape (n,)
        Margin in window and horizon, and what is taken off in the window.
    """
    number = action.shape[1] if number is None else number
    return _differences(outcomes_of(world, part_of(customers, which), action, number, own))


def _differences(found: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return (
        np.asarray(found["margin_with"] - found["margin_without"]),
        np.asarray(found["discount_with"] - found["discount_without"]),
    )


def option_values(
    world: World, customers: Customers, past: np.ndarray, *, lucky: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Return the margin that each promotion of the round adds to each customer, and its discount.

    Parameters
    ----------
    world, customers, past
        As in `moved`, of all customers of the chunk.
    lucky : bool
        Whether with the promotions' own luck and the weeks' seasons and shocks, or without.

    Returns
    -------
    gain, discount : ndarray, shape (n, promotions of a round)
        The discount is what is taken off in the window more than without it.
    """
    number = past.shape[1]
    given: Any = {"promotions": world.promotions, "lucky": lucky}
    without = course(world, customers, past, number, **given)
    found = [
        _differences(outcomes_of(world, customers, past, number, place, without=without, **given))
        for place in range(world.per_round)
    ]
    gains, discounts = zip(*found, strict=True)
    return np.column_stack(gains), np.column_stack(discounts)
