"""Who was assigned what in a week, the groups that figures are told of, and their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import columns_there
from promolab.contract import NONE
from promolab.loop.ledger_file import KEYS_OF_A_FIGURE as KEYS
from promolab.loop.ledger_file import LEDGER_TABLES, NUMBERS

if TYPE_CHECKING:
    from datetime import datetime

ALL = ""
"""Instead of a promotion: the whole plan. Instead of a segment: all customers."""
REDEMPTIONS, RATE, SPEND, PROFIT = "redemptions", "response_rate", "spend", "added_profit"
PROMISED_MEASURES = (REDEMPTIONS, RATE, SPEND, PROFIT)
"""Customers who respond and their share; discounts and contacts; margin less all costs."""
PER = {REDEMPTIONS: "total", RATE: "customer", SPEND: "total", PROFIT: "total"}
RANDOMISED, UNKNOWN, COUNTED = "randomised", "not identified", "counted"
"""What a row rests on: comparison by chance, nothing, or a count that needs no comparison."""
PROVISIONAL, SETTLED = "provisional", "settled"

_TEXTS = (*KEYS, "per", "identification", "state")


def typed(rows: Iterable[dict[str, Any]], table: str) -> pd.DataFrame:
    """Return rows as a table of the ledger has them, in one order.

    Parameters
    ----------
    rows : iterable of dict
        What a row lacks is missing in it.
    table : {"predictions", "outcomes"}

    Examples
    --------
    >>> row = {"week": "2024-W40", "measure": "spend", "value": 3}
    >>> typed([row], "predictions")["value"].tolist()
    [3.0]
    """
    columns = LEDGER_TABLES[table]
    frame = pd.DataFrame(list(rows)).reindex(columns=list(columns))
    for name in columns:
        if name in NUMBERS:
            frame[name] = frame[name].astype(float)
        elif name in _TEXTS:
            frame[name] = frame[name].astype(object).fillna("").astype(str)
    frame["n"] = frame["n"].fillna(0).astype("int64")
    if "known_at" in columns:
        frame["known_at"] = pd.to_datetime(frame["known_at"]).astype("datetime64[us]")
    order = {name: place for place, name in enumerate(PROMISED_MEASURES)}
    place = frame["measure"].map(order).fillna(len(order))
    frame = frame.assign(place=place).sort_values(
        ["week", "promotion_id", "segment", "place"], kind="stable", ignore_index=True
    )
    return frame.drop(columns="place")


def rates_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of redemptions as one of their share; of nobody there is none.

    Parameters
    ----------
    row : dict
        With ``n`` customers.
    """
    n = row["n"]
    shares = {k: v / n if n else np.nan for k, v in row.items() if k in NUMBERS and k != "level"}
    return row | shares | {"measure": RATE, "per": PER[RATE]}


FEWEST = 20
"""Customers on either side; of fewer, one large basket makes the figure."""
OTHER = "No segment"


@dataclass(frozen=True)
class Assigned:
    """A week's decisions, the standing holdout left out.

    Parameters
    ----------
    customers : ndarray of shape (n,)
        Ids.
    promotions : tuple of P texts
        Actions that were possible.
    action : ndarray of int of shape (n,)
        Place of what each got; −1 for nothing.
    odds : ndarray of shape (n, P)
        Chance of each action over that of nothing: what one who got nothing weighs for those who
        got the action. 0 where either could not be.
    segment : ndarray of n texts
    cluster : ndarray of int of shape (n,)
        Who was drawn together.
    ts : datetime
        When it was decided.
    """

    customers: np.ndarray = field(repr=False)
    promotions: tuple[str, ...]
    action: np.ndarray = field(repr=False)
    odds: np.ndarray = field(repr=False)
    segment: np.ndarray = field(repr=False)
    cluster: np.ndarray = field(repr=False)
    ts: datetime

    def __len__(self) -> int:
        return len(self.customers)

    @property
    def got(self) -> np.ndarray:
        """Whether each got anything."""
        return np.asarray(self.action >= 0)

    @property
    def comparable(self) -> np.ndarray:
        """Who got something and could have got nothing."""
        own = np.take_along_axis(self.odds, np.maximum(self.action, 0)[:, None], axis=1)[:, 0]
        return np.asarray(self.got & (own > 0))

    @property
    def weight(self) -> np.ndarray:
        """What those who got nothing weigh for all who got something; 0 of these, shape (n,)."""
        return np.where(self.got, 0.0, self.odds.sum(axis=1))

    def groups(self, *, by_segment: bool = True) -> Iterator[Group]:
        """Yield the whole plan, each promotion that somebody got, and each segment."""
        everybody, every = np.ones(len(self), dtype=bool), np.arange(len(self.promotions))
        yield Group(ALL, ALL, self.got, every, everybody)
        for place in np.unique(self.action[self.got]):
            mine = self.action == place
            yield Group(self.promotions[place], ALL, mine, np.array([place]), everybody)
        for name in np.unique(self.segment[self.got].astype(str)) if by_segment else ():
            inside = self.segment == name
            yield Group(ALL, str(name), self.got & inside, every, inside)


@dataclass(frozen=True)
class Group:
    """Customers whom a figure is about.

    Parameters
    ----------
    promotion_id, segment : str
        `ALL` for all.
    got : ndarray of bool of shape (n,)
        Who of the group got something.
    places : ndarray of int
        Promotions that count.
    inside : ndarray of bool of shape (n,)
        Who is in the segment, whatever was got.
    """

    promotion_id: str
    segment: str
    got: np.ndarray = field(repr=False)
    places: np.ndarray = field(repr=False)
    inside: np.ndarray = field(repr=False)

    def weight(self, week: Assigned) -> np.ndarray:
        """Return what those who got nothing weigh for those of the group who got something."""
        odds = week.odds[:, self.places].sum(axis=1)
        return np.where(week.got | ~self.inside, 0.0, odds)

    def enough(self, week: Assigned) -> bool:
        """Whether both sides are large enough to be compared."""
        weight = self.weight(week)
        worth = weight.sum() ** 2 / max(float(weight @ weight), 1e-300)
        compared = int((self.got & week.comparable).sum())
        return bool(compared >= max(FEWEST, 0.9 * self.got.sum()) and worth >= FEWEST)


def assigned_of(
    decisions: pd.DataFrame,
    chances: pd.DataFrame,
    *,
    segments: pd.Series[Any] | None = None,
    clusters: Callable[[pd.Index], pd.Series[Any] | None] = lambda _: None,
) -> Assigned:
    """Read the decisions of one week.

    Parameters
    ----------
    decisions : DataFrame
        decision_id, customer_id, ts, action, propensity, and holdout where it is told.
    chances : DataFrame
        decision_id, action, propensity: every action that was possible, ``none`` among them.
    segments : Series, optional
        By customer_id.
    clusters : callable, optional
        Given ids of customers, returns who was drawn together; None where that is not known.

    Raises
    ------
    InputError
        A column is missing.
    """
    columns_there(decisions, ("decision_id", "customer_id", "ts", "action"), "decisions")
    columns_there(chances, ("decision_id", "action", "propensity"), "decision_propensities")
    rows = decisions
    if "holdout" in rows:
        rows = rows[rows["holdout"].fillna(NONE) != "standing"]
    rows = rows.sort_values(["ts", "customer_id"]).drop_duplicates("customer_id")
    rows = rows.sort_values("customer_id", ignore_index=True)
    place = pd.Index(rows["decision_id"]).get_indexer(pd.Index(chances["decision_id"]))
    known, action = place >= 0, chances["action"].astype(str).to_numpy()
    taken = rows["action"].astype(str).to_numpy()
    names = sorted({*np.unique(action[known]), *np.unique(taken)} - {NONE})
    code = pd.Index(names).get_indexer(pd.Index(action))
    chance = chances["propensity"].to_numpy(dtype=float)
    drawn, none = np.zeros((len(rows), len(names))), np.zeros(len(rows))
    some = known & (code >= 0)
    drawn[place[some], code[some]] = chance[some]
    none[place[known & (action == NONE)]] = chance[known & (action == NONE)]
    odds = np.divide(drawn, none[:, None], out=np.zeros_like(drawn), where=none[:, None] > 0)
    who = rows["customer_id"]
    own = np.full(len(rows), OTHER, dtype=object)
    if segments is not None:
        own = who.map(segments).astype(object).fillna(OTHER).astype(str).to_numpy(dtype=object)
    cluster = np.arange(len(rows))
    if (together := clusters(pd.Index(who))) is not None:
        unit = pd.Series(together.to_numpy(), who.index)
        unit = unit.astype(str).where(unit.notna(), "customer " + who.astype(str))
        cluster = pd.factorize(unit)[0]
    when = rows["ts"].min()
    return Assigned(
        who.to_numpy(),
        tuple(names),
        pd.Index(names).get_indexer(pd.Index(taken)),
        odds,
        own,
        cluster,
        when.to_pydatetime() if hasattr(when, "to_pydatetime") else when,
    )
