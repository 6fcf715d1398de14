"""Features that are kept fresh: loaded as of a moment, then brought along event by event."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab import features
from promolab.errors import InputError
from promolab.features import POSITIVE_RESPONSES, PRIOR_CONTACTS, build_features, read_as_of
from promolab.serve import formulas
from promolab.serve.events import NEVER, Event, EventReader, microseconds, rows_of
from promolab.serve.formulas import BROWSED, MONEY, UNITS, Clock
from promolab.serve.loading import KeyedRows, load_tables, products_of

if TYPE_CHECKING:
    import pandas as pd

    from promolab.contract import Shop


STALE = ("price_level",)
"""Features that need everybody's purchases; they stay as of the beginning, and say so."""
MOVING = ("purchase", "return", "cancel")
BROWSING = (*(f"{name}_28d" for name in BROWSED.values()), "view_to_purchase_rate")
"""Features that are there from the first such event on."""
Rows = dict[str, tuple[np.ndarray, np.ndarray]]


class LiveFeatures:
    """The features of `promolab.build_features`, kept fresh by events.

    Counts, sums, first and last times, what was first seen, and spans of 28 and 84 days are kept
    exactly: at any moment after the last event they are what `promolab.build_features` says of a
    shop that has those events, in whatever order they came. What would need everybody's purchases
    again (`price_level`) stays as of the beginning; the column ``price_level_as_of`` says of when.

    Parameters
    ----------
    shop : Shop
        Cleaned or not; what happened before ``as_of`` is read once, and nothing later.
    as_of : datetime
        UTC if it has no zone.

    Attributes
    ----------
    as_of : datetime
    promotions : dict
        Promotion → its number, in the order in which they were first seen.
    taken : Counter
        How many rows were ``new``, ``repeated`` (an event id that came before), ``conflicting``
        (the id came before with other content; the first one counts) and ``late`` (dated before
        ``as_of``, so that they are in the beginning already, and counted there alone).

    Examples
    --------
    >>> import ibis, pandas as pd
    >>> from promolab.contract import Shop
    >>> days = pd.to_datetime(["2017-03-01", "2017-03-05"])
    >>> events = pd.DataFrame({"customer_id": ["A", "B"], "ts": days, "kind": "purchase"})
    >>> shop = Shop({"events": ibis.duckdb.connect().create_table("events", events)})
    >>> live = LiveFeatures(shop, as_of=pd.Timestamp("2017-03-08"))
    >>> live = live.update({"customer_id": "A", "ts": "2017-03-09T12:00:00", "kind": "purchase"})
    >>> live.to_frame("2017-03-10")[["customer_id", "orders", "recency_days"]].values.tolist()
    [['A', 2.0, 0.5], ['B', 1.0, 5.0]]
    """

    def __init__(self, shop: Shop, as_of: Any) -> None:
        moment = read_as_of(as_of)
        if not isinstance(moment, datetime):
            raise InputError("as_of is a table; events are kept up from one moment for everybody")
        self.as_of, self._begun = moment, microseconds(moment)
        self.taken: Counter[str] = Counter(new=0, repeated=0, conflicting=0, late=0)
        self.reader = EventReader.of(shop)
        self._columns = set(shop.events.columns)
        self._responses = shop.lacks("response models") is None
        self._clock = Clock(shop.zone, shop.settings.evening_from)
        self._ids: defaultdict[str, dict[str, int]] = defaultdict(dict)
        self._waiting: defaultdict[int, list[Event]] = defaultdict(list)
        self._last = self._begun - 1
        self.products, self.categories = products_of(shop)
        base = load_tables(shop, moment)
        self._customers: dict[Any, int] = {c: place for place, c in enumerate(base.customers)}
        self._tables: dict[str, KeyedRows] = base.tables
        self._kinds = base.kinds
        self._starts, self.promotions = base.starts, base.promotions
        self._made, self._answered = base.made, base.answered
        first = build_features(shop, moment)
        self._told = [c for c in first.columns if c not in ("customer_id", "as_of", *BROWSING)]
        there = [name for name in STALE if name in first.columns]
        parts = [first.select("customer_id", "as_of", *there), *features.mean_vectors(shop, moment)]
        rows = [part.drop("as_of").execute().set_index("customer_id") for part in parts]
        self._stale = {name: one[name].to_dict() for one in rows for name in one}

    def update(self, events: Any) -> LiveFeatures:
        """Take in what happened: rows of events, exposures and responses, in any order.

        Parameters
        ----------
        events : DataFrame, mapping or iterable of mappings
            The columns of the contract, and perhaps ``event_id`` and ``table`` (which a
            ``promotion_id`` tells: with a ``kind`` a row is a response, without an exposure). A row
            without an id is the same as another one that says the same, as in `promolab.clean`.

        Returns
        -------
        LiveFeatures
            Itself; ``taken`` counts.

        Raises
        ------
        InputError
            A row lacks a column or has one of a wrong type; those before it are taken in.
        """
        for row in rows_of(events):
            self.take(self.reader.read(row))
        return self

    def take(self, event: Event) -> str:
        """Take in one event, and say what of ``taken`` it was."""
        known, content = self._ids[event.table], hash(event)
        before = known.get(event.event_id)
        if before is not None:
            said = "repeated" if before == content else "conflicting"
        elif event.ts is not None and event.ts < self._begun:
            said = "late"
        else:
            said = "new"
            known[event.event_id] = content
            self._count(event)
        self.taken[said] += 1
        return said

    def _count(self, event: Event) -> None:
        if event.ts is None or event.table == "contact_rights":
            return
        self._last = max(self._last, event.ts)
        code = self._customers.setdefault(event.customer_id, len(self._customers))
        if event.table == "exposures":
            self._contact(code, event)
        elif event.table == "responses":
            self._response(code, event)
        else:
            if event.kind in BROWSED:
                self._kinds.add(event.kind)
            self._waiting[code].append(event)

    def _settle(self, code: int) -> None:
        """Count what a customer did, when it is asked for: a log of millions is taken in sooner."""
        for event in self._waiting.pop(code, ()):
            self._event(code, event)

    def _contact(self, code: int, event: Event) -> None:
        ts = max(event.ts or 0, self._starts.get(event.promotion_id, 0))
        number = self._promotion(event)
        self._tables["contacts"].add(code, (number, ts), [number, ts, 1])
        insort(self._made, ts)

    def _response(self, code: int, event: Event) -> None:
        if event.kind not in POSITIVE_RESPONSES:
            return
        table, number = self._tables["answers"], self._promotion(event)
        self._answered += (number,) not in table.rows_of(code)
        table.add(code, (number,), [number])
        self._tables["answering"].add(code, (), [1, event.ts or 0])

    def _promotion(self, event: Event) -> int:
        return self.promotions.setdefault(event.promotion_id, len(self.promotions))

    def _event(self, code: int, event: Event) -> None:
        ts, kind = event.ts or 0, event.kind
        self._tables["customers"].add(code, (), [ts, kind == "view", kind == "purchase"])
        if kind in BROWSED:
            place = list(BROWSED).index(kind)
            self._tables["browsing"].add(code, (place, ts), [place, ts, 1])
        elif kind in MOVING:
            self._line(code, event)

    def _line(self, code: int, event: Event) -> None:
        """Take in an order line, as `promolab.features.order_lines` reads one."""
        ts, bought = event.ts or 0, event.kind == "purchase"
        order = (event.order_id, NEVER) if event.order_id is not None else (None, ts)
        line = self._signed(event, 1 if bought else -1)
        self._tables["orders"].add(code, order, [ts if bought else NEVER, ts, *line])
        if event.product_id is not None and self.products is not None:
            number, private = self.category_of(event.product_id)
            if number is not None:
                row = [number, line[0], line[0] if private else 0, int(bought)]
                self._tables["categories"].add(code, (number,), row)
        for name in ("product_id", "store_id"):
            value = getattr(event, name)
            if bought and value is not None and name in self._columns:
                self._tables[name].add(code, (value,), [ts])

    def _signed(self, event: Event, sign: int) -> list[int]:
        """Return amount, gross, discount, coupon, quantity and usable amount of a line."""
        own = ("amount", "discount", "coupon_discount")
        money = {name: self.money(event, name) for name in own}
        units = abs(event.quantity or 0.0) if "quantity" in self._columns else 1.0
        flags = event.flags or ""
        usable = units > 0 and not ("odd_unit" in flags or "zero_" in flags)
        if "amount" in self._columns:
            usable = usable and money["amount"] != 0
        amount = sign * money["amount"]
        return [
            amount,
            amount if sign > 0 else 0,
            sign * money["discount"],
            sign * money["coupon_discount"],
            sign * _fixed(units, UNITS) if usable else 0,
            amount if usable else 0,
        ]

    @property
    def stale(self) -> list[str]:
        """Features that stay as of the beginning."""
        return list(self._stale)

    def money(self, event: Event, name: str) -> int:
        """Return an event's amount, discount or coupon_discount in parts of `MONEY`, unsigned."""
        return _fixed(getattr(event, name), MONEY) if name in self._columns else 0

    def code(self, customer_id: Any) -> int:
        """Return a customer's number; of one who did nothing and was never contacted, the next."""
        found = self._customers.get(customer_id, len(self._customers))
        if found in self._waiting:
            self._settle(found)
        return found

    def rows(self, table: str, code: int) -> np.ndarray:
        """Return what is kept of a customer in a table of `promolab.serve.loading.KEPT`."""
        return self._tables[table].of(code)

    def seen(self, customer_id: Any) -> bool:
        """Tell whether a customer did anything, or was contacted."""
        return customer_id in self._customers

    def knows(self, customer_id: Any) -> bool:
        """Tell whether a customer has done anything: the others are new."""
        return len(self.rows("customers", self.code(customer_id))) > 0

    @property
    def last(self) -> datetime:
        """The time of the latest event taken in, or ``as_of``."""
        return formulas.moment_of(max(self._last, self._begun))

    def _moment(self, as_of: Any) -> int:
        """Return a moment after all that was taken in; by default the first such one."""
        if as_of is None:
            return max(self._last + 1, self._begun)
        moment = microseconds(read_as_of(as_of))
        if moment <= self._last or moment < self._begun:
            raise InputError(
                f"as_of = {formulas.moment_of(moment)}, but events up to {self.last} are counted "
                "already: features are kept for later moments; a clock must not run back"
            )
        return moment

    def to_frame(self, as_of: Any = None) -> pd.DataFrame:
        """Return the features of all customers, as `promolab.build_features` does.

        Parameters
        ----------
        as_of : datetime, optional
            A moment after the last event; by default the first such one.

        Returns
        -------
        DataFrame
            customer_id, as_of, the features, and, where there is a price level, of when it is:
            ``price_level_as_of``.
        """
        import pandas as pd

        moment = self._moment(as_of)
        n = len(self._customers)
        for code in list(self._waiting):
            self._settle(code)
        rows = {name: table.all(n) for name, table in self._tables.items()}
        tables = {name: (r, code) for name, (code, r) in rows.items()}
        found = self._features(tables, n, moment)
        frame = pd.DataFrame({"customer_id": list(self._customers)})
        frame["as_of"] = pd.Timestamp(formulas.moment_of(moment)).as_unit("us")
        names = [*self._told, *(name for name in BROWSING if name in found)]
        columns: dict[str, Any] = {name: found[name] for name in names if name in found}
        if "top_category" in columns:
            columns["top_category"] = [self._category(v) for v in columns["top_category"]]
        for name, values in self._stale.items():
            columns[name] = frame["customer_id"].map(values).astype(float)
            names.append(f"{name}_as_of")
            columns[names[-1]] = pd.Timestamp(self.as_of).as_unit("us")
        frame = frame.join(pd.DataFrame({name: columns[name] for name in names}))
        there = found["first"] < NEVER
        return frame[there].sort_values("customer_id", ignore_index=True)

    def row(self, customer_id: Any, moment: int) -> dict[str, Any]:
        """Return the features of one customer; of one who is new, what nobody has done yet.

        Parameters
        ----------
        customer_id : object
            As the shop writes it.
        moment : int
            Microseconds since 1970, after all that was taken in.
        """
        code, rows = self.code(customer_id), {}
        for name, table in self._tables.items():
            mine = table.of(code)
            rows[name] = mine, np.zeros(len(mine), dtype=np.int64)
        columns = self._features(rows, 1, moment)
        found = {name: values[0] for name, values in columns.items()}
        if "top_category" in found:
            found["top_category"] = self._category(found["top_category"])
        for name, values in self._stale.items():
            found[name] = values.get(customer_id, np.nan)
        return found

    def _category(self, number: float) -> str | None:
        return None if np.isinf(number) else self.categories[int(number)]

    def category_of(self, product_id: Any) -> tuple[int | None, bool]:
        """Return the number of a product's category, and whether it is the shop's own brand."""
        return (self.products or {}).get(product_id, (None, False))

    def _features(self, rows: Rows, n: int, moment: int) -> dict[str, np.ndarray]:
        found = formulas.of_orders(*rows["orders"], n, moment)
        found |= formulas.of_customers(*rows["customers"], n, moment)
        for name, column in (("store_id", "stores"), ("product_id", "products")):
            if name in self._columns:
                found[column] = np.bincount(rows[name][1], minlength=n)
        if self._responses:
            found |= formulas.of_contacts(*rows["contacts"], n, moment)
            found["responses"] = np.bincount(rows["answers"][1], minlength=n)
            rate = self._rate(found["responses"], found["contacts"], moment)
            found["response_rate"] = rate
            found |= formulas.of_answering(*rows["answering"], n, moment)
        if self._kinds:
            found |= formulas.of_browsing(*rows["browsing"], n, moment, sorted(self._kinds))
            if "view" in self._kinds:
                found["view_to_purchase_rate"] = formulas.ratio(found["bought"], found["viewed"])
        found |= formulas.by_clock(*rows["orders"], n, self._clock)
        if self.products is not None:
            found |= formulas.of_categories(*rows["categories"], n)
        return found

    def _rate(self, responses: Any, contacts: Any, moment: int) -> Any:
        """Return the share of contacts that were answered, which starts from the shop's own."""
        made = bisect_left(self._made, moment)
        shop = min(self._answered / made, 1.0) if made else np.nan
        return np.minimum((responses + PRIOR_CONTACTS * shop) / (contacts + PRIOR_CONTACTS), 1.0)


def _fixed(value: float | None, scale: int) -> int:
    """Return a number in whole parts, rounded as the engine does; what is not known is 0."""
    if value is None:
        return 0
    return round(abs(value) * scale + 1e-9)
