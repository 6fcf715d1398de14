"""Promotions about to start: who is likely to redeem, and how many a list will bring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pandas as pd

from promolab.campaign.outlook.coverage import OutlookCoverage, roll_outlook
from promolab.campaign.outlook.expected import (
    ListOutlook,
    expected_words,
    kinds_of,
    list_outlook,
    type_of,
)
from promolab.campaign.plan.rights import usual_contacts
from promolab.compare import Backtest, pair_features, run_backtest, support
from promolab.contract import Shop
from promolab.errors import InputError
from promolab.features import build_candidates, build_pairs
from promolab.model import ResponseModel
from promolab.model.inputs import unseen_expected
from promolab.results import Result
from promolab.wording import Answer, answer_to, percent, plural

__all__ = [
    "DEFAULT_L2",
    "Launch",
    "ListOutlook",
    "expected_words",
    "launch_week",
    "list_outlook",
    "past_pairs",
]

DEFAULT_L2 = 100.0
"""Penalty with all features: the middle of the range (30–300) over which nothing changes much."""
_PAIRS = ("customer_id", "promotion_id", "as_of", "starts_at", "ends_at", "redeemed", "purchased")
_SCORES = ("customer_id", "promotion_id", "p_redeemed", "support")


@dataclass(frozen=True)
class Launch(Result):
    """The response model of a week and what it says of the promotions that start.

    Parameters
    ----------
    promotions : DataFrame
        The promotions that start in the week.
    pairs : DataFrame
        `promolab.build_pairs` at ``as_of``.
    backtest : Backtest
        Each past promotion predicted from those over before it.
    model : ResponseModel or None
        Fitted on every promotion that is over; None where there is too little history.
    scores : DataFrame
        customer_id, promotion_id, p_redeemed, support: every customer with history × promotion.
    candidates : DataFrame
        The features behind the scores.
    outlooks : tuple of ListOutlook
        One per promotion that starts.
    coverage : OutlookCoverage
        How such outlooks did on past promotions.
    why : str
        What could not be done and why, else empty.
    """

    promotions: pd.DataFrame = field(repr=False)
    pairs: pd.DataFrame = field(repr=False)
    backtest: Backtest = field(repr=False)
    model: ResponseModel | None = field(repr=False)
    scores: pd.DataFrame = field(repr=False)
    candidates: pd.DataFrame = field(repr=False)
    outlooks: tuple[ListOutlook, ...]
    coverage: OutlookCoverage = field(repr=False)
    why: str = ""

    @property
    def words(self) -> Answer:
        """What customers did about past promotions, in words."""
        return answer_to(kinds_of(self.pairs))

    def to_frame(self) -> pd.DataFrame:
        """Return the outlooks of all promotions, one row per promotion and list size."""
        tables = [o.rows.assign(promotion_id=o.promotion_id, usual=o.usual) for o in self.outlooks]
        columns = ["promotion_id", "customers", "expected", "ci_low", "ci_high", "rate", "inside"]
        empty = pd.DataFrame(columns=[*columns, "usual"], dtype=float)
        return pd.concat(tables, ignore_index=True)[[*columns, "usual"]] if tables else empty

    def summary(self) -> str:
        """Say what starts and how many customers were scored."""
        if self.why:
            return self.why
        if self.promotions.empty:
            return "No promotion starts this week; there is nobody to rank."
        supports = self.scores["support"].value_counts(normalize=True)
        return (
            f"{plural(len(self.promotions), 'promotion starts', 'promotions start')} this week; "
            f"{plural(self.scores['customer_id'].nunique(), 'customer')} ranked. "
            f"{percent(float(supports.get('new_customer', 0.0)), decimals=0)} of the scores are of "
            "customers who were never contacted before: nothing tested holds for them."
        )


def launch_week(
    shop: Shop,
    starts_at: datetime,
    until: datetime,
    *,
    as_of: datetime | None = None,
    l2: float = DEFAULT_L2,
    list_size: int = 0,
    model: Callable[[], ResponseModel] | None = None,
    columns: Sequence[str] | None = None,
    pairs: pd.DataFrame | None = None,
) -> Launch:
    """Fit and test the response model, and rank the customers for what starts in a week.

    Parameters
    ----------
    shop : Shop
        Cleaned. What it lacks is said in ``why``, not raised.
    starts_at, until : datetime
        The week, UTC without a zone: promotions that start in [starts_at, until).
    as_of : datetime, optional
        When the plan is made, at the latest (and by default) when the week starts. Nothing at or
        after it is read; past promotions are predicted as long before their own start.
    l2 : float
        Penalty of the logistic model.
    list_size : int
        Customers to contact per promotion; 0 takes what past promotions of its type contacted.
    model : callable, optional
        Makes an unfitted model in place of the logistic one.
    columns : sequence of str, optional
        Features; by default all (`pair_features`).
    pairs : DataFrame, optional
        What `past_pairs` gave for the same moments, where it was needed before.

    Returns
    -------
    Launch

    Raises
    ------
    InputError
        ``as_of`` lies after the week's start.
    """
    as_of = starts_at if as_of is None else as_of
    if as_of > starts_at:
        raise InputError(f"as_of = {as_of}, after the week's start {starts_at}; plan before it")
    lacking = shop.lacks("response models")
    if lacking:
        return _without(f"No response model: {lacking}.", pd.DataFrame(columns=["promotion_id"]))
    promotions = shop.promotions
    starting = promotions.filter(
        (promotions.starts_at >= starts_at) & (promotions.starts_at < until)
    )
    starting = starting.order_by("starts_at", "promotion_id").execute()
    make = model or (lambda: ResponseModel(l2=l2))
    pairs = past_pairs(shop, starts_at, as_of) if pairs is None else pairs
    backtest = run_backtest(pairs, columns=columns, model=make)
    backtest = replace(backtest, outcome=answer_to(kinds_of(pairs)).past)
    done = pairs[pairs["label_complete"]]
    try:
        fitted = _fitted(make(), done, list(columns or pair_features(pairs)))
    except InputError as error:
        why = f"No response model yet: {error}"
        return _without(why, starting, pairs, backtest)
    if starting.empty:
        return _without("", starting, pairs, backtest, fitted)
    candidates = build_candidates(shop, as_of, starting["promotion_id"].tolist()).execute()
    with unseen_expected():  # what past promotions say of these, `support` tells
        chances = fitted.probability(candidates)
    scores = candidates[["customer_id", "promotion_id"]].assign(
        p_redeemed=chances, support=support(done, candidates)
    )
    outlooks = tuple(
        list_outlook(
            scores[scores["promotion_id"] == row["promotion_id"]],
            backtest,
            list_size or usual,
            kind=str(row["kind"]),
            type_=type_of(row),
        )
        for row, usual in zip(
            starting.to_dict("records"),
            usual_contacts(shop, as_of, starting),
            strict=True,
        )
        if (scores["promotion_id"] == row["promotion_id"]).any()
    )
    coverage = roll_outlook(backtest, pairs)
    return Launch(starting, pairs, backtest, fitted, scores, candidates, outlooks, coverage)


def past_pairs(shop: Shop, starts_at: datetime, as_of: datetime | None = None) -> pd.DataFrame:
    """Return what was known of past contacts when the plan of a week is made.

    Parameters
    ----------
    shop : Shop
        Cleaned.
    starts_at, as_of : datetime
        When the week starts and when its plan is made, as in `launch_week`.

    Returns
    -------
    DataFrame
        `promolab.build_pairs`, past promotions seen as long before their own start; without a row
        where the shop lacks what response models need.
    """
    if shop.lacks("response models"):
        return pd.DataFrame(columns=[*_PAIRS, "label_complete"])
    as_of = starts_at if as_of is None else as_of
    found: pd.DataFrame = build_pairs(shop, as_of, **_lead(starts_at - as_of)).execute()
    return found


def _fitted(model: ResponseModel, done: pd.DataFrame, columns: list[str]) -> ResponseModel:
    """Fit a model on every promotion that is over."""
    beside = {"cluster": "customer_id", "group": "promotion_id", "time": "starts_at"}
    return model.fit(
        done[columns],
        done["redeemed"],
        **{name: done[column].to_numpy() for name, column in beside.items()},
    )


def _lead(lead: timedelta) -> dict[str, timedelta]:
    return {"lead": lead} if lead else {}


def _without(
    why: str,
    starting: pd.DataFrame,
    pairs: pd.DataFrame | None = None,
    backtest: Backtest | None = None,
    model: ResponseModel | None = None,
) -> Launch:
    if pairs is None:
        pairs = pd.DataFrame(columns=[*_PAIRS, "label_complete"])
    backtest = backtest or run_backtest(pairs)
    return Launch(
        promotions=starting,
        pairs=pairs,
        backtest=backtest,
        model=model,
        scores=pd.DataFrame(columns=_SCORES),
        candidates=pd.DataFrame(columns=_SCORES),
        outlooks=(),
        coverage=roll_outlook(backtest, pairs),
        why=why,
    )
