"""How forecasts of past promotions held: each as it would have been made, beside what came."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.outlook.expected import (
    expected_of,
    kinds_of,
    type_of,
)
from promolab.campaign.past.outcomes import contacts_before
from promolab.compare import expected_responses, response_ratios
from promolab.display import Html, Ranged, join, link, say, table
from promolab.errors import InputError
from promolab.folder import RunFolder, read_json
from promolab.language import _, _n
from promolab.metrics import PastRatios
from promolab.promotions import PREDICTION_LEVEL
from promolab.results import Estimate, Result, plain
from promolab.stats import wilson
from promolab.weeks import Week, local_day
from promolab.wording import (
    answer_to,
    count,
    expected,
    is_one,
    number,
    percent,
    plural,
    promotion_name,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from promolab.compare import Backtest
    from promolab.contract import Shop


_LEVEL = percent(PREDICTION_LEVEL, decimals=0)
_COLUMNS: Mapping[str, str] = {
    "promotion_id": "object",
    "starts_at": "datetime64[us]",
    "known": "int64",
    "contacts": "int64",
    "expected": "float64",
    "ci_low": "float64",
    "ci_high": "float64",
    "observed": "int64",
    "inside": "boolean",
}


@dataclass(frozen=True)
class OutlookCoverage(Result):
    """Forecasts of past promotions beside what came; made by `roll_outlook`.

    Parameters
    ----------
    rows : DataFrame
        One row per past promotion, the earliest first: promotion_id, starts_at, known (promotions
        behind the forecast: over before it was made), contacts, expected, ci_low, ci_high (90 %
        prediction interval; nan where fewer than three were known), observed (who redeemed) and
        inside (missing where there is no interval).
    kinds : tuple of str
        Kinds of promotions among them: choose the words (`promolab.wording.answer_to`).
    zone : str
        Where days begin.
    names : mapping of promotion_id to str
        What readers call them; by default their ids.
    """

    rows: pd.DataFrame = field(repr=False)
    kinds: tuple[str, ...] = ()
    zone: str = "UTC"
    names: Mapping[Any, str] = field(default_factory=dict, repr=False)

    @property
    def share(self) -> Estimate:
        """The share of intervals that held what came, with Wilson's 95 % interval."""
        inside = self.rows["inside"].dropna()
        n, hits = len(inside), int(inside.sum())
        if n == 0:
            return Estimate(np.nan)
        low, high = wilson(hits, n)
        return Estimate(hits / n, float(low), float(high), n)

    @property
    def bias(self) -> float:
        """Expected ÷ observed, all that have an interval together; nan where nothing came."""
        told = self.rows[self.rows["inside"].notna()]
        came = float(told["observed"].sum())
        return float(told["expected"].sum()) / came if came else float("nan")

    def to_frame(self) -> pd.DataFrame:
        """Return one row per past promotion."""
        return self.rows

    def to_dict(self) -> dict[str, Any]:
        """Return the level of the intervals and how often they held."""
        return {"level": PREDICTION_LEVEL, "share": self.share.to_dict(), "bias": plain(self.bias)}

    def summary(self) -> str:
        """Say how often past promotions fell into their interval."""
        share, words = self.share, answer_to(self.kinds)
        if share.n == 0:
            return (
                "No past promotion had three before it that were over, so no forecast of "
                f"{words.noun}s can be checked."
            )
        held = percent(*share.ends)
        told = self.rows[self.rows["inside"].notna()]
        more = int((told["observed"] > told["expected"]).sum())
        rest = count(share.n - more)
        came, expected = told["observed"].sum(), told["expected"].sum()
        return (
            f"Of {plural(share.n, 'past promotion')}, each forecast from those over before it, "
            f"{count(round(share.value * share.n))} fell into the {_LEVEL} interval: {held}. In "
            f"{count(more)} of them more {words.past} than expected, in {rest} as many or fewer; "
            f"together {count(came)} did where {count(expected)} "
            f"{'was' if is_one(count(expected)) else 'were'} expected."
        )

    def table(self) -> Html:
        """Return every past promotion, the latest first: what was expected, and what came."""
        rows = self.rows.iloc[::-1] if self.share.n else self.rows.head(0)
        shown = {"name": "promotion", "start": "start", "known": "past ones known"}
        expected = f"expected {answer_to(self.kinds).noun}s [{_LEVEL}]"
        shown |= {"contacts": "contacts", "expected": expected}
        return table(
            rows.assign(
                start=[local_day(moment, self.zone) for moment in rows["starts_at"]],
                held=_held(rows),
                name=self._named(rows),
            ),
            shown | {"observed": "came", "held": "inside?"},
            _WRITTEN,
            caption="Each promotion forecast from those over before it, latest first.",
            file="tables/outlook_coverage.parquet",
            otherwise=self.summary(),
        )

    def _named(self, rows: pd.DataFrame) -> list[str]:
        return [self.names.get(one, str(one)) for one in rows["promotion_id"]]

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw what came (solid) beside what was expected (hollow) and its interval, in logs.

        Raises
        ------
        InputError
            There is no forecast with an interval.
        """
        from promolab import plots

        rows = self.rows[self.rows["inside"].notna()].iloc[::-1]
        if rows.empty:
            raise InputError(f"there is nothing to draw: {self.summary()}")
        words = answer_to(self.kinds)
        # On a scale of ratios, for a forecast of 5 misses by as many times as one of 500.
        shown = rows[["expected", "ci_low", "ci_high", "observed"]].clip(lower=0.5)
        logs = shown.transform(np.log10)
        ax = plots.intervals(
            self._named(rows),
            logs["expected"],
            logs["ci_low"],
            logs["ci_high"],
            text=[
                f"{n:,} of {m:,}" for n, m in zip(rows["observed"], rows["contacts"], strict=True)
            ],
            ax=ax,
        )
        dots = ax.collections[-1]
        dots.set_edgecolor(dots.get_facecolor())
        dots.set_facecolor("white")
        ax.scatter(logs["observed"], range(len(rows)), c="#222222", s=26, zorder=4)
        axes = plots.finish(
            ax,
            title=self.summary().split(". ")[0],
            subtitle=f"{words.who}s: came (solid), expected (hollow) with its "
            f"{_LEVEL} interval, latest promotion first; "
            f"right: {words.past} of contacted",
            xlabel=f"customers who {words.verb} (each step is so many times more)",
        )
        _label_in_customers(axes, float(logs.to_numpy().min()), float(logs.to_numpy().max()))
        return axes


_WRITTEN: Mapping[str, Any] = {
    "promotion_id": str,
    "contacts": count,
    "expected": Ranged(expected, "ci_low", "ci_high"),
    "observed": count,
}


def _held(rows: pd.DataFrame) -> list[str]:
    words = _("no interval"), _("inside"), _("outside")
    return [words[0] if pd.isna(x) else words[1] if x else words[2] for x in rows["inside"]]


def _label_in_customers(ax: Axes, low: float, high: float) -> None:
    """Write 1, 3, 10, 30, … at an axis of logarithms."""
    steps = [s for e in range(0, 10) for s in (10**e, 3 * 10**e)]
    shown = [s for s in steps if low - 0.5 <= np.log10(s) <= high + 0.5] or [1]
    ax.set_xticks([float(np.log10(s)) for s in shown], [number(s, decimals=0) for s in shown])


def roll_outlook(backtest: Backtest, pairs: pd.DataFrame, zone: str = "UTC") -> OutlookCoverage:
    """Forecast each promotion of a backtest as it would have been then, and see what came.

    The model of each was fitted on promotions over before it (that is the backtest); here what
    corrects its sum, and the interval, come from those alone too.

    Parameters
    ----------
    backtest : Backtest
        By promotion: expected and observed redemptions of all who were contacted.
    pairs : DataFrame
        What it was made from: promotion_id, ends_at, and as_of (by default starts_at), the moment
        at which each promotion was predicted; and promotion_kind, where it is there.
    zone : str
        Where days begin: the shop's.

    Returns
    -------
    OutlookCoverage
    """
    table = backtest.by_promotion
    kinds = kinds_of(pairs)
    if table.empty:
        return OutlookCoverage(_typed(pd.DataFrame(columns=list(_COLUMNS))), kinds, zone)
    moment = "as_of" if "as_of" in pairs else "starts_at"
    grouped = pairs.groupby("promotion_id", observed=True)
    ends = table["promotion_id"].map(grouped["ends_at"].max())
    made = table["promotion_id"].map(grouped[moment].min())
    rows = []
    for position, row in enumerate(table.to_dict("records")):
        past = table[(ends <= made.iloc[position]).to_numpy()]
        found = expected_responses(
            float(row["expected"]),
            response_ratios(past),
            PREDICTION_LEVEL,
            str(row.get("type", "")),
        )
        low, high = found.ci_low, min(found.ci_high, float(row["n"]))
        told = bool(np.isfinite(low))
        rows.append(
            {
                "promotion_id": row["promotion_id"],
                "starts_at": row["starts_at"],
                "known": len(past),
                "contacts": row["n"],
                "expected": min(found.value, float(row["n"])),
                "ci_low": low,
                "ci_high": high if told else float("nan"),
                "observed": row["positives"],
                "inside": low <= row["positives"] <= high if told else pd.NA,
            }
        )
    return OutlookCoverage(_typed(pd.DataFrame(rows)), kinds, zone, backtest.names)


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    kept = {c: t for c, t in _COLUMNS.items() if c != "promotion_id"}
    return table[list(_COLUMNS)].astype(kept)


RECOMPUTED = "recomputed"
"""Source of a forecast that no earlier report made: from what was known at the start."""
MOST_SHOWN = 3
ENOUGH = 0.9  # share of the contacted who had been scored


@dataclass(frozen=True)
class TrackRecord(Result):
    """Forecasts of promotions that are over beside what came; made by `track_record`.

    Parameters
    ----------
    rows : DataFrame
        A row per promotion, the latest start first: promotion_id, name, starts_at, contacts,
        expected,
        ci_low, ci_high (90 % prediction interval; nan where there was none), observed, inside
        (missing without an interval), source (the week whose report said so, or `RECOMPUTED`).
    kinds : tuple of str
        Kinds of the promotions: choose the words.
    expected : mapping of promotion_id to Estimate
        What earlier reports expected of promotions that have started, over or not.
    """

    rows: pd.DataFrame = field(repr=False)
    kinds: tuple[str, ...] = ()
    expected: Mapping[Any, Estimate] = field(default_factory=dict, repr=False)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per promotion."""
        return self.rows

    def summary(self) -> str:
        """Say how often what came fell into the interval, and by how much all missed together."""
        told = self.rows[self.rows["inside"].notna()]
        words = answer_to(self.kinds)
        if told.empty:
            return _(
                "No forecast of {redemption}s with an interval can be held against what came.",
                redemption=words.noun,
            )
        hits = int(told["inside"].astype(bool).sum())
        held = _n(
            "{hits} of {n} forecast held in the {level} interval;",
            "{hits} of {n} forecasts held in the {level} interval;",
            len(told),
            hits=count(hits),
            level=percent(PREDICTION_LEVEL, decimals=0),
        )
        came = _n(
            "in all {n} {redemption} was expected and {came} came.",
            "in all {n} {redemption}s were expected and {came} came.",
            told["expected"].sum(),
            redemption=words.noun,
            came=count(told["observed"].sum()),
        )
        corrected = _(
            "Forecasts are chances corrected by earlier promotions; bare chances: page 09."
        )
        return " ".join([held, came, corrected, self._made()])

    def table(self) -> Html:
        """Return the latest forecasts and what came, a row each."""
        rows = self.rows.head(MOST_SHOWN)
        columns = {
            "name": _("promotion"),
            "source": _("forecast"),
            "expected": _("{redemption}s expected", redemption=answer_to(self.kinds).noun),
            "observed": _("came"),
            "held": _("inside?"),
        }
        if not self.told:
            del columns["source"]
        shown = rows.assign(held=_held(rows))
        return table(shown, columns, _WRITTEN, caption=_("Latest start first."))

    def block(self) -> Html:
        """Return it as the week's page has it: how often forecasts held, and the latest of them."""
        return join(
            [
                say(self.summary()),
                self.table() if len(self.rows) else Html(""),
                link("04_response.html", _("All forecasts, and how good the ranking was")),
            ]
        )

    @property
    def told(self) -> int:
        """How many of the forecasts earlier reports made."""
        return int((self.rows["source"] != RECOMPUTED).sum())

    def _made(self) -> str:
        own = self.told
        if own == len(self.rows):
            return _("Each was in the report of the week in which it started.")
        if not own:
            return _(
                "No earlier report of this folder made one: recomputed from what was known at each "
                "start."
            )
        return _(
            "{n} of them by earlier reports, the others recomputed from what was known at each "
            "start.",
            n=count(own),
        )


def past_forecasts(run: RunFolder, shop: Shop, as_of: datetime) -> TrackRecord:
    """Read back what was forecast of promotions that have started, and what came of it.

    Parameters
    ----------
    run : RunFolder
        With the table ``outlook_coverage``; the reports of earlier weeks lie beside it.
    shop : Shop
        With promotions, exposures and responses.
    as_of : datetime
        UTC without a zone; nothing at or after it is read.
    """
    kinds = shop.promotions.select("promotion_id", "kind").execute()
    kinds = dict(zip(kinds["promotion_id"], kinds["kind"], strict=True))
    told = earlier_forecasts(run, shop, as_of)
    return track_record(run.read_table("outlook_coverage"), kinds, told, shop.promotion_name)


def earlier_forecasts(
    run: RunFolder, shop: Shop, as_of: datetime
) -> dict[Any, tuple[str, Estimate]]:
    """Return what the week in which each promotion started expected of those contacted for it.

    Parameters
    ----------
    run, shop, as_of
        As for `past_forecasts`.

    Returns
    -------
    dict
        promotion_id → the week, and redeemers expected in all with their prediction interval;
        without those that no earlier week predicted, or predicted for less than nine in ten of the
        contacted.
    """
    rows = shop.promotions.filter(shop.promotions.starts_at < as_of).execute()
    folders = [_report_of(started, run, shop) for started in rows["starts_at"]]
    rows = rows.assign(folder=folders)[[folder is not None for folder in folders]]
    contacts = contacts_before(shop, rows[["promotion_id", "starts_at", "ends_at"]], as_of)
    found: dict[Any, tuple[str, Estimate]] = {}
    for row in rows.to_dict("records"):
        promotion, folder = row["promotion_id"], row["folder"]
        who = contacts.loc[contacts["promotion_id"] == promotion, "customer_id"]
        scores = folder.read_table("scores")
        scores = scores[scores["promotion_id"].astype(str) == str(promotion)]
        chances = scores.loc[scores["customer_id"].isin(who), "p_redeemed"]
        if len(who) and len(chances) >= ENOUGH * len(who):
            # Those without history then had no chance predicted; they count as the others do.
            ratios = PastRatios.of(folder.metrics["response"]["past_ratios"])
            told = expected_of(chances, ratios, type_of(row)) * (len(who) / len(chances))
            found[promotion] = str(folder.week), told
    return found


def _report_of(started: pd.Timestamp, run: RunFolder, shop: Shop) -> RunFolder | None:
    """Return the earlier report in whose week a promotion started; None where there is none."""
    week = Week.containing(started.tz_localize("UTC").to_pydatetime(), shop.zone)
    folder = RunFolder(run.path.resolve().parent / str(week), week)
    metrics = read_json(folder.path / "metrics.json") or {}
    ratios = (metrics.get("response") or {}).get("past_ratios")
    if week == run.week or ratios is None or not folder.table_path("scores").exists():
        return None
    return folder


def track_record(
    coverage: pd.DataFrame,
    kinds: Mapping[Any, str],
    told: Mapping[Any, tuple[str, Estimate]] | None = None,
    called: Callable[[str, Any], str] = promotion_name,
) -> TrackRecord:
    """Set past forecasts beside what came: those that earlier reports made, else recomputed ones.

    Parameters
    ----------
    coverage : DataFrame
        `promolab.campaign.outlook.OutlookCoverage.rows`: each promotion that is over,
        forecast from those over before it.
    kinds : mapping of promotion_id to str
        Kinds of the promotions.
    told : mapping of promotion_id to (str, Estimate), optional
        The week whose report forecast a promotion, and what it expected of those contacted.
    called : callable
        Names a promotion by its kind and id, as `promolab.contract.Shop.promotion_name` does.

    Returns
    -------
    TrackRecord

    Examples
    --------
    >>> row = {"promotion_id": 7, "starts_at": pd.Timestamp("2017-05-01"), "known": 4}
    >>> row |= {"contacts": 90, "expected": 9.0, "ci_low": 4.0, "ci_high": 20.0, "observed": 21}
    >>> coverage = pd.DataFrame([row | {"inside": False}])
    >>> found = track_record(coverage, {7: "coupon"})
    >>> found.rows[["name", "expected", "inside", "source"]].values.tolist()
    [['Coupons 7', 9.0, False, 'recomputed']]
    >>> said = {7: ("2017-W18", Estimate(15.0, 8.0, 25.0, 4))}
    >>> track_record(coverage, {7: "coupon"}, said).summary()[:40]
    '1 of 1 forecast held in the 90 % interva'
    """
    of = {str(key): kind for key, kind in kinds.items()}
    named = [called(of.get(str(i), ""), i) for i in coverage["promotion_id"]]
    table = coverage.drop(columns="known").assign(source=RECOMPUTED, name=named)
    by_text = {str(key): value for key, value in (told or {}).items()}
    rows = [_as_told(row, by_text) for row in table.to_dict("records")]
    found = pd.DataFrame(rows, columns=table.columns)
    found = found.assign(text=found["promotion_id"].astype(str))
    found = found.sort_values(["starts_at", "text"], ascending=[False, True], ignore_index=True)
    here = {of[i] for i in found["text"] if i in of}
    expected = {promotion: e for promotion, (_, e) in (told or {}).items()}
    return TrackRecord(found.drop(columns="text"), tuple(sorted(here)), expected)


def _as_told(row: dict[Any, Any], told: Mapping[str, tuple[str, Estimate]]) -> dict[Any, Any]:
    if str(row["promotion_id"]) not in told:
        return row
    week, e = told[str(row["promotion_id"])]
    known = e.ci_low == e.ci_low
    inside = e.ci_low <= row["observed"] <= e.ci_high if known else pd.NA
    said = dict(zip(("expected", "ci_low", "ci_high"), e.ends, strict=True))
    return row | said | {"inside": inside, "source": week}
