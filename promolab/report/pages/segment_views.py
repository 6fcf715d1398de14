"""What the page on segments shows: tables to read, methods and segments side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from promolab.display import Html, picture, table
from promolab.errors import InputError, nearest
from promolab.glossary import describe
from promolab.segmentation import APART, METHODS, WORDS, Segmenter
from promolab.wording import count, number, percent

if TYPE_CHECKING:
    import pandas as pd

    from promolab.segmentation import (
        MethodComparison,
        ProfilePair,
        SegmentProfile,
        SegmentResponse,
    )

__all__ = [
    "advice_columns",
    "answers",
    "fitted_methods",
    "largest_two",
    "method_columns",
    "method_formats",
    "method_rows",
    "size_and_value",
    "words",
]

REFITS = 5
"""Refits behind a method that is there for comparison."""

_VERDICTS = {
    "more": "more",
    "less": "less",
    "as all": "not told apart",
    "too few": "too few to tell",
}
_WORDS = (
    *("RFM", "silhouette", "stability", "adjusted Rand index", "gap statistic"),
    *("principal component", "neighbourhood", "false discovery rate", "p_value", "migration"),
    *("far", "interval", "clustered by customer", "descriptive", "so_do_this"),
    *("interests", "purchasing_power", "loyalty", "habits"),
)


def advice_columns() -> dict[str, str]:
    """Return the columns of a table of `SegmentAdvice`, and their headings."""
    return {
        "segment": "segment",
        "customers": "customers",
        "so_do_this": "so do this",
        "because": "because",
    }


def fitted_methods(
    methods: str,
    fitted: Sequence[Segmenter],
    features: Any,
    customers: Iterable[Any] | None = None,
    *,
    seed: int = 0,
) -> list[Segmenter]:
    """Return the week's customers grouped by each method asked for, and by the one in use.

    Parameters
    ----------
    methods : str
        Names of `promolab.segmentation.METHODS`, commas between them.
    fitted : sequence of Segmenter
        The segments that the week uses, and any that are there already and need no fit.
    features, customers, seed
        As for `Segmenter`.

    Raises
    ------
    InputError
        If a name is none of them.
    """
    names = list(dict.fromkeys(name.strip() for name in methods.split(",") if name.strip()))
    for name in names:
        if name not in METHODS:
            raise InputError(f"methods = {methods!r} holds {name!r}; {nearest(name, METHODS)}")
    ids = None if customers is None else list(customers)
    there = {way.method: way for way in reversed(fitted)}
    used = fitted[0].method
    return [
        there[name]
        if name in there
        else Segmenter(name, seed=seed, bootstraps=REFITS).fit(features, ids)
        for name in [used, *(name for name in names if name != used)]
    ]


def method_columns() -> dict[str, str]:
    """Return the columns of `method_rows` and their headings."""
    return {
        "method": "method",
        "k": "segments",
        "noise_share": "customers left out",
        "separation": "separation",
        "difference": "separation against the simplest",
        "stability": "stability",
        "why": "verdict",
    }


def method_rows(comparison: MethodComparison) -> pd.DataFrame:
    """Return a row per method, each figure written with its interval."""
    frame = comparison.to_frame()
    for name in ("separation", "difference", "stability"):
        parts = frame[[name, f"{name}_low", f"{name}_high"]].to_numpy(dtype=float).tolist()
        same = name == "difference"
        frame[name] = [
            "–" if row[0] != row[0] or (same and row[1] == row[2]) else number(*row, decimals=2)
            for row in parts
        ]
    frame["noise_share"] = [
        "–" if share != share else percent(share, decimals=1) if share else "none"
        for share in frame["noise_share"]
    ]
    frame["method"] = [WORDS[name] for name in frame["method"]]
    frame["why"] = frame["why"].mask(frame["recommended"], "recommended")
    frame["why"] = frame["why"].mask(frame["why"] == "", "less separated, or more involved")
    return frame


def method_formats() -> dict[str, Callable[[Any], str]]:
    """Return how the columns of `method_rows` are written: figures on the right."""
    return {name: str for name in method_columns() if name not in ("method", "why", "k")}


def answers(response: SegmentResponse | None) -> Html:
    """Return what each segment answered over all promotions, most contacts first."""
    if response is None:
        return Html("")
    frame = response.segments.sort_values("contacts", ascending=False, kind="stable")
    rows = frame.to_dict("records")
    shown = frame.assign(
        rate=[percent(r["rate"], r["rate_low"], r["rate_high"]) for r in rows],
        expected=[percent(r["expected"], decimals=0) for r in rows],
        difference=[_points(r) for r in rows],
        p_adjusted=[_chance(p) for p in frame["p_adjusted"]],
        verdict=[_VERDICTS.get(r["verdict"], r["verdict"]) for r in rows],
    )
    columns = {
        "segment": "segment",
        "customers": "customers",
        "contacts": "contacts",
        "rate": response.outcome,
        "expected": "all, in the same promotions",
        "difference": "difference, points",
        "p_adjusted": "p, corrected",
        "verdict": "answers",
    }
    figures = dict.fromkeys(("rate", "expected", "difference", "p_adjusted"), str)
    return table(
        shown,
        columns,
        {"customers": count, "contacts": count, **figures},
        caption=f"Who {response.outcome}, all promotions together, most contacts first; 95 % "
        "intervals by customer.",
        most=12,
        file="tables/segment_response.parquet",
        file_text="Each segment and promotion, with intervals, as a file",
    )


def _chance(p: float) -> str:
    return "–" if p != p else "below 0.001" if p < 0.001 else number(p, decimals=3)


def _points(row: Mapping[Any, Any]) -> str:
    ends = (100 * row[f"difference{end}"] for end in ("", "_low", "_high"))
    return number(*ends, decimals=1)


def size_and_value(profile: SegmentProfile) -> Html:
    """Return the figure of each segment's size and share of sales."""
    return picture(profile.plot_size_value(), "Segments by size and by share of sales.")


def words() -> Html:
    """Return the words of the page and what they mean."""
    return table(describe(list(_WORDS)), {"label": "word", "meaning": "meaning"}, most=len(_WORDS))


def largest_two(profile: SegmentProfile) -> ProfilePair | None:
    """Return the two largest segments side by side; None where there are not two."""
    made = profile.frame[~profile.frame["segment"].isin(APART)]
    if len(made) < 2:
        return None
    order = made.sort_values(["customers", "segment"], ascending=[False, True])["segment"]
    return profile.compare(order.iloc[0], order.iloc[1])
