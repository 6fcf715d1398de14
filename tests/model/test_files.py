"""Saved models: the same bits again, and a sentence for whatever is not one."""

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from safetensors import safe_open
from safetensors.numpy import save_file
from skops.io import get_untrusted_types

from promolab.model.inputs.encoding import Encoder
from promolab.model.learners.trees import TRUSTED, Boosting, Forest, Tree, to_bytes
from promolab.model.response import FORMAT, ResponseModel
from promolab.results import read_values, write_values
from promolab.results.container import versions
from tests.model.test_response import data
from tests.refused import refused

TREES = {"tree": {"min_leaf": 20}, "forest": {"trees": 5}, "boosting": {"iterations": 5}}


def trees_of(model: ResponseModel) -> Any:
    learner = model.learners_[0]
    assert isinstance(learner, Tree | Forest | Boosting)
    return learner.estimator


def forge(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change a saved model and give it the checksum that fits."""
    told = read_values(path, FORMAT, what="model")
    change(told)
    write_values(told, path, FORMAT, what="model")


def test_saved_and_loaded_predicts_the_same_bits(tmp_path: Path) -> None:
    X, y, customer = data()
    model = ResponseModel(columns=["amount", "city"], l2=3.0).fit(X, y, cluster=customer)
    path = model.save(tmp_path / "response.safetensors")
    again = ResponseModel.load(path)
    np.testing.assert_array_equal(again.probability(X), model.probability(X))
    pd.testing.assert_frame_equal(again.coefficients(), model.coefficients(), check_exact=True)
    assert again.columns == ["amount", "city"] and again.l2_ == 3.0
    assert again.save(tmp_path / "copy").read_bytes() == path.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy", "response.safetensors"]


def test_changed_and_foreign_files_are_refused(tmp_path: Path) -> None:
    X, y, _ = data()
    path = ResponseModel().fit(X, y).save(tmp_path / "model")
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    for at in [*rng.integers(0, len(good), 60).tolist(), len(good) - 1]:
        path.write_bytes(good[:at] + bytes([good[at] ^ 4]) + good[at + 1 :])
        refused("model", ResponseModel.load, path)
    for cut in (0, 5, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:cut])
        refused("damaged or no model file", ResponseModel.load, path)
    path = tmp_path / "foreign"
    refused("there is no model file", ResponseModel.load, path)
    path.write_text("not a model")
    refused("damaged or no model file", ResponseModel.load, path)
    save_file({"weights": np.zeros(3)}, path)
    refused("holds tensors, but no model of promolab", ResponseModel.load, path)
    for number in (1, 2, 99):
        header = {"format": f"promolab.response/{number}", "sha256": "", "state": {}}
        save_file({"weights": np.zeros(3)}, path, metadata={"promolab": json.dumps(header)})
        refused(rf"has format 'promolab\.response/{number}'.*fit the", ResponseModel.load, path)
    save_file({"weights": np.zeros(3)}, path, metadata={"promolab": "[" * 100_000})
    refused("holds tensors, but no model of promolab", ResponseModel.load, path)
    refused("is a folder", ResponseModel().fit(X, y).save, tmp_path)
    there = tmp_path / "nowhere" / "model"
    refused("cannot be saved", ResponseModel().fit(X, y).save, there)


@pytest.mark.filterwarnings("ignore::promolab.model.inputs.encoding.UnseenLevels")
@pytest.mark.parametrize("kind", TREES)
def test_saved_trees_predict_the_same_bits(kind: str, tmp_path: Path) -> None:
    X, y, _ = data()
    new = data(seed=1)[0].assign(city="elsewhere")
    model = ResponseModel(kind, **TREES[kind]).fit(X, y)
    path = model.save(tmp_path / "model")
    again = ResponseModel.load(path)
    np.testing.assert_array_equal(again.logit(new), model.logit(new))
    assert again.save(tmp_path / "copy").read_bytes() == path.read_bytes()
    fresh = ResponseModel(kind, **TREES[kind]).fit(X, y).save(tmp_path / "fresh")
    assert fresh.read_bytes() == path.read_bytes()  # no hour, no memory address
    assert again.preparation() == model.preparation()
    with safe_open(path, framework="np") as file:
        assert json.loads(file.metadata()["promolab"])["versions"] == versions()


def test_another_process_predicts_the_same_bits(tmp_path: Path) -> None:
    X, y, _ = data()
    X.to_parquet(tmp_path / "X.parquet")
    expected = {}
    for kind, options in TREES.items():
        model = ResponseModel(kind, **options).fit(X, y)
        model.save(tmp_path / kind)
        expected[kind] = model.probability(X)
    code = (
        "import sys, pandas as pd, numpy as np; from promolab.model.response import ResponseModel; "
        "X = pd.read_parquet(sys.argv[1] + '/X.parquet'); "
        "np.savez(sys.argv[1] + '/out', **{k: ResponseModel.load(f'{sys.argv[1]}/{k}')"
        ".probability(X) for k in sys.argv[2:]})"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path), *TREES], check=True)
    with np.load(tmp_path / "out.npz") as found:
        for kind in TREES:
            np.testing.assert_array_equal(found[kind], expected[kind])


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


def test_forged_trees_that_are_trusted_but_wrong(tmp_path: Path) -> None:
    X, y, _ = data()
    tree = ResponseModel("tree").fit(X, y)
    path = tree.save(tmp_path / "model")
    good = path.read_bytes()
    forest = ResponseModel("forest", trees=2).fit(X, y)

    def learned(**changes: Any) -> Callable[[dict[str, Any]], Any]:
        return lambda told: told["learners_"][0].update(changes)

    first = tree.learners_[0]
    assert isinstance(first, Tree)
    bytes_of, version = to_bytes, sklearn.__version__
    fewer = replace(first.encoder, codes=first.encoder.codes[:-1])
    other_kind = learned(written=(version, bytes_of(trees_of(forest))))
    another_version = learned(written=("1.2.3", bytes_of(trees_of(tree))))
    no_archive = learned(written=(version, np.zeros(10, dtype=np.uint8)))
    no_tree = partial(swap_trees, change=lambda _: {"protocol": 2})
    for change, message in (
        (other_kind, "holds a RandomForestClassifier where a DecisionTreeClassifier belongs"),
        (another_version, r"saved with scikit-learn 1\.2\.3, and this is .*fit the model again"),
        (no_archive, "trees in the model file cannot be read"),
        (no_tree, "trees in the model file cannot be read"),
        (learned(hits=first.hits[:1]), "do not fit together"),
        (learned(encoder=fewer), "do not fit together"),
    ):
        path.write_bytes(good)
        forge(path, change)
        refused(message, ResponseModel.load, path)


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


@pytest.mark.parametrize("how", ["short", "nan"])
@pytest.mark.parametrize(
    ("kind", "options", "names"),
    [
        ("logistic", {}, ["weights"]),
        ("mlp", {"epochs": 1, "hidden": (4,)}, ["weights", "biases"]),
    ],
)
def test_files_with_missing_or_short_numbers_are_refused(kind, options, names, how, tmp_path):
    X, y, _ = data(200)
    whole = ResponseModel(kind, **options).fit(X, y).save(tmp_path / "whole")

    def spoil(told: dict[str, Any], name: str) -> None:
        """Take a number of an array away, or make it none."""
        learned = told["learners_"][0]
        array = (learned[name] if kind == "logistic" else learned[name][0]).copy()
        array.flat[0] = np.nan
        array = array[:-1] if how == "short" else array
        learned[name] = array if kind == "logistic" else [array, *learned[name][1:]]

    for name in names:
        path = tmp_path / name
        path.write_bytes(whole.read_bytes())
        forge(path, partial(spoil, name=name))
        refused("the model file's", ResponseModel.load, path)


def test_files_of_a_kind_that_went_or_whose_encoding_is_no_number_are_refused(tmp_path) -> None:
    X, y, _ = data(200)
    path = ResponseModel().fit(X, y).save(tmp_path / "model")
    forge(path, lambda told: told["parameters"].update(kind="factorization"))
    refused("'factorization' is not a response model; known: boosting", ResponseModel.load, path)
    forge(path, lambda told: told["parameters"].update(kind="logistic", by="promotion_id"))
    refused("logistic has no option 'by'", ResponseModel.load, path)
    path = ResponseModel().fit(X, y).save(tmp_path / "model")
    forge(path, lambda told: told["learners_"][0].update(intercept=float("inf")))
    refused("the model file's intercept", ResponseModel.load, path)
    path = ResponseModel().fit(X, y).save(tmp_path / "model")

    def change(told: dict[str, Any]) -> None:
        (first, *others), encoder = told["learners_"][0]["encoder"].codes, Encoder(())
        object.__setattr__(encoder, "codes", (replace(first, mean=float("nan")), *others))
        told["learners_"][0]["encoder"] = encoder

    forge(path, change)
    refused("missing or infinite numbers where its columns", ResponseModel.load, path)
