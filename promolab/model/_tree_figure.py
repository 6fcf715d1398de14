"""The figure of a tree: questions from left to right, at each end the rate with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from promolab import plots
from promolab.plots._base import text_width, wrapped
from promolab.wording import count, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from promolab.model.rules import TreeRules

STEP = 2.0  # inches from one question to the next
RATES = 1.7  # inches for the rates
SIZE = 8.5
GLUE = "\ufffc"  # holds words together where a line is broken
LINE = 0.15  # inches that a line of an answer takes


def draw_tree(rules: TreeRules, ax: Axes | None = None) -> Axes:
    """Draw the tree; across, a unit is an inch, and downwards the row of an end."""
    deepest, ends = max(node.depth for node in rules.nodes), rules.ends
    words = [f"{percent(end.rate, end.ci_low, end.ci_high)} of {count(end.n)}" for end in ends]
    beside = max(text_width(text, 9) for text in words) / 72
    width = max(STEP * deepest + RATES + beside + 0.4, 5.5)
    lines = max(_broken(end.answer).count("\n") + 1 for end in ends)
    with plots.style():
        ax = _axes(ax, width, len(ends) * max(0.2 + LINE * lines, 0.4) + 1.3)
        heights = _heights(rules)
        for node, height in zip(rules.nodes, heights, strict=True):
            _branch(ax, rules, node, height, heights, deepest)
        _rates(ax, rules, words, STEP * deepest + 0.15)
        ax.set_xlim(-0.05, width)
        ax.set_ylim(len(ends) - 0.1, -0.75)
        ax.set_axis_off()
    return plots.finish(ax, title=_title(rules), subtitle=_subtitle(rules))


def _title(rules: TreeRules) -> str:
    ends = rules.ends
    if len(ends) == 1:
        return "The tree found no question that tells responses apart"
    best = max(ends, key=lambda end: (end.rate, end.rule))
    return f"Most respond where {best.rule}: {percent(best.rate, best.ci_low, best.ci_high)}"


def _subtitle(rules: TreeRules) -> str:
    return (
        f"response rate of {count(rules.n)} training rows in {plural(len(rules.ends), 'group')}, "
        f"{100 * rules.level:g} % Wilson intervals; the same rows chose the questions, so rates "
        "of new rows lie closer together"
    )


def _axes(ax: Axes | None, width: float, height: float) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height))[1]


def _broken(answer: str) -> str:
    """Return an answer in lines that fit on their branch."""
    glued = answer.replace("(or missing)", f"(or{GLUE}missing)")
    for sign in "≤≥<>=":
        glued = glued.replace(f" {sign} ", f" {sign}{GLUE}")
    return wrapped(glued, 72 * (STEP - 0.4), SIZE).replace(GLUE, " ")


def _heights(rules: TreeRules) -> list[float]:
    """Return each node's row: ends one below the other, a question between what follows it."""
    rows = iter(range(len(rules.ends)))
    heights = [float(next(rows)) if node.end else np.nan for node in rules.nodes]
    for at in range(len(rules.nodes) - 1, -1, -1):
        if not rules.nodes[at].end:
            heights[at] = float(
                np.mean([heights[k] for k, node in enumerate(rules.nodes) if node.parent == at])
            )
    return heights


def _branch(
    ax: Axes, rules: TreeRules, node: Any, height: float, heights: list[float], deepest: int
) -> None:
    """Draw the way to a node, what is true on it, and how many rows go it."""
    if node.parent < 0:
        return
    start, end = STEP * (node.depth - 1), STEP * node.depth
    line: dict[str, Any] = {"color": plots.MUTED, "linewidth": 1.0, "zorder": 1}
    ax.plot([start, start], [heights[node.parent], height], **line)
    ax.plot([start, end], [height, height], **line)
    if node.end and node.depth < deepest:
        ax.plot([end, STEP * deepest], [height, height], color="#D0D0D0", linewidth=0.8, zorder=0)
    words: dict[str, Any] = {"fontsize": SIZE, "parse_math": False, "clip_on": False}
    ax.annotate(
        _broken(node.answer),
        (start, height),
        (4, 2),
        textcoords="offset points",
        va="bottom",
        linespacing=1.0,
        **words,
    )
    if not node.end:
        told = f"{percent(node.rate, decimals=0)} of {count(node.n)}"
        ax.annotate(
            told,
            (start, height),
            (4, -2),
            textcoords="offset points",
            va="top",
            color="#555555",
            **{**words, "fontsize": 8},
        )


def _rates(ax: Axes, rules: TreeRules, words: list[str], left: float) -> None:
    """Draw the rate of each end with its interval, and that of all rows as a line."""
    ends = rules.ends
    scale = RATES / max(end.ci_high for end in ends)
    rows = np.arange(len(ends))
    low, rate, high = (
        left + scale * np.array([getattr(end, name) for end in ends])
        for name in ("ci_low", "rate", "ci_high")
    )
    everyone = left + scale * rules.rate
    ax.plot([left, left], [-0.45, len(ends) - 0.55], color=plots.MUTED, linewidth=0.8)
    ax.plot([everyone] * 2, [-0.45, len(ends) - 0.55], color=plots.MUTED, linestyle="--", lw=0.9)
    ax.hlines(rows, low, high, colors=plots.COLOURS[0], linewidth=2.2, alpha=0.55)
    ax.scatter(rate, rows, color=plots.COLOURS[0], s=34, zorder=3)
    for row, text in zip(rows, words, strict=True):
        ax.text(left + RATES + 0.1, float(row), text, va="center", fontsize=9)
    ax.text(left, len(ends) - 0.5, "0 %", ha="center", va="top", fontsize=8, color="#555555")
    ax.text(
        everyone,
        len(ends) - 0.5,
        f"all: {percent(rules.rate)}",
        ha="left",
        va="top",
        fontsize=8,
        color="#555555",
    )
