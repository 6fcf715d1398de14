"""What making a model smaller brought, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from promolab.results import Estimate, Result
from promolab.wording import number, plural

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from promolab.model.response import ResponseModel

__all__ = ["Shrunk"]


@dataclass(frozen=True)
class Shrunk(Result):
    """A smaller model, or the original where none stayed within the loss allowed.

    Parameters
    ----------
    model : ResponseModel
        The smallest candidate whose loss is shown to be within ``most_loss``, else the original.
    met : bool
        Whether there was one.
    how : str
        What was done, in words.
    most_loss : float
        Rise of the mean log-loss that was allowed, in nats.
    table : DataFrame
        A row for the original and each candidate tried, the smallest first: ``what, bytes, numbers,
        rows_per_second, log_loss, rise, rise_low, rise_high, auc, within``. ``bytes`` are those of
        the saved file; ``numbers`` weights of networks and nodes of trees. ``rise`` is the paired
        difference to the original on the rows checked, with its interval clustered by customer; of
        several outcomes, that of the one that lost most.
    n, clusters : int
        Rows checked, and the independent units among them; none was tuned on.
    level : float
        Confidence level.
    """

    model: ResponseModel = field(repr=False)
    met: bool
    how: str
    most_loss: float
    table: pd.DataFrame = field(repr=False)
    n: int
    clusters: int
    level: float

    @property
    def rise(self) -> Estimate:
        """By how much the log-loss of ``model`` is above the original's."""
        row = self._row(self.how)
        return Estimate(row["rise"], row["rise_low"], row["rise_high"], self.n)

    @property
    def times_smaller(self) -> float:
        """Bytes of the original's file by those of the new one's."""
        return float(self._row("original")["bytes"] / self._row(self.how)["bytes"])

    @property
    def times_faster(self) -> float:
        """Rows scored per second, new by original."""
        speeds = [self._row(what)["rows_per_second"] for what in (self.how, "original")]
        return float(speeds[0] / speeds[1])

    def _row(self, what: str) -> pd.Series:
        return self.table[self.table["what"] == what].iloc[0]

    def to_frame(self) -> pd.DataFrame:
        """Return the original and each candidate."""
        return self.table

    def summary(self) -> str:
        """Say what was gained and what it cost."""
        before, after = self._row("original"), self._row(self.how)
        if not self.met:
            tried = len(self.table) - 1
            return (
                f"The model stays as it is: none of {tried} smaller ones was shown to raise the "
                f"log-loss by {self.most_loss:g} or less ({plural(self.n, 'row')}). Allow more, or "
                "give more rows."
            )
        rise = number(after["rise"], after["rise_low"], after["rise_high"], decimals=4)
        return (
            f"{self.how[0].upper()}{self.how[1:]}: {self.times_smaller:,.1f} times smaller "
            f"({size_in_words(before['bytes'])} to {size_in_words(after['bytes'])}), "
            f"{self.times_faster:,.1f} times as fast. Log-loss {before['log_loss']:.4f} to "
            f"{after['log_loss']:.4f}, difference {rise}, {self.most_loss:g} allowed; AUC "
            f"{before['auc']:.3f} to {after['auc']:.3f} ({plural(self.n, 'row')})."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the rise of the loss with its interval for each candidate, against the allowance."""
        from promolab import plots

        tried = self.table[self.table["what"] != "original"]
        ax = plots.intervals(
            tried["what"].tolist(),
            tried["rise"],
            tried["rise_low"],
            tried["rise_high"],
            text=[size_in_words(size) for size in tried["bytes"]],
            ax=ax,
        )
        plots.reference_line(ax, "vertical", self.most_loss, "allowed")
        title = (
            f"{self.how}: {self.times_smaller:,.1f} times smaller, for no more loss than allowed"
            if self.met
            else "No smaller model is shown to lose no more than allowed"
        )
        return plots.finish(
            ax,
            title=title[0].upper() + title[1:],
            subtitle=f"rise of the log-loss and {100 * self.level:.0f} % interval, size of the "
            f"file; {plural(self.n, 'row')}, {plural(self.clusters, 'independent unit')}",
            xlabel="log-loss, smaller model − original (nats)",
        )


def size_in_words(size: float) -> str:
    """Return a number of bytes with the unit that fits.

    Examples
    --------
    >>> size_in_words(21_500), size_in_words(3_400_000)
    ('22 kB', '3.4 MB')
    """
    return f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{max(size / 1e3, 1):,.0f} kB"
