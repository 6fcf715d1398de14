"""What a customer did about promotions and their products, now: `build_candidates`, kept fresh.

And the chance of a response, worked out when it is asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.features import goods, order_lines, promotion_terms
from promolab.serve.events import Event, microseconds
from promolab.serve.formulas import DAY, MONEY
from promolab.serve.loading import KeyedRows, arrays_of, whole_sum

if TYPE_CHECKING:
    from promolab.contract import Shop
    from promolab.model import ArrayModel
    from promolab.serve.live import LiveFeatures


LINE_ROWS = {"product": "last", "ts": "last", "amount": "sum", "coupon": "last"}
SPENT_ROWS = {"number": "last", "ts": "last", "amount": "sum"}
WINDOW = timedelta(days=84)
"""The longest span of days that a feature looks back, but for those of all times."""
BY_KIND = (
    *("kind_contacts", "kind_responses", "type_contacts", "type_responses"),
    *("other_promotions_running", "other_promotions_answered"),
)
LATELY = ("promotion_lines_28d", "promotion_coupon_lines_84d", "promotion_amount_84d")
EVER = (
    *("promotion_amount", "promotion_orders", "promotion_orders_84d", "promotion_coupon_orders"),
    *("promotion_products_bought", "promotion_bought_share"),
)
SPENT = "promotion_category_amount_84d"


@dataclass(frozen=True)
class Offers:
    """The promotions and what they are about.

    Parameters
    ----------
    ids : list of J ids
    terms : dict of str to ndarray of shape (J,)
        Columns that say what a promotion is.
    kind, type : ndarray of bool of shape (J, J)
        Which promotions are of one kind, and of one type.
    ends : ndarray of int of shape (J,)
        Microseconds since 1970.
    products : dict
        Product → its row in ``of_product``.
    of_product : ndarray of bool of shape (products, J)
    of_category : ndarray of bool of shape (categories, J)
    """

    ids: list[Any]
    terms: dict[str, np.ndarray]
    kind: np.ndarray
    type: np.ndarray
    ends: np.ndarray
    products: dict[Any, int]
    of_product: np.ndarray
    of_category: np.ndarray


class LivePairs:
    """The columns that `promolab.features.build_candidates` has beside the customers' features.

    Parameters
    ----------
    shop : Shop
        With promotions, exposures and responses.
    live : LiveFeatures
        Of the same shop; it takes in the same events.
    columns : collection of str, optional
        Those that are needed; all by default. Lines from before the last 84 days are loaded only
        where a column looks back farther.
    """

    def __init__(
        self, shop: Shop, live: LiveFeatures, columns: Collection[str] | None = None
    ) -> None:
        self.live = live
        self.offers = offers_of(shop, live)
        self.place = {promotion: j for j, promotion in enumerate(self.offers.ids)}
        needed = set((*BY_KIND, *LATELY, *EVER, SPENT) if columns is None else columns)
        offered = shop.lacks("past spend on a promotion's products") is None
        self._ever = offered and bool(needed & set(EVER))
        self._lately = offered and (self._ever or bool(needed & set(LATELY)))
        self._spent = offered and SPENT in needed and live.products is not None
        self._by_kind = bool(needed & set(BY_KIND))
        self._lines = KeyedRows(LINE_ROWS, ["product", "ts"], self._load_lines(shop))
        self._amounts = KeyedRows(SPENT_ROWS, ["number", "ts"], self._load_spent(shop))

    def _load_lines(self, shop: Shop) -> dict[str, np.ndarray] | None:
        if not self._lately:
            return None
        lines = self._bought(shop, all_times=self._ever)
        lines = lines.semi_join(shop.promotion_products, "product_id")
        lines = lines.group_by("customer_id", "product_id", "ts").aggregate(
            amount=whole_sum(lines.amount, MONEY),
            coupon=(lines.coupon_discount > 0).cast("int64").max(),
        )
        found = arrays_of(lines)
        products = found.pop("product_id").tolist()
        found["product"] = np.array([self.offers.products[p] for p in products], dtype=np.int64)
        return self._with_customers(found)

    def _load_spent(self, shop: Shop) -> dict[str, np.ndarray] | None:
        if not self._spent:
            return None
        lines = self._bought(shop, all_times=False).join(goods(shop), "product_id")
        mine = np.flatnonzero(self.offers.of_category.any(axis=1)).tolist()
        lines = lines.filter(lines.number.isin(mine))
        spent = lines.group_by("customer_id", "number", "ts").aggregate(
            amount=whole_sum(lines.amount, MONEY)
        )
        return self._with_customers(arrays_of(spent))

    def _bought(self, shop: Shop, *, all_times: bool) -> Any:
        import ibis

        lines = order_lines(shop)
        since = self.live.as_of - WINDOW - timedelta(days=1)
        lines = lines.filter(lines.bought & (lines.ts < ibis.literal(self.live.as_of)))
        return lines if all_times else lines.filter(lines.ts >= ibis.literal(since))

    def _with_customers(self, found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        codes = [self.live.code(customer) for customer in found.pop("customer_id").tolist()]
        return found | {"customer": np.array(codes, dtype=np.int64)}

    def take(self, event: Event) -> None:
        """Take in an event that `LiveFeatures.take` found to be new."""
        if event.table != "events" or event.kind != "purchase" or event.product_id is None:
            return
        code, ts = self.live.code(event.customer_id), event.ts or 0
        amount, coupon = self.live.money(event, "amount"), self.live.money(event, "coupon_discount")
        product = self.offers.products.get(event.product_id)
        if product is not None and self._lately:
            self._lines.add(code, (product, ts), [product, ts, amount, int(coupon > 0)])
        number, _ = self.live.category_of(event.product_id)
        if number is not None and self._spent:
            self._amounts.add(code, (number, ts), [number, ts, amount])

    def columns(self, customer_id: Any, places: np.ndarray, moment: int) -> dict[str, np.ndarray]:
        """Return the columns of one customer with some promotions.

        Parameters
        ----------
        customer_id : object
            As the shop writes it.
        places : ndarray of int of shape (j,)
            The promotions' places in ``offers.ids``.
        moment : int
            Microseconds since 1970, after all that was taken in.
        """
        found = {name: values[places] for name, values in self.offers.terms.items()}
        code = self.live.code(customer_id)
        if self._by_kind:
            found |= self._history(code, places, moment)
        if self._lately:
            rows = self._lines.of(code)
            found |= self._of_lines(rows, self.offers.of_product[rows[:, 0]][:, places], moment)
        if self._ever:
            with np.errstate(invalid="ignore"):
                sizes = np.where(
                    found["promotion_products"] > 0, found["promotion_products"], np.nan
                )
            found["promotion_bought_share"] = found["promotion_products_bought"] / sizes
        if self._spent:
            rows = self._amounts.of(code)
            near = np.where(moment - rows[:, 1] <= 84 * DAY, rows[:, 2], 0)
            found[SPENT] = near @ self.offers.of_category[rows[:, 0]][:, places] / MONEY
        return found

    def _history(self, code: int, places: np.ndarray, moment: int) -> dict[str, np.ndarray]:
        """Count contacts with, and answers to, promotions of the same kind and type."""
        j = len(self.offers.ids)
        contacts, answers = self.live.rows("contacts", code), self.live.rows("answers", code)
        contacts = contacts[(contacts[:, 0] < j) & (contacts[:, 1] < moment)]
        made = np.bincount(contacts[:, 0], weights=contacts[:, 2], minlength=j)
        answered = np.zeros(j, dtype=bool)
        answered[answers[answers[:, 0] < j, 0]] = True
        done = (made > 0) & answered
        running = (made > 0) & (self.offers.ends > moment)
        found = {}
        for name, same in (("kind", self.offers.kind), ("type", self.offers.type)):
            found[f"{name}_contacts"] = same[places] @ made
            found[f"{name}_responses"] = same[places] @ done.astype(float)
        found["other_promotions_running"] = running.sum() - running[places]
        both = running & done
        found["other_promotions_answered"] = both.sum() - both[places]
        return found

    def _of_lines(self, rows: np.ndarray, mine: np.ndarray, moment: int) -> dict[str, np.ndarray]:
        """Sum what was bought of each promotion's products; ``mine`` says of which a line is."""
        product, ts, amount, coupon = rows.T
        near = {days: moment - ts <= days * DAY for days in (28, 84)}
        found = {
            "promotion_lines_28d": near[28].astype(float) @ mine,
            "promotion_coupon_lines_84d": (near[84] & (coupon > 0)).astype(float) @ mine,
            "promotion_amount_84d": (near[84] * amount) @ mine / MONEY,
        }
        if not self._ever:
            return found
        times, place = np.unique(ts, return_inverse=True)
        lately = moment - times <= 84 * DAY
        orders, coupons = (_any_of(mine[some], place[some], len(times)) for some in (
            np.ones(len(ts), dtype=bool), coupon > 0
        ))  # fmt: skip
        codes, which = np.unique(product, return_inverse=True)
        return found | {
            "promotion_amount": amount @ mine / MONEY,
            "promotion_orders": orders.sum(axis=0),
            "promotion_orders_84d": orders[lately].sum(axis=0),
            "promotion_coupon_orders": coupons.sum(axis=0),
            "promotion_products_bought": _any_of(mine, which, len(codes)).sum(axis=0),
        }


def _any_of(mine: np.ndarray, group: np.ndarray, n: int) -> np.ndarray:
    """Return for each group and promotion whether any of the rows is of it."""
    found = np.zeros((n, mine.shape[1]), dtype=bool)
    np.logical_or.at(found, group, mine)
    return found


def offers_of(shop: Shop, live: LiveFeatures) -> Offers:
    """Read a shop's promotions, in the order of their numbers in the live features."""
    terms = promotion_terms(shop)
    ends = shop.promotions.select("promotion_id", "ends_at")
    told = terms.join(ends, "promotion_id").to_pyarrow().to_pylist()
    rows = {row["promotion_id"]: row for row in told}
    ids = [promotion for promotion in live.promotions if promotion in rows]
    names = [name for name in terms.columns if name != "promotion_id"]
    kind = np.array([rows[i]["promotion_kind"] for i in ids], dtype=object)
    types = kind
    if "promotion_type" in names:
        types = np.array([rows[i]["promotion_type"] for i in ids], dtype=object)
    stated = np.array([t is not None for t in types], dtype=bool)
    products, of_product = _members(shop, ids)
    return Offers(
        ids,
        {name: _column([rows[i][name] for i in ids]) for name in names},
        kind[:, None] == kind,
        (types[:, None] == types) & (stated[:, None] & stated),
        np.array([microseconds(rows[i]["ends_at"]) for i in ids], dtype=np.int64),
        products,
        of_product,
        _categories(live, products, of_product),
    )


def _column(values: list[Any]) -> np.ndarray:
    """Return numbers as floats, nan where missing; texts as they are."""
    if any(isinstance(value, str) for value in values):
        return np.array(values, dtype=object)
    return np.array([np.nan if v is None else float(v) for v in values], dtype=float)


def _members(shop: Shop, ids: list[Any]) -> tuple[dict[Any, int], np.ndarray]:
    """Return which products each promotion is about."""
    if not shop.has("promotion_products"):
        return {}, np.zeros((0, len(ids)), dtype=bool)
    rows = shop.promotion_products.select("promotion_id", "product_id").distinct().to_pyarrow()
    products = {product: k for k, product in enumerate(rows["product_id"].unique().to_pylist())}
    place = {promotion: j for j, promotion in enumerate(ids)}
    found = np.zeros((len(products), len(ids)), dtype=bool)
    pairs = zip(rows["product_id"].to_pylist(), rows["promotion_id"].to_pylist(), strict=True)
    for product, promotion in pairs:
        if promotion in place:
            found[products[product], place[promotion]] = True
    return products, found


def _categories(live: LiveFeatures, products: dict[Any, int], of_product: np.ndarray) -> np.ndarray:
    """Return which categories the promotions' products are of."""
    found = np.zeros((len(live.categories), of_product.shape[1]), dtype=bool)
    for product, k in products.items():
        number, _ = live.category_of(product)
        if number is not None:
            found[number] |= of_product[k]
    return found


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
        self._place = {str(name): place for name, place in self.pairs.place.items()}
        self._waiting: defaultdict[Any, list[Event]] = defaultdict(list)

    def take(self, event: Event) -> None:
        """Take in an event that `LiveFeatures.take` found to be new."""
        if event.kind == "purchase":
            self._waiting[event.customer_id].append(event)

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
        for event in self._waiting.pop(customer, ()):
            self.pairs.take(event)
        places = np.array([self._place[promotion] for promotion in asked], dtype=np.int64)
        columns = self.live.row(customer, moment)
        columns |= self.pairs.columns(customer, places, moment)
        chances = self.model.of(self.model.read(columns, len(places)))
        return dict(zip(asked, chances.tolist(), strict=True))
