"""What is known of promotions that run, and the forms it takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.results import Estimate, Result, plain
from promolab.wording import answer_to, count, number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Running", "RunningPromotion"]

INSIDE, ABOVE, BELOW = "inside its band", "above its band", "below its band"
UNKNOWN, LITTLE = "no band yet", "too little known"
_PLURAL = {INSIDE: "inside their band", ABOVE: "above their band", BELOW: "below their band"}

TELLING = 4.0
"""A band from 0 to this many times the expected says nothing: whatever is likely to come lies in
it."""


@dataclass(frozen=True)
class RunningPromotion(Result):
    """One promotion that runs; a row of `Running`.

    Parameters
    ----------
    promotion_id : object
        The promotion.
    name : str
        What readers call it.
    starts_at, ends_at : datetime
        Its window, UTC.
    day, days : int
        Local days: day ``day`` of ``days`` begins or is under way.
    contacts, observed : int
        Customers contacted so far, and those of them who have redeemed.
    expected, expected_total : Estimate
        Redeemers expected by now and by the end, with prediction intervals; ``n`` of the first is
        the number of past promotions behind it. nan where there is nothing to go by.
    source : str
        What the expectation rests on, in words.
    level : float
        Of the intervals.
    curve : DataFrame
        day (since the start), at, observed (nan after today), expected, ci_low, ci_high.
    kind : str
        Kind of the promotion: chooses the words (`promolab.wording.answer_to`).
    """

    promotion_id: Any
    name: str
    starts_at: datetime
    ends_at: datetime
    day: int
    days: int
    contacts: int
    observed: int
    expected: Estimate
    expected_total: Estimate
    source: str
    level: float
    curve: pd.DataFrame = field(repr=False)
    kind: str = "coupon"

    @property
    def word(self) -> str:
        """``inside``, ``above`` or ``below its band``; ``too little known`` or ``no band yet``.

        A band that holds none at all as well as `TELLING` times the expected (or everybody who was
        contacted) excludes nothing, so lying inside it is no finding.
        """
        e = self.expected
        if not np.isfinite([e.ci_low, e.ci_high]).all():
            return UNKNOWN
        # As a reader sees it: redemptions are whole, and so are the ends of the band.
        if self.observed > np.ceil(e.ci_high):
            return ABOVE
        if self.observed < np.floor(e.ci_low):
            return BELOW
        much = min(TELLING * e.value, float(self.contacts))
        return LITTLE if e.ci_low < 1 and e.ci_high >= much else INSIDE

    def to_frame(self) -> pd.DataFrame:
        """Return the course: observed and expected redeemers by day."""
        return self.curve

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, ready for JSON."""
        fields = super().to_dict() | {"promotion_id": str(self.promotion_id), "word": self.word}
        times = {name: getattr(self, name).isoformat() for name in ("starts_at", "ends_at")}
        return plain(fields | times)

    def summary(self) -> str:
        """Return the promotion in one line."""
        return (
            f"{self.name} · day {self.day} of {self.days} · {count(self.observed)} of "
            f"{count(self.contacts)} {answer_to(self.kind).past} · {self.expected_words} expected "
            f"to date · {self.word}"
        )

    @property
    def expected_words(self) -> str:
        """The expectation to date with its interval, in words; a dash where there is none."""
        e = self.expected
        return number(e.value, e.ci_low, e.ci_high, decimals=0) if e.value == e.value else "–"

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the redeemers so far (solid) and those expected (hollow, with their band)."""
        from promolab import plots

        c = self.curve
        ax = plots.curve(c["day"], c["expected"], low=c["ci_low"], high=c["ci_high"],
                         linestyle=":", label="expected", ax=ax)  # fmt: skip
        seen = c[c["observed"].notna()]
        ax = plots.curve(seen["day"], seen["observed"], step=True, label="observed", ax=ax)
        level, past = percent(self.level, decimals=0), answer_to(self.kind).past
        return plots.finish(
            ax,
            title=f"{self.name}, day {self.day} of {self.days}: {self.word}",
            subtitle=f"customers who {past}, of {count(self.contacts)} contacted; {level} "
            f"band from {self.source}",
            xlabel="days since the start",
            ylabel=f"{past} so far",
        )


@dataclass(frozen=True)
class Running(Result):
    """The promotions that run; returned by `follow_running`.

    Parameters
    ----------
    as_of : datetime
        Nothing at or after it was read (UTC).
    promotions : tuple of RunningPromotion
        The next to end first; equal ends by id.
    """

    as_of: datetime
    promotions: tuple[RunningPromotion, ...]

    def __getitem__(self, promotion_id: Any) -> RunningPromotion:
        for row in self.promotions:
            if str(row.promotion_id) == str(promotion_id):
                return row
        known = ", ".join(str(row.promotion_id) for row in self.promotions) or "none"
        raise InputError(
            f"{promotion_id!r} is not among the promotions running; these are: {known}"
        )

    def __len__(self) -> int:
        return len(self.promotions)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per promotion."""
        columns = ["promotion_id", "name", "day", "days", "contacts", "observed"]
        rows = [
            {name: getattr(row, name) for name in columns}
            | _spread("expected", row.expected)
            | _spread("expected_total", row.expected_total)
            | {"word": row.word, "source": row.source}
            for row in self.promotions
        ]
        nothing = Estimate(np.nan, np.nan, np.nan, 0)
        columns += [*_spread("expected", nothing), *_spread("expected_total", nothing)]
        return pd.DataFrame(rows, columns=[*columns, "word", "source"])

    def to_dict(self) -> dict[str, Any]:
        """Return the promotions by promotion_id (as text)."""
        return {str(row.promotion_id): row.to_dict() for row in self.promotions}

    def summary(self) -> str:
        """Say how many run and how they do: ``2 promotions run, both inside their band.``"""
        n = len(self.promotions)
        if not n:
            return "No promotion is running."
        runs = plural(n, "promotion runs", "promotions run")
        alike = len({row.word for row in self.promotions}) == 1
        return f"{runs}{',' if alike else ':'} {self.found()}."

    def found(self) -> str:
        """Say how they do: ``both inside their band``, ``3 inside their band, 1 above``."""
        words = [row.word for row in self.promotions]
        if len(words) < 2:
            return "".join(words)
        if len(set(words)) == 1:
            every = "both" if len(words) == 2 else "all"
            return f"{every} {_PLURAL.get(words[0], words[0])}"
        order = (INSIDE, ABOVE, BELOW, LITTLE, UNKNOWN)
        counts = [(words.count(word), word) for word in order if word in words]
        return ", ".join(f"{k} {w if k == 1 else _PLURAL.get(w, w)}" for k, w in counts)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the course of the promotion with the most contacts."""
        if not self.promotions:
            from promolab import plots

            nothing = [np.nan]
            return plots.finish(plots.curve(nothing, nothing, ax=ax), title=self.summary())
        return max(self.promotions, key=lambda row: row.contacts).plot(ax)


def _spread(name: str, e: Estimate) -> dict[str, float]:
    return {name: e.value, f"{name}_low": e.ci_low, f"{name}_high": e.ci_high}
