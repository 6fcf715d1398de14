"""Which response model a week uses: methods compared, one chosen, its options searched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from promolab.campaign.outlook import kinds_of
from promolab.errors import InputError, nearest
from promolab.model import ResponseModel
from promolab.model.learners import KINDS
from promolab.report.pages.feature_choice import (
    FEATURES,
    FeatureChoice,
    check_features,
    choose_features,
)
from promolab.wording import answer_to

if TYPE_CHECKING:
    import pandas as pd

    from promolab.compare import Leaderboard, SearchResult

__all__ = ["RECOMMENDED", "ModelChoice", "check_methods", "choose_model", "listed", "recorded"]

RECOMMENDED = "recommended"


@dataclass(frozen=True)
class ModelChoice:
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
    no_search : str
        Why a search that was asked for could not be made; empty where there is none.
    """

    kind: str
    options: Mapping[str, Any]
    features: FeatureChoice
    board: Leaderboard | None = field(repr=False)
    search: SearchResult | None = field(repr=False)
    why: str
    no_search: str = ""

    def make(self) -> ResponseModel:
        """Return a new model of the kind chosen."""
        return ResponseModel(self.kind, **self.options)


def listed(models: str, model: str = RECOMMENDED) -> list[str]:
    """Return the methods named in a parameter, from the simplest to the most involved.

    Raises
    ------
    InputError
        One of them, or ``model``, is no method; the nearest is named.

    Examples
    --------
    >>> listed("boosting, logistic")
    ['logistic', 'boosting']
    """
    asked = [name.strip() for name in models.split(",") if name.strip()]
    for name in asked:
        if name not in KINDS:
            raise InputError(f"models: {name!r} is no method; {nearest(name, KINDS)}")
    if model not in (*KINDS, RECOMMENDED):
        known = [*KINDS, RECOMMENDED]
        raise InputError(f"model = {model!r} is no method; {nearest(model, known)}")
    return [kind for kind in KINDS if kind in asked]


def choose_model(
    pairs: pd.DataFrame,
    model: str = "logistic",
    models: str = "",
    *,
    features: str = "auto",
    l2: float = 0.0,
    trials: int = 0,
    seed: int = 0,
) -> ModelChoice:
    """Compare the methods asked for on past promotions, and say which one the week uses.

    Parameters
    ----------
    pairs : DataFrame
        `promolab.build_pairs` at the decision.
    model : str
        A method, or ``recommended``: the simplest within noise of the best of ``models``.
    models : str
        Methods to compare, between commas; none where it is empty.
    features : str
        Which features they are given (`choose_features`).
    l2 : float
        Penalty of ``logistic``; 0 for the one that suits the number of features.
    trials : int
        Trials of a search for the options of the method used; 0 for none.
    seed : int
        Start of every random number.

    Returns
    -------
    ModelChoice
    """
    asked, given = listed(models, model), choose_features(pairs, features)
    # A penalty that was asked for stays; the usual one may be searched for.
    fixed = {"l2": l2} if l2 else {}
    l2 = l2 or given.l2
    board, failed = _compared(pairs, asked, given.columns, l2, seed) if asked else (None, "")
    kind = model if model != RECOMMENDED else (board.recommended if board else KINDS[0])
    reason = (
        "as asked for"
        if model != RECOMMENDED
        else "which the comparison recommends"
        if board
        else "the simplest: nothing was compared"
    )
    why = f"{failed} The list is ranked by the method {kind}, {reason}.".lstrip()
    options, search, no_search = _options(kind, l2, seed), None, ""
    if trials:
        fixed = fixed if kind == "logistic" else {}
        search, no_search = _searched(pairs, kind, given.columns, trials, seed, fixed)
        options = {**options, **search.best} if search else options
    return ModelChoice(kind, options, given, board, search, why, no_search)


def _options(kind: str, l2: float, seed: int) -> dict[str, Any]:
    return {"l2": l2} if kind == "logistic" else {"seed": seed}


def _compared(
    pairs: pd.DataFrame, asked: list[str], columns: list[str], l2: float, seed: int
) -> tuple[Leaderboard | None, str]:
    from promolab.compare import compare_models

    makers: dict[str, Callable[[], ResponseModel]] = {
        kind: partial(ResponseModel, kind, **_options(kind, l2, seed)) for kind in asked
    }
    try:
        board = compare_models(pairs, makers, columns=columns, seed=seed)
        return replace(board, outcome=answer_to(kinds_of(pairs)).past), ""
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
    from promolab.compare import search_options

    try:
        found = search_options(pairs, kind, columns=columns, trials=trials, fixed=fixed, seed=seed)
    except InputError as error:
        return None, f"No better options could be searched for: {error}."
    return found, ""


def recorded(choice: ModelChoice) -> dict[str, Any]:
    """Return what ``metrics.json`` keeps of the choice."""
    kept: dict[str, Any] = {
        "model": choice.kind,
        "options": dict(choice.options),
        "features": choice.features.columns,
        "features_why": choice.features.why,
    }
    if choice.board is not None:
        kept["methods"] = choice.board.to_dict()
    if choice.search is not None:
        kept["search"] = choice.search.to_dict()
    return kept


def check_methods(parameters: Mapping[str, Any]) -> None:
    """Refuse methods and options that no model can have, before anything is run.

    Raises
    ------
    InputError
        If one is none, or out of its range.
    """
    listed(str(parameters.get("models", "")), str(parameters.get("model", RECOMMENDED)))
    if parameters.get("l2"):
        ResponseModel(l2=float(parameters["l2"]))
    check_features(parameters.get("features", FEATURES[0]))
    trials = parameters.get("search_trials", 0)
    if int(trials) < 0:
        raise InputError(f"search_trials = {trials}; expected 0 or more trials")
