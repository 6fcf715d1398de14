"""What the last forecasts said and what came: from earlier reports where there are any."""

import pandas as pd

from promolab.campaign.outlook.coverage import RECOMPUTED, track_record
from promolab.results import Estimate

NAN = float("nan")


def coverage() -> pd.DataFrame:
    rows = [
        (1, "2017-03-01", 0, 80, 9.0, NAN, NAN, 6, pd.NA),
        (2, "2017-04-01", 3, 90, 10.0, 4.0, 20.0, 12, True),
        (3, "2017-05-01", 4, 100, 20.0, 10.0, 30.0, 45, False),
    ]
    names = ["promotion_id", "starts_at", "known", "contacts", "expected", "ci_low", "ci_high"]
    table = pd.DataFrame(rows, columns=[*names, "observed", "inside"])
    return table.assign(starts_at=pd.to_datetime(table["starts_at"]))


KINDS = dict.fromkeys((1, 2, 3), "coupon")


def test_an_earlier_report_counts_first_and_misses_are_counted_without_any() -> None:
    told = {"3": ("2017-W18", Estimate(40.0, 30.0, 55.0, 4))}
    found = track_record(coverage(), KINDS, told)
    assert found.rows["name"].tolist() == ["Coupons 3", "Coupons 2", "Coupons 1"]
    assert found.rows["source"].tolist() == ["2017-W18", RECOMPUTED, RECOMPUTED]
    assert found.rows["expected"].tolist() == [40.0, 10.0, 9.0]
    assert bool(found.rows["inside"].iloc[0])
    text = found.summary()
    assert "2 of 2 forecasts held" in text and "in all 50 redemptions" in text and "57 came" in text
    assert "1 of them by earlier reports" in text
    assert "Forecasts are chances corrected by earlier promotions; bare chances: page 09." in text
    text = track_record(coverage(), KINDS).summary()
    assert text.startswith("1 of 2 forecasts held in the 90 % interval")
    assert "No earlier report of this folder made one" in text
    every = {i: ("2017-W10", Estimate(9.0, 1.0, 60.0, 3)) for i in (1, 2, 3)}
    assert "Each was in the report" in track_record(coverage(), KINDS, every).summary()
    for table in (coverage().head(1), coverage().head(0)):
        found = track_record(table, KINDS)
        assert "No forecast of redemptions with an interval" in found.summary()
        assert len(found.rows) == len(table)
