"""The profile card of one customer, and two side by side."""

from __future__ import annotations

import html
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.profiles.axes import AXES
from promolab.profiles.columns import customer_frame, numeric
from promolab.results import Result, plain
from promolab.wording import count, number, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["CardPair", "ProfileCard", "compare_cards", "profile_card"]


@dataclass(frozen=True)
class ProfileCard(Result):
    """One customer's profile, as `profile_card` makes it.

    Parameters
    ----------
    customer : str
        The customer as shown: the id, or the pseudonym that was given.
    scores : dict
        Axis → score, 0–100, nan where nothing is known.
    components : DataFrame
        ``axis, component, meaning, score``: one row per component that is known.
    favourites : tuple of str
        Favourite categories, the first one first.
    demographics : dict
        Attribute → value, those that are known.
    facts : dict
        What the features say in plain words.
    customers : int
        Customers that the ranks compare with.
    """

    customer: str
    scores: dict[str, float]
    components: pd.DataFrame
    favourites: tuple[str, ...]
    demographics: dict[str, str]
    facts: dict[str, str]
    customers: int

    def to_frame(self) -> pd.DataFrame:
        """Return one row per axis and per component: ``axis, component, meaning, score``."""
        axes = pd.DataFrame(
            [[name, "", AXES[name].meaning, score] for name, score in self.scores.items()],
            columns=["axis", "component", "meaning", "score"],
        )
        order = {name: i for i, name in enumerate(AXES)}
        both = pd.concat([axes, self.components], ignore_index=True)
        return both.sort_values(
            "axis", key=lambda s: s.map(order), kind="stable", ignore_index=True
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the card without its components as plain values."""
        named = {"favourites": self.favourites, "demographics": self.demographics}
        return super().to_dict() | plain({"scores": self.scores, **named, "facts": self.facts})

    def summary(self) -> str:
        """Return the strongest and the weakest axis, and what the customer likes."""
        known = {name: score for name, score in self.scores.items() if np.isfinite(score)}
        if not known:
            return f"Customer {self.customer}: nothing is known yet that could be scored."
        best, worst = max(known, key=known.__getitem__), min(known, key=known.__getitem__)
        text = (
            f"Customer {self.customer} stands highest in {AXES[best].label.lower()} "
            f"({number(known[best], decimals=0)} of 100)"
        )
        if worst != best:
            text += (
                f" and lowest in {AXES[worst].label.lower()} ({number(known[worst], decimals=0)})"
            )
        text += f", compared with {plural(self.customers, 'customer')}."
        if self.favourites:
            text += f" Buys most from {', '.join(self.favourites)}."
        return text

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the four axes as bars and return the Axes."""
        from promolab import plots

        values = [self.scores[name] for name in AXES]
        text = [number(value, decimals=0) for value in values]
        ax = plots.bars([a.label for a in AXES.values()], np.nan_to_num(values), text=text, ax=ax)
        ax.set_xlim(0, 108)
        return plots.finish(
            ax,
            title=f"Customer {self.customer}",
            subtitle=f"percentile among {plural(self.customers, 'customer')}",
            xlabel="score (0–100; 50 = the middle customer)",
        )

    def _repr_html_(self) -> str:
        escape = html.escape
        bars = "".join(_bar(AXES[name].label, score) for name, score in self.scores.items())
        pairs = {"Buys most from": ", ".join(self.favourites)} if self.favourites else {}
        rows = "".join(
            f"<tr><th style='text-align:left;font-weight:normal;color:#666;padding:1px 8px 1px 0'>"
            f"{escape(key)}</th><td style='text-align:left'>{escape(value)}</td></tr>"
            for key, value in {**pairs, **self.facts, **self.demographics}.items()
        )
        return (
            "<div class='promolab-card' style='display:inline-block;vertical-align:top;"
            "width:21em;border:1px solid #ccc;border-radius:6px;padding:.8em;margin:.3em'>"
            f"<b>Customer {escape(self.customer)}</b>{bars}<table>{rows}</table></div>"
        )


def _bar(label: str, score: float) -> str:
    width = 0.0 if np.isnan(score) else score
    fill = f"display:block;background:#0072B2;height:.7em;width:{width:.0f}%"
    return (
        "<div style='display:flex;align-items:center;margin:.25em 0'>"
        f"<span style='width:8.5em'>{html.escape(label)}</span>"
        f"<span style='flex:1;background:#eee;height:.7em'><span style='{fill}'></span></span>"
        f"<span style='width:2.2em;text-align:right'>{number(score, decimals=0)}</span></div>"
    )


# The facts of a card: feature, its words, unit, decimals.
_FACTS = (
    ("recency_days", "Last order", "days ago", 0),
    ("orders", "Orders", "", 0),
    ("amount", "Sales", "", 0),
    ("average_order_amount", "Sales per order", "", 2),
    ("contacts", "Promotions received", "", 0),
    ("responses", "Responses", "", 0),
)


def _facts(features: Any, customer_id: Hashable) -> dict[str, str]:
    frame = customer_frame(features)
    row = frame[frame["customer_id"] == customer_id]
    values = {feature: numeric(row, feature) for feature, *_ in _FACTS}
    return {
        label: number(float(values[feature][0]), decimals=decimals, unit=unit)
        for feature, label, unit, decimals in _FACTS
        if len(row) and np.isfinite(values[feature][0])
    }


def profile_card(
    profiles: pd.DataFrame,
    customer_id: Hashable,
    features: Any | None = None,
    *,
    shown_as: str | None = None,
) -> ProfileCard:
    """Return the profile card of one customer.

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

    Raises
    ------
    InputError
        If the customer is not in ``profiles``.

    Examples
    --------
    >>> from promolab.profiles import build_profiles
    >>> features = pd.DataFrame({"customer_id": [1, 2], "recency_days": [3, 40]})
    >>> profile_card(build_profiles(features), 2).scores["loyalty"]
    25.0
    """
    rows = profiles[profiles["customer_id"] == customer_id]
    if rows.empty:
        kind = profiles["customer_id"].dtype
        raise InputError(
            f"customer {customer_id!r} is not among the {count(len(profiles))} customers of "
            f"profiles; expected one of profiles.customer_id ({kind})"
        )
    row = rows.iloc[0]
    columns = [(n, c, f"{n}_{c.name}") for n, axis in AXES.items() for c in axis.components]
    components = pd.DataFrame(
        [[n, c.name, c.meaning, row[col]] for n, c, col in columns if pd.notna(row[col])],
        columns=["axis", "component", "meaning", "score"],
    )
    several = row.get("favourite_categories")
    favourites = str(several).split(" · ") if pd.notna(several) else [row["favourite_category"]]
    own = {"customer_id", "as_of", "favourite_category", "favourite_categories", *AXES}
    own |= {col for *_, col in columns}
    known = {str(c): row[c] for c in map(str, profiles) if c not in own and pd.notna(row[c])}
    return ProfileCard(
        customer=str(customer_id) if shown_as is None else shown_as,
        scores={name: float(row[name]) for name in AXES},
        components=components,
        favourites=tuple(str(f) for f in favourites if pd.notna(f)),
        demographics={c.replace("_", " ").capitalize(): str(v) for c, v in known.items()},
        facts={} if features is None else _facts(features, customer_id),
        customers=len(profiles),
    )


@dataclass(frozen=True)
class CardPair(Result):
    """Two profile cards side by side, as `compare_cards` makes them."""

    first: ProfileCard
    second: ProfileCard

    def to_frame(self) -> pd.DataFrame:
        """Return one row per axis: ``axis, first, second, difference``."""
        a, b = (np.array([card.scores[n] for n in AXES]) for card in (self.first, self.second))
        return pd.DataFrame({"axis": list(AXES), "first": a, "second": b, "difference": a - b})

    def to_dict(self) -> dict[str, Any]:
        """Return both cards as plain values."""
        return {"first": self.first.to_dict(), "second": self.second.to_dict()}

    def summary(self) -> str:
        """Return the axis on which the two differ most."""
        frame = self.to_frame().dropna()
        if frame.empty:
            return "The two customers share no axis on which both are known."
        row = frame.iloc[int(frame["difference"].abs().to_numpy().argmax())]
        return (
            f"Customers {self.first.customer} and {self.second.customer} differ most in "
            f"{AXES[row['axis']].label.lower()}: {number(row['first'], decimals=0)} against "
            f"{number(row['second'], decimals=0)} of 100."
        )

    def _repr_html_(self) -> str:
        return f"<div>{self.first._repr_html_()}{self.second._repr_html_()}</div>"


def compare_cards(
    profiles: pd.DataFrame,
    a: Hashable,
    b: Hashable,
    features: Any | None = None,
    *,
    shown_as: tuple[str, str] | None = None,
) -> CardPair:
    """Return two customers' cards, to be shown side by side.

    Examples
    --------
    >>> from promolab.profiles import build_profiles
    >>> features = pd.DataFrame({"customer_id": [1, 2], "recency_days": [3, 40]})
    >>> compare_cards(build_profiles(features), 1, 2).summary()
    'Customers 1 and 2 differ most in loyalty: 75 against 25 of 100.'
    """
    names = shown_as or (None, None)
    return CardPair(
        profile_card(profiles, a, features, shown_as=names[0]),
        profile_card(profiles, b, features, shown_as=names[1]),
    )
