"""A table of the glossary's words, and one door that shows any result."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest

from promolab.display import Html, Ranged, present, table
from promolab.results import Estimate, Result
from promolab.wording import percent


def test_headings_formats_and_intervals_come_from_the_glossary():
    frame = pd.DataFrame({"discount_share": [0.25, float("nan")], "discount_share_low": [0.2, 0.1]})
    frame = frame.assign(discount_share_high=[0.3, 0.2], amount=[1234.5, 2.0])
    frame = frame.assign(orders=[1200, 3], note=["a <b>", "c"])
    text = table(frame, currency="EUR").text
    for words in ("share of discounts</th>", "sales, EUR</th>", ">orders</th>", ">note</th>"):
        assert words in text
    for words in ("25 % [20, 30]<", ">1,200<", ">1,234<", "a &lt;b&gt;<", 'number short">–<'):
        assert words in text, words
    assert "discount_share_low" not in text
    rates = pd.DataFrame({"rate": [0.2, None], "from": [0.1, 0.1], "to": [0.3, 0.2]})
    assert Ranged(percent, "from", "to").cells(rates, "rate") == ["20 % [10, 30]", "–"]


@dataclass(frozen=True)
class Shown(Result):
    rate: Estimate

    def summary(self) -> str:
        return "Some answered."


@pytest.fixture
def shown(monkeypatch) -> list[Any]:
    seen: list[Any] = []
    monkeypatch.setattr("IPython.display.display", lambda piece, **_: seen.append(piece))
    return seen


def test_any_result_is_shown(shown):
    result = Shown(Estimate(0.2, 0.1, 0.3, 90))
    present(result)
    assert [type(piece) for piece in shown] == [Html, Html]
    assert shown[0].text == "<p>Some answered.</p>" and "<table" in shown[1].text
    shown.clear()
    present([None, "text & more", pd.DataFrame({"a": [1]}), Html("<hr>")], otherwise="Nobody.")
    told = ['<p class="absent">Nobody.</p>', "<p>text &amp; more</p>", "<hr>"]
    assert [piece.text for piece in (shown[0], shown[1], shown[3])] == told
    shown.clear()
    present(pd.DataFrame(), otherwise="Nobody is listed.")
    assert "Nobody is listed." in shown[0].text


def test_a_figure_stays_on_one_line_with_its_interval():
    shown = table(
        pd.DataFrame({"figure": ["800 USD [300, 1,500]"], "why": ["because of it all, so"]})
    )
    assert (
        '<td class="text short">800 USD' in shown.text and '<td class="text">because' in shown.text
    )
