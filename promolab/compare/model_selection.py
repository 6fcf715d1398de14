"""Which features and which method a week uses: what they would have done so far decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from promolab.checks import choice, real_number, whole_number
from promolab.compare.champion import FIRST, KEPT, Method, Replacement, challenge_champion
from promolab.compare.cross_validation import pair_features
from promolab.compare.leaderboard import Leaderboard, compare_models
from promolab.errors import InputError
from promolab.features import response_features
from promolab.model import ResponseModel
from promolab.model.learners import KINDS
from promolab.results import Result
from promolab.wording import count, number

if TYPE_CHECKING:
    import pandas as pd

    from promolab.compare.search_result import SearchResult


RECOMMENDED = "recommended"
FEATURES = ("auto", "chosen", "all")
L2 = {"chosen": 30.0, "all": 100.0}
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
    board: Leaderboard | None = field(default=None, repr=False)


@dataclass(frozen=True)
class MethodChoice(Result):
    """Which response model a week uses.

    Parameters
    ----------
    kind : str
        One of `promolab.model.learners.KINDS`.
    options : mapping
        Its options.
    features : FeatureChoice
        What it is given.
    board : Leaderboard or None
        The comparison, where one was made.
    search : SearchResult or None
        The search for the options, where one was made.
    why : str
        Why this one, in a sentence.
    no_board, no_search : str
        Why there is no comparison, and no search; empty where there is one.
    replacement : Replacement or None
        Whether it replaces the method that served before; None where there is nothing to learn.
    """

    kind: str
    options: Mapping[str, Any]
    features: FeatureChoice
    board: Leaderboard | None = field(repr=False)
    search: SearchResult | None = field(repr=False)
    why: str
    no_board: str = ""
    no_search: str = ""
    replacement: Replacement | None = field(default=None, repr=False)

    @property
    def method(self) -> Method:
        """What is used, to be held against another."""
        return Method(self.kind, dict(self.options), tuple(self.features.columns))

    def make(self) -> ResponseModel:
        """Return a new model of the kind chosen."""
        return ResponseModel(self.kind, **self.options)

    def summary(self) -> str:
        """Say which method is used and what it is given, and why."""
        told = self.replacement
        kept = f" {told.summary()}" if told is not None and told.decision != FIRST else ""
        return f"{self.why} What it is given: {self.features.why}{kept}"

    def to_dict(self) -> dict[str, Any]:
        """Return what ``metrics.json`` keeps of the choice."""
        kept: dict[str, Any] = {
            "model": self.kind,
            "options": dict(self.options),
            "features": self.features.columns,
            "features_why": self.features.why,
        }
        found = {"methods": self.board, "search": self.search, "decision": self.replacement}
        return kept | {name: one.to_dict() for name, one in found.items() if one is not None}


def listed(models: str, model: str = RECOMMENDED) -> list[str]:
    """Return the methods named between commas, from the simplest to the most involved.

    Examples
    --------
    >>> listed("boosting, logistic")
    ['logistic', 'boosting']
    """
    asked = [choice("models", name.strip(), KINDS) for name in models.split(",") if name.strip()]
    choice("model", model, [*KINDS, RECOMMENDED])
    return [kind for kind in KINDS if kind in asked]


def choose_method(
    pairs: pd.DataFrame,
    model: str = "logistic",
    models: str = "",
    *,
    features: str = "auto",
    l2: float = 0.0,
    trials: int = 0,
    champion: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> MethodChoice:
    """Compare the methods asked for on past promotions, and say which one a week uses.

    Parameters
    ----------
    pairs : DataFrame
        `promolab.build_pairs` at the decision.
    model : str
        A method, or ``recommended``: the simplest within noise of the best of ``models``.
    models : str
        Methods to compare, between commas; none where it is empty.
    features : {"auto", "chosen", "all"}
        Which features they are given (`choose_features`).
    l2 : float
        Penalty of ``logistic``; 0 for the one that suits the number of features.
    trials : int
        Trials of a search for the options of the method used; 0 for none.
    champion : mapping, optional
        The method that served so far, as `MethodChoice.to_dict` keeps it (model, options, features;
        and its week): it is used again unless what is chosen here predicts past promotions better
        beyond noise (`challenge_champion`), or a method, features or a penalty were asked for.
    seed : int
        Start of every random number.

    Returns
    -------
    MethodChoice
        ``make()`` makes a new model, ``features.columns`` names what it is given.

    Raises
    ------
    InputError
        A method or a way to choose features that is none; the nearest is named.
    """
    asked, given = listed(models, model), choose_features(pairs, features)
    insisted = bool(l2) or features != FEATURES[0] or model not in (KINDS[0], RECOMMENDED)
    # A penalty that was asked for stays; the usual one may be searched for.
    fixed = {"l2": l2} if l2 else {}
    l2 = l2 or L2[given.which]
    board, failed = _compared(pairs, asked, given.columns, l2, seed) if asked else (None, "")
    taken = board.recommended if board else ""
    kind = model if model != RECOMMENDED else taken or KINDS[0]
    reason = (
        "as asked for"
        if model != RECOMMENDED
        else "which the comparison recommends"
        if taken
        else "the simplest: nothing is recommended while an alarm stands"
        if board
        else "the simplest: nothing was compared"
    )
    why = f"{failed} The list is ranked by the method {kind}, {reason}.".lstrip()
    options, search = _options(kind, l2, seed), None
    no_search = (
        f"The options of {kind} are the usual ones; -p search_trials=30 searches for better ones "
        "on past promotions."
    )
    if trials:
        fixed = fixed if kind == "logistic" else {}
        search, no_search = _searched(pairs, kind, given.columns, trials, seed, fixed)
        options = {**options, **search.best} if search else options
    no_board = failed or "No methods were compared."
    if not given.columns:
        no_board = "There are no past contacts on which methods could be compared."
        no_search = "There is nothing to search options on either."
    chosen = MethodChoice(
        kind, options, given, board, search, why, "" if board else no_board, no_search
    )
    return _against(pairs, chosen, champion, insisted, seed) if given.columns else chosen


def _against(
    pairs: pd.DataFrame,
    chosen: MethodChoice,
    champion: Mapping[str, Any] | None,
    insisted: bool,
    seed: int,
) -> MethodChoice:
    """Return the choice, or the method that served before where it is not better than that."""
    told = champion or {}
    before, since = Method.of(told) if told else None, str(told.get("week", ""))
    found = challenge_champion(
        pairs, before, chosen.method, since=since, insisted=insisted, seed=seed
    )
    if before is None or found.decision != KEPT or before == chosen.method:
        return replace(chosen, replacement=found)
    names = list(before.features)
    given = FeatureChoice("kept", names, f"the {count(len(names))} of {since or 'before'}.")
    why = f"The list is ranked by the method {before.kind}, kept from {since or 'before'}."
    return replace(
        chosen, kind=before.kind, options=before.options, features=given, why=why, replacement=found
    )


def _options(kind: str, l2: float, seed: int) -> dict[str, Any]:
    return {"l2": l2} if kind == "logistic" else {"seed": seed}


def _compared(
    pairs: pd.DataFrame, asked: list[str], columns: list[str], l2: float, seed: int
) -> tuple[Leaderboard | None, str]:
    makers = {kind: partial(ResponseModel, kind, **_options(kind, l2, seed)) for kind in asked}
    try:
        return compare_models(pairs, makers, columns=columns, seed=seed), ""
    except InputError as error:
        return None, f"The methods could not be compared: {error}."


def _searched(
    pairs: pd.DataFrame,
    kind: str,
    columns: list[str],
    trials: int,
    seed: int,
    fixed: Mapping[str, Any],
) -> tuple[SearchResult | None, str]:
    from promolab.compare.search import search_options

    try:
        found = search_options(pairs, kind, columns=columns, trials=trials, fixed=fixed, seed=seed)
    except InputError as error:
        return None, f"No better options could be searched for: {error}."
    return found, ""


def check_methods(parameters: Mapping[str, Any]) -> None:
    """Refuse methods and options that no model can have, before anything is run.

    Raises
    ------
    InputError
        If one is none, or out of its range.
    """
    listed(str(parameters.get("models", "")), str(parameters.get("model", RECOMMENDED)))
    if parameters.get("l2"):
        real_number("l2", parameters["l2"], above=0)
    choice("features", parameters.get("features", FEATURES[0]), FEATURES)
    whole_number("search_trials", parameters.get("search_trials", 0), 0, hint=" trials")


def choose_features(pairs: pd.DataFrame, which: str = "auto") -> FeatureChoice:
    """Say which features a week's model is given, by what they would have done so far.

    Parameters
    ----------
    pairs : DataFrame
        `promolab.build_pairs` at the decision.
    which : {"auto", "chosen", "all"}
        ``chosen`` (`promolab.features.response_features`), ``all``, or ``auto``: the chosen ones,
        unless all features predicted past promotions, each from those over before it, better than
        noise explains (log-loss, paired).

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
    choice("features", which, FEATURES)
    everything, few = pair_features(pairs), response_features(pairs)
    if few is None:
        why = f"All {len(everything)} features: the shop lacks some of the usual few."
        return FeatureChoice("all", everything, why)
    found = {"chosen": few, "all": everything}
    if which != "auto":
        why = f"{len(found[which])} features ({which}), as asked for."
        return FeatureChoice(which, found[which], why)
    makers = {name: partial(ResponseModel, l2=L2[name], columns=c) for name, c in found.items()}
    try:
        board = compare_models(pairs, makers, metric="log_loss")
    except InputError as error:
        why = f"The usual {len(few)} features; whether all {len(everything)} do better cannot be "
        return FeatureChoice("chosen", few, f"{why}told: {error}.")
    gain = board.difference("all")
    change = number(gain.value, gain.ci_low, gain.ci_high, decimals=3)
    taken = board.recommend()
    told = (
        f"with all {len(everything)}, the log-loss of past promotions changes by {change} (less is "
        "better)"
    )
    why = f"{len(found[taken])} features ({taken}); {told}."
    return FeatureChoice(taken, found[taken], why, board)
