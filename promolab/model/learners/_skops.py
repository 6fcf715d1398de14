"""Scikit-learn estimators as bytes: skops with an explicit list of what may be inside."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from promolab.errors import InputError

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
