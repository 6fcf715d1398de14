"""Two towers: what a customer bought, and what a product is, as points that meet where they fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import scipy.sparse as sparse

from promolab.errors import DataError
from promolab.model.solvers import one_thread
from promolab.recommend.factorised import indicators
from promolab.recommend.method import HALF_LIFE, Method, Profiles, scaled
from promolab.recommend.purchases import Purchases

if TYPE_CHECKING:
    import torch

AHEAD_DAYS = 28
"""Days after a moment whose purchases a customer's tower learns to foretell."""
CUSTOMERS, EACH = 256, 16
"""Customers of a batch, and purchases drawn for each."""
START = 0.05
RATE = 0.01
NEVER = -1e9


class TwoTower(Method):
    """A network that turns purchases into a point, another that turns a product into one.

    Yi et al. (2019), Sampling-bias-corrected neural modeling for large corpus item
    recommendations, RecSys: a softmax over the products of a batch, each score less the logarithm
    of the chance that its product is drawn. A product is itself and its attributes; in
    training it is its attributes alone now and then (Volkovs, Yu and Poutanen 2017, DropoutNet,
    NeurIPS), so that a product that nobody bought has a score too. A customer is what they bought,
    recent orders counting more, so that one who came later needs no new fit. What is learned are
    the purchases of each of the last months from what was known before that month.

    Parameters
    ----------
    size : int
        Coordinates of a point.
    epochs : int
        How often each customer's month is looked at.
    months : int
        Months of 28 days to learn from, as far as there are purchases before them.
    temperature : float
        What scores are divided by.
    dropped : float
        Share of products that are their attributes alone. As these are by default, households of an
        earlier season were ranked best of the few that were tried.
    """

    ARRAYS: ClassVar[tuple[str, ...]] = ("products_", "bag_", "inner_", "outer_")

    def __init__(
        self,
        size: int = 128,
        epochs: int = 8,
        months: int = 6,
        temperature: float = 0.1,
        dropped: float = 0.1,
    ) -> None:
        self.size, self.epochs, self.months = size, epochs, months
        self.temperature, self.dropped = temperature, dropped

    def fit(self, past: Purchases, whole: Profiles, seed: int) -> None:
        """Learn from what all customers bought."""
        import torch

        X, Y = self._lessons(past)
        rng = np.random.default_rng(seed)
        steps = self.epochs * -(-X.shape[0] // CUSTOMERS)
        with one_thread():
            towers = _Towers(past, self.size, seed)
            adam = torch.optim.Adam(towers.learned, lr=RATE)
            falling = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: 1 - step / steps)
            chance = _chance(Y)
            for _ in range(self.epochs):
                order = rng.permutation(X.shape[0])
                for low in range(0, len(order), CUSTOMERS):
                    at = order[low : low + CUSTOMERS]
                    adam.zero_grad()
                    self._loss(towers, X[at], Y[at], chance, rng).backward()
                    adam.step()
                    falling.step()
            self._keep(towers)

    def _lessons(self, past: Purchases) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
        """Return what was known of customers before a month, and what they bought in it."""
        known, came = [], []
        for month in range(self.months):
            begin, end = AHEAD_DAYS * (month + 1), AHEAD_DAYS * month
            aged = 0.5 ** ((past.age - begin) / (7 * HALF_LIFE))
            before = past.matrix(np.where(past.age > begin, aged, 0.0))
            since = past.matrix(((past.age <= begin) & (past.age > end)).astype(float))
            before.eliminate_zeros()
            since.eliminate_zeros()
            both = (np.diff(before.indptr) > 0) & (np.diff(since.indptr) > 0)
            known.append(taste(before[both]))
            came.append(since[both])
        X, Y = (sparse.csr_matrix(sparse.vstack(parts)) for parts in (known, came))
        if not X.shape[0]:
            raise DataError(
                f"kind='two_tower' learns what customers buy in {AHEAD_DAYS} days from what they "
                "bought before, and nobody bought in two such times; take kind='tifu'"
            )
        return X, Y

    def _loss(
        self,
        towers: _Towers,
        known: sparse.csr_matrix,
        came: sparse.csr_matrix,
        chance: np.ndarray,
        rng: np.random.Generator,
    ) -> torch.Tensor:
        """Return −log of the chance of what was drawn, among all products of the batch."""
        import torch

        many = np.diff(came.indptr)
        row = np.repeat(np.arange(len(many)), EACH)
        drawn = came.indices[came.indptr[row] + (rng.random(len(row)) * many[row]).astype(int)]
        product, column = np.unique(drawn, return_inverse=True)
        kept = torch.from_numpy((rng.random(len(product)) >= self.dropped).astype(np.float32))
        score = towers.customers(known) @ towers.products(product, kept).T / self.temperature
        score = score - torch.from_numpy(np.log(chance[product]).astype(np.float32))
        bought = torch.from_numpy(came[:, product].toarray() > 0)
        others = torch.logsumexp(score.masked_fill(bought, NEVER), 1)
        at = torch.from_numpy(row)
        mine = score[at, torch.from_numpy(column)]
        return (torch.logaddexp(others[at], mine) - mine).mean()

    def _keep(self, towers: _Towers) -> None:
        """Take over what scoring needs, as arrays."""
        import torch

        with torch.no_grad():
            m = len(towers.own)
            points = towers.products(np.arange(m), torch.ones(m)) / self.temperature
            self.products_ = points.numpy()
            self.bag_ = towers.bag.numpy().copy()
            self.inner_, self.outer_ = (w.numpy().copy() for w in towers.customer_net)

    def score(self, some: Profiles) -> np.ndarray:
        """Return a score of every product for each of some customers."""
        told = taste(some.decayed).astype(np.float32) @ self.bag_
        inner = np.maximum(_one_more(told) @ self.inner_, 0)
        point = told + _one_more(inner) @ self.outer_
        length = np.linalg.norm(point, axis=1, keepdims=True)
        return np.asarray((point / np.maximum(length, 1e-12)) @ self.products_.T, dtype=float)


def taste(decayed: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return decayed orders with much of the same dampened, rows of length 1."""
    return scaled(sparse.csr_matrix(decayed.log1p()))


def _chance(came: sparse.csr_matrix) -> np.ndarray:
    """Return the chance of each product to be drawn, where each row draws evenly of its own."""
    many = np.diff(came.indptr)
    share = np.repeat(1 / many, many) / len(many)
    chance = np.bincount(came.indices, weights=share, minlength=came.shape[1])
    return np.asarray(chance)


def _one_more(rows: np.ndarray) -> np.ndarray:
    return np.hstack([rows, np.ones((len(rows), 1), dtype=rows.dtype)])


class _Towers:
    """The weights of both towers, and what they make of customers and products."""

    def __init__(self, past: Purchases, size: int, seed: int) -> None:
        import torch

        drawn = torch.Generator().manual_seed(seed)
        self.told = indicators(past.attributes)
        m = past.shape[1]
        self.own, self.bag = (self._weights(drawn, m, size) for _ in range(2))
        self.shared = self._weights(drawn, self.told.shape[1], size)
        # Two layers beside a shortcut; the last row of each is what is added.
        self.customer_net, self.product_net = (
            [self._weights(drawn, size + 1, size) for _ in range(2)] for _ in range(2)
        )
        nets = [*self.customer_net, *self.product_net]
        self.learned = [self.own, self.bag, self.shared, *nets]
        for weights in self.learned:
            weights.requires_grad_()

    def _weights(self, drawn: torch.Generator, rows: int, columns: int) -> torch.Tensor:
        import torch

        return START * torch.randn(rows, columns, generator=drawn)

    def customers(self, known: sparse.csr_matrix) -> torch.Tensor:
        """Return the points of customers, of length 1."""
        return _met(_summed(known, self.bag), self.customer_net)

    def products(self, which: np.ndarray, kept: torch.Tensor) -> torch.Tensor:
        """Return the points of products, of length 1; where nothing is kept, by attributes."""
        import torch

        own = self.own[torch.from_numpy(which.astype(np.int64))] * kept[:, None]
        return _met(own + _summed(self.told[which], self.shared), self.product_net)


def _summed(rows: sparse.csr_matrix, table: torch.Tensor) -> torch.Tensor:
    """Return the weighted sum of a table's rows for each row."""
    import torch

    if not len(table):
        return torch.zeros(rows.shape[0], table.shape[1])
    index, begin = (torch.from_numpy(a.astype(np.int64)) for a in (rows.indices, rows.indptr[:-1]))
    weight = torch.from_numpy(rows.data.astype(np.float32))
    bag = torch.nn.functional.embedding_bag
    return bag(index, table, begin, mode="sum", per_sample_weights=weight)


def _met(told: torch.Tensor, net: list[torch.Tensor]) -> torch.Tensor:
    import torch

    first, second = net
    inner = torch.relu(told @ first[:-1] + first[-1])
    return torch.nn.functional.normalize(told + inner @ second[:-1] + second[-1], dim=1)
