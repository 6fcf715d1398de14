"""Two stages: candidates of several methods, ranked by what an earlier month bore out."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sparse

from promolab.errors import DataError
from promolab.model import ResponseModel
from promolab.recommend.methods import (
    HALF_LIFE,
    Als,
    Ease,
    ItemNeighbours,
    Method,
    Popularity,
    Profiles,
    Tifu,
    largest,
)
from promolab.recommend.purchases import Purchases
from promolab.wording import plural

AHEAD_DAYS = 28
"""Days of the earlier month that the ranking is learned on."""
CANDIDATES = {"tifu": 80, "linear": 60, "near": 40, "popularity": 40}
LEARNED_FROM = 3_000
"""Customers that the ranking is learned from, drawn by seed where there are more."""
SOLVED = 5_000
"""Up to so many customers or products EASE is one of the methods; beyond, ALS is."""
LAST = -1e6


class Hybrid(Method):
    """Candidates of TIFU-kNN, EASE or ALS, item-kNN and popularity, ranked by boosted trees.

    The ranking learns, from what was known four weeks before, which candidates were bought in those
    four weeks; then the methods learn anew from everything.
    """

    APART = False

    def fit(self, past: Purchases, whole: Profiles, seed: int) -> None:
        """Learn from what all customers bought."""
        then = past.before(past.as_of - timedelta(days=AHEAD_DAYS), 2)
        if not len(then.age):
            raise DataError(
                f"kind='hybrid' learns from the last {AHEAD_DAYS} days, and nothing was bought "
                "before them; take kind='tifu'"
            )
        n = past.shape[0]
        drawn = np.arange(n)
        if n > LEARNED_FROM:
            rng = np.random.default_rng(seed)
            drawn = np.sort(rng.choice(n, LEARNED_FROM, replace=False, shuffle=False))
        early = Profiles(then.decayed(HALF_LIFE), then.matrix(), np.arange(n))
        parts = _Parts(min(then.shape) <= SOLVED)
        parts.fit(then, early, seed)
        X, y = self._lesson(past, then, parts, early.rows(drawn))
        if y.all() or not y.any():
            raise DataError(
                f"kind='hybrid' learns which of {plural(len(y), 'candidate')} were bought in the "
                f"last {AHEAD_DAYS} days, and {'all' if len(y) and y.all() else 'none'} of them "
                "were; take kind='tifu'"
            )
        self._ranker = ResponseModel("boosting", seed=seed).fit(X, y, known=True)
        self._parts = _Parts(min(past.shape) <= SOLVED)
        self._parts.fit(past, whole, seed)

    def _lesson(
        self, past: Purchases, then: Purchases, parts: _Parts, some: Profiles
    ) -> tuple[pd.DataFrame, np.ndarray]:
        """Return features of candidates of then, and whether they were bought since."""
        since = past.age <= AHEAD_DAYS
        column = pd.Index(then.products).get_indexer(pd.Index(past.products))[past.product[since]]
        row = past.customer[since]
        cells = (np.ones(int((column >= 0).sum())), (row[column >= 0], column[column >= 0]))
        came = sparse.csr_matrix(cells, then.shape)
        found = [parts.candidates(some.rows(at)) for at in _batches(len(some))]
        X = pd.concat([table for _, _, table in found], ignore_index=True)
        who = np.concatenate([some.place[at][row] for at, (row, _, _) in
                              zip(_batches(len(some)), found, strict=True)])  # fmt: skip
        product = np.concatenate([column for _, column, _ in found])
        return X, (np.asarray(came[who, product]).ravel() > 0).astype(int)

    def score(self, some: Profiles) -> np.ndarray:
        """Return a score of every product for each of some customers."""
        row, product, X = self._parts.candidates(some)
        # Whoever is no candidate comes after all that are, in the order of what sells.
        found = LAST + self._parts.by["popularity"].score(some)
        if len(row):
            found[row, product] = self._ranker.predict_proba(X)[:, 1]
        return found

    def learned(self) -> dict[str, Any]:
        """Return what was learned, the ranking as its file's bytes."""
        with tempfile.TemporaryDirectory() as folder:
            told = self._ranker.save(Path(folder) / "ranker").read_bytes()
        return {"ranker": np.frombuffer(told, dtype=np.uint8), "parts": self._parts.learned()}

    def restore(self, learned: dict[str, Any]) -> None:
        """Take back what `learned` gave."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "ranker"
            file.write_bytes(learned["ranker"].tobytes())
            self._ranker = ResponseModel.load(file)
        self._parts = _Parts("inverse_" in learned["parts"]["by"]["linear"])
        self._parts.restore(learned["parts"])


def _batches(n: int) -> list[slice]:
    return [slice(low, low + 256) for low in range(0, n, 256)]


class _Parts(Method):
    """The methods whose candidates are ranked, and what is known of each candidate."""

    def __init__(self, solved: bool) -> None:
        linear = Ease() if solved else Als()
        near, sells = ItemNeighbours(), Popularity()
        self.by: dict[str, Method] = {"tifu": Tifu(), "linear": linear, "near": near}
        self.by["popularity"] = sells

    def fit(self, past: Purchases, whole: Profiles, seed: int) -> None:
        """Learn each method, and the rhythm of each customer and product."""
        for method in self.by.values():
            method.fit(past, whole, seed)
        rows = pd.DataFrame({"c": past.customer, "p": past.product, "age": past.age})
        own = rows.groupby(["c", "p"])["age"].agg(["size", "min", "max"]).reset_index()
        at = (own["c"].to_numpy(), own["p"].to_numpy())
        self.last_ = sparse.csr_matrix((own["min"] + 1.0, at), past.shape)
        self.span_ = sparse.csr_matrix((own["max"] - own["min"] + 1.0, at), past.shape)
        # How often a product is bought again at all.
        more = own.assign(more=own["size"] > 1).groupby("p")["more"].mean()
        self.again_ = more.reindex(range(past.shape[1]), fill_value=0.0).to_numpy(float)

    def candidates(self, some: Profiles) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
        """Return row and product of each candidate, and what the ranking looks at."""
        scores = {name: method.score(some) for name, method in self.by.items()}
        chosen = np.zeros(scores["tifu"].shape, dtype=bool)
        fresh = some.counted.toarray() == 0
        for name, many in CANDIDATES.items():
            held = scores[name] if name == "tifu" else np.where(fresh, scores[name], -np.inf)
            best = largest(held, many)
            row, column = np.nonzero(best >= 0)
            chosen[row, best[row, column]] = True
        row, product = np.nonzero(chosen)
        table = {name: score[row, product] for name, score in scores.items()}
        told = {"decayed": some.decayed, "orders": some.counted}
        table |= {name: np.asarray(held[row, product]).ravel() for name, held in told.items()}
        place = some.place[row]
        known = place >= 0
        for name, held in (("last", self.last_), ("span", self.span_)):
            values = np.asarray(held[np.maximum(place, 0), product]).ravel()
            table[name] = np.where(known & (values > 0), values - 1, np.nan)
        gap = table["span"] / np.maximum(table["orders"] - 1, 1)
        table["late"] = table["last"] / np.where(gap > 0, gap, np.nan)
        table["again"] = self.again_[product]
        table["breadth"] = np.diff(some.counted.indptr)[row]
        table["activity"] = np.asarray(some.decayed.sum(axis=1)).ravel()[row]
        return row, product, pd.DataFrame(table)

    def learned(self) -> dict[str, Any]:
        """Return what was learned, by method."""
        by = {name: method.learned() for name, method in self.by.items()}
        return super().learned() | {"by": by}

    def restore(self, learned: dict[str, Any]) -> None:
        """Take back what `learned` gave."""
        for name, told in learned["by"].items():
            self.by[name].restore(told)
        super().restore({name: value for name, value in learned.items() if name != "by"})
