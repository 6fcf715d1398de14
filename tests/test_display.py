"""A table of the glossary's words, and one door that shows any result."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

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
    # A figure stays on one line with its interval.
    text = table(
        pd.DataFrame({"n": ["800 USD [300, 1,500]"], "why": ["because it is all so"]})
    ).text
    assert '<td class="text short">800 USD' in text and '<td class="text">because' in text
    rates = pd.DataFrame({"rate": [0.2, None], "from": [0.1, 0.1], "to": [0.3, 0.2]})
    assert Ranged(percent, "from", "to").cells(rates, "rate") == ["20 % [10, 30]", "–"]


@dataclass(frozen=True)
class Shown(Result):
    rate: Estimate

    def summary(self) -> str:
        return "Some answered."


def test_any_result_is_shown(monkeypatch):
    shown: list[Any] = []
    monkeypatch.setattr("IPython.display.display", lambda piece, **_: shown.append(piece))
    present(Shown(Estimate(0.2, 0.1, 0.3, 90)))
    assert shown[0].text == "<p>Some answered.</p>" and "<table" in shown[1].text
    present([None, "text & more", Html("<hr>"), pd.DataFrame()], otherwise="Nobody.")
    nobody = '<p class="absent">Nobody.</p>'
    assert [piece.text for piece in shown[2:]] == [nobody, "<p>text &amp; more</p>", "<hr>", nobody]
