"""Two stages: candidates of several methods, ranked by what an earlier month bore out."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sparse

from promolab.errors import DataError
from promolab.model import ResponseModel
from promolab.recommend.factors import Als
from promolab.recommend.items import Ease, ItemNeighbours
from promolab.recommend.method import HALF_LIFE, PARTS, Method, Profiles, largest
from promolab.recommend.personal import Popularity, Tifu
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
        parts = _Parts(then, early, seed)
        X, y = self._lesson(past, then, parts, early.rows(drawn))
        if y.all() or not y.any():
            raise DataError(
                f"kind='hybrid' learns which of {plural(len(y), 'candidate')} were bought in the "
                f"last {AHEAD_DAYS} days, and {'all' if len(y) and y.all() else 'none'} of them "
                "were; take kind='tifu'"
            )
        self._ranker = ResponseModel("boosting", seed=seed).fit(X, y, known=True)
        self._parts = _Parts(past, whole, seed)

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

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what was learned, as arrays of numbers."""
        with tempfile.TemporaryDirectory() as folder:
            told = self._ranker.save(Path(folder) / "ranker").read_bytes()
        found = {"ranker": np.frombuffer(told, dtype=np.uint8)}
        return found | self._parts.arrays()

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Take back what `arrays` gave."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "ranker"
            file.write_bytes(arrays["ranker"].tobytes())
            self._ranker = ResponseModel.load(file)
        self._parts = _Parts.restored(arrays)


def _batches(n: int) -> list[slice]:
    return [slice(low, low + 256) for low in range(0, n, 256)]


class _Parts:
    """The methods whose candidates are ranked, and what is known of each candidate."""

    def __init__(self, past: Purchases, whole: Profiles, seed: int) -> None:
        linear = Ease() if min(past.shape) <= SOLVED else Als()
        self.by: dict[str, Method] = {
            "tifu": Tifu(),
            "linear": linear,
            "near": ItemNeighbours(),
            "popularity": Popularity(),
        }
        for method in self.by.values():
            method.fit(past, whole, seed)
        rows = pd.DataFrame({"c": past.customer, "p": past.product, "age": past.age})
        own = rows.groupby(["c", "p"])["age"].agg(["size", "min", "max"]).reset_index()
        at = (own["c"].to_numpy(), own["p"].to_numpy())
        self.last = sparse.csr_matrix((own["min"] + 1.0, at), past.shape)
        self.span = sparse.csr_matrix((own["max"] - own["min"] + 1.0, at), past.shape)
        # How often a product is bought again at all.
        more = own.assign(more=own["size"] > 1).groupby("p")["more"].mean()
        self.again = more.reindex(range(past.shape[1]), fill_value=0.0).to_numpy(float)

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
        for name, held in (("last", self.last), ("span", self.span)):
            values = np.asarray(held[np.maximum(place, 0), product]).ravel()
            table[name] = np.where(known & (values > 0), values - 1, np.nan)
        gap = table["span"] / np.maximum(table["orders"] - 1, 1)
        table["late"] = table["last"] / np.where(gap > 0, gap, np.nan)
        table["again"] = self.again[product]
        table["breadth"] = np.diff(some.counted.indptr)[row]
        table["activity"] = np.asarray(some.decayed.sum(axis=1)).ravel()[row]
        return row, product, pd.DataFrame(table)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what was learned, by method."""
        found = {f"{name}.{key}": array for name, method in self.by.items()
                 for key, array in method.arrays().items()}  # fmt: skip
        for name, held in (("last", self.last), ("span", self.span)):
            found |= {f"{name}.{k}": getattr(held, k) for k in PARTS}
        found["shape"] = np.array(self.last.shape)
        return found | {"again": self.again}

    @classmethod
    def restored(cls, arrays: dict[str, np.ndarray]) -> _Parts:
        """Take back what `arrays` gave."""
        made = cls.__new__(cls)
        linear: Method = Ease() if "linear.inverse_" in arrays else Als()
        made.by = {"tifu": Tifu(), "linear": linear, "near": ItemNeighbours(),
                   "popularity": Popularity()}  # fmt: skip
        for name, method in made.by.items():
            start = f"{name}."
            method.restore({k[len(start) :]: a for k, a in arrays.items() if k.startswith(start)})
        shape = tuple(int(n) for n in arrays["shape"])
        for name in ("last", "span"):
            parts = tuple(arrays[f"{name}.{k}"] for k in PARTS)
            setattr(made, name, sparse.csr_matrix(parts, shape=shape))
        made.again = arrays["again"]
        return made
