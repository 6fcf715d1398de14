"""What reviews speak of: topics by promotion and week, and what goes with returns."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import columns_there, level_of
from promolab.errors import InputError
from promolab.results import Estimate, Result
from promolab.stats import holm
from promolab.text.ratings import FEWEST, PROMOTION, gap, read_reviews, share_of
from promolab.text.tokens import key_of, keys_of, masked
from promolab.wording import word_lists

if TYPE_CHECKING:
    from promolab.contract import Shop

RECENT, BEFORE, WEEKS = 4, 8, 26
"""Weeks that are compared with those before them; weeks of the figure, at most."""
EXAMPLES, TIMES, TERMS = 5, 5.0, 5
"""Examples of a topic, at least; by how much likelier its terms are there; terms, at most."""
QUOTES, SHORTEST, LONGEST = 3, 4, 120
"""Quotes of a topic; words that one has at least, and characters at most."""
DAYS = 28
"""After a review, in which a return counts."""
Words = Mapping[str, Iterable[str]] | None
ENDS = ("share", "share_low", "share_high")
SHARES = ("topic", "reviews", *ENDS)
GAPS = ("difference", "difference_low", "difference_high")


@functools.cache
def usual_topics() -> dict[str, tuple[str, ...]]:
    """Return the topics that are looked for where none are named, with their words.

    Examples
    --------
    >>> list(usual_topics())
    ['delivery', 'size', 'quality', 'price']
    """
    lists = word_lists(Path(__file__).with_name("topics.csv"))
    return {topic: tuple(w.replace("_", " ") for w in words) for (topic,), words in lists.items()}


@dataclass(frozen=True)
class Topics(Result):
    """What reviews speak of; made by `topics`.

    Parameters
    ----------
    frame : DataFrame
        A row per topic and group (``""``: all; promotions of ten customers or more): topic, group,
        reviews, customers, share (of reviews that mention it) with its interval, difference to
        reviews without a promotion with its interval, p_value, p_holm (over all promotions and
        topics).
    weekly : DataFrame
        topic, week (its first moment), reviews, share with its interval.
    trend : DataFrame
        topic, share (of the last four weeks), difference (to the eight before) with its interval,
        p_value, p_holm.
    quotes : DataFrame
        topic, quote (masked), stars, promotion.
    terms : DataFrame
        topic, term: the words that count as a mention; ``*`` stands for any end.
    reviews, customers : int
        With words.
    level : float
    """

    frame: pd.DataFrame = field(repr=False)
    weekly: pd.DataFrame = field(repr=False)
    trend: pd.DataFrame = field(repr=False)
    quotes: pd.DataFrame = field(repr=False)
    terms: pd.DataFrame = field(repr=False)
    reviews: int = 0
    customers: int = 0
    level: float = 0.95

    def __bool__(self) -> bool:
        return self.customers >= FEWEST

    @property
    def grew(self) -> str:
        """The topic that grew most beyond chance in the last four weeks; empty where none did."""
        sure = self.trend[(self.trend["p_holm"] < 1 - self.level) & (self.trend["difference"] > 0)]
        return "" if sure.empty else str(sure.sort_values("difference")["topic"].iloc[-1])

    def facts(self) -> Mapping[str, Any]:
        """Return topics by their share, and the promotions where one stands out."""
        every = self.frame[self.frame["group"] == ""].sort_values("share", ascending=False)
        rows = self.frame[(self.frame["group"] != "") & self.frame["difference"].notna()]
        rows = rows.sort_values(["p_holm", "p_value", "topic", "group"])
        out = rows[rows["p_holm"] < 1 - self.level]
        return {
            "state": "told" if self else "few" if self.reviews else "none",
            "fewest": FEWEST,
            "every": every,
            "shares": {t: Estimate.of(e, n) for t, n, *e in every[[*SHARES]].to_numpy()},
            "promotions": rows,
            "compared": "" if rows.empty else "out" if len(out) else "alike",
            "out": out.head(3),
            "change": "" if self.trend.empty else "grew" if self.grew else "none",
            "grown": self.trend[self.trend["topic"] == self.grew],
            "recent": RECENT,
            "before": BEFORE,
            "quoted": self.quotes.assign(
                topic=self.quotes["topic"].mask(_repeats(self.quotes), "")
            ),
        }


def _repeats(rows: pd.DataFrame) -> pd.Series:
    return rows["topic"].eq(rows["topic"].shift())


def topics(
    reviews: pd.DataFrame,
    named: Words = None,
    *,
    examples: Words = None,
    as_of: datetime | None = None,
    level: float = 0.95,
) -> Topics:
    """Tell what reviews speak of: by promotion, from week to week, and in customers' words.

    Parameters
    ----------
    reviews : DataFrame
        Of `read_reviews`, or any with customer_id, ts, text and promotion (or promotion_id).
    named : mapping of str to iterable of str, optional
        Words of each topic, ``*`` at the end for any ending; by default delivery, size, quality
        and a price that is not as promised, in English and Chinese.
    examples : mapping of str to iterable of str, optional
        Texts that speak of a topic, five or more of each: its words are the five terms (of up to
        three words) that tell them best, in two of them or more and five times as often as in other
        reviews and in the examples of other topics. Look at ``terms`` before you believe them: of
        ten questions each on six of 77 subjects, one in seven texts found was on the subject.
    as_of : datetime, optional
        Nothing at or after it is read, and weeks end there; by default after the last review.
    level : float

    Returns
    -------
    Topics
        False with fewer than ten customers who wrote words. Intervals are clustered by customer,
        p values corrected for their number (Holm).

    Raises
    ------
    InputError
        A column is missing, a topic has no words, or too few examples to tell it by.

    Examples
    --------
    >>> when = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(60), "D")
    >>> rows = pd.DataFrame({"customer_id": range(60), "ts": when, "promotion": ""})
    >>> rows["text"] = ["the parcel came late", "尺码偏小", "lovely colour"] * 20
    >>> found = topics(rows, {"delivery": ["parcel*"], "size": ["尺码"]})
    >>> found.frame[["topic", "reviews", "share"]].round(2).values.tolist()
    [['delivery', 60, 0.33], ['size', 60, 0.33]]
    """
    columns_there(reviews, ("customer_id", "ts", "text"), "reviews")
    level = level_of(level)
    rows = reviews if as_of is None else reviews[reviews["ts"] < pd.Timestamp(as_of)]
    rows = rows.assign(key=keys_of(rows["text"]).to_numpy())
    rows = rows[rows["key"] != ""].reset_index(drop=True)
    if PROMOTION not in rows:
        given = rows.get("promotion_id", pd.Series("", rows.index, dtype=object))
        rows[PROMOTION] = given.astype("string").fillna("").astype(object)
    words = _words(named, examples, rows["key"])
    for topic, each in words.items():
        rows[_column(topic)] = _mentions(rows["key"], each)
    terms = pd.DataFrame([(t, w) for t, each in words.items() for w in each])
    terms = terms.set_axis(["topic", "term"], axis=1)
    shares, weeks = _shares(rows, words, level), _by_week(rows, words, as_of, level)
    customers = rows["customer_id"].nunique()
    return Topics(shares, *weeks, _quotes(rows, words), terms, len(rows), customers, level)


def _column(topic: str) -> str:
    return f"on {topic}"


def _words(named: Words, examples: Words, keys: pd.Series) -> dict[str, list[str]]:
    """Return the terms of each topic: those given, and those that its examples have."""
    told: Any = named or {} if named or examples else usual_topics()
    found = {str(t): [w] if isinstance(w, str) else [*w] for t, w in told.items()}
    for topic, terms in found.items():
        if not terms or not all(isinstance(term, str) and key_of(term) for term in terms):
            raise InputError(
                f"topic {topic!r} has {terms!r}; expected one or more texts with a word in each"
            )
    every = {str(t): dict.fromkeys(map(key_of, each)) for t, each in (examples or {}).items()}
    texts = {topic: [*filter(None, each)] for topic, each in every.items()}
    for topic, own in texts.items():
        if len(own) < EXAMPLES:
            raise InputError(
                f"topic {topic!r} has {len(own)} different examples with words; expected {EXAMPLES}"
                " or more, or its words in named="
            )
        others = [key for other, each in texts.items() if other != topic for key in each]
        terms = _telling(own, [*others, *set(keys).difference(own)])
        if not terms:
            raise InputError(
                f"no words set the examples of topic {topic!r} apart from other reviews; give more "
                "examples, or its words in named="
            )
        found[topic] = [*found.get(topic, ()), *terms]
    return found


def _telling(own: list[str], others: list[str]) -> list[str]:
    """Return the terms that are much likelier in some texts than in others, the best first."""
    from sklearn.feature_extraction.text import CountVectorizer

    counter = CountVectorizer(
        tokenizer=str.split, token_pattern=None, lowercase=False,
        ngram_range=(1, 3), binary=True,
    ).fit(own)  # fmt: skip
    here, there = (np.asarray(counter.transform(t).sum(axis=0)).ravel() for t in (own, others))
    rate = here / len(own)
    often = (here >= 2) & (rate >= TIMES * (there + 0.5) / (len(others) + 1))
    odds = rate * np.log(rate * (len(others) + 1) / (there + 0.5))  # its part in the divergence
    order = np.lexsort([counter.get_feature_names_out(), -odds])
    return [str(counter.get_feature_names_out()[n]) for n in order if often[n]][:TERMS]


def _mentions(keys: pd.Series, terms: Iterable[str]) -> np.ndarray:
    parts = [re.escape(key_of(t)) + (r"\S*" if t.endswith("*") else "") for t in terms]
    pattern = rf"(?<!\S)(?:{'|'.join(parts)})(?!\S)"
    return keys.str.contains(pattern, regex=True).to_numpy(dtype=float)


def _share(rows: pd.DataFrame, topic: str, level: float) -> dict[str, Any]:
    unit, names = pd.factorize(rows["customer_id"])
    ends = share_of(rows[_column(topic)].to_numpy(dtype=float), unit, level, len(names))
    counts = {"topic": topic, "reviews": len(rows), "customers": len(names)}
    return counts | dict(zip(ENDS, ends, strict=True))


def _with_holm(found: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame(found, columns=[*columns, "p_value"])
    tested = frame["p_value"].dropna().astype(float)
    return frame.assign(p_holm=pd.Series(holm(tested), tested.index))


def _shares(rows: pd.DataFrame, words: Iterable[str], level: float) -> pd.DataFrame:
    """Return each topic's share in all reviews and in each promotion's."""
    rows, found = rows.assign(stars=True), []
    customers = rows[rows[PROMOTION] != ""].groupby(PROMOTION)["customer_id"].nunique()
    names = sorted(customers.index[customers >= FEWEST])
    without, parts = rows[rows[PROMOTION] == ""], {n: rows[rows[PROMOTION] == n] for n in names}
    for topic in words if rows["customer_id"].nunique() >= FEWEST else ():
        found.append({"group": "", **_share(rows, topic, level)})
        for name, part in parts.items():
            apart = gap(part, without, _column(topic), level)
            found.append({"group": name, **_share(part, topic, level), **apart})
    return _with_holm(found, ["topic", "group", "reviews", "customers", *ENDS, *GAPS])


def _by_week(
    rows: pd.DataFrame, words: Iterable[str], as_of: datetime | None, level: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return each topic's share by week, and that of the last weeks less that of those before."""
    end = pd.Timestamp(as_of) if as_of is not None else rows["ts"].max()
    back = (end - rows["ts"]).to_numpy() // np.timedelta64(1, "W")
    rows, every, trend = rows.assign(back=back, stars=True), [], []
    enough = rows.groupby("back")["customer_id"].nunique()
    weeks = [n for n in enough.index[enough >= FEWEST][::-1] if n < WEEKS]
    last, earlier = rows[back < RECENT], rows[(back >= RECENT) & (back < RECENT + BEFORE)]
    for topic in words:
        for n in weeks:
            told = _share(rows[back == n], topic, level)
            every.append({"week": end - pd.Timedelta(weeks=n + 1), **told})
        if apart := gap(last, earlier, _column(topic), level):
            trend.append({**_share(last, topic, level), **apart})
    weekly = pd.DataFrame(every, columns=["topic", "week", "reviews", *ENDS])
    return weekly, _with_holm(trend, ["topic", "reviews", *ENDS, *GAPS])


def _quotes(rows: pd.DataFrame, words: Iterable[str]) -> pd.DataFrame:
    """Return the newest short texts on each topic, each of another customer, masked."""
    ids = frozenset(
        value.lower()
        for name in ("customer_id", "order_id")
        for value in rows.get(name, pd.Series(dtype=object)).dropna().astype(str).unique()
        if len(value) > 2
    )
    found = []
    left = rows[rows["key"].str.count(" ") >= SHORTEST - 1]
    left = left.assign(last=left["text"].str.len() > LONGEST)
    for topic in words:
        mine = left[left[_column(topic)] > 0]
        mine = mine.sort_values(["last", "ts", "key"], ascending=[True, False, True])
        mine = mine.drop_duplicates("key").drop_duplicates("customer_id").head(QUOTES)
        left["last"] |= left["key"].isin(mine["key"])  # quoted twice where there are no others
        for row in mine.to_dict("records"):
            quote = masked(row["text"], ids)
            quote = quote if len(quote) <= LONGEST else quote[: LONGEST - 1].rstrip() + "…"
            found.append((topic, quote, row.get("rating", np.nan), row[PROMOTION]))
    return pd.DataFrame(found, columns=["topic", "quote", "stars", PROMOTION])


@dataclass(frozen=True)
class TopicReturns(Result):
    """How often what a review spoke of came back afterwards; made by `topics_and_returns`.

    Parameters
    ----------
    frame : DataFrame
        topic, reviews (that mention it), customers, share (of them returned afterwards) with its
        interval, others (share of those that do not mention it), difference with its interval,
        p_value, p_holm.
    reviews : int
        Reviews of an order's product that had not come back, the days after which are over.
    returned : int
        Of them, those whose product came back afterwards.
    why : {"", "orders", "returns", "few"}
        Why there is nothing to tell: reviews name no orders, no return is known, or under ten
        customers on each side of every topic.
    days : int
    level : float
    """

    frame: pd.DataFrame = field(repr=False)
    reviews: int = 0
    returned: int = 0
    why: str = ""
    days: int = DAYS
    level: float = 0.95

    def __bool__(self) -> bool:
        return not self.why

    def facts(self) -> Mapping[str, Any]:
        """Return the topics that go with more or fewer returns beyond chance."""
        sure = self.frame[self.frame["p_holm"] < 1 - self.level]
        return {"out": sure, "stands": "" if self.why else "out" if len(sure) else "alike"}


def topics_and_returns(
    shop: Shop,
    as_of: datetime,
    named: Words = None,
    *,
    examples: Words = None,
    level: float = 0.95,
) -> TopicReturns:
    """Tell which topics of a review go with a return of the product in the 28 days after it.

    That a topic goes with returns does not say that it makes customers return: whoever writes of
    size may have bought what is returned more often anyway.

    Parameters
    ----------
    shop : Shop
        With reviews that name their order, and returns among its events.
    as_of : datetime
        Nothing at or after it is read (UTC without a zone).
    named, examples, level
        As `topics` takes them.

    Returns
    -------
    TopicReturns
        False, with the reason, where there is nothing to tell.

    Raises
    ------
    InputError
        As `topics`.
    """
    columns = ["topic", "reviews", "customers", *ENDS, "others", *GAPS]
    none = _with_holm([], columns)
    rows = read_reviews(shop, as_of)
    rows = rows.assign(key=keys_of(rows["text"]).to_numpy())
    rows = rows[(rows["key"] != "") & rows["order_id"].notna()]
    if rows.empty or not shop.has("events", "order_id", "product_id"):
        return TopicReturns(none, why="orders", level=level)
    line = ["customer_id", "order_id", "product_id"]
    back = shop.events.filter((shop.events.kind == "return") & (shop.events.ts < as_of))
    back = back.select(*line, back=back.ts).execute().groupby(line, as_index=False)["back"].min()
    if back.empty:
        return TopicReturns(none, why="returns", level=level)
    rows = rows.drop_duplicates(line).merge(back, on=line, how="left")
    days = pd.Timedelta(days=DAYS)
    rows = rows[(rows["ts"] + days <= pd.Timestamp(as_of)) & ~(rows["back"] <= rows["ts"])]
    rows = rows.assign(stars=True, back=(rows["back"] <= rows["ts"] + days).astype(float))
    found = []
    for topic, terms in _words(named, examples, rows["key"]).items():
        on = _mentions(rows["key"], terms) > 0
        if apart := gap(rows[on], rows[~on], "back", level):
            part = rows[on].rename(columns={"back": _column(topic)})
            others = float(rows["back"][~on].mean())
            found.append({**_share(part, topic, level), "others": others, **apart})
    told, why = _with_holm(found, columns), "" if found else "few"
    return TopicReturns(told, len(rows), int(rows["back"].sum()), why, level=level)
