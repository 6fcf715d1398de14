"""What is counted for which promotion: windows per response, sales in them and before them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from promolab.abtest import smallest_effect
from promolab.contract import BOUGHT_FROM, read_operations
from promolab.features import build_features, placed_lines
from promolab.promotions import kinds_recorded, responses_between
from promolab.results import words_of
from promolab.wording import answer_to, capital

if TYPE_CHECKING:
    from promolab.contract import Attribution, Shop


# Where products are not given, features leave out variety and price level, which take most of the
# time and say little about spend beyond recency, frequency, amounts and coupons.
_NOT_NEEDED = ("products",)
# Features for response models that say again what orders, amounts and responses say: with them the
# Complete Journey's promotion 19 leaves earlier spend 0.13 standard deviations apart, without 0.06.
_REPEATS = ("answers", "largest_order")
SHORTEST = timedelta(days=56)  # a week of sales says little of the next, eight weeks much
_WINDOWS = 3  # past windows of the promotion's length whose sales tell how customers differ
KINDS = ("redeem", "delivered", "unsubscribe", "complaint")
"""Kinds of response that a read-out counts."""


def lean(shop: Shop) -> Shop:
    """Return the shop without the tables that the comparison does not need."""
    return shop.with_tables({k: v for k, v in shop.tables.items() if k not in _NOT_NEEDED})


def contacts_before(shop: Shop, promotions: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """Return promotion_id, customer_id and ts of the first contact before ``now`` and the end.

    Parameters
    ----------
    promotions : DataFrame
        promotion_id, ends_at.
    """
    import ibis

    keys = ["promotion_id", "customer_id"]
    if promotions.empty:
        return pd.DataFrame(columns=[*keys, "ts"])
    windows = ibis.memtable(promotions[["promotion_id", "ends_at"]])
    made = shop.exposures.filter(shop.exposures.ts < ibis.literal(now).cast("timestamp"))
    made = made.select(*keys, "ts").join(windows, "promotion_id")
    made = made.filter(made.ts < made.ends_at)
    return pd.DataFrame(made.group_by(keys).aggregate(ts=made.ts.min()).order_by(keys).execute())


def answers_of(contacts: pd.DataFrame, responses: pd.DataFrame) -> pd.DataFrame:
    """Return the contacts with how often each responded, a column per kind of `KINDS`."""
    keys = ["promotion_id", "customer_id"]
    wide = contacts[keys]
    for kind in KINDS:
        mine = responses.loc[responses["kind"] == kind, [*keys, "n"]]
        wide = wide.merge(mine.rename(columns={"n": kind}), on=keys, how="left")
    return wide.fillna(dict.fromkeys(KINDS, 0)).astype(dict.fromkeys(KINDS, "int64"))


def answers_until(
    shop: Shop, promotions: pd.DataFrame, now: datetime, kinds: Sequence[str] = KINDS
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the contacts with their answers, all responses that count, and until when they do.

    Parameters
    ----------
    promotions : DataFrame
        promotion_id, kind, starts_at, ends_at.
    now : datetime
        Nothing at or after it is read.
    kinds : sequence of str
        Of responses.
    """
    attribution = read_operations(shop.settings).attribution
    spans = response_spans(promotions, attribution, shop.zone, kinds)
    responses = responses_between(shop, spans, now)
    return answers_of(contacts_before(shop, promotions, now), responses), responses, spans


def sales_between(shop: Shop, spans: pd.DataFrame) -> pd.DataFrame:
    """Return net sales per customer in each span; who bought nothing has no row.

    Parameters
    ----------
    spans : DataFrame
        span (a number), low, high (UTC): bought at low ≤ ts < high; until (high by default): what
        came back before it is taken off.
    """
    import ibis

    spans = spans if "until" in spans else spans.assign(until=spans["high"])
    lines, table = placed_lines(lean(shop)), ibis.memtable(spans)
    rows = lines.join(table, [lines.placed >= table.low, lines.placed < table.high])
    rows = rows.filter(rows.bought | (rows.ts < rows.until))
    sums = rows.group_by("span", "customer_id").aggregate(sales=rows.amount.sum().cast("float64"))
    return pd.DataFrame(sums.order_by("span", "customer_id").execute())


def sales_by_span(
    shop: Shop, until: Mapping[tuple[datetime, datetime], datetime]
) -> dict[tuple[datetime, datetime], pd.Series[Any]]:
    """Return net sales by customer of each span, as `sales_between` has them.

    Parameters
    ----------
    until : mapping of (low, high) to datetime
        Before when what came back is taken off.
    """
    spans = sorted(until)
    frame = pd.DataFrame(spans, columns=["low", "high"])
    frame = frame.assign(until=[until[span] for span in spans], span=range(len(spans)))
    sums = sales_between(shop, frame)
    return {
        span: sums[sums["span"] == place].set_index("customer_id")["sales"]
        for place, span in enumerate(spans)
    }


def known_before(shop: Shop, moments: list[datetime]) -> pd.DataFrame:
    """Return the features of every customer with history at each moment, numbers only.

    Beside `promolab.build_features`: other_promotions, for how many promotions that run at the
    moment the customer had been contacted before it. Those that start at the moment itself are
    decided together with the one compared and are left out. So are features that serve response
    models only and repeat others: weights that tell those apart leave earlier spend less alike.
    """
    import ibis

    customers = shop.events.select("customer_id").distinct()
    dates = ibis.memtable(pd.DataFrame({"as_of": pd.to_datetime(moments)}))
    table: pd.DataFrame = build_features(lean(shop), customers.cross_join(dates)).execute()
    keys = ["customer_id", "as_of"]
    table = table.merge(running_contacts(shop, moments), on=keys, how="left")
    table["other_promotions"] = table["other_promotions"].fillna(0)
    left_out = {*keys, *_REPEATS}
    numeric = [c for c in table.columns if c not in left_out and table[c].dtype.kind in "iuf"]
    return table[keys + numeric].sort_values(["as_of", "customer_id"], ignore_index=True)


def running_contacts(shop: Shop, moments: list[datetime]) -> pd.DataFrame:
    """Return customer_id, as_of and other_promotions of those contacted for what runs at a moment.

    other_promotions counts the promotions that run then for which they had been contacted before.
    """
    import ibis

    dates = ibis.memtable(pd.DataFrame({"as_of": pd.to_datetime(moments)}))
    windows = shop.promotions.select("promotion_id", "ends_at")
    made = shop.exposures.select("customer_id", "promotion_id", "ts").join(windows, "promotion_id")
    running = made.join(dates, [made.ts < dates.as_of, made.ends_at > dates.as_of])
    running = running.group_by("customer_id", "as_of").aggregate(
        other_promotions=running.promotion_id.nunique()
    )
    return pd.DataFrame(running.execute())


def shifted(moment: datetime, days: int, zone: str) -> datetime:
    """Return the same time of day some days on, by the clocks of a zone.

    Examples
    --------
    >>> shifted(datetime(2017, 10, 30, 4), 7, "America/New_York")
    datetime.datetime(2017, 11, 6, 5, 0)
    """
    local = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    return (local + timedelta(days=days)).astimezone(UTC).replace(tzinfo=None)


def response_spans(
    promotions: pd.DataFrame, attribution: Attribution, zone: str, kinds: Sequence[str] = KINDS
) -> pd.DataFrame:
    """Return promotion_id, kind, counted, low, high: when a response counts for a promotion.

    From the promotion's start: for as many local days as ``[attribution] windows`` says of the
    kind, else until the promotion ends. ``counted`` is the kind itself, but for ``redeem`` of
    promotions (by their kind, where it is there) that have nothing to redeem: a purchase.
    """
    rows = []
    for p in promotions.to_dict("records"):
        for kind in kinds:
            bought = kind == "redeem" and p.get("kind") in BOUGHT_FROM
            counted = "purchase" if bought else kind
            days = attribution.windows.get(counted)
            high = p["ends_at"] if days is None else shifted(_moment(p["starts_at"]), days, zone)
            rows.append((p["promotion_id"], kind, counted, p["starts_at"], pd.Timestamp(high)))
    frame = pd.DataFrame(rows, columns=["promotion_id", "kind", "counted", "low", "high"])
    return frame.astype({"promotion_id": promotions["promotion_id"].dtype})


def settles_at(starts_at: Any, ends_at: Any, attribution: Attribution, zone: str) -> datetime:
    """Return when a promotion's figures no longer change: its windows and the return days are over.

    Examples
    --------
    >>> from promolab.contract import Attribution
    >>> settles_at(datetime(2017, 9, 1), datetime(2017, 10, 1), Attribution(), "UTC")
    datetime.datetime(2017, 10, 31, 0, 0)
    """
    start = _moment(starts_at)
    windows = [shifted(start, attribution.windows[k], zone) for k in KINDS if k in
               attribution.windows]  # fmt: skip
    return max([shifted(_moment(ends_at), attribution.return_days, zone), *windows])


def _moment(ts: Any) -> datetime:
    moment: datetime = pd.Timestamp(ts).to_pydatetime()
    return moment


def overlap_words(contacts: pd.DataFrame, windows: pd.DataFrame, ended: Sequence[Any]) -> str:
    """Say how many contacts fell into the windows of several promotions.

    Parameters
    ----------
    contacts : DataFrame
        promotion_id, customer_id: of all promotions.
    windows : DataFrame
        promotion_id, starts_at, ends_at of all promotions.
    ended : sequence
        Promotions read out.
    """
    rows = contacts.merge(windows, on="promotion_id")
    mine = rows[rows["promotion_id"].isin(list(ended))]
    both = mine.merge(rows, on="customer_id", suffixes=("", "_other"))
    both = both[
        (both["promotion_id"] != both["promotion_id_other"])
        & (both["starts_at_other"] < both["ends_at"])
        & (both["starts_at"] < both["ends_at_other"])
    ]
    n = len(both[["promotion_id", "customer_id"]].drop_duplicates())
    return words_of(__name__, "overlap", n=n).say("told" if n else "nobody")


def earlier_span(end: datetime, length: timedelta) -> tuple[datetime, datetime]:
    """Return the time before a moment whose sales are allowed for: as long as the promotion.

    At least 56 days. The read-out (`compare_with_holdout`) and what is said before anything is sent
    (`sales_spread`) allow for the same.

    Examples
    --------
    >>> low, high = earlier_span(datetime(2021, 3, 1), timedelta(days=7))
    >>> (high - low).days
    56
    """
    return end - max(length, SHORTEST), end


@dataclass(frozen=True)
class SalesSpread:
    """How far customers' sales in a window of a promotion's length lie apart; by `sales_spread`.

    Parameters
    ----------
    sd : float
        Standard deviation: the root of the windows' mean variance.
    correlation : float
        Of sales in a window and before it: what is left of the variance once earlier sales are
        allowed for is 1 − its square; 0 where no window has its earlier time in the data.
    """

    sd: float
    correlation: float

    @property
    def adjusted(self) -> float:
        """Standard deviation once earlier sales are allowed for."""
        return self.sd * math.sqrt(1 - self.correlation**2)


def sales_spread(
    shop: Shop, as_of: datetime, promotion: Mapping[Any, Any], customers: pd.Series[Any]
) -> SalesSpread:
    """Return how far customers' sales in a promotion will lie apart, by comparable earlier dates.

    Parameters
    ----------
    shop : Shop
        Without amounts the answer is nan.
    as_of : datetime
        UTC without a zone; the last three windows before it are read, of those that the data cover,
        each with the time before it (`earlier_span`).
    promotion : mapping
        Its starts_at and ends_at.
    customers : Series
        Those who are planned; who bought nothing counts as 0.

    Returns
    -------
    SalesSpread
        nan where not even one window lies in the data, or with fewer than three customers.
    """
    unknown = SalesSpread(float("nan"), 0.0)
    if shop.lacks("orders and sales") is not None or len(customers) < 3:
        return unknown
    length = (promotion["ends_at"] - promotion["starts_at"]).to_pytimedelta()
    first = shop.span()[0]
    lows = [as_of - k * length for k in range(1, _WINDOWS + 1)]
    told = [low for low in lows if earlier_span(low, length)[0] >= first]
    lows = told or [low for low in lows if low >= first]
    if not lows:
        return unknown
    spans = [(low, low + length) for low in lows] + [earlier_span(low, length) for low in told]
    found = sales_by_span(shop, {span: span[1] for span in spans})
    sales = np.array([customers.map(found[span]).fillna(0.0) for span in spans])
    later, before = sales[: len(lows)], sales[len(lows) :]
    variance = float(later.var(axis=1, ddof=1).mean())
    left = [_left(y, x) for y, x in zip(later, before, strict=True)] if told else [variance]
    share = min(float(np.mean(left)) / variance, 1.0) if variance > 0 else 1.0
    return SalesSpread(math.sqrt(variance), math.sqrt(1 - share))


def _left(y: np.ndarray, x: np.ndarray) -> float:
    """Return the variance of y that a straight line in x leaves."""
    y, x = y - y.mean(), x - x.mean()
    slope = (x @ y) / (x @ x) if x @ x > 0 else 0.0
    rest = y - slope * x
    return float(rest @ rest) / (len(y) - 2)


def visible_effect(contacts: int, held: int, sd: float) -> float:
    """Return the smallest difference in sales per customer seen with 80 % power; nan without any.

    Parameters
    ----------
    contacts, held : int
        Customers in the two groups.
    sd : float
        Standard deviation of what is compared: `SalesSpread.adjusted`.

    Examples
    --------
    >>> round(visible_effect(900, 100, 50.0), 1)
    14.8
    """
    if not (contacts > 0 and held > 0 and math.isfinite(sd) and sd > 0):
        return float("nan")
    return smallest_effect(contacts, held, sd=sd)


@dataclass(frozen=True)
class PastAnswers:
    """Each contact of promotions that are over, and whether it was answered in time.

    Parameters
    ----------
    frame : DataFrame
        One row per contact: ``promotion_id, customer_id, starts_at``, the outcome (0/1) and, where
        the shop records clicks, ``clicked``.
    outcome : str
        The column that says who answered: ``redeemed``, or ``bought`` and the like.
    why : str
        Why there is no contact; empty where there is one.
    """

    frame: pd.DataFrame = field(repr=False)
    outcome: str
    why: str = ""


def past_answers(
    shop: Shop, as_of: datetime, customers: Iterable[Any] | None = None
) -> PastAnswers:
    """Return each contact of promotions that are over, and whether it was answered in time.

    Answered is what the read-out of ended promotions counts: a redemption, or a purchase where
    there is nothing to redeem. A click is told apart. Of promotions that started before the data
    do, answers are known in part only: they are left out.

    Parameters
    ----------
    shop : Shop
        With promotions, exposures and responses.
    as_of : datetime
        UTC, without a zone: nothing at or after it is known.
    customers : iterable of ids, optional
        Whose contacts are read; by default everybody's.
    """
    import ibis

    keys = ["promotion_id", "customer_id"]
    nothing = pd.DataFrame(columns=[*keys, "starts_at"])
    if lacking := shop.lacks("response models"):
        return PastAnswers(nothing, "", f"{capital(lacking)}.")
    columns = ["promotion_id", "kind", "starts_at", "ends_at"]
    promotions = shop.promotions.select(*columns).execute()
    attribution = read_operations(shop.settings).attribution
    spans = response_spans(promotions, attribution, shop.zone, ("redeem",))
    spans = pd.concat([spans, spans.assign(kind="click", counted="click")], ignore_index=True)
    until = promotions["promotion_id"].map(spans.groupby("promotion_id")["high"].max())
    over = (until <= as_of) & (promotions["ends_at"] <= as_of)
    promotions = promotions[over & (promotions["starts_at"] >= shop.span()[0])]
    if customers is not None:  # before anything is read: contacts may be far more than those
        theirs = ibis.memtable(pd.DataFrame({"customer_id": pd.Index(list(customers)).unique()}))
        part = shop.exposures.semi_join(theirs, "customer_id")
        shop = shop.with_tables({**shop.tables, "exposures": part})
    rows = contacts_before(shop, promotions, as_of)
    if rows.empty:
        return PastAnswers(nothing, "", words_of(__name__, "past_answers").say("nothing_over"))
    spans = spans[spans["promotion_id"].isin(promotions["promotion_id"])]
    answers = responses_between(shop, spans, as_of)
    rows = rows[keys].merge(promotions[["promotion_id", "starts_at"]], on="promotion_id")
    outcome = answer_to(promotions["kind"]).past
    for kind, name in (("redeem", outcome), ("click", "clicked")):
        mine = answers.loc[answers["kind"] == kind, keys].assign(**{name: 1})
        rows = rows.merge(mine, on=keys, how="left").fillna({name: 0})
    if "click" not in kinds_recorded(shop, as_of):
        rows = rows.drop(columns="clicked")
    rows["starts_at"] = rows["starts_at"].astype("datetime64[us]")
    return PastAnswers(rows.sort_values(keys, ignore_index=True), outcome)
