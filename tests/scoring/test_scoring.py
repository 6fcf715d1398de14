"""`promolab score`: every row of a file gets its chance, whatever the size and the kind."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from promolab import cli
from promolab.model.response import ResponseModel
from promolab.scoring.files import score_file
from tests.refused import refused


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    rng, n = np.random.default_rng(0), 1_000
    frame = pd.DataFrame({"customer_id": np.arange(n) + 7, "remark": "not known to the model"})
    frame["amount"] = np.where(rng.uniform(size=n) < 0.1, np.nan, rng.gamma(2, 20, n).round(2))
    frame["orders"], frame["city"] = rng.poisson(4, n), rng.choice(["Oslo", "Bergen", None], n)
    return frame.assign(member=rng.uniform(size=n) < 0.5)


@pytest.fixture(scope="module")
def model(rows: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    y = (rows["orders"] + (rows["city"] == "Oslo") + rows["member"] > 4).astype(int)
    fitted = ResponseModel(columns=["amount", "orders", "city", "member"]).fit(rows, y)
    return fitted.save(tmp_path_factory.mktemp("model") / "model.safetensors")


@pytest.mark.parametrize(("form", "batch"), [("csv", 333), ("parquet", 1), ("parquet", 5_000)])
def test_scores_are_the_models_own(rows, model, tmp_path, form, batch):
    part = rows.head(40) if batch == 1 else rows
    data, out = tmp_path / f"rows.{form}", tmp_path / f"scores.{form}"
    part.to_csv(data, index=False) if form == "csv" else part.to_parquet(data)
    done = score_file(model, data, out, batch=batch)
    scores = pd.read_csv(out) if form == "csv" else pd.read_parquet(out)
    assert scores.columns.tolist() == ["customer_id", "p_response"]
    assert scores["customer_id"].astype(int).tolist() == part["customer_id"].tolist()
    expected = ResponseModel.load(model).probability(part)
    np.testing.assert_allclose(scores["p_response"], expected, rtol=1e-15)
    assert done.n == len(part) and done.expected["response"] == pytest.approx(expected.sum())


def test_a_missing_id_changes_no_other(model: Path, tmp_path: Path) -> None:
    ids = [2**53 + 1, None, 3, 4]  # the first is none that a float can hold
    columns = {"customer_id": ids, "amount": [1.0] * 4, "orders": [2] * 4, "city": ["Oslo"] * 4}
    data, parquet, csv = (tmp_path / f"{name}" for name in ("rows.parquet", "a.parquet", "a.csv"))
    pq.write_table(pa.table(columns | {"member": [True] * 4}), data)
    for out in (parquet, csv):
        score_file(model, data, out, batch=3)
    assert pq.read_table(parquet)["customer_id"].to_pylist() == ids
    said = [line.split(",")[0] for line in csv.read_text().splitlines()]
    assert said == ["customer_id", "9007199254740993", "", "3", "4"]


def test_several_outcomes_get_a_column_each_and_rows_without_id_a_number(rows, tmp_path, model):
    y = pd.DataFrame({"click": rows["orders"] > 3, "purchase": rows["orders"] > 5})
    fitted = ResponseModel(columns=["orders", "city"]).fit(rows, y)
    rows.to_parquet(tmp_path / "rows.parquet")
    done = score_file(fitted, tmp_path / "rows.parquet", tmp_path / "out.csv")
    scores = pd.read_csv(tmp_path / "out.csv")
    assert scores.columns.tolist() == ["customer_id", "p_click", "p_purchase"]
    assert (scores["p_click"] > scores["p_purchase"]).mean() > 0.9
    assert set(done.to_frame()["outcome"]) == {"click", "purchase"}
    rows.drop(columns="customer_id").to_parquet(tmp_path / "rows.parquet")
    score_file(model, tmp_path / "rows.parquet", tmp_path / "out.parquet", batch=300)
    scores = pd.read_parquet(tmp_path / "out.parquet")
    assert scores["row"].tolist() == list(range(1, len(rows) + 1))


def test_the_command_line(rows, model, tmp_path, capsys):
    data, out = tmp_path / "rows.csv", tmp_path / "scores.csv"
    rows.to_csv(data, index=False)
    assert cli.main(["score", str(model), str(data), "--out", str(out)]) == 0
    assert "1,000 rows scored" in capsys.readouterr().out
    before = out.read_bytes()
    bad = rows.astype({"orders": object})
    bad.loc[700, "orders"] = "many"
    bad.to_csv(data, index=False)
    assert cli.main(["score", str(model), str(data), "--out", str(out)]) == 2
    assert "'orders' holds 'many' in row 701" in capsys.readouterr().err
    assert out.read_bytes() == before, "a failed run leaves the old scores as they are"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["rows.csv", "scores.csv"]


def test_what_is_wrong_is_said(rows: pd.DataFrame, model: Path, tmp_path: Path) -> None:
    data, bare = tmp_path / "rows.parquet", tmp_path / "bare.parquet"
    rows.to_parquet(data)
    rows.drop(columns="orders").to_parquet(bare)
    saved, before = tmp_path / "model.csv", model.read_bytes()
    saved.write_bytes(before)
    for change, sentence in (
        ({"data": tmp_path / "no.csv"}, "there is no file"),
        ({"data": bare}, "lack column 'orders'"),
        ({"out": tmp_path / "scores.xlsx"}, "neither .parquet nor .csv"),
        ({"out": tmp_path / "no" / "scores.csv"}, "its folder must exist"),
        ({"out": data}, "is the data itself"),
        ({"model": saved, "out": saved}, "is the model itself"),
        ({"batch": 0}, "batch = 0; expected a whole number from 1 on"),
        ({"batch": 2.5}, r"batch = 2\.5"),
        ({"model": tmp_path / "no.safetensors"}, "there is no model file"),
        ({"model": ResponseModel()}, "not fitted yet"),
    ):
        call = {"model": model, "data": data, "out": tmp_path / "scores.csv", **change}
        refused(sentence, score_file, **call)
    assert saved.read_bytes() == before
