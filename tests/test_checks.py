"""One way to refuse an argument: what is a number, where the ends of a span lie, what is said."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa

from promolab import checks
from tests.refused import refused


def test_numbers_of_python_and_numpy_and_what_is_none():
    for whole in (3, np.int64(3), np.uint8(3)):
        found = checks.whole_number("k", whole, 3, 3)
        assert found == 3 and type(found) is int
    for wrong in (True, np.True_, 3.0, np.float64(3), "3", None, float("nan")):
        refused(r"k = .*; expected a whole number$", checks.whole_number, "k", wrong)
    for real in (0.5, np.float32(0.5), Fraction(1, 2)):
        assert checks.real_number("l2", real, above=0) == 0.5
    for none in (True, np.False_, "0.5", None, float("nan"), float("inf"), np.float64("-inf"), [1]):
        assert not checks.is_number(none)
        refused(r"l2 = .*; expected a number$", checks.real_number, "l2", none)


def test_bounds_are_said():
    for bounds, wrong, said in [
        ({"least": 0}, -1, "from 0 on"),
        ({"above": 0}, 0, "above 0"),
        ({"most": 4}, 5, "up to 4"),
        ({"below": 4}, 4, "below 4"),
        ({"least": 0, "most": 1}, 1.5, "from 0 to 1"),
        ({"least": 0, "below": 1}, 1, "from 0 to below 1"),
        ({"above": 0, "most": 1}, 0, "above 0 and up to 1"),
        ({"above": 0, "below": 0.5}, 0.5, "between 0 and 0.5"),
    ]:
        said = f"^x = {wrong}; expected a number {said}$"
        refused(said, checks.real_number, "x", wrong, **bounds)
        for end in {"least", "most"} & {*bounds}:  # type: ignore[misc]
            assert checks.real_number("x", bounds[end], **bounds) == bounds[end]


def test_numpy_numbers_are_written_as_numbers_and_shares_have_their_ends():
    said = r"k = 9; expected a whole number from 1 to 5, or None"
    refused(said, checks.whole_number, "k", np.int64(9), 1, 5, hint=", or None")
    for ends, wrong, said in [
        ({}, -0.1, "from 0 to 1, such as 0.1"),
        ({"zero": False}, 0, "above 0 and up to 1, such as 0.1"),
        ({"one": False}, 1, "from 0 to below 1, such as 0.1"),
        ({"zero": False, "one": False}, np.float64(1), "between 0 and 1, such as 0.1"),
        ({}, 25, r"from 0 to 1 \(0.25, not 25\)"),
        ({}, True, "from 0 to 1, such as 0.1"),
    ]:
        refused(f"expected a share {said}$", checks.share, "x", wrong, **ends)
    assert [checks.share("x", value) for value in (0, np.float32(0.5), 1)] == [0, 0.5, 1]


def test_truth_values_texts_choices_files_and_columns(tmp_path):
    assert checks.flag("x", np.True_) is True and checks.flag("x", False) is False
    refused("x = 1; expected True or False", checks.flag, "x", 1)
    assert checks.text("x", "", empty=True) == ""
    refused("x = 3; expected a text", checks.text, "x", 3)
    assert checks.choice("arm", 1, [0, 1]) == 1
    refused("arm = 3 is unknown; known: 0, 1", checks.choice, "arm", 3, [0, 1])
    assert checks.choices_of("arms", ("b", "a"), "abc") == ["b", "a"]
    refused(r"arms = \[\]; expected at least one, each once", checks.choices_of, "arms", [])
    refused("arms = 'd' is unknown", checks.choices_of, "arms", ["a", "d"], "abc")
    (tmp_path / "a.csv").write_text("x\n")
    assert checks.file_there(str(tmp_path / "a.csv")) == tmp_path / "a.csv"
    refused("there is no file", checks.file_there, tmp_path)


def test_a_column_is_numbered_from_0_and_what_is_none_is_refused():
    for values in ([1, 2], np.array([1, 2]), pd.Series([1, 2], index=[5, 5]), pa.array([1, 2])):
        column = checks.column_of("x", values, 2)
        assert column.tolist() == [1, 2] and column.index.tolist() == [0, 1]
        refused("x has 2 rows and customers 3; give one per row", checks.column_of, "x", values, 3)
    for wrong in ("ab", {1: 2}, {1, 2}, pd.DataFrame({"a": [1]}), 3):
        refused(r"x is a .*; give one column", checks.column_of, "x", wrong)


def test_columns_of_numbers_and_labels():
    assert checks.numbers_of("x", [[1], [2]]).tolist() == [1.0, 2.0]
    assert checks.numbers_of("x", np.array([1, 2], dtype=np.float32)).dtype == np.float32
    for values, said in (
        (["a"], "x holds 'a'; expected numbers"),
        ([[1, 2]], "x has shape"),
        ([1.0, None, np.nan], "x has 2 missing values of 3; leave out rows without one"),
    ):
        refused(said, checks.numbers_of, "x", values)
    refused("x holds infinite values", checks.numbers_of, "x", [np.inf], finite=True)
    refused("x has 1 rows and y_true 2", checks.numbers_of, "x", [1.0], 2)
    for given in ([0, 1], [False, True], [0.0, 1.0], np.array([0, 1], dtype=object)):
        assert checks.labels_of("y", given).tolist() == [False, True]
    for wrong, said in (
        ([], "y is empty"),
        ([0, 2, 3], "y holds 2, 3; expected 0 and 1"),
        (["no", "yes"], "y holds 'no'; expected 0 and 1"),
        ([0, np.nan], "y has 1 missing value of 2; leave out rows whose outcome is not known yet"),
    ):
        refused(said, checks.labels_of, "y", wrong)
