"""Response of segments to promotions: rates by cell, compared, corrected for their number.

And of the week's segments to past promotions, each customer in the segment of that time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import along
from promolab.display import Html, fold, join
from promolab.errors import InputError, nearest
from promolab.features import build_features
from promolab.results import Estimate, Result, words_of
from promolab.segmentation.groups.measures import grouped_ratio
from promolab.segmentation.groups.preparation import NO_HISTORY
from promolab.stats import benjamini_hochberg, hide_few, normal_quantile, share_interval, two_sided
from promolab.wording import count, percent, plural

if TYPE_CHECKING:
    from promolab.contract import Shop
    from promolab.segmentation.segmenter import Segmenter


MIN_CUSTOMERS = 30
"""A cell with fewer customers is shown, and not tested."""
SHOWN = 12


@dataclass(frozen=True)
class SegmentResponse(Result):
    """How many of each segment answered each promotion.

    Parameters
    ----------
    frame : DataFrame
        One row per segment and promotion with customers: ``segment, promotion_id, contacts,
        customers, responses``, ``rate`` with ``rate_low, rate_high``, ``promotion_rate``,
        ``difference`` (rate − promotion's rate) with its ends, ``p_value`` and ``p_adjusted``
        (Benjamini & Hochberg 1995; nan below `MIN_CUSTOMERS`), ``verdict``: more, less, as all, or
        too few. Rates are shares (0–1).
    segments : DataFrame
        The same of each segment over all promotions together, against the rate that its customers
        would have if each promotion did with them as with all: ``expected``.
    outcome : str
        What counts as an answer.
    overall : Estimate
        The rate of all.
    q : float
        Share of false findings that is borne among the cells that stand out.
    level : float
        Level of the intervals.
    left_out : int
        Rows whose outcome was not known yet.
    known : str
        Whose answers these are.
    names : mapping of promotion_id to str
        What readers call promotions; by default their ids.
    least : int
        Cells of fewer customers are not shown (`promolab.stats.hide_few`).
    """

    frame: pd.DataFrame = field(repr=False)
    segments: pd.DataFrame = field(repr=False)
    outcome: str
    overall: Estimate
    q: float
    level: float
    left_out: int
    known: str
    names: Mapping[Any, str] = field(default_factory=dict, repr=False)
    least: int = 1

    def found(self) -> pd.DataFrame:
        """Return the cells that stand out, the surest first."""
        rows = self.frame[self.frame["verdict"].isin(["more", "less"])]
        return rows.sort_values(
            ["p_adjusted", "segment", "promotion_id"], kind="stable", ignore_index=True
        )

    def facts(self) -> dict[str, Any]:
        """Return the cells and segments that stand out, and what the figure draws."""
        found, rows = self.found(), self.segments
        tested = int(self.frame["p_value"].notna().sum())
        apart = self._called(rows[rows["verdict"].isin(["more", "less"])])
        first = apart["difference"].abs().round(9).sort_values(ascending=False, kind="stable")
        promotions = int(self.frame["promotion_id"].nunique())
        return {
            "answered": self.outcome,
            "tested": tested,
            "cells": ("some" if len(found) else "none") if tested else "untested",
            "found": found,
            "surest": self._called(found.head(3)),
            "apart": apart,
            "differs": len(apart) > 0,
            "first": apart.loc[first.index[:1]],
            "fewest": MIN_CUSTOMERS,
            "promotions": promotions if promotions > SHOWN else 0,
            "shown": SHOWN,
            "drawn": self._drawn,
            "by_segment": self._by_segment,
        }

    def _called(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return rows with segments and promotions as readers call them."""
        if "promotion_id" not in rows:
            return rows
        ids = rows["promotion_id"]
        said = {p: words_of(__name__, "SegmentResponse", id=p).say("unnamed") for p in ids.unique()}
        return rows.assign(promotion=ids.map(said | dict(self.names)))

    def _by_segment(self) -> pd.DataFrame:
        rows = self._called(self.segments)
        ends = ["difference", "difference_low", "difference_high"]
        points = (100 * rows[ends]).set_axis(["points", "points_low", "points_high"], axis=1)
        return rows.join(points).sort_values("contacts", ascending=False, kind="stable")

    def _drawn(self) -> pd.DataFrame:
        """Return each segment over all promotions, and the cells of the largest ones."""
        sizes = self.frame.groupby("promotion_id")["contacts"].sum().reset_index()
        sizes = sizes.sort_values(["contacts", "promotion_id"], ascending=[False, True])
        shown = self.frame[self.frame["promotion_id"].isin(sizes["promotion_id"].head(SHOWN))]
        shown = self._called(shown.sort_values("promotion_id", kind="stable"))
        every = self._called(self.segments).assign(promotion_rate=self.overall.value)
        every["promotion"] = words_of(__name__, "SegmentResponse").say("every")
        rows = pd.concat([every, shown], ignore_index=True)
        own = rows["promotion_rate"].map(lambda rate: percent(rate, decimals=0))
        points = (100 * rows["difference"]).mask(rows["customers"] < MIN_CUSTOMERS)
        rows = rows.assign(row=rows["promotion"] + " (" + own + ")", points=points, of=rows["rate"])
        return hide_few(rows, self.least, ["points", "of"], ["promotion", "segment"])


def segment_response(
    pairs: pd.DataFrame,
    segments: pd.DataFrame | Sequence[str] | np.ndarray,
    outcome: str = "redeemed",
    *,
    q: float = 0.05,
    level: float = 0.95,
    order: Sequence[str] | None = None,
    known: str = "",
) -> SegmentResponse:
    """Compare the response of segments to each promotion.

    Parameters
    ----------
    pairs : DataFrame of n rows
        One row per customer and promotion (`promolab.build_pairs`): ``customer_id``,
        ``promotion_id``, the outcome 0/1; where there is ``label_complete``, rows whose window is
        not over are left out.
    segments : array of str of shape (n,), or DataFrame
        The segment of each row **as it was known before the promotion started**; or
        ``customer_id, promotion_id, segment``, or ``customer_id, segment``. A frame with ``as_of``
        is refused if a segment is from after the start.
    outcome : str
        Column of ``pairs``.
    q : float
        False discovery rate among the cells that are said to stand out.
    level : float
        Level of the intervals.
    order : sequence of str, optional
        Segments in the order to show them; by default the largest first, ties by name.
    known : str
        A sentence that says whose answers these are, shown with the result.

    Returns
    -------
    SegmentResponse

    Raises
    ------
    InputError
        If a column is missing, lengths differ, a pair comes twice or without a segment, a segment
        is from the future, no outcome is known or it is not 0 or 1, or ``q`` is no share.

    Notes
    -----
    A customer has one row in a promotion, so the rows of a cell are independent: its rate has
    Wilson's interval. Cell and promotion are compared by cell against the rest of the promotion:
    p = w · p_cell + (1 − w) · p_rest, so the difference is (1 − w)(p_cell − p_rest), with the
    square-and-add interval of the two and the two-sided mid-p of Fisher's test. Over all promotions
    a customer has several rows; those intervals and tests are clustered by customer. The p-values
    of the cells are adjusted together (Benjamini & Hochberg 1995).

    Examples
    --------
    >>> pairs = pd.DataFrame({"customer_id": range(200), "promotion_id": "P",
    ...                       "redeemed": [1, 0, 0, 0] * 25 + [0] * 100})
    >>> result = segment_response(pairs, ["a"] * 100 + ["b"] * 100)
    >>> result.frame[["segment", "rate", "verdict"]].values.tolist()
    [['a', 0.25, 'more'], ['b', 0.0, 'less']]
    """
    if not 0 < q < 1:
        raise InputError(f"q = {q}; expected a share of false findings between 0 and 1, as 0.05")
    rows, left_out = _rows(pairs, segments, outcome)
    sizes = rows["segment"].value_counts()
    names = [name for name in (order or ()) if name in sizes.index]
    names += sorted(set(sizes.index) - set(names), key=lambda name: (-sizes[name], name))
    table = _cells(rows, names, level)
    table["p_adjusted"] = benjamini_hochberg(table["p_value"].to_numpy())
    table["verdict"] = _verdict(table, q)
    by_segment = _margins(rows, names, level)
    by_segment["p_adjusted"] = benjamini_hochberg(by_segment["p_value"].to_numpy())
    by_segment["verdict"] = _verdict(by_segment, q)
    sums = rows.groupby("customer_id")["y"].agg(["sum", "size"]).to_numpy(dtype=float)
    parts = grouped_ratio(sums[:, :1], sums[:, 1:], np.array([float(len(sums))]), level)
    overall = Estimate.of((float(part[0]) for part in parts), len(rows))
    return SegmentResponse(table, by_segment, outcome, overall, q, level, left_out, known)


def _rows(pairs: pd.DataFrame, segments: Any, outcome: str) -> tuple[pd.DataFrame, int]:
    """Return ``customer_id, promotion_id, y, segment`` of the rows whose outcome is known."""
    for column in ("customer_id", "promotion_id", outcome):
        if column not in pairs:
            raise InputError(f"pairs has no column {column!r}; {nearest(column, map(str, pairs))}")
    kept = pairs[["customer_id", "promotion_id"]].copy()
    kept["segment"] = _segment_of(pairs, segments)
    if nameless := int(kept["segment"].isna().sum()):
        raise InputError(f"segments has no name in {plural(nameless, 'row')}; expected one in each")
    try:
        kept["y"] = pairs[outcome].to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise InputError(f"pairs.{outcome} is not numeric ({error}); expected 0 or 1") from error
    if kept.duplicated(["customer_id", "promotion_id"]).any():
        raise InputError("pairs has a customer twice in a promotion; expected one row for each")
    over = kept["y"].notna()
    if "label_complete" in pairs:
        over &= pairs["label_complete"].to_numpy(dtype=bool, na_value=False)
    rows = kept[over].reset_index(drop=True)
    if rows.empty:
        raise InputError(f"pairs has no row whose {outcome} is known; no promotion is over yet")
    if not rows["y"].isin([0.0, 1.0]).all():
        raise InputError(f"pairs.{outcome} holds more than 0 and 1; expected one of the two")
    return rows, int((~over).sum())


def _segment_of(pairs: pd.DataFrame, segments: Any) -> np.ndarray:
    if not isinstance(segments, pd.DataFrame):
        found = np.asarray(along(pairs, segments, "segments", "pairs"), dtype=object)
        if found.shape != (len(pairs),):
            raise InputError(
                f"segments has shape {found.shape}; expected one name per row of pairs "
                f"({count(len(pairs))}), or a DataFrame"
            )
        return found
    keys = [c for c in ("customer_id", "promotion_id") if c in segments]
    if "customer_id" not in keys or "segment" not in segments:
        raise InputError(
            f"segments has the columns {sorted(map(str, segments))}; expected customer_id, segment "
            "and, where they differ by promotion, promotion_id"
        )
    if segments.duplicated(keys).any():
        raise InputError(f"segments repeats {' and '.join(keys)}; expected one row for each")
    matched = pairs[keys].merge(segments.rename(columns={"as_of": "known_at"}), on=keys, how="left")
    missing = int(matched["segment"].isna().sum())
    if missing:
        raise InputError(f"segments lacks {plural(missing, 'row')} of pairs; expected all of them")
    if "known_at" in matched and "starts_at" in pairs:
        late = int((matched["known_at"].to_numpy() > pairs["starts_at"].to_numpy()).sum())
        if late:
            raise InputError(
                f"segments are from after the promotion's start in {plural(late, 'row')}; a "
                "segment that knows the answer says nothing: assign them as of the start"
            )
    return matched["segment"].to_numpy(dtype=object)


def _cells(rows: pd.DataFrame, names: list[str], level: float) -> pd.DataFrame:
    grouped = rows.groupby(["segment", "promotion_id"], observed=True)["y"].agg(["size", "sum"])
    table = grouped.reset_index().rename(columns={"size": "contacts", "sum": "responses"})
    place = {name: i for i, name in enumerate(names)}
    table = table.sort_values(
        ["segment", "promotion_id"],
        key=lambda c: c.map(place) if c.name == "segment" else c,
        ignore_index=True,
    )
    table["customers"] = table["contacts"]  # a customer has one row in a promotion
    whole = table.groupby("promotion_id")[["contacts", "responses"]].transform("sum")
    n, x = (table[c].to_numpy(dtype=float) for c in ("contacts", "responses"))
    big_n, big_x = (whole[c].to_numpy(dtype=float) for c in ("contacts", "responses"))
    rate = x / n
    table["rate"] = rate
    own = share_interval(rate, 0.0, n, level)
    table["rate_low"], table["rate_high"] = own
    table["promotion_rate"] = big_x / big_n
    rest_n = big_n - n
    with np.errstate(invalid="ignore", divide="ignore"):
        rest = (big_x - x) / rest_n
        ends = difference_interval((rate, *own), (rest, *share_interval(rest, 0.0, rest_n, level)))
    weight = 1 - n / big_n
    table["difference"] = rate - table["promotion_rate"]
    table["difference_low"], table["difference_high"] = weight * ends[0], weight * ends[1]
    p = _mid_p(x, n, big_x, big_n)
    table["p_value"] = np.where((n >= MIN_CUSTOMERS) & (rest_n >= MIN_CUSTOMERS), p, np.nan)
    return table.astype({"responses": int})


def difference_interval(
    first: Sequence[np.ndarray], second: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval of first − second from value and ends of both, of different customers.

    By the square-and-add rule (Newcombe 1998).
    """
    (x, x_low, x_high), (y, y_low, y_high) = first, second
    below, above = np.hypot(x - x_low, y_high - y), np.hypot(x_high - x, y - y_low)
    return x - y - below, x - y + above


def _mid_p(x: np.ndarray, n: np.ndarray, big_x: np.ndarray, big_n: np.ndarray) -> np.ndarray:
    """Two-sided mid-p of Fisher's exact test: twice the smaller tail, half of x itself."""
    from scipy.stats import hypergeom

    law = hypergeom(big_n.astype(int), big_x.astype(int), n.astype(int))
    here = law.pmf(x)
    below, above = law.cdf(x) - here / 2, law.sf(x) + here / 2
    return np.asarray(np.minimum(2 * np.minimum(below, above), 1.0))


def _margins(rows: pd.DataFrame, names: list[str], level: float) -> pd.DataFrame:
    """Return each segment over all promotions, against what its promotions do with all."""
    rows = rows.assign(usual=rows.groupby("promotion_id")["y"].transform("mean"))
    by = rows.groupby("segment")
    table = by.agg(contacts=("y", "size"), responses=("y", "sum"), expected=("usual", "mean"))
    table["customers"] = by["customer_id"].nunique()
    table["rate"] = table["responses"] / table["contacts"]
    own = rows["y"] - rows["segment"].map(table["rate"])
    variance = _variance_of_rate(rows.assign(residual=own), table)
    ends = share_interval(table["rate"], variance, table["customers"], level)
    table["rate_low"], table["rate_high"] = ends
    error = np.sqrt(_variance_against_usual(rows, table))
    table["difference"] = table["rate"] - table["expected"]
    half = normal_quantile(level) * error
    table["difference_low"] = table["difference"] - half
    table["difference_high"] = table["difference"] + half
    p = two_sided(table["difference"].to_numpy(), error)
    tested = (table["customers"] >= MIN_CUSTOMERS) & (error > 0)
    table["p_value"] = np.where(tested, p, np.nan)
    return table.loc[names].reset_index().astype({"responses": int})


def _variance_against_usual(rows: pd.DataFrame, table: pd.DataFrame) -> np.ndarray:
    """Return the variance of rate less expected rate of each segment, customers independent.

    A promotion's usual rate holds the segment's own rows, so every row of the promotion weighs on
    the difference: by 1 less the segment's share of the promotion in the segment, by minus that
    share outside.
    """
    person, promotion = (pd.factorize(rows[c])[0] for c in ("customer_id", "promotion_id"))
    code = table.index.get_indexer(pd.Index(rows["segment"]))
    sizes = np.zeros((promotion.max() + 1, len(table)))
    np.add.at(sizes, (promotion, code), 1.0)
    shares = sizes / sizes.sum(axis=1, keepdims=True)
    residual = (rows["y"] - rows["usual"]).to_numpy()
    ends = np.cumsum(np.bincount(promotion))[:-1]
    of_promotion = np.split(np.argsort(promotion, kind="stable"), ends)
    found = np.zeros(len(table))
    for own in range(len(table)):
        at = np.concatenate([of_promotion[p] for p in np.flatnonzero(sizes[:, own])])
        weight = (code[at] == own) - shares[promotion[at], own]
        sums = np.bincount(person[at], weights=weight * residual[at])
        people = int(np.count_nonzero(np.bincount(person[at])))
        found[own] = people / max(people - 1, 1) * (sums**2).sum()
    return np.asarray(found / table["contacts"].to_numpy(dtype=float) ** 2)


def _variance_of_rate(rows: pd.DataFrame, table: pd.DataFrame) -> np.ndarray:
    """Return the variance of the rate of each segment, customers independent."""
    sums = rows.groupby(["segment", "customer_id"])["residual"].sum()
    squares = (sums**2).groupby(level="segment").agg(["sum", "size"]).loc[table.index]
    people = squares["size"].to_numpy(dtype=float)
    corrected = people / np.maximum(people - 1, 1) * squares["sum"].to_numpy()
    return np.asarray(corrected / table["contacts"].to_numpy(dtype=float) ** 2)


def _verdict(table: pd.DataFrame, q: float) -> np.ndarray:
    out = table["p_adjusted"] <= q
    more = table["difference"] > 0
    words = np.where(out, np.where(more, "more", "less"), "as all")
    return np.where(table["p_value"].isna(), "too few", words)


MOST_CUSTOMERS = 20_000
CLICKED = "clicked"


@dataclass(frozen=True)
class SegmentHistory(Result):
    """How the same segments answered before.

    Parameters
    ----------
    response : SegmentResponse or None
        Answers to promotions that are over, by the segment at each one's start: what ``response
        rate`` means of a segment, on every page.
    clicks : SegmentResponse or None
        The same of clicks; None where the shop records none.
    why : str
        Why there is none; empty where there is, or where nobody was asked.
    """

    response: SegmentResponse | None
    clicks: SegmentResponse | None = None
    why: str = ""

    def to_frame(self) -> pd.DataFrame:
        """Return one row per segment and promotion; none where no answer is known."""
        if self.response is not None:
            return self.response.to_frame()
        kinds = {"segment": object, "promotion_id": object, "rate": float}
        return pd.DataFrame(columns=list(kinds)).astype(kinds)

    def summary(self) -> str:
        """Return who answers more or less."""
        return self.why if self.response is None else self.response.summary()

    def to_table(self, which: str = "table") -> Html:
        """Return what each segment answered, clicks behind a line that opens."""
        answers, clicks = (
            [] if found is None else [found.to_table()] for found in (self.response, self.clicks)
        )
        title = words_of(__name__, "SegmentHistory").say("clicks")
        return join([*answers, fold(title, clicks)])

    def rates(self) -> pd.DataFrame:
        """Return segment and click rate with its interval; without rows where none is recorded."""
        parts = {"rate": "click_rate", "rate_low": "click_rate_low", "rate_high": "click_rate_high"}
        if self.clicks is None:
            return pd.DataFrame({"segment": []} | {name: [] for name in parts.values()})
        return self.clicks.segments[["segment", *parts]].rename(columns=parts)


def sample_customers(customers: Iterable[Any], seed: int = 0, most: int | None = None) -> pd.Index:
    """Return the customers in order; of more than ``most``, so many drawn at random.

    Parameters
    ----------
    customers : iterable of ids
    seed : int
        Start of the random numbers.
    most : int, optional
        20,000 by default: more tell nothing new of a segment, and take their time.

    Examples
    --------
    >>> sample_customers([3, 1, 2, 1]).tolist(), len(sample_customers(range(90), most=20))
    ([1, 2, 3], 20)
    """
    ids: pd.Index = pd.Index(list(customers)).unique().sort_values()
    if len(ids) <= (most := most or MOST_CUSTOMERS):
        return ids
    return ids.take(np.sort(np.random.default_rng(seed).choice(len(ids), most, replace=False)))


def segment_history(
    shop: Shop,
    segmenter: Segmenter,
    customers: Iterable[Any],
    answers: pd.DataFrame,
    *,
    outcome: str = "redeemed",
) -> SegmentHistory:
    """Compare how the week's segments answered, each customer in the segment of that time.

    Parameters
    ----------
    shop : Shop
        Where their features come from.
    segmenter : Segmenter
        The segments in use.
    customers : iterable of ids
        Whom to look back at, such as `sample_customers`.
    answers : DataFrame
        One row per contact of theirs: ``promotion_id, customer_id, starts_at``, the outcome and
        ``clicked`` (`promolab.campaign.past.past_answers`).
    outcome : str
        The column of ``answers`` that says who answered.

    Returns
    -------
    SegmentHistory
        Whoever had no history at a promotion's start is in *No history* then.
    """
    if not segmenter.has_centres or segmenter.k_ < 2:
        return SegmentHistory(None, None, _says("one"))
    if answers.empty:
        return SegmentHistory(None)
    import ibis

    asked = answers.rename(columns={"starts_at": "as_of"})[["customer_id", "as_of"]]
    asked = asked.drop_duplicates().astype({"as_of": "datetime64[us]"})
    then = build_features(shop, ibis.memtable(asked)).execute()
    then["segment"] = segmenter.predict(then)
    called = {}
    if shop.has("promotions"):
        told = shop.promotions.select("promotion_id", "kind").execute()
        called = {p: shop.promotion_name(k, p) for p, k in told.to_numpy().tolist()}
    many, known = len(pd.Index(list(customers))), len(segmenter.assignments())
    said = _says("drawn", ids=many) if many < known else ""
    then = then[["customer_id", "as_of", "segment"]]
    response, clicks = (
        _answered(answers, then, segmenter, column, said, called) if column in answers else None
        for column in (outcome, CLICKED)
    )
    return SegmentHistory(response, clicks)


def _says(line: str, **facts: Any) -> str:
    return words_of(__name__, "SegmentHistory", **facts).say(line)


def _answered(
    answers: pd.DataFrame,
    then: pd.DataFrame,
    segmenter: Segmenter,
    outcome: str,
    said: str,
    called: Mapping[Any, str],
) -> SegmentResponse:
    """Return what segments answered, each customer in the segment at the promotion's start."""
    started = then.rename(columns={"as_of": "starts_at"})
    rows = answers.merge(started, on=["customer_id", "starts_at"], how="left")
    names = segmenter.shown(rows["segment"].fillna(NO_HISTORY))
    found = segment_response(rows, names, outcome, order=segmenter.names_, known=said)
    return replace(found, names=called, least=segmenter.least)
