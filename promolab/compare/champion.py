"""A method that serves is replaced only by one that is better out of time, beyond noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from promolab.compare.leaderboard import Leaderboard, compare_models
from promolab.errors import InputError
from promolab.model import ResponseModel
from promolab.results import Estimate, Result
from promolab.wording import number, plural

if TYPE_CHECKING:
    import pandas as pd


FIRST, KEPT, REPLACED = "champion", "kept", "replaced"
_OLD, _NEW = "champion", "challenger"
NO_GAP = Estimate(float("nan"))


@dataclass(frozen=True)
class Method:
    """A way to predict: a kind of model, its options, and what it is given.

    Parameters
    ----------
    kind : str
        One of `promolab.model.learners.KINDS`.
    options : mapping
    features : tuple of str
    """

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    features: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Method:
        """Make it from what ``metrics.json`` keeps of a choice: model, options and features."""
        return cls(str(told["model"]), dict(told["options"]), tuple(told["features"]))

    @property
    def words(self) -> str:
        """What it is, in words."""
        told = [f"{name} {value:g}" for name, value in _named(self.options)]
        options = f" ({', '.join(told)})" if told else ""
        return f"{self.kind}{options} on {plural(len(self.features), 'feature')}"

    def make(self) -> ResponseModel:
        """Return a new model of it."""
        return ResponseModel(self.kind, columns=list(self.features), **self.options)


def _named(options: Mapping[str, Any]) -> list[tuple[str, float]]:
    return sorted((k, v) for k, v in options.items() if k != "seed" and isinstance(v, (int, float)))


@dataclass(frozen=True)
class Replacement(Result):
    """Whether a week goes on with the method that served the last one (`challenge_champion`).

    Parameters
    ----------
    decision : {"champion", "kept", "replaced"}
        ``champion``: there was none before.
    reason : str
        Why, in a sentence.
    champion, challenger : str
        The method that served, empty where there is none, and the one preferred this week.
    difference : Estimate
        Log-loss of the challenger less that of the champion on past promotions, each predicted from
        those over before it; paired, by customer; nan where nothing was compared.
    board : Leaderboard or None
        The comparison.
    """

    decision: str
    reason: str
    champion: str = ""
    challenger: str = ""
    difference: Estimate = NO_GAP
    board: Leaderboard | None = field(default=None, repr=False)

    ALT = "How much better the challenger predicts than the method that served."

    def to_dict(self) -> dict[str, Any]:
        """Return decision, reason, both methods and their difference."""
        told = super().to_dict()
        told.pop("board", None)
        if self.board is not None and "auc" in self.board.metrics:
            told["auc_difference"] = self.board.difference(_NEW, "auc").to_dict()
        return told

    def summary(self) -> str:
        """Return the reason."""
        return self.reason


def challenge_champion(
    pairs: pd.DataFrame,
    champion: Method | None,
    challenger: Method,
    *,
    since: str = "",
    insisted: bool = False,
    seed: int = 0,
) -> Replacement:
    """Compare the method preferred now with the one that served, both refitted on what is known.

    Parameters
    ----------
    pairs : DataFrame
        `promolab.build_pairs` at the decision.
    champion : Method or None
        What the last good week used.
    challenger : Method
        What this week's selection prefers.
    since : str
        The week that the champion is from.
    insisted : bool
        The challenger was asked for by name: it is used, whatever a comparison would say.
    seed : int

    Returns
    -------
    Replacement
        ``replaced`` if the challenger's log-loss on past promotions is lower beyond noise (the
        paired 95 % interval, clustered by customer, lies below 0), or if the champion cannot be
        used any more; else ``kept``.
    """
    if champion is None:
        why = f"No earlier week has a method to keep: {challenger.words} is the first champion."
        return Replacement(FIRST, why, "", challenger.words)
    told = partial(Replacement, champion=champion.words, challenger=challenger.words)
    of = f"{champion.words}, as in {since}" if since else champion.words
    if champion == challenger:
        return told(KEPT, f"The method is kept: {of}; this week's selection prefers it too.")
    if insisted:
        return told(REPLACED, f"{challenger.words} as asked for, in place of {of}.")
    absent = [name for name in champion.features if name not in pairs.columns]
    if absent:
        why = f"{challenger.words} replaces {of}: {plural(len(absent), 'feature')} of it"
        return told(REPLACED, f"{why} {'is' if len(absent) == 1 else 'are'} not there any more.")
    try:
        makers = {_OLD: champion.make, _NEW: challenger.make}
        everything = sorted({*champion.features, *challenger.features})
        board = compare_models(pairs, makers, columns=everything, metric="log_loss", seed=seed)
    except InputError as error:
        why = f"The method is kept: {of}; {challenger.words} could not be held against it: {error}."
        return told(KEPT, why)
    gap = board.difference(_NEW)
    change = number(*gap.ends, decimals=4)
    n = plural(len(board.rows), "past contact")
    if gap.ci_high < 0:
        why = (
            f"{challenger.words} replaces {of}: on {n}, each predicted out of time, the log-loss "
            f"changes by {change}, better beyond noise."
        )
        return told(REPLACED, why, difference=gap, board=board)
    verdict = "worse" if gap.ci_low > 0 else "not better beyond noise"
    why = (
        f"The method is kept: {of}. This week's selection prefers {challenger.words}: on {n}, each "
        f"predicted out of time, that changes the log-loss by {change}, {verdict}."
    )
    return told(KEPT, why, difference=gap, board=board)
