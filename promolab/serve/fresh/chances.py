"""The chance of a response, now: a customer is worked out again where an event or a day changes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.serve.fresh.events import Event
from promolab.serve.fresh.pairs import LivePairs

if TYPE_CHECKING:
    from promolab.contract import Shop
    from promolab.model import ArrayModel
    from promolab.serve.fresh.live import LiveFeatures

MOST_KEPT = 20_000
"""Customers who are kept as the model reads them."""


@dataclass
class _Known:
    """A customer with some promotions as the model reads them, and from when until when."""

    row: dict[str, Any]
    matrix: np.ndarray
    since: int
    until: int


class LiveChances:
    """What the week's model says of a customer now.

    Parameters
    ----------
    model : ArrayModel
    shop : Shop
    live : LiveFeatures
        Of the same shop; it takes in the same events.
    """

    def __init__(self, model: ArrayModel, shop: Shop, live: LiveFeatures) -> None:
        self.model, self.live = model, live
        self.pairs = LivePairs(shop, live, model.columns)
        self._needed = frozenset(model.columns)
        self._column = {name: j for j, name in enumerate(model.columns)}
        self._place = {str(name): place for name, place in self.pairs.place.items()}
        self._waiting: defaultdict[Any, list[Event]] = defaultdict(list)
        self._kept: dict[Any, dict[tuple[str, ...], _Known]] = {}

    def take(self, event: Event) -> None:
        """Take in an event that `LiveFeatures.take` found to be new."""
        if event.kind == "purchase":
            self._waiting[event.customer_id].append(event)
        self._kept.pop(event.customer_id, None)

    def of(self, customer: Any, asked: tuple[str, ...], moment: int) -> dict[str, float]:
        """Return the chance of a response to each promotion.

        Parameters
        ----------
        customer : object
            As the shop writes it.
        asked : tuple of str
            Promotions that the shop has.
        moment : int
            Microseconds since 1970, after all that was taken in.
        """
        if not asked:
            return {}
        known = self._kept.get(customer, {}).get(asked)
        if known is None or not known.since <= moment <= known.until:
            known = self._read(customer, asked, moment)
        for name, value in self.live.moved(known.row, known.since, moment).items():
            if (j := self._column.get(name)) is not None:
                known.matrix[:, j] = value
        return dict(zip(asked, self.model.of(known.matrix).tolist(), strict=True))

    def _read(self, customer: Any, asked: tuple[str, ...], moment: int) -> _Known:
        for event in self._waiting.pop(customer, ()):
            self.pairs.take(event)
        places = np.array([self._place[promotion] for promotion in asked], dtype=np.int64)
        row = self.live.row(customer, moment, self._needed)
        columns = row | self.pairs.columns(customer, places, moment)
        until = min(
            self.live.steady_until(customer, moment), self.pairs.steady_until(customer, moment)
        )
        found = _Known(row, self.model.read(columns, len(places)), moment, until)
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        mine = self._kept.setdefault(customer, {})
        if len(mine) > 1:  # the plan's promotions, and those that are asked for
            mine.clear()
        mine[asked] = found
        return found
