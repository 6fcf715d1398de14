"""Forecasts of earlier weeks beside what came: kept or broken, how far they miss, the alarm."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.display import Html, join, link, say
from promolab.loop.ledger import ledger_of
from promolab.loop.promises.assignment import ALL, KEYS, PROFIT, REDEMPTIONS, SETTLED, SPEND
from promolab.loop.promises.outcomes import past_outcomes
from promolab.loop.week_plans import settings_of
from promolab.results import Estimate, Result
from promolab.stats import normal_quantile, wilson

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from promolab.contract import Shop
    from promolab.folder import RunFolder


TOTALS = (REDEMPTIONS, SPEND, PROFIT)
"""What a week promises as a whole; a rate says the same as the count it is made from."""
_SAID = ("value", "ci_low", "ci_high", "readout_low", "readout_high", "level", "n")
_CAME = ("value", "ci_low", "ci_high", "level", "state", "known_at", "identification")
LEVEL = 0.05
"""Of all false alarms, however many weeks are looked at."""
SIZE = 0.5
"""How far a broken promise is thought to miss: one standard deviation, as a share of it."""
FIRST, LASTS = 0.5, 26.0
"""How likely a planner that breaks promises is thought to do so from the first week on; else weeks
after which, on average, it begins to."""
WEEKS_SHOWN = 3
"""On the first page."""
MOST = 16
"""Rows of a figure."""
TABLE = "promises"


def evidence(off: ArrayLike, spread: ArrayLike, shared: ArrayLike, size: ArrayLike) -> np.ndarray:
    r"""Return how much likelier what came is if promises are broken, after each week.

    A martingale where they are kept, so that it ever reaches 1/α with a chance of at most α (Ville
    1939): a mixture of likelihood ratios. Kept, what came differs from what was said by the noise
    of the readout and by an error that all weeks share, for the same past decisions foretold them;
    broken from week k on, also by a share :math:`\rho \sim N(0, 0.5^2)` of what was said. Half of
    the weight is on the first week, the rest falls geometrically.

    Parameters
    ----------
    off : array-like of shape (…, T)
        What came less what was said; runs may be stacked.
    spread : array-like of shape (T,)
        Standard deviation of that.
    shared : array-like of shape (T,)
        What of it the weeks share. It is counted as shared and as each week's own, for how much of
        it they share is not known: on the safe side.
    size : array-like of shape (T,)
        What a share of the promise is; of logarithms 1.

    Returns
    -------
    ndarray of shape (…, T)

    References
    ----------
    Ville (1939), Étude critique de la notion de collectif; Shafer (2021), Testing by betting,
    JRSS A 184; Shiryaev (1963) for the weights of k.

    Examples
    --------
    >>> evidence([0.1, -0.2], [1.0, 1.0], [0.0, 0.0], [1.0, 1.0]).round(2).tolist()
    [0.95, 0.9]
    """
    y, own = np.asarray(off, dtype=float), np.asarray(spread, dtype=float) ** 2
    common, design = np.asarray(shared, dtype=float), np.asarray(size, dtype=float)
    weeks = y.shape[-1]
    begins = (1 / LASTS) * (1 - 1 / LASTS) ** np.arange(weeks) * (1 - FIRST)
    begins[:1] += FIRST
    later = 1 - np.cumsum(begins)  # those that begin after a week have seen nothing of it yet
    found = np.zeros(y.shape) + later
    pulled = 1 + np.cumsum(common**2 / own)
    drawn = np.cumsum(y * common / own, axis=-1)
    for k in range(weeks):
        x = np.where(np.arange(weeks) >= k, design, 0.0)
        cross = np.cumsum(x * common / own)
        g = np.cumsum(x * x / own) - cross**2 / pulled
        h = np.cumsum(y * x / own, axis=-1) - cross * drawn / pulled
        grown = 1 + SIZE**2 * g
        ratio = np.exp(np.minimum(SIZE**2 * h**2 / (2 * grown), 700.0)) / np.sqrt(grown)
        found += np.where(np.arange(weeks) >= k, begins[k] * ratio, 0.0)
    return np.asarray(found)


@dataclass(frozen=True)
class PromiseAlarm(Result):
    """Whether promises were broken beyond chance; made by `promise_alarm`.

    Parameters
    ----------
    frame : DataFrame
        A row per settled week: week, evidence (of all measures together) and that of each.
    since : str
        The first week at which it rang; empty while it has not.
    measure : str
        Of which it is most certain then.
    ratio : float
        What came over what was said of that, all weeks together.
    level : float
        The most that false alarms may be, over all weeks ever.
    """

    frame: pd.DataFrame = field(repr=False)
    since: str
    measure: str
    ratio: float
    level: float = LEVEL

    def __bool__(self) -> bool:
        """Whether a week is settled, so that there is something to tell."""
        return not self.frame.empty

    @property
    def rings(self) -> bool:
        """Whether promises were broken beyond chance."""
        return bool(self.since)

    def facts(self) -> Mapping[str, Any]:
        """Return the case, and how many weeks are settled."""
        case = "rings" if self.rings else "still" if self else "none"
        return {"case": case, "weeks": len(self.frame)}


def promise_alarm(rows: pd.DataFrame) -> PromiseAlarm:
    """Ask whether promises of whole weeks were broken beyond chance.

    The mean of the measures' evidence is evidence again, so that together they ring falsely as
    seldom as one.

    Parameters
    ----------
    rows : DataFrame
        By `join_outcomes`.
    """
    told: dict[str, pd.Series[float]] = {}
    sums: dict[str, float] = {}
    for measure in TOTALS:
        mine = whole_weeks(rows, measure)
        mine = mine[(mine["state"] == SETTLED) & (mine["spread"] > 0)]
        mine = mine[mine[["off", "spread", "shared", "said"]].notna().all(axis=1)]
        if mine.empty:
            continue
        size = mine["said"].abs() if measure == PROFIT else np.ones(len(mine))
        found = evidence(mine["off"], mine["spread"], mine["shared"], size)
        told[measure] = pd.Series(found, index=mine["week"].to_numpy())
        sums[measure] = float(mine["came"].sum() / mine["said"].sum())
    if not told:
        return PromiseAlarm(pd.DataFrame(columns=["week", "evidence"]), "", "", math.nan)
    # A week that settled for one measure alone leaves the others' evidence as it was.
    measures = pd.DataFrame(told).sort_index().ffill()
    frame = pd.DataFrame(measures.where(measures.notna(), 1.0))
    frame.insert(0, "evidence", frame.mean(axis=1))
    frame = frame.reset_index(names="week")
    loud = frame[frame["evidence"] >= 1 / LEVEL]
    if loud.empty:
        return PromiseAlarm(frame, "", "", math.nan)
    most = str(loud.iloc[0][list(told)].astype(float).idxmax())
    return PromiseAlarm(frame, str(loud["week"].iloc[0]), most, sums[most])


def _level_of(rows: pd.DataFrame) -> float:
    """Return the level of the intervals that were promised."""
    return float(rows["level"].iloc[0]) if len(rows) else 0.9


def join_outcomes(predictions: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
    """Set what was said beside what came.

    Parameters
    ----------
    predictions, outcomes : DataFrame
        As a ledger keeps them; any number of weeks.

    Returns
    -------
    DataFrame
        week, promotion_id, segment, measure; said with its interval ``said_low``, ``said_high``,
        readout_low, readout_high, n; came with ``came_low``, ``came_high``; state, ``kept``
        (whether what came lies in the interval of the readout; missing where either is not known or
        the week is not settled), ``off`` and its standard deviation ``spread`` (by how much what
        came was more than said: of counts and costs as a logarithm) and ``shared`` (what of it is
        the error of the expected value). Rows of which nothing came yet are left out.
    """
    keys = list(KEYS)
    said = predictions[[*keys, *_SAID]].rename(
        columns={"value": "said", "ci_low": "said_low", "ci_high": "said_high"}
    )
    came = outcomes[[*keys, *_CAME]].rename(
        columns={
            "value": "came", "ci_low": "came_low", "ci_high": "came_high", "level": "came_level",
        }
    )  # fmt: skip
    rows = said.merge(came, on=keys, how="inner")
    numbers = [str(c) for c in rows if str(c).startswith(("said", "came", "readout", "level"))]
    rows[numbers] = rows[numbers].astype(float)
    inside = rows["came"].between(rows["readout_low"], rows["readout_high"])
    known = rows[["came", "readout_low", "readout_high"]].notna().all(axis=1)
    known &= rows["state"] == SETTLED
    rows["kept"] = inside.astype("boolean").where(known)
    return rows.assign(**_errors(rows)).sort_values(keys, kind="stable", ignore_index=True)


def _errors(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return off, spread and shared of each row."""
    logs = (rows["measure"] != PROFIT).to_numpy()

    def on_scale(name: str) -> np.ndarray:
        values = rows[name].to_numpy(dtype=float)
        with np.errstate(invalid="ignore", divide="ignore"):
            # Half of one for none: a count of 0 has no logarithm.
            return np.where(logs, np.log(np.maximum(values, 0.5)), values)

    quantile = np.array([normal_quantile(x) if x > 0 else np.nan for x in rows["level"]])
    middle = (on_scale("readout_high") + on_scale("readout_low")) / 2
    return {
        "off": on_scale("came") - middle,
        "spread": (on_scale("readout_high") - on_scale("readout_low")) / 2 / quantile,
        "shared": (on_scale("said_high") - on_scale("said_low")) / 2 / quantile,
    }


def whole_weeks(rows: pd.DataFrame, *measures: str) -> pd.DataFrame:
    """Return the rows of whole plans of some measures, in order of time.

    Parameters
    ----------
    rows : DataFrame
        By `join_outcomes`.
    *measures : str
    """
    mine = (rows["promotion_id"] == ALL) & (rows["segment"] == ALL) & rows["measure"].isin(measures)
    return rows[mine].sort_values("week", kind="stable", ignore_index=True)


@dataclass(frozen=True)
class ComparedForecasts(Result):
    """Promises beside what came of them; made by `compare_forecasts`.

    Parameters
    ----------
    rows : DataFrame
        By `promolab.loop.promises.join_outcomes`: all earlier weeks, promotions and segments.
    currency : str
        Of amounts.
    """

    rows: pd.DataFrame = field(repr=False)
    currency: str = ""

    @property
    def frame(self) -> pd.DataFrame:
        """The rows of whole plans, the latest week first."""
        rows = whole_weeks(self.rows, *TOTALS)
        rows = rows.assign(place=[TOTALS.index(measure) for measure in rows["measure"]])
        rows = rows.sort_values(["week", "place"], ascending=[False, True], ignore_index=True)
        return rows.drop(columns="place")

    @property
    def settled(self) -> pd.DataFrame:
        """Those of `frame` that are settled, and had an interval."""
        return self.frame[self.frame["kept"].notna()]

    @property
    def kept(self) -> Estimate:
        """Share of settled promises that were kept, with Wilson's 95 % interval."""
        held = self.settled["kept"].astype(bool)
        if held.empty:
            return Estimate(math.nan)
        low, high = wilson(int(held.sum()), len(held))
        return Estimate(float(held.mean()), float(low), float(high), len(held))

    @cached_property
    def alarm(self) -> PromiseAlarm:
        """Whether promises were broken beyond chance."""
        return promise_alarm(self.rows)

    def to_frame(self) -> pd.DataFrame:
        """Return `frame`."""
        return self.frame

    def facts(self) -> Mapping[str, Any]:
        """Return how many promises were kept and wait, and the rows of the table and figure."""
        kept, known = self.kept, self.frame[self.frame[["said", "came"]].notna().all(axis=1)]
        measure = next((m for m in TOTALS[::-1] if (known["measure"] == m).any()), "")
        ends = {"said_low": known["readout_low"], "said_high": known["readout_high"]}
        return {
            "case": "empty" if self.rows.empty else "due" if kept.n else "undue",
            "held": round(kept.value * kept.n) if kept.n else 0,
            "waiting": int((self.frame["state"] != SETTLED).sum()),
            "at": _level_of(self.rows),
            "shown": self._shown,
            "record": self._record,
            "measure": measure,
            "drawn": known.assign(**ends)[known["measure"] == measure].head(MOST),
            "profit": measure == PROFIT,
            "in_unit": "customers" if measure == TOTALS[0] else self.currency,
        }

    def _shown(self) -> pd.DataFrame:
        """Return the rows of the table: of what is settled, whether it was kept."""
        rows = self.frame
        outcome = rows["kept"].map({True: "kept", False: "broken"}).astype(object)
        waiting = rows["state"] != SETTLED
        return rows.assign(state=rows["state"].where(waiting, outcome.fillna("unknown")))

    def _record(self) -> pd.DataFrame:
        """Return the latest settled weeks: of each measure what came, and where it was to lie."""
        weeks = sorted(self.settled["week"].unique(), reverse=True)[:WEEKS_SHOWN]
        rows = self.frame[self.frame["week"].isin(weeks) & self.frame["came"].notna()]
        facts: list[Any] = rows.to_dict("records")
        rows = rows.assign(told=[self.say("came_where", **row) for row in facts])
        known = rows.pivot_table("told", "week", "measure", aggfunc="first").loc[weeks]
        return known.fillna("–").reset_index()

    def track_record(self, otherwise: Html) -> Html:
        """Return what the first page shows: three weeks, or something else where there are none.

        Parameters
        ----------
        otherwise : Html
            What to show where no earlier promise is settled.
        """
        if self.settled.empty:
            return otherwise
        page = link("09_learning.html", self.say("all"))
        return join([say(self.summary()), self.to_table("table_record"), page])


def compare_forecasts(run: RunFolder, shop: Shop | None = None) -> ComparedForecasts:
    """Return what earlier weeks promised, and what came, as the ledger of a reports folder has it.

    Parameters
    ----------
    run : RunFolder
        The week that looks back; of itself and later weeks nothing is read.
    shop : Shop, optional
        The week's own, cleaned: of weeks that the ledger does not have as settled it is read again,
        so that what came due since the last report is told now, not a week later. Without it, what
        the week has told of it on page 09 already is read back, if it has.

    Returns
    -------
    ComparedForecasts
        Its ``alarm`` says whether promises were broken beyond chance; its ``rows`` have promotions
        and segments too.

    Examples
    --------
    >>> import tempfile
    >>> from promolab.folder import open_run
    >>> print(compare_forecasts(open_run(tempfile.mkdtemp(), week="2017-W44")).summary())
    No earlier week's plan was carried out and read, so that no promise can be checked yet.
    """
    if shop is None and run.table_path(TABLE).exists():
        rows = run.read_table(TABLE)
    else:
        ledger = ledger_of(run)
        said, came = ledger.predictions(), ledger.outcomes()
        if shop is not None and len(said):
            came = _read_again(run, shop, said, came)
        rows = join_outcomes(said, came)
    return ComparedForecasts(rows, settings_of(run.path).currency if len(rows) else "")


def _read_again(run: RunFolder, shop: Shop, said: pd.DataFrame, came: pd.DataFrame) -> pd.DataFrame:
    """Return outcomes as they are known now; what is settled in the ledger stays as it is."""
    settled = came[came["state"] == SETTLED]
    waiting = set(said["week"]) - (
        set(settled["week"]) - set(came["week"][came["state"] != SETTLED])
    )
    fresh = past_outcomes(run, shop, weeks={str(week) for week in waiting})
    keys = list(KEYS)
    known = pd.MultiIndex.from_frame(settled[keys])
    fresh = fresh[~pd.MultiIndex.from_frame(fresh[keys]).isin(known)]
    parts = [part for part in (settled, fresh) if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else came
