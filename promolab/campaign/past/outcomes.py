"""What is counted for which promotion: windows per response, and sales in several windows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from promolab.contract import BOUGHT_FROM, read_operations
from promolab.features import build_features, placed_lines
from promolab.promotions import kinds_recorded, responses_between
from promolab.results import Result, words_of
from promolab.wording import answer_to, capital

if TYPE_CHECKING:
    from promolab.contract import Attribution, Shop


# Where products are not given, features leave out variety and price level, which take most of the
# time and say little about spend beyond recency, frequency, amounts and coupons.
_NOT_NEEDED = ("products",)
# Features for response models that say again what orders, amounts and responses say: with them the
# Complete Journey's promotion 19 leaves earlier spend 0.13 standard deviations apart, without 0.06.
_REPEATS = ("answers", "largest_order")
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


def shared_sales(
    shop: Shop,
    promotions: pd.DataFrame,
    contacts: pd.DataFrame,
    windows: pd.DataFrame,
    rule: str,
) -> pd.DataFrame:
    """Return the contacted customers' sales in each window, each purchase counted once.

    A window is cut wherever one of the customer's other promotions starts or ends; what was bought
    in a piece counts for the promotion whose contact came first (``first``; equal times by id as
    text) or in equal parts for all that the customer was contacted for (``shared``).

    Parameters
    ----------
    promotions : DataFrame
        promotion_id, starts_at, ends_at, until (returns before it are taken off): those to count.
    contacts : DataFrame
        promotion_id, customer_id, ts of the first contact, of all promotions.
    windows : DataFrame
        promotion_id, starts_at, ends_at of all promotions.
    rule : {"first", "shared"}

    Returns
    -------
    DataFrame
        promotion_id, customer_id, sales; who bought nothing has no row.
    """
    pieces = _pieces(promotions, windows)
    sales = sales_between(shop, pieces[["span", "low", "high", "until"]])
    mine = pieces[["span", "promotion_id", "low"]].merge(sales, on="span")
    mine = mine.merge(contacts[["promotion_id", "customer_id"]], on=["promotion_id", "customer_id"])
    # All promotions that a customer was contacted for and that run in the piece.
    rivals = mine[["span", "customer_id", "low"]].merge(
        contacts.merge(windows, on="promotion_id"), on="customer_id"
    )
    rivals = rivals[(rivals["starts_at"] <= rivals["low"]) & (rivals["low"] < rivals["ends_at"])]
    rivals = rivals.assign(text=rivals["promotion_id"].astype(str))
    rivals = rivals.sort_values(["span", "customer_id", "ts", "text"])
    by = rivals.groupby(["span", "customer_id"], sort=False)
    found = by.agg(n=("promotion_id", "size"), first=("promotion_id", "first")).reset_index()
    mine = mine.merge(found, on=["span", "customer_id"])
    part = 1 / mine["n"] if rule == "shared" else (mine["first"] == mine["promotion_id"])
    mine = mine.assign(sales=mine["sales"] * part.astype(float))
    keys = ["promotion_id", "customer_id"]
    mine = mine.sort_values(["span", "customer_id"])
    return mine.groupby(keys)["sales"].sum().reset_index()


def _pieces(promotions: pd.DataFrame, windows: pd.DataFrame) -> pd.DataFrame:
    """Cut each promotion's window wherever any promotion starts or ends."""
    cuts = np.unique(windows[["starts_at", "ends_at"]].to_numpy(dtype="datetime64[us]"))
    parts = []
    for p in promotions.to_dict("records"):
        low, high = (np.datetime64(_moment(p[name]), "us") for name in ("starts_at", "ends_at"))
        ends = np.concatenate([[low], cuts[(cuts > low) & (cuts < high)], [high]])
        parts.append(
            pd.DataFrame({"low": ends[:-1], "high": ends[1:]}).assign(
                promotion_id=p["promotion_id"], until=p["until"]
            )
        )
    table = pd.concat(parts, ignore_index=True)
    return table.assign(span=np.arange(len(table)))


def overlap_words(
    contacts: pd.DataFrame, windows: pd.DataFrame, ended: Sequence[Any], rule: str
) -> str:
    """Say what was done with sales in the windows of several promotions.

    Parameters
    ----------
    contacts, windows : DataFrame
        As `shared_sales` takes them.
    ended : sequence
        Promotions read out.
    rule : str
        ``each in full``, ``first`` or ``shared``.
    """
    n = _in_several(contacts.merge(windows, on="promotion_id"), ended)
    return words_of(__name__, "overlap", n=n, rule=rule).say("told" if n else "nobody")


def _in_several(rows: pd.DataFrame, ended: Sequence[Any]) -> int:
    """Count contacts of promotions whose customer was contacted for one that ran meanwhile."""
    mine = rows[rows["promotion_id"].isin(list(ended))]
    both = mine.merge(rows, on="customer_id", suffixes=("", "_other"))
    both = both[
        (both["promotion_id"] != both["promotion_id_other"])
        & (both["starts_at_other"] < both["ends_at"])
        & (both["starts_at"] < both["ends_at_other"])
    ]
    return len(both[["promotion_id", "customer_id"]].drop_duplicates())


@dataclass(frozen=True)
class PastAnswers(Result):
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

    def facts(self) -> dict[str, Any]:
        """Return whether there is any contact, and of how many promotions."""
        promotions = self.frame["promotion_id"].nunique()
        return {"case": "none" if self.why else "some", "promotions": promotions}


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
    lacking = shop.lacks("response models")
    if lacking:
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
        return PastAnswers(nothing, "", words_of(__name__, "PastAnswers").say("nothing_over"))
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
