"""A plain labelled table becomes the frame that models and backtests take."""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from promolab.compare.backtest import run_backtest
from promolab.compare.cross_validation import pair_features
from promolab.model.inputs.folds import split_in_time
from promolab.sources.labelled import load_labelled
from tests.refused import refused, spoilt


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
    say = {"id": "member", "label": "click", "time": "sent"}
    frames = [load_labelled(tmp_path / name, **say) for name in ("rows.csv", "rows.parquet")]
    frames.append(load_labelled(table, **say))
    for other in frames[1:]:
        pd.testing.assert_frame_equal(frames[0], other, check_dtype=False)
    first = frames[0]
    assert len(first) == len(table)
    assert first["customer_id"].tolist() == table["member"].tolist()
    assert first["orders"].dtype.kind == "i"
    assert set(first["postcode"]) == {"0150", "5003"}, "a code with leading zeros is no number"


def test_the_finest_period_that_is_not_too_fine(tmp_path: Path) -> None:
    frame = load_labelled(rows(), id="member", label="click", time="sent")
    assert frame["promotion_id"].nunique() == 26, "weeks"
    width = frame["ends_at"] - frame["starts_at"]
    assert set(width) == {pd.Timedelta(days=7)}
    inside = (rows()["sent"] >= frame["starts_at"]) & (rows()["sent"] < frame["ends_at"])
    assert inside.all()
    few = load_labelled(rows().assign(sent="2024-05-01"), id="member", label="click", time="sent")
    assert few["promotion_id"].unique().tolist() == ["2024-05-01"]


def test_zones_are_dropped_and_several_outcomes_may_be_unknown_in_places() -> None:
    table = rows(4).assign(
        sent=["2024-01-01T23:30:00-02:00", "2024-01-02", "2024-01-03", "2024-01-04"]
    )
    frame = load_labelled(table, id="member", label="click", time="sent")
    assert frame["promotion_id"].iloc[0] == "2024-01-02"
    assert frame["starts_at"].dt.tz is None
    table = rows(60).assign(share=["yes", "No", np.nan] * 20)
    frame = load_labelled(table, id="member", label=["click", "share"], time="sent")
    assert frame["share"].isna().sum() == 20 and set(frame["share"].dropna()) == {0.0, 1.0}
    assert frame["label_complete"].sum() == 40


def test_promotions_have_a_start_and_an_end() -> None:
    table = rows().assign(mailing=lambda t: t["sent"].dt.month)
    frame = load_labelled(table, id="member", label="click", time="sent", promotion="mailing")
    assert len(set(frame["promotion_id"])) > 1
    for promotion, part in frame.groupby("promotion_id"):
        assert part["starts_at"].nunique() == part["ends_at"].nunique() == 1
        sent = table.loc[part.index, "sent"]
        assert (sent.min(), sent.max()) == (part["starts_at"].iloc[0], part["ends_at"].iloc[0])
        assert (table.loc[part.index, "mailing"] == promotion).all()


def test_what_is_wrong_names_no_column_or_is_no_table_is_said() -> None:
    for change, say, sentence in [
        ({}, {"label": "clicked"}, "no column 'clicked' in the table; did you mean 'click'"),
        ({}, {"label": "member"}, "['member', 'member', 'sent']; expected at least one, each"),
        ({}, {"label": []}, "label = []; expected at least one"),
        ({"click": 2}, {}, "'click' has 400 of 400 values other than 0 and 1, such as '2'"),
        ({"click": None}, {}, "'click' has 400 of 400 values missing, first in row 1; take"),
        ({"member": 1.5}, {}, "'member' has 400 of 400 values with a fraction, such as '1.5'"),
        ({"sent": "03/01/2024"}, {}, "that are no ISO 8601 time, such as '03/01/2024'"),
        ({"sent": 20240301}, {}, "that are no ISO 8601 time, such as '20240301'"),
        ({"ends_at": 1}, {}, "'ends_at' has a name that promolab fills"),
    ]:
        call = {"id": "member", "label": "click", "time": "sent"} | say
        refused(re.escape(sentence), load_labelled, rows().assign(**change), **call)
    for change, sentence in [
        ({"id": None}, "id = None; expected a text"),
        ({"label": 3}, "label = 3; expected a text"),
        ({"time": 3}, "time = 3; expected a text"),
        ({"path": [1, 2]}, "the table is a list; give the path of a file, or a DataFrame"),
        ({"path": rows().head(0)}, "the table has no rows"),
        ({"path": pd.concat([rows(), rows()[["city"]]], axis=1)}, "two columns called 'city'"),
    ]:
        given = {"path": rows(), "id": "member", "label": "click"} | change
        refused(sentence, load_labelled, given.pop("path"), **given)


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("member,click\n")
    for path, sentence in (
        (tmp_path, "is a folder"),
        (tmp_path / "no.csv", "there is no file"),
        (tmp_path / "empty.csv", "has no rows"),
    ):
        refused(sentence, load_labelled, path, id="member", label="click")
    (tmp_path / "rows.json").write_text("{}")
    call = {"id": "member", "label": "click"}
    spoilt("cannot be read; expected one of", load_labelled, tmp_path / "rows.json", **call)


def several(n: int = 1_500) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    table = rows(n)
    table["sent"] = table["sent"].dt.to_period("M").dt.start_time
    table["purchase"] = np.where(rng.uniform(size=n) < 0.8, table["click"], 1 - table["click"])
    return table


def test_an_outcome_is_no_feature_of_another(tmp_path: Path) -> None:
    frame = load_labelled(several(), id="member", label=["click", "purchase"], time="sent")
    assert pair_features(frame, "click") == ["city", "orders", "postcode"]
    frame.to_parquet(tmp_path / "frame.parquet")
    for same in (
        frame[frame["orders"] > 1].reset_index(drop=True).assign(more=1.0).drop(columns="more"),
        pd.read_parquet(tmp_path / "frame.parquet"),
    ):
        assert pair_features(same, "purchase") == ["city", "orders", "postcode"]


def test_rows_that_lack_one_outcome_serve_the_other() -> None:
    table = several(600)
    whole = load_labelled(table, id="member", label=["click", "purchase"], time="sent")
    table["purchase"] = table["purchase"].where(np.arange(len(table)) % 5 > 0)
    frame = load_labelled(table, id="member", label=["click", "purchase"], time="sent")
    full, same = (run_backtest(x, outcome="click").rows for x in (whole, frame))
    np.testing.assert_array_equal(full["p"], same["p"])
    part = run_backtest(frame, outcome="purchase").rows
    assert 0.75 < len(part) / len(full) < 0.85, "a fifth of the purchases is not known"
    split = split_in_time(frame, "purchase")
    assert not np.isnan(split.labels[np.concatenate([split.before, split.after])]).any()


def test_what_a_column_is_can_be_said() -> None:
    table = rows(60).assign(campaign=lambda t: t["orders"] % 5 + 1)
    call = {"id": "member", "label": "click"}
    frame = load_labelled(table, **call, kinds={"campaign": "number", "orders": "category"})
    assert frame.attrs["kinds"] == {"campaign": "number", "orders": "category"}
    for kinds, sentence in (
        ({"campain": "number"}, "no column 'campain'; did you mean 'campaign'"),
        ({"campaign": "quantity"}, "'campaign' is 'quantity'; say 'number' or 'category'"),
        ({"city": "number"}, "'city' is no number"),
    ):
        refused(sentence, load_labelled, table, **call, kinds=kinds)
