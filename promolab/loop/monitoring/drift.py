"""How far the figures of customers have moved: by effect size, for with enough rows all differs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from promolab.checks import level_of, whole_number
from promolab.display import Html, Ranged, table
from promolab.errors import InputError
from promolab.glossary import label
from promolab.loop.monitoring.told_apart import ToldApart, tell_apart
from promolab.results import Result, plain
from promolab.stats import holm, normal_quantile
from promolab.wording import count, number, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes


SOME, MUCH = 0.1, 0.25
"""Population stability index from which a column has drifted somewhat, and much: the usual bars
(Siddiqi 2006, Credit Risk Scorecards)."""
BINS = 10
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
MOST_DRAWN = 12
FARTHEST = 1.0
"""Where the figure ends: what moved farther is as much as can be."""
COLUMNS = (
    *("column", "kind", "psi", "psi_low", "psi_high", "ks", "moved", "p_value", "p_holm"),
    *("missing_then", "missing_now", "grows", "drift"),
)
_PSI = ["psi", "psi_low", "psi_high"]
_QUANTILES = 1_000


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
    told_apart : ToldApart or None
        Whether a model can tell the rows of the two times apart.
    rest_apart : ToldApart or None
        The same without the columns that drifted; None where none did.
    level : float
        Of the intervals, and 1 − it of the tests.
    since, note, what : str
        Since when, in words (``since 2024-W51``); what a reader must know, such as the season; and
        what a column is.
    """

    frame: pd.DataFrame = field(repr=False)
    rows_then: int
    rows_now: int
    told_apart: ToldApart | None = None
    rest_apart: ToldApart | None = None
    level: float = 0.95
    since: str = "since then"
    note: str = ""
    what: str = "feature"

    ALT = "How far each column moved, with its interval, against the bars of some and much drift."

    def __bool__(self) -> bool:
        return len(self.frame) > 0

    @property
    def drifted(self) -> list[str]:
        """Columns that moved beyond the bar of `SOME` and beyond chance, the farthest first."""
        return self.frame["column"][self.frame["drift"] != NONE_].tolist()

    def to_dict(self) -> dict[str, Any]:
        """Return what drifted, the farthest column's index, and the classifier's AUC."""
        rows = self.frame[self.frame["drift"] != NONE_]
        keep = ["psi", "psi_low", "psi_high", "drift"]
        told, rest = (
            None if one is None else one.to_dict() for one in (self.told_apart, self.rest_apart)
        )
        return {
            **super().to_dict(),
            "columns": len(self.frame),
            "drifted": plain(rows.set_index("column")[keep].to_dict("index")),
            "told_apart": told,
            "rest_apart": rest,
        }

    def summary(self) -> str:
        """Say what drifted, whether a model can tell the times apart, and what of the season."""
        if not self:
            return self.note or "There are no two times to compare."
        parts = [self.finding(), self._how_far(), self._apart(), self._growing(), self.note]
        return " ".join(filter(None, parts))

    def finding(self) -> str:
        """Say in a sentence which columns drifted."""
        if not self:
            return self.summary()
        counted = self.frame[~self.frame["grows"]]
        moved = counted[counted["drift"] != NONE_]
        n = plural(len(counted), self.what)
        if moved.empty:
            return f"None of {n} drifted {self.since}."
        told = ", ".join(label(column) for column in moved["column"].head(3))
        rest = f" and {count(len(moved) - 3)} more" if len(moved) > 3 else ""
        much = int((moved["drift"] == MUCH_).sum())
        part = "all" if much == len(moved) else count(much) if much else "none"
        part = f"{part} of them much" if len(moved) > 1 else "much" if much else "not much"
        return f"{count(len(moved))} of {n} drifted {self.since}, {part}: {told}{rest}."

    def _how_far(self) -> str:
        rows = self.frame[~self.frame["grows"] & ~_hair(self.frame)].head(1)
        if rows.empty:
            return ""
        far = _index(*rows[_PSI].to_numpy(dtype=float)[0])
        hair = int((_hair(self.frame) & ~self.frame["grows"]).sum())
        more = f" {plural(hair, 'other')} with a larger index moved by a hair only." if hair else ""
        return (
            f"The farthest moved by {far} (stability index beyond chance; from {SOME} some, from "
            f"{MUCH} much; {plural(self.rows_now, 'customer')} now, {count(self.rows_then)} then)."
            f"{more}"
        )

    def _apart(self) -> str:
        told = "" if self.told_apart is None else self.told_apart.summary()
        if self.rest_apart is None or not self.rest_apart.auc.n:
            return told
        rest = number(*self.rest_apart.auc.ends, decimals=2)
        return f"{told} Without those that drifted: {rest}."

    def _growing(self) -> str:
        n = int(self.frame["grows"].sum())
        if not n:
            return ""
        return (
            f"{plural(n, 'total')} since a customer's first event grow by themselves as time goes "
            "by, and do not count."
        ).replace("1 total since a customer's first event grow by themselves", "1 total grows")

    def table(self) -> Html:
        """Return the columns that moved most, a row each."""
        counted = self.frame[~self.frame["grows"]]
        shown = counted.assign(
            what=[label(c) for c in counted["column"]],
            missing=[
                f"{number(100 * then, decimals=0)} → {number(100 * now, decimals=0)} %"
                for then, now in zip(counted["missing_then"], counted["missing_now"], strict=True)
            ],
            p=[_p(p) for p in counted["p_holm"]],
            said=_said(counted),
        )
        return table(
            shown,
            {
                "what": "feature",
                "psi": "stability index beyond chance",
                "ks": "distance (Kolmogorov–Smirnov)",
                "p": "p after Holm",
                "missing": "missing then → now",
                "said": "drift",
            },
            {"psi": Ranged(_index), "ks": lambda d: number(d, decimals=2), "p": str},
            caption="The farthest first.",
            file="tables/drift.parquet",
            most=6,
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw how far each column moved, with its interval, the farthest first."""
        from promolab import plots

        counted = self.frame[~self.frame["grows"]]
        if counted.empty:
            raise InputError(f"there is nothing to draw: {self.summary()}")
        rows = counted.head(MOST_DRAWN)
        shades = {NONE_: plots.MUTED, SOME_: plots.COLOURS[1], MUCH_: plots.COLOURS[5]}
        ax = plots.intervals(
            [label(c) for c in rows["column"]],
            *(rows[end].clip(upper=FARTHEST) for end in _PSI),
            colour=[shades[d] for d in rows["drift"]],
            text=[
                "" if said == NONE_ else f"{said}, {_index(*ends)}"
                for said, ends in zip(_said(rows), rows[_PSI].to_numpy(dtype=float), strict=True)
            ],
            ax=ax,
        )
        plots.reference_line(ax, "vertical", SOME, "some")
        plots.reference_line(ax, "vertical", MUCH, "much")
        left = len(counted) - len(rows)
        return plots.finish(
            ax,
            title=self.finding().split(": ")[0].rstrip("."),
            subtitle="Population stability index less what chance makes of it, with 95 % intervals"
            + (f"; the {len(rows)} that moved most of {len(counted)}" if left else ""),
            xlabel="how far the distribution moved (stability index)",
        )


def _index(value: float, low: float, high: float) -> str:
    return "< 0.01" if high < 0.005 else number(value, low, high, decimals=2)


def _said(rows: pd.DataFrame) -> list[str]:
    """Say of each column whether it drifted, and why not though its index is large."""
    return rows["drift"].mask(_hair(rows), "no, moved by a hair").tolist()


def _hair(rows: pd.DataFrame) -> pd.Series[Any]:
    """Tell which columns have a large index, for a value that many share moved by a hair."""
    return (rows["psi"] >= SOME) & (rows["moved"] < HAIR) & (rows["drift"] == NONE_)


def _p(p: float) -> str:
    return "–" if math.isnan(p) else "< 0.001" if p < 0.001 else number(p, decimals=3)


def feature_drift(
    then: pd.DataFrame,
    now: pd.DataFrame,
    columns: Iterable[str] | None = None,
    *,
    growing: Sequence[str] = GROWING,
    customer: str = "customer_id",
    apart: bool = True,
    since: str = "since then",
    note: str = "",
    what: str = "feature",
    seed: int = 0,
    level: float = 0.95,
) -> FeatureDrift:
    """Compare the rows of two times column by column, and all columns together.

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
        Totals that grow by themselves: compared, but never called drift, nor given to the model
        that tells the times apart.
    customer : str
        Column of the customer: folds and intervals keep a customer's rows together.
    apart : bool
        Whether a model tries to tell the two times apart (`tell_apart`).
    since, note, what : str
        Since when, in words; what to say beside; what a column is.
    seed : int
        Start of the random numbers.
    level : float

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
    >>> feature_drift(then, now, apart=False).drifted
    ['orders_84d']
    """
    level_of(level)
    whole_number("seed", seed, 0)
    names = _columns(then, now, columns, customer)
    rows = [_column_row(then[c], now[c], level) | {"column": c} for c in names]
    frame = pd.DataFrame(rows)
    frame["grows"] = frame["column"].isin(list(growing))
    frame["p_holm"] = holm(frame["p_value"])
    sure = frame["p_holm"] < 1 - level
    far = np.select([frame["psi"] >= MUCH, frame["psi"] >= SOME], [MUCH_, SOME_], NONE_)
    hair = (frame["moved"] < HAIR) & ~(frame["psi_lost"] >= SOME)
    frame["drift"] = np.where(sure & ~frame["grows"] & ~hair, far, NONE_)
    blurred = set(frame["column"][hair & (frame["psi"] >= SOME)])
    frame = frame[list(COLUMNS)].sort_values(
        ["psi", "column"], ascending=[False, True], ignore_index=True
    )
    fair = sorted(set(names) - set(growing) - blurred)
    drifted = set(frame["column"][frame["drift"] != NONE_])
    told = rest = None
    if apart:
        ask = partial(tell_apart, then, now, customer=customer, seed=seed, level=level)
        told = ask(fair)
        rest = ask([c for c in fair if c not in drifted]) if drifted else None
    return FeatureDrift(frame, len(then), len(now), told, rest, level, since, note, what)


def _columns(
    then: pd.DataFrame, now: pd.DataFrame, columns: Iterable[str] | None, customer: str
) -> list[str]:
    for when, frame in (("then", then), ("now", now)):
        if not len(frame):
            raise InputError(f"{when} has no row; give the rows of two times")
    if columns is not None:
        names = list(columns)
        absent = [c for c in names if c not in then or c not in now]
        if absent:
            raise InputError(f"then and now must both have {', '.join(absent)}")
    else:
        names = [
            str(c)
            for c in now.columns
            if c in then
            and c != customer
            and not str(c).endswith("_id")
            and not pd.api.types.is_datetime64_any_dtype(now[c].dtype)
        ]
    if not names:
        raise InputError("then and now have no column in common that could be compared")
    return names


def _column_row(then: pd.Series[Any], now: pd.Series[Any], level: float) -> dict[str, Any]:
    """Return the figures of one column."""
    missing = float(then.isna().mean()), float(now.isna().mean())
    as_numbers = all(is_numeric_dtype(s.dtype) and not is_bool_dtype(s.dtype) for s in (then, now))
    if as_numbers:
        a, b = (s.to_numpy(dtype=np.float64, na_value=np.nan) for s in (then, now))
        known = [np.sort(x[~np.isnan(x)]) for x in (a, b)]
        counts = _in_bins(known[0], known[1])
        lost = [len(a) - len(known[0]), len(b) - len(known[1])]
        counts = np.column_stack([counts, lost]) if any(lost) else counts
        distance, p = _kolmogorov(*known)
        moved = _moved(*known)
    else:
        counts = _by_kind(then, now)
        distance, p, moved = math.nan, math.nan, math.nan
    psi, low, high, chance_p = stability_index(counts, level)
    held = np.array([[s.notna().sum(), s.isna().sum()] for s in (then, now)])
    if not as_numbers:
        shares = counts / counts.sum(axis=1, keepdims=True)
        distance, p = float(np.abs(shares[0] - shares[1]).sum() / 2), chance_p
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
        "psi_lost": stability_index(held, level)[0],
        "p_value": p,
        "missing_then": missing[0],
        "missing_now": missing[1],
    }


def _in_bins(then: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Return the counts of sorted values in the reference's tenths; few values are bins each."""
    if not len(then):
        return np.array([[0], [len(now)]])
    values = then[np.append(True, then[1:] != then[:-1])]
    if len(values) <= BINS:  # each value a bin, and one between any two for what was not there
        edges = np.sort(np.concatenate([values, np.nextafter(values, np.inf)]))
    else:
        places = (np.arange(1, BINS) * len(then)) // BINS
        edges = np.unique(then[places])
    counts = [
        np.diff(np.searchsorted(x, edges, "left"), prepend=0, append=len(x)) for x in (then, now)
    ]
    both = np.array(counts)
    return both[:, both.sum(axis=0) > 0]


def _by_kind(then: pd.Series[Any], now: pd.Series[Any]) -> np.ndarray:
    texts = [s.astype("string").fillna(MISSING) for s in (then, now)]
    found = [s.value_counts() for s in texts]
    kinds = found[0].index.union(found[1].index)
    return np.array([f.reindex(kinds, fill_value=0).to_numpy(dtype=np.int64) for f in found])


def _kolmogorov(then: np.ndarray, now: np.ndarray) -> tuple[float, float]:
    """Return the distance of two sorted samples and its p value (the limit; safe with ties)."""
    from scipy.special import kolmogorov

    n, m = len(then), len(now)
    if not n or not m:
        return math.nan, math.nan
    values = np.concatenate([then, now])
    gaps = np.searchsorted(then, values, "right") / n - np.searchsorted(now, values, "right") / m
    distance = float(np.abs(gaps).max())
    return distance, float(kolmogorov(distance * math.sqrt(n / (n + m) * m)))


def _moved(then: np.ndarray, now: np.ndarray) -> float:
    """Return how far values of two sorted samples lie apart, in standard deviations of then."""
    if not len(then) or not len(now):
        return math.nan
    at = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    apart = np.abs(_quantiles(then, at) - _quantiles(now, at)).mean()
    spread = max(float(then.std()), float(now.std()))
    return float(apart / spread) if spread > 0 else math.inf if apart > 0 else 0.0


def _quantiles(ordered: np.ndarray, at: np.ndarray) -> np.ndarray:
    return ordered[np.minimum((at * len(ordered)).astype(np.int64), len(ordered) - 1)]


def stability_index(counts: np.ndarray, level: float = 0.95) -> tuple[float, float, float, float]:
    """Return the population stability index beyond chance, its interval, and its p value.

    Parameters
    ----------
    counts : ndarray of shape (2, bins)
        Rows then and now in each bin.
    level : float

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
    half = normal_quantile(level) * math.sqrt(variance + 2 * (bins - 1) * per_row**2)
    beyond = index - chance
    psi, low, high = (float(max(end, 0.0)) for end in (beyond, beyond - half, beyond + half))
    return psi, low, high, float(chdtrc(bins - 1, index / per_row))
