"""Which rows are predicted from which: never from what was not known when it was predicted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.errors import InputError, nearest
from promolab.language import ENGLISH, speaking
from promolab.results import words_of
from promolab.stats import dealt
from promolab.wording import plural

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import ArrayLike


KEYS = ("customer_id", "promotion_id", "starts_at", "ends_at", "label_complete")
BLOCKS = 5  # of a table without promotions, where nothing is said
LEFT_OUT = ("promotion_id", "starts_at", "n", "reason", "why", "held", "least")


@dataclass(frozen=True)
class Fold:
    """Rows to predict and the rows to learn from.

    Parameters
    ----------
    name : str
        What is predicted: its promotions, or the fold's number.
    train, test : ndarray of int
        Positions of the rows, in their order.
    promotions : tuple
        Promotions predicted; empty where there are none.
    trained_on : int
        Promotions (or earlier blocks) learned from.
    """

    name: str
    train: np.ndarray = field(repr=False)
    test: np.ndarray = field(repr=False)
    promotions: tuple[Any, ...] = ()
    trained_on: int = 0


def _nothing() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=object) for name in LEFT_OUT})


@dataclass(frozen=True)
class Folds:
    """A way to predict a table's rows from other rows.

    Parameters
    ----------
    parts : tuple of Fold
        In the order of time, where there is one; their tests do not overlap.
    left_out : DataFrame
        promotion_id, starts_at, n, reason: what is not predicted; why, held and least are the
        reason as a code with its figures (`left_out_because`).
    """

    parts: tuple[Fold, ...]
    left_out: pd.DataFrame = field(default_factory=_nothing, repr=False)

    @property
    def tested(self) -> np.ndarray:
        """Positions of all rows predicted, in their order."""
        parts = [fold.test for fold in self.parts]
        return np.sort(np.concatenate(parts)) if parts else np.array([], dtype=int)


def promotion_table(pairs: pd.DataFrame, outcome: str) -> pd.DataFrame:
    """Return one row per promotion: starts_at, ends_at, predicted_at, complete, n; by start.

    Raises
    ------
    InputError
        A column is missing or is no time; a promotion has two starts.
    """
    for name in (*KEYS, outcome):
        if name not in pairs.columns:
            known = [str(c) for c in pairs.columns]
            raise InputError(f"the pairs lack column {name!r}; {nearest(name, known)}")
    zone = getattr(pairs["starts_at"].dtype, "tz", None)
    for name in ("starts_at", "ends_at", *({"as_of"} & set(pairs.columns))):
        kind = pairs[name].dtype
        if len(pairs) and not pd.api.types.is_datetime64_any_dtype(kind):
            raise InputError(f"pairs.{name} has type {kind}, expected a time")
        if len(pairs) and str(getattr(kind, "tz", None)) != str(zone):
            raise InputError(f"pairs.{name} has type {kind}; give all times as starts_at, in UTC")
        if name != "as_of" and pairs[name].isna().any():
            raise InputError(f"pairs.{name} has missing values; a promotion has a start and an end")
    grouped = pairs.groupby("promotion_id", observed=True)
    if _row_by_row(pairs, outcome):
        complete = grouped[outcome].count() > 0
    else:
        complete = grouped["label_complete"].min().astype("boolean").fillna(False).astype(bool)
    starts = predicted = grouped["starts_at"].min()
    if "as_of" in pairs.columns and len(pairs):  # as of its features, at its start at the latest
        predicted = pd.concat([starts, grouped["as_of"].min()], axis=1).min(axis=1)
    table = pd.DataFrame(
        {
            "starts_at": starts,
            "ends_at": grouped["ends_at"].max(),
            "predicted_at": predicted,
            "complete": complete,
            "n": grouped.size(),
        }
    )
    several = table.index[grouped["starts_at"].min() < grouped["starts_at"].max()].tolist()
    if several:
        raise InputError(f"promotions {several[:5]} have more than one starts_at in the pairs")
    return table.sort_index().sort_values("starts_at", kind="stable")


def _row_by_row(pairs: pd.DataFrame, outcome: str) -> bool:
    """Whether an outcome is known or not row by row, as in a table of `load_labelled`.

    In pairs of a shop it is known for all of a promotion at once, when its window is over.
    """
    return outcome in pairs.attrs.get("outcomes", ())


def known_rows(pairs: pd.DataFrame, outcome: str, table: pd.DataFrame) -> np.ndarray:
    """Return a mask of the rows whose outcome is known, given the `promotion_table`."""
    known = pairs["promotion_id"].isin(table.index[table["complete"]])
    if _row_by_row(pairs, outcome):
        known &= pairs[outcome].notna()
    return known.to_numpy(dtype=bool)


def known_labels(pairs: pd.DataFrame, outcome: str, rows: np.ndarray) -> np.ndarray:
    """Return labels as 0.0 and 1.0, shape (len(pairs),); nan outside ``rows`` (a mask).

    Raises
    ------
    InputError
        A label of ``rows`` is neither 0 nor 1.
    """
    labels = np.full(len(pairs), np.nan)
    # What is no number becomes missing, and is counted with the other values that are no label.
    given = pd.to_numeric(pairs.loc[rows, outcome], errors="coerce")
    labels[rows] = given.to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = int((~np.isin(labels[rows], (0.0, 1.0))).sum())
    if wrong:
        raise InputError(
            f"{outcome} has {plural(wrong, 'value')} other than 0 and 1 in rows whose label should "
            "be known; code the outcome as 0 and 1"
        )
    return labels


def promotion_folds(
    pairs: pd.DataFrame,
    outcome: str,
    *,
    folds: int | None = None,
    min_positives: int = 20,
    min_promotions: int = 1,
) -> tuple[Folds, np.ndarray, pd.DataFrame]:
    """Predict each promotion from those over when it was predicted.

    Parameters
    ----------
    pairs : DataFrame
        As `run_backtest` takes them.
    outcome : str
        Label column.
    folds : int, optional
        Merge neighbouring starts into at most this many blocks of about as many rows, each
        predicted from what was over at its first start: fewer models to fit. By default every
        start is a fold.
    min_positives, min_promotions : int
        What the training rows need.

    Returns
    -------
    Folds, labels of shape (n,) with nan where not known, and the table of promotions.
    """
    table = promotion_table(pairs, outcome)
    complete = table[table["complete"]]
    known = known_rows(pairs, outcome, table)
    labels = known_labels(pairs, outcome, known)
    reasons = dict.fromkeys(
        table.index[~table["complete"]],
        ("nobody" if _row_by_row(pairs, outcome) else "open", 0, 0),
    )
    code = pd.Index(table.index).get_indexer(pairs["promotion_id"])
    parts: list[Fold] = []
    past: np.ndarray = np.array([], dtype=int)
    train = past
    for tests in _blocks(complete, folds):
        over = table.index.get_indexer(
            complete.index[complete["ends_at"] <= tests["predicted_at"].min()]
        )
        if not np.array_equal(over, past):
            past, train = over, np.flatnonzero(known & np.isin(code, over))
        reason = _too_little(labels[train], len(past), min_positives, min_promotions)
        if reason:
            reasons.update(dict.fromkeys(tests.index, reason))
            continue
        rows = np.flatnonzero(known & np.isin(code, table.index.get_indexer(tests.index)))
        name = ", ".join(str(p) for p in tests.index)
        parts.append(Fold(name, train, rows, tuple(tests.index), len(past)))
    left = table.loc[[p for p in table.index if p in reasons], ["starts_at", "n"]]
    left = left.reset_index(names="promotion_id")
    told = [reasons[p] for p in left["promotion_id"]]
    with speaking(ENGLISH):  # a table's words
        left["reason"] = [left_out_because(*each) for each in told]
    left[["why", "held", "least"]] = pd.DataFrame(told, columns=["why", "held", "least"])
    return Folds(tuple(parts), left), labels, table


def _blocks(complete: pd.DataFrame, folds: int | None) -> list[pd.DataFrame]:
    """Return the promotions by moment of prediction, neighbours merged where ``folds`` says so."""
    moments = [tests for _, tests in complete.groupby("predicted_at", sort=True)]
    if folds is None or folds >= len(moments):
        return moments
    block = _block_of(np.array([tests["n"].sum() for tests in moments], dtype=float), folds)
    return [
        pd.concat([tests for tests, b in zip(moments, block, strict=True) if b == which])
        for which in np.unique(block)
    ]


def _block_of(sizes: np.ndarray, blocks: int) -> np.ndarray:
    """Return the block of each moment, given its rows: where the middle of them falls."""
    middle = (np.cumsum(sizes) - sizes / 2) / sizes.sum()
    return np.asarray(np.floor(middle * blocks).astype(int))


def _too_little(
    labels: np.ndarray, promotions: int, min_positives: int, min_promotions: int
) -> tuple[str, int, int] | None:
    positives = int(labels.sum())
    if promotions < max(min_promotions, 1):
        return "promotions", promotions, max(min_promotions, 1)
    if positives < max(min_positives, 1):
        return "positives", positives, max(min_positives, 1)
    if positives == len(labels):
        return "everyone", positives, 0
    return None


def left_out_because(why: str, held: int, least: int) -> str:
    """Say why a promotion is not predicted, in the language that is spoken.

    Parameters
    ----------
    why : {"promotions", "positives", "everyone", "open", "nobody"}
        What was lacking.
    held, least : int
        How many there were, and how many are needed.

    Examples
    --------
    >>> left_out_because("promotions", 0, 1)
    '0 promotions had ended before it started (at least 1 needed)'
    """
    return words_of(__name__, "folds", why=why, held=held, least=least).say("because")


def time_folds(times: ArrayLike, folds: int = BLOCKS) -> Folds:
    """Cut rows into blocks by time; each but the first is predicted from all before it.

    Rows of the same moment stay together. What a row's outcome was is taken as known by the first
    moment of the next block.

    Parameters
    ----------
    times : array-like, shape (n,)
        When each row was: a time, or a number that grows with it.
    folds : int
        Blocks predicted; fewer where there are fewer moments.

    Raises
    ------
    InputError
        Times are missing, or there is one moment only.

    Examples
    --------
    >>> rolling = time_folds([1, 1, 2, 2, 3, 3], folds=2)
    >>> [(fold.train.tolist(), fold.test.tolist()) for fold in rolling.parts]
    [([0, 1], [2, 3]), ([0, 1, 2, 3], [4, 5])]
    """
    when = pd.Series(np.asarray(times))
    if when.isna().any():
        raise InputError(f"{plural(int(when.isna().sum()), 'row')} without a time; leave them out")
    rank = when.rank(method="dense").to_numpy().astype(int) - 1
    moments = int(rank.max()) + 1 if len(rank) else 0
    if moments < 2:
        raise InputError("all rows are of one moment; time-ordered folds need at least two")
    blocks = _block_of(np.bincount(rank), min(folds, moments - 1) + 1)
    block = np.unique(blocks, return_inverse=True)[1][rank]
    parts = [
        Fold(f"block {k}", np.flatnonzero(block < k), np.flatnonzero(block == k), (), k)
        for k in range(1, int(block.max()) + 1)
    ]
    return Folds(tuple(parts))


def customer_folds(customers: ArrayLike, folds: int = BLOCKS, seed: int = 0) -> Folds:
    """Cut rows into folds of whole customers; each is predicted from all others.

    Folds are dealt out in the order of a hash of customer and seed, so the rows' order changes
    nothing. It is no test out of time: what changes from one promotion to the next is in no figure.

    Parameters
    ----------
    customers : array-like, shape (n,)
    folds : int
        Fewer where there are fewer customers.
    seed : int
        Part of the hash.

    Examples
    --------
    >>> crossed = customer_folds(["a", "b", "a", "c"], folds=3)
    >>> sorted(fold.test.tolist() for fold in crossed.parts)
    [[0, 2], [1], [3]]
    """
    fold, units = dealt(customers, folds, seed)
    if units < 2:
        raise InputError("folds leave customers out in turn, and there is a single customer")
    parts = [
        Fold(f"fold {k + 1}", np.flatnonzero(fold != k), np.flatnonzero(fold == k))
        for k in range(int(fold.max()) + 1)
    ]
    return Folds(tuple(parts))


LEAST = 10  # responses that either side needs


@dataclass(frozen=True)
class TimeSplit:
    """Rows before and after a moment.

    Parameters
    ----------
    moment : Timestamp
    before : ndarray of int
        Positions of rows of promotions over at the moment.
    after : ndarray of int
        Positions of rows of promotions predicted from the moment on, their labels known. Promotions
        that were running at the moment are on neither side.
    labels : ndarray of float, shape (n,)
        nan where not known.
    promotions_before, promotions_after : int
    """

    moment: pd.Timestamp
    before: np.ndarray = field(repr=False)
    after: np.ndarray = field(repr=False)
    labels: np.ndarray = field(repr=False)
    promotions_before: int
    promotions_after: int


def split_in_time(
    pairs: pd.DataFrame, outcome: str = "redeemed", since: datetime | None = None
) -> TimeSplit:
    """Cut pairs in two: promotions over before a moment, and those starting from it on.

    Parameters
    ----------
    pairs : DataFrame
        As `run_backtest` takes them.
    outcome : str
        Label column.
    since : datetime, optional
        The moment. By default the start that leaves the side with fewer responses as many as
        possible; labels choose nothing else.

    Raises
    ------
    InputError
        A side would have fewer than 10 responses, or nobody without one; or the pairs lack columns.

    Examples
    --------
    >>> day = pd.to_datetime("2024-01-01") + pd.to_timedelta([0] * 30 + [60] * 30, unit="D")
    >>> pairs = pd.DataFrame({"customer_id": range(60), "promotion_id": [1] * 30 + [2] * 30,
    ...     "starts_at": day, "ends_at": day + pd.Timedelta(days=14), "label_complete": True,
    ...     "redeemed": [0, 1] * 30})
    >>> split = split_in_time(pairs)
    >>> str(split.moment.date()), len(split.before), len(split.after)
    ('2024-03-01', 30, 30)
    """
    table = promotion_table(pairs, outcome)
    complete = table[table["complete"]]
    known = known_rows(pairs, outcome, table)
    labels = known_labels(pairs, outcome, known)
    hits = pd.Series(labels).groupby(pairs["promotion_id"].to_numpy()).sum()
    hits = hits.reindex(complete.index)
    if since is None:
        moments = sorted(complete["predicted_at"].unique())
        least = [
            min(
                hits[complete["ends_at"] <= moment].sum(),
                hits[complete["predicted_at"] >= moment].sum(),
            )
            for moment in moments
        ]
        if not moments:
            raise InputError("no promotion's label is complete, so nothing can be cut in time")
        moment = pd.Timestamp(moments[int(np.argmax(least))])
    else:
        moment = _moment(since, table["predicted_at"].dt.tz)
    sides: list[Any] = [
        complete.index[complete["ends_at"] <= moment],
        complete.index[complete["predicted_at"] >= moment],
    ]
    rows = [np.flatnonzero(known & pairs["promotion_id"].isin(side).to_numpy()) for side in sides]
    for place, when in zip(rows, ("over before", "starting from"), strict=True):
        found = int(np.nansum(labels[place]))
        if found < LEAST or found == len(place):
            raise InputError(
                f"promotions {when} {moment:%Y-%m-%d} had contacts: {len(place):,}, responses: "
                f"{found:,}; {LEAST} responses and somebody without one are needed on either side: "
                "give another moment, or more promotions"
            )
    return TimeSplit(moment, rows[0], rows[1], labels, len(sides[0]), len(sides[1]))


def _moment(since: Any, zone: Any) -> pd.Timestamp:
    """Return a time to compare with those of a zone; without one of its own it is there."""
    try:
        moment = pd.Timestamp(since)
        if moment.tz is None:
            moment = moment.tz_localize(zone)
        elif zone is None:
            moment = moment.tz_convert(None)
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(f"since = {since!r} is no time; write 2017-10-01") from error
    if moment is pd.NaT:
        raise InputError(f"since = {since!r} is no time; write 2017-10-01")
    return moment
