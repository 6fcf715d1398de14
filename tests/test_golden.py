"""Weeks as they were: every table, number and send file; see `tests.golden`."""

import json

import pandas as pd
import pytest

from tests import golden
from tests.golden import agrees, facts_of_names, facts_of_week


def test_complete_journeys_week(journey_report):
    agrees("journey", facts_of_week(journey_report))


def test_a_second_week_of_the_small_shop(small_reports):
    agrees("second_week", facts_of_week(small_reports["first"].out / "2017-W45"))


def test_the_week_of_a_folder_of_invoices_in_chinese(chinese_invoices):
    spoken = json.loads((chinese_invoices / "spoken.json").read_text(encoding="utf-8"))
    agrees("chinese_invoices", {**facts_of_week(chinese_invoices), "spoken": spoken})


def test_a_simulated_week_with_a_budget(explored_week):
    agrees("budget", facts_of_week(explored_week.path))


def test_what_moved_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(golden, "GOLDEN", tmp_path)
    told = pd.DataFrame({"who": ["a", "b", "c"], "p": [0.1, 0.2, 0.3], "n": [1, 2, 3]})
    monkeypatch.setenv("PROMOLAB_GOLDEN", "write")
    agrees("one", facts_of_names({"told": told}))
    monkeypatch.delenv("PROMOLAB_GOLDEN")
    agrees("one", facts_of_names({"told": told.assign(p=told["p"] + 1e-11)}))
    for where, changed in (
        ("columns/p/5", told.assign(p=told["p"] + [0, 0, 1e-8])),
        ("columns/p/6", told.assign(p=[0.2, 0.1, 0.3])),
        ("columns/who/3", told.assign(who=["b", "a", "c"])),
        ("columns/n: was", told.astype({"n": float})),
        ("rows", told.head(2)),
    ):
        with pytest.raises(AssertionError, match=f"one/names/told/{where}"):
            agrees("one", facts_of_names({"told": changed}))
