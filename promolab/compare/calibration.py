"""Ways of calibrating side by side: what each makes of the probabilities, out of time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.compare.backtest import run_backtest
from promolab.errors import InputError
from promolab.metrics import Calibration, Comparison, calibration, compare, ece, log_loss
from promolab.model import ResponseModel
from promolab.results import Estimate, Result, plain
from promolab.wording import count, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

__all__ = ["CalibrationComparison", "calibration_out_of_time", "compare_calibration"]

KEYS = ("starts_at", "promotion_id", "customer_id", "y")
MEASURES = ("log_loss", "ece", "slope", "intercept")
NAMES = {None: "uncalibrated", "platt": "platt", "isotonic": "isotonic", "auto": "auto"}


@dataclass(frozen=True)
class CalibrationComparison(Result):
    """Several versions of the same probabilities against what happened.

    Parameters
    ----------
    table : DataFrame
        method, then for each of log_loss, ece (what chance adds taken out), slope and intercept
        (Cox; 1 and 0 when right) the value and its ends: log_loss, log_loss_low, log_loss_high, ….
    calibrations : dict of str to Calibration
        The reliability diagram of each.
    losses : Comparison or None
        Paired differences in log-loss from the first; None where there is one version only.
    n, positives, clusters : int
        Rows, positive rows, customers.
    level : float
        Confidence level.
    """

    table: pd.DataFrame = field(repr=False)
    calibrations: dict[str, Calibration] = field(repr=False)
    losses: Comparison | None = field(repr=False)
    n: int
    positives: int
    clusters: int
    level: float

    @property
    def best(self) -> str:
        """The method with the least log-loss; of equals the first."""
        return str(self.table["method"].iloc[int(self.table["log_loss"].argmin())])

    def estimate(self, method: str, measure: str) -> Estimate:
        """Return one figure: log_loss, ece, slope or intercept of a method."""
        row = self.table[self.table["method"] == method].iloc[0]
        value, low, high = (float(row[f"{measure}{end}"]) for end in ("", "_low", "_high"))
        return Estimate(value, low, high, self.n)

    def to_frame(self) -> pd.DataFrame:
        """Return `table`."""
        return self.table

    def to_dict(self) -> dict[str, Any]:
        """Return the counts, and the figures of each method as plain values."""
        each = {
            str(name): {m: self.estimate(str(name), m).to_dict() for m in MEASURES}
            for name in self.table["method"]
        }
        return {**super().to_dict(), "best": self.best, "methods": plain(each)}

    def summary(self) -> str:
        """Say which has the least log-loss, and whether it differs from the first beyond noise."""
        best, first = self.best, str(self.table["method"].iloc[0])
        loss, slope = (
            number(e.value, e.ci_low, e.ci_high, decimals=d)
            for e, d in ((self.estimate(best, "log_loss"), 3), (self.estimate(best, "slope"), 2))
        )
        text = f"Least log-loss: {best} ({loss}; slope {slope})"
        if self.losses is not None and best != first:
            gap = self.losses.against(best)
            words = number(gap.value, gap.ci_low, gap.ci_high, decimals=4)
            sure = "" if gap.ci_high < 0 else ", which noise alone may make"
            text += f", {words} against {first}{sure}"
        return f"{text} (n = {count(self.n)}, {count(self.positives)} positive)."

    def _finding(self) -> str:
        first = str(self.table["method"].iloc[0])
        if self.losses is None or self.best == first:
            return f"Least log-loss: {self.best}"
        sure = self.losses.against(self.best).ci_high < 0
        return f"Least log-loss: {self.best}, " + (
            f"better than {first} beyond noise" if sure else f"not told apart from {first}"
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the reliability of the first version and of the others."""
        from promolab import plots

        most = 0.0
        for k, (name, one) in enumerate(self.calibrations.items()):
            bins, colour = one.bins, plots.COLOURS[k % len(plots.COLOURS)]
            ax = plots.points(
                bins["predicted"],
                bins["observed"],
                low=bins["ci_low"],
                high=bins["ci_high"],
                colour=colour,
                label=name,
                ax=ax,
            )
            plots.curve(bins["predicted"], bins["observed"], colour=colour, linestyle=":", ax=ax)
            most = max(most, float(bins["predicted"].max()), float(bins["ci_high"].max()))
        assert ax is not None
        plots.reference_line(ax, "diagonal", label="right on average")
        ax.set(xlim=(-0.02 * most, 1.05 * most), ylim=(-0.02 * most, 1.05 * most))
        return plots.finish(
            ax,
            title=self._finding(),
            subtitle=f"share of positives by predicted probability, ten bins, "
            f"{percent(self.level, decimals=0)} intervals clustered by customer · "
            f"n = {count(self.n)}",
            xlabel="predicted probability",
            ylabel="observed share",
            percent_x=True,
            percent_y=True,
        )


def compare_calibration(
    y_true: ArrayLike,
    predictions: Mapping[str, ArrayLike],
    cluster: ArrayLike | None = None,
    level: float = 0.95,
) -> CalibrationComparison:
    """Compare versions of the same probabilities: log-loss, ECE, slope and intercept.

    Parameters
    ----------
    y_true : array-like, shape (n,)
        0 or 1.
    predictions : mapping of str to array-like, shape (n,)
        Probabilities by the name of what made them, the uncalibrated first. They have to come from
        rows that neither model nor calibrator learned from (`calibration_out_of_time`).
    cluster : array-like, shape (n,), optional
        Customer of each row.
    level : float
        Confidence level.

    Raises
    ------
    InputError
        No predictions, or as `promolab.metrics.calibration`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=500)
    >>> y = rng.uniform(size=500) < 1 / (1 + np.exp(-z))
    >>> versions = {"raw": 1 / (1 + np.exp(-3 * z)), "mended": 1 / (1 + np.exp(-z))}
    >>> compare_calibration(y, versions).best
    'mended'
    """
    if not predictions:
        raise InputError("there are no predictions to compare; give {name: probabilities}")
    records, diagrams = [], {}
    for name, p in predictions.items():
        diagram = calibration(y_true, p, cluster=cluster, level=level)
        diagrams[str(name)] = diagram
        found = {
            "log_loss": log_loss(y_true, p, cluster, level).estimate,
            "ece": ece(y_true, p, cluster, level=level).estimate,
            "slope": diagram.slope,
            "intercept": diagram.intercept,
        }
        ends = {
            f"{m}{end}": value
            for m, e in found.items()
            for end, value in (("", e.value), ("_low", e.ci_low), ("_high", e.ci_high))
        }
        records.append({"method": str(name), **ends})
    one = next(iter(diagrams.values()))
    losses = None
    if len(predictions) > 1:
        scores = {str(name): np.asarray(p, dtype=float) for name, p in predictions.items()}
        losses = compare(y_true, scores, "log_loss", cluster=cluster, level=level, progress=False)
    return CalibrationComparison(
        pd.DataFrame(records), diagrams, losses, one.n, one.positives, one.clusters, level
    )


def calibration_out_of_time(
    pairs: pd.DataFrame,
    outcome: str = "redeemed",
    columns: Sequence[str] | None = None,
    model: Callable[..., ResponseModel] = ResponseModel,
    *,
    methods: Sequence[str | None] = (None, "platt", "isotonic"),
    level: float = 0.95,
) -> CalibrationComparison:
    """Backtest a model with each way of calibrating and compare their probabilities.

    Each promotion is predicted from those over before it; the calibrators are cross-fitted among
    those as well, so that they know no more than the model does.

    Parameters
    ----------
    pairs : DataFrame
        As `run_backtest` takes them.
    outcome : str
        Label column.
    columns : sequence of str, optional
        Features; by default `pair_features`.
    model : callable
        Makes a new model, given ``calibration=``.
    methods : sequence
        Ways of calibrating, None for none at all, the first to compare with.
    level : float
        Confidence level.

    Raises
    ------
    InputError
        Nothing can be predicted out of time, or a promotion's past has too few promotions to leave
        some out.
    """
    if not methods:
        raise InputError("there is no method; give some of None, platt, isotonic, auto")
    predictions: dict[str, np.ndarray] = {}
    for method in methods:

        def make(method: str | None = method) -> ResponseModel:
            return model(calibration=method)

        found = run_backtest(pairs, outcome, columns, make)
        if not len(found.rows):
            raise InputError(found.summary())
        # In the order of their keys, whatever the model; rows of equal keys are alike here.
        rows = found.rows.sort_values([*KEYS, "p"], kind="stable", ignore_index=True)
        predictions[NAMES.get(method, str(method))] = rows["p"].to_numpy()
    return compare_calibration(rows["y"], predictions, rows["customer_id"], level)
