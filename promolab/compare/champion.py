"""A method that serves is replaced only by one that is better out of time, beyond noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from promolab.compare.leaderboard import Leaderboard, compare_models
from promolab.errors import InputError
from promolab.model import ResponseModel
from promolab.results import Estimate, Result, words_of

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
        told = [
            (k, v) for k, v in self.options.items() if k != "seed" and isinstance(v, (int, float))
        ]
        options = [{"name": name, "value": f"{value:g}"} for name, value in sorted(told)]
        facts = {"kind": self.kind, "options": options, "features": self.features}
        return words_of(__name__, "Method", **facts).say("told")

    def make(self) -> ResponseModel:
        """Return a new model of it."""
        return ResponseModel(self.kind, columns=list(self.features), **self.options)


@dataclass(frozen=True)
class Replacement(Result):
    """Whether a week goes on with the method that served the last one (`challenge_champion`).

    Parameters
    ----------
    decision : {"champion", "kept", "replaced"}
        ``champion``: there was none before.
    why : str
        Why, as a code; `summary` says it.
    champion, challenger : str
        The method that served, empty where there is none, and the one preferred this week.
    since : str
        The week that the champion is from.
    absent : int
        Features of the champion that are not there any more.
    error : str
        Why they could not be compared.
    difference : Estimate
        Log-loss of the challenger less that of the champion on past promotions, each predicted from
        those over before it; paired, by customer; nan where nothing was compared.
    board : Leaderboard or None
        The comparison.
    """

    decision: str
    why: str
    champion: str = ""
    challenger: str = ""
    since: str = ""
    absent: int = 0
    error: str = ""
    difference: Estimate = NO_GAP
    board: Leaderboard | None = field(default=None, repr=False)

    @property
    def reason(self) -> str:
        """Why, in a sentence."""
        return self.summary()

    def to_dict(self) -> dict[str, Any]:
        """Return decision, reason, both methods and their difference."""
        told = super().to_dict()
        if self.board is not None and "auc" in self.board.metrics:
            told["auc_difference"] = self.board.difference(_NEW, "auc").to_dict()
        return told


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
        return Replacement(FIRST, "first", "", challenger.words)
    told = partial(Replacement, champion=champion.words, challenger=challenger.words, since=since)
    if champion == challenger:
        return told(KEPT, "same")
    if insisted:
        return told(REPLACED, "insisted")
    absent = len([name for name in champion.features if name not in pairs.columns])
    if absent:
        return told(REPLACED, "absent", absent=absent)
    try:
        makers = {_OLD: champion.make, _NEW: challenger.make}
        everything = sorted({*champion.features, *challenger.features})
        board = compare_models(pairs, makers, columns=everything, metric="log_loss", seed=seed)
    except InputError as error:
        return told(KEPT, "failed", error=str(error))
    gap = board.difference(_NEW)
    decision = REPLACED if gap.ci_high < 0 else KEPT
    return told(decision, f"compared.{gap.side}", difference=gap, board=board)
