"""The money answer is as sure as it says and promises no more than comes."""

from benchmarks.money import answers
from tests.draws import bounds


def test_what_is_said_is_right_where_what_chose_promises_too_much():
    found = answers(30)
    width = found["high"] - found["low"]
    error = width.mean() / 2 / 1.645
    said, naive = ((found[name] - found["evaluated"]).mean() / error for name in ("said", "naive"))
    assert abs(said) < 0.5 and naive > 1.2
    least, most = bounds(0.9, 30, 0.01)
    assert least <= found["evaluated"].between(found["low"], found["high"]).mean() <= most
    assert width.mean() < 0.95 * found["split_width"].mean()


def test_an_interval_that_forgets_that_folds_share_data_is_too_narrow():
    """Where nothing is there, plain errors are a sixth too small."""
    found = answers(25, strength=0.0)
    spread, told = found["said"].std(ddof=1), (found["high"] - found["low"]).mean() / 2 / 1.645
    assert told / 1.15 < spread < told / 0.85
