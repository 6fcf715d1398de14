"""Promotions that run: redemptions so far against those that past ones let expect by now."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.past.outcomes import answers_until, shifted
from promolab.campaign.past.schedule import days_of, last_day, nothing_in
from promolab.campaign.readout.promotion_readout import ByPromotion, spread
from promolab.display import Html, fold, join, say
from promolab.metrics import past_ratios
from promolab.promotions import PREDICTION_LEVEL, kinds_answered, moment_of
from promolab.results import Estimate, Result, plain, words_of
from promolab.wording import answer_to

if TYPE_CHECKING:
    from promolab.contract import Shop


INSIDE, ABOVE, BELOW = "inside its band", "above its band", "below its band"
LITTLE, UNKNOWN, UNRECORDED = "too little known", "no band yet", "not recorded"
STATES = (INSIDE, ABOVE, BELOW, LITTLE, UNKNOWN, UNRECORDED)

BLOCKS, PARTS = "▁▂▃▄▅▆▇█", 12
"""Of a course in a cell of a table: a block for each twelfth of the window that is over."""
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
    answered_at : ndarray of datetime64
        When those observed redeemed first, the earliest first.
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
    answered_at: np.ndarray = field(repr=False, compare=False)
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
        """Return how many had redeemed before a moment."""
        return int(np.searchsorted(self.answered_at, np.datetime64(moment)))

    def course(self, as_of: datetime) -> str:
        """Return the responses so far, twelfth by twelfth of the window, as blocks.

        A full block is what is expected by the end; empty where that is not known.
        """
        if not self.expected_total.value > 0:
            return ""
        length = (self.ends_at - self.starts_at) / PARTS
        over = math.ceil((as_of - self.starts_at) / length)
        ends = [min(self.starts_at + k * length, as_of) for k in range(1, over + 1)]
        top = self.expected_total.value
        places = [int(len(BLOCKS) * self.observed_by(end) / top) for end in ends]
        return "".join(BLOCKS[min(place, len(BLOCKS) - 1)] for place in places)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, ready for JSON."""
        fields = super().to_dict() | {"promotion_id": str(self.promotion_id), "word": self.word}
        times = {name: getattr(self, name).isoformat() for name in ("starts_at", "ends_at")}
        return dict(plain(fields | times))

    def facts(self) -> dict[str, Any]:
        """Return whether it is recorded who answers, and what that is called."""
        answered = "known" if self.contacts else "nobody"
        return {
            "answer": lambda: answer_to(self.kind),
            "answered": answered if self.recorded else "unrecorded",
            "came": self.observed,
        }


@dataclass(frozen=True)
class Running(ByPromotion):
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

    def facts(self) -> dict[str, Any]:
        """Return how they do, and the rows of the table."""
        words = [row.word for row in self.promotions]
        alike = {0: "none", 1: "one"}.get(len(words), "each")
        return {
            "case": alike if len(set(words)) < 2 else "mixed",
            "word": words[0] if words else "",
            "counts": [{"word": word, "n": words.count(word)} for word in STATES if word in words],
            "shown": self._shown,
        }

    def _shown(self) -> pd.DataFrame:
        rows = self.promotions
        named = [row.say("until", day=last_day(row.ends_at, self.zone)) for row in rows]
        course = [row.course(self.as_of) for row in rows]
        told = self.to_frame().assign(named=named, course=course)
        return told.assign(part=[row.say("part") for row in rows])

    def block(self) -> Html:
        """Return it as the week's page has it: the table, and what was expected, folded away."""
        if not self.promotions:
            return say(nothing_in("running"))
        behind = [
            say(
                row.say("rests_on", span=days_of(row.starts_at, row.ends_at, self.zone)),
                css="muted",
            )
            for row in self.promotions
        ]
        title = say(self.say("heading"), kind="h2")
        return title + join([self.to_table(), fold(self.say("behind"), behind)])


FEWEST = 5  # past promotions of a kind; with fewer, the band of all is narrower and truer


def follow_running(shop: Shop, as_of: Any) -> Running:
    """Compare the redemptions of running promotions with those expected by now.

    Parameters
    ----------
    shop : Shop
        With promotions, exposures and responses.
    as_of : datetime
        UTC if it has no zone; nothing at or after it is read.

    Returns
    -------
    Running
        The first to end first. Expected by now are the contacts times the redeemers per contact
        that past promotions had by this part of their window. Past promotions are those of its
        type, else of its kind, else all: the first of these that holds five. Intervals (90 %) hold
        what promotions differ by and the noise of the count; `promolab.metrics.pooling` has them.

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
    answers, responses, spans = answers_until(shop, promotions, now, ("redeem",))
    first = answers.loc[answers["redeem"] > 0, ["promotion_id", "customer_id"]]
    first = first.merge(responses, on=["promotion_id", "customer_id"])
    promotions = promotions.merge(spans[["promotion_id", "high"]], on="promotion_id")
    promotions["contacts"] = (
        promotions["promotion_id"].map(answers.groupby("promotion_id").size()).fillna(0).astype(int)
    )
    promotions["recorded"] = promotions["kind"].isin(kinds_answered(shop, now))
    rows = [
        _follow(p, promotions, first, now, shop)
        for p in promotions[promotions["ends_at"] > now].itertuples()
    ]
    return Running(now, tuple(rows), shop.zone)


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
    """Return the past promotions to compare with, and which these are: of its type, its kind, all.

    Those of its type; where these are few, those of its kind, with as much weight on its type as
    so few can bear (`expected_by`).
    """
    done = promotions[(promotions["high"] <= now) & promotions["whole"]]
    done = done[(done["ends_at"] <= now) & (done["contacts"] > 0)]
    for column in ("type", "kind"):
        like = done[done[column] == getattr(own, column)]
        if len(like) >= FEWEST and getattr(own, column):
            return like, column
    return done, "all"


def _follow(
    own: Any, promotions: pd.DataFrame, first: pd.DataFrame, now: datetime, shop: Shop
) -> RunningPromotion:
    past, of = _past(own, promotions, now)
    start, recorded = own.starts_at.to_pydatetime(), bool(own.recorded)
    local = pd.DatetimeIndex([start, own.ends_at, now], tz="UTC").tz_convert(shop.zone)
    local = local.tz_localize(None)
    days = int(np.ceil((local[1] - local[0]) / pd.Timedelta(days=1)))
    ends = pd.to_datetime([*(shifted(start, d, shop.zone) for d in range(days + 1)), now])
    ends = ends.unique().sort_values()
    parts = ((ends - own.starts_at) / (own.high - own.starts_at)).to_numpy().clip(0.0, 1.0)
    mine = own.type if own.type in set(past["type"]) else ""
    band = expected_by(np.append(parts, 1.0), own.contacts, past, first, mine)
    place = int(np.flatnonzero(ends == pd.Timestamp(now))[0])
    by_now, total = band.to_numpy()[[place, -1]]
    words = words_of(__name__, "source", past=past, of=of, type=own.type)
    unknown = Estimate(np.nan)  # where nothing is recorded nothing is known, and nothing is 0
    times = first.loc[first["promotion_id"] == own.promotion_id, "first_ts"].sort_values()
    return RunningPromotion(
        promotion_id=own.promotion_id,
        name=shop.promotion_name(own.kind, own.promotion_id),
        starts_at=start,
        ends_at=own.ends_at.to_pydatetime(),
        day=min(int((local[2] - local[0]) / pd.Timedelta(days=1)) + 1, days),
        days=days,
        contacts=int(own.contacts),
        observed=len(times),
        expected=Estimate.of(by_now, len(past)) if recorded else unknown,
        expected_total=Estimate.of(total, len(past)) if recorded else unknown,
        source=words.say("per_contact" if recorded and len(past) else "nothing"),
        level=PREDICTION_LEVEL,
        answered_at=times.to_numpy(),
        kind=str(own.kind),
        recorded=recorded,
    )


def expected_by(
    parts: np.ndarray, contacts: float, past: pd.DataFrame, first: pd.DataFrame, own: str = ""
) -> pd.DataFrame:
    """Return the redeemers expected by each part of a window, by what past promotions brought.

    Of past promotions the redeemers by then over their contacts, Σc ÷ Σn: a mean, large promotions
    weighing more, drawn to the type's own as far as that is known. `promolab.metrics.pooling` has
    the interval.

    Parameters
    ----------
    parts : ndarray
        Parts of the window (0–1) that are over, ascending.
    contacts : float
        Customers contacted.
    past : DataFrame
        promotion_id, type, starts_at, high (end of the window), contacts.
    first : DataFrame
        promotion_id, first_ts: one row per redeemer.
    own : str
        Its type, if the past ones are of several; empty where they are not told apart.

    Returns
    -------
    DataFrame
        expected, ci_low, ci_high by part, never falling: what has been redeemed stays redeemed, so
        that there are no fewer than the lowest expected earlier, and no more than the highest
        expected later. nan without past promotions; the ends are nan with fewer than three.
    """
    known = past.reset_index(drop=True).reset_index(names="position")
    rows = first.merge(known, on="promotion_id")
    done = (rows["first_ts"] - rows["starts_at"]) / (rows["high"] - rows["starts_at"])
    counts, n = np.zeros((len(known), len(parts))), known["contacts"].to_numpy(dtype=float)
    before = done.to_numpy(dtype=float)[:, None] < parts
    np.add.at(counts, rows["position"].to_numpy(dtype=int), before.astype(float))
    values = np.full((len(parts), 3), np.nan)
    for place in range(len(parts) if n.sum() else 0):
        found = past_ratios(counts[:, place], n, tuple(known["type"]) if own else None)
        noise = 1 / (contacts * found.mean(own) + 0.5)
        values[place] = (found.predict(noise, own, level=PREDICTION_LEVEL) * contacts).ends
    values = np.minimum(values, contacts)
    values[parts <= 0] = np.where(np.isnan(values[parts <= 0]), np.nan, 0.0)
    low = np.maximum.accumulate(values[:, 1])
    high = np.maximum(np.minimum.accumulate(values[::-1, 2])[::-1], low)
    expected = np.maximum.accumulate(values[:, 0])
    told = ~np.isnan(low)
    expected[told] = np.clip(expected[told], low[told], high[told])
    return pd.DataFrame({"expected": expected, "ci_low": low, "ci_high": high})
