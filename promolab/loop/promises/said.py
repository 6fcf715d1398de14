"""What we said and what happened: every promise of earlier weeks beside what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.display import Html, join, link, say, table
from promolab.errors import InputError
from promolab.language import _, _n, marked
from promolab.loop.ledger import ledger_of
from promolab.loop.planned import settings_of
from promolab.loop.promises.agreement import PlannerCalibration, planner_calibration
from promolab.loop.promises.alarm import MEASURE_WORDS, PromiseAlarm, promise_alarm
from promolab.loop.promises.matching import TOTALS, matched
from promolab.loop.promises.rows import ALL, KEYS, PROFIT, SETTLED
from promolab.loop.promises.telling import happened
from promolab.results import Estimate, Result, plain
from promolab.stats import wilson
from promolab.wording import number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from promolab.contract import Shop
    from promolab.folder import RunFolder

WEEKS_SHOWN = 3
"""On the first page."""
MOST = 16
"""Rows of a figure."""
TABLE = "promises"
NOTHING = marked(
    "No earlier week's plan was carried out and read, so that no promise can be checked yet."
)
NAMES: Mapping[str, str] = {"week": "week", "promotion_id": "promotion", "segment": "segment"}
_TITLES: Mapping[str, str] = {
    "week": "Whole plans",
    "promotion_id": "By promotion",
    "segment": "By segment",
}


@dataclass(frozen=True)
class SaidAndHappened(Result):
    """Promises beside what came of them; made by `said_and_happened`.

    Parameters
    ----------
    rows : DataFrame
        By `promolab.loop.promises.matching.matched`: all earlier weeks, promotions and segments.
    unit : {"week", "promotion_id", "segment"}
        What a row of the table and of the figure is about: whole plans, promotions, or segments.
    currency : str
        Of amounts.
    """

    ALT = "What was said, with the interval of the readout, and what came, with its interval."

    rows: pd.DataFrame = field(repr=False)
    unit: str = "week"
    currency: str = ""

    @property
    def frame(self) -> pd.DataFrame:
        """The rows that the table and the figure are about, the latest week first."""
        rows = self.rows
        mine = rows["measure"].isin(TOTALS)
        for name in ("promotion_id", "segment"):
            mine &= (rows[name] != ALL) if name == self.unit else (rows[name] == ALL)
        rows = rows[mine]
        rows = rows.assign(place=[TOTALS.index(measure) for measure in rows["measure"]])
        keys = ["week", "place", "promotion_id", "segment"]
        rows = rows.sort_values(keys, ascending=[False, True, True, True], ignore_index=True)
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
            return Estimate(np.nan)
        low, high = wilson(int(held.sum()), len(held))
        return Estimate(float(held.mean()), float(low), float(high), len(held))

    @cached_property
    def calibration(self) -> PlannerCalibration:
        """How far the planner misses over all weeks."""
        return planner_calibration(self.rows)

    @cached_property
    def alarm(self) -> PromiseAlarm:
        """Whether promises were broken beyond chance."""
        return promise_alarm(self.rows)

    def by_promotion(self) -> SaidAndHappened:
        """Return the same by promotion."""
        return replace(self, unit="promotion_id")

    def by_segment(self) -> SaidAndHappened:
        """Return the same by segment."""
        return replace(self, unit="segment")

    def to_frame(self) -> pd.DataFrame:
        """Return `frame`."""
        return self.frame

    def to_dict(self) -> dict[str, Any]:
        """Return how many promises were kept, the calibration, and whether the alarm rings."""
        return {
            "kept": self.kept.to_dict(),
            "calibration": self.calibration.to_dict(),
            "alarm": plain({"since": self.alarm.since, "measure": self.alarm.measure}),
        }

    def summary(self) -> str:
        """Say how many promises were kept, and how many wait to be settled."""
        if self.rows.empty:
            return _(NOTHING)
        share, waiting = self.kept, int((self.frame["state"] != SETTLED).sum())
        later = []
        if waiting:
            later = [
                _n(
                    "{n} figure is provisional: windows or return days are not over.",
                    "{n} figures are provisional: windows or return days are not over.",
                    waiting,
                )
            ]
        if not share.n:
            return " ".join([_("No promise has come due yet."), *later])
        kept = _n(
            "Of {promises} {n} was kept: what came lies inside the {level} interval that was said "
            "of it ({share}).",
            "Of {promises} {n} were kept: what came lies inside the {level} interval that was said "
            "of it ({share}).",
            share.value * share.n,
            promises=_n("{n} promise", "{n} promises", share.n),
            level=percent(self._level, decimals=0),
            share=percent(*share.ends),
        )
        return " ".join([kept, *later])

    @property
    def _level(self) -> float:
        return float(self.rows["level"].iloc[0]) if len(self.rows) else 0.9

    def table(self) -> Html:
        """Return the promises and what came, the latest week first."""
        rows, unit = self.frame, f", {self.currency}" if self.currency else ""
        level = percent(self._level, decimals=0)
        shown = {"week": "week"}
        if self.unit != "week":
            shown[self.unit] = NAMES[self.unit]
        shown |= {
            "what": f"what (amounts{unit})",
            "told": f"said [{level}]",
            "readout": "readout expected",
            "seen": "came",
            "held": "kept?",
        }
        return table(
            rows.assign(
                what=[MEASURE_WORDS[m] for m in rows["measure"]],
                told=_written(rows, "said", "said_low", "said_high"),
                readout=_ranges(rows),
                seen=_written(rows, "came", "came_low", "came_high"),
                held=[_held(row) for row in rows[["state", "kept"]].itertuples(index=False)],
            ),
            shown,
            {"week": str, "promotion_id": str, "told": str, "seen": str},
            caption=f"{_TITLES[self.unit]}, latest week first. Said: the expected value and its "
            "interval; readout expected: where what the comparison shows should lie. Extra spend: "
            "contacts, and discounts of all promotions beyond those of customers held back; the "
            "cost of a plan, which its budget limits, is what its own promotions take off.",
            file="tables/promises.parquet",
            otherwise=self.summary(),
        )

    def plot(self, ax: Axes | None = None, measure: str = "") -> Axes:
        """Draw what was said (hollow) with the readout's interval, and what came (solid).

        Parameters
        ----------
        ax : Axes, optional
        measure : str
            ``redemptions``, ``spend`` or ``added_profit``; by default the last of them that has
            both sides.

        Raises
        ------
        InputError
            There is nothing to draw.
        """
        from promolab import plots

        rows = self.frame[self.frame[["said", "came"]].notna().all(axis=1)]
        known = [m for m in TOTALS if (rows["measure"] == m).any()]
        if not known:
            raise InputError(f"there is nothing to draw: {self.summary()}")
        measure = measure or known[-1]
        rows = rows[rows["measure"] == measure].head(MOST)
        labels = rows["week"].astype(str)
        if self.unit != "week":
            labels = rows[self.unit].astype(str) + " · " + labels
        ax = plots.intervals(
            labels.tolist(), rows["said"], rows["readout_low"], rows["readout_high"],
            reference=0.0 if measure == PROFIT else None, ax=ax,
        )  # fmt: skip
        dots = ax.collections[-1]
        dots.set_edgecolor(dots.get_facecolor())
        dots.set_facecolor("white")
        places = np.arange(len(rows)) + 0.25
        ax.hlines(places, rows["came_low"], rows["came_high"], colors="#222222", linewidth=1.4)
        ax.scatter(rows["came"], places, c="#222222", s=26, zorder=4)
        unit = "customers" if measure == TOTALS[0] else self.currency
        return plots.finish(
            ax,
            title=self.summary().split(": ")[0].rstrip(".") if self.kept.n else "What came so far",
            subtitle=f"{MEASURE_WORDS[measure]}: said (hollow) with the "
            f"{percent(self._level, decimals=0)} interval of the readout; came (solid) with its "
            "interval; latest week first",
            xlabel=", ".join(filter(None, [MEASURE_WORDS[measure], unit])),
        )

    def track_record(self, otherwise: Html) -> Html:
        """Return what the first page shows: three weeks, or something else where there are none.

        Parameters
        ----------
        otherwise : Html
            What to show where no earlier promise is settled.
        """
        rows = self.settled
        if self.unit != "week" or rows.empty:
            return otherwise
        weeks = sorted(rows["week"].unique(), reverse=True)[:WEEKS_SHOWN]
        lines = []
        for week in weeks:
            mine = self.frame[self.frame["week"] == week].set_index("measure")
            told = {m: _came_where(mine.loc[m]) if m in mine.index else "–" for m in TOTALS}
            lines.append({"week": week, **told})
        money = f", {self.currency}" if self.currency else ""
        units = {m: "" if m == TOTALS[0] else money for m in TOTALS}
        shown = {"week": _("week"), **{m: _(MEASURE_WORDS[m]) + units[m] for m in TOTALS}}
        known = pd.DataFrame(lines)
        shown = {k: v for k, v in shown.items() if k == "week" or (known[k] != "–").any()}
        return join(
            [
                say(self.summary()),
                table(
                    known,
                    shown,
                    dict.fromkeys(shown, str),
                    caption=_(
                        "What came (where it was to lie, {level}); latest first.",
                        level=percent(self._level, decimals=0),
                    ),
                ),
                link("09_learning.html", _("All promises")),
            ]
        )


def _held(row: Any) -> str:
    if row.state != SETTLED:
        return "provisional"
    return "not known" if pd.isna(row.kept) else "kept" if row.kept else "broken"


def _came_where(row: pd.Series[Any]) -> str:
    """Write what came, and in brackets where the readout was said to lie."""
    if pd.isna(row["said"]) or pd.isna(row["came"]):
        return "–"
    came = number(row["came"], decimals=0 if abs(row["came"]) >= 10 else None)
    said = number(row["said"], row["readout_low"], row["readout_high"])
    low, comma, high = said.partition("[")[2].rstrip("]").partition(", ")
    if not comma:
        return came
    return _("{came} ({low} to {high})", came=came, low=low, high=high)


def _written(rows: pd.DataFrame, value: str, low: str, high: str) -> list[str]:
    return [
        "–" if pd.isna(v) else number(v, a, b)
        for v, a, b in rows[[value, low, high]].itertuples(index=False)
    ]


def _ranges(rows: pd.DataFrame) -> list[str]:
    found = []
    for value, low, high in rows[["said", "readout_low", "readout_high"]].itertuples(index=False):
        text = number(value, low, high)
        found.append(
            text.partition("[")[2].rstrip("]").replace(", ", " to ") if "[" in text else "–"
        )
    return found


def said_and_happened(run: RunFolder, shop: Shop | None = None) -> SaidAndHappened:
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
    SaidAndHappened
        Its ``calibration`` says how far the planner misses, its ``alarm`` whether promises were
        broken beyond chance; ``by_promotion()`` and ``by_segment()`` have the parts.

    Examples
    --------
    >>> import tempfile
    >>> from promolab.folder import open_run
    >>> print(said_and_happened(open_run(tempfile.mkdtemp(), week="2017-W44")).summary())
    No earlier week's plan was carried out and read, so that no promise can be checked yet.
    """
    if shop is None and run.table_path(TABLE).exists():
        rows = run.read_table(TABLE)
        return SaidAndHappened(rows, currency=_currency(run, rows))
    ledger = ledger_of(run)
    said, came = ledger.predictions(), ledger.outcomes()
    if shop is not None and len(said):
        came = _read_again(run, shop, said, came)
    rows = matched(said, came)
    return SaidAndHappened(rows, currency=_currency(run, rows))


def _currency(run: RunFolder, rows: pd.DataFrame) -> str:
    return "" if rows.empty else settings_of(run.path).currency


def _read_again(run: RunFolder, shop: Shop, said: pd.DataFrame, came: pd.DataFrame) -> pd.DataFrame:
    """Return outcomes as they are known now; what is settled in the ledger stays as it is."""
    settled = came[came["state"] == SETTLED]
    waiting = set(said["week"]) - (
        set(settled["week"]) - set(came["week"][came["state"] != SETTLED])
    )
    fresh = happened(run, shop, weeks={str(week) for week in waiting})
    keys = list(KEYS)
    known = pd.MultiIndex.from_frame(settled[keys])
    fresh = fresh[~pd.MultiIndex.from_frame(fresh[keys]).isin(known)]
    parts = [part for part in (settled, fresh) if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else came
