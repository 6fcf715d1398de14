"""Figures of a fitted response model: what it weighs, and which questions a tree asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promolab.model.response import ResponseModel
from promolab.wording import capital, plural

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["plot_coefficients", "plot_tree"]


def plot_coefficients(
    model: ResponseModel,
    labels: dict[str, str] | None = None,
    most: int = 12,
    ax: Axes | None = None,
) -> Axes:
    """Draw the largest weights with their intervals.

    Parameters
    ----------
    model : ResponseModel
        Fitted.
    labels : dict of str to str, optional
        What to call each feature.
    most : int
        How many weights to draw.
    ax : Axes, optional
        Where to draw.

    Examples
    --------
    >>> import pandas as pd
    >>> X = pd.DataFrame({"orders": range(40)})
    >>> model = ResponseModel().fit(X, [0, 1] * 10 + [1] * 20)
    >>> plot_coefficients(model).get_xlabel()
    'change of the log odds per standard deviation'
    """
    from promolab import plots

    table = model.coefficients()
    table["name"] = [
        _named(f, s, labels or {}) for f, s in zip(table["feature"], table["source"], strict=True)
    ]
    table = _gaps_together(table).head(most)
    names = table["name"].tolist()
    ax = plots.intervals(
        names, table["weight"], table["ci_low"], table["ci_high"], reference=0.0, ax=ax
    )
    return plots.finish(
        ax,
        title=f"{capital(names[0])} weighs most",
        subtitle=f"the {len(table)} largest weights, 95 % intervals, pulled towards 0; "
        f"{plural(model.n_, 'contact')}",
        xlabel="change of the log odds per standard deviation",
    )


def _gaps_together(table: pd.DataFrame) -> pd.DataFrame:
    """Make one row of the features whose values are missing in the same rows.

    Their indicators are one column, over which the penalty spreads the weight evenly.
    """
    gap = table["feature"] == table["source"] + " = missing"
    group = table["weight"].where(gap)
    size = group.groupby(group).transform("size")
    several = size > 1
    name = table["name"].mask(several, size.map("not known: {:.0f} features, each".format))
    return table.assign(name=name)[~several | ~group.duplicated()]


def _named(feature: str, source: str, labels: dict[str, str]) -> str:
    name = labels.get(source, source)
    # The indicator of a gap: a weight for those of whom the figure is not known.
    if feature == f"{source} = missing":
        return f"{name}: not known"
    return feature.replace(source, name, 1)


def plot_tree(
    model: ResponseModel,
    labels: dict[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a tree from left to right: its questions, and the response rate at each end.

    Thresholds are in the features' own units. The rates are of the training rows, with Wilson
    intervals (`promolab.model.rules.tree_rules`).

    Parameters
    ----------
    model : ResponseModel
        Of kind ``tree``, fitted.
    labels : dict of str to str, optional
        What to call each feature.
    ax : Axes, optional
        Where to draw; wants some two inches per question in a row and half an inch per end.

    Raises
    ------
    InputError
        The model is of another kind.
    """
    from promolab.model.rules import tree_rules

    return tree_rules(model, labels).plot(ax)
