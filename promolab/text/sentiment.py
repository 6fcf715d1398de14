"""How satisfied the words of a review sound, learned from the shop's own stars."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import columns_there, level_of, seed_of
from promolab.errors import InputError
from promolab.metrics import roc
from promolab.results import Estimate, Result
from promolab.stats import dealt
from promolab.text.ratings import SATISFIED, Satisfaction, read_reviews, satisfaction
from promolab.text.tokens import keys_of, script_of
from promolab.threads import single_threaded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from promolab.contract import Shop

UNSATISFIED = 2
"""Stars, of five, up to which a customer counts as not satisfied."""
FEWEST_LABELS, LEAST_AUC = 300, 0.80
"""Different texts with stars, and the lower end of the AUC, from which on words give scores."""
MOST_LABELS = 10_000
"""Of more texts with stars the newest are learned from."""
EARLIER, FOLDS = 0.7, 5
"""Share of the texts, by time, that the test learns from; parts of the cross-fitting."""
PENALTY = 10.0
"""Inverse strength of the ridge penalty: of 1, 3, 10 and 30 the best on three sets of reviews."""
FAMILIAR = 0.5
"""Share of a text's words that must be known for it to be given a score."""
OPPOSITE = 0.9
"""A score from which on, with two stars or less, stars speak against words; and the reverse."""


@dataclass(frozen=True)
class Sentiment(Result):
    """How well words tell satisfied customers from others; made by `Feedback.fit`.

    Parameters
    ----------
    frame : DataFrame
        A row for each script (``signs``, as in Chinese; ``letters``): script, labels (different
        texts with 1, 2, 4 or 5 stars), bad (share of them with 1 or 2), tested (later ones), auc
        with its interval, why (``few``, ``alike``, ``untested``, ``weak``; empty where scores are
        given).
    reviews, wordless, repeated, opposite : int
        Reviews read; those without a word; those whose text came before; those whose stars say the
        opposite of their words.
    """

    frame: pd.DataFrame = field(repr=False)
    reviews: int = 0
    wordless: int = 0
    repeated: int = 0
    opposite: int = 0

    def __bool__(self) -> bool:
        return bool((self.frame["why"] == "").any())

    def facts(self) -> dict[str, Any]:
        """Return what is asked of each script."""
        aucs = self.frame[["script", "auc", "auc_low", "auc_high"]].to_numpy()
        return {
            "auc": {script: Estimate.of(ends) for script, *ends in aucs},
            "scripts": self.frame,
            "nothing": self.frame.empty,
            "fewest": FEWEST_LABELS,
            "least": LEAST_AUC,
        }


@dataclass(frozen=True)
class _Scorer:
    """Models of one script, each fitted without a part of the texts with stars."""

    words: Any
    models: list[Any]
    own: pd.Series  # of each text learned from, the score of the model that did not see it
    vocabulary: frozenset[str]

    def scores(self, keys: pd.Series) -> np.ndarray:
        """Return the chance of a good review by text; nan where its words are mostly unknown."""
        known = [np.mean([w in self.vocabulary for w in key.split()]) >= FAMILIAR for key in keys]
        X = self.words.transform(keys)
        mean = np.mean([_good(model, X) for model in self.models], axis=0)
        own = self.own.reindex(keys).to_numpy()
        return np.where(np.isnan(own), np.where(known, mean, np.nan), own)


class Feedback:
    """Satisfaction as customers' words tell it, learned from reviews that have stars as well.

    Parameters
    ----------
    seed : int
        Deals texts to the parts of the cross-fitting.
    level : float
        Of the intervals.

    Attributes
    ----------
    quality_ : Sentiment
        How well it tells satisfied customers from others on later reviews, or why it does not.

    Notes
    -----
    A logistic regression with a ridge penalty on the words and pairs of words of a text, weighted
    by tf–idf (sublinear), for each script. Four and five stars are told from one and two. Equal
    texts (digits and marks aside) are one, with the label that most of them have, before anything
    is split; tested is on texts that were first written after those learned from. A text that was
    learned from is scored by a model that did not see it.

    References
    ----------
    Wang & Manning (2012), ACL, on pairs of words; Zrnic & Candès (2024), PNAS 121(15), on
    cross-fitting.

    Examples
    --------
    >>> n, rng = 1_200, np.random.default_rng(0)
    >>> rating = rng.choice([1, 2, 4, 5], n)
    >>> said = np.where(rating > 3, rng.choice(["lovely", "great"], n), "poor")
    >>> what = rng.choice([*"abcdefghijklmnopqrstuvwxyz"], (n, 2))
    >>> texts = [f"{word} lamp {a} for room {b}" for word, (a, b) in zip(said, what)]
    >>> when = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(n), "h")
    >>> reviews = pd.DataFrame({"customer_id": range(n), "ts": when, "rating": rating})
    >>> feedback = Feedback().fit(reviews.assign(text=texts))
    >>> feedback.score(["a great room", "poor lamp", "👍", "schöne Lampe"]).round(1).tolist()
    [1.0, 0.0, nan, nan]
    """

    def __init__(self, *, seed: int = 0, level: float = 0.95) -> None:
        self.seed, self.level = seed_of(seed), level_of(level)

    def fit(self, reviews: pd.DataFrame) -> Feedback:
        """Learn from reviews that have both stars and words.

        Parameters
        ----------
        reviews : DataFrame of n rows
            customer_id, ts, rating (1–5 stars, or missing), text; as `read_reviews` gives them.

        Returns
        -------
        Feedback
            Itself. Under 300 different texts with stars, or where the lower end of the AUC on later
            reviews is under 0.80, it gives no scores; ``quality_`` says why.

        Raises
        ------
        InputError
            A column is missing, or stars are not numbers from 1 to 5.
        """
        columns_there(reviews, ("customer_id", "ts", "rating", "text"), "reviews")
        rows = reviews[["customer_id", "ts", "rating", "text"]].reset_index(drop=True)
        rows["rating"] = stars = pd.to_numeric(rows["rating"], errors="coerce")
        wrong = reviews["rating"].notna().to_numpy() & ~stars.between(1, 5).to_numpy()
        if wrong.any():
            raise InputError(
                f"rating holds {reviews['rating'].to_numpy()[wrong][0]}; expected stars from 1 "
                "to 5, or nothing: bring other scales to five stars first"
            )
        rows["key"] = keys_of(rows["text"])
        rows = rows.sort_values(["ts", "key"], kind="stable", ignore_index=True)
        self.until_ = pd.to_datetime(rows["ts"]).max()
        there = rows[rows["key"] != ""]
        labelled = there[there["rating"].notna() & (there["rating"] != 3)]
        labelled = labelled.assign(good=labelled["rating"] >= SATISFIED)
        labelled = labelled[labelled["good"] | (labelled["rating"] <= UNSATISFIED)]
        script = labelled["key"].map(script_of)
        self._scorers: dict[str, _Scorer] = {}
        told = []
        for name in sorted(set(there["key"].map(script_of))):
            row, scorer = self._learned(labelled[script == name])
            told.append({"script": name, **row})
            if scorer is not None:
                self._scorers[name] = scorer
        columns = ["script", "labels", "bad", "tested", "auc", "auc_low", "auc_high", "why"]
        score = self._scores(labelled["key"]) if len(labelled) else np.empty(0)
        against = np.where(labelled["good"], 1 - score, score) >= OPPOSITE
        self.quality_ = Sentiment(
            pd.DataFrame(told, columns=columns),
            len(rows),
            len(rows) - len(there),
            int(there["key"].duplicated().sum()),
            int(against.sum()),
        )
        return self

    def _learned(self, rows: pd.DataFrame) -> tuple[dict[str, Any], _Scorer | None]:
        """Return how well one script's words tell, and what scores them if it is well enough."""
        texts = _different(rows)
        row: dict[str, Any] = {"labels": len(texts), "tested": 0, "why": ""}
        row |= {"bad": float(1 - texts["good"].mean()) if len(texts) else np.nan}
        auc = Estimate(np.nan)
        if len(texts) < FEWEST_LABELS:
            row["why"] = "few"
        elif texts["good"].nunique() < 2:
            row["why"] = "alike"
        else:
            cut = texts["ts"].sort_values(ignore_index=True)[int(EARLIER * len(texts))]
            before = _different(rows[rows["ts"] < cut]).tail(MOST_LABELS)
            later = texts[(texts["ts"] >= cut) & ~texts["key"].isin(before["key"])]
            if min(before["good"].nunique(), later["good"].nunique()) < 2:
                row["why"] = "untested"
            else:
                words, X = _words(before["key"])
                score = _good(_model(X, before["good"]), words.transform(later["key"]))
                auc = roc(later["good"], score, later["customer_id"], self.level).estimate
                row |= {"tested": len(later), "why": "" if auc.ci_low >= LEAST_AUC else "weak"}
        row |= dict(zip(("auc", "auc_low", "auc_high"), auc.ends, strict=True))
        if row["why"]:
            return row, None
        texts = texts.tail(MOST_LABELS)
        fold, good = dealt(texts["key"], FOLDS, self.seed)[0], texts["good"].to_numpy()
        words, X = _words(texts["key"])
        models = [_model(X[fold != each], good[fold != each]) for each in range(FOLDS)]
        own = np.full(len(texts), np.nan)
        for each, model in enumerate(models):
            own[fold == each] = _good(model, X[fold == each])
        known = frozenset(w for w in words.vocabulary_ if " " not in w)
        return row, _Scorer(words, models, pd.Series(own, index=texts["key"]), known)

    def score(self, texts: Iterable[Any]) -> np.ndarray:
        """Return the chance that a text goes with four or five stars rather than one or two.

        Parameters
        ----------
        texts : iterable of str, shape (n,)

        Returns
        -------
        ndarray of shape (n,)
            nan where there are no scores: none are given at all, a text has no words, or most of
            them were not seen in training, as in another language.

        Raises
        ------
        InputError
            It is not fitted.
        """
        if not hasattr(self, "quality_"):
            raise InputError("the Feedback is not fitted; call fit(reviews) first")
        return self._scores(keys_of(texts))

    def _scores(self, keys: pd.Series) -> np.ndarray:
        codes, different = pd.factorize(keys)
        keys, found = pd.Series(different, dtype=object), np.full(len(different), np.nan)
        script = keys.map(script_of).to_numpy() if len(keys) else np.empty(0)
        for name, scorer in self._scorers.items():
            mine = (script == name) & (keys != "").to_numpy()
            if mine.any():
                found[mine] = scorer.scores(keys[mine])
        return found[codes]

    def by_promotion(
        self, shop: Shop, as_of: datetime, segments: pd.DataFrame | None = None
    ) -> Satisfaction:
        """Tell how satisfied customers are, by promotion and segment: stars, and words beside them.

        Parameters
        ----------
        shop : Shop
            With reviews.
        as_of : datetime
            Nothing at or after it is read (UTC without a zone).
        segments : DataFrame, optional
            customer_id, segment.

        Returns
        -------
        Satisfaction
            Stars where they are given, scores only of reviews without, and the mean corrected by
            the reviews that have both (prediction-powered inference). Without scores it is the
            stars alone. False, with the reason, where nothing was rated.

        Raises
        ------
        InputError
            It is not fitted, or was fitted on reviews of a time that ``as_of`` does not know.
        """
        reviews = read_reviews(shop, as_of)
        scores = self.score(reviews["text"])
        if self.until_ >= pd.Timestamp(as_of):
            raise InputError(
                f"the Feedback was fitted on reviews up to {self.until_}, which nobody knew at "
                f"{as_of}; fit it on read_reviews(shop, as_of)"
            )
        rated = shop.has("reviews", "rating")
        return satisfaction(
            reviews.assign(score=scores), segments, self.level,
            shop=shop.settings.name, sentiment=self.quality_, known=rated,
        )  # fmt: skip


def _different(rows: pd.DataFrame) -> pd.DataFrame:
    """Return each text once, in the order of time, with the label that it has most often."""
    by = rows.groupby("key", sort=False)
    found = by.agg(ts=("ts", "min"), customer_id=("customer_id", "first"), share=("good", "mean"))
    found = found[found["share"] != 0.5].assign(good=lambda r: r["share"] > 0.5)
    return found.reset_index().sort_values(["ts", "key"], ignore_index=True)


def _words(keys: pd.Series) -> tuple[Any, Any]:
    """Return what weighs words and pairs of words, and the weights of these texts."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(
        tokenizer=str.split, token_pattern=None, lowercase=False,
        ngram_range=(1, 2), sublinear_tf=True, dtype=np.float32,
    )  # fmt: skip
    return words, words.fit_transform(keys)


def _model(X: Any, good: Any) -> Any:
    from sklearn.linear_model import LogisticRegression

    with single_threaded("blas"):
        return LogisticRegression(C=PENALTY, max_iter=500).fit(X, good)


def _good(model: Any, X: Any) -> np.ndarray:
    return np.asarray(model.predict_proba(X)[:, 1])
