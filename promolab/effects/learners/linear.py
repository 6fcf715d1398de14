"""Straight lines: by least squares, shrunk as far as pays, or of few columns that arms share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

PenaltyPath = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From products and penalties to the lines at each, shape (p, targets, penalties)."""
RANK = 1e-10
"""Share of the largest eigenvalue below which a direction counts as not seen."""
PENALTIES = np.logspace(-6, 4, 41)
"""Penalties tried, per row."""
PIECE = 1 << 17
"""Rows at a time: copies of more would be what memory is needed for."""


def pieces(n: int, size: int = 0) -> list[slice]:
    """Return slices of n rows.

    Examples
    --------
    >>> pieces(3)
    [slice(0, 131072, None)]
    """
    size = size or PIECE
    return [slice(begin, begin + size) for begin in range(0, n, size)]


@dataclass(frozen=True)
class LinearFit:
    """A fitted straight line in many columns.

    Parameters
    ----------
    centre : ndarray of shape (p,)
        Means of the training rows.
    coefficients : ndarray of shape (p,)
    level : float
        Prediction at the centre.
    """

    centre: np.ndarray
    coefficients: np.ndarray
    level: float

    def predict(self, Z: np.ndarray) -> np.ndarray:
        """Return the line's values, shape (n,)."""
        return values_of([self], Z)[:, 0]


def values_of(
    lines: Sequence[LinearFit], Z: np.ndarray, which: np.ndarray | None = None
) -> np.ndarray:
    """Return the values of several lines, of all rows or of those of a mask, shape (n, lines)."""
    levels = [line.level - line.centre @ line.coefficients for line in lines]
    coefficients = np.column_stack([line.coefficients for line in lines])
    if which is None:
        values = Z @ coefficients
    else:
        used, rows = np.flatnonzero(coefficients.any(axis=1)), np.flatnonzero(which)
        some = used if 2 * len(used) < len(coefficients) else slice(None)
        values = np.empty((len(rows), len(lines)))
        for part in pieces(len(rows), 1 << 12):  # copies that stay in a core's cache
            values[part] = Z[rows[part]][:, some] @ coefficients[some]
    values += levels
    return np.asarray(values)


def nothing(columns: int) -> LinearFit:
    """Return the line of no rows."""
    return LinearFit(np.zeros(columns), np.zeros(columns), 0.0)


def ridge(
    Z: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray | None = None,
    *,
    penalty: float | None = None,
) -> LinearFit:
    r"""Fit by least squares with a penalty on the coefficients, chosen by the data.

    The penalty is the one of the smallest generalised cross-validation score,
    :math:`n\,\mathrm{RSS}(\lambda) / (n - 1 - \mathrm{tr} H(\lambda))^2` (Golub, Heath & Wahba
    1979), of all of `PENALTIES` times n, from one eigendecomposition.

    Parameters
    ----------
    Z : ndarray of shape (n, p)
    y : ndarray of shape (n,)
    weight : ndarray of shape (n,), optional
        Weights ≥ 0 of the squares.
    penalty : float, optional
        Of the squared coefficients, instead of the one that the data choose. With 0 it is least
        squares: where columns repeat each other, the shortest of the coefficients that fit best.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> Z = rng.normal(size=(200, 3))
    >>> bool(np.abs(ridge(Z, rng.normal(size=200)).coefficients).max() < 0.2)
    True
    >>> line = ridge(np.array([[0.0], [1.0], [2.0]]), np.array([1.0, 3.0, 5.0]), penalty=0.0)
    >>> line.predict(np.array([[3.0]])).round(6).tolist()
    [7.0]
    """
    w = np.ones(len(y)) if weight is None else weight
    total = w.sum()
    if not total > 0:
        return nothing(Z.shape[1])
    centre, level = w @ Z / total, float(w @ y / total)
    deviation, products, along = y - level, np.zeros((Z.shape[1],) * 2), np.zeros(Z.shape[1])
    for part in pieces(len(y)):
        rows = Z[part] - centre
        weighted = rows if weight is None else rows * w[part, None]
        products += weighted.T @ rows
        along += weighted.T @ deviation[part]
    turned = Turned.of(centre, products, total)
    left, n = float(w @ deviation**2), int(np.count_nonzero(w))
    return turned.line(level, along, left, n, penalty)


@dataclass(frozen=True)
class Turned:
    """Columns about their means, turned so that none goes with another: what any line needs.

    Parameters
    ----------
    centre : ndarray of shape (p,)
    values, vectors : ndarray of shape (p,) and (p, p)
        Of the columns' products.
    total : float
        Sum of the rows' weights.
    """

    centre: np.ndarray
    values: np.ndarray
    vectors: np.ndarray
    total: float

    @classmethod
    def of(cls, centre: np.ndarray, products: np.ndarray, total: float) -> Turned:
        """Turn columns with these products about their means."""
        values, vectors = np.linalg.eigh(products) if len(centre) else (centre, products)
        return cls(centre, np.maximum(values, 0.0), vectors, total)

    def line(
        self, level: float, products: np.ndarray, squares: float, n: int, penalty: float | None
    ) -> LinearFit:
        """Return the line of a target with these products, and these squares about its mean."""
        if not len(self.centre):
            return LinearFit(self.centre, np.zeros(0), level)
        values, vectors, along = self.values, self.vectors, self.vectors.T @ products
        seen = values > RANK * max(values.max(), 1e-300)
        if penalty is not None:
            short = np.divide(along, values + penalty, out=np.zeros_like(along), where=seen)
            return LinearFit(self.centre, vectors @ short, level)
        penalties = PENALTIES[:, None] * self.total
        grown = values + penalties
        explained = (along**2 * (values + 2 * penalties) / grown**2)[:, seen].sum(axis=1)
        left = np.maximum(max(squares, 0.0) - explained, 0.0)
        free = np.maximum(n - 1 - (values / grown).sum(axis=1), 1e-9)
        # Of equal scores the largest penalty: a constant needs no coefficients.
        best = len(PENALTIES) - 1 - int(np.argmin((left / free**2)[::-1]))
        return LinearFit(self.centre, vectors @ np.where(seen, along / grown[best], 0.0), level)


PARTS = 5
"""Parts of the customers, each left out once."""
SHARES = np.geomspace(1.0, 0.02, 30)
"""Penalties tried of few columns, as shares of the least that leaves no column."""
STEP = 10
"""Of them so many are tried at a time, the largest first."""
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
    return Targets(Cells(Z, 0 * cluster, cluster), scores).pooled(np.ones(len(Z), dtype=bool))


@dataclass(frozen=True)
class Sums:
    """What least squares needs of some rows: their number, sums and products."""

    n: int
    z: np.ndarray
    y: np.ndarray
    zz: np.ndarray
    zy: np.ndarray

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


class Cells:
    """Rows dealt out to cells: what lines need of columns is worked out once for all targets.

    Parameters
    ----------
    Z : ndarray of shape (n, p)
    code : ndarray of int of shape (n,)
        Rows of one code are learned from together, or not at all.
    cluster : ndarray of int of shape (n,), optional
        Customers: each of `PARTS` parts of them has cells of its own.
    """

    def __init__(self, Z: np.ndarray, code: np.ndarray, cluster: np.ndarray | None = None) -> None:
        part = 0 * code if cluster is None else cluster % PARTS
        names, self.code = np.unique(code * PARTS + part, return_inverse=True)
        self.Z, self.part, self.n = Z, names % PARTS, np.bincount(self.code)
        self.rows = np.split(np.argsort(self.code, kind="stable"), np.cumsum(self.n)[:-1])
        self.turned: dict[tuple[int, ...], Turned] = {}
        self.paths: dict[tuple[int, ...], list[PenaltyPath]] = {}

    @cached_property
    def products(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Sums of the columns, and their products, of each cell."""
        return [(Z.sum(axis=0), Z.T @ Z) for Z in (self.Z[rows] for rows in self.rows)]

    def within(self, which: np.ndarray) -> tuple[int, ...]:
        """Return the cells that a mask has; it has all of a cell, or nothing."""
        n = np.bincount(self.code, which, minlength=len(self.n))
        assert ((n == 0) | (n == self.n)).all()
        return tuple(np.flatnonzero(n).tolist())


class Targets:
    """Targets of lines in columns.

    Parameters
    ----------
    cells : Cells
        Of the columns.
    Y : ndarray of shape (n, K)
    """

    def __init__(self, cells: Cells, Y: np.ndarray) -> None:
        self.cells, parts = cells, [Y[rows] for rows in cells.rows]
        self.sums = [
            Sums(len(rows), z, y.sum(axis=0), zz, cells.Z[rows].T @ y)
            for rows, y, (z, zz) in zip(cells.rows, parts, cells.products, strict=True)
        ]
        self.squares = np.array([(y**2).sum(axis=0) for y in parts])

    def line(self, which: np.ndarray, k: int = 0, penalty: float | None = None) -> LinearFit:
        """Fit one of them to the rows of a mask, as `ridge` does."""
        mine = self.cells.within(which)
        if not mine:
            return nothing(self.cells.Z.shape[1])
        whole = _added([self.sums[each] for each in mine])
        centre, levels = whole.z / whole.n, whole.y / whole.n
        squares, products = whole.about(centre, levels)
        if mine not in self.cells.turned:
            self.cells.turned[mine] = Turned.of(centre, squares, whole.n)
        level, left = float(levels[k]), self.squares[list(mine), k].sum() - whole.n * levels[k] ** 2
        return self.cells.turned[mine].line(level, products[:, k], left, whole.n, penalty)

    def pooled(self, which: np.ndarray) -> list[LinearFit]:
        """Fit all of them to the rows of a mask, as `pooled_lines` does."""
        mine, (many, p) = self.cells.within(which), (self.squares.shape[1], self.cells.Z.shape[1])
        none = Sums(0, np.zeros(p), np.zeros(many), np.zeros((p, p)), np.zeros((p, many)))
        sums = [
            _added([none, *(self.sums[each] for each in mine if self.cells.part[each] == part)])
            for part in range(PARTS)
        ]
        whole = _added(sums)
        levels, centre = whole.y / max(whole.n, 1), whole.z / max(whole.n, 1)
        if whole.n < 2 or not p:
            return [LinearFit(centre, np.zeros(p), float(level)) for level in levels]
        spread = np.sqrt(np.maximum(np.diag(whole.about(centre, levels)[0]) / whole.n, 0.0))
        scale = np.where(spread > 0, spread, 1.0)
        if mine not in self.cells.paths:
            self.cells.paths[mine] = [_path_of(each, scale) for each in (*_others(sums), whole)]
        paths = self.cells.paths[mine]
        shared = _best([each.targets(np.full((many, 1), 1 / many)) for each in sums], paths, scale)
        own = _best([each.less(shared) for each in sums], paths, scale)
        return [LinearFit(centre, shared[:, 0] + own[:, k], float(levels[k])) for k in range(many)]


def _added(sums: list[Sums]) -> Sums:
    n, *rest = zip(*((each.n, each.z, each.y, each.zz, each.zy) for each in sums), strict=True)
    return Sums(sum(n), *(np.sum(each, axis=0) for each in rest))


def _others(sums: list[Sums]) -> list[Sums]:
    return [_added([each for each in sums if each is not out]) for out in sums]


def _path_of(sums: Sums, scale: np.ndarray) -> PenaltyPath:
    """Return what gives the lines of some columns, whatever the target.

    As many made-up rows as there are columns have the same products, and so the same lines.
    """
    n = max(sums.n, 1)
    squares, _ = sums.about(sums.z / n, sums.y / n)
    values, vectors = np.linalg.eigh(squares / np.outer(scale, scale) / n)
    seen = values > RANK * max(values.max(), 1e-300)
    root, turn = np.sqrt(values[seen]), vectors[:, seen].T
    rows = np.asfortranarray(root[:, None] * turn)
    gram = rows.T @ rows

    def path(products: np.ndarray, penalties: np.ndarray) -> np.ndarray:
        from sklearn import config_context
        from sklearn.linear_model import enet_path

        wanted = turn @ (products / scale[:, None] / n) / root[:, None]
        with config_context(skip_parameter_validation=True):
            found = [
                enet_path(
                    rows, each, precompute=gram, Xy=rows.T @ each,
                    l1_ratio=1 - SQUARES, alphas=penalties / len(rows),
                    tol=1e-3, max_iter=10_000, check_input=False,
                )[1]
                for each in np.ascontiguousarray(wanted.T)
            ]  # fmt: skip
        return np.asarray(np.stack(found, axis=1) / scale[:, None, None])

    return path


def _best(sums: list[Sums], paths: list[PenaltyPath], scale: np.ndarray) -> np.ndarray:
    """Return the lines of the penalty that foretells the parts left out best, shape (p, targets).

    Of equal ones the largest: no column where none tells. Where `STEP` in a row foretold no better,
    smaller ones are not tried.
    """
    whole = _added(sums)
    _, products = whole.about(whole.z / whole.n, whole.y / whole.n)
    most = float(np.abs(products / scale[:, None]).max()) / whole.n
    if not most > 0:
        return np.zeros(products.shape)
    parts = []
    for out, others, path in zip(sums, _others(sums), paths[:-1], strict=True):
        if out.n and others.n > 1:
            z, y = others.z / others.n, others.y / others.n
            parts.append((path, others.about(z, y)[1], *out.about(z, y)))
    for tried in range(STEP, len(SHARES) + 1, STEP):
        wrong = np.zeros(tried)
        for path, learned, squares_out, products_out in parts:
            lines = path(learned, SHARES[:tried] * most)
            wrong += np.einsum("pkl,pq,qkl->l", lines, squares_out, lines, optimize=True)
            wrong -= 2 * np.einsum("pkl,pk->l", lines, products_out)
        best = int(wrong.argmin())
        if best <= tried - STEP:
            break
    return np.asarray(paths[-1](products, SHARES[: best + 1] * most)[:, :, -1])
