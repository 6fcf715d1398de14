"""The profile card of one customer, and two side by side."""

from __future__ import annotations

import html
import re
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from promolab.contract import Attributes, attributes_in
from promolab.errors import InputError
from promolab.glossary import label, named
from promolab.language import day_words
from promolab.profiles.scores import AXES, customer_frame, numeric
from promolab.results import Estimate, Result
from promolab.wording import capital, listed, number, plural

if TYPE_CHECKING:
    from promolab.contract import Shop


@dataclass(frozen=True)
class ProfileCard(Result):
    """One customer's profile, as `profile_card` makes it.

    Parameters
    ----------
    customer : str
        The customer as shown: the id, or the pseudonym that was given.
    scores : dict
        Axis → score, 0–100, nan where nothing is known.
    favourites : tuple of str
        Favourite categories, the first one first.
    attributes : dict
        Attribute → value or day, those that are known and may be shown.
    figures : dict of str to Estimate
        Feature → what it is, those that are known.
    currency : str
        Of money; empty where not known.
    customers : int
        Customers that the ranks compare with.
    withheld : str
        A sentence on attributes that are not shown; empty where all are.
    """

    customer: str
    scores: dict[str, float]
    favourites: tuple[str, ...]
    attributes: dict[str, str | date]
    figures: dict[str, Estimate]
    currency: str
    customers: int
    withheld: str = ""

    def to_frame(self) -> pd.DataFrame:
        """Return one row per axis: ``axis, score``."""
        return pd.DataFrame({"axis": list(AXES), "score": [self.scores[name] for name in AXES]})

    def facts(self) -> dict[str, Any]:
        """Return the strongest and the weakest axis."""
        known = {name: score for name, score in self.scores.items() if np.isfinite(score)}
        best, worst = (end(known, key=known.__getitem__, default="") for end in (max, min))
        return {
            "known": bool(known),
            "best": best,
            "worst": worst if worst != best else "",
            "highest": known.get(best),
            "lowest": known.get(worst),
        }

    @property
    def details(self) -> dict[str, str]:
        """What the features say in plain words, in the language that is spoken."""
        return {
            self.say("heading", name=name): self.say("detail", feature=name, at=at)
            for name, at in self.figures.items()
        }

    @property
    def demographics(self) -> dict[str, str]:
        """The attributes in plain words, in the language that is spoken."""
        return {
            self.say("heading", name=name): (
                day_words(value, year=True) if isinstance(value, date) else value
            )
            for name, value in self.attributes.items()
        }

    def _html(self) -> str:
        return self._box() + _withheld(self.withheld)

    def _box(self) -> str:
        escape = html.escape
        bars = "".join(_bar(capital(label(name)), score) for name, score in self.scores.items())
        pairs = {self.say("favoured"): listed(self.favourites)} if self.favourites else {}
        rows = "".join(
            "<tr><th style='text-align:left;font-weight:normal;padding:1px 8px 1px 0;"
            f"color:{_MUTED}'>{escape(key)}</th>"
            f"<td style='text-align:left'>{escape(value)}</td></tr>"
            for key, value in {**pairs, **self.details, **self.demographics}.items()
        )
        return (
            "<div class='promolab-card' style='display:inline-block;vertical-align:top;"
            "width:21em;max-width:100%;border-radius:6px;padding:.8em;margin:.3em;"
            f"border:1px solid {_LINE}'>"
            f"<b>{escape(self.say('named'))}</b>{bars}<table>{rows}</table></div>"
        )


# Of the page's theme, else of JupyterLab's: a card is read in the dark as well.
_MUTED = "var(--muted,var(--jp-ui-font-color2,#666))"
_LINE = "var(--line,var(--jp-border-color2,#ddd))"


def _withheld(sentence: str) -> str:
    return f"<p>{html.escape(named(sentence))}</p>" if sentence else ""


def _bar(name: str, score: float) -> str:
    width = 0.0 if np.isnan(score) else score
    fill = f"display:block;background:var(--accent,#0072B2);height:.7em;width:{width:.0f}%"
    return (
        "<div style='display:flex;align-items:center;margin:.25em 0'>"
        f"<span style='width:8.5em'>{html.escape(name)}</span>"
        f"<span style='flex:1;background:{_LINE};height:.7em'><span style='{fill}'></span></span>"
        f"<span style='width:2.2em;text-align:right'>{number(score, decimals=0)}</span></div>"
    )


# What of a profile is no attribute, and what the contract itself says of a customer.
_OWN = {"customer_id", "as_of", "favourite_category", "favourite_categories", *AXES}
_OWN |= {f"{name}_{part.name}" for name, axis in AXES.items() for part in axis.components}
_WORTH = re.compile(r"(alive|usual_days|away_days|away_times|(orders|margin)_\d+w(_low|_high)?)")
_SAID = ("status", "since")
# What a card says of the features, in this order.
_FACTS = ("recency_days", "orders", "amount", "average_order_amount", "contacts", "responses")


def _facts(features: Any, customer_id: Hashable) -> dict[str, Estimate]:
    frame = customer_frame(features)
    row = frame[frame["customer_id"] == customer_id]
    values = {name: float(numeric(row, name)[0]) for name in _FACTS} if len(row) else {}
    return {name: Estimate(value) for name, value in values.items() if np.isfinite(value)}


def _ahead(row: Any) -> dict[str, Estimate]:
    """Return how often somebody comes back, and what the next twelve weeks will bring."""
    if pd.isna(row.get("usual_days")):
        return {}
    found = {"usual_days": Estimate(max(float(row["usual_days"]), 1.0))}
    for name in ("orders_12w", "margin_12w"):
        ends = Estimate.of(row.get(f"{name}{end}", np.nan) for end in ("", "_low", "_high"))
        if np.isfinite(ends.value):
            found[name] = ends
    return found


def profile_card(
    profiles: pd.DataFrame,
    customer_id: Hashable,
    features: Any | None = None,
    *,
    shown_as: str | None = None,
    shop: Shop | None = None,
    attributes: Attributes | None = None,
    among: int | None = None,
) -> ProfileCard:
    """Return the profile card of one customer.

    Of the attributes those stand on it that the shop declares (``[customers.attributes]``), and
    never a birth date, a tax id or an id of the customer's own.

    Parameters
    ----------
    profiles : DataFrame
        What `build_profiles` returned.
    customer_id : int or str
        The customer.
    features : DataFrame or ibis.Table, optional
        Adds the plain facts (last order, orders, sales …).
    shown_as : str, optional
        A pseudonym to show instead of the id.
    shop : Shop, optional
        Adds the currency of money, the zone of days, and which attributes are declared.
    attributes : Attributes, optional
        Which attributes may be shown, where that was looked up before (`card_attributes`).
    among : int, optional
        Customers that the scores compare with, where ``profiles`` holds some of them alone.

    Raises
    ------
    InputError
        If the customer is not in ``profiles``.

    Examples
    --------
    >>> from promolab.profiles.scores import build_profiles
    >>> features = pd.DataFrame({"customer_id": [1, 2], "recency_days": [3, 40]})
    >>> profile_card(build_profiles(features), 2).scores["loyalty"]
    25.0
    """
    attributes = card_attributes(profiles, shop) if attributes is None else attributes
    rows = profiles[profiles["customer_id"] == customer_id]
    if rows.empty:
        kind = profiles["customer_id"].dtype
        raise InputError(
            f"customer {customer_id!r} is not among the {plural(len(profiles), 'customer')} of "
            f"profiles; expected one of profiles.customer_id ({kind})"
        )
    row = rows.iloc[0]
    several = row.get("favourite_categories")
    favourites = str(several).split(" · ") if pd.notna(several) else [row["favourite_category"]]
    zone = "UTC" if shop is None else shop.zone
    named = [c for c in (*_SAID, *attributes.shown) if c in profiles and pd.notna(row[c])]
    return ProfileCard(
        customer=str(customer_id) if shown_as is None else shown_as,
        scores={name: float(row[name]) for name in AXES},
        favourites=tuple(str(f) for f in favourites if pd.notna(f)),
        attributes={c: _known(row[c], _zone_of(profiles[c], zone)) for c in named},
        figures=({} if features is None else _facts(features, customer_id)) | _ahead(row),
        currency="" if shop is None else shop.settings.currency,
        customers=len(profiles) if among is None else among,
        withheld=attributes.sentence(),
    )


def card_attributes(profiles: pd.DataFrame, shop: Shop | None) -> Attributes:
    """Return what may be shown of the columns that are none of the profiles' own."""
    import ibis

    own = [column in _OWN or _WORTH.fullmatch(column) for column in map(str, profiles)]
    names = [column for column, ours in zip(map(str, profiles), own, strict=True) if not ours]
    if not names:
        return Attributes()
    frame = profiles[["customer_id", *names]]
    frame = frame.astype({name: "string" for name in names if frame[name].dtype == object})
    return attributes_in(ibis.memtable(frame), None if shop is None else shop.settings)


def _zone_of(values: pd.Series[Any], zone: str) -> str:
    """Return the zone in which a column's days are read: days without a time of day stand as is."""
    if not pd.api.types.is_datetime64_any_dtype(values):
        return zone
    known = values.dropna()
    return "UTC" if bool((known == known.dt.normalize()).all()) else zone


def _known(value: Any, zone: str) -> str | date:
    """Return an attribute as text, or as a day: a moment is a day of the shop's."""
    if isinstance(value, datetime):
        moment = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return moment.astimezone(ZoneInfo(zone)).date()
    return value if isinstance(value, date) else str(value)


@dataclass(frozen=True)
class CardPair(Result):
    """Two profile cards side by side, as `compare_cards` makes them."""

    first: ProfileCard
    second: ProfileCard

    def _html(self) -> str:
        both = self.first._box() + self.second._box()
        return f"<div>{both}{_withheld(self.first.withheld)}</div>"


def compare_cards(
    profiles: pd.DataFrame,
    a: Hashable,
    b: Hashable,
    features: Any | None = None,
    *,
    shown_as: tuple[str, str] | None = None,
    shop: Shop | None = None,
) -> CardPair:
    """Return two customers' cards, to be shown side by side; the arguments are `profile_card`'s.

    Examples
    --------
    >>> from promolab.profiles.scores import build_profiles
    >>> features = pd.DataFrame({"customer_id": [1, 2], "recency_days": [3, 40]})
    >>> pair = compare_cards(build_profiles(features), 1, 2)
    >>> pair.first.scores["loyalty"], pair.second.scores["loyalty"]
    (75.0, 25.0)
    """
    attributes = card_attributes(profiles, shop)
    first, second = (
        profile_card(profiles, customer, features, shown_as=name, shop=shop, attributes=attributes)
        for customer, name in zip((a, b), shown_as or (None, None), strict=True)
    )
    return CardPair(first, second)


def contrast_customers(profiles: pd.DataFrame) -> tuple[Any, Any]:
    """Return the customers with the most and the least loyalty among those with all four scores.

    Parameters
    ----------
    profiles : DataFrame
        What `build_profiles` returned.

    Examples
    --------
    >>> from promolab.profiles.scores import build_profiles
    >>> features = pd.DataFrame({"customer_id": [1, 2, 3], "recency_days": [3, 40, 8]})
    >>> [int(who) for who in contrast_customers(build_profiles(features))]
    [1, 2]
    """
    known = profiles.dropna(subset=list(AXES))
    order = ["loyalty", "customer_id"]
    ranked = (profiles if known.empty else known).sort_values(order)["customer_id"]
    return ranked.iloc[-1], ranked.iloc[0]
