"""Trees: one that can be read, a forest of many, a sum of small ones (boosting), and their file."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

import numpy as np

from promolab.checks import real_number, share, whole_number
from promolab.errors import InputError
from promolab.model.inputs.encoding import NativeEncoder
from promolab.model.learners._base import Learner, Training, log_odds
from promolab.threads import single_threaded

TRUSTED = (
    "functools.partial",  # of a function that is trusted as well
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
    "sklearn.utils.validation.check_array",
)
"""What a saved model may hold beside what skops trusts; anything else is refused by name."""

# The first moment that a zip file can name: the hour of saving is no part of a model.
EARLIEST = (1980, 1, 1, 0, 0, 0)


def to_bytes(estimator: Any) -> np.ndarray:
    """Return the estimator as skops bytes, shape (number of bytes,), the same for equal estimators.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> fit = lambda: DecisionTreeClassifier(random_state=0).fit([[0], [1]], [0, 1])
    >>> bool((to_bytes(fit()) == to_bytes(fit())).all())
    True
    """
    from skops.io import dumps

    with zipfile.ZipFile(io.BytesIO(dumps(estimator))) as written:
        files = {name: written.read(name) for name in written.namelist()}
    schema, renamed = _renumbered(json.loads(files.pop("schema.json")))
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as rewritten:
        ordered = sorted((renamed[name], content) for name, content in files.items())
        for name, content in [*ordered, ("schema.json", json.dumps(schema).encode())]:
            entry = zipfile.ZipInfo(name, EARLIEST)
            rewritten.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return np.frombuffer(target.getvalue(), dtype=np.uint8)


def _renumbered(schema: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Replace memory addresses, by which skops tells objects and files apart, by 0, 1, 2, …."""
    numbers: dict[int, int] = {}
    names: dict[str, str] = {}

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(item) for item in node]
        if not isinstance(node, dict):
            return node
        made: dict[str, Any] = {}
        for key, value in node.items():
            if key == "__id__":
                made[key] = numbers.setdefault(value, len(numbers))
            elif key == "file" and isinstance(value, str):
                ending = value.rpartition(".")[2]
                made[key] = names.setdefault(value, f"{len(names):06d}.{ending}")
            else:
                made[key] = walk(value)
        return made

    return walk(schema), names


def from_bytes(payload: np.ndarray, version: str) -> Any:
    """Rebuild an estimator, if it holds nothing but what skops trusts and what is `TRUSTED`.

    Parameters
    ----------
    payload : ndarray of uint8
        What `to_bytes` gave.
    version : str
        Of the scikit-learn that wrote it.

    Raises
    ------
    InputError
        Written by another scikit-learn, holding a foreign type or function, or unreadable.
    """
    import sklearn
    from skops.io import get_untrusted_types, loads

    if _minor(version) != _minor(sklearn.__version__):
        raise InputError(
            f"the model was saved with scikit-learn {version}, and this is {sklearn.__version__}, "
            "which need not read it right; fit the model again or install that version"
        )
    content = payload.tobytes()
    try:
        foreign = sorted({*get_untrusted_types(data=content)} - {*TRUSTED})
        if foreign:
            raise InputError(
                f"the model file holds {foreign[0]}, which is no part of a model; nothing of it "
                "was run. Use a file from a source you trust"
            )
        return loads(content, trusted=TRUSTED)
    except InputError:
        raise
    except Exception as error:  # whatever a forged archive makes zip, JSON or skops stumble over
        raise InputError(
            f"the trees in the model file cannot be read ({type(error).__name__}: {error}); use "
            "the original file or fit the model again"
        ) from error


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]


def node_tables_fit(estimator: Any, width: int) -> Iterator[bool]:
    """Yield for each tree whether its nodes lead onwards to nodes, by columns that there are.

    Scikit-learn follows the numbers in a tree without looking: a forged one would read memory that
    is not its own, or never end.
    """
    if hasattr(estimator, "_predictors"):
        for (tree,) in estimator._predictors:
            nodes, maps = tree.nodes, len(tree.raw_left_cat_bitsets)
            inner = nodes["is_leaf"] == 0
            levels = inner & (nodes["is_categorical"] != 0)
            bitsets = nodes["bitset_idx"][levels].astype(np.int64)
            left, right, feature = (
                nodes[name].astype(np.int64) for name in ("left", "right", "feature_idx")
            )
            known = bool((bitsets < maps).all())
            yield known and _leads_on(left, right, feature, inner, width)
        return
    for tree in [one.tree_ for one in getattr(estimator, "estimators_", [estimator])]:
        inner = tree.children_left != -1
        yield _leads_on(tree.children_left, tree.children_right, tree.feature, inner, width)


def _leads_on(
    left: np.ndarray, right: np.ndarray, feature: np.ndarray, inner: np.ndarray, width: int
) -> bool:
    """Whether each question is of a column that there is, and followed by two later nodes."""
    place = np.arange(len(inner))[inner]
    onward = all(
        bool(((side[inner] > place) & (side[inner] < len(inner))).all()) for side in (left, right)
    )
    column = feature[inner]
    return onward and len(inner) > 0 and bool(((column >= 0) & (column < width)).all())


# Values of a matrix from which on boosting runs on several threads. They wait for each other after
# every split, at full speed: two on busy cores took ten times as long as one, on idle ones they can
# save half.
WORTH_THREADS = 10_000_000
BATCH = 20_000  # rows that one thread scores at a time


class _Trees(Learner):
    """What the three have in common: native features, a scikit-learn estimator, its saving."""

    LEARNED: ClassVar[tuple[str, ...]] = ("encoder", "rows", "responses")
    by_rate: ClassVar[bool] = True
    """Whether levels are numbered by their response rate: trees that cut an order need it."""
    written: tuple[str, np.ndarray] | None = None
    """Of a loaded model: the scikit-learn that wrote the trees, and the bytes they came from."""

    def fit(self, training: Training) -> None:
        """Prepare the features and fit the trees."""
        labels = training.labels[:, 0]
        self.encoder = NativeEncoder.fit(
            training.X, training.columns, labels=labels if self.by_rate else None
        )
        self.columns = self.encoder.columns
        matrix = self.encoder.transform(training.X)
        self.rows, self.responses = _counts(labels, training.weight)
        self.estimator = self.make(training.seed)
        with self.threads(matrix):
            self.estimator.fit(matrix, labels.astype(np.int64), sample_weight=training.weight)
        self.settle(matrix, labels, training.weight)

    def make(self, seed: int) -> Any:
        """Return the scikit-learn estimator, not fitted."""
        raise NotImplementedError

    def threads(self, matrix: np.ndarray) -> AbstractContextManager[Any]:
        """Return the context to compute in; it may limit threads, which changes no digit."""
        return nullcontext()

    def settle(self, matrix: np.ndarray, labels: np.ndarray, weight: np.ndarray | None) -> None:
        """Keep what else is needed of the training rows."""

    def _shrunk(self, responses: np.ndarray, n: np.ndarray | float) -> np.ndarray:
        """Return the rates as if one more row had been seen that responds like the average one.

        So that a group without a response is not said to be impossible.
        """
        return (responses + self.responses / self.rows) / (n + 1)

    def learned(self) -> dict[str, Any]:
        """Return how features are prepared, and the trees as skops bytes."""
        import sklearn

        written = self.written or (sklearn.__version__, to_bytes(self.estimator))
        return {**super().learned(), "written": written}

    def restore(self, learned: Mapping[str, Any]) -> None:
        """Become a saved model."""
        super().restore(learned)
        version, content = self.written = learned["written"]
        self.estimator = from_bytes(content, version)
        expected = type(self.make(0))
        if type(self.estimator) is not expected:
            raise InputError(
                f"the file holds a {type(self.estimator).__name__} where a {expected.__name__} "
                "belongs; use the original file or fit the model again"
            )
        width = len(self.encoder.names)
        fits = self.estimator.n_features_in_ == width
        self._require(fits and all(node_tables_fit(self.estimator, width)))

    def _require(self, fits: bool) -> None:
        if not fits:
            raise InputError(
                "the parts of the model file do not fit together; use the original file or fit "
                "the model again"
            )


def _counts(labels: np.ndarray, weight: np.ndarray | None) -> tuple[float, float]:
    """Return how many rows, and how many responses, were learned from."""
    if weight is None:
        return len(labels), int(labels.sum())
    return float(weight.sum()), float(weight @ labels)


class Tree(_Trees):
    """One tree of questions with a response rate at each end; it can be drawn and read aloud.

    Options: ``depth`` (questions one after the other), ``min_leaf`` (training rows at each end).
    """

    DEFAULTS: ClassVar[dict[str, Any]] = {"depth": 4, "min_leaf": 50}
    LEARNED = (*_Trees.LEARNED, "n", "hits")

    def check(self) -> None:
        """Refuse sizes that cannot be."""
        whole_number("depth", self.options["depth"], 1, 50)
        whole_number("min_leaf", self.options["min_leaf"], 1)

    def make(self, seed: int) -> Any:
        """Return the estimator."""
        from sklearn.tree import DecisionTreeClassifier

        return DecisionTreeClassifier(
            max_depth=self.options["depth"],
            min_samples_leaf=self.options["min_leaf"],
            criterion="log_loss",
            random_state=seed,
        )

    def settle(self, matrix: np.ndarray, labels: np.ndarray, weight: np.ndarray | None) -> None:
        """Count rows and responses of each node, each with its weight."""
        place = self.estimator.apply(matrix)
        nodes = self.estimator.tree_.node_count
        self.n = np.bincount(place, weights=weight, minlength=nodes)
        hits = labels if weight is None else labels * weight
        self.hits = np.bincount(place, weights=hits, minlength=nodes).astype(self.n.dtype)

    def score(self, given: np.ndarray) -> np.ndarray:
        """Return the log odds, shape (n, 1)."""
        if not len(given):
            return np.empty((0, 1))
        place = self.estimator.apply(given)
        return np.asarray(log_odds(self._shrunk(self.hits, self.n))[place][:, None])

    def restore(self, learned: Mapping[str, Any]) -> None:
        """Become a saved tree."""
        super().restore(learned)
        nodes = (self.estimator.tree_.node_count,)
        self._require(self.n.shape == nodes and self.hits.shape == nodes)


class Forest(_Trees):
    """The mean of many trees, each of other rows and other features (Breiman 2001).

    Options: ``trees``, ``depth`` (None: as deep as ``min_leaf`` allows), ``min_leaf`` (training
    rows at each end), ``features`` (share of the features tried per question, or ``"sqrt"``).
    """

    DEFAULTS: ClassVar[dict[str, Any]] = {
        "trees": 300,
        "depth": None,
        "min_leaf": 5,
        "features": "sqrt",
    }

    def check(self) -> None:
        """Refuse sizes that cannot be."""
        whole_number("trees", self.options["trees"], 1, 100_000)
        if self.options["depth"] is not None:
            whole_number("depth", self.options["depth"], 1, 1000)
        whole_number("min_leaf", self.options["min_leaf"], 1)
        if self.options["features"] != "sqrt":
            share("features", self.options["features"], zero=False, hint=" or 'sqrt'")

    def make(self, seed: int) -> Any:
        """Return the estimator."""
        from sklearn.ensemble import RandomForestClassifier

        share = self.options["features"]
        return RandomForestClassifier(
            n_estimators=self.options["trees"],
            max_depth=self.options["depth"],
            min_samples_leaf=self.options["min_leaf"],
            max_features=share if share == "sqrt" else float(share),
            random_state=seed,
            n_jobs=-1,  # each tree has a seed of its own: the number of threads changes nothing
        )

    def settle(self, matrix: np.ndarray, labels: np.ndarray, weight: np.ndarray | None) -> None:
        """Score with one thread: several would add the trees in an order of chance."""
        self.estimator.n_jobs = 1

    def score(self, given: np.ndarray) -> np.ndarray:
        """Return the log odds, shape (n, 1); several threads, each with rows of its own."""
        from concurrent.futures import ThreadPoolExecutor

        from joblib import cpu_count

        if not len(given):
            return np.empty((0, 1))
        pieces = [given[i : i + BATCH] for i in range(0, len(given), BATCH)]
        with ThreadPoolExecutor(min(cpu_count(), len(pieces))) as pool:
            found = list(pool.map(self.estimator.predict_proba, pieces))
        rate = np.concatenate(found)[:, 1]
        return log_odds(self._shrunk(rate * self.rows, self.rows))[:, None]


class Boosting(_Trees):
    """A sum of small trees, each fitted to what those before it left (histogram trees).

    Options: ``iterations`` (trees), ``learning_rate``, ``leaves`` (ends of each tree), ``l2``
    (penalty on what a leaf adds), ``min_leaf`` (training rows at each end). It stops after that
    many trees, never early by chance.
    """

    DEFAULTS: ClassVar[dict[str, Any]] = {
        "iterations": 150,
        "learning_rate": 0.05,
        "leaves": 4,
        "l2": 10.0,
        "min_leaf": 20,
    }
    by_rate: ClassVar[bool] = False

    def check(self) -> None:
        """Refuse sizes that cannot be."""
        whole_number("iterations", self.options["iterations"], 1, 100_000)
        real_number("learning_rate", self.options["learning_rate"], least=1e-6, most=1)
        whole_number("leaves", self.options["leaves"], 2, 10_000)
        real_number("l2", self.options["l2"], least=0)
        whole_number("min_leaf", self.options["min_leaf"], 1)

    def make(self, seed: int) -> Any:
        """Return the estimator."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        mask = self.encoder.categorical
        return HistGradientBoostingClassifier(
            max_iter=self.options["iterations"],
            learning_rate=self.options["learning_rate"],
            max_leaf_nodes=self.options["leaves"],
            l2_regularization=self.options["l2"],
            min_samples_leaf=self.options["min_leaf"],
            categorical_features=mask if mask.any() else None,
            early_stopping=False,
            random_state=seed,
        )

    def score(self, given: np.ndarray) -> np.ndarray:
        """Return the log odds, shape (n, 1)."""
        if not len(given):
            return np.empty((0, 1))
        with self.threads(given):
            return np.asarray(self.estimator.decision_function(given))[:, None]

    def threads(self, matrix: np.ndarray) -> AbstractContextManager[Any]:
        """Return one thread, unless the data are large."""
        return single_threaded("openmp") if matrix.size < WORTH_THREADS else nullcontext()
