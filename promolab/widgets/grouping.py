"""Segments: method, their number, features; map, profiles, stability."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from promolab.display import Dots, Html, beside, join, lying_bars, say
from promolab.errors import InputError
from promolab.folder import RunFolder
from promolab.glossary import label, named
from promolab.language import language, speaking
from promolab.plots import segment_colours
from promolab.results import Estimate, Facts, words_of
from promolab.segmentation import DEFAULT_COLUMNS, Segmenter, SegmentProfile, sample_customers
from promolab.widgets.controls import control, several, slide
from promolab.widgets.explorer import Explorer, Progress, drawn, reading, week_of
from promolab.wording import number

MOST = 4_000
"""Customers that are grouped at each try; of more so many are drawn by chance."""
POINTS = 1_200
"""Customers on the map."""
RHYTHM = "away_times"
"""It names segments; customers are not grouped by it, for of past weeks it is not known."""
REFITS = 5
NUMBERS = range(2, 9)
METHODS = ("kmeans", "dbscan", "hdbscan", "rfm")


@dataclass(frozen=True)
class SegmentsState:
    """How customers are to be grouped.

    Parameters
    ----------
    method : str
        As `promolab.Segmenter` takes it.
    k : int
        Segments of k-means; the other methods find their number.
    columns : tuple of str
        Features; the RFM grid has its own.
    """

    method: str = "kmeans"
    k: int = 4
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Grouping:
    """Customers grouped one way.

    Parameters
    ----------
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

    segmenter: Segmenter = field(repr=False)
    profile: SegmentProfile = field(repr=False)
    points: pd.DataFrame = field(repr=False)
    directions: tuple[str, str]
    shown: float

    @property
    def title(self) -> str:
        """How many segments, in words."""
        return words_of(__name__, "segments", k=self.segmenter.k_).say("k")

    @property
    def stability(self) -> Estimate:
        """How alike refits on resampled customers are; nan of a single group."""
        found = self.segmenter.stability()
        return Estimate(found.value, found.ci_low, found.ci_high)


@dataclass(frozen=True)
class Groupings:
    """The customers, and every grouping of a method that a control can choose.

    Parameters
    ----------
    features : DataFrame
        A row per customer that is grouped.
    customers : int
        Of all.
    tried : dict of int to Grouping
        By number of segments; of a method that is not told how many by 0.
    """

    features: pd.DataFrame = field(repr=False)
    customers: int
    tried: dict[int, Grouping] = field(repr=False)

    def chosen(self, state: SegmentsState) -> Grouping:
        """Return the grouping that the controls ask for."""
        return self.tried[state.k if state.method == "kmeans" else 0]


def segments(
    source: RunFolder | pd.DataFrame | str | Path | None = None,
    *,
    out: str | Path = "reports",
    save_to: str | Path = "parameters.json",
    seed: int = 0,
) -> Explorer[SegmentsState, Groupings]:
    """Explore ways to group customers, and save the choice for the weekly run.

    Parameters
    ----------
    source : RunFolder, DataFrame or str, optional
        A week's folder or an ISO week, by default the newest, whose features are read; or features,
        a row per customer, as `promolab.build_features` makes them.
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
    features, spoken = _features(source, out)
    columns = _columns(features)
    default = tuple(c for c in DEFAULT_COLUMNS if c in columns) or tuple(columns[:4])

    def prepare(state: SegmentsState, progress: Progress) -> Groupings:
        return group(features, state, progress, seed)

    def save(
        state: SegmentsState, found: Groupings, progress: Progress
    ) -> tuple[SegmentsState, Groupings, str]:
        return state, found, save_choice(state, default, save_to)

    with speaking(spoken):
        word = words_of(__name__, "segments").word
        methods = {word(method): method for method in METHODS}
        controls = {
            "method": control("Dropdown", word("method"), options=methods),
            "k": slide(word("k"), NUMBERS[0], NUMBERS[-1], hint=word("kmeans")),
            "columns": several(word("columns"), {label(c): c for c in columns}),
            "save": control("Button", word("save"), button_style="primary"),
        }
        return Explorer(
            word("title"),
            SegmentsState(columns=default),
            controls,
            render,
            prepare=prepare,
            needs=lambda s: (s.method, s.columns),
            presses={"save": save},
        )


def _features(source: Any, out: str | Path) -> tuple[pd.DataFrame, str]:
    """Return features of a week or as they were given, and the language to speak."""
    if isinstance(source, pd.DataFrame):
        return source, language()
    week = week_of(source, out)
    with reading(week):
        rhythm = week.read_table("profiles").filter(["customer_id", RHYTHM])
        features = week.read_table("features").merge(rhythm, "left", on="customer_id")
    return features, week.language


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
    given: dict[str, Any] = {"columns": list(state.columns) or None, "seed": seed}
    numbers = NUMBERS if state.method == "kmeans" else (0,)
    tried: dict[int, Grouping] = {}
    for done, k in enumerate(numbers):
        words = words_of(__name__, "segments", k=k)
        progress(done / len(numbers) or None, words.say("k" if k else "grouping"))
        one = Segmenter(state.method, k=k or None, bootstraps=REFITS, **given).fit(some)
        tried[k] = _grouping(one, seed)
    return Groupings(some, len(features), tried)


def _grouping(segmenter: Segmenter, seed: int) -> Grouping:
    segmenter.stability()  # kept by the segmenter
    found = segmenter.map()
    rng = np.random.default_rng(seed)
    n = len(found.points)
    some = np.sort(rng.choice(n, min(n, POINTS), replace=False))
    points = found.points.iloc[some][["x", "y", "segment"]].reset_index(drop=True)
    shown = float(sum(found.shares))
    return Grouping(segmenter, segmenter.profile(), points, found.axis_words, shown)


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
        words = words_of(__name__, "segments", method=state.method)
        raise InputError(words.say("no_centres"))
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
    command = f"promolab report --parameters {shlex.quote(str(file))}"
    return words_of(__name__, "segments", file=str(file), command=command).say("saved")


def render(state: SegmentsState, found: Groupings) -> Html:
    """Return the map, how stable each setting is, and what the segments are.

    Parameters
    ----------
    state : SegmentsState
    found : Groupings
    """
    chosen, customers = found.chosen(state), found.customers
    best = max(found.tried.values(), key=lambda g: np.nan_to_num(g.stability.value, nan=-1.0))
    words = words_of(
        __name__,
        "segments",
        k=chosen.segmenter.k_,
        n=len(found.features),
        best=best.title,
        of=customers if customers > len(found.features) else 0,
        shown=chosen.shown,
        stability=chosen.stability,
        known=bool(np.isfinite(chosen.stability.value)),
        across=chosen.directions[0],
        up=chosen.directions[1],
        several=len(found.tried) > 1,
    )
    note = [say(chosen.segmenter.note_)] if chosen.segmenter.note_ else []
    return join(
        [
            say(words.say("finding"), css="finding"),
            *note,
            beside([_map(words, chosen), _stability(words, chosen, [*found.tried.values()])]),
            say(words.say("rand"), css="note-small"),
            chosen.profile.to_table(),
        ]
    )


def _map(words: Facts, chosen: Grouping) -> Html:
    """Return customers on a plane, coloured by segment."""
    shades = segment_colours(chosen.segmenter.names_)
    groups = {str(name): rows for name, rows in chosen.points.groupby("segment", sort=False)}
    marks = [
        Dots(groups[name]["x"], groups[name]["y"], named(name), shades[name], 4.0)
        for name in chosen.segmenter.names_
        if name in groups
    ]
    return drawn(words, "map", marks, width=520, height=360)


def _stability(words: Facts, chosen: Grouping, tried: Sequence[Grouping]) -> Html:
    """Return how often each grouping finds its segments again, the chosen one marked."""
    ends = np.array([one.stability.ends for one in tried])
    single, found = words.word("single"), ends[:, 0]
    text = [number(end, decimals=2) if np.isfinite(end) else single for end in found]
    told = [f"{one.title}: {said}" for one, said in zip(tried, text, strict=True)]
    return lying_bars(
        [one.title for one in tried],
        np.nan_to_num(found),
        title=words.say("found_again"),
        label="; ".join([words.say("rand"), *told]),
        text=text,
        colours=[1 if one is chosen else 0 for one in tried],
        low=ends[:, 1],
        high=ends[:, 2],
        width=430,
    )
