"""Calibration over time: the ratio and its trend, with intervals that hold."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from promolab.loop.monitoring import calibration_track
from tests.wording_lint import nonsense


def contacts(
    promotions: int = 10, n: int = 300, too_high: float = 1.0, monthly: float = 1.0, seed: int = 0
) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    place = np.repeat(np.arange(promotions), n)
    p = rng.beta(2, 8, promotions * n)
    right = p / too_high * monthly**place
    columns: dict[str, Any] = {"customer_id": rng.integers(0, 2_000, promotions * n)}
    columns |= {"promotion_id": [f"P{k}" for k in place]}
    columns |= {"starts_at": pd.Timestamp("2024-01-01") + pd.to_timedelta(28 * place, "D")}
    columns |= {"y": (rng.random(promotions * n) < np.clip(right, 0, 1)).astype(int), "p": p}
    return pd.DataFrame(columns)


def test_ratio_and_trend_are_found_and_the_figure_shows_those_of_most_answers() -> None:
    found = calibration_track(contacts(too_high=1.25))
    assert found.ratio.ci_high < 1 and "chances are too high" in found.summary()
    # Beside forecasts that came true: what both are, and why their sums differ.
    assert "These are bare chances: forecasts" in found.summary()
    assert "page 04's takes these as they are" in found.say("finding")
    assert found.trend.ci_low < 0 < found.trend.ci_high
    falling = calibration_track(contacts(n=900, monthly=0.9))
    assert falling.trend.value == pytest.approx(-0.1, abs=0.04) and falling.trend.ci_high < 0
    assert "beyond chance" in falling.say("verdict")
    assert nonsense(f"{found.summary()}\n{falling.summary()}") == []
    assert falling.plot().get_xlabel() == "start of the promotion"
    rows = contacts(60, 40)
    small = rows["promotion_id"].isin([f"P{k}" for k in range(0, 60, 3)])
    found = calibration_track(rows[~small | (rows.groupby("promotion_id").cumcount() < 8)])
    ax = found.plot()
    assert len(ax.lines[0].get_xdata()) == 40
    said = " ".join(text.get_text() for text in ax.figure.findobj(Text)).replace("\n", " ")
    assert "20 smaller ones left out" in said


def test_intervals_hold() -> None:
    found = [calibration_track(contacts(8, 200, 1.2, seed=k)) for k in range(150)]
    for estimate, truth in (("ratio", 1 / 1.2), ("trend", 0.0)):
        ends = [(getattr(f, estimate).ci_low, getattr(f, estimate).ci_high) for f in found]
        held = np.mean([low <= truth <= high for low, high in ends])
        assert held >= 0.9, (estimate, held)
    assert np.mean([f.ratio.ci_high - f.ratio.ci_low for f in found]) < 0.25


def test_little_or_nothing_is_said_so() -> None:
    empty = calibration_track(contacts().head(0))
    assert not empty and "no calibration can be followed" in empty.summary() == empty.say("finding")
    few = calibration_track(contacts(3))
    assert not few.trend.n and "from 4 promotions on" in few.say("verdict")
    one = calibration_track(contacts(1, 5))
    nobody = calibration_track(contacts(5, 20).assign(y=0))
    assert nobody.frame["ratio"].tolist() == [0.0] * 5
    told = [few.summary(), one.summary(), nobody.summary()]
    assert nonsense("\n".join(told)) == []
