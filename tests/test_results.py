"""A result is looked at in any form, and kept in a file that holds nothing but values."""

import json
import math
import pickle
import zipfile
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from promolab.language import language, recording, speaking
from promolab.results import Estimate, Result, write_file
from tests.refused import refused


@dataclass(frozen=True)
class Part(Result):
    name: str
    rate: Estimate

    def summary(self) -> str:
        return f"<{self.name}>"


@dataclass(frozen=True)
class Whole(Result):
    rate: Estimate
    share: float
    n: int
    table_: pd.DataFrame
    parts: tuple[Part, ...]
    of: dict[Any, Any]
    when: tuple[Any, ...]
    array: np.ndarray
    nothing: Any = None
    ends: tuple[float, ...] = ()
    counted: int = field(init=False, default=3)

    def summary(self) -> str:
        return "All & more."


@pytest.fixture
def whole():
    frame = pd.DataFrame({"name": ["a", None], "share": [0.25, math.nan]}, index=[7, 8])
    frame["id"], frame.index.name = np.array([2, 10], dtype="int32"), "row"
    frame["kind"] = pd.Categorical(["x", "y"], categories=["y", "x"], ordered=True)
    frame["at"] = pd.to_datetime(["2017-10-30", None])
    return Whole(
        Estimate(0.2, 0.1, math.nan, 9),
        math.inf,
        np.int64(3),
        frame,
        (Part("a", Estimate(1.0, 0, 2)), Part("b", Estimate(2.0, 1, 3))),
        {("x", 1): Estimate(0.5, 0.4, 0.6), 2: [1.5, -math.inf, "text", True]},
        (date(2017, 1, 2), datetime(2017, 1, 2, 3), pd.Timestamp("2020", tz="UTC"), timedelta(1)),
        np.array([[1.5, np.nan]]),
    )


def test_what_is_saved_is_read_back_and_equal_results_make_equal_files(whole, tmp_path):
    path = whole.save(tmp_path / "new" / "whole.zip")
    back = Whole.load(path)
    pd.testing.assert_frame_equal(back.table_, whole.table_)
    np.testing.assert_array_equal(back.array, whole.array)
    assert back.parts == whole.parts and back.of == whole.of and back.when == whole.when
    assert math.isnan(back.rate.ci_high)
    assert replace(back.rate, ci_high=0) == Estimate(0.2, 0.1, 0, 9)
    assert (back.share, back.n, back.nothing, back.counted) == (math.inf, 3, None, 3)
    assert back.save(tmp_path / "again.zip").read_bytes() == path.read_bytes()


def test_sets_are_written_in_one_order_and_arrays_of_objects_and_series_come_back(tmp_path):
    some = [Part("x", {"s": frozenset(names)}) for names in ("abc", "cab")]  # type: ignore[arg-type]
    one, other = (part.save(tmp_path / f"{i}.zip") for i, part in enumerate(some))
    assert one.read_bytes() == other.read_bytes()
    assert Part.load(one).rate["s"] == frozenset("abc")
    values = np.array([["a", None], [1, 2.5]], dtype=object)
    part = Part("x", {"o": values, "s": pd.Series([1, 2], name="n"), "t": pd.NaT})  # type: ignore[arg-type]
    back = Part.load(part.save(tmp_path / "x.zip")).rate
    assert (back["o"] == values).all() and back["t"] is pd.NaT
    pd.testing.assert_series_equal(back["s"], pd.Series([1, 2], name="n"))


def test_what_is_no_value_and_the_wrong_file_are_refused(tmp_path, whole):
    wrong = Part("x", {"f": lambda: 1})  # type: ignore[arg-type]
    refused(r"Part.rate\['f'\] is a function; a saved result holds", wrong.save, tmp_path / "x.zip")
    assert list(tmp_path.iterdir()) == []
    refused(r"there is no result file .*none.zip", Whole.load, tmp_path / "none.zip")
    path = whole.save(tmp_path / "x.zip")
    refused(r"holds a Whole; read it with Whole.load", Part.load, path)
    path.write_bytes(path.read_bytes()[:-40])
    refused("is no saved result", Whole.load, path)
    with zipfile.ZipFile(path, "w") as archive:  # as an earlier version wrote it
        archive.writestr("result.json", "[" * 100_000)
    refused("is no saved result", Whole.load, path)
    write_file(path, "promolab.result/0", {}, {}, what="result")
    refused("has format 'promolab.result/0'.*make it again", Whole.load, path)


def test_a_file_made_by_hand_runs_nothing(tmp_path):
    path = tmp_path / "x.zip"
    arrays = {"x.npy": np.frombuffer(pickle.dumps([1]), dtype=np.uint8)}
    for name, fields in {
        "os.system": {"command": "true"},
        "subprocess.Popen": {"args": "true"},
        "promolab.results.importlib.import_module": {"name": "antigravity"},
        "promolab.errors.InputError": {},
        "promolab.gone.Away": {},
    }.items():
        write_file(path, "promolab.result/1", {"is": name, "fields": fields}, arrays, what="result")
        refused(".", Whole.load, path)
    write_file(path, "promolab.result/1", {"array": "x.npy"}, arrays, what="result")
    refused(".", Whole.load, path)


def test_rows_and_dicts_make_it_again_and_it_shows_itself_safely():
    part = Part("b", Estimate(0.5, 0.4, 0.6, 7))
    row = part.to_frame().iloc[0]
    assert "rate_ci_low" in row.index and Part.from_row(row) == part
    told = json.loads(json.dumps(Part("a", Estimate(0.5)).to_dict()))
    assert told["rate"]["ci_low"] is None
    assert math.isnan(Part.from_dict(told).rate.ci_low)
    shown = part._repr_html_()
    assert "&lt;b&gt;" in shown and "0.50 [0.40, 0.60]" in shown and '<div class="scroll"' in shown
    assert (Estimate(0.2, 0.1, 0.4, 5) * -10).ends == (-2.0, -4.0, -1.0)


class Spoken(Result):
    _room_words = {"keep": ["tongue"], "say": {}}  # noqa: RUF012 - as a room's file has them

    def facts(self) -> dict[str, Any]:
        return {"tongue": language()}


def test_what_a_result_puts_down_is_english_but_where_a_week_records_it():
    with speaking("zh"):
        assert Spoken().to_dict() == {"tongue": "en"} and language() == "zh"
    with recording("zh"):
        assert Spoken().to_dict() == {"tongue": "zh"}
    assert Spoken().to_dict() == {"tongue": "en"} and language() == "en"
