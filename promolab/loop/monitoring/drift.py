"""How far the figures of customers have moved: by effect size, for with enough rows all differs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from promolab.errors import InputError
from promolab.features import build_features
from promolab.folder import RunFolder
from promolab.loop.monitoring.champions import earlier_runs
from promolab.results import Result, plain
from promolab.segmentation import Migration, sample_customers
from promolab.stats import holm, normal_quantile

if TYPE_CHECKING:
    from promolab.contract import Shop


SOME, MUCH = 0.1, 0.25
"""Population stability index from which a column has drifted somewhat, and much: the usual bars
(Siddiqi 2006, Credit Risk Scorecards)."""
BINS = 10
LEVEL = 0.95
"""Of the intervals, and 1 − it of the tests."""
HAIR = 0.1
"""Standard deviations: less is no drift, though one value that many share moved by a hair."""
NONE_, SOME_, MUCH_ = "no", "some", "much"
NUMBER, KIND = "number", "kind"
MISSING = "(missing)"
GROWING = (
    *("orders", "amount", "discount", "items", "products", "categories", "stores"),
    *("tenure_days", "coupon_orders", "contacts", "responses", "largest_order"),
)
"""Totals since a customer's first event: they grow as time goes by, whatever customers do."""
WEEKS = 4
MOST = 100_000
"""Customers whose features are compared: of more, so many drawn at random."""
MOST_DRAWN = 12
FARTHEST = 1.0
"""Where the figure ends: what moved farther is as much as can be."""
COLUMNS = (
    *("column", "kind", "psi", "psi_low", "psi_high", "ks", "moved", "p_value", "p_holm"),
    *("missing_then", "missing_now", "grows", "drift"),
)
_PSI = ["psi", "psi_low", "psi_high"]
_QUANTILES = (np.arange(1_000) + 0.5) / 1_000
_KINDS: dict[str, Any] = dict.fromkeys(COLUMNS, float)
_KINDS |= {"column": object, "kind": object, "grows": bool, "drift": object}
NOTHING = pd.DataFrame(columns=list(COLUMNS)).astype(_KINDS)


@dataclass(frozen=True)
class FeatureDrift(Result):
    """How far columns have moved between two times; made by `feature_drift`.

    Parameters
    ----------
    frame : DataFrame
        One row per column, the farthest first: column, kind (``number`` or ``kind``), psi, psi_low,
        psi_high (population stability index less what chance makes of it, with its interval), ks
        (Kolmogorov–Smirnov distance, 0–1; of kinds half the sum of the differences of the shares),
        moved (mean distance that values moved, in standard deviations of then; nan of kinds),
        p_value, p_holm, missing_then, missing_now (shares), grows (a total that grows by itself)
        and drift (``no``, ``some``, ``much``).
    rows_then, rows_now : int
    level : float
        Of the intervals, and 1 − it of the tests.
    week : str
        The week that it is compared with; empty where features of then were made anew.
    weeks : int
        How many weeks before that was.
    season : {"", "short", "known", "unknown"}
        Whether the history is too short to look back, or the season of a year before is known.
    """

    frame: pd.DataFrame = field(repr=False)
    rows_then: int
    rows_now: int
    level: float = LEVEL
    week: str = ""
    weeks: int = 0
    season: str = ""

    def __bool__(self) -> bool:
        return len(self.frame) > 0

    @property
    def drifted(self) -> list[str]:
        """Columns that moved beyond the bar of `SOME` and beyond chance, the farthest first."""
        return self.frame["column"][self.frame["drift"] != NONE_].tolist()

    def facts(self) -> Mapping[str, Any]:
        """Return the columns that count and those that drifted, and which sentences hold."""
        hair = (self.frame["psi"] >= SOME) & (self.frame["moved"] < HAIR)
        hair &= self.frame["drift"] == NONE_
        counted = self.frame.assign(said=self.frame["drift"].mask(hair, "hair"))
        counted = counted[~counted["grows"]]
        moved = counted[counted["drift"] != NONE_]
        drawn = counted.head(MOST_DRAWN)
        ends = {f"at{end[3:]}": drawn[end].clip(upper=FARTHEST) for end in _PSI}
        kept = self.frame[self.frame["drift"] != NONE_].set_index("column")[[*_PSI, "drift"]]
        return {
            "case": ("moved" if len(moved) else "still") if self else self.season,
            "how": "week" if self.week else "weeks" if self.weeks else "then",
            "any": len(moved) > 0,
            "hair": bool((counted["said"] == "hair").any()),
            "counted": counted,
            "moved": moved,
            "much": int((moved["drift"] == MUCH_).sum()),
            "top": moved["column"].head(3).tolist(),
            "more": max(len(moved) - 3, 0),
            "some_bar": SOME,
            "much_bar": MUCH,
            "drawn": drawn.assign(**ends, apart=drawn["drift"] != NONE_),
            "left": len(counted) - len(drawn),
            "what": "feature",
            "since": lambda: self.say("since_when"),
            "note": lambda: self.say("finding" if self.season == "short" else "season"),
            "columns": len(self.frame),
            "by_column": lambda: plain(kept.to_dict("index")),
        }


def feature_drift(
    then: pd.DataFrame,
    now: pd.DataFrame,
    columns: Iterable[str] | None = None,
    *,
    growing: Sequence[str] = GROWING,
    **told: Any,
) -> FeatureDrift:
    """Compare the rows of two times column by column.

    A column drifts if its population stability index, less the part that chance makes of it, is at
    least 0.1, its values moved by a tenth of a standard deviation or more, *and* its distributions
    differ beyond chance (Kolmogorov–Smirnov; for kinds the chi-square of the index; Holm over the
    columns). The size decides: with many rows everything differs beyond chance.

    Parameters
    ----------
    then, now : DataFrame
        One row per customer (or customer and promotion), the same columns.
    columns : iterable of str, optional
        Which ones; by default all that both have but ids and times.
    growing : sequence of str
        Totals that grow by themselves: compared, but never called drift.
    **told : object
        Since when: `FeatureDrift.week` or its ``weeks``, and ``season``.

    Returns
    -------
    FeatureDrift

    Raises
    ------
    InputError
        A time without a row, or no column that both have.

    Notes
    -----
    Bins are the reference's tenths (fewer where values repeat), missing values a bin of their own;
    half a row is added to each bin. With k bins chance alone makes (k − 1)(1/n + 1/m) of the index
    (Yurdakul & Naranjo 2020, J. of Risk Model Validation 14); that is taken off. The interval is
    the delta method's with the variance of that part added. Customers who are in both times make
    the two more alike than separate draws, so tests and intervals are on the safe side.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> then = pd.DataFrame({"orders_84d": rng.poisson(4, 800), "hour_of_day": rng.random(800)})
    >>> now = then.assign(orders_84d=rng.poisson(6, 800))
    >>> feature_drift(then, now).drifted
    ['orders_84d']
    """
    names = _columns(then, now, columns)
    rows = [_column_row(then[c], now[c]) | {"column": c} for c in names]
    frame = pd.DataFrame(rows)
    frame["grows"] = frame["column"].isin(list(growing))
    frame["p_holm"] = holm(frame["p_value"])
    sure = frame["p_holm"] < 1 - LEVEL
    far = np.select([frame["psi"] >= MUCH, frame["psi"] >= SOME], [MUCH_, SOME_], NONE_)
    hair = (frame["moved"] < HAIR) & ~(frame["psi_lost"] >= SOME)
    frame["drift"] = np.where(sure & ~frame["grows"] & ~hair, far, NONE_)
    frame = frame[list(COLUMNS)].sort_values(
        ["psi", "column"], ascending=[False, True], ignore_index=True
    )
    return FeatureDrift(frame, len(then), len(now), **told)


def _columns(then: pd.DataFrame, now: pd.DataFrame, columns: Iterable[str] | None) -> list[str]:
    for when, frame in (("then", then), ("now", now)):
        if not len(frame):
            raise InputError(f"{when} has no row; give the rows of two times")
    times = now.select_dtypes(["datetime", "datetimetz"]).columns
    both = [str(c) for c in now.columns if c in then]
    names = [c for c in both if not c.endswith("_id") and c not in times]
    if columns is not None:
        names = list(columns)
        if absent := [c for c in names if c not in both]:
            raise InputError(f"then and now must both have {', '.join(absent)}")
    if not names:
        raise InputError("then and now have no column in common that could be compared")
    return names


def _column_row(then: pd.Series[Any], now: pd.Series[Any]) -> dict[str, Any]:
    """Return the figures of one column."""
    from scipy.special import kolmogorov
    from scipy.stats import ks_2samp

    both = (then, now)
    missing = [float(s.isna().mean()) for s in both]
    as_numbers = all(is_numeric_dtype(s.dtype) and not is_bool_dtype(s.dtype) for s in both)
    labels: list[Any] = [s.astype("string").fillna(MISSING) for s in both]
    distance = p = moved = math.nan
    if as_numbers:
        values = [s.to_numpy(dtype=np.float64, na_value=np.nan) for s in both]
        a, b = (np.sort(x[~np.isnan(x)]) for x in values)
        edges = _edges(a)
        labels = [np.where(np.isnan(x), -1, np.searchsorted(edges, x, "right")) for x in values]
        if len(a) and len(b):
            n = len(a) + len(b)
            distance = float(ks_2samp(a, b, method="asymp" if n > 2 else "exact").statistic)
            p = float(kolmogorov(distance * math.sqrt(len(a) / n * len(b))))  # safe with ties
            ends = [x[(_QUANTILES * len(x)).astype(np.int64)] for x in (a, b)]
            apart, spread = float(np.abs(ends[0] - ends[1]).mean()), max(a.std(), b.std())
            moved = apart / spread if spread > 0 else math.inf if apart > 0 else 0.0
    psi, low, high, chance_p = stability_index(_counts(labels))
    if not as_numbers:
        shares = [label.value_counts(normalize=True) for label in labels]
        distance, p = float(shares[0].sub(shares[1], fill_value=0.0).abs().sum() / 2), chance_p
    elif any(missing) and math.isfinite(chance_p):
        # What changed may be who has a value at all, which no order of values shows.
        p = min(1.0, 2 * min(chance_p, p if math.isfinite(p) else 1.0))
    return {
        "kind": NUMBER if as_numbers else KIND,
        "psi": psi,
        "psi_low": low,
        "psi_high": high,
        "ks": distance,
        "moved": moved,
        "psi_lost": stability_index(_counts([s.isna() for s in both]))[0],
        "p_value": p,
        "missing_then": missing[0],
        "missing_now": missing[1],
    }


def _edges(then: np.ndarray) -> np.ndarray:
    """Return where the bins of sorted values begin: tenths; of few values each is a bin."""
    values = np.unique(then)
    if len(values) <= BINS:  # and one between any two for what was not there
        return np.sort(np.concatenate([values, np.nextafter(values, np.inf)]))
    return np.unique(then[(np.arange(1, BINS) * len(then)) // BINS])


def _counts(labels: Sequence[Any]) -> np.ndarray:
    """Return how many rows of two times are in each bin, shape (2, bins)."""
    found = [pd.Series(label).value_counts() for label in labels]
    return pd.concat(found, axis=1).fillna(0).to_numpy(dtype=np.int64).T


def stability_index(counts: np.ndarray) -> tuple[float, float, float, float]:
    """Return the population stability index beyond chance, its interval, and its p value.

    Parameters
    ----------
    counts : ndarray of shape (2, bins)
        Rows then and now in each bin.

    Returns
    -------
    psi, low, high, p : float
        0, 0, 0 and 1 with a single bin.

    Examples
    --------
    >>> psi, low, high, p = stability_index(np.array([[500, 500], [300, 700]]))
    >>> round(psi, 3), low < psi < high, p < 0.001
    (0.167, True, True)
    """
    from scipy.special import chdtrc

    n, m = counts.sum(axis=1)
    bins = counts.shape[1]
    if bins < 2 or not n or not m:
        return 0.0, 0.0, 0.0, 1.0
    p, q = ((row + 0.5) / (row.sum() + 0.5 * bins) for row in counts)
    logs = np.log(p / q)
    index = float(((p - q) * logs).sum())
    per_row = 1 / n + 1 / m
    chance = (bins - 1) * per_row
    slopes = logs + 1 - q / p, -logs + 1 - p / q
    variance = sum(
        ((s**2 * w).sum() - (s * w).sum() ** 2) / size
        for s, w, size in zip(slopes, (p, q), (n, m), strict=True)
    )
    half = normal_quantile(LEVEL) * math.sqrt(variance + 2 * (bins - 1) * per_row**2)
    beyond = index - chance
    psi, low, high = (float(max(end, 0.0)) for end in (beyond, beyond - half, beyond + half))
    return psi, low, high, float(chdtrc(bins - 1, index / per_row))


def drift_since(run: RunFolder, shop: Shop, *, weeks: int = WEEKS, seed: int = 0) -> FeatureDrift:
    """Compare the week's features with those of the last good week, else of weeks before.

    Parameters
    ----------
    run : RunFolder
        With the table ``features``; earlier weeks lie beside it.
    shop : Shop
        Where earlier features come from if there is no earlier week.
    weeks : int
        How far to look back then.
    seed : int
        Start of the random numbers.

    Returns
    -------
    FeatureDrift
        False, with its reason, where the shop's history is too short.
    """
    first = pd.Timestamp(shop.events.ts.min().execute())
    now, known = run.read_table("features"), earlier_runs(run)
    before = next((one for one in known if one.table_path("features").is_file()), None)
    if before is not None:
        then = before.read_table("features")
        since: dict[str, Any] = {"week": str(before.week)}
        ids = pd.concat([then["customer_id"], now["customer_id"]])
        some = sample_customers(ids, seed=seed, most=MOST)
    else:
        moment, since = run.as_of - pd.Timedelta(weeks=weeks), {"weeks": weeks}
        some = sample_customers(now["customer_id"], seed=seed)
        then = build_features(shop, moment).execute() if first < moment else now.head(0)
    then, now = (f[f["customer_id"].isin(some)] for f in (then, now))
    if then.empty or now.empty:
        return FeatureDrift(NOTHING, len(then), len(now), season="short")
    year = pd.Timestamp(run.as_of) - pd.Timedelta(weeks=52)
    return feature_drift(then, now, season="known" if first <= year else "unknown", **since)


def moved_since(run: RunFolder) -> Migration | None:
    """Return where the last good week's segments have moved, as the step of segments found it.

    Parameters
    ----------
    run : RunFolder
        With ``segments`` in its metrics and the table ``segment_migration``.

    Returns
    -------
    Migration or None
        None where no earlier week has segments.
    """
    told = run.metrics.get("segments") or {}
    moves = run.read_table("segment_migration")
    if moves.empty or "migration" not in told:
        return None
    here = {"frame": moves, "order": tuple(told.get("names", ()))}
    return Migration.from_dict(told["migration"] | here)
