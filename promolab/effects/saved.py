"""What a file keeps of an uplift model: what it shows, none of its rows."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from promolab.effects.average_effects import AverageEffects
from promolab.effects.learner_selection import ShrunkEffects
from promolab.effects.learners.aipw import Design
from promolab.effects.learners.base_learners import Chance, Constant, Logistic
from promolab.effects.learners.learners import KINDS, Blend
from promolab.effects.learners.linear import LinearFit
from promolab.effects.learners.two_part import TwoPartEffect
from promolab.effects.shrinkage import CONSTANT, CalibratedEffects, Shrinkage
from promolab.errors import InputError
from promolab.model.learners import from_bytes, node_tables_fit, to_bytes
from promolab.results import Result

FORMAT = "promolab.uplift/3"
PARTS = (Blend, Chance, Constant, LinearFit, Logistic, TwoPartEffect)
"""What a fitted model may be made of, besides trees."""


@dataclass(frozen=True)
class Trees:
    """Trees as skops writes them, and the scikit-learn that grew them."""

    skops: np.ndarray
    version: str


@dataclass(frozen=True)
class SavedUplift(Result):
    """A fitted model as it is kept.

    Parameters
    ----------
    parameters : dict
        Of `UpliftModel`.
    average : AverageEffects
    calibrated : CalibratedEffects
    line : Shrinkage
    models : dict of str to (Design, parts, products)
        By learner: how frames become columns, what was fitted on them, and whether columns are
        multiplied by arms.
    centre : ndarray of shape (K − 1,)
    columns : tuple of str
    """

    parameters: dict[str, Any]
    average: AverageEffects
    calibrated: CalibratedEffects
    line: Shrinkage
    models: dict[str, tuple[Design, tuple[Any, ...], bool]]
    centre: np.ndarray
    columns: tuple[str, ...]

    @classmethod
    def of(
        cls, parameters: dict[str, Any], drawn: ShrunkEffects, average: AverageEffects
    ) -> SavedUplift:
        """Return what a file keeps of a fitted model."""
        models = {
            name: (design, tuple(map(_kept, model.parts)), model.products)
            for name, (design, model) in drawn.models.items()
        }
        return cls(
            parameters, average, drawn.result, drawn.line, models, drawn.centre, drawn.columns
        )

    def restored(self) -> ShrunkEffects:
        """Return what predicts, once its parts are known to fit together.

        Raises
        ------
        InputError
            They do not, or another scikit-learn grew the trees.
        """
        kind, line, models = self.parameters["kind"], self.line, {}
        arms = len(self.average.rows)
        for name, (design, kept, products) in self.models.items():
            width = len(design.sources)
            if kind == "s":
                width += arms * (1 + width * products)
            parts = [_rebuilt(part, width) for part in kept]
            _require(len(parts) == {"s": 1, "t": arms + 1}.get(kind, arms))
            models[name] = design, KINDS[kind].restored(parts, arms + 1, products)
        figures = line.average, line.slope, line.degrees, self.centre
        _require([each.shape for each in figures] == [(arms,)] * 4)
        _require(line.covariance.shape == (arms, 2, 2) and len(line.learners) == arms)
        _require(all(bool(np.isfinite(each).all()) for each in (*figures, line.covariance)))
        _require(set(models) == set(line.learners) - {CONSTANT})
        return ShrunkEffects(self.calibrated, line, models, self.centre, self.columns)


def _kept(part: Any) -> Any:
    """Return a fitted model of frozen parts."""
    if not isinstance(part, PARTS):
        import sklearn

        return Trees(to_bytes(part), sklearn.__version__)
    inner: dict[str, Any] = {f.name: getattr(part, f.name) for f in dataclasses.fields(part)}
    plain = (np.ndarray, int, float)
    inner = {k: v if isinstance(v, plain) else _kept(v) for k, v in inner.items()}
    return replace(part, **inner)


def _rebuilt(part: Any, width: int) -> Any:
    """Return a fitted model of so many columns from what `_kept` gave."""
    if isinstance(part, Trees):
        trees = from_bytes(part.skops, part.version)
        _require(trees.n_features_in_ == width and all(node_tables_fit(trees, width)))
        return trees
    _require(isinstance(part, PARTS))
    values = {f.name: getattr(part, f.name) for f in dataclasses.fields(part)}
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            _require(value.shape == (width,) and bool(np.isfinite(value).all()))
        elif not (value is None or isinstance(value, (int, float))):
            values[name] = _rebuilt(value, width)
    return replace(part, **values)


def _require(fits: bool) -> None:
    if not fits:
        raise InputError(
            "the parts of the model file do not fit together; use the original file or fit the "
            "model again"
        )
