"""A plain labelled table becomes the frame that models and backtests take."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from promolab.compare.backtest import run_backtest
from promolab.compare.cross_validation import pair_features
from promolab.model.inputs.folds import split_in_time
from promolab.sources.labelled import load_labelled
from tests.refused import refused, spoilt

CALL: dict[str, Any] = {"id": "member", "label": "click", "time": "sent"}
BOTH = CALL | {"label": ["click", "purchase"]}


def rows(n: int = 400, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    orders = rng.poisson(4, n)
    return pd.DataFrame(
        {
            "member": rng.integers(0, 90, n),
            "orders": orders,
            "city": rng.choice(["Oslo", "Bergen", ""], n),
            "postcode": rng.choice(["0150", "5003"], n),
            "sent": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 180, n), unit="D"),
            "click": (rng.uniform(size=n) < 1 / (1 + np.exp(2 - 0.4 * orders))).astype(int),
        }
    )


def test_csv_parquet_and_frame_give_the_same(tmp_path: Path) -> None:
    table = rows().replace({"city": {"": None}})
    table.to_csv(tmp_path / "rows.csv", index=False)
    table.to_parquet(tmp_path / "rows.parquet")
    frame = load_labelled(table, **CALL)
    for name in ("rows.csv", "rows.parquet"):
        other = load_labelled(tmp_path / name, **CALL)
        pd.testing.assert_frame_equal(frame, other, check_dtype=False)
        assert set(other["postcode"]) == {"0150", "5003"}, "a code with leading zeros is no number"
        assert other["orders"].dtype.kind == "i"
    assert frame["customer_id"].tolist() == table["member"].tolist()


def test_the_finest_period_that_is_not_too_fine() -> None:
    frame = load_labelled(rows(), **CALL)
    assert frame["promotion_id"].nunique() == 26, "weeks"
    assert set(frame["ends_at"] - frame["starts_at"]) == {pd.Timedelta(days=7)}
    assert ((rows()["sent"] >= frame["starts_at"]) & (rows()["sent"] < frame["ends_at"])).all()
    few = load_labelled(rows().assign(sent="2024-05-01"), **CALL)
    assert few["promotion_id"].unique().tolist() == ["2024-05-01"]


def test_zones_are_dropped_and_several_outcomes_may_be_unknown_in_places() -> None:
    times = ["2024-01-01T23:30:00-02:00", "2024-01-02", "2024-01-03"]
    table = rows(60).assign(sent=times * 20, share=["yes", "No", np.nan] * 20)
    frame = load_labelled(table, **CALL | {"label": ["click", "share"]})
    assert frame["promotion_id"].iloc[0] == "2024-01-02"
    assert frame["share"].isna().sum() == 20 and set(frame["share"].dropna()) == {0.0, 1.0}
    assert frame["label_complete"].sum() == 40


def test_promotions_have_a_start_and_an_end() -> None:
    table = rows().assign(mailing=lambda t: t["sent"].dt.month)
    frame = load_labelled(table, **CALL, promotion="mailing")
    assert (frame["promotion_id"] == table["mailing"]).all()
    sent = table.groupby("mailing")["sent"]
    assert (frame["starts_at"] == sent.transform("min")).all()
    assert (frame["ends_at"] == sent.transform("max")).all()


def test_what_is_wrong_names_no_column_or_is_no_table_is_said(tmp_path: Path) -> None:
    for change, sentence in [
        ({"click": 2}, "'click' has 400 of 400 values other than 0 and 1, such as '2'"),
        ({"click": None}, "'click' has 400 of 400 values missing, first in row 1; take"),
        ({"member": 1.5}, "'member' has 400 of 400 values with a fraction, such as '1.5'"),
        ({"sent": "03/01/2024"}, "that are no ISO 8601 time, such as '03/01/2024'"),
        ({"sent": 20240301}, "that are no ISO 8601 time, such as '20240301'"),
        ({"ends_at": 1}, "'ends_at' has a name that promolab fills"),
    ]:
        refused(sentence, load_labelled, rows().assign(**change), **CALL)
    (tmp_path / "empty.csv").write_text("member,click\n")
    (tmp_path / "rows.json").write_text("{}")
    for given, sentence in [
        ({"label": "clicked"}, "no column 'clicked' in the table; did you mean 'click'"),
        ({"label": "member"}, r"\['member', 'member', 'sent'\]; expected at least one, each"),
        ({"label": []}, r"label = \[\]; expected at least one"),
        ({"id": None}, "id = None; expected a text"),
        ({"time": 3}, "time = 3; expected a text"),
        ({"path": [1, 2]}, "the table is a list; give the path of a file, or a DataFrame"),
        ({"path": rows().head(0)}, "the table has no rows"),
        ({"path": pd.concat([rows(), rows()[["city"]]], axis=1)}, "two columns called 'city'"),
        ({"path": tmp_path}, "is a folder"),
        ({"path": tmp_path / "no.csv"}, "there is no file"),
        ({"path": tmp_path / "empty.csv", "time": None}, "has no rows"),
    ]:
        call = {"path": rows()} | CALL | given
        refused(sentence, load_labelled, call.pop("path"), **call)
    spoilt("cannot be read; expected one of", load_labelled, tmp_path / "rows.json", **CALL)


def several() -> pd.DataFrame:
    rng, n = np.random.default_rng(5), 600
    table = rows(n)
    table["sent"] = table["sent"].dt.to_period("M").dt.start_time
    return table.assign(purchase=np.where(rng.random(n) < 0.8, table["click"], 1 - table["click"]))


def test_an_outcome_is_no_feature_of_another(tmp_path: Path) -> None:
    frame = load_labelled(several(), **BOTH)
    assert pair_features(frame, "click") == ["city", "orders", "postcode"]
    frame.to_parquet(tmp_path / "frame.parquet")
    same = pd.read_parquet(tmp_path / "frame.parquet")
    assert pair_features(same, "purchase") == ["city", "orders", "postcode"]


def test_rows_that_lack_one_outcome_serve_the_other() -> None:
    table = several()
    part = table.assign(purchase=table["purchase"].where(np.arange(600) % 5 > 0))
    whole, frame = (load_labelled(each, **BOTH) for each in (table, part))
    full, same = (run_backtest(x, outcome="click").rows for x in (whole, frame))
    np.testing.assert_array_equal(full["p"], same["p"])
    known = run_backtest(frame, outcome="purchase").rows
    assert 0.75 < len(known) / len(full) < 0.85, "a fifth of the purchases is not known"
    split = split_in_time(frame, "purchase")
    assert not np.isnan(split.labels[np.concatenate([split.before, split.after])]).any()


def test_what_a_column_is_can_be_said() -> None:
    table = rows(60).assign(campaign=lambda t: t["orders"] % 5 + 1)
    frame = load_labelled(table, **CALL, kinds={"campaign": "number", "orders": "category"})
    assert frame.attrs["kinds"] == {"campaign": "number", "orders": "category"}
    for kinds, sentence in (
        ({"campain": "number"}, "no column 'campain'; did you mean 'campaign'"),
        ({"campaign": "quantity"}, "'campaign' is 'quantity'; say 'number' or 'category'"),
        ({"city": "number"}, "'city' is no number"),
    ):
        refused(sentence, load_labelled, table, **CALL, kinds=kinds)
