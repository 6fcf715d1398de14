"""Intervals hold the truth as often as they say, and are no wider than they need to be."""

from __future__ import annotations

import pytest

from benchmarks.uplift_coverage import coverage


@pytest.fixture(scope="module")
def drawn():
    return coverage(draws=500, n=2_000, seed=0)


def test_averages_and_groups_and_customers_are_covered(drawn):
    # Three standard errors of a share of 500 draws, beyond what the bars allow of 2,000.
    assert drawn["covered_95"].between(0.92, 0.98).all(), drawn
    assert drawn["covered_90"].between(0.86, 0.94).all(), drawn


def test_no_interval_is_wider_than_the_estimates_vary(drawn):
    assert drawn["error_over_sd"].between(0.9, 1.12).all(), drawn
    assert set(drawn["what"]) == {"average", "group", "customer"}
