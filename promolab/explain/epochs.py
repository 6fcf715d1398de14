"""The learning curve of a network by epoch: what it knew of rows it learned from, and of others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from promolab.errors import InputError, nearest
from promolab.model.neural import History
from promolab.results import Result
from promolab.wording import count, plural

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from promolab.model import ResponseModel


@dataclass(frozen=True)
class LearningByEpoch(Result):
    """Log-loss after each epoch, and the epoch that was best.

    Parameters
    ----------
    kind, outcome : str
        The model's kind, and what it predicts.
    learning, held_out : tuple of float
        Mean log-loss after each epoch, of rows learned from and of the held-out slice (empty if
        there was none).
    kept : int
        The epoch, counted from 1, whose weights the model has or, with ``refit``, for as many of
        which it learned from all rows.
    rows_learning, rows_held_out : int
        Rows learned from, and held out.
    how : str
        What the slice is, or why there is none.
    """

    kind: str
    outcome: str
    learning: tuple[float, ...]
    held_out: tuple[float, ...]
    kept: int
    rows_learning: int
    rows_held_out: int
    how: str

    @property
    def epochs(self) -> int:
        """Epochs that were run."""
        return len(self.learning)

    def to_frame(self) -> pd.DataFrame:
        """Return a row per epoch: epoch, learning, held_out (nan without a slice), kept."""
        import pandas as pd

        epochs = range(1, self.epochs + 1)
        frame = pd.DataFrame({"epoch": epochs, "learning": self.learning})
        frame["held_out"] = self.held_out if self.held_out else float("nan")
        return frame.assign(kept=frame["epoch"] == self.kept)

    def summary(self) -> str:
        """Say which epoch was kept and why, and how far apart the two losses are there."""
        told = self.learning[self.kept - 1]
        if not self.held_out:
            return (
                f"All {plural(self.epochs, 'epoch')} were used: {self.how}. Log-loss {told:.3f} on "
                f"{plural(self.rows_learning, 'row')} learned from."
            )
        unseen = self.held_out[self.kept - 1]
        ran_out = self.kept == self.epochs
        after = (
            "it was still falling, and more epochs might help"
            if ran_out
            else f"the {self.epochs - self.kept} after it brought nothing"
        )
        return (
            f"Epoch {self.kept} of {self.epochs} was kept: {after}. Log-loss {unseen:.3f} on "
            f"{count(self.rows_held_out)} held-out rows ({self.how}), {told:.3f} on those learned "
            "from."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw both curves; the epoch kept is marked."""
        from matplotlib.ticker import MaxNLocator

        from promolab import plots

        epochs = range(1, self.epochs + 1)
        ax = plots.curve(epochs, self.learning, label="learned from", linestyle="--", ax=ax)
        title = f"All {plural(self.epochs, 'epoch')} were used"
        if self.held_out:
            plots.curve(epochs, self.held_out, label="held out", ax=ax)
            colour = str(ax.get_lines()[-1].get_color())
            plots.points([self.kept], [self.held_out[self.kept - 1]], colour=colour, ax=ax)
            plots.reference_line(ax, "vertical", self.kept, "kept")
            title = f"On rows held out, epoch {self.kept} was best"
            title += (
                ", the last" if self.kept == self.epochs else ": later ones only learn by heart"
            )
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        slice_of = (
            f"{count(self.rows_held_out)} held out ({self.how})" if self.held_out else self.how
        )
        return plots.finish(
            ax,
            title=title,
            subtitle=f"log-loss of {self.outcome} after each epoch; {count(self.rows_learning)} "
            f"rows learned from, {slice_of}",
            xlabel="epoch",
            ylabel="log-loss (nats)",
        )


def learning_by_epoch(model: ResponseModel, outcome: str | None = None) -> LearningByEpoch:
    """Return how a fitted network learned.

    Parameters
    ----------
    model : ResponseModel
        Fitted, of a kind that learns by epochs: ``mlp``, ``multitask``.
    outcome : str, optional
        Which outcome, where each has a network of its own; by default the first.

    Raises
    ------
    InputError
        The model has no epochs, or no such outcome.

    Examples
    --------
    >>> import pandas as pd
    >>> from promolab.model import ResponseModel
    >>> X, y = pd.DataFrame({"orders": range(60)}), [0, 1, 0] * 10 + [1, 1, 0] * 10
    >>> model = ResponseModel("mlp", epochs=3, device="cpu").fit(X, y)
    >>> learning_by_epoch(model).to_frame().columns.tolist()
    ['epoch', 'learning', 'held_out', 'kept']
    """
    model._require_fit()
    outcomes = list(model.outcomes_)
    if outcome is not None and outcome not in outcomes:
        raise InputError(f"outcome={outcome!r} is none; {nearest(str(outcome), outcomes)}")
    place = 0 if outcome is None else outcomes.index(outcome)
    together = len(model.learners_) == 1 and len(outcomes) > 1
    learner = model.learners_[0 if together else place]
    history = getattr(learner, "history", None)
    if not isinstance(history, History):
        raise InputError(f"a {model.kind} model does not learn by epochs; mlp and multitask do")
    name = " and ".join(outcomes) if together else outcomes[place]
    return LearningByEpoch(model.kind, name, **history.to_dict())
