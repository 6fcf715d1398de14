"""What a model consists of, where it can be read off: weights of a sum, or questions of a tree."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab import plots
from promolab.errors import InputError
from promolab.glossary import label
from promolab.model import ResponseModel
from promolab.model.inputs import OTHERS
from promolab.results import Estimate, Result, words_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from promolab.model.inputs import ColumnCode
    from promolab.model.learners import Tree


SIZE = 8.5
MOST_DRAWN = 12
MISSING = "–"


@dataclasses.dataclass(frozen=True)
class Coefficients(Result):
    """The weights of a logistic model.

    Parameters
    ----------
    frame : DataFrame
        feature (encoded column), source (its feature), weight, ci_low, ci_high, name (in words);
        largest first. Features whose values are missing in the same rows stand in one row.
    n : int
        Rows learned from.
    """

    frame: pd.DataFrame = dataclasses.field(repr=False)
    n: int

    def facts(self) -> dict[str, Any]:
        """Return the largest weight, those that are drawn, and whether they have intervals."""
        first = self.frame.head(MOST_DRAWN)
        sure = bool(first["ci_low"].notna().any())  # a private model's have none
        return {"largest": first["name"].iloc[0], "shown": first, "sure": sure}


@dataclasses.dataclass(frozen=True)
class TreeRules(Result):
    """A tree's questions, and the response rate at each end, of the training rows.

    The same rows chose the questions: of new rows the highest rates will be a little lower and the
    lowest a little higher than the intervals say.

    Parameters
    ----------
    nodes : DataFrame
        A row per question or end, from the root, each followed by what is below it: depth (how many
        questions lead here), answer (what is true here of the question before, in short; empty at
        the root), rule (everything that is true here), n, responses (training rows), rate with
        ci_low and ci_high (Wilson, 95 %), end (whether no question follows).
    n : int
        Training rows.
    rate : float
        Response rate of all of them.
    """

    nodes: pd.DataFrame = dataclasses.field(repr=False)
    n: int
    rate: float

    def to_frame(self) -> pd.DataFrame:
        """Return a row per end, highest rate first: rule, n, responses, rate, ci_low, ci_high."""
        ends = self.nodes[self.nodes["end"]].drop(columns=["depth", "answer", "end"])
        return ends.sort_values(["rate", "rule"], ascending=[False, True], ignore_index=True)

    def facts(self) -> dict[str, Any]:
        """Return who responds most and least, and the lines of the figure."""
        table = self.to_frame()
        best, last = table.iloc[0], table.iloc[-1]
        names = ["rate", "ci_low", "ci_high"]
        pairs = zip(self.nodes["depth"], self.nodes["answer"], strict=True)
        everybody = words_of(__name__, "TreeRules").say("everybody")
        return {
            "ends": table,
            "asks": len(table) > 1,
            "overall": self.rate,
            "best": best["rule"],
            "last": last["rule"],
            "most": Estimate.of(best[names], int(best["n"])),
            "least": Estimate.of(last[names], int(last["n"])),
            "lines": self.nodes.assign(
                line=["\u2003" * depth + (answer or everybody) for depth, answer in pairs]
            ),
        }

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the tree as indented lines, beside each the rate with its interval."""
        ax = super().plot(ax)
        lines = self.facts()["lines"]["line"]
        widest = max(lines, key=lambda line: plots.text_width(line, SIZE))
        ax.set_yticks(range(len(lines)), lines)  # as they are: names of rows lose what indents them
        ax.tick_params(axis="y", pad=plots.text_width(widest, SIZE) + 4, labelsize=SIZE)
        for line in ax.get_yticklabels():
            line.set_horizontalalignment("left")
        return ax


@dataclasses.dataclass(frozen=True)
class _Range:
    """What the questions so far leave of one column."""

    column: ColumnCode
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
        """Return the range in signs, – for what is missing; of many levels the first."""
        gap = f" / {MISSING}" if self.missing and self.column.missing_share > 0 else ""
        if self.column.kind == "categorical":
            levels = self.column.levels_by_code()
            left = [x for code, x in enumerate(levels) if self.low < code <= self.high]
            left.sort(key=lambda x: (x == OTHERS, x))
            more = [f"… ({len(left) - most})"] if len(left) > most else []
            return f"{name} = {' / '.join([*left[:most], *more]) or MISSING}{gap if left else ''}"
        if self.low == math.inf:
            return f"{name} = {MISSING}"
        if self.column.whole:
            low = math.floor(self.low) + 1 if math.isfinite(self.low) else self.low
            high = math.floor(self.high) if math.isfinite(self.high) else self.high
            if max(low, self.column.low) == min(high, self.column.high):
                return f"{name} = {_figure(min(high, self.column.high))}{gap}"
            above = "≥"
        else:
            low, high, above = self.low, self.high, ">"
        if math.isinf(low):
            return f"{name} ≠ {MISSING}" if math.isinf(high) else f"{name} ≤ {_figure(high)}{gap}"
        if math.isinf(high):
            return f"{name} {above} {_figure(low)}{gap}"
        between = "≤" if above == "≥" else "<"
        return f"{_figure(low)} {between} {name} ≤ {_figure(high)}{gap}"


def _figure(value: float) -> str:
    text = f"{value:,.0f}" if abs(value) >= 1000 or value == round(value) else f"{value:.3g}"
    return text.replace("-", "−")


def _rules_of(tree: Tree) -> TreeRules:
    from promolab.stats import wilson

    nodes = pd.DataFrame(_walk(tree), columns=["place", "depth", "answer", "rule"])
    places = nodes.pop("place").to_numpy()
    n, hits = _sums_below(tree)[places].T
    low, high = wilson(hits, n)
    nodes = nodes.assign(n=n.astype(int), responses=hits.astype(int), rate=hits / n)
    ends = tree.estimator.tree_.children_left[places] < 0
    nodes = nodes.assign(ci_low=low, ci_high=high, end=ends)
    return TreeRules(nodes, round(tree.rows), tree.responses / tree.rows)


def _walk(tree: Tree) -> Iterator[tuple[int, int, str, str]]:
    """Yield place, depth, answer and rule of each node, parents first."""
    inner, columns = tree.estimator.tree_, tree.encoder.used
    waiting: list[tuple[int, int, str, dict[str, _Range]]] = [(0, 0, "", {})]
    while waiting:
        place, depth, answer, known = waiting.pop()
        said = [known[name].said(label(name)) for name in known]
        yield place, depth, answer, " · ".join(said)
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
            gap, before = left_gap == below, known.get(column.name, _Range(column))
            alone = _Range(column, missing=before.missing).cut(cut, gap, below=below)
            so_far = before.cut(cut, gap, below=below)
            waiting.append(
                (int(child), depth + 1, alone.said(name, 2), {**known, column.name: so_far})
            )


def _sums_below(tree: Tree) -> np.ndarray:
    """Return rows and responses of each node with all below it, shape (nodes, 2)."""
    inner = tree.estimator.tree_
    sums = np.column_stack([tree.n, tree.hits])
    for place in range(inner.node_count - 1, -1, -1):  # children come after their parents
        if inner.children_left[place] >= 0:
            sums[place] = sums[inner.children_left[place]] + sums[inner.children_right[place]]
    return sums


def weights_or_rules(model: ResponseModel) -> Coefficients | TreeRules:
    """Return what a model consists of: weights with intervals, or the questions of a tree.

    Parameters
    ----------
    model : ResponseModel
        Fitted, of kind ``logistic`` or ``tree``.

    Raises
    ------
    InputError
        The model is of another kind: look at its `permutation_importance` instead.

    Examples
    --------
    >>> import pandas as pd
    >>> X = pd.DataFrame({"orders": range(40)})
    >>> weights_or_rules(ResponseModel().fit(X, [0, 1] * 10 + [1] * 20)).summary()
    'Orders weighs most.'
    """
    model._require_fit()
    if model.kind == "tree":
        return _rules_of(model.learners_[0])  # type: ignore[arg-type]
    if model.kind != "logistic":
        raise InputError(
            f"The method {model.kind} has no weights to show; what it uses stands below"
        )
    table = model.coefficients()
    pairs = zip(table["feature"], table["source"], strict=True)
    table["name"] = [_named(feature, source) for feature, source in pairs]
    return Coefficients(_gaps_together(table), model.n_)


def _gaps_together(table: pd.DataFrame) -> pd.DataFrame:
    """Make one row of the features whose values are missing in the same rows.

    Their indicators are one column, over which the penalty spreads the weight evenly.
    """
    gap = table["feature"] == table["source"] + " = missing"
    group = table["weight"].where(gap).round(12)  # equal but for rounding
    size = group.groupby(group).transform("size")
    several = size > 1
    words = {n: words_of(__name__, "Coefficients", n=int(n)).say("gaps") for n in size.dropna()}
    name = table["name"].mask(several, size.map(words))
    return table.assign(name=name)[~several | ~group.duplicated()]


def _named(feature: str, source: str) -> str:
    # The indicator of a gap: a weight for those of whom it is not known.
    if feature in (f"{source} = missing", f"{source} = (missing)"):
        return words_of(__name__, "Coefficients", source=source).say("gap")
    return feature.replace(source, label(source), 1)
