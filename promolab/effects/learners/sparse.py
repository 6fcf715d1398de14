"""Lines of few columns that several arms have in common, chosen by customers left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promolab.effects.learners.linear import RANK, LinearFit

PARTS = 5
"""Parts of the customers, each left out once."""
PENALTIES = np.geomspace(1.0, 0.02, 30)
"""Tried, as shares of the least that leaves no column."""
SQUARES = 0.05
"""Share of the penalty on squares: of columns that say the same, each gets a part."""


def pooled_lines(Z: np.ndarray, scores: np.ndarray, cluster: np.ndarray) -> list[LinearFit]:
    """Fit several columns by one line that they share and one each, of few columns both.

    The mean of the scores is fitted first, then what is left of each, with one penalty for all
    (elastic net: Zou & Hastie 2005). Of the many things known of a customer few move an effect, and
    what is shrunk but kept is wrong where it drifts. Penalties are those that foretell best
    customers who were left out: rows of one customer are no new evidence.

    Parameters
    ----------
    Z : ndarray of shape (n, p)
    scores : ndarray of shape (n, K)
    cluster : ndarray of int of shape (n,)
        Customer of each row.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> Z = rng.normal(size=(2000, 5))
    >>> scores = Z[:, :1] + rng.normal(size=(2000, 3))
    >>> lines = pooled_lines(Z, scores, np.arange(2000) // 4)
    >>> [round(abs(float(each)), 1) for each in lines[0].coefficients]
    [1.0, 0.0, 0.0, 0.0, 0.0]
    """
    part = cluster % PARTS
    sums = [Sums.of(Z[part == each], scores[part == each]) for each in range(PARTS)]
    whole = _added(sums)
    levels = whole.y / max(whole.n, 1)
    centre = whole.z / max(whole.n, 1)
    mean = np.full((scores.shape[1], 1), 1 / scores.shape[1])
    shared = _best([each.targets(mean) for each in sums])
    own = _best([each.less(shared) for each in sums])
    return [
        LinearFit(centre, shared[:, 0] + own[:, k], float(levels[k]))
        for k in range(scores.shape[1])
    ]


@dataclass(frozen=True)
class Sums:
    """What least squares needs of some rows: their number, sums and products."""

    n: int
    z: np.ndarray
    y: np.ndarray
    zz: np.ndarray
    zy: np.ndarray

    @classmethod
    def of(cls, Z: np.ndarray, Y: np.ndarray) -> Sums:
        """Add up rows of columns, shape (n, p), and of targets, shape (n, K)."""
        return cls(len(Z), Z.sum(axis=0), Y.sum(axis=0), Z.T @ Z, Z.T @ Y)

    def targets(self, weights: np.ndarray) -> Sums:
        """Return the sums of other targets: these, times weights of shape (K, M)."""
        return Sums(self.n, self.z, self.y @ weights, self.zz, self.zy @ weights)

    def less(self, line: np.ndarray) -> Sums:
        """Return the sums of what a line, of shape (p, 1), leaves of each target."""
        return Sums(self.n, self.z, self.y - self.z @ line, self.zz, self.zy - self.zz @ line)

    def about(self, z: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the products of columns, and with targets, as distances from some means."""
        squares = self.zz - np.outer(self.z, z) - np.outer(z, self.z) + self.n * np.outer(z, z)
        products = self.zy - np.outer(z, self.y) - np.outer(self.z, y) + self.n * np.outer(z, y)
        return squares, products


def _added(sums: list[Sums]) -> Sums:
    n, *rest = zip(*((each.n, each.z, each.y, each.zz, each.zy) for each in sums), strict=True)
    return Sums(sum(n), *(np.sum(each, axis=0) for each in rest))


def _best(sums: list[Sums]) -> np.ndarray:
    """Return the lines of the penalty that foretells the parts left out best, shape (p, targets).

    Of equal ones the largest: no column where none tells.
    """
    whole = _added(sums)
    width = whole.zy.shape
    if whole.n < 2 or not width[0]:
        return np.zeros(width)
    squares, products = whole.about(whole.z / whole.n, whole.y / whole.n)
    spread = np.sqrt(np.maximum(np.diag(squares) / whole.n, 0.0))
    scale = np.where(spread > 0, spread, 1.0)
    most = float(np.abs(products / scale[:, None]).max()) / whole.n
    if not most > 0:
        return np.zeros(width)
    wrong = np.zeros(len(PENALTIES))
    for out in sums:
        others = _added([each for each in sums if each is not out])
        if others.n < 2 or not out.n:
            continue
        z, y = others.z / others.n, others.y / others.n
        lines = _path(*others.about(z, y), others.n, scale, most)
        squares_out, products_out = out.about(z, y)
        wrong += np.einsum("pkl,pq,qkl->l", lines, squares_out, lines, optimize=True)
        wrong -= 2 * np.einsum("pkl,pk->l", lines, products_out)
    return np.asarray(_path(squares, products, whole.n, scale, most)[:, :, int(wrong.argmin())])


def _path(
    squares: np.ndarray, products: np.ndarray, n: int, scale: np.ndarray, most: float
) -> np.ndarray:
    """Return the lines at every penalty, shape (p, targets, penalties).

    As many made-up rows as there are columns have the same products, and so the same lines.
    """
    from sklearn.linear_model import enet_path

    values, vectors = np.linalg.eigh(squares / np.outer(scale, scale) / n)
    seen = values > RANK * max(values.max(), 1e-300)
    root = np.sqrt(values[seen])
    rows = np.asfortranarray(root[:, None] * vectors[:, seen].T)
    wanted = vectors[:, seen].T @ (products / scale[:, None] / n) / root[:, None]
    found = np.stack(
        [
            enet_path(
                rows, each, l1_ratio=1 - SQUARES, alphas=PENALTIES * most / len(rows),
                tol=1e-3, max_iter=10_000,
            )[1]
            for each in wanted.T
        ],
        axis=1,
    )  # fmt: skip
    return np.asarray(found / scale[:, None, None])
