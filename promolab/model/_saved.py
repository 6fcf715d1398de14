"""How a response model is written to a file and read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np

from promolab.errors import InputError, PromolabError
from promolab.model._estimator import Estimator
from promolab.model.learners import make_learner

if TYPE_CHECKING:
    from promolab.model.learners import Learner

__all__ = ["Saved"]


class Saved(Estimator):
    """The side of `ResponseModel` that faces files."""

    learners_: list[Learner]
    calibrators_: list[Any]
    outcomes_: tuple[str, ...]

    def save(self, path: str | Path) -> Path:
        """Write the fitted model to one file (safetensors: numbers and JSON, nothing executes)."""
        from promolab.model.files import write_model

        self._require_fit()
        saved = [learner.state() for learner in self.learners_]
        state: dict[str, Any] = {
            "kind": self.kind,
            "options": self._options(),
            "columns": None if self.columns is None else [str(c) for c in self.columns],
            "calibration": self.calibration,
            "seed": self.seed,
            "positive": self.positive,
            "kinds": None if self.kinds is None else dict(self.kinds),
            "outcomes": list(self.outcomes_),
            "single": self.single_,
            "classes": self.classes_.tolist(),
            "features": self.n_features_in_,
            "feature_names": list(getattr(self, "feature_names_in_", [])),
            "n": self.n_,
            "positives": self.positives_,
            "clusters": self.clusters_,
            "learners": [plain for plain, _ in saved],
            "calibrators": [calibrator.to_dict() for calibrator in self.calibrators_],
        }
        arrays = {f"{k}.{name}": a for k, (_, some) in enumerate(saved) for name, a in some.items()}
        return write_model(path, state, arrays)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a model that `save` wrote; it predicts the same, bit for bit.

        Raises
        ------
        InputError
            There is no such file, it is no response model, or it was changed or cut short.
        """
        from promolab.model.files import read_model

        state, arrays = read_model(path)
        try:
            model = cls(
                state["kind"],
                columns=state["columns"],
                calibration=state["calibration"],
                seed=state["seed"],
                positive=state["positive"],
                kinds=state.get("kinds"),
                **state["options"],
            )
            model._restore(state, arrays)
        except PromolabError:
            raise
        except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
            raise InputError(
                f"{path} is a model of another version of promolab ({error!r}); fit it again"
            ) from error
        return model

    def _restore(self, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        _require_finite({"learners": state["learners"], "calibrators": state["calibrators"]})
        learners = []
        for k, plain in enumerate(state["learners"]):
            learner = make_learner(self.kind, self._options())
            mine = {n.split(".", 1)[1]: a for n, a in arrays.items() if n.startswith(f"{k}.")}
            learner.restore(plain, mine)
            learners.append(learner)
        self.learners_ = learners
        self.calibrators_ = []
        if state["calibrators"]:
            from promolab.model.calibration import Calibrator

            self.calibrators_ = [Calibrator.from_dict(plain) for plain in state["calibrators"]]
        self.outcomes_ = tuple(cast(list[str], state["outcomes"]))
        self.n_, self.positives_ = state["n"], state["positives"]
        self.clusters_, self.classes_ = state["clusters"], np.array(state["classes"])
        self.single_, self.n_features_in_ = state["single"], state["features"]
        if state["feature_names"]:
            self.feature_names_in_ = np.array(state["feature_names"], dtype=object)
        self._expose()


def _require_finite(state: dict[str, Any]) -> None:
    """Refuse a file whose encoding or calibration holds what is no number."""
    try:
        json.dumps(state, allow_nan=False)
    except ValueError as error:
        raise InputError(
            "the model file holds missing or infinite numbers where its columns are described; use "
            "the original file or fit the model again"
        ) from error
