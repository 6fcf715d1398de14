"""Customers and products as points of one space, by alternating least squares."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import scipy.sparse as sparse

from promolab.checks import choice
from promolab.errors import MissingExtraError
from promolab.model.solvers import one_thread
from promolab.recommend.method import Method, Profiles
from promolab.recommend.purchases import Purchases
from promolab.threads import single_threaded

if TYPE_CHECKING:
    import torch

CELLS = 32_000
"""Purchases that are worked on at once: their points stay in the cache."""
FEW = 32
"""Rows below which threads take longer to wake than to work."""


class Als(Method):
    """Implicit feedback factored by alternating least squares.

    Hu, Koren and Volinsky (2008), Collaborative filtering for implicit feedback datasets, ICDM,
    equations 4 and 5: a purchase is a 1 whose confidence is 1 + alpha × orders, everything else a 0
    of confidence 1. A customer who came later is one more least-squares problem, without a new fit.

    Parameters
    ----------
    factors, iterations : int
    alpha, penalty : float
        Confidence of an order, and λ; as they are by default, households of an earlier season were
        ranked best.
    library : {"torch", "implicit"}
        What solves it; "implicit" takes the extra of that name.
    """

    ARRAYS: ClassVar[tuple[str, ...]] = ("products_",)
    _stood: tuple[np.ndarray, torch.Tensor, torch.Tensor] | None = None

    def __init__(
        self,
        factors: int = 32,
        iterations: int = 15,
        alpha: float = 1.0,
        penalty: float = 50.0,
        library: str = "torch",
    ) -> None:
        self.factors, self.iterations = factors, iterations
        self.alpha, self.penalty = alpha, penalty
        self.library = choice("library", library, ("torch", "implicit"))

    def fit(self, past: Purchases, whole: Profiles, seed: int) -> None:
        """Learn from what all customers bought."""
        rows = whole.counted.astype(np.float32)
        if self.library == "implicit":
            self.products_ = self._by_implicit(rows, seed)
            return
        columns = rows.T.tocsr()
        rng = np.random.default_rng(seed)
        products = rng.normal(0, 0.01, (rows.shape[1], self.factors)).astype(np.float32)
        for _ in range(self.iterations):
            customers = self._solve(rows, products)
            products = self._solve(columns, customers)
        self.products_ = products

    def _by_implicit(self, rows: sparse.csr_matrix, seed: int) -> np.ndarray:
        try:
            from implicit.als import AlternatingLeastSquares
        except ImportError as error:
            raise MissingExtraError("library='implicit'", "implicit") from error
        model = AlternatingLeastSquares(
            factors=self.factors,
            regularization=self.penalty,
            iterations=self.iterations,
            random_state=seed,
            use_gpu=False,
        )
        confidence = rows.copy()
        confidence.data = 1 + self.alpha * confidence.data
        # Its sums go over as many threads as BLAS has, which would fight with its own.
        with single_threaded("blas"):
            model.fit(confidence, show_progress=False)
        return np.asarray(model.item_factors)

    def score(self, some: Profiles) -> np.ndarray:
        """Return a score of every product for each of some customers."""
        place = self._solve(some.counted.astype(np.float32), self.products_)
        return np.asarray(place @ self.products_.T, dtype=float)

    def _solve(
        self,
        rows: sparse.csr_matrix,
        other: np.ndarray,
        prior: np.ndarray | None = None,
        held: int = 0,
    ) -> np.ndarray:
        """Return the best point of each row where the other side stands still.

        Points are drawn to the prior, which is 0 where none is given; a row of no purchase is
        there, and the first coordinates may be held there. Rows of like length are worked on
        together, so that little is padded.
        """
        with one_thread() if rows.shape[0] < FEW else nullcontext():
            return self._solved(rows, other, prior, held)

    def _solved(
        self, rows: sparse.csr_matrix, other: np.ndarray, prior: np.ndarray | None, held: int
    ) -> np.ndarray:
        import torch

        there, gram = self._standing(other)
        size = there.shape[1]
        length = np.diff(rows.indptr)
        found = np.zeros((rows.shape[0], size), dtype=np.float32)
        if prior is not None:
            found[:] = prior
        order = np.argsort(length, kind="stable")
        order = order[np.searchsorted(length[order], 1) :]
        while len(order):
            # The longest of a part says how wide it is; parts are cut from the long end.
            widest = max(int(length[order[-1]]), 1)
            part, order = order[-max(CELLS // widest, 1) :], order[: -max(CELLS // widest, 1)]
            left, right = self._equations(rows[part], widest, there, gram)
            start = torch.from_numpy(found[part])
            right += self.penalty * start
            right = right - (left[:, :, :held] @ start[:, :held, None])[..., 0]
            root = torch.linalg.cholesky(left[:, held:, held:])
            best = torch.cholesky_solve(right[:, held:, None], root)[..., 0]
            found[part, held:] = best
        return found

    def _standing(self, other: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return points, an empty one last, and what the equations of all rows have in common.

        Those of what was learned are kept: for one new customer they are most of the work.
        """
        import torch

        if self._stood is not None and self._stood[0] is other:
            return self._stood[1:]
        points = torch.from_numpy(np.ascontiguousarray(other))
        size = points.shape[1]
        gram = points.T @ points + self.penalty * torch.eye(size)
        points = torch.cat([points, torch.zeros(1, size)])
        if other is getattr(self, "products_", None):
            self._stood = other, points, gram
        return points, gram

    def _equations(
        self, chosen: sparse.csr_matrix, widest: int, there: torch.Tensor, gram: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return both sides of some rows' normal equations."""
        import torch

        length = np.diff(chosen.indptr)
        within = np.arange(len(chosen.data)) - np.repeat(chosen.indptr[:-1], length)
        row = np.repeat(np.arange(len(length)), length)
        index = np.full((len(length), widest), len(there) - 1)
        extra = np.zeros((len(length), widest), dtype=np.float32)
        index[row, within], extra[row, within] = chosen.indices, self.alpha * chosen.data
        # Each point times the root of its weight, so that one copy makes both sides.
        root = torch.from_numpy(np.sqrt(extra))
        points = there[torch.from_numpy(index)].mul_(root[..., None])
        left = torch.baddbmm(gram, points.transpose(1, 2), points)
        confidence = torch.where(root > 0, root + 1 / root, 0.0)
        return left, torch.bmm(confidence[:, None], points)[:, 0]
