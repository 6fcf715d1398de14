"""Which features and which method a week uses: what they would have done so far decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from promolab.checks import choice, real_number, whole_number
from promolab.compare.cross_validation import MOST_SHOWN, drawn_rows, pair_features
from promolab.compare.leaderboard import Leaderboard, compare_models
from promolab.errors import InputError
from promolab.features import response_features, vector_columns
from promolab.model import ResponseModel
from promolab.model.learners import KINDS
from promolab.results import Estimate, Result, words_of

if TYPE_CHECKING:
    import pandas as pd

    from promolab.compare.search import SearchResult


FIRST, KEPT, REPLACED = "champion", "kept", "replaced"
_OLD, _NEW = "champion", "challenger"
NO_GAP = Estimate(float("nan"))
RECOMMENDED = "recommended"
FEATURES = ("auto", "chosen", "all")
L2 = {"chosen": 30.0, "all": 100.0}
"""Penalties of ``logistic``: many features need a stronger one."""


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


@dataclass(frozen=True)
class FeatureChoice(Result):
    """The features of a week's model.

    Parameters
    ----------
    which : str
        ``chosen``, ``all`` or, where those of before are used again, ``kept``.
    columns : list of str
        Their names.
    reason : {"lacking", "asked", "unknown", "compared", "kept"}
        Why these, as a code; `why` says it.
    among : int
        How many there are.
    error : str
        Why they could not be compared.
    since : str
        The week whose features are kept.
    board : Leaderboard or None
        The comparison behind ``auto``.
    weighed : Leaderboard or None
        The week's method without vectors of what is shown and said, and with those of each kind.
    not_weighed : str
        Why they could not be compared; empty where there are none, too.
    """

    which: str
    columns: list[str] = field(repr=False)
    reason: str
    among: int = 0
    error: str = ""
    since: str = ""
    board: Leaderboard | None = field(default=None, repr=False)
    weighed: Leaderboard | None = field(default=None, repr=False)
    not_weighed: str = ""

    @property
    def why(self) -> str:
        """Why these, in a sentence."""
        return self.summary()

    def facts(self) -> dict[str, Any]:
        """Return what all features change, and vectors of each kind, where that was compared."""
        board, used = self.weighed, vector_columns(self.columns)
        kinds = {k: board.difference(k) for k in board.models[1:]} if board else {}
        rows = [{"kind": k, "change": gap, "used": k in used} for k, gap in kinds.items()]
        return {"gain": self.board.difference("all") if self.board else None, "vectors": rows}


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
    reason : {"asked", "recommended", "alarm", "nothing", "kept"}
        Why this one, as a code; `why` says it.
    not_compared, not_searched : str
        Why there is no comparison and no search, where they were asked for.
    replacement : Replacement or None
        Whether it replaces the method that served before; None where there is nothing to learn.
    """

    kind: str
    options: Mapping[str, Any]
    features: FeatureChoice
    board: Leaderboard | None = field(repr=False)
    search: SearchResult | None = field(repr=False)
    reason: str
    not_compared: str = ""
    not_searched: str = ""
    replacement: Replacement | None = field(default=None, repr=False)

    @property
    def method(self) -> Method:
        """What is used, to be held against another."""
        return Method(self.kind, dict(self.options), tuple(self.features.columns))

    @property
    def why(self) -> str:
        """Why this one, in a sentence."""
        return self.say("used")

    def no_board(self) -> str:
        """Why there is no comparison; empty where there is one."""
        return "" if self.board else self.say("no_board")

    def no_search(self) -> str:
        """Why there is no search; empty where there is one."""
        return "" if self.search else self.say("no_search")

    def make(self) -> ResponseModel:
        """Return a new model of the kind chosen."""
        return ResponseModel(self.kind, **self.options)

    def facts(self) -> dict[str, Any]:
        """Return why there is no comparison and no search, as codes."""
        none = "" if self.features.columns else "contacts"
        told = self.replacement
        return {
            "unlike": told.reason if told is not None and told.decision != FIRST else "",
            "board_state": none or ("failed" if self.not_compared else "none"),
            "search_state": "failed" if self.not_searched else "none",
            "given_why": self.features.why,
            "columns": self.features.columns,
            "since": self.features.since,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return what ``metrics.json`` keeps of the choice."""
        found = {"methods": self.board, "search": self.search, "decision": self.replacement}
        made = {name: one.to_dict() for name, one in found.items() if one is not None}
        return super().to_dict() | made


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
        Methods to compare, between commas; none where it is empty. Where that is only shown, and
        there are more than 200,000 contacts, on those of customers drawn.
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
    makers = {kind: partial(ResponseModel, kind, **_options(kind, l2, seed)) for kind in asked}
    told: dict[str, Any] = {"columns": given.columns, "seed": seed}
    # Where it chooses nothing, some of very many customers show as much.
    many = model != RECOMMENDED and len(pairs) > MOST_SHOWN
    some = pairs[drawn_rows(pairs["customer_id"], seed, MOST_SHOWN)] if many else pairs
    board, failed = _tried(compare_models, some, makers, **told) if asked else (None, "")
    if board and many:
        board = replace(board, among=len(pairs))
    taken = board.recommended if board else ""
    kind = model if model != RECOMMENDED else taken or KINDS[0]
    if model != RECOMMENDED:
        reason = "asked"
    else:
        reason = "recommended" if taken else "alarm" if board else "nothing"
    options, search, not_searched = _options(kind, l2, seed), None, ""
    if trials:
        fixed = fixed if kind == "logistic" else {}
        from promolab.compare.search import search_options

        told |= {"trials": trials, "fixed": fixed}
        search, not_searched = _tried(search_options, pairs, kind, **told)
        options = {**options, **search.best} if search else options
    chosen = MethodChoice(kind, options, given, board, search, reason, failed, not_searched)
    chosen = _against(pairs, chosen, champion, insisted, seed) if given.columns else chosen
    return _weighed(pairs, chosen)


def _plain(columns: Iterable[str]) -> list[str]:
    """Return the columns that are no vectors."""
    return [name for name in columns if not vector_columns([name])]


def _weighed(pairs: pd.DataFrame, chosen: MethodChoice) -> MethodChoice:
    """Return the choice with the kinds of vectors with which it predicts better beyond noise.

    By the log-loss of past promotions, each from those over before it: paired, and after Holm.
    """
    given, found = chosen.features, vector_columns(pairs.columns)
    if not found or not given.columns:
        return chosen
    named = {kind: [*given.columns, *names] for kind, names in {"none": [], **found}.items()}
    makers = {k: replace(chosen.method, features=tuple(c)).make for k, c in named.items()}
    board, error = _tried(compare_models, pairs, makers, metric="log_loss")
    apart = board.facts()["apart"] if board else []
    better = [name for k in apart if board.difference(k).side == "below" for name in found[k]]
    told = {"columns": [*given.columns, *better], "weighed": board, "not_weighed": error}
    return replace(chosen, features=replace(given, **told))


def _against(
    pairs: pd.DataFrame,
    chosen: MethodChoice,
    champion: Mapping[str, Any] | None,
    insisted: bool,
    seed: int,
) -> MethodChoice:
    """Return the choice, or the method that served before where it is not better than that."""
    told = champion or {}
    plain = {"features": _plain(told.get("features", ()))}  # vectors are weighed anew each week
    before, since = Method.of({**told, **plain}) if told else None, str(told.get("week", ""))
    found = challenge_champion(
        pairs, before, chosen.method, since=since, insisted=insisted, seed=seed
    )
    if before is None or found.decision != KEPT or before == chosen.method:
        return replace(chosen, replacement=found)
    given = FeatureChoice("kept", list(before.features), "kept", since=since)
    served: dict[str, Any] = {"kind": before.kind, "options": before.options, "features": given}
    return replace(chosen, **served, reason="kept", replacement=found)


def _options(kind: str, l2: float, seed: int) -> dict[str, Any]:
    return {"l2": l2} if kind == "logistic" else {"seed": seed}


def _tried(compare: Callable[..., Any], *of: Any, **given: Any) -> tuple[Any, str]:
    """Return what a comparison found, or None and why there is none."""
    try:
        return compare(*of, **given), ""
    except InputError as error:
        return None, str(error)


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
    everything, few = _plain(pair_features(pairs)), response_features(pairs)
    n = len(everything)
    if few is None:
        return FeatureChoice("all", everything, "lacking", n)
    found = {"chosen": few, "all": everything}
    if which != "auto":
        return FeatureChoice(which, found[which], "asked", n)
    makers = {name: partial(ResponseModel, l2=L2[name], columns=c) for name, c in found.items()}
    board, error = _tried(compare_models, pairs, makers, metric="log_loss")
    if board is None:
        return FeatureChoice("chosen", few, "unknown", n, error)
    taken = board.recommend()
    return FeatureChoice(taken, found[taken], "compared", n, board=board)


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
    makers = {_OLD: champion.make, _NEW: challenger.make}
    given = {"columns": sorted({*champion.features, *challenger.features}), "seed": seed}
    board, error = _tried(compare_models, pairs, makers, metric="log_loss", **given)
    if board is None:
        return told(KEPT, "failed", error=error)
    gap = board.difference(_NEW)
    decision = REPLACED if gap.ci_high < 0 else KEPT
    return told(decision, f"compared.{gap.side}", difference=gap, board=board)
