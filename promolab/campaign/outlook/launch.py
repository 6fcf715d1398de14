"""Promotions about to start: who is likely to redeem, and how many a list will bring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, partial
from math import isfinite
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.campaign.outlook.forecasts import (
    OutlookCoverage,
    kinds_of,
    list_outlook,
    roll_outlook,
    type_of,
)
from promolab.campaign.plan.contact_records import usual_contacts
from promolab.compare import Backtest, pair_features, run_backtest, support
from promolab.contract import Shop
from promolab.errors import InputError
from promolab.features import build_candidates, build_pairs
from promolab.language import ENGLISH, language
from promolab.model import ResponseModel
from promolab.model.inputs import unseen_expected
from promolab.promotions import kinds_answered
from promolab.results import Estimate, Result, words_of
from promolab.wording import Answer, answer_to

if TYPE_CHECKING:
    from promolab.explain import Explanation


DEFAULT_L2 = 100.0
"""Penalty with all features: the middle of the range (30–300) over which nothing changes much."""
_PAIRS = ("customer_id", "promotion_id", "as_of", "starts_at", "ends_at", "redeemed", "purchased")
_OUTLOOK = ("promotion_id", "customers", "expected", "ci_low", "ci_high", "rate", "inside", "usual")
_SCORES = ("customer_id", "promotion_id", "p_redeemed", "support")


def _no_scores() -> pd.DataFrame:
    return pd.DataFrame(columns=_SCORES)


def _no_outlook() -> pd.DataFrame:
    return pd.DataFrame(columns=_OUTLOOK, dtype=float)


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
    likeliest : DataFrame
        The features behind the highest score.
    candidates : callable or None
        Takes ids of promotions, works out the features behind their scores again (an Ibis table).
    outlook : DataFrame
        `promolab.campaign.outlook.forecasts.list_outlook` of each promotion that starts.
    why : str
        What could not be done and why, else empty.
    zone : str
        The shop's.
    """

    promotions: pd.DataFrame = field(repr=False)
    pairs: pd.DataFrame = field(repr=False)
    backtest: Backtest = field(repr=False)
    model: ResponseModel | None = field(default=None, repr=False)
    scores: pd.DataFrame = field(default_factory=_no_scores, repr=False)
    likeliest: pd.DataFrame = field(default_factory=_no_scores, repr=False)
    candidates: Callable[[list[Any]], Any] | None = field(default=None, repr=False)
    outlook: pd.DataFrame = field(default_factory=_no_outlook, repr=False)
    why: str = ""
    zone: str = "UTC"

    @cached_property
    def coverage(self) -> OutlookCoverage:
        """How such outlooks did on past promotions."""
        return roll_outlook(self.backtest, self.pairs, self.zone)

    @property
    def words(self) -> Answer:
        """What customers did about past promotions, in words."""
        return answer_to(kinds_of(self.pairs))

    @property
    def trained(self) -> dict[str, Any]:
        """What the model learned from, and the share of its scores that is outside of that."""
        if self.model is None:
            return {}
        done = self.pairs[self.pairs["label_complete"]]
        told = {"contacts": len(done), "positives": int(done["redeemed"].sum())}
        told |= {f"{one}s": done[f"{one}_id"].nunique() for one in ("customer", "promotion")}
        return told | {"outside": self.facts()["new"]}

    def to_frame(self) -> pd.DataFrame:
        """Return the outlooks of all promotions, one row per promotion and list size."""
        return self.outlook

    def facts(self) -> dict[str, Any]:
        """Return what starts, and how many were scored."""
        supports = self.scores["support"].value_counts(normalize=True)
        starting = len(self.promotions)
        return {
            "state": "some" if starting else "none",
            "starting": starting,
            "ranked": self.scores["customer_id"].nunique(),
            "new": float(supports.get("new_customer", 0.0)),
            "answer": self.words,
        }

    def summary(self) -> str:
        """Say what starts and how many customers were scored."""
        if self.why:  # an error is English wherever it stands
            return self.why if language() == ENGLISH else self.say("no_model")
        return self.say("told")

    def expectations(self) -> list[str]:
        """Say for each promotion that starts how many a list of the usual size will bring."""
        return [
            self._expectation(row, mine)
            for row in self.promotions.to_dict("records")
            if len(mine := self.outlook[self.outlook["promotion_id"] == row["promotion_id"]])
        ]

    def _expectation(self, promotion: dict[Any, Any], rows: pd.DataFrame) -> str:
        row = rows.iloc[int((rows["customers"] - rows["usual"]).abs().to_numpy().argmin())]
        return self.say(
            "expectation",
            name=promotion["name"],
            answer=answer_to(promotion["kind"]),
            known=isfinite(row["expected"]),
            customers=row["customers"],
            brings=Estimate.of(row[["expected", "ci_low", "ci_high"]]),
            rate=row["rate"],
            unbounded=not isfinite(row["ci_low"]),
        )

    def explain(
        self, customer: Any = None, called: Callable[[list[Any]], Sequence[Any]] = list
    ) -> Explanation:
        """Return what makes one customer's chance differ from the average one.

        Parameters
        ----------
        customer : object, optional
            The customer's id; by default the likeliest of all.
        called : callable
            Makes names of ids: `RunFolder.pseudonym`, wherever the figure is shared.

        Raises
        ------
        InputError
            Nobody is ranked, or not this customer.
        """
        from promolab.explain import explain_row

        if self.model is None or self.scores.empty:
            raise InputError("Nobody is ranked this week, so there is no score to explain")
        row, mine = self.likeliest, self.scores[self.scores["customer_id"] == customer]
        if customer is not None and mine.empty:
            raise InputError(f"customer {customer!r} is not ranked; take one of scores.customer_id")
        if customer is not None and self.candidates is not None:
            top = _ranked(mine)["promotion_id"].tolist()
            rows = self.candidates(top)
            row = rows.filter(rows.customer_id == customer).execute()
        named = called(row["customer_id"].tolist())[0]
        who = words_of(__name__, "Launch", called=named).say("customer")
        # Against some of those whom past promotions contacted; the logistic one needs none.
        done = self.pairs[self.pairs["label_complete"]]
        past = done.sample(min(200, len(done)), random_state=0)
        return explain_row(
            self.model, row, None if self.model.kind == "logistic" else past, who=who
        )

    def meaning(self) -> str:
        """Say what the list says and what it does not."""
        return self.summary() if self.model is None else self.say("means")

    def how_sure(self) -> str:
        """Say what share of responders the top of a list holds."""
        lift = self.backtest.lift
        return self.backtest.summary() if lift is None else lift.say("told", **vars(lift.at(0.4)))


def launch_week(
    shop: Shop,
    starts_at: datetime,
    until: datetime,
    *,
    as_of: datetime | None = None,
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
        nothing, pairs = pd.DataFrame(columns=["promotion_id", "name"]), past_pairs(shop, starts_at)
        return Launch(nothing, pairs, run_backtest(pairs), why=f"No response model: {lacking}.")
    promotions = shop.promotions
    starting = promotions.filter(
        (promotions.starts_at >= starts_at) & (promotions.starts_at < until)
    )
    starting = starting.order_by("starts_at", "promotion_id").execute()
    starting["name"] = [*map(shop.promotion_name, starting["kind"], starting["promotion_id"])]
    make = model or (lambda: ResponseModel(l2=DEFAULT_L2))
    pairs = past_pairs(shop, starts_at, as_of) if pairs is None else pairs
    backtest = run_backtest(pairs, columns=columns, model=make)
    kinds = pairs[["promotion_id", "promotion_kind"]].drop_duplicates()
    names = {p: shop.promotion_name(k, p) for p, k in kinds.itertuples(index=False)}
    backtest = replace(backtest, outcome=answer_to(kinds_of(pairs)).past, names=names)
    done = pairs[pairs["label_complete"]]
    try:
        fitted = _fitted(make(), done, list(columns or pair_features(pairs)))
    except InputError as error:
        why = f"No response model yet: {error}"
        return Launch(starting, pairs, backtest, why=why, zone=shop.zone)
    if starting.empty:
        return Launch(starting, pairs, backtest, fitted, zone=shop.zone)
    candidates = partial(build_candidates, shop, as_of)
    table, parts, firsts = candidates(starting["promotion_id"].tolist()), [], {}
    for promotion in starting["promotion_id"].tolist():  # all at once would be what fills memory
        rows = table.filter(table.promotion_id == promotion).execute()
        with unseen_expected():  # what past promotions say of these, `support` tells
            chances = fitted.probability(rows)
        told = {"p_redeemed": chances, "support": support(done, rows)}
        parts.append(rows[["customer_id", "promotion_id"]].assign(**told))
        firsts[promotion] = rows.loc[_ranked(parts[-1]).index]
    del table  # the engine keeps what it was worked out from as long as it is there
    scores = pd.concat(parts, ignore_index=True)
    best = _ranked(scores)["promotion_id"].tolist()
    likeliest = firsts[best[0]] if best else _no_scores()
    answered = kinds_answered(shop, as_of)
    outlooks = [
        list_outlook(
            mine,
            backtest.past_ratios,
            list_size or usual,
            type_of(row),
            recorded=row["kind"] in answered,
        )
        for row, usual in zip(
            starting.to_dict("records"), usual_contacts(shop, as_of, starting), strict=True
        )
        if len(mine := scores[scores["promotion_id"] == row["promotion_id"]])
    ]
    outlook = pd.concat(outlooks, ignore_index=True) if outlooks else _no_outlook()
    found = starting, pairs, backtest, fitted, scores, likeliest, candidates, outlook
    return Launch(*found, zone=shop.zone)


def _ranked(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the row of the highest chance, of equal ones that of the first customer."""
    order = scores.sort_values(["p_redeemed", "customer_id"], ascending=[False, True])
    return order.head(1)


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
        where the shop lacks what response models need. Kinds of which no answer is recorded are
        left out where others' are: who took them is unknown, and not nobody.
    """
    if shop.lacks("response models"):
        return pd.DataFrame(columns=[*_PAIRS, "label_complete"])
    as_of = starts_at if as_of is None else as_of
    found: pd.DataFrame = build_pairs(shop, as_of, lead=starts_at - as_of).execute()
    silent = found["promotion_kind"].isin(_silent_kinds(found))
    return found[~silent].reset_index(drop=True)


ANSWERS_EXPECTED = 10
"""Answers that would have come, were the kind answered as others are: none is no chance."""


def _silent_kinds(pairs: pd.DataFrame) -> list[str]:
    """Return the kinds that nobody answered, and some would have, were they answered as others."""
    done = pairs[pairs["label_complete"]]
    by = done.groupby("promotion_kind")["redeemed"].agg(["size", "sum"])
    came = by["sum"] > 0
    rate = by.loc[came, "sum"].sum() / max(by.loc[came, "size"].sum(), 1)
    return by.index[~came & (by["size"] * rate >= ANSWERS_EXPECTED)].tolist()


def _fitted(model: ResponseModel, done: pd.DataFrame, columns: list[str]) -> ResponseModel:
    """Fit a model on every promotion that is over."""
    beside = {"cluster": "customer_id", "group": "promotion_id", "time": "starts_at"}
    return model.fit(
        done[columns],
        done["redeemed"],
        known=True,  # features are as of each promotion's start
        **{name: done[column].to_numpy() for name, column in beside.items()},
    )
