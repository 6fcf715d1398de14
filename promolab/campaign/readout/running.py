"""Promotions that run: redemptions so far against those that past ones let expect by now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.past.outcomes import (
    answers_of,
    contacts_before,
    moment_of,
    response_spans,
    shifted,
)
from promolab.campaign.past.schedule import days_of, last_day
from promolab.campaign.readout.pace import Pace
from promolab.campaign.readout.result import of_promotion, spread
from promolab.contract import read_operations
from promolab.display import Html, fold, join, say, table
from promolab.language import _, _n, marked
from promolab.promotions import PREDICTION_LEVEL, kinds_answered, responses_between
from promolab.results import Estimate, Result, plain
from promolab.wording import answer_to, count, listed, number, part_of

if TYPE_CHECKING:
    from promolab.contract import Shop


INSIDE, ABOVE = marked("inside its band"), marked("above its band")
BELOW, UNKNOWN = marked("below its band"), marked("no band yet")
LITTLE, UNRECORDED = marked("too little known"), marked("not recorded")
_PLURAL = {
    INSIDE: marked("inside their band"),
    ABOVE: marked("above their band"),
    BELOW: marked("below their band"),
}

_WIDTH, _HEIGHT = 150, 34  # of a course in a cell of a table
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
    recorded : bool
        Whether the shop records who answers promotions of the kind; else nobody counts as observed,
        and nothing is expected.
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
    recorded: bool = True

    @property
    def word(self) -> str:
        """``inside``, ``above`` or ``below its band``; ``too little known``, ``no band yet``, …

        A band that holds none at all as well as `TELLING` times the expected (or everybody who was
        contacted) excludes nothing, so lying inside it is no finding.
        """
        e = self.expected
        if not self.recorded:
            return UNRECORDED
        if not np.isfinite([e.ci_low, e.ci_high]).all():
            return UNKNOWN
        # As a reader sees it: redemptions are whole, and so are the ends of the band.
        if self.observed > np.ceil(e.ci_high):
            return ABOVE
        if self.observed < np.floor(e.ci_low):
            return BELOW
        much = min(TELLING * e.value, float(self.contacts))
        return LITTLE if e.ci_low < 1 and e.ci_high >= much else INSIDE

    def observed_by(self, moment: datetime) -> int:
        """Return how many had redeemed before a moment of its course."""
        seen = self.curve[(self.curve["at"] <= moment) & self.curve["observed"].notna()]
        return int(seen["observed"].iloc[-1]) if len(seen) else 0

    def to_frame(self) -> pd.DataFrame:
        """Return the course: observed and expected redeemers by day."""
        return self.curve

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, ready for JSON."""
        fields = super().to_dict() | {"promotion_id": str(self.promotion_id), "word": self.word}
        times = {name: getattr(self, name).isoformat() for name in ("starts_at", "ends_at")}
        return dict(plain(fields | times))

    def summary(self) -> str:
        """Return the promotion in one line."""
        if not self.recorded:
            return _(
                "{name} · day {day} of {days} · who {redeemed} is not recorded",
                name=self.name,
                day=self.day,
                days=self.days,
                redeemed=answer_to(self.kind).past,
            )
        return _(
            "{name} · day {day} of {days} · {part} {redeemed} · {expected} expected to date · "
            "{word}",
            name=self.name,
            day=self.day,
            days=self.days,
            part=_("{part} of {whole}", part=count(self.observed), whole=count(self.contacts)),
            redeemed=answer_to(self.kind).past,
            expected=self.expected_words,
            word=_(self.word),
        )

    @property
    def observed_words(self) -> str:
        """How many of those contacted have redeemed, in words."""
        return part_of(self.observed, self.contacts) if self.recorded else _(UNRECORDED)

    @property
    def expected_words(self) -> str:
        """The expectation to date with its interval, in words; a dash where there is none."""
        e = self.expected
        return number(*e.ends, decimals=0) if e.value == e.value else "–"

    def sparkline(self) -> Html:
        """Return the responses so far (solid) and those expected (dotted, with band), in a cell."""
        from promolab.plots import COLOURS

        c = self.curve
        shown = c[["expected", "ci_high", "observed"]].to_numpy(dtype=float)
        top = float(np.nanmax(shown)) if np.isfinite(shown).any() else 1.0
        x = c["day"].to_numpy(dtype=float) / max(float(self.days), 1.0) * (_WIDTH - 2) + 1

        def at(name: str) -> str:
            y = _HEIGHT - 2 - c[name].to_numpy(dtype=float) / (top or 1.0) * (_HEIGHT - 4)
            points = zip(x[np.isfinite(y)], y[np.isfinite(y)], strict=True)
            return " ".join(f"{a:.1f},{b:.1f}" for a, b in points)

        band = f"{at('ci_low')} {' '.join(reversed(at('ci_high').split()))}"
        solid = f'fill="none" stroke="{COLOURS[0]}"'
        return Html(
            f'<svg role="img" width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}">'
            f"<title>{escape(self.summary())}</title>"
            f'<polygon points="{band}" fill="{COLOURS[0]}" fill-opacity="0.15"/>'
            f'<polyline points="{at("expected")}" {solid} stroke-dasharray="2 3"/>'
            f'<polyline points="{at("observed")}" {solid} stroke-width="2"/></svg>'
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
    zone : str
        The shop's: its table says days as the shop has them.
    """

    as_of: datetime
    promotions: tuple[RunningPromotion, ...]
    zone: str = "UTC"

    def __getitem__(self, promotion_id: Any) -> RunningPromotion:
        found: RunningPromotion = of_promotion(self.promotions, promotion_id, "running")
        return found

    def __len__(self) -> int:
        return len(self.promotions)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per promotion."""
        columns = ["promotion_id", "name", "day", "days", "contacts", "observed"]
        rows = [
            {name: getattr(row, name) for name in columns}
            | spread("expected", row.expected)
            | spread("expected_total", row.expected_total)
            | {"word": row.word, "source": row.source}
            for row in self.promotions
        ]
        nothing = Estimate(np.nan)
        columns += [*spread("expected", nothing), *spread("expected_total", nothing)]
        return pd.DataFrame(rows, columns=[*columns, "word", "source"])

    def to_dict(self) -> dict[str, Any]:
        """Return the promotions by promotion_id (as text)."""
        return {str(row.promotion_id): row.to_dict() for row in self.promotions}

    def summary(self) -> str:
        """Say how many run and how they do: ``2 promotions run, both inside their band.``"""
        n = len(self.promotions)
        if not n:
            return _("No promotion is running.")
        if len({row.word for row in self.promotions}) == 1:
            one = marked("{n} promotion runs, {found}.")
            return _n(one, marked("{n} promotions run, {found}."), n, found=self.found())
        return _n(
            "{n} promotion runs: {found}.", "{n} promotions run: {found}.", n, found=self.found()
        )

    def found(self) -> str:
        """Say how they do: ``both inside their band``, ``3 inside their band, 1 above``."""
        words = [row.word for row in self.promotions]
        if len(words) < 2:
            return "".join(map(_, words))
        if len(set(words)) == 1:
            word = _(_PLURAL.get(words[0], words[0]))
            return _("both {word}", word=word) if len(words) == 2 else _("all {word}", word=word)
        order = (INSIDE, ABOVE, BELOW, LITTLE, UNKNOWN, UNRECORDED)
        counts = [(words.count(word), word) for word in order if word in words]
        return listed(
            _("{n} {word}", n=k, word=_(w if k == 1 else _PLURAL.get(w, w))) for k, w in counts
        )

    def table(self) -> Html:
        """Return how far each is and whether as expected, a row each, with its course."""
        rows, words = self.promotions, answer_to(r.kind for r in self.promotions)
        shown = pd.DataFrame(
            {
                "name": [
                    _("{name} until {day}", name=r.name, day=last_day(r.ends_at, self.zone))
                    for r in rows
                ],
                "progress": [_("day {day} of {days}", day=r.day, days=r.days) for r in rows],
                "observed": [r.observed_words for r in rows],
                "expected": [r.expected_words for r in rows],
                "course": [r.sparkline() for r in rows],
                "word": [_(r.word) for r in rows],
            }
        )
        return table(
            shown,
            {
                "name": _("promotion"),
                "progress": _("how far"),
                "observed": _("{redeemed} so far", redeemed=words.past),
                "expected": _("expected to date"),
                "course": _("so far and expected"),
                "word": _("{redemption}s are", redemption=words.noun),
            },
            dict.fromkeys(["observed", "expected"], str),
            caption=_("Sorted by end."),
            most=20,
            otherwise=self.summary(),
        )

    def block(self) -> Html:
        """Return it as the week's page has it: the table, and what was expected, folded away."""
        if not self.promotions:
            return say(_("No promotion that started earlier is still running."))
        behind = [say(text, css="muted") for text in self.notes()]
        title = say(_("Running ({n}): {found}", n=len(self), found=self.found()), kind="h2")
        return title + join([self.table(), fold(_("What was expected, and from what"), behind)])

    def notes(self) -> list[str]:
        """Say of each from what it was expected."""
        return [
            _(
                "{name} ({days}): expected from {source}.",
                name=r.name,
                days=days_of(r.starts_at, r.ends_at, self.zone),
                source=r.source,
            )
            for r in self.promotions
        ]


FEWEST = 5  # past promotions of a kind; with fewer, the band of all is narrower and truer


def follow_running(
    shop: Shop,
    as_of: Any,
    predicted: Mapping[Any, Estimate] | None = None,
    *,
    predicted_by: str = "",
) -> Running:
    """Compare the redemptions of running promotions with those expected by now.

    Parameters
    ----------
    shop : Shop
        With promotions, exposures and responses.
    as_of : datetime
        UTC if it has no zone; nothing at or after it is read.
    predicted : mapping of promotion_id to Estimate, optional
        Redeemers expected in total of all who were contacted, with the prediction interval, as an
        earlier week told them (`promolab.campaign.outlook.expected_of`). A promotion without one is
        compared with what past ones brought per contact.
    predicted_by : str
        Where these come from, in words.

    Returns
    -------
    Running
        The first to end first. Expected by now is the total times the share of redeemers that past
        promotions had by this part of their window, or, without a prediction, the contacts times
        the redeemers per contact that they had by then. Past promotions are those of its type, else
        of its kind, else all: the first of these that holds five. Intervals (90 %) hold what
        promotions differ by and the noise of the count; the outlook states them.

    Raises
    ------
    DataError
        If the shop lacks promotions, exposures or responses.
    InputError
        If ``as_of`` is no single moment.

    Examples
    --------
    >>> import promolab
    >>> shop = promolab.load_shop("complete_journey")
    >>> found = follow_running(shop, datetime(2017, 10, 30, 4))["16"]
    >>> found.day, found.days, found.observed, found.word
    (27, 33, 18, 'inside its band')
    """
    shop.require("response models")
    now = moment_of(as_of)
    promotions = _promotions(shop, now)
    runs = promotions[promotions["ends_at"] > now]
    if runs.empty:
        return Running(now, (), shop.zone)
    attribution = read_operations(shop.settings).attribution
    spans = response_spans(promotions, attribution, shop.zone, ("redeem",))
    responses = responses_between(shop, spans, now)
    contacts = contacts_before(shop, promotions, now)
    answers = answers_of(contacts, responses)
    first = answers.loc[answers["redeem"] > 0, ["promotion_id", "customer_id"]]
    first = first.merge(responses, on=["promotion_id", "customer_id"])
    promotions = promotions.merge(spans[["promotion_id", "high"]], on="promotion_id")
    promotions["contacts"] = (
        promotions["promotion_id"].map(answers.groupby("promotion_id").size()).fillna(0).astype(int)
    )
    answered = kinds_answered(shop, now)
    rows = [
        _follow(p, promotions, first, now, shop, predicted or {}, predicted_by)
        for p in promotions[promotions["ends_at"] > now].itertuples()
    ]
    told = tuple(row if row.kind in answered else _unrecorded(row) for row in rows)
    return Running(now, told, shop.zone)


def _unrecorded(row: RunningPromotion) -> RunningPromotion:
    """Return a promotion of a kind whose answers the shop does not record: nothing is known."""
    figures, nothing = ["observed", "expected", "ci_low", "ci_high"], Estimate(np.nan)
    return replace(
        row,
        expected=nothing,
        expected_total=nothing,
        source=_("nothing yet"),
        curve=row.curve.assign(**dict.fromkeys(figures, np.nan)),
        recorded=False,
    )


def _promotions(shop: Shop, now: datetime) -> pd.DataFrame:
    """Return the promotions of the shop's life that started before ``now``, the next to end first.

    Of one that started before the data do, the first redemptions are not known.
    """
    table = shop.promotions.filter(shop.promotions.starts_at < now)
    known = ["promotion_id", "kind", "starts_at", "ends_at"]
    known += [c for c in ("type",) if c in table.columns]
    found: pd.DataFrame = table.select(*known).execute()
    found["type"] = found["type"].fillna("") if "type" in found else ""
    opened = shop.settings.life()[0] or shop.span()[0]
    found = found[(found["starts_at"] >= opened) | (found["ends_at"] > now)]
    found = found.assign(whole=found["starts_at"] >= opened, text=found["promotion_id"].astype(str))
    return found.sort_values(["ends_at", "text"], ignore_index=True)


def _past(own: Any, promotions: pd.DataFrame, now: datetime) -> tuple[pd.DataFrame, str]:
    """Return the past promotions to compare with, and what they are, in words.

    Those of its type; where these are few, those of its kind, with as much weight on its type as
    so few can bear (`Pace`).
    """
    done = promotions[(promotions["high"] <= now) & promotions["whole"]]
    done = done[(done["ends_at"] <= now) & (done["contacts"] > 0)]
    for column, words in (
        ("type", _("past promotions of its type ({type})", type=own.type)),
        ("kind", _("past promotions of its kind")),
    ):
        like = done[done[column] == getattr(own, column)]
        if len(like) >= FEWEST and getattr(own, column):
            same = int((like["type"] == own.type).sum()) if own.type else 0
            if 0 < same < len(like):
                words = _(
                    "{promotions}, {n} of them of its type ({type})",
                    promotions=words,
                    n=count(same),
                    type=own.type,
                )
            return like, words
    return done, _("past promotions")


def _follow(
    own: Any,
    promotions: pd.DataFrame,
    first: pd.DataFrame,
    now: datetime,
    shop: Shop,
    predicted: Mapping[Any, Estimate],
    predicted_by: str,
) -> RunningPromotion:
    past, words = _past(own, promotions, now)
    pace = Pace.of(past, first, own.type if own.type in set(past["type"]) else "")
    start = own.starts_at.to_pydatetime()
    local = pd.DatetimeIndex([start, own.ends_at, now], tz="UTC").tz_convert(shop.zone)
    local = local.tz_localize(None)
    days = int(np.ceil((local[1] - local[0]) / pd.Timedelta(days=1)))
    ends = pd.to_datetime([*(shifted(start, d, shop.zone) for d in range(days + 1)), now])
    ends = ends.unique().sort_values()
    part = ((ends - own.starts_at) / (own.high - own.starts_at)).to_numpy().clip(0.0, 1.0)
    total = predicted.get(own.promotion_id, predicted.get(str(own.promotion_id)))
    if total is None:
        band, total = pace.from_contacts(own.contacts, part)
        source = _("nothing yet")
        if len(past):
            source = _("what {n} {promotions} brought per contact", n=len(past), promotions=words)
    else:
        band = pace.from_total(total, own.contacts, part)
        done = answer_to(past["kind"]).done
        source = _(
            "{prediction}, and how fast {n} {promotions} were {redeemed}",
            prediction=predicted_by or _("the prediction made before it started"),
            n=len(past),
            promotions=words,
            redeemed=done,
        )
    times = np.sort(first.loc[first["promotion_id"] == own.promotion_id, "first_ts"].to_numpy())
    so_far = np.searchsorted(times, ends.to_numpy(), side="left").astype(float)
    curve = band.assign(at=ends, day=(ends - own.starts_at) / pd.Timedelta(days=1))
    curve["observed"] = np.where(ends <= pd.Timestamp(now), so_far, np.nan)
    by_now = curve[curve["at"] == now].iloc[0]
    return RunningPromotion(
        promotion_id=own.promotion_id,
        name=shop.promotion_name(own.kind, own.promotion_id),
        starts_at=start,
        ends_at=own.ends_at.to_pydatetime(),
        day=min(int((local[2] - local[0]) / pd.Timedelta(days=1)) + 1, days),
        days=days,
        contacts=int(own.contacts),
        observed=len(times),
        expected=Estimate.of(by_now[["expected", "ci_low", "ci_high"]], len(past)),
        expected_total=total,
        source=source,
        level=PREDICTION_LEVEL,
        curve=curve[["day", "at", "observed", "expected", "ci_low", "ci_high"]],
        kind=str(own.kind),
    )
