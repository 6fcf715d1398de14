"""Saved models: the same bits again, and a sentence for whatever is not one."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from promolab.errors import InputError
from promolab.model.learners import _skops
from promolab.model.learners.trees import Boosting, Forest, Tree
from promolab.model.response import ResponseModel
from promolab.results.container import _checksum, versions
from tests.model.test_response import data
from tests.refused import refused

TREES = {"tree": {"min_leaf": 20}, "forest": {"trees": 5}, "boosting": {"iterations": 5}}


def header_of(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="np") as file:
        header: dict[str, Any] = json.loads(file.metadata()["promolab"])
    return header


def trees_of(model: ResponseModel) -> Any:
    learner = model.learners_[0]
    assert isinstance(learner, Tree | Forest | Boosting)
    return learner.estimator


def forge(path: Path, change: object) -> None:
    """Change a saved model and give it the checksum that fits."""
    header, arrays = header_of(path), load_file(path)
    change(header, arrays)  # type: ignore[operator]
    told = {"versions": header["versions"], "state": header["state"]}
    header["sha256"] = _checksum(told, arrays)
    save_file(arrays, path, metadata={"promolab": json.dumps(header, sort_keys=True)})


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
    for number in (1, 99):
        header = {"format": f"promolab.response/{number}", "sha256": "", "state": {}}
        save_file({"weights": np.zeros(3)}, path, metadata={"promolab": json.dumps(header)})
        refused(rf"has format 'promolab\.response/{number}'.*fit the", ResponseModel.load, path)
    save_file({"weights": np.zeros(3)}, path, metadata={"promolab": "[" * 100_000})
    refused("holds tensors, but no model of promolab", ResponseModel.load, path)
    refused("is a folder", ResponseModel().fit(*data()[:2]).save, tmp_path)
    with pytest.raises(InputError, match="cannot be saved"):
        ResponseModel().fit(*data()[:2]).save(tmp_path / "nowhere" / "model")


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
    assert header_of(path)["versions"] == versions()


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


def swap_trees(arrays: dict[str, Any], change: object) -> None:
    """Replace the skops archive by one with another schema."""
    with zipfile.ZipFile(io.BytesIO(arrays["0.skops"].tobytes())) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(contents["schema.json"])
    contents["schema.json"] = json.dumps(change(schema)).encode()  # type: ignore[operator]
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    arrays["0.skops"] = np.frombuffer(target.getvalue(), dtype=np.uint8)


def test_a_forged_file_cannot_bring_code(tmp_path: Path) -> None:
    X, y, _ = data()
    touched = tmp_path / "touched"
    path = ResponseModel("boosting", iterations=2).fit(X, y).save(tmp_path / "model")
    good = path.read_bytes()
    system = {
        "__class__": "system",
        "__module__": "os",
        "__loader__": "FunctionNode",
        "__id__": 0,
        "content": {"module_path": "os", "function": "system"},
    }
    command: dict[str, Any] = {
        "__class__": "str",
        "__module__": "builtins",
        "__loader__": "JsonNode",
    }
    command |= {"content": json.dumps(f"touch {touched}"), "is_json": True, "__id__": 1}
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
        forge(path, lambda _, arrays, change=change: swap_trees(arrays, change))
        refused(f"holds .*{named}, which is no part of a response", ResponseModel.load, path)
    assert not touched.exists()


def test_forged_trees_that_are_trusted_but_wrong(tmp_path: Path) -> None:
    X, y, _ = data()
    tree = ResponseModel("tree").fit(X, y)
    path = tree.save(tmp_path / "model")
    good = path.read_bytes()
    forest = ResponseModel("forest", trees=2).fit(X, y)

    def other_kind(_: dict[str, Any], arrays: dict[str, Any]) -> None:
        arrays["0.skops"] = _skops.to_bytes(trees_of(forest))

    def another_version(header: dict[str, Any], _: dict[str, Any]) -> None:
        header["state"]["learners"][0]["scikit-learn"] = "1.2.3"

    def no_archive(_: dict[str, Any], arrays: dict[str, Any]) -> None:
        arrays["0.skops"] = np.zeros(10, dtype=np.uint8)

    def empty_archive(_: dict[str, Any], arrays: dict[str, Any]) -> None:
        swap_trees(arrays, lambda _: {"protocol": 2})

    def too_few(_: dict[str, Any], arrays: dict[str, Any]) -> None:
        arrays["0.hits"] = arrays["0.hits"][:1]

    def other_columns(header: dict[str, Any], _: dict[str, Any]) -> None:
        header["state"]["learners"][0]["encoder"]["columns"].pop()

    for change, message in (
        (other_kind, "holds a RandomForestClassifier where a DecisionTreeClassifier belongs"),
        (another_version, r"saved with scikit-learn 1\.2\.3, and this is .*fit the model again"),
        (no_archive, "trees in the model file cannot be read"),
        (empty_archive, "trees in the model file cannot be read"),
        (too_few, "do not fit together"),
        (other_columns, "do not fit together"),
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
    needed = set()
    for kind, options in TREES.items():
        estimator = trees_of(ResponseModel(kind, **options).fit(X, y))
        archive = zipfile.ZipFile(io.BytesIO(_skops.to_bytes(estimator).tobytes()))
        needed |= _skops._named_in(json.loads(archive.read("schema.json")))
    trusted = set(_skops.TRUSTED)
    # Two plain types are named by other versions of what writes the file.
    assert needed <= trusted and trusted - needed <= {"builtins.int", "numpy.dtype"}
    roots = {name.split(".")[0] for name in _skops.TRUSTED}
    assert roots == {"builtins", "functools", "numpy", "sklearn"}
    assert not any("pickle" in name or "eval" in name for name in _skops.TRUSTED)


def spoil(name: str, how: str) -> object:
    """Return a change that takes a number of an array away, or makes it none."""

    def change(header: dict[str, Any], arrays: dict[str, Any]) -> None:
        arrays[name] = arrays[name].copy()
        if how == "short":
            arrays[name] = np.ascontiguousarray(arrays[name][:-1])
        else:
            arrays[name].flat[0] = np.nan

    return change


@pytest.mark.parametrize("how", ["short", "nan"])
@pytest.mark.parametrize(
    ("kind", "options", "names"),
    [
        ("logistic", {}, ["0.weights", "0.intercept"]),
        ("mlp", {"epochs": 1, "hidden": (4,)}, ["0.weight_0", "0.bias_0", "0.weight_1"]),
    ],
)
def test_files_with_missing_or_short_numbers_are_refused(kind, options, names, how, tmp_path):
    X, y, _ = data(200)
    whole = ResponseModel(kind, **options).fit(X, y).save(tmp_path / "whole")
    for name in names:
        path = tmp_path / name
        path.write_bytes(whole.read_bytes())
        forge(path, spoil(name, how))
        refused("the model file's", ResponseModel.load, path)


def test_files_of_a_kind_that_went_or_whose_encoding_is_no_number_are_refused(tmp_path) -> None:
    X, y, _ = data(200)
    path = ResponseModel("mlp", epochs=1).fit(X, y).save(tmp_path / "model")
    forge(path, lambda header, arrays: header["state"].update(kind="factorization"))
    refused("'factorization' is not a response model; known: boosting", ResponseModel.load, path)
    pooled = {"kind": "logistic", "options": {"by": "promotion_id"}}
    forge(path, lambda header, arrays: header["state"].update(pooled))
    refused("logistic has no option 'by'", ResponseModel.load, path)
    path = ResponseModel().fit(X, y).save(tmp_path / "model")

    def change(header: dict[str, Any], arrays: dict[str, Any]) -> None:
        header["state"]["learners"][0]["encoder"]["codes"][0]["mean"] = float("nan")

    forge(path, change)
    refused("missing or infinite numbers where its columns", ResponseModel.load, path)
