"""What a model consists of, where it can be read off: weights of a sum, or questions of a tree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from promolab.errors import InputError
from promolab.glossary import label
from promolab.model import ResponseModel
from promolab.results import Result
from promolab.wording import capital, plural

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from promolab.explain.rules import TreeRules


@dataclass(frozen=True)
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

    ALT = "The largest weights of the response model with their intervals."

    frame: pd.DataFrame = field(repr=False)
    n: int

    def summary(self) -> str:
        """Say what weighs most."""
        return f"{capital(self.frame['name'].iloc[0])} weighs most."

    def plot(self, ax: Axes | None = None, *, most: int = 12) -> Axes:
        """Draw the largest weights with their intervals."""
        from promolab import plots

        shown = self.frame.head(most)
        ax = plots.intervals(
            shown["name"].tolist(),
            shown["weight"],
            shown["ci_low"],
            shown["ci_high"],
            reference=0.0,
            ax=ax,
        )
        return plots.finish(
            ax,
            title=self.summary().rstrip("."),
            subtitle=f"the {len(shown)} largest weights, 95 % intervals, pulled towards 0; "
            f"{plural(self.n, 'contact')}",
            xlabel="change of the log odds per standard deviation",
        )


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
    if model.kind == "tree":
        from promolab.explain.rules import tree_rules

        return tree_rules(model)
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
    group = table["weight"].where(gap)
    size = group.groupby(group).transform("size")
    several = size > 1
    name = table["name"].mask(several, size.map("not known: {:.0f} features, each".format))
    return table.assign(name=name)[~several | ~group.duplicated()]


def _named(feature: str, source: str) -> str:
    # The indicator of a gap: a weight for those of whom the figure is not known.
    if feature == f"{source} = missing":
        return f"{label(source)}: not known"
    return feature.replace(source, label(source), 1)
