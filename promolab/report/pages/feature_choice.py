"""Which features a week's response model is given: a few chosen ones, or all."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from promolab.campaign.outlook import DEFAULT_L2
from promolab.compare import pair_features
from promolab.errors import InputError, nearest
from promolab.features import response_features
from promolab.model import ResponseModel
from promolab.wording import number

if TYPE_CHECKING:
    import pandas as pd

    from promolab.compare import Leaderboard

__all__ = ["FEATURES", "FeatureChoice", "choose_features"]

FEATURES = ("auto", "chosen", "all")
L2 = {"chosen": 30.0, "all": DEFAULT_L2}
"""Penalties of ``logistic``: many features need a stronger one."""


@dataclass(frozen=True)
class FeatureChoice:
    """The features of a week's model.

    Parameters
    ----------
    which : str
        ``chosen`` or ``all``.
    columns : list of str
        Their names.
    why : str
        Why these, in a sentence.
    board : Leaderboard or None
        The comparison behind ``auto``.
    """

    which: str
    columns: list[str] = field(repr=False)
    why: str
    board: Leaderboard | None = field(repr=False)

    @property
    def l2(self) -> float:
        """The penalty that suits this many features."""
        return L2[self.which]


def choose_features(pairs: pd.DataFrame, which: str = "auto") -> FeatureChoice:
    """Say which features a week's model is given, by what they would have done so far.

    Parameters
    ----------
    pairs : DataFrame
        `promolab.build_pairs` at the decision.
    which : str
        ``chosen`` (`promolab.features.response_features`), ``all``, or ``auto``: the chosen ones,
        unless all features predicted past promotions, each from those over before it, better than
        noise explains (log-loss, paired).

    Returns
    -------
    FeatureChoice

    Raises
    ------
    InputError
        ``which`` is none of these.

    Examples
    --------
    >>> import pandas as pd
    >>> choose_features(pd.DataFrame({"orders": [1, 2], "redeemed": [0, 1]})).which
    'all'
    """
    check_features(which)
    everything, chosen = pair_features(pairs), response_features(pairs)
    if chosen is None:
        why = f"All {len(everything)} features: the shop lacks some of the usual few."
        return FeatureChoice("all", everything, why, None)
    found = {"chosen": chosen, "all": everything}
    if which != "auto":
        why = f"{len(found[which])} features ({which}), as asked for."
        return FeatureChoice(which, found[which], why, None)
    return _by_the_past(pairs, found)


def check_features(which: str) -> None:
    """Refuse what is none of `FEATURES`."""
    if which not in FEATURES:
        raise InputError(f"features = {which!r} is unknown; {nearest(str(which), FEATURES)}")


def _by_the_past(pairs: pd.DataFrame, found: dict[str, list[str]]) -> FeatureChoice:
    from promolab.compare import compare_models

    few, many = len(found["chosen"]), len(found["all"])
    makers = {name: partial(ResponseModel, l2=L2[name], columns=c) for name, c in found.items()}
    try:
        board = compare_models(pairs, makers, metric="log_loss")
    except InputError as error:
        why = f"The usual {few} features; whether all {many} do better cannot be told: {error}."
        return FeatureChoice("chosen", found["chosen"], why, None)
    part = board.differences
    row = part[(part["metric"] == "log_loss") & (part["model"] == "all")].iloc[0].to_dict()
    change = number(*(row[f"difference{end}"] for end in ("", "_low", "_high")), decimals=3)
    taken = board.recommended
    told = f"with all {many}, the log-loss of past promotions changes by {change} (less is better)"
    why = f"{len(found[taken])} features ({taken}); {told}."
    return FeatureChoice(taken, found[taken], why, board)
