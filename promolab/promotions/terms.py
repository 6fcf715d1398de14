"""The four kinds of promotion: what each takes off, and what a contact about it costs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from promolab.checks import choice, flag, real_number, share, whole_number
from promolab.contract import read_operations
from promolab.errors import InputError, nearest
from promolab.language import _
from promolab.wording import money, percent

if TYPE_CHECKING:
    from promolab.contract import Economics, Shop


FACE_VALUES = ("discount_rate", "threshold", "reduction")
"""Columns of the contract in which a shop states what its promotions take off."""

_DAY = 86_400


@dataclass(frozen=True)
class Reduction:
    """What comes off an order from a threshold on.

    Parameters
    ----------
    start : float
        The threshold: what its products in the order must come to; 0 for every order.
    amount : float
        Money, each time that the threshold is reached.
    rate : float
        Share of what is left to pay.
    times : int
        How often the amount comes off at most; 0 for every time.
    """

    start: float = 0.0
    amount: float = 0.0
    rate: float = 0.0
    times: int = 1


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """What promotions of all kinds have in common; a promotion is one of the classes below.

    Parameters
    ----------
    promotion_id : object
        The shop's own id.
    starts_at, ends_at : datetime
        The window, UTC without a zone; the end is not in it.
    channel : str
        Of its contacts; empty where it is not said.
    contact_cost : float
        Money per contact.
    redemption_cost : float
        Money per redemption beside the discount: to handle a coupon.
    funder_share : float
        Part of the discount that a supplier pays (0–1).
    products : frozenset
        Ids of the products that it is for; empty means every product.
    stacking : bool
        Whether it is given beside others in one order; those that are not compete.
    title : str
        What the shop calls it; empty where it does not say.
    """

    kind: ClassVar[str]
    promotion_id: Any
    starts_at: datetime
    ends_at: datetime
    channel: str = ""
    contact_cost: float = 0.0
    redemption_cost: float = 0.0
    funder_share: float = 0.0
    products: frozenset[Any] = field(default=frozenset(), repr=False)
    stacking: bool = False
    title: str = ""

    def __post_init__(self) -> None:
        for name in ("contact_cost", "redemption_cost"):
            real_number(self._place(name), getattr(self, name), least=0)
        share(self._place("funder_share"), self.funder_share)
        flag(self._place("stacking"), self.stacking)
        if not self.starts_at < self.ends_at:
            raise InputError(f"{self._place('ends_at')} is not after starts_at")

    def _place(self, column: str) -> str:
        return f"promotion {self.promotion_id}: {column}"

    @property
    def days(self) -> float:
        """Length of its window."""
        return (self.ends_at - self.starts_at).total_seconds() / _DAY

    @property
    def stated(self) -> bool:
        """Whether it is known what it takes off; False of a shop that states no face values."""
        return True

    @property
    def reductions(self) -> tuple[Reduction, ...]:
        """What comes off an order, added up; the first one's threshold is the promotion's."""
        return ()

    def off(self, left: np.ndarray) -> np.ndarray:
        """Return what comes off orders.

        Parameters
        ----------
        left : ndarray
            What is left to pay for its products in each order.
        """
        total = np.zeros(np.shape(left))
        for part in self.reductions:
            times = np.floor(left / part.start) if part.start > 0 else 1.0
            times = np.minimum(times, part.times) if part.times else times
            off = part.amount * times + part.rate * left
            total = total + np.where(left >= part.start, off, 0.0)
        return total

    def face_value(self, currency: str) -> str:
        """Write what it takes off as a customer reads it.

        Parameters
        ----------
        currency : str
            Of its amounts.
        """
        return self._words(currency) if self.stated else _("not stated")

    def _words(self, currency: str) -> str:
        return _("nothing off")


@dataclass(frozen=True, kw_only=True)
class Recommendation(Promotion):
    """Products recommended: takes nothing off, costs the contact.

    Examples
    --------
    >>> start, end = datetime(2017, 10, 30), datetime(2017, 11, 6)
    >>> told = Recommendation(promotion_id="R1", starts_at=start, ends_at=end, contact_cost=0.2)
    >>> told.face_value("EUR"), told.contact_cost, told.days
    ('nothing off', 0.2, 7.0)
    """

    kind: ClassVar[str] = "recommendation"


@dataclass(frozen=True, kw_only=True)
class LimitedTimeDiscount(Promotion):
    """A share off the price of some products for some days.

    Parameters
    ----------
    rate : float
        Share taken off (0–1); nan where the shop does not say.

    Examples
    --------
    >>> start, end = datetime(2017, 10, 30), datetime(2017, 11, 6)
    >>> offer = LimitedTimeDiscount(promotion_id="L1", starts_at=start, ends_at=end, rate=0.1)
    >>> offer.face_value("EUR")
    '10 % off'
    """

    kind: ClassVar[str] = "limited_time_discount"
    rate: float = math.nan

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stated:
            share(self._place("discount_rate"), self.rate)

    @property
    def stated(self) -> bool:
        """Whether it is known what it takes off."""
        return not math.isnan(self.rate)

    @property
    def reductions(self) -> tuple[Reduction, ...]:
        """What comes off an order."""
        return (Reduction(rate=self.rate),) if self.stated else ()

    def _words(self, currency: str) -> str:
        return _("{rate} off", rate=rate_words(self.rate))


@dataclass(frozen=True, kw_only=True)
class FullReduction(Promotion):
    """Spend so much, save so much: once in an order, several times, or every time.

    Parameters
    ----------
    threshold : float
        What its products in an order must come to; nan where the shop does not say.
    reduction : float
        Money taken off.
    steps : int
        How often at most in one order; 0 for every time that the threshold is reached again.

    Examples
    --------
    >>> start, end = datetime(2017, 10, 30), datetime(2017, 11, 6)
    >>> window = {"starts_at": start, "ends_at": end}
    >>> FullReduction(promotion_id="F1", threshold=100, reduction=8, **window).face_value("EUR")
    '8 EUR off from 100 EUR'
    >>> every = FullReduction(promotion_id="F2", threshold=50, reduction=5, steps=0, **window)
    >>> every.face_value("EUR")
    '5 EUR off every 50 EUR'
    >>> FullReduction(promotion_id="F3", threshold=50, **window)
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: promotion F3: a threshold of 50 without a reduction; state the \
column reduction
    """

    kind: ClassVar[str] = "full_reduction"
    threshold: float = math.nan
    reduction: float = math.nan
    steps: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_number(self._place("steps"), self.steps, 0)
        if math.isnan(self.threshold) and math.isnan(self.reduction):
            return
        if math.isnan(self.reduction):
            raise InputError(
                self._place(f"a threshold of {self.threshold:g} without a reduction")
                + "; state the column reduction"
            )
        if math.isnan(self.threshold):
            raise InputError(
                self._place(f"a reduction of {self.reduction:g} without a threshold")
                + "; state the column threshold"
            )
        real_number(self._place("threshold"), self.threshold, above=0)
        real_number(self._place("reduction"), self.reduction, least=0)
        if self.reduction > self.threshold:
            raise InputError(
                f"{self._place('reduction')} = {self.reduction:g} is more than the threshold of "
                f"{self.threshold:g} that it takes"
            )

    @property
    def stated(self) -> bool:
        """Whether it is known what it takes off."""
        return not math.isnan(self.threshold)

    @property
    def reductions(self) -> tuple[Reduction, ...]:
        """What comes off an order."""
        if not self.stated:
            return ()
        return (Reduction(self.threshold, amount=self.reduction, times=self.steps),)

    def _words(self, currency: str) -> str:
        off, spent = _money(self.reduction, currency), _money(self.threshold, currency)
        if self.steps == 1:
            return _("{off} off from {spent}", off=off, spent=spent)
        if self.steps:
            told = {"off": off, "spent": spent, "n": self.steps}
            return _("{off} off every {spent}, {n} times at most", **told)
        return _("{off} off every {spent}", off=off, spent=spent)


@dataclass(frozen=True, kw_only=True)
class Coupon(Promotion):
    """A coupon for an amount or a share, from a minimum on.

    Parameters
    ----------
    value, rate : float
        Money or share (0–1) taken off, one of the two; both nan where the shop does not say.
    minimum : float
        What its products in an order must come to.

    Examples
    --------
    >>> start, end = datetime(2017, 10, 30), datetime(2017, 11, 6)
    >>> window = {"starts_at": start, "ends_at": end}
    >>> Coupon(promotion_id="C1", value=5, minimum=20, **window).face_value("EUR")
    'coupon of 5 EUR from 20 EUR'
    >>> Coupon(promotion_id="C2", **window).face_value("EUR")
    'not stated'
    >>> Coupon(promotion_id="C3", rate=40, **window)
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: promotion C3: discount_rate = 40; expected a share from 0 to 1 \
(0.4, not 40)
    """

    kind: ClassVar[str] = "coupon"
    value: float = math.nan
    rate: float = math.nan
    minimum: float = 0.0
    stacking: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        real_number(self._place("threshold"), self.minimum, least=0)
        both = not math.isnan(self.value) and not math.isnan(self.rate)
        if both:
            raise InputError(
                f"{self._place('reduction')} = {self.value:g} and discount_rate = {self.rate:g}; a "
                "coupon takes off an amount or a share: state one"
            )
        if not self.stated and self.minimum:
            raise InputError(
                self._place(f"a threshold of {self.minimum:g} without a reduction")
                + "; state the column reduction or discount_rate"
            )
        if not math.isnan(self.value):
            real_number(self._place("reduction"), self.value, least=0)
        if not math.isnan(self.rate):
            share(self._place("discount_rate"), self.rate)

    @property
    def stated(self) -> bool:
        """Whether it is known what it takes off."""
        return not (math.isnan(self.value) and math.isnan(self.rate))

    @property
    def reductions(self) -> tuple[Reduction, ...]:
        """What comes off an order that uses it: no more than the order is worth."""
        if not self.stated:
            return ()
        if math.isnan(self.value):
            return (Reduction(self.minimum, rate=self.rate),)
        if self.minimum >= self.value:
            return (Reduction(self.minimum, amount=self.value),)
        return Reduction(self.minimum, rate=1.0), Reduction(self.value, self.value, rate=-1.0)

    def _words(self, currency: str) -> str:
        off = rate_words(self.rate) if math.isnan(self.value) else _money(self.value, currency)
        if self.minimum:
            least = _money(self.minimum, currency)
            return _("coupon of {off} from {spent}", off=off, spent=least)
        return _("coupon of {off}", off=off)


def rate_words(rate: float) -> str:
    """Return a share in percent, as a poster has it.

    Examples
    --------
    >>> rate_words(0.1), rate_words(0.125)
    ('10 %', '12.5 %')
    """
    return percent(rate, decimals=0 if round(rate * 100, 9).is_integer() else 1)


def _money(amount: float, currency: str) -> str:
    return money(amount, currency=currency, decimals=0 if float(amount).is_integer() else 2)


_NEEDED: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "recommendation": (),
    "limited_time_discount": (("discount_rate",),),
    "full_reduction": (("threshold",), ("reduction",)),
    "coupon": (("reduction", "discount_rate"),),
}
"""What a kind needs; of several columns, one."""


def read_promotions(shop: Shop, ids: Iterable[Any] | None = None) -> dict[Any, Promotion]:
    """Read a shop's promotions: what each takes off, and what it costs.

    Parameters
    ----------
    shop : Shop
        With the table promotions. Its products are those of promotion_products; a promotion that
        is not named there is for all.
    ids : iterable, optional
        Those to read; by default all.

    Returns
    -------
    dict
        promotion_id → `Recommendation`, `LimitedTimeDiscount`, `FullReduction` or `Coupon`, by
        start and id. A contact costs what the promotion says, else what ``[economics]`` does. Of a
        shop that states no face value at all, none is ``stated``.

    Raises
    ------
    InputError
        If one of ``ids`` is not the shop's, or a promotion lacks what its kind needs, or has what
        cannot be, such as a rate of 40 instead of 0.40.

    Examples
    --------
    >>> import promolab
    >>> found = read_promotions(promolab.load_shop("complete_journey"), [18])
    >>> found[18].kind, found[18].face_value("USD")
    ('coupon', 'not stated')
    """
    table = shop.once("promotions read", ("promotions",), shop.promotions.execute)
    table = table.assign(text=table["promotion_id"].astype(str))
    table = table.sort_values(["starts_at", "text"])
    if ids is not None:
        wanted = {str(one) for one in ids}
        if unknown := sorted(wanted - set(table["text"])):
            raise InputError(
                f"promotion {unknown[0]!r} is not among the shop's; "
                f"{nearest(unknown[0], table['text'])}"
            )
        kept = table[table["text"].isin(wanted)]
    else:
        kept = table
    # Where columns for it stand empty the shop takes nothing off; where there is none, a threshold
    # says that something was forgotten.
    columns = [c for c in ("discount_rate", "reduction") if c in table] or ["threshold"]
    states = any(table[c].notna().any() for c in columns if c in table)
    kept = kept.assign(title=[shop.titles.get(text, "") for text in kept["text"]])
    mine = kept["promotion_id"].tolist()
    named = f"products of {mine}", ("promotion_products",)
    products = shop.once(*named, lambda: _products(shop, mine))
    told = read_operations(shop.settings).economics
    return {
        row["promotion_id"]: _made(row, products.get(row["promotion_id"]), told, states=states)
        for row in kept.to_dict("records")
    }


def _products(shop: Shop, ids: Iterable[Any]) -> dict[Any, frozenset[Any]]:
    if not shop.has("promotion_products"):
        return {}
    table = shop.promotion_products.select("promotion_id", "product_id").distinct()
    rows = table.filter(table.promotion_id.isin(list(ids))).execute()
    return {
        one: frozenset(mine.tolist()) for one, mine in rows.groupby("promotion_id")["product_id"]
    }


def _made(
    row: Mapping[Any, Any], products: frozenset[Any] | None, usual: Economics, *, states: bool
) -> Promotion:
    name, kind = row["promotion_id"], choice("kind", row["kind"], _NEEDED)
    told = {c: value for c, value in row.items() if value is not None and value == value}
    for columns in _NEEDED[kind] if states else ():
        if not any(column in told for column in columns):
            raise InputError(
                f"promotion {name} is a {kind.replace('_', ' ')} and states no "
                f"{' or '.join(columns)}; fill it in, in the table promotions"
            )
    common = {
        "promotion_id": name,
        "starts_at": row["starts_at"].to_pydatetime(),
        "ends_at": row["ends_at"].to_pydatetime(),
        "channel": told.get("channel", ""),
        # Of a database it is a decimal.
        "contact_cost": float(told.get("contact_cost", usual.contact_cost.value)),
        "funder_share": float(told.get("funder_share", 0.0)),
        "products": products or frozenset(),
        "title": row["title"],
    }
    if "stacking" in told:
        common["stacking"] = bool(told["stacking"])
    rate, threshold, reduction = (float(told.get(c, math.nan)) for c in FACE_VALUES)
    threshold = threshold if states else math.nan
    if kind == "recommendation":
        return Recommendation(**common)
    if kind == "limited_time_discount":
        return LimitedTimeDiscount(rate=rate, **common)
    if kind == "full_reduction":
        steps: Any = float(told.get("steps", 1))
        steps = int(steps) if steps.is_integer() else steps
        return FullReduction(threshold=threshold, reduction=reduction, steps=steps, **common)
    # An export writes 0 in the one of the two columns that does not apply.
    if rate == 0 and reduction > 0:
        rate = math.nan
    elif reduction == 0 and rate > 0:
        reduction = math.nan
    minimum = 0.0 if math.isnan(threshold) else threshold
    common["redemption_cost"] = usual.coupon_cost.value
    return Coupon(value=reduction, rate=rate, minimum=minimum, **common)
