"""Segments: method, their number or the neighbourhood, features; map, profiles, stability."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.display import Dots, Html, beside, chart, fold, join, lying_bars, picture, say
from promolab.errors import InputError
from promolab.folder import RunFolder
from promolab.glossary import label
from promolab.plots import MOST_PAIRS, pairs_by_group, segment_colours, spread_by_group
from promolab.segmentation import (
    DEFAULT_COLUMNS,
    NOISE,
    Segmenter,
    SegmentProfile,
    sample_customers,
)
from promolab.widgets.controls import Choose, Press, Several, Slide
from promolab.widgets.explorer import Explorer, Progress
from promolab.wording import count, number, percent, plural

if TYPE_CHECKING:
    from datetime import datetime

    from promolab.contract import Shop

MOST = 4_000
"""Customers that are grouped at each try; of more so many are drawn by chance."""
POINTS = 1_200
"""Customers on the map."""
RHYTHM = "away_times"
"""It names segments; customers are not grouped by it, for of past weeks it is not known."""
REFITS = 5
NUMBERS = range(2, 9)
TIMES = (0.7, 0.85, 1.0, 1.15, 1.3)
"""Neighbourhoods that are tried, as multiples of the one at the knee of the distances."""
METHODS = {
    "k-means": "kmeans",
    "DBSCAN (by density)": "dbscan",
    "HDBSCAN (by density)": "hdbscan",
    "RFM grid": "rfm",
}

RAND = (
    "Adjusted Rand index of the groups with those of resampled customers: 1 where they are found "
    "again alike, 0 where only by chance."
)


@dataclass(frozen=True)
class SegmentsState:
    """How customers are to be grouped.

    Parameters
    ----------
    method : str
        As `promolab.Segmenter` takes it.
    k : int
        Segments of the methods that are told how many.
    eps : float
        Neighbourhood of DBSCAN, as a multiple of the one that the distances suggest.
    columns : tuple of str
        Features; the RFM grid has its own.
    """

    method: str = "kmeans"
    k: int = 4
    eps: float = 1.0
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Grouping:
    """Customers grouped one way.

    Parameters
    ----------
    setting : float
        How many segments, or eps; 0 where there is nothing to set.
    title : str
        The setting in words.
    segmenter : Segmenter
        Fitted.
    profile : SegmentProfile
    points : DataFrame
        x, y, segment of some customers, for the map.
    directions : tuple of str
        What the two axes of the map follow.
    shown : float
        Share of the differences between customers that the map shows (0–1).
    """

    setting: float
    title: str
    segmenter: Segmenter = field(repr=False)
    profile: SegmentProfile = field(repr=False)
    points: pd.DataFrame = field(repr=False)
    directions: tuple[str, str]
    shown: float

    @property
    def names(self) -> list[str]:
        """Segments in order."""
        return self.segmenter.names_

    def found_again(self) -> str:
        """Say how stable the groups are."""
        value, low, high = (getattr(self.segmenter.stability(), n) for n in _ENDS)
        if not np.isfinite(value):
            return "how stable they are cannot be said of a single group"
        return f"adjusted Rand index of refits {number(value, low, high, decimals=2)}"


_ENDS = ("value", "ci_low", "ci_high")


@dataclass(frozen=True)
class Groupings:
    """The customers, and every grouping of a method that a control can choose.

    Parameters
    ----------
    features : DataFrame
        A row per customer that is grouped.
    customers : int
        Of all.
    tried : dict of float to Grouping
        By setting, as the control gives it.
    pictures : dict of float to Html
        Distributions and pairs, of the settings for which they were drawn.
    """

    features: pd.DataFrame = field(repr=False)
    customers: int
    tried: dict[float, Grouping] = field(repr=False)
    pictures: dict[float, Html] = field(default_factory=dict, repr=False)

    def key(self, state: SegmentsState) -> float:
        """Return the setting that the controls ask for, or the nearest that was tried."""
        wanted = state.k if state.method == "kmeans" else state.eps
        return min(self.tried, key=lambda setting: (abs(setting - wanted), setting))

    def chosen(self, state: SegmentsState) -> Grouping:
        """Return the grouping that the controls ask for."""
        return self.tried[self.key(state)]


def segments(
    source: Shop | RunFolder | pd.DataFrame | str | Path,
    *,
    as_of: datetime | None = None,
    out: str | Path = "reports",
    save_to: str | Path = "parameters.json",
    seed: int = 0,
) -> Explorer[SegmentsState, Groupings]:
    """Explore ways to group customers, and save the choice for the weekly run.

    Parameters
    ----------
    source : Shop, RunFolder, DataFrame or str
        A shop, whose customers are described as of ``as_of``; a week's folder or an ISO week, whose
        features are read; or features, a row per customer.
    as_of : datetime, optional
        For a shop: nothing at or after it is known; by default the end of its data.
    out : str or Path
        The folder of all reports, for an ISO week.
    save_to : str or Path
        The file of parameters that *Save for the weekly run* writes.
    seed : int
        Start of every random number.

    Returns
    -------
    Explorer

    Raises
    ------
    InputError
        There is no such week; features lack what customers are grouped by.

    Notes
    -----
    Of more than 4,000 customers so many are drawn by chance and grouped; the weekly run takes all.
    Stability is the adjusted Rand index of 5 refits on resampled customers.

    Examples
    --------
    >>> some = pd.DataFrame({
    ...     "customer_id": range(60), "orders": [1, 20, 5] * 20, "amount": [9.0, 900.0, 90.0] * 20,
    ...     "recency_days": [200, 2, 30] * 20})
    >>> made = segments(some)
    >>> "3 segments of 60 customers" in made.move(k=3, columns=("orders", "amount")).text
    True
    """
    features = _features(source, as_of, out) if not _is_shop(source) else None
    columns = _columns(features) if features is not None else list(DEFAULT_COLUMNS)
    default = tuple(c for c in DEFAULT_COLUMNS if c in columns) or tuple(columns[:4])

    known: list[pd.DataFrame] = [] if features is None else [features]

    def prepare(state: SegmentsState, progress: Progress) -> Groupings:
        if not known:
            progress(None, "describing the customers")
            known.append(_features(source, as_of, out))
        return group(known[0], state, progress, seed)

    def save(
        state: SegmentsState, found: Groupings, progress: Progress
    ) -> tuple[SegmentsState, Groupings, str]:
        return state, found, save_choice(state, default, save_to)

    controls = {
        "method": Choose("method", METHODS, slow=True),
        "k": Slide("segments", NUMBERS[0], NUMBERS[-1], 1, hint="k-means"),
        "eps": Slide(
            "ε, times the usual", TIMES[0], TIMES[-1], 0.15, hint="DBSCAN's neighbourhood"
        ),
        "columns": Several("features", {label(c): c for c in columns}, slow=True),
        "draw": Press("Draw distributions and pairs", draw),
        "save": Press("Save for the weekly run", save, primary=True),
    }
    state = SegmentsState(columns=default)
    return Explorer("Segments", state, controls, render, prepare=prepare)


def _is_shop(source: Any) -> bool:
    return hasattr(source, "events") and hasattr(source, "settings")


def _features(source: Any, as_of: datetime | None, out: str | Path) -> pd.DataFrame:
    """Return features of a shop, a week or as they were given."""
    if isinstance(source, pd.DataFrame):
        return source
    if _is_shop(source):
        from promolab.features import build_features

        made: pd.DataFrame = build_features(source, as_of or source.span()[1]).execute()
        return made
    from promolab.widgets.opened import week_of

    week = week_of(source, out)
    rhythm = week.read_table("profiles").filter(["customer_id", RHYTHM])
    return week.read_table("features").merge(rhythm, "left", on="customer_id")


def _columns(features: pd.DataFrame) -> list[str]:
    """Return the features that customers can be grouped by."""
    numbers = features.select_dtypes("number").columns
    found = [c for c in numbers if c not in ("customer_id", RHYTHM)]
    found = [c for c in found if features[c].min() < features[c].max()]
    if not found:
        raise InputError("features has no column of numbers that differ; there is nothing to group")
    return sorted(map(str, found), key=lambda c: (c not in DEFAULT_COLUMNS, label(c)))


def group(
    features: pd.DataFrame, state: SegmentsState, progress: Progress, seed: int = 0
) -> Groupings:
    """Return every grouping of a method that the other controls can choose.

    Parameters
    ----------
    features : DataFrame
        A row per customer.
    state : SegmentsState
        Method and features.
    progress : Progress
    seed : int
    """
    ids = sample_customers(features["customer_id"], seed, MOST)
    some = features[features["customer_id"].isin(ids)].reset_index(drop=True)
    columns = list(state.columns) or None
    given: dict[str, Any] = {"columns": columns, "seed": seed, "bootstraps": REFITS}
    tried: dict[float, Grouping] = {}
    if state.method == "kmeans":
        for done, k in enumerate(NUMBERS):
            progress(done / len(NUMBERS), f"{k} segments")
            one = Segmenter(state.method, k=k, **given).fit(some)
            tried[k] = _grouping(one, k, plural(k, "segment"), some, seed)
    elif state.method == "dbscan":
        progress(0.0, "the distances between customers")
        usual = Segmenter("dbscan", **given).fit(some)
        knee = getattr(usual.choice_, "eps", 1.0)
        for done, times in enumerate(TIMES):
            progress((done + 1) / (len(TIMES) + 1), f"ε {knee * times:.2f}")
            one = Segmenter("dbscan", eps=knee * times, **given).fit(some)
            tried[times] = _grouping(one, knee * times, f"ε {knee * times:.2f}", some, seed)
    else:
        progress(None, "grouping")
        one = Segmenter(state.method, **given).fit(some)
        tried[0.0] = _grouping(one, 0.0, plural(one.k_, "segment"), some, seed)
    return Groupings(some, len(features), tried)


def _grouping(
    segmenter: Segmenter, setting: float, title: str, features: pd.DataFrame, seed: int
) -> Grouping:
    segmenter.stability()  # kept by the segmenter
    found = segmenter.map()
    rng = np.random.default_rng(seed)
    n = len(found.points)
    some = np.sort(rng.choice(n, min(n, POINTS), replace=False))
    points = found.points.iloc[some][["x", "y", "segment"]].reset_index(drop=True)
    return Grouping(
        setting, title, segmenter, segmenter.profile(), points, found.axis_words,
        float(sum(found.shares)),
    )  # fmt: skip


def draw(
    state: SegmentsState, found: Groupings, progress: Progress
) -> tuple[SegmentsState, Groupings, str]:
    """Draw the distributions and the pairs of features by segment, once for each setting."""
    key, chosen = found.key(state), found.chosen(state)
    if key not in found.pictures:
        groups = pd.Series(chosen.segmenter.labels_, name="segment")
        columns = list(chosen.segmenter.columns_)
        named = [label(c) for c in columns]
        features = found.features[columns].set_axis(named, axis=1)
        progress(0.1, "distributions")
        spread = spread_by_group(features, groups, chosen.names)
        progress(0.5, "pairs of features")
        pairs = pairs_by_group(features, groups, chosen.names)
        shown = [
            picture(spread, f"Distribution of {', '.join(named)} in each segment."),
            picture(
                pairs, f"Pairs of {', '.join(named[:MOST_PAIRS])}, customers coloured by segment."
            ),
        ]
        made = found.pictures | {key: join(shown)}
        found = replace(found, pictures=made)
    return state, found, ""


def save_choice(state: SegmentsState, default: Sequence[str], path: str | Path) -> str:
    """Write a choice as parameters of the weekly run, beside what the file holds; say what next.

    Parameters
    ----------
    state : SegmentsState
    default : sequence of str
        The features that are taken where none are named.
    path : str or Path
        JSON, as ``promolab report --parameters`` and ``papermill -f`` read it.

    Raises
    ------
    InputError
        The method's segments cannot be carried from week to week, or the file cannot be written.
    """
    if state.method != "kmeans":
        words = next(name for name, method in METHODS.items() if method == state.method)
        raise InputError(
            f"{words} makes no centres, so next week's customers could not be put into the same "
            "segments; save k-means"
        )
    file = Path(path).expanduser().absolute()  # a terminal may stand elsewhere
    told: dict[str, Any] = {}
    try:
        if file.is_file():
            told = dict(json.loads(file.read_text(encoding="utf-8")))
        same = set(state.columns) == set(default)
        told |= {"segment_method": state.method, "segments": state.k}
        told["segment_features"] = "" if same else ", ".join(state.columns)
        file.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{file} cannot be written or read ({error}); give save_to") from error
    return (
        f"Saved in {file}. The weekly run makes these segments of all customers with: promolab "
        f"report --parameters {shlex.quote(str(file))}"
    )


def render(state: SegmentsState, found: Groupings) -> Html:
    """Return the map, how stable each setting is, and what the segments are.

    Parameters
    ----------
    state : SegmentsState
    found : Groupings
    """
    chosen = found.chosen(state)
    whom = plural(len(found.features), "customer")
    if found.customers > len(found.features):
        whom += f" drawn by chance of {count(found.customers)}"
    finding = f"{plural(chosen.segmenter.k_, 'segment')} of {whom}; {chosen.found_again()}."
    note = [say(chosen.segmenter.note_)] if chosen.segmenter.note_ else []
    pictures = found.pictures.get(found.key(state))
    drawn = fold("Distributions and pairs of features, by segment", [pictures] if pictures else [])
    return join(
        [
            say(finding, css="finding"),
            *note,
            beside([_map(chosen), _stability(state, found)]),
            say(RAND, css="note-small"),
            chosen.profile.to_table(),
            Html(drawn.text.replace("<details>", "<details open>")),
        ]
    )


def _map(chosen: Grouping) -> Html:
    """Return customers on a plane, coloured by segment."""
    shades = segment_colours(chosen.names)
    groups = {str(name): rows for name, rows in chosen.points.groupby("segment", sort=False)}
    marks = [
        Dots(groups[name]["x"], groups[name]["y"], name, shades[name], 4.0)
        for name in chosen.names
        if name in groups
    ]
    across, up = chosen.directions
    return chart(
        marks,
        f"The map shows {percent(chosen.shown, decimals=0)} of the differences",
        f"{plural(len(chosen.points), 'customer')} on a plane, coloured by segment: across "
        f"mostly {across}, up mostly {up}",
        across,
        up,
        width=520,
        height=360,
    )


def _stability(state: SegmentsState, found: Groupings) -> Html:
    """Return how often each setting finds its segments again, the chosen one marked."""
    rows, key = list(found.tried.items()), found.key(state)
    ends = np.array([[getattr(g.segmenter.stability(), n) for n in _ENDS] for _, g in rows])
    known = np.isfinite(ends[:, 0])
    words = [
        _words(g, value) if ok else "a single group"
        for (_, g), value, ok in zip(rows, ends[:, 0], known, strict=True)
    ]
    best = int(np.nanargmax(ends[:, 0])) if known.any() else 0
    title = (
        f"Found again best: {rows[best][1].title}" if len(rows) > 1 else "How well they are found"
    )
    return lying_bars(
        [g.title for _, g in rows],
        np.nan_to_num(ends[:, 0]),
        title=title,
        label="Adjusted Rand index of refits on resampled customers, with its interval: "
        + "; ".join(f"{g.title}: {w}" for (_, g), w in zip(rows, words, strict=True)),
        text=words,
        colours=[1 if setting == key else 0 for setting, _ in rows],
        low=ends[:, 1],
        high=ends[:, 2],
        width=430,
    )


def _words(grouping: Grouping, value: float) -> str:
    text = number(value, decimals=2)
    if not grouping.segmenter.k_ or not grouping.title.startswith("ε"):
        return text
    rows = grouping.profile.frame.set_index("segment")["share_customers"]
    apart = percent(float(rows.get(NOISE, 0.0)), decimals=0)
    return f"{text} · {plural(grouping.segmenter.k_, 'group')}, {apart} apart"
