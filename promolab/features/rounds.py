"""Rounds of decisions: their actions, windows and horizons, and the chances of the actions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.contract import NONE, read_operations
from promolab.engines import to_utc
from promolab.errors import DataError, InputError, TooLittleError
from promolab.features.point_in_time import fixed, read_as_of
from promolab.wording import count, plural

if TYPE_CHECKING:
    import pandas as pd

    from promolab.contract import Shop


SAME = 1e-6  # chances that differ by less are one chance, written with rounding


def known_until(shop: Shop, as_of: Any = None) -> datetime:
    """Return up to when events are known: the end of the shop's last day, or an earlier ``as_of``.

    Raises
    ------
    InputError
        ``as_of`` is no single moment.
    """
    whole = _end(shop)
    if as_of is None:
        return whole
    moment = read_as_of(as_of)
    if not isinstance(moment, datetime):
        raise InputError("as_of is a table; expected one moment")
    return min(moment, whole)


def _end(shop: Shop) -> datetime:
    import ibis

    closed = shop.settings.life()[1]
    if closed is not None:
        return closed
    last = ibis.literal(shop.span()[1]).cast("timestamp")
    day = shop.local(last).truncate("D") + ibis.interval(days=1)
    found = shop.backend.execute(to_utc(day, shop.zone))
    end: datetime = found.to_pydatetime() if hasattr(found, "to_pydatetime") else found
    return end


def rounds_of(shop: Shop, at: Any, until: datetime, known: Sequence[Any] = ()) -> pd.DataFrame:
    """Return ts, action, kind, starts_at and ends_at of every action of each round not yet known.

    Raises
    ------
    InputError
        There is no such round.
    DataError
        An action is neither none nor a promotion nor a bundle.
    """
    made = shop.decisions
    made = made.select("decision_id", "ts", action=made.action.cast("string"))
    made = made.filter(made.ts.notin(known)) if known else made
    if shop.has("decision_propensities"):
        possible = shop.decision_propensities
        possible = possible.select("decision_id", action=possible.action.cast("string"))
        made = made.union(made.select("decision_id", "ts").join(possible, "decision_id"))
    found: pd.DataFrame = made.select("ts", "action").distinct().order_by("ts", "action").execute()
    found = found[found["ts"] < until]
    if at is not None:
        found = found[found["ts"].isin(_asked(at, found))]
    if found.empty and not known:
        raise TooLittleError(f"{shop.settings.name} has no decisions before {until:%Y-%m-%d %H:%M}")
    windows = _windows(shop)
    strange = sorted(set(found["action"]) - set(windows["action"]) - {NONE})
    if strange:
        raise DataError(
            f"the action {strange[0]!r} of decisions is neither {NONE!r} nor a promotion_id of "
            "promotions nor a bundle of shop.toml"
        )
    return found.merge(windows, on="action", how="left").fillna({"kind": NONE})


def _asked(at: Any, found: pd.DataFrame) -> list[datetime]:
    several = isinstance(at, (list, tuple, set, np.ndarray)) or hasattr(at, "to_list")
    moments = [read_as_of(moment) for moment in (at if several else [at])]
    known = found["ts"].unique()
    for moment in moments:
        if not isinstance(moment, datetime):
            raise InputError("at is a table; expected the moments of decisions")
        if moment not in set(found["ts"]):
            some = ", ".join(f"{ts:%Y-%m-%d %H:%M}" for ts in known[:10])
            raise InputError(
                f"no decisions were made at {moment:%Y-%m-%d %H:%M} (UTC); they were at: {some}"
            )
    return moments


def _windows(shop: Shop) -> pd.DataFrame:
    """Return action, kind, starts_at, ends_at of every promotion and bundle."""
    import pandas as pd

    promotions = shop.promotions
    table: pd.DataFrame = promotions.select(
        "kind", "starts_at", "ends_at", action=promotions.promotion_id.cast("string")
    ).execute()
    bundles = read_operations(shop.settings).contact.bundles
    parts = [
        table[table["action"].isin([str(m) for m in members])].assign(action=name, kind=name)
        for name, members in bundles.items()
    ]
    table = pd.concat([table, *parts])
    return table.groupby("action", as_index=False).agg(
        kind=("kind", "first"), starts_at=("starts_at", "min"), ends_at=("ends_at", "max")
    )


def complete(
    rounds: pd.DataFrame, horizon: timedelta, until: datetime, *, every: bool
) -> pd.DataFrame:
    """Return each round's span: span (a number), ts, low and high (between which outcomes count).

    Parameters
    ----------
    rounds : DataFrame
        As `rounds_of` returns them, those actions that are compared.
    horizon : timedelta
        Time after the windows.
    until : datetime
        Up to when the events are known.
    every : bool
        Whether a round whose horizon is not over is an error; else it is left out.

    Raises
    ------
    InputError
        The horizon of a round is not over.
    DataError
        A window begins before its decision.
    """
    spans = rounds.groupby("ts", as_index=False).agg(
        low=("starts_at", "min"), high=("ends_at", "max")
    )
    spans = spans[spans["low"].notna()]
    if spans.empty:
        raise TooLittleError(f"these rounds have no action but {NONE!r}: nothing was assigned")
    early = spans[spans["low"] < spans["ts"]]
    if len(early):
        first = early.iloc[0]
        raise DataError(
            f"decisions made at {first['ts']:%Y-%m-%d %H:%M} are for a window that began before, "
            f"at {first['low']:%Y-%m-%d %H:%M}; a decision comes before its promotion"
        )
    spans["high"] += horizon
    over = spans["high"] <= until
    if not over.all() and (every or not over.any()):
        first = spans[~over].iloc[0]
        raise (InputError if every else TooLittleError)(
            f"the outcomes of the decisions of {first['ts']:%Y-%m-%d} count until "
            f"{first['high']:%Y-%m-%d %H:%M}, and events are known until {until:%Y-%m-%d %H:%M} "
            "(UTC); wait, choose an earlier round, or a shorter horizon_days"
        )
    spans = spans[over].reset_index(drop=True)
    spans["span"] = spans.index
    return spans


def before_them(shop: Shop, spans: pd.DataFrame) -> pd.DataFrame:
    """Return equally long spans that end at the decisions, where the shop had begun by then."""
    begin = shop.settings.life()[0] or shop.span()[0]
    earlier = spans.assign(low=spans["ts"] - (spans["high"] - spans["low"]), high=spans["ts"])
    return earlier[earlier["low"] >= begin]


def chances_of(
    shop: Shop, frame: pd.DataFrame, rounds: pd.DataFrame, arms: list[str]
) -> tuple[np.ndarray | None, np.ndarray | None, list[str]]:
    """Return the chances of the arms in each row of a frame of decisions, and notes.

    Between them: the chance of the action taken among those of its arm.

    Raises
    ------
    DataError
        They contradict the decisions, or are missing for some.
    """
    import ibis

    if not shop.has("decision_propensities"):
        note = (
            f"{shop.settings.name} has no table decision_propensities: the chances of the actions "
            "that were not taken are not known, and effects can only be adjusted."
        )
        return None, None, [note]
    rows = _possible(shop, rounds)
    _contradictions(rows)
    named = ibis.memtable(rounds[["ts", "action", "arm"]].astype({"ts": "datetime64[us]"}))
    rows = rows.join(named, ["ts", "action"])
    wide = rows.group_by("decision_id").aggregate(
        **{
            f"chance_{place}": (rows.arm == arm).ifelse(rows.chance, None).sum().cast("float64")
            for place, arm in enumerate(arms)
        },
        taken=(rows.action == rows.taken).ifelse(rows.chance, None).max().cast("float64"),
    )
    wide = wide.mutate(**{c: wide[c].fill_null(0) for c in wide.columns if c != "decision_id"})
    found = frame[["decision_id"]].merge(wide.execute(), on="decision_id", how="left")
    chances = found.drop(columns=["decision_id", "taken"]).to_numpy(dtype=float)
    lacking = np.isnan(chances).any(axis=1)
    if lacking.any():
        raise DataError(
            f"{plural(int(lacking.sum()), 'decision')} of {count(len(frame))} have no row in "
            f"decision_propensities, such as {frame['decision_id'][lacking.argmax()]!r}"
        )
    codes = frame["arm"].map({arm: place for place, arm in enumerate(arms)}).to_numpy()
    own = chances[np.arange(len(frame)), codes]
    if (own <= 0).any():
        raise DataError(
            f"{plural(int((own <= 0).sum()), 'decision')} took an action whose chance was 0, such "
            f"as {frame['decision_id'][(own <= 0).argmax()]!r}; decision_propensities contradict "
            "decisions"
        )
    share = np.minimum(found["taken"].to_numpy(dtype=float) / own, 1.0)
    return chances / chances.sum(axis=1, keepdims=True), share, []


def _possible(shop: Shop, rounds: pd.DataFrame) -> Any:
    """Return decision_id, ts, action, chance of every possible action, and what was taken."""
    import ibis

    dates = ibis.memtable(rounds[["ts"]].drop_duplicates().astype({"ts": "datetime64[us]"}))
    made = shop.decisions.semi_join(dates, "ts")
    made = made.select(
        "decision_id", "ts", taken=made.action.cast("string"), stated=made.propensity
    )
    possible = shop.decision_propensities
    possible = possible.select(
        "decision_id",
        action=possible.action.cast("string"),
        # In fixed point: sums of floats change with the number of threads.
        chance=fixed(possible.propensity, 12),
    )
    return made.join(possible, "decision_id").cache()


def _contradictions(rows: Any) -> None:
    """Raise a DataError where chances do not sum to 1, or the two tables differ."""
    own = (rows.action == rows.taken).ifelse(rows.chance, None)
    each = rows.group_by("decision_id").aggregate(
        total=rows.chance.sum().cast("float64"),
        own=own.sum().cast("float64").fill_null(0),
        stated=rows.stated.max().cast("float64"),
    )
    # NaN is greater than any number: a chance that is missing is found by both.
    off, other = (each.total - 1).abs() > SAME, (each.own - each.stated).abs() > SAME
    off, other = off.fill_null(True), other.fill_null(True)
    found = each.aggregate(
        off=off.sum(),
        off_id=each.decision_id.min(where=off),
        other=other.sum(),
        other_id=each.decision_id.min(where=other),
    )
    said = found.execute().iloc[0]
    if said["off"]:
        raise DataError(
            f"the chances in decision_propensities of {plural(int(said['off']), 'decision')} do "
            f"not sum to 1, such as those of {said['off_id']!r}; state every possible action once"
        )
    if said["other"]:
        raise DataError(
            f"decisions and decision_propensities state different chances of the action taken, in "
            f"{plural(int(said['other']), 'decision')}, such as {said['other_id']!r}"
        )
