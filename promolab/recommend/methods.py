"""Ways to score products: what sells, own orders, who is alike, what is alike, factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sparse

from promolab.errors import InputError
from promolab.recommend.purchases import Purchases
from promolab.threads import single_threaded

HALF_LIFE = 16.0
"""Weeks after which an order counts half."""
POPULAR_DAYS = 56.0
"""Days whose buyers say how popular a product is."""


@dataclass(frozen=True)
class Profiles:
    """What some customers bought.

    Parameters
    ----------
    decayed, counted : csr_matrix of shape (b, number of products)
        Orders with the product, older ones counting less; and their number.
    place : ndarray of shape (b,)
        Each one's place among the customers that were learned from; −1 for others.
    """

    decayed: sparse.csr_matrix
    counted: sparse.csr_matrix
    place: np.ndarray

    def __len__(self) -> int:
        return len(self.place)

    def rows(self, which: Any) -> Profiles:
        """Return some of them."""
        return Profiles(self.decayed[which], self.counted[which], self.place[which])


class Method:
    """One way to score products; its learned arrays and tables are attributes that end in ``_``."""

    def fit(self, past: Purchases, whole: Profiles, seed: int) -> None:
        """Learn from what all customers bought."""

    def score(self, some: Profiles) -> np.ndarray:
        """Return a score of every product for each of some customers, higher is better."""
        raise NotImplementedError

    def learned(self) -> dict[str, Any]:
        """Return what was learned as arrays, a table as its parts."""
        told = {name: value for name, value in vars(self).items() if name.endswith("_")}
        return {name: _parts(v) if sparse.issparse(v) else v for name, v in told.items()}

    def restore(self, learned: dict[str, Any]) -> None:
        """Take back what `learned` gave."""
        for name, value in learned.items():
            setattr(self, name, _table(value) if isinstance(value, tuple) else value)


def _parts(table: sparse.csr_matrix) -> tuple[Any, ...]:
    return table.data, table.indices, table.indptr, table.shape


def _table(parts: tuple[Any, ...]) -> sparse.csr_matrix:
    found = sparse.csr_matrix(parts[:3], shape=parts[3])
    found.check_format(full_check=True)
    return found


def scaled(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return a table whose rows have length 1; empty rows stay empty."""
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return sparse.csr_matrix(sparse.diags(1 / np.where(length > 0, length, 1.0)) @ matrix)


def indicator(codes: np.ndarray, values: int) -> sparse.csr_matrix:
    """Return products × values: 1 where a product has the value."""
    known = np.flatnonzero(codes >= 0)
    return sparse.csr_matrix(
        (np.ones(len(known)), (known, codes[known])), (len(codes), values), dtype=float
    )


def indicators(attributes: pd.DataFrame) -> sparse.csr_matrix:
    """Return products × values of attributes, 1 where the product has the value.

    Examples
    --------
    >>> indicators(pd.DataFrame({"brand": ["x", "y", None], "type": ["a", "a", "a"]})).toarray()
    array([[1., 0., 1.],
           [0., 1., 1.],
           [0., 0., 1.]])
    """
    parts = [sparse.csr_matrix((len(attributes), 0))]
    for name in attributes.columns:
        codes, values = pd.factorize(attributes[name])
        parts.append(indicator(codes, len(values)))
    return sparse.csr_matrix(sparse.hstack(parts))


def largest(values: np.ndarray, k: int, above: float = -np.inf) -> np.ndarray:
    """Return the places of each row's ``k`` largest values, best first, equal ones by place.

    Parameters
    ----------
    values : ndarray of shape (b, m)
        What is taken is above a bound; the other places are −1.
    k : int
        At most m.
    above : float
        The bound.

    Examples
    --------
    >>> largest(np.array([[0.5, 2.0, 0.5, -np.inf], [1.0, 1.0, 1.0, 1.0]]), 3)
    array([[1, 0, 2],
           [0, 1, 2]])
    """
    b, m = values.shape
    k = min(k, m)
    # The k-th largest of the groups' largest bounds from below the k-th largest of all: what is
    # under it need not be sorted, and finding it takes one pass.
    width = max(m // (4 * k), 1)
    many = m // width
    most = values[:, : many * width].reshape(b, width, many).max(axis=1)
    most = np.hstack([most, values[:, many * width :]])
    least = np.partition(most, most.shape[1] - k, axis=1)[:, most.shape[1] - k, None]
    least = np.maximum(least, np.nextafter(values.dtype.type(above), values.dtype.type(np.inf)))
    row, place = np.nonzero(values >= least)
    counts = np.bincount(row, minlength=b)
    within = np.arange(len(row)) - np.repeat(counts.cumsum() - counts, counts)
    width = max(int(counts.max(initial=0)), k)
    held = np.full((b, width), -np.inf, dtype=values.dtype)
    places = np.full((b, width), -1)
    held[row, within], places[row, within] = values[row, place], place
    # But for ties rows are short by now; places ascend in each, so equal values stay in order.
    best = np.argsort(-held, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(places, best, axis=1)


TINY = 1e-6
"""Weight of popularity beside own purchases: it orders what was never bought, and ties."""


class Popularity(Method):
    """How many customers bought a product in the last eight weeks."""

    def fit(self, past: Purchases, whole: Profiles, seed: int) -> None:
        """Learn from what all customers bought."""
        late = past.buyers(POPULAR_DAYS)
        buyers = late if late.any() else past.buyers(np.inf)
        self.share_ = buyers / max(past.shape[0], 1)

    def score(self, some: Profiles) -> np.ndarray:
        """Return a score of every product for each of some customers."""
        return np.tile(self.share_, (len(some), 1))


class Frequency(Popularity):
    """How often a customer ordered a product, recent orders counting more."""

    def score(self, some: Profiles) -> np.ndarray:
        """Return a score of every product for each of some customers."""
        return np.asarray(some.decayed.toarray() + TINY * self.share_)


class Tifu(Popularity):
    """Own purchases and those of the customers most alike (TIFU-kNN).

    Hu, He, Gao and Zhang (2020), Modeling personalized item frequency information for next-basket
    recommendation, SIGIR: a customer's decayed frequencies, mixed with the mean of their
    neighbours'. Decay here goes by time and not by groups of baskets, and who is alike by the angle
    between frequencies and not their distance: both ranked real households better.

    Parameters
    ----------
    neighbours : int
        Customers that count as alike.
    own : float
        Weight of a customer's own purchases.
    sample : int
        Where there are more customers, neighbours come from so many, drawn by seed.
    """

    def __init__(self, neighbours: int = 300, own: float = 0.7, sample: int = 20_000) -> None:
        self.neighbours, self.own, self.sample = neighbours, own, sample

    def fit(self, past: Purchases, whole: Profiles, seed: int) -> None:
        """Learn from what all customers bought."""
        super().fit(past, whole, seed)
        n = len(whole)
        drawn = np.arange(n)
        if n > self.sample:
            drawn = np.random.default_rng(seed).choice(n, self.sample, replace=False, shuffle=False)
        self.drawn_ = np.sort(drawn)
        self.held_ = whole.decayed[self.drawn_]
        self._turn()

    def restore(self, learned: dict[str, Any]) -> None:
        """Take back what `learned` gave."""
        super().restore(learned)
        self._turn()

    def _turn(self) -> None:
        """Lay out by product who may be a neighbour; single precision ranks angles as well."""
        self._by_product = scaled(self.held_).T.tocsr().astype(np.float32)

    def score(self, some: Profiles) -> np.ndarray:
        """Return a score of every product for each of some customers."""
        alike = self._alike(some)
        found = np.zeros(some.decayed.shape) if alike is None else (alike @ self.held_).toarray()
        row = np.repeat(np.arange(len(some)), np.diff(some.decayed.indptr))
        np.add.at(found, (row, some.decayed.indices), self.own * some.decayed.data)
        found += TINY * self.share_
        return np.asarray(found)

    def _alike(self, some: Profiles) -> sparse.csr_matrix | None:
        """Return what each neighbour counts, customers × those drawn; nobody is their own."""
        n = len(self.drawn_)
        k = min(self.neighbours, n - 1)
        if k < 1:
            return None
        near = (scaled(some.decayed).astype(np.float32) @ self._by_product).toarray()
        at = np.minimum(np.searchsorted(self.drawn_, some.place), n - 1)
        own = self.drawn_[at] == some.place
        near[own, at[own]] = 0
        which = largest(near, k, above=0)
        row, column = np.nonzero(which >= 0)
        weight = np.full(len(row), (1 - self.own) / k)
        return sparse.csr_matrix((weight, (row, which[row, column])), (len(some), n))


class ItemNeighbours(Popularity):
    """Products bought by the same customers: the cosine of who bought them (item-kNN).

    Sarwar, Karypis, Konstan and Riedl (2001), Item-based collaborative filtering, WWW.

    Parameters
    ----------
    neighbours : int
        Products that count as near.
    """

    def __init__(self, neighbours: int = 100) -> None:
        self.neighbours = neighbours

    def fit(self, past: Purchases, whole: Profiles, seed: int) -> None:
        """Learn from what all customers bought."""
        super().fit(past, whole, seed)
        self.near_ = nearest_products(whole.counted, self.neighbours)

    def score(self, some: Profiles) -> np.ndarray:
        """Return a score of every product for each of some customers."""
        near = (_once(some.counted) @ self.near_.T).toarray()
        return np.asarray(near + TINY * self.share_)


def _once(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    found = matrix.copy()
    found.data = np.ones_like(found.data)
    return found


def nearest_products(counted: sparse.csr_matrix, k: int) -> sparse.csr_matrix:
    """Return products × products: the cosine of who bought them, the ``k`` largest of each."""
    from implicit.nearest_neighbours import all_pairs_knn

    customers = scaled(_once(counted).T.tocsr()).T.tocsr()
    near = all_pairs_knn(customers, k + 1, show_progress=False).tocsr()
    near = sparse.csr_matrix(near - sparse.diags(near.diagonal()))  # a product is its own nearest
    near.eliminate_zeros()
    return near.sorted_indices()


class Content(Popularity):
    """Products whose type, category, brand and maker are those that a customer buys.

    What sells, times how much more of the customer's purchases than of everybody's have the
    product's value, the geometric mean over what is known of products. The angle between attributes
    alone, which knows nothing of what sells, ranked real households worse than what sells.

    Parameters
    ----------
    smooth : float
        Orders of everybody's that each customer's are mixed with; as it is by default, households
        of an earlier season were ranked well for what is bought again and anew.
    """

    def __init__(self, smooth: float = 30.0) -> None:
        self.smooth = smooth

    def fit(self, past: Purchases, whole: Profiles, seed: int) -> None:
        """Learn from what all customers bought."""
        super().fit(past, whole, seed)
        self.share_ = np.maximum(self.share_, 0.5 / max(len(whole), 1))
        known = past.attributes.dropna(axis=1, how="all")
        if known.empty:
            raise InputError(
                "products say nothing of type, category, maker, brand or department; "
                "kind='content' needs one of them"
            )
        self.described_ = indicators(known)
        many = known.nunique().to_numpy()
        self.first_ = np.cumsum(many) - many
        told = np.asarray(whole.decayed.sum(axis=0)).ravel() @ self.described_
        self.usual_ = told / np.repeat(np.add.reduceat(told, self.first_), many)

    def score(self, some: Profiles) -> np.ndarray:
        """Return a score of every product for each of some customers."""
        own = (some.decayed @ self.described_).toarray()
        orders = np.add.reduceat(own, self.first_, axis=1)
        many = np.diff(np.append(self.first_, own.shape[1]))
        own = (own + self.smooth * self.usual_) / np.repeat(orders + self.smooth, many, axis=1)
        # Of a value that nobody bought, nothing is known.
        seen = self.usual_ > 0
        lift = np.zeros_like(own)
        lift[:, seen] = np.log(own[:, seen] / self.usual_[seen])
        return np.asarray(np.log(self.share_) + (self.described_ @ lift.T).T / len(self.first_))


ROWS = 4_096
"""Equations that are solved at once."""


class Als(Method):
    """Implicit feedback factored by alternating least squares, by the library implicit.

    Hu, Koren and Volinsky (2008), Collaborative filtering for implicit feedback datasets, ICDM,
    equations 4 and 5: a purchase is a 1 whose confidence is 1 + alpha × orders, everything else a 0
    of confidence 1. A customer who came later is one more least-squares problem, without a new fit.

    Parameters
    ----------
    factors, iterations : int
    alpha, penalty : float
        Confidence of an order, and λ; as they are by default, households of an earlier season were
        ranked best.
    """

    products_: np.ndarray

    def __init__(
        self, factors: int = 32, iterations: int = 15, alpha: float = 1.0, penalty: float = 50.0
    ) -> None:
        self.factors, self.iterations = factors, iterations
        self.alpha, self.penalty = alpha, penalty
        self._solver: Any = None

    def fit(self, past: Purchases, whole: Profiles, seed: int) -> None:
        """Learn from what all customers bought."""
        # Each point is one thread's work alone: any number of threads gives the same bytes.
        # Those of BLAS would fight with its own.
        drawn = np.random.default_rng(seed).normal(0, 0.01, (past.shape[1], self.factors))
        with single_threaded("blas"):
            model = self._library()
            # Points of either sign: from its own, all positive, it takes twice the iterations.
            model.item_factors = drawn.astype(np.float32)
            model.user_factors = np.zeros((past.shape[0], self.factors), dtype=np.float32)
            model.fit(self._confidence(whole.counted), show_progress=False)
        self.products_, self._solver = np.asarray(model.item_factors), None

    def score(self, some: Profiles) -> np.ndarray:
        """Return a score of every product for each of some customers."""
        return np.asarray(self.points(some.counted) @ self.products_.T, dtype=float)

    def points(self, counted: sparse.csr_matrix) -> np.ndarray:
        """Return the points of customers who ordered each product so often."""
        if self._solver is None:
            with single_threaded("blas"):
                self._solver = self._library(num_threads=1)
                self._solver.item_factors = self.products_
                self._solver.YtY  # noqa: B018 - worked out once, before threads ask for it
        found = self._solver.recalculate_user(
            np.arange(counted.shape[0]), self._confidence(counted)
        )
        return np.asarray(found)

    def _library(self, **told: Any) -> Any:
        from implicit.cpu.als import AlternatingLeastSquares

        return AlternatingLeastSquares(
            self.factors, self.penalty, iterations=self.iterations, **told
        )

    def _confidence(self, counted: sparse.csr_matrix) -> sparse.csr_matrix:
        found = counted.astype(np.float32)
        found.data = 1 + self.alpha * found.data
        return found


class FactorizationMachine(Method):
    """Factorization machine of customer, product and the product's attributes.

    Rendle (2010), Factorization machines, ICDM, equation 1: a score is the sum of a weight of each
    feature and of the products of all pairs of features' points. A product's features are itself
    and its type, category, maker, brand and department, as far as they are known; pairs among those
    are the same for every customer and stand in the product's weight. The loss is the weighted
    squares of Hu, Koren and Volinsky (2008): a purchase is a 1 whose confidence is 1 + alpha ×
    orders, everything else a 0. Each step is a least-squares problem in closed form: customers;
    products, drawn to the sum of their attributes; attributes. A product that nobody bought is
    what its attributes say, and a customer who came later needs no new fit.

    Parameters
    ----------
    factors, iterations : int
    alpha, penalty : float
        Confidence of an order; λ of customers, and of a product beside its attributes.
    shared : float
        λ of attributes. As these are by default, households of an earlier season were ranked best.
    """

    products_: np.ndarray

    def __init__(
        self,
        factors: int = 32,
        iterations: int = 15,
        alpha: float = 1.0,
        penalty: float = 50.0,
        shared: float = 50.0,
    ) -> None:
        self.factors, self.iterations = factors, iterations
        self.alpha, self.penalty, self.shared = alpha, penalty, shared

    def fit(self, past: Purchases, whole: Profiles, seed: int) -> None:
        """Learn from what all customers bought."""
        counted = whole.counted.astype(np.float32)
        columns = counted.T.tocsr()
        attributes = indicators(past.attributes)
        left = (attributes.T @ attributes).toarray()
        left[np.diag_indices_from(left)] += self.shared / self.penalty
        rng = np.random.default_rng(seed)
        # The first coordinate is the weight: every customer's is 1.
        products = rng.normal(0, 0.01, (counted.shape[1], self.factors + 1)).astype(np.float32)
        for _ in range(self.iterations):
            customers = self.points(counted, products)
            told = attributes @ np.linalg.solve(left, attributes.T @ products)
            products = self._solve(columns, customers, told.astype(np.float32))
        self.products_ = products

    def score(self, some: Profiles) -> np.ndarray:
        """Return a score of every product for each of some customers."""
        place = self.points(some.counted.astype(np.float32), self.products_)
        return np.asarray(place @ self.products_.T, dtype=float)

    def points(self, counted: sparse.csr_matrix, products: np.ndarray) -> np.ndarray:
        """Return the points of customers who ordered each product so often, the first place 1."""
        first = np.zeros((counted.shape[0], products.shape[1]), dtype=np.float32)
        first[:, 0] = 1.0
        return self._solve(counted, products, first, held=1)

    def _solve(
        self, rows: sparse.csr_matrix, other: np.ndarray, prior: np.ndarray, held: int = 0
    ) -> np.ndarray:
        """Return the best point of each row where the other side stands still.

        Points are drawn to the prior, and the first coordinates may be held there.
        """
        found, size = prior.copy(), other.shape[1]
        gram = other.T @ other + self.penalty * np.eye(size, dtype=np.float32)
        for low in range(0, rows.shape[0], ROWS):
            more = self.alpha * rows[low : low + ROWS]
            start = prior[low : low + ROWS]
            # A coordinate at a time: what all pairs of coordinates take would not fit.
            left = np.stack([more @ (other * other[:, [i]]) for i in range(size)], axis=1) + gram
            right = (more + more.sign()) @ other + self.penalty * start
            right -= np.einsum("nij,nj->ni", left[:, :, :held], start[:, :held])
            best = np.linalg.solve(left[:, held:, held:], right[:, held:, None])
            found[low : low + ROWS, held:] = best[..., 0]
        return found
