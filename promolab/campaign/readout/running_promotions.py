"""Promotions that run: redemptions so far against those that past ones let expect by now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
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

    def facts(self) -> dict[str, Any]:
        """Return whether it is recorded who answers, and what that is called."""
        answered = "known" if self.contacts else "nobody"
        return {
            "answer": lambda: answer_to(self.kind),
            "answered": answered if self.recorded else "unrecorded",
        }

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
        n = len(words)
        alike = {0: "none", 1: "one", 2: "both"}.get(n, "all")
        return {
            "case": alike if len(set(words)) < 2 else "mixed",
            "word": words[0] if words else "",
            "counts": [
                {"word": word, "n": words.count(word), "many": words.count(word) > 1}
                for word in STATES
                if word in words
            ],
            "shown": self._shown,
        }

    def _shown(self) -> pd.DataFrame:
        rows = self.promotions
        named = [row.say("until", day=last_day(row.ends_at, self.zone)) for row in rows]
        course: list[Any] = [row.sparkline() for row in rows]
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


def follow_running(
    shop: Shop,
    as_of: Any,
    predicted: Mapping[Any, Estimate] | None = None,
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
    answers, responses, spans = answers_until(shop, promotions, now, ("redeem",))
    first = answers.loc[answers["redeem"] > 0, ["promotion_id", "customer_id"]]
    first = first.merge(responses, on=["promotion_id", "customer_id"])
    promotions = promotions.merge(spans[["promotion_id", "high"]], on="promotion_id")
    promotions["contacts"] = (
        promotions["promotion_id"].map(answers.groupby("promotion_id").size()).fillna(0).astype(int)
    )
    promotions["recorded"] = promotions["kind"].isin(kinds_answered(shop, now))
    rows = [
        _follow(p, promotions, first, now, shop, predicted or {})
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
    so few can bear (`Pace`).
    """
    done = promotions[(promotions["high"] <= now) & promotions["whole"]]
    done = done[(done["ends_at"] <= now) & (done["contacts"] > 0)]
    for column in ("type", "kind"):
        like = done[done[column] == getattr(own, column)]
        if len(like) >= FEWEST and getattr(own, column):
            return like, column
    return done, "all"


def _follow(
    own: Any,
    promotions: pd.DataFrame,
    first: pd.DataFrame,
    now: datetime,
    shop: Shop,
    predicted: Mapping[Any, Estimate],
) -> RunningPromotion:
    past, of = _past(own, promotions, now)
    pace = Pace.of(past, first, own.type if own.type in set(past["type"]) else "")
    start = own.starts_at.to_pydatetime()
    local = pd.DatetimeIndex([start, own.ends_at, now], tz="UTC").tz_convert(shop.zone)
    local = local.tz_localize(None)
    days = int(np.ceil((local[1] - local[0]) / pd.Timedelta(days=1)))
    ends = pd.to_datetime([*(shifted(start, d, shop.zone) for d in range(days + 1)), now])
    ends = ends.unique().sort_values()
    part = ((ends - own.starts_at) / (own.high - own.starts_at)).to_numpy().clip(0.0, 1.0)
    total = predicted.get(own.promotion_id, predicted.get(str(own.promotion_id)))
    same = int((past["type"] == own.type).sum()) if own.type and of == "kind" else 0
    words = words_of(
        __name__,
        "source",
        past=past,
        of=of,
        type=own.type,
        same=same if same < len(past) else 0,
        answer=lambda: answer_to(past["kind"]),
    )
    if total is None:
        band, total = pace.from_contacts(own.contacts, part)
        source = words.say("per_contact" if len(past) else "nothing")
    else:
        band, source = pace.from_total(total, own.contacts, part), words.say("predicted")
    times = np.sort(first.loc[first["promotion_id"] == own.promotion_id, "first_ts"].to_numpy())
    so_far = np.searchsorted(times, ends.to_numpy(), side="left").astype(float)
    curve = band.assign(at=ends, day=(ends - own.starts_at) / pd.Timedelta(days=1))
    curve["observed"] = np.where(ends <= pd.Timestamp(now), so_far, np.nan)
    if not own.recorded:  # nothing is known, and nothing is 0
        source, total = words.say("nothing"), Estimate(np.nan)
        curve[["observed", "expected", "ci_low", "ci_high"]] = np.nan
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
        expected=Estimate.of(
            by_now[["expected", "ci_low", "ci_high"]], len(past) if own.recorded else 0
        ),
        expected_total=total,
        source=source,
        level=PREDICTION_LEVEL,
        curve=curve[["day", "at", "observed", "expected", "ci_low", "ci_high"]],
        kind=str(own.kind),
        recorded=bool(own.recorded),
    )


@dataclass(frozen=True)
class Pace:
    """When the redeemers of past promotions redeemed.

    Parameters
    ----------
    contacts : array, shape (k,)
        Customers contacted for each promotion.
    promotion : array of int, shape (r,)
        Position of each redeemer's promotion.
    part : array, shape (r,)
        The part of its window (0–1) that was over when the redeemer first redeemed.
    types : tuple of str
        Of each promotion; empty where they are not told apart.
    own : str
        The type of the promotion to come.
    """

    contacts: np.ndarray = field(repr=False)
    promotion: np.ndarray = field(repr=False)
    part: np.ndarray = field(repr=False)
    types: tuple[str, ...] = ()
    own: str = ""

    @classmethod
    def of(cls, past: pd.DataFrame, first: pd.DataFrame, own: str = "") -> Pace:
        """Read the pace of past promotions.

        Parameters
        ----------
        past : DataFrame
            promotion_id, starts_at, high (end of the window), contacts.
        first : DataFrame
            promotion_id, first_ts: one row per redeemer.
        own : str
            Its type, if the past ones are of several: ``past.type``.
        """
        known = past.reset_index(drop=True).reset_index(names="position")
        rows = first.merge(known, on="promotion_id")
        part = (rows["first_ts"] - rows["starts_at"]) / (rows["high"] - rows["starts_at"])
        return cls(
            known["contacts"].to_numpy(dtype=float),
            rows["position"].to_numpy(dtype=int),
            part.to_numpy(dtype=float),
            tuple(known["type"]) if own else (),
            own,
        )

    def redeemed_by(self, parts: np.ndarray) -> np.ndarray:
        """Return the redeemers of each promotion before these parts of its window; (k, len(parts)).

        Examples
        --------
        >>> pace = Pace(np.array([10.0]), np.array([0, 0]), np.array([0.1, 0.6]))
        >>> pace.redeemed_by(np.array([0.1, 0.5, 1.0])).tolist()
        [[0.0, 1.0, 2.0]]
        """
        before = self.part[:, None] < np.asarray(parts)[None, :]
        counts = np.zeros((len(self.contacts), len(parts)))
        np.add.at(counts, self.promotion, before.astype(float))
        return counts

    def from_contacts(self, contacts: float, parts: np.ndarray) -> tuple[pd.DataFrame, Estimate]:
        """Return the redeemers expected by each part of the window, and in total, per contact made.

        Of past promotions the redeemers by then over their contacts, Σc ÷ Σn: a mean, large
        promotions weighing more, drawn to the type's own as far as that is known.
        `promolab.metrics.pooling` has the interval.

        Returns
        -------
        DataFrame, Estimate
            expected, ci_low, ci_high by part; the same at the window's end. nan without past
            promotions; the ends are nan with fewer than three.
        """
        steps = np.append(np.asarray(parts, dtype=float), 1.0)
        counts, n = self.redeemed_by(steps), self.contacts
        rows = [self._scaled(counts[:, j], contacts) for j in range(len(steps))]
        table = _band(rows, steps, contacts)
        end = table.iloc[-1]
        total = Estimate.of(end, len(n))
        return table.iloc[:-1].reset_index(drop=True), total

    def from_total(self, total: Estimate, contacts: float, parts: np.ndarray) -> pd.DataFrame:
        """Return the redeemers expected by each part of the window, of a total that was predicted.

        The share of redeemers by then is estimated over past promotions as in `from_contacts`, with
        the redeemers of each in the place of its contacts. The interval adds, on the scale of
        logarithms, the distances of its ends for the total and for the share; the share's own noise
        is 1 ÷ (E + ½) − 1 ÷ (T + ½), for the total T holds that of the whole count already.

        Returns
        -------
        DataFrame
            expected, ci_low, ci_high by part.
        """
        counts = self.redeemed_by(np.append(np.asarray(parts, dtype=float), np.inf))
        redeemers = counts[:, -1]
        counts = counts[redeemers > 0]
        rows = [_share_of(counts[:, j], redeemers[redeemers > 0], total) for j in range(len(parts))]
        return _band(rows, np.asarray(parts, dtype=float), contacts)

    def _scaled(self, counts: np.ndarray, mine: float) -> tuple[float, float, float]:
        if not self.contacts.sum():
            return _UNKNOWN
        past = past_ratios(counts, self.contacts, self.types or None)
        own = 1 / (mine * past.mean(self.own) + 0.5)
        return (past.predict(own, self.own, level=PREDICTION_LEVEL) * mine).ends


_UNKNOWN = (float("nan"), float("nan"), float("nan"))


def _share_of(
    counts: np.ndarray, redeemers: np.ndarray, total: Estimate
) -> tuple[float, float, float]:
    if not len(redeemers):
        return _UNKNOWN
    noise = max(1 - counts.sum() / redeemers.sum(), 1e-9)
    past = past_ratios(counts, redeemers, variance=lambda expected: noise / (expected + 0.5))
    expected = total.value * min(past.mean(), 1.0)
    own = max(1 / (expected + 0.5) - 1 / (total.value + 0.5), 0.0)
    share = past.predict(own, level=PREDICTION_LEVEL)
    if not (expected > 0 and total.ci_low > 0 and share.ci_low > 0):
        return expected, np.nan, np.nan
    down, up = (
        np.hypot(np.log(a / total.value), np.log(b / share.value))
        for a, b in ((total.ci_low, share.ci_low), (total.ci_high, share.ci_high))
    )
    return expected, expected * np.exp(-down), expected * np.exp(up)


def _band(
    rows: list[tuple[float, float, float]], parts: np.ndarray, contacts: float
) -> pd.DataFrame:
    """Return the rows as a table that never falls, from 0 at the start to everybody at most.

    What has been redeemed stays redeemed: there are no fewer than the lowest expected earlier, and
    no more than the highest expected later.
    """
    values = np.minimum(np.array(rows, dtype=float).reshape(-1, 3), contacts)
    values[parts <= 0] = np.where(np.isnan(values[parts <= 0]), np.nan, 0.0)
    low = np.maximum.accumulate(values[:, 1])
    high = np.minimum.accumulate(values[::-1, 2])[::-1]
    expected = np.maximum.accumulate(values[:, 0])
    told = ~np.isnan(low)
    expected[told] = np.clip(expected[told], low[told], np.maximum(high, low)[told])
    return pd.DataFrame({"expected": expected, "ci_low": low, "ci_high": np.maximum(high, low)})
