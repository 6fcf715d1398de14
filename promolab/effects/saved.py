"""How an uplift model is written to a file and read again: what it shows, none of its rows."""

from __future__ import annotations

import dataclasses
from typing import Any, cast

import numpy as np
import pandas as pd

from promolab.effects.average_effects import AverageEffects
from promolab.effects.identification import Identification
from promolab.effects.learner_selection import ShrunkEffects
from promolab.effects.learners.aipw import Design
from promolab.effects.learners.base_learners import Chance, Constant, Logistic, Predictor
from promolab.effects.learners.learners import KINDS, Blend
from promolab.effects.learners.linear import LinearFit
from promolab.effects.learners.two_part import TwoPartEffect
from promolab.effects.shrinkage import CONSTANT, CalibratedEffects, Shrinkage
from promolab.errors import InputError
from promolab.model.inputs import Encoder, NativeEncoder
from promolab.model.learners import from_bytes, node_tables_fit, to_bytes
from promolab.results import Estimate, plain

FORMAT = "promolab.uplift/1"
PARTS: dict[str, Any] = {
    each.__name__: each for each in (Blend, Chance, Constant, LinearFit, Logistic, TwoPartEffect)
}
"""What a fitted model may be made of, besides trees."""
TREES = "trees"
State = tuple[dict[str, Any], dict[str, np.ndarray]]


def state_of(drawn: ShrunkEffects, average: AverageEffects) -> State:
    """Return what a file keeps of a fitted model, as plain values and arrays.

    Parameters
    ----------
    drawn : ShrunkEffects
    average : AverageEffects
    """
    import sklearn

    line, result, models = drawn.line, drawn.result, []
    names = ("average", "slope", "covariance", "degrees")
    arrays = {name: np.ascontiguousarray(getattr(line, name)) for name in names}
    arrays["centre"] = drawn.centre
    for k, (name, (design, model)) in enumerate(drawn.models.items()):
        parts = []
        for j, part in enumerate(model.parts):
            described, some = _described(part)
            parts.append(described)
            arrays |= {f"{k}.{j}.{key}": array for key, array in some.items()}
        encoder = None if design.encoder is None else design.encoder.to_dict()
        native = isinstance(design.encoder, NativeEncoder)
        models.append(
            {"learner": name, "native": native, "encoder": encoder, "parts": parts}
            | {"products": model.products}
        )
    state = {
        "outcome": average.outcome,
        "arms": plain([average.control, *average.rows["arm"]]),
        "identification": dataclasses.asdict(average.identification),
        "level": average.level,
        "average": _columns(average.rows),
        "calibrated": _columns(result.rows),
        "told_apart": result.told_apart,
        "qini": plain(result.qini),
        "learners": list(line.learners),
        "columns": list(drawn.columns),
        "models": models,
        "scikit-learn": sklearn.__version__,
    }
    return state, arrays


def restored(
    kind: str, state: dict[str, Any], arrays: dict[str, np.ndarray]
) -> tuple[ShrunkEffects, AverageEffects]:
    """Return what `state_of` was given.

    Parameters
    ----------
    kind : str
        Of the model.
    state, arrays
        As `state_of` returned them.

    Raises
    ------
    InputError
        Parts do not fit together, or hold what is not trusted.
    """
    control, *arms = state["arms"]
    columns, models = tuple(state["columns"]), {}
    for k, each in enumerate(state["models"]):
        encoder = each["encoder"]
        if encoder is not None:
            encoder = (NativeEncoder if each["native"] else Encoder).from_dict(encoder)
        design, products = Design(encoder, columns), bool(each["products"])
        width = len(design.sources)
        if kind == "s":
            width += len(arms) * (1 + width * products)
        parts = [
            _rebuilt(part, _under(arrays, f"{k}.{j}."), width, state["scikit-learn"])
            for j, part in enumerate(each["parts"])
        ]
        _require(len(parts) == {"s": 1, "t": len(arms) + 1}.get(kind, len(arms)))
        models[each["learner"]] = (design, KINDS[kind].restored(parts, len(arms) + 1, products))
    learners = tuple(state["learners"])
    shapes = [arrays[name].shape for name in ("average", "slope", "degrees", "centre")]
    _require(shapes == [(len(arms),)] * 4 and arrays["covariance"].shape == (len(arms), 2, 2))
    _require(len(learners) == len(arms) and set(models) == set(learners) - {CONSTANT})
    names = ("average", "slope", "covariance", "degrees")
    _require(all(bool(np.isfinite(arrays[name]).all()) for name in (*names, "centre")))
    line = Shrinkage(learners, *(arrays[name] for name in names))
    level, outcome = state["level"], state["outcome"]
    result = CalibratedEffects(
        _table(arms, state["calibrated"]), bool(state["told_apart"]), Estimate(**state["qini"]),
        outcome, level,
    )  # fmt: skip
    right = Identification(**state["identification"])
    average = AverageEffects(_table(arms, state["average"]), outcome, control, level, right)
    return ShrunkEffects(result, line, models, arrays["centre"], columns), average


def _columns(table: pd.DataFrame) -> list[list[Any]]:
    """Return a table by arm as pairs of name and values: JSON does not keep the order of names."""
    return [[name, plain(table[name].tolist())] for name in table.columns.drop("arm")]


def _table(arms: list[Any], columns: list[list[Any]]) -> pd.DataFrame:
    made = {
        name: pd.Series(values) if name == "learner" else pd.to_numeric(pd.Series(values))
        for name, values in columns
    }
    return pd.DataFrame({"arm": arms, **made})


def _described(part: Predictor) -> State:
    """Return a fitted model as plain values and arrays."""
    kind = type(part).__name__
    if kind not in PARTS:
        return {"kind": TREES}, {"skops": to_bytes(part)}
    state: dict[str, Any] = {"kind": kind}
    arrays: dict[str, np.ndarray] = {}
    for field in dataclasses.fields(part):  # type: ignore[arg-type]
        value, name = getattr(part, field.name), field.name
        if isinstance(value, np.ndarray):
            arrays[name] = np.ascontiguousarray(value)
        elif value is None or isinstance(value, (int, float)):
            state[name] = value
        else:
            state[name], some = _described(value)
            arrays |= {f"{name}.{key}": array for key, array in some.items()}
    if kind == LinearFit.__name__:
        # Intervals of what is shown come from the shrinkage.
        arrays.pop("covariance", None)
        state["covariance"] = None
    return state, arrays


def _rebuilt(
    state: dict[str, Any], arrays: dict[str, np.ndarray], width: int, version: str
) -> Predictor:
    """Return a fitted model of so many columns from what `_described` gave."""
    kind = state["kind"]
    if kind == TREES:
        trees = from_bytes(arrays["skops"], version)
        _require(trees.n_features_in_ == width and all(node_tables_fit(trees, width)))
        return cast(Predictor, trees)
    _require(kind in PARTS)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(PARTS[kind]):
        name = field.name
        if name in arrays:
            _require(arrays[name].shape == (width,) and bool(np.isfinite(arrays[name]).all()))
            values[name] = arrays[name]
        elif isinstance(state[name], dict):
            values[name] = _rebuilt(state[name], _under(arrays, f"{name}."), width, version)
        else:
            _require(state[name] is None or isinstance(state[name], (int, float)))
            values[name] = state[name]
    return cast(Predictor, PARTS[kind](**values))


def _under(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}


def _require(fits: bool) -> None:
    if not fits:
        raise InputError(
            "the parts of the model file do not fit together; use the original file or fit the "
            "model again"
        )
