"""Saved models: the same bits again, and a sentence for whatever is not one."""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file
from skops.io import get_untrusted_types

from promolab.model.inputs.encoding import Encoder
from promolab.model.learners.trees import TRUSTED, to_bytes
from promolab.model.response import FORMAT, ResponseModel
from promolab.results import read_values, write_values
from promolab.results.container import versions
from tests.model.test_response import data
from tests.refused import refused

TREES = {"tree": {"min_leaf": 20}, "forest": {"trees": 5}, "boosting": {"iterations": 5}}
LINE = {"logistic": {"columns": ["amount", "city"], "l2": 3.0, "calibration": "platt"}}


def trees_of(model: ResponseModel) -> Any:
    return model.learners_[0].estimator  # type: ignore[attr-defined]


def forge(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change a saved model and give it the checksum that fits."""
    told = read_values(path, FORMAT, what="model")
    change(told)
    write_values(told, path, FORMAT, what="model")


def learned(**changes: Callable[[Any], Any]) -> Callable[[dict[str, Any]], Any]:
    """Return what changes parts of that which the first learner learned."""

    def change(told: dict[str, Any]) -> None:
        parts = told["learners_"][0]
        parts.update({name: made(parts[name]) for name, made in changes.items()})

    return change


@pytest.mark.filterwarnings("ignore::promolab.model.inputs.encoding.UnseenLevels")
@pytest.mark.parametrize("kind", TREES | LINE)
def test_a_saved_model_predicts_the_same_bits(kind: str, tmp_path: Path) -> None:
    X, y, customer = data()
    new, options = data(seed=1)[0].assign(city="elsewhere"), (TREES | LINE)[kind]
    model, same = (ResponseModel(kind, **options).fit(X, y, cluster=customer) for _ in range(2))
    path = model.save(tmp_path / "model")
    again = ResponseModel.load(path)
    np.testing.assert_array_equal(again.logit(new), model.logit(new))
    for other in (again, same):  # no hour, no memory address
        assert other.save(tmp_path / "copy").read_bytes() == path.read_bytes()
    assert again.preparation() == model.preparation() and repr(again) == repr(model)
    if kind == "logistic":
        pd.testing.assert_frame_equal(again.coefficients(), model.coefficients(), check_exact=True)
    with safe_open(path, framework="np") as file:
        assert json.loads(file.metadata()["promolab"])["versions"] == versions()


def test_changed_and_foreign_files_are_refused(tmp_path: Path) -> None:
    X, y, _ = data(200)
    model, path = ResponseModel().fit(X, y), tmp_path / "model"
    refused("there is no model file", ResponseModel.load, path)
    good = model.save(path).read_bytes()
    for at in np.random.default_rng(0).integers(0, len(good), 40).tolist():
        path.write_bytes(good[:at] + bytes([good[at] ^ 4]) + good[at + 1 :])
        refused("model", ResponseModel.load, path)
    for bad in (b"not a model", b"", good[: len(good) // 2], good[:-1]):
        path.write_bytes(bad)
        refused("damaged or no model file", ResponseModel.load, path)
    older = json.dumps({"format": "promolab.response/2", "sha256": "", "state": {}})
    for header, said in [
        (None, "holds tensors, but no model of promolab"),
        ({"promolab": "[" * 100_000}, "holds tensors, but no model of promolab"),
        ({"promolab": older}, r"has format 'promolab\.response/2'.*fit the"),
    ]:
        save_file({"weights": np.zeros(3)}, path, metadata=header)
        refused(said, ResponseModel.load, path)
    refused("is a folder", model.save, tmp_path)
    refused("cannot be saved", model.save, tmp_path / "nowhere" / "model")


def test_several_outcomes_and_classes_are_kept(tmp_path: Path) -> None:
    X, y, _ = data()
    Y = pd.DataFrame({"click": y, "share": np.where(np.arange(len(X)) % 3 > 0, 1 - y, np.nan)})
    model = ResponseModel("tree", seed=4).fit(X, Y)
    again = ResponseModel.load(model.save(tmp_path / "several"))
    pd.testing.assert_frame_equal(again.probability(X), model.probability(X), check_exact=True)
    assert again.preparation("share") == model.preparation("share")
    words = ResponseModel(positive="last").fit(X, np.array(["no", "yes"])[y])
    again = ResponseModel.load(words.save(tmp_path / "words"))
    assert again.predict(X).tolist() == words.predict(X).tolist()
    assert again.feature_names_in_.tolist() == X.columns.tolist() and again.n_features_in_ == 4
    array = ResponseModel().fit(X[["amount"]].to_numpy(), y)
    again = ResponseModel.load(array.save(tmp_path / "array"))
    assert not hasattr(again, "feature_names_in_") and again.n_features_in_ == 1


def swap_trees(told: dict[str, Any], change: Callable[[dict[str, Any]], Any]) -> None:
    """Replace the skops archive by one with another schema."""
    version, trees = told["learners_"][0]["written"]
    with zipfile.ZipFile(io.BytesIO(trees.tobytes())) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    contents["schema.json"] = json.dumps(change(json.loads(contents["schema.json"]))).encode()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    told["learners_"][0]["written"] = version, np.frombuffer(target.getvalue(), dtype=np.uint8)


def test_a_forged_file_cannot_bring_code(tmp_path: Path) -> None:
    X, y, _ = data()
    touched = tmp_path / "touched"
    path = ResponseModel("boosting", iterations=2).fit(X, y).save(tmp_path / "model")
    good = path.read_bytes()
    system: dict[str, Any] = {"__class__": "system", "__module__": "os", "__id__": 0}
    system |= {"__loader__": "FunctionNode"}
    system["content"] = {"module_path": "os", "function": "system"}
    command: dict[str, Any] = {"__class__": "str", "__module__": "builtins"}
    command |= {"__loader__": "JsonNode", "is_json": True, "__id__": 1}
    command["content"] = json.dumps(f"touch {touched}")
    reduced: dict[str, Any] = {"__class__": "Popen", "__module__": "subprocess"}
    reduced |= {"__loader__": "ObjectNode", "content": {**command}, "__id__": 2}

    def within(node: dict[str, Any]) -> object:
        def change(schema: dict[str, Any]) -> dict[str, Any]:
            schema["content"]["content"]["loss"] = node
            return schema

        return change

    for change, named in (
        (lambda schema: {**schema, **system}, "os.system"),
        (within(system), "os.system"),
        (within(reduced), "subprocess.Popen"),
        (lambda schema: {**schema, "__class__": "GaussianNB"}, "GaussianNB"),
    ):
        path.write_bytes(good)
        forge(path, partial(swap_trees, change=change))
        refused(f"holds .*{named}, which is no part of a model", ResponseModel.load, path)
    assert not touched.exists()


def test_a_forged_file_that_does_not_fit_together_is_refused(tmp_path: Path) -> None:
    def short(values: np.ndarray) -> np.ndarray:
        return values[:-1]

    def gapped(values: np.ndarray) -> np.ndarray:
        return np.where(np.arange(values.size).reshape(values.shape) > 0, values, np.nan)

    def without_a_mean(encoder: Encoder) -> Encoder:
        (first, *others), made = encoder.codes, Encoder(())
        object.__setattr__(made, "codes", (replace(first, mean=np.nan), *others))
        return made

    X, y, _ = data(200)
    tree, forest = ResponseModel("tree").fit(X, y), ResponseModel("forest", trees=2).fit(X, y)
    line, network = ResponseModel().fit(X, y), ResponseModel("mlp", epochs=1, hidden=(4,)).fit(X, y)
    grown, encoding = to_bytes(trees_of(forest)), "missing or infinite numbers where its columns"
    no_tree = partial(swap_trees, change=lambda _: {"protocol": 2})
    for model, change, said in [
        (tree, learned(written=lambda w: (w[0], grown)), "RandomForest.* where a DecisionTreeC"),
        (tree, learned(written=lambda w: ("1.2.3", w[1])), "1.2.3, and this is .*fit the model"),
        (tree, learned(written=lambda w: (w[0], w[1][:9])), "trees in the .*cannot be read"),
        (tree, no_tree, "trees in the .*cannot be read"),
        (tree, learned(hits=lambda hits: hits[:1]), "do not fit together"),
        (tree, learned(encoder=lambda e: replace(e, codes=e.codes[:-1])), "do not fit together"),
        *[(line, learned(weights=spoil), "the model file's") for spoil in (short, gapped)],
        *[
            (network, learned(**{part: lambda all_, s=s: [s(all_[0]), *all_[1:]]}), "model file's")
            for part in ("weights", "biases")
            for s in (short, gapped)
        ],
        (line, learned(intercept=lambda b: np.inf), "the model file's intercept"),
        (line, learned(encoder=without_a_mean), encoding),
        (line, lambda told: told["parameters"].update(kind="factorization"), "known: boosting"),
        (line, lambda told: told["parameters"].update(by="promotion_id"), "no option 'by'"),
    ]:
        path = model.save(tmp_path / "model")
        forge(path, change)
        refused(said, ResponseModel.load, path)


@pytest.mark.parametrize("kind", TREES)
def test_trees_that_lead_nowhere_are_refused(kind: str, tmp_path: Path) -> None:
    X, y, _ = data()
    model = ResponseModel(kind, **TREES[kind]).fit(X, y)
    estimator = trees_of(model)
    if kind == "boosting":
        nodes = estimator._predictors[-1][0].nodes
        children, features = nodes["left"], nodes["feature_idx"]
    else:
        tree = estimator.tree_ if kind == "tree" else estimator.estimators_[-1].tree_
        children, features = tree.children_left, tree.feature
    for numbers, wrong in ((children, 10**6), (children, 0), (features, 999)):
        right, numbers[0] = numbers[0], wrong
        path = model.save(tmp_path / "model")
        numbers[0] = right
        refused("do not fit together", ResponseModel.load, path)
    np.testing.assert_array_equal(
        ResponseModel.load(model.save(path)).probability(X), model.probability(X)
    )


def test_what_is_trusted_is_no_more_than_the_kinds_need() -> None:
    X, y, _ = data()
    needed: set[str] = set()
    for kind, options in TREES.items():
        estimator = trees_of(ResponseModel(kind, **options).fit(X, y))
        needed |= {*get_untrusted_types(data=to_bytes(estimator).tobytes())}
    assert needed == set(TRUSTED)
