"""A tree in words: which questions lead to which response rate."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab import plots
from promolab.errors import InputError, nearest
from promolab.glossary import label
from promolab.model import ResponseModel
from promolab.model.inputs import OTHERS
from promolab.plots import text_width, wrapped
from promolab.results import Result, plain
from promolab.wording import count, percent, plural

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from promolab.model.inputs import NativeColumn
    from promolab.model.learners import Tree


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


@dataclasses.dataclass(frozen=True)
class TreeNode:
    """A question of a tree, or one of its ends.

    Parameters
    ----------
    parent, depth : int
        Position of the node before (-1: none) and how many questions lead here.
    answer : str
        What is true here of the question before, in short; empty at the root.
    rule : str
        Everything that is true here.
    n, responses : int
        Training rows here, and those that responded.
    rate, ci_low, ci_high : float
        Their response rate and its Wilson interval.
    end : bool
        Whether no question follows.
    """

    parent: int
    depth: int
    answer: str
    rule: str
    n: int
    responses: int
    rate: float
    ci_low: float
    ci_high: float
    end: bool


@dataclasses.dataclass(frozen=True)
class TreeRules(Result):
    """A tree's questions, and the response rate at each end, of the training rows.

    The same rows chose the questions: of new rows the highest rates will be a little lower and the
    lowest a little higher than the intervals say.

    Parameters
    ----------
    nodes : tuple of TreeNode
        From the root, each followed by what is below it.
    n : int
        Training rows.
    rate : float
        Response rate of all of them.
    level : float
        Confidence level.
    """

    nodes: tuple[TreeNode, ...]
    n: int
    rate: float
    level: float

    @property
    def ends(self) -> list[TreeNode]:
        """Nodes without a further question, in the order of the tree."""
        return [node for node in self.nodes if node.end]

    def to_frame(self) -> pd.DataFrame:
        """Return a row per end, highest rate first: rule, n, responses, rate, ci_low, ci_high."""
        import pandas as pd

        names = ["rule", "n", "responses", "rate", "ci_low", "ci_high"]
        frame = pd.DataFrame([[getattr(end, name) for name in names] for end in self.ends])
        frame.columns = pd.Index(names)
        order = np.lexsort([frame["rule"].to_numpy(dtype=str), -frame["rate"].to_numpy()])
        return frame.iloc[order].reset_index(drop=True)

    def to_dict(self) -> dict[str, Any]:
        """Return overall rate and ends as plain values."""
        ends = [plain(dataclasses.asdict(end)) for end in self.ends]
        return {"n": self.n, "rate": self.rate, "level": self.level, "ends": ends}

    def summary(self) -> str:
        """Say who responds most and least."""
        table = self.to_frame()
        if len(table) == 1:
            return f"The tree asks nothing: {self._share(table.iloc[0])} of all rows responded."
        best, least = table.iloc[0], table.iloc[-1]
        return (
            f"Of {plural(len(table), 'group')}, most respond where {best['rule']}: "
            f"{self._share(best)} of {count(best['n'])}; least where {least['rule']}: "
            f"{self._share(least)} of {count(least['n'])}. Rates of the {count(self.n)} training "
            "rows, which chose the questions: those of new rows lie closer together."
        )

    def _share(self, end: pd.Series) -> str:
        return percent(end["rate"], end["ci_low"], end["ci_high"])

    ALT = "The questions of the tree and what they tell."

    def text(self) -> str:
        """Return the tree as indented lines.

        Examples
        --------
        >>> import pandas as pd
        >>> from promolab.model import ResponseModel
        >>> X = pd.DataFrame({"orders": range(100)})
        >>> model = ResponseModel("tree", depth=1).fit(X, [0] * 40 + [1, 0, 1] * 20)
        >>> print(tree_rules(model).text())
        all: 40 % of 100
          orders ≤ 49: 14 % of 50
          orders ≥ 50: 66 % of 50
        """
        return "\n".join(
            f"{'  ' * node.depth}{node.answer or 'all'}: "
            f"{percent(node.rate, decimals=0)} of {count(node.n)}"
            for node in self.nodes
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the tree from left to right, with the rates of its ends."""

        return draw_tree(self, ax)


@dataclasses.dataclass(frozen=True)
class _Range:
    """What the questions so far leave of one column."""

    column: NativeColumn
    low: float = -math.inf
    high: float = math.inf
    missing: bool = True

    def cut(self, threshold: float, missing: bool, *, below: bool) -> _Range:
        """Return what is left on one side of a question."""
        missing = missing and self.missing
        if below:
            return dataclasses.replace(self, high=min(self.high, threshold), missing=missing)
        return dataclasses.replace(self, low=max(self.low, threshold), missing=missing)

    def said(self, name: str, most: int = 6) -> str:
        """Return the range in words; of many levels the first."""
        gap = " (or missing)" if self.missing and self.column.missing_share > 0 else ""
        if self.column.kind == "categorical":
            levels = self.column.levels_by_code()
            left = [x for code, x in enumerate(levels) if self.low < code <= self.high]
            left.sort(key=lambda x: (x == OTHERS, x))
            return f"{name} is {_listed(left, most)}{gap}"
        if self.column.whole:
            low = math.floor(self.low) + 1 if math.isfinite(self.low) else self.low
            high = math.floor(self.high) if math.isfinite(self.high) else self.high
            if max(low, self.column.low) == min(high, self.column.high):
                return f"{name} = {_figure(min(high, self.column.high))}{gap}"
            above = "≥"
        else:
            low, high, above = self.low, self.high, ">"
        if math.isinf(low) and math.isinf(high):
            return f"{name} is known" if not gap else f"{name} is anything"
        if math.isinf(low):
            return f"{name} ≤ {_figure(high)}{gap}"
        if math.isinf(high):
            return f"{name} {above} {_figure(low)}{gap}"
        between = "≤" if above == "≥" else "<"
        return f"{_figure(low)} {between} {name} ≤ {_figure(high)}{gap}"


def _figure(value: float) -> str:
    text = f"{value:,.0f}" if abs(value) >= 1000 or value == round(value) else f"{value:.3g}"
    return text.replace("-", "−")


def _listed(levels: list[str], most: int) -> str:
    shown = levels[:most]
    if len(levels) > most:
        return f"{', '.join(shown)} or {len(levels) - most} more"
    return " or ".join([*([", ".join(shown[:-1])] if shown[1:] else []), *shown[-1:]])


def tree_rules(
    model: ResponseModel,
    *,
    outcome: str | None = None,
    level: float = 0.95,
) -> TreeRules:
    """Return the questions of a fitted tree, and the response rate at each end.

    Parameters
    ----------
    model : ResponseModel
        Of kind ``tree``, fitted.
    outcome : str, optional
        Which, where there are several; the first by default.
    level : float
        Confidence level of the Wilson intervals.

    Raises
    ------
    InputError
        The model is of another kind, or has no such outcome.
    """
    from promolab.model.learners import Tree

    model._require_fit()
    names = model.outcomes_
    if outcome is not None and outcome not in names:
        raise InputError(f"there is no outcome {outcome!r}; {nearest(outcome, names)}")
    tree = model.learners_[0 if outcome is None else names.index(outcome)]
    if not isinstance(tree, Tree):
        raise InputError(f"a {model.kind} model has no rules to read; fit ResponseModel('tree')")
    return _rules_of(tree, level)


def _rules_of(tree: Tree, level: float) -> TreeRules:
    from promolab.stats import wilson

    walked = list(_walk(tree))
    below = _sums_below(tree)
    places = [place for place, *_ in walked]
    n, hits = below[places, 0], below[places, 1]
    low, high = wilson(hits, n, level)
    position = {place: at for at, place in enumerate(places)}
    nodes = tuple(
        TreeNode(
            position.get(parent, -1),
            depth,
            answer,
            rule,
            int(n[at]),
            int(hits[at]),
            float(hits[at] / n[at]),
            float(low[at]),
            float(high[at]),
            bool(tree.estimator.tree_.children_left[place] < 0),
        )
        for at, (place, parent, depth, answer, rule) in enumerate(walked)
    )
    return TreeRules(nodes, round(tree.rows), tree.responses / tree.rows, level)


def _walk(tree: Tree) -> Iterator[tuple[int, int, int, str, str]]:
    """Yield place, parent's place, depth, answer and rule of each node, parents first."""
    inner, columns = tree.estimator.tree_, tree.encoder.used
    waiting: list[tuple[int, int, int, str, dict[str, _Range]]] = [(0, -1, 0, "", {})]
    while waiting:
        place, parent, depth, answer, known = waiting.pop()
        said = [known[name].said(label(name)) for name in known]
        yield place, parent, depth, answer, " and ".join(said) or "anything"
        if inner.children_left[place] < 0:
            continue
        column = columns[inner.feature[place]]
        name = label(column.name)
        cut, left_gap = float(inner.threshold[place]), bool(inner.missing_go_to_left[place])
        # Pushed in reverse, so that the lower side comes first.
        for child, below in (
            (inner.children_right[place], False),
            (inner.children_left[place], True),
        ):
            gap = left_gap == below
            alone = _Range(column).cut(cut, gap, below=below)
            so_far = known.get(column.name, _Range(column)).cut(cut, gap, below=below)
            waiting.append(
                (int(child), place, depth + 1, alone.said(name, 2), {**known, column.name: so_far})
            )


def _sums_below(tree: Tree) -> np.ndarray:
    """Return rows and responses of each node with all below it, shape (nodes, 2)."""
    inner = tree.estimator.tree_
    sums = np.column_stack([tree.n, tree.hits])
    for place in range(inner.node_count - 1, -1, -1):  # children come after their parents
        if inner.children_left[place] >= 0:
            sums[place] = sums[inner.children_left[place]] + sums[inner.children_right[place]]
    return sums
