"""An uplift model is an estimator of scikit-learn, and goes to a file and back."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, Ridge

from promolab.effects.model import UpliftModel
from promolab.effects.saved import FORMAT
from promolab.errors import InputError
from promolab.model import ResponseModel
from promolab.results import read_values, write_values
from tests.effects.made_up import trial
from tests.refused import refused


@pytest.fixture(scope="module")
def experiment():
    found = trial(1_500, seed=11)
    rows = found.frame
    rows["y"] += (rows["arm"] == "coupon") * rows["orders"] - (rows["arm"] == "mail") * rows["age"]
    return found


def test_parameters_are_those_of_scikit_learn(experiment):
    model = UpliftModel("x", Ridge(alpha=3.0))
    assert model.get_params()["learner__alpha"] == clone(model).learner.alpha == 3.0
    fitted = UpliftModel("dr", "ridge", folds=3).fit(experiment)
    copied = clone(fitted)
    assert copied.get_params() == fitted.get_params() and not hasattr(copied, "arms_")
    again = copied.fit(experiment)
    assert (again.predict(experiment) == fitted.predict(experiment)).all()
    changed = clone(fitted).set_params(learner="linear", folds=2)
    assert changed.fit(experiment).calibrated_.rows["learner"].tolist() == ["linear"] * 2


@pytest.mark.parametrize("named", ["dr", "s", "t", "x", "r", "dr/boosting", "x/boosting"])
def test_a_loaded_model_shows_the_same(experiment, tmp_path, named):
    kind, learner = [*named.split("/"), "linear"][:2]
    model = UpliftModel(kind, learner, outcome_learner="linear", folds=2).fit(experiment)
    assert model.calibrated_.told_apart
    path = model.save(tmp_path / "model")
    again = UpliftModel.load(path)
    new = experiment.X.head(50)
    pd.testing.assert_frame_equal(again.effect(new), model.effect(new))
    pd.testing.assert_frame_equal(again.average().rows, model.average().rows, check_dtype=False)
    assert again.average().summary() == model.average().summary()
    assert again.calibrated_.summary() == model.calibrated_.summary()
    assert again.get_params() == model.get_params() and again.arms_ == model.arms_
    assert str(again.identification_) == "randomised" and again.outcome_ == "y"
    assert path.read_bytes() == model.save(tmp_path / "again").read_bytes()
    # No row of the experiment is in the file, so what needs one says so.
    said = "a saved uplift model holds no rows"
    for call, *given in (
        *((getattr, again, name) for name in ("scores_", "effects_")),
        *((again.by_group, "town"), (again.average, 0.9)),
    ):
        refused(said, call, *given)
    refused(said, again.predict, new, calibrated=False)


def test_outcomes_of_0_and_1_a_choice_of_learners_and_one_that_tells_nobody_are_save(tmp_path):
    binary, nothing = trial(1_000, seed=12, binary=True), trial(600, covariates=[])
    for made, *how in (
        *((binary, "dr"), (binary, "t", "linear"), (binary, "s", "boosting"), (nothing, "dr")),
    ):
        model = UpliftModel(*how, folds=2).fit(made)
        again = UpliftModel.load(model.save(tmp_path / "model"))
        assert (again.predict(made.X) == model.predict(made.X)).all()
    average = model.average().rows["effect"].to_numpy()
    assert again.predict(nothing.X)[2] == pytest.approx(average, rel=1e-12)


def test_what_cannot_be_saved_or_read_is_said(experiment, tmp_path):
    refused("has not learned yet", UpliftModel().save, tmp_path / "model")
    with pytest.raises(InputError, match=r"LinearRegression\(\) cannot be saved; take one of"):
        UpliftModel("dr", LinearRegression(), folds=2).fit(experiment).save(tmp_path / "model")
    refused("there is no model file", UpliftModel.load, tmp_path / "nothing")
    model = UpliftModel("dr", "boosting", outcome_learner="linear", folds=2).fit(experiment)
    path = model.save(tmp_path / "model")
    refused(r"has format 'promolab.uplift/3'", ResponseModel.load, path)
    good = path.read_bytes()
    path.write_bytes(good[:-100])
    refused("is damaged", UpliftModel.load, path)
    path.write_bytes(good)
    kept = read_values(path, FORMAT)
    line, ((name, (design, parts, products)),) = kept.line, kept.models.items()
    encoder = replace(design.encoder, codes=design.encoder.codes[:-1])

    def of(design=design, parts=parts):
        return {"models": {name: (design, parts, products)}}

    for forged, words in (
        ({"line": replace(line, slope=line.slope[:1])}, "do not fit together"),
        ({"centre": kept.centre * np.nan}, "do not fit together"),
        (of(parts=parts[:-1]), "do not fit together"),
        (of(parts=(line, *parts[1:])), "do not fit together"),
        (of(design=replace(design, encoder=encoder)), "do not fit together"),
        ({"line": replace(line, learners=("constant", "constant"))}, "do not fit together"),
        ({"parameters": kept.parameters | {"kind": "zz"}}, "kind = 'zz' is unknown"),
        (of(parts=tuple(replace(p, version="0.1") for p in parts)), "saved with scikit-learn 0.1"),
    ):
        write_values(replace(kept, **forged), path, FORMAT)
        refused(words, UpliftModel.load, path)
    write_values(kept.average, path, FORMAT)
    refused("holds a AverageEffects and no uplift model", UpliftModel.load, path)
