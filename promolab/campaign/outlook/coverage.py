"""How forecasts of past promotions held: each as it would have been made, beside what came."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.outlook.expected import expected_of, kinds_of, type_of
from promolab.campaign.past.outcomes import contacts_before
from promolab.compare import expected_responses, response_ratios
from promolab.display import Html, join, link, say
from promolab.folder import RunFolder, read_json
from promolab.metrics import PastRatios
from promolab.promotions import PREDICTION_LEVEL
from promolab.results import Estimate, Result
from promolab.stats import wilson
from promolab.weeks import Week, local_day
from promolab.wording import answer_to, promotion_name

if TYPE_CHECKING:
    from promolab.compare import Backtest
    from promolab.contract import Shop


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

    def facts(self) -> dict[str, Any]:
        """Return how often forecasts held, by how much all missed, and the rows to show."""
        told, share = self.rows[self.rows["inside"].notna()], self.share
        more = int((told["observed"] > told["expected"]).sum())
        # On a scale of ratios, for a forecast of 5 misses by as many times as one of 500.
        drawn = _shown(told.iloc[::-1], self._names(told.iloc[::-1]))
        figures = ["expected", "ci_low", "ci_high", "observed"]
        drawn[figures] = drawn[figures].clip(lower=0.5)
        rows = self.rows.iloc[::-1] if share.n else self.rows.head(0)
        starts = [local_day(moment, self.zone) for moment in rows["starts_at"]]
        return {
            "state": "some" if share.n else "none",
            "answer": answer_to(self.kinds),
            "level": PREDICTION_LEVEL,
            "hits": round(share.value * share.n) if share.n else 0,
            "more": more,
            "rest": share.n - more,
            "came": told["observed"].sum(),
            "expected": told["expected"].sum(),
            "latest": _shown(rows, self._names(rows)).assign(start=starts),
            "drawn": drawn.assign(place=range(len(drawn))),
        }

    def _names(self, rows: pd.DataFrame) -> list[str]:
        return [self.names.get(one, str(one)) for one in rows["promotion_id"]]


def _shown(rows: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return rows with names, and with how each forecast held as a code."""
    held = ["no interval" if pd.isna(x) else "inside" if x else "outside" for x in rows["inside"]]
    return rows.assign(name=names, held=held)


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

    def facts(self) -> dict[str, Any]:
        """Return how often forecasts held, what came in all, and who made them."""
        told, latest = self.rows[self.rows["inside"].notna()], self.rows.head(MOST_SHOWN)
        own = int((self.rows["source"] != RECOMPUTED).sum())
        latest = _shown(latest, latest["name"].tolist())
        return {
            "state": "some" if len(told) else "none",
            "answer": answer_to(self.kinds),
            "level": PREDICTION_LEVEL,
            "hits": int(told["inside"].astype(bool).sum()),
            "forecasts": len(told),
            "in_all": told["expected"].sum(),
            "came": told["observed"].sum(),
            "own": own,
            "made": "all" if own == len(self.rows) else "some" if own else "none",
            "latest": latest if own else latest.drop(columns="source"),
        }

    def block(self) -> Html:
        """Return it as the week's page has it: how often forecasts held, and the latest of them."""
        return join(
            [
                say(self.summary()),
                self.to_table() if len(self.rows) else Html(""),
                link("04_response.html", self.say("all_forecasts")),
            ]
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
