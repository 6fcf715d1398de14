"""Predictions of rows that a model had not seen, over a set of folds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from promolab.checks import whole_number
from promolab.contract import TIME_NAMES
from promolab.errors import InputError
from promolab.model import ResponseModel
from promolab.model.inputs import (
    BLOCKS,
    KEYS,
    Fold,
    Folds,
    check_columns,
    check_time,
    customer_folds,
    feature_columns,
    known_labels,
    promotion_folds,
    time_folds,
    unseen_expected,
)
from promolab.model.learners import learner_class
from promolab.wording import answer_to

LABELS = ("redeemed", "purchased")
MOST_SHOWN = 200_000
"""Contacts from which what a page only shows is learned, at most: of more, customers are drawn."""


def pair_features(pairs: pd.DataFrame, outcome: str = "redeemed") -> list[str]:
    """Return the columns of pairs that can be features: all but ids, times and labels.

    Labels are ``outcome``, those of `promolab.build_pairs` and those of `promolab.load_labelled`,
    which its frame remembers as ``attrs["outcomes"]``: another outcome of the same contact is no
    more known beforehand than the one to predict.

    Examples
    --------
    >>> pairs = pd.DataFrame(columns=["customer_id", "orders", "starts_at", "redeemed"])
    >>> pair_features(pairs)
    ['orders']
    """
    out = {*LABELS, *KEYS, *TIME_NAMES, *pairs.attrs.get("outcomes", ()), outcome}
    return sorted(
        str(c)
        for c in pairs.columns
        if c not in out
        and not str(c).endswith("_id")
        and not pd.api.types.is_datetime64_any_dtype(pairs[c].dtype)
    )


def known_outcome(frame: pd.DataFrame, outcome: str | None) -> str:
    """Return the outcome asked for; else the one that the frame knows, or ``redeemed``.

    Raises
    ------
    InputError
        The frame knows several.
    """
    found = list(getattr(frame, "attrs", {}).get("outcomes", LABELS[:1]))
    if outcome is None and len(found) > 1:
        raise InputError(f"the frame has the outcomes {', '.join(found)}; say which: outcome=…")
    return found[0] if outcome is None else outcome


def outcome_words(pairs: pd.DataFrame, outcome: str) -> str:
    """Return what customers did, in words: of pairs of a shop by the kinds of its promotions.

    Examples
    --------
    >>> outcome_words(pd.DataFrame({"promotion_kind": ["recommendation"]}), "redeemed")
    'bought'
    """
    if outcome != LABELS[0] or "promotion_kind" not in pairs:
        return outcome
    return answer_to(pairs["promotion_kind"].dropna().astype(str).unique()).past


@dataclass(frozen=True)
class Setting:
    """A table with its labels and the folds that models are compared on.

    Parameters
    ----------
    frame : DataFrame, shape (n, …)
    outcome : str
    features : list of str
    labels : ndarray of float, shape (n,)
        nan where not known.
    folds : Folds
    times : ndarray, shape (n,), optional
        Moment of each row.
    promotions : DataFrame, optional
        `promotion_table`, where each promotion is predicted from those over before it.
    """

    frame: pd.DataFrame = field(repr=False)
    outcome: str
    features: list[str]
    labels: np.ndarray = field(repr=False)
    folds: Folds
    times: np.ndarray | None = field(repr=False)
    promotions: pd.DataFrame | None = field(repr=False)

    @property
    def basis(self) -> str:
        """What is predicted from others: ``promotions``, blocks of ``time``, ``customers``."""
        if self.promotions is not None:
            return "promotions"
        return "customers" if self.times is None else "time"

    def column(self, name: str) -> np.ndarray | None:
        """Return a column's values, or None where there is no such column."""
        return self.frame[name].to_numpy() if name in self.frame.columns else None


def make_setting(
    frame: pd.DataFrame,
    outcome: str,
    columns: Iterable[str] | None = None,
    *,
    time: str | None = None,
    folds: int | None = None,
    min_positives: int = 20,
    min_promotions: int = 1,
    seed: int = 0,
) -> Setting:
    """Choose the folds that a table allows.

    With promotions that have a start and an end: each from those over before it. Else with a column
    of times: blocks of time. Else folds of whole customers (of rows without ``customer_id``).

    Parameters
    ----------
    frame : DataFrame
        Pairs (`build_pairs`) or a labelled table (`load_labelled`).
    outcome : str
        Label column.
    columns : iterable of str, optional
        Features; by default `pair_features`.
    time : str, optional
        Column of the moment of each row, of a table without promotions.
    folds : int, optional
        At most this many; by default one per start, or five.
    min_positives, min_promotions : int
        What training rows need.
    seed : int
        Deals customers out to folds.

    Raises
    ------
    InputError
        A column is missing; a label is neither 0 nor 1.
    """
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"the pairs are a {type(frame).__name__}; give a pandas DataFrame")
    if folds is not None:
        whole_number("folds", folds, 2)
    if time is None and {"promotion_id", "starts_at", "ends_at"} <= set(frame.columns):
        return promotion_setting(
            frame,
            outcome,
            columns,
            folds=folds,
            min_positives=min_positives,
            min_promotions=min_promotions,
        )
    return _plain_setting(frame, outcome, columns, time, folds or BLOCKS, min_positives, seed)


def promotion_setting(
    pairs: pd.DataFrame,
    outcome: str,
    columns: Iterable[str] | None = None,
    *,
    folds: int | None = None,
    min_positives: int = 20,
    min_promotions: int = 1,
) -> Setting:
    """Return the folds in which each promotion is predicted from those over before it."""
    split, labels, table = promotion_folds(
        pairs, outcome, folds=folds, min_positives=min_positives, min_promotions=min_promotions
    )
    features = chosen_features(pairs, outcome, columns)
    return Setting(pairs, outcome, features, labels, split, pairs["starts_at"].to_numpy(), table)


def _plain_setting(
    frame: pd.DataFrame,
    outcome: str,
    columns: Iterable[str] | None,
    time: str | None,
    folds: int,
    min_positives: int,
    seed: int,
) -> Setting:
    from promolab.errors import nearest

    for name in (outcome, *([time] if time else [])):
        if name not in frame.columns:
            raise InputError(
                f"the table lacks column {name!r}; {nearest(name, map(str, frame.columns))}"
            )
    known = frame[outcome].notna().to_numpy()
    if not known.all():
        frame = frame[known].reset_index(drop=True)
    labels = known_labels(frame, outcome, np.ones(len(frame), dtype=bool))
    moments = None if time is None else check_time(frame[time], len(frame))
    if moments is not None:
        split = time_folds(moments, folds)
    elif "customer_id" in frame.columns:
        split = customer_folds(frame["customer_id"], folds, seed)
    else:
        split = customer_folds(np.arange(len(frame)), folds, seed)
    least = max(min_positives, 1)
    kept = [f for f in split.parts if least <= labels[f.train].sum() < len(f.train)]
    split = Folds(tuple(kept), split.left_out)
    features = chosen_features(frame, outcome, columns, time)
    return Setting(frame, outcome, features, labels, split, moments, None)


def chosen_features(
    frame: pd.DataFrame, outcome: str, columns: Iterable[str] | None, time: str | None = None
) -> list[str]:
    """Return the features asked for, checked and sorted; by default `pair_features`."""
    names = check_columns(columns) if columns is not None else pair_features(frame, outcome)
    for name in {outcome, *frame.attrs.get("outcomes", ())} & {*names}:
        raise InputError(f"the outcome {name!r} is among the features; leave it out of columns")
    if columns is None:
        names = [name for name in names if name != time]
    return feature_columns(frame, names) if len(frame) else sorted(names)


def predict_folds(
    setting: Setting,
    make: Callable[[], Any],
    parts: Iterable[Fold] | None = None,
    done: Callable[[Fold], None] | None = None,
    refused: dict[str, str] | None = None,
) -> np.ndarray:
    """Predict every fold's test rows by a model of its training rows.

    Parameters
    ----------
    setting : Setting
    make : callable
        Makes a new model: something with ``fit(X, y)`` and ``predict_proba(X)``.
    parts : iterable of Fold, optional
        Which folds; by default all of the setting.
    done : callable, optional
        Told of each fold as it is done.
    refused : dict, optional
        Takes the name of each fold whose training rows the model refused, and why; without it the
        first such fold is an error.

    Returns
    -------
    ndarray, shape (n,)
        P(y = 1); nan where not predicted.

    Raises
    ------
    InputError
        The model refuses training rows, or has no ``predict_proba``.
    """
    p = np.full(len(setting.frame), np.nan)
    why = ""
    model: Any = None
    last: np.ndarray | None = None
    for fold in setting.folds.parts if parts is None else parts:
        if fold.train is not last:  # starts with the same past share a model
            last, model = fold.train, None
            try:
                model = fit_rows(make(), setting, fold.train)
            except InputError as error:
                if refused is None:
                    raise InputError(f"learning what predicts {fold.name}: {error}") from error
                why = str(error)
        if model is None and refused is not None:
            refused[fold.name] = why
        else:
            rows = setting.frame.iloc[fold.test][setting.features]
            with unseen_expected():
                p[fold.test] = np.asarray(model.predict_proba(rows))[:, 1]
        if done is not None:
            done(fold)
    return p


def fit_rows(model: Any, setting: Setting, rows: np.ndarray) -> Any:
    """Fit a model on some rows, told of customers, promotions and times where it can use them."""
    if not hasattr(model, "predict_proba"):
        raise InputError(
            f"a {type(model).__name__} has no predict_proba(X); give a model that predicts chances"
        )
    model = only_predicting(model)
    X, y = setting.frame.iloc[rows][setting.features], setting.labels[rows]
    if not isinstance(model, ResponseModel):
        return model.fit(X, y)
    beside = {
        "cluster": setting.column("customer_id"),
        "group": setting.column("promotion_id"),
        "time": setting.times,
    }
    given = {name: None if column is None else column[rows] for name, column in beside.items()}
    return model.fit(X, y, known=True, **given)  # whoever compares has looked at all rows once


def drawn_rows(customers: Any, seed: int, most: int) -> np.ndarray:
    """Return which rows are of so many customers, drawn, that about so many rows are left."""
    unit, names = pd.factorize(np.asarray(customers))
    place = np.random.default_rng(seed).permutation(len(names))[unit]
    return np.asarray(place * len(unit) < most * len(names))


def only_predicting(model: Any) -> Any:
    """Return an unfitted model without what it would reckon beside what it predicts."""
    from sklearn.base import clone

    if (
        not isinstance(model, ResponseModel)
        or "intervals" not in learner_class(model.kind).DEFAULTS
    ):
        return model
    return clone(model).set_params(intervals=False)


def model_maker(model: Any) -> Callable[[], Any]:
    """Return what makes new models of a kind's name, an unfitted model, or a factory.

    Raises
    ------
    InputError
        It is none of the three, or no kind of that name.
    """
    if isinstance(model, str):
        kind = model
        ResponseModel(kind)  # an unknown kind is refused here, not in the middle of the work
        return lambda: ResponseModel(kind)
    if isinstance(model, type) or (callable(model) and not hasattr(model, "fit")):
        made: Callable[[], Any] = model
        return made
    if hasattr(model, "fit") and hasattr(model, "get_params"):
        from sklearn.base import clone

        return lambda: clone(model)
    raise InputError(
        f"a model is given as {type(model).__name__}; give a kind's name, an unfitted model or "
        "something that makes one"
    )


def named_models(models: Any) -> Mapping[str, Callable[[], Any]]:
    """Return name → maker in the order given, from a mapping or a sequence of kinds."""
    if isinstance(models, str):
        models = [models]
    if isinstance(models, Mapping):
        given = dict(models)
    elif isinstance(models, Iterable):
        kinds = list(models)
        strange = [kind for kind in kinds if not isinstance(kind, str)]
        if strange:
            raise InputError(
                "a list of models names kinds; give other models as a mapping: {'name': model}"
            )
        twice = sorted({kind for kind in kinds if kinds.count(kind) > 1})
        if twice:
            raise InputError(f"the models name {', '.join(twice)} twice")
        given = {kind: kind for kind in kinds}
    else:
        raise InputError("models is neither a list of kinds nor a mapping of names to models")
    if not given:
        raise InputError("there are no models to compare; give at least one")
    return {str(name): model_maker(model) for name, model in given.items()}


@contextmanager
def progress_bar(total: int, what: str) -> Iterator[Any]:
    """Show how far long work is on stderr, where that is a terminal."""
    from tqdm import tqdm

    with tqdm(total=total, desc=what, disable=None, leave=False, delay=2.0) as bar:
        yield bar
