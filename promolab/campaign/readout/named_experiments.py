"""The experiments that a shop names in ``[[experiments]]``, read out as they stand.

One reads a file of one row per customer, or a promotion's decisions and holdout. What cannot be
read is a sentence, and no reason for a report to fail.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from promolab.abtest import ExperimentReadout, Metric, analyze_experiment
from promolab.campaign.past.assignment import (
    ASSIGNED,
    action_of,
    groups_of,
    obstacle,
    read_decisions,
)
from promolab.campaign.past.earlier_sales import earlier_span
from promolab.campaign.past.outcomes import response_spans
from promolab.campaign.readout.cumulative import HORIZON
from promolab.campaign.readout.holdout import HELD
from promolab.campaign.readout.verdict import MOST_HARM
from promolab.contract import StatedExperiment, read_operations
from promolab.display import Html, join, say
from promolab.errors import DataError, InputError, PromolabError, nearest
from promolab.features import order_lines, outcomes_between
from promolab.promotions import kinds_recorded, moment_of, promotion_costs, responses_between
from promolab.results import Result
from promolab.wording import capital

if TYPE_CHECKING:
    from promolab.contract import Shop


WEEK = timedelta(days=7)
ANNOYS = ("unsubscribe", "complaint")
_WORDS = {"unsubscribe": "unsubscribed", "complaint": "complained", "redeem": "redeemed"}


@dataclass(frozen=True)
class NamedExperiment(Result):
    """One experiment of a shop, as it stands.

    Parameters
    ----------
    name : str
        What readers call it.
    state : str
        ``final``, ``provisional`` before its end, ``to come``, or ``cannot be read``.
    readout : ExperimentReadout or None
        What it showed.
    why : str
        Why there is nothing; empty where there is something.
    ends : date or None
        The first day after its last one.
    """

    name: str
    state: str
    readout: ExperimentReadout | None
    why: str = ""
    ends: date | None = None

    def __bool__(self) -> bool:
        """Whether there is anything to draw."""
        return self.readout is not None and bool(self.readout.rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the state, and the figures where there are some."""
        told = {"state": self.state, "why": self.why}
        return told | ({} if self.readout is None else self.readout.to_dict())

    def facts(self) -> dict[str, Any]:
        """Return what it showed, in sentences."""
        known = self.readout is not None
        return {"read": known, "shown": lambda: self.readout.summary() if self.readout else ""}


@dataclass(frozen=True)
class NamedExperiments(Result):
    """All experiments that a shop names; made by `read_experiments`.

    Parameters
    ----------
    experiments : tuple of NamedExperiment
        In the order of ``shop.toml``.
    """

    experiments: tuple[NamedExperiment, ...]

    def __bool__(self) -> bool:
        """Whether there is anything to draw: an experiment that could be read."""
        return any(self.experiments)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per experiment, metric and arm."""
        found = [
            one.readout.to_frame().assign(experiment=one.name, state=one.state)
            for one in self.experiments
            if one.readout and one
        ]
        empty = pd.DataFrame(columns=["experiment", "state"])
        return pd.concat(found, ignore_index=True) if found else empty

    def to_dict(self) -> dict[str, Any]:
        """Return each experiment's figures by its name."""
        return {one.name: one.to_dict() for one in self.experiments}

    def facts(self) -> dict[str, Any]:
        """Return how each stands, and the lifts."""
        return {
            "case": "some" if self.experiments else "none",
            "rows": lambda: pd.DataFrame([self._row(one) for one in self.experiments]),
            "lifts": self._lifts,
        }

    @staticmethod
    def _row(one: NamedExperiment) -> dict[str, Any]:
        told = {"named": one.name, "state": one.state}
        if one.readout is None:
            return told | {"n": np.nan, "verdict": capital(one.why)}
        return told | {"n": sum(one.readout.n.values()), "verdict": one.readout.judgement}

    def _lifts(self) -> pd.DataFrame:
        rows = self.to_frame()
        if rows.empty:
            return rows
        lifts = ["relative", "relative_low", "relative_high"]
        named = rows["experiment"] + " · " + rows["metric"] + " · " + rows["arm"].astype(str)
        rows = rows.assign(named=named.str.replace("_", " "))
        return rows.assign(**{name: 100 * rows[name] for name in lifts})

    def table(self) -> Html:
        """Return the verdicts, and below them the figures of each experiment."""
        parts = [self.to_table("table_of_verdicts")]
        for one in self.experiments:
            if one.readout and one:
                parts += [say(f"{one.name}:"), one.readout.to_table()]
        return join(parts)


def read_experiments(shop: Shop, as_of: Any, folder: str | Path = "") -> NamedExperiments:
    """Read out all experiments that a shop names, as they stand at a moment.

    Before its end an experiment is provisional: its intervals are those of a confidence sequence,
    that may be looked at every week, and nothing but harm is decided. Afterwards it is final.

    Parameters
    ----------
    shop : Shop
        Its settings name them; of released weeks `promolab.loop.with_released_decisions` adds the
        decisions.
    as_of : datetime
        UTC if it has no zone; of the shop nothing at or after it is read.
    folder : str or Path
        Where their files lie: the shop's source. Of a week's run, ``run.source``.

    Returns
    -------
    NamedExperiments
        One that cannot be read says why, in a sentence.
    """
    now = moment_of(as_of)
    named = read_operations(shop.settings).experiments
    return NamedExperiments(tuple(_read_one(one, shop, now, Path(folder)) for one in named))


def _read_one(said: StatedExperiment, shop: Shop, now: datetime, folder: Path) -> NamedExperiment:
    started = _moment(said.started, shop.zone)
    if started is not None and started >= now:
        return NamedExperiment(said.name, "to come", None, f"it starts on {said.started}")
    try:
        case = _of_promotion(said, shop, now) if said.promotion else _of_file(said, folder)
        return _read_out(said, case, shop, now)
    except PromolabError as error:
        why = str(error).rstrip(".")
    except Exception as error:  # a broken experiment must not take the week's report with it
        why = f"{type(error).__name__}: {error}".splitlines()[0].rstrip(".")
    return NamedExperiment(said.name, "cannot be read", None, why, said.ends)


@dataclass(frozen=True)
class _Case:
    """Rows, and what `analyze_experiment` is told of them."""

    data: Any
    options: Mapping[str, Any]
    metrics: Mapping[str, Metric]
    guardrails: Mapping[str, Metric]
    started: datetime | None = None
    ends: datetime | None = None
    n: int = 0


def _read_out(said: StatedExperiment, case: _Case, shop: Shop, now: datetime) -> NamedExperiment:
    """Analyse an experiment as it stands: with a band that may be looked at before its end."""
    started = _moment(said.started, shop.zone) or case.started
    ends = _moment(said.ends, shop.zone) or case.ends
    weeks = math.nan
    if said.data and started is not None:  # a promotion's customers are drawn at once
        weeks = (min(now, ends or now) - started) / WEEK
    running = ends is not None and now < ends
    last = None if ends is None else said.ends or _day(ends, shop.zone)
    sequential = None
    if running or said.sequential:
        n = case.n or _rows_of(case.data)
        share = 1.0
        # A file grows until its end. A promotion's customers are drawn when it starts: the band is
        # 3 errors wide then, which holds for twenty looks whatever they have in common.
        if running and said.data and started is not None and ends is not None:
            share = (now - started) / (ends - started)
        sequential = max(int(n / max(share, 0.05)), 1)
    early = f"it ends on {last}" if running and not said.sequential else ""
    readout = analyze_experiment(
        case.data,
        case.metrics,
        guardrails=case.guardrails,
        primary=said.primary,
        level=said.level,
        multiplicity=said.multiplicity,
        sequential=sequential,
        weeks=weeks,
        early=early,
        **case.options,
    )
    return NamedExperiment(said.name, "provisional" if running else "final", readout, "", last)


def _of_file(said: StatedExperiment, folder: Path) -> _Case:
    path = folder if folder.is_dir() else folder.parent
    given = Path(said.data)
    found = given if given.is_absolute() else path / given
    options: dict[str, Any] = {"arm": said.arm, "customer": said.customer}
    options |= {"control": said.control, "cluster": said.cluster, "segments": said.segments}
    options |= {"propensity": said.propensity, "shares": said.shares or None}
    options |= {"money": said.money or None}
    return _Case(found, options, *_stated(said))


def _of_promotion(said: StatedExperiment, shop: Shop, now: datetime) -> _Case:
    """Return those planned for a promotion: who was assigned it, and whom chance kept from it."""
    if lacking := [name for name in ("promotions", "decisions") if not shop.has(name)]:
        raise DataError(f"{shop.settings.name} has no {lacking[0]} to read {said.promotion!r} from")
    promotions = shop.promotions.execute()
    known = promotions["promotion_id"].astype(str)
    promotion = promotions[known == said.promotion].reset_index(drop=True)
    if promotion.empty:
        near = nearest(said.promotion, known)
        raise InputError(f"there is no promotion {said.promotion!r}; {near}")
    start, end = (promotion.loc[0, name].to_pydatetime() for name in ("starts_at", "ends_at"))
    span = start, min(end + HORIZON, now)
    if start >= now:
        raise DataError(f"promotion {said.promotion} starts on {start:%Y-%m-%d}")
    decisions = read_decisions(shop, [action_of(shop, said.promotion)], now)
    if why := obstacle(decisions):
        raise DataError(why)
    rows, holdout = groups_of(decisions)
    rows = rows.assign(arm=np.where(rows["arm"] == ASSIGNED, ASSIGNED, HELD))
    decided = min(start, rows["ts"].min().to_pydatetime())
    frame, options = _outcomes(shop, rows, promotion, span, earlier_span(decided, end - start), now)
    options |= {"control": HELD, "cluster": "cluster"}
    chance = rows["chance"].to_numpy(dtype=float)
    if holdout == "chance":
        frame["chance"] = np.where(rows["arm"] == ASSIGNED, chance, 1 - chance)
        options["propensity"] = "chance"
    elif np.ptp(chance) < 1e-6:
        options["shares"] = {ASSIGNED: float(chance[0]), HELD: 1 - float(chance[0])}
    else:
        options["shares"] = "unknown"
    usual, guards = _usual(frame)
    metrics, guardrails = _stated(said)
    ends = end + HORIZON
    return _Case(frame, options, metrics or usual, guardrails or guards, start, ends, len(frame))


def _stated(said: StatedExperiment) -> tuple[dict[str, Metric], dict[str, Metric]]:
    """Return the metrics and the guardrails; these are a bad thing where nothing else is said."""
    metrics = {name: Metric(**one) for name, one in said.metrics.items()}
    return metrics, {n: Metric(**{"good": "down", **one}) for n, one in said.guardrails.items()}


def _usual(frame: pd.DataFrame) -> tuple[dict[str, Metric], dict[str, Metric]]:
    """Return what is measured of a promotion where nobody says: what the shop records."""
    metrics = {"sales": Metric("sales", "mean", earlier="sales_before")}
    metrics |= {"bought": Metric("purchases", "share")}
    guards = {}
    for kind in ANNOYS:
        name = _WORDS[kind]
        if name in frame:
            guards[name] = Metric(name, "share", good="down", margin=MOST_HARM)
    if "returned" in frame:
        guards["returned"] = Metric("returned", "share", good="down")
    return metrics, guards


def _outcomes(
    shop: Shop,
    rows: pd.DataFrame,
    promotion: pd.DataFrame,
    span: tuple[datetime, datetime],
    earlier: tuple[datetime, datetime],
    now: datetime,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return a row per customer with what followed in a span, and how its money is made."""
    spans = pd.DataFrame([(0, *span), (1, *earlier)], columns=["span", "low", "high"])
    frame = rows[["customer_id", "cluster", "arm"]].reset_index(drop=True)
    try:
        found, margin = outcomes_between(shop, spans).execute(), True
    except DataError:
        found, margin = outcomes_between(shop, spans, margin=False).execute(), False
    wanted = {"": ["margin", "sales", "discount", "orders_placed", "purchases"]}
    wanted["_before"] = ["sales", "margin"]
    for place, (ending, names) in enumerate(wanted.items()):
        part = found[found["span"] == place].set_index("customer_id")
        for name in [name for name in names if name in part]:
            values = frame["customer_id"].map(part[name])
            frame[f"{name}{ending}"] = values.fillna(0.0).astype(float)
    for name, who in _answered(shop, promotion, span, now).items():
        frame[name] = frame["customer_id"].isin(who).astype(float)
    if not margin:
        return frame, {}
    economics = read_operations(shop.settings).economics
    rate = economics.margin_rate  # not looked at: the margin is counted by line
    costs = promotion_costs(shop, span[1], promotion.loc[0].to_dict(), economics, rate)
    money: dict[str, Any] = {"margin": "margin", "discount": "discount"}
    money |= {"earlier": "margin_before"}
    money |= {"contact_cost": float(costs.contact_cost.value)}
    return frame, {"money": money | {"currency": shop.settings.currency}}


def _answered(
    shop: Shop, promotion: pd.DataFrame, span: tuple[datetime, datetime], now: datetime
) -> dict[str, pd.Series[Any]]:
    """Return who redeemed, unsubscribed, complained and sent back, of what the shop records."""
    found, (start, until) = {}, span
    if shop.has("responses"):
        spans = response_spans(promotion, read_operations(shop.settings).attribution, shop.zone)
        answers = responses_between(shop, spans, now)
        for kind in sorted(kinds_recorded(shop, now) & set(_WORDS)):
            found[_WORDS[kind]] = answers.loc[answers["kind"] == kind, "customer_id"]
    came = order_lines(shop)
    came = came.filter((came.ts >= start) & (came.ts < until) & ~came.bought)
    back = came.select("customer_id").distinct().execute()["customer_id"]
    return found | ({"returned": back} if len(back) else {})


def _rows_of(data: Any) -> int:
    import ibis

    if isinstance(data, (str, Path)):
        read = ibis.read_csv if str(data).removesuffix(".gz").endswith("csv") else ibis.read_parquet
        return int(read(data).count().execute())
    return len(data)


def _moment(day: date | None, zone: str) -> datetime | None:
    """Return a local day's first instant, UTC."""
    if day is None:
        return None
    local = datetime.combine(day, time(), ZoneInfo(zone))
    return local.astimezone(UTC).replace(tzinfo=None)


def _day(moment: datetime, zone: str) -> date:
    return moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).date()
