"""Blocks of a page: escaped, in the glossary's words; and one door that shows any result."""

import io
import re
from dataclasses import dataclass

import pandas as pd
from matplotlib import pyplot
from matplotlib.figure import Figure
from PIL import Image

from promolab.display import Html, Ranged, Tile, join, picture, present, say, table, tiles
from promolab.display.figures import png, show
from promolab.results import Estimate, Result
from promolab.wording import percent
from tests.refused import refused


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
    frame = pd.DataFrame({"n": ["800 USD [300, 1,500]"], "why": ["because it is all so"]})
    text = table(frame).text
    assert '<td class="text short">800 USD' in text and '<td class="text">because' in text
    rates = pd.DataFrame({"rate": [0.2, None], "from": [0.1, 0.1], "to": [0.3, 0.2]})
    assert Ranged(percent, "from", "to").cells(rates, "rate") == ["20 % [10, 30]", "–"]


@dataclass(frozen=True)
class Shown(Result):
    rate: Estimate

    def summary(self) -> str:
        return "Some answered."


def test_any_result_is_shown(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda piece, **_: shown.append(piece))
    present(Shown(Estimate(0.2, 0.1, 0.3, 90)))
    assert shown[0].text == "<p>Some answered.</p>" and "<table" in shown[1].text
    present([None, "text & more", Html("<hr>"), pd.DataFrame()], otherwise="Nobody.")
    nobody = '<p class="absent">Nobody.</p>'
    assert [piece.text for piece in shown[2:]] == [nobody, "<p>text &amp; more</p>", "<hr>", nobody]


MARKUP = "<script>alert(1)</script>"


def test_everything_from_the_data_is_escaped_and_pieces_follow_each_other():
    frame = pd.DataFrame({"name": [MARKUP], "n": [1]})
    blocks = [
        say(MARKUP),
        table(frame, {"name": MARKUP, "n": "n"}, caption=MARKUP, file='"><script>'),
        tiles([Tile(MARKUP, MARKUP, 1.0, MARKUP)]),
    ]
    for block in blocks:
        assert "<script" not in block.text and "&lt;script&gt;" in block.text
    assert (Html("a") + Html("b")).text == "ab"
    both = join([say("a"), say("b", kind="h3", css="muted")]).text
    assert both == '<p>a</p>\n<h3 class="muted">b</h3>'


def test_a_table_shows_its_first_rows_dashes_for_gaps_and_no_empty_column():
    frame = pd.DataFrame({"name": [f"n{i}" for i in range(30)], "n": range(1000, 1030)})
    text = table(frame, {"name": "who", "n": "how many"}, file="tables/all.parquet").text
    assert text.count("<tr>") == 11 and "10 of 30" in text and 'href="tables/all.parquet"' in text
    assert '<th class="text" scope="col">who</th>' in text
    assert '<th class="number" scope="col">how many</th>' in text and "1,000" in text
    frame = pd.DataFrame({"name": [None, "a"], "x": [1.5, None], "rate": [None, None]})
    text = table(frame, {"name": "name", "x": "x", "rate": "response rate"}).text
    assert text.count("–</td>") == 2 and not re.search("nan|None|response rate", text)
    none, told = pd.DataFrame({"a": []}), {"caption": "Largest first."}
    text = table(none, {"a": "a"}, otherwise="No check fails.", **told).text
    assert "No check fails." in text and "Largest" not in text and "<table" not in text
    assert "Nothing to show." in table(none, {"a": "a"}, **told).text
    frame = pd.DataFrame({f"c{i}": [1] for i in range(9)})
    refused("9 columns, at most 8", table, frame, {c: c for c in map(str, frame)})


def test_a_tile_says_its_change_where_there_is_one():
    for now, before, words in [
        (110.0, 100.0, "+10 % against the week before"),
        (90.0, 100.0, "−10 % against the week before"),
        (100.2, 100.0, "unchanged against the week before"),
        *((*pair, None) for pair in ((5.0, 0.0), (5.0, None), (None, 5.0))),
    ]:
        text = tiles([Tile("Sales", "9 [8, 10]", now)], {"Sales": before}).text
        assert (words is None) is ("against the week before" not in text)
        assert words is None or words in text
        assert '9 <span class="range">[8, 10]</span>' in text


def test_a_picture_carries_its_text_and_nothing_to_present_is_said(capsys):
    text = picture(pyplot.subplots()[1], 'a "curve"\n  that rises').text
    assert 'alt="a &quot;curve&quot; that rises"' in text and 'src="data:image/png;base64,' in text
    present(None, otherwise="No curve yet.")
    assert "Html" in capsys.readouterr().out


def test_show_takes_whatever_a_plot_returns_and_a_figure_needs_its_text():
    for form in ("axes", "array", "figure"):
        figure, axes = pyplot.subplots(1, 2)
        show({"axes": axes[1], "array": axes, "figure": figure}[form], "What it  says")
        assert not pyplot.fignum_exists(figure.number)
    refused("say in a sentence what the figure shows", show, Figure(), "  ")
    refused("takes Axes or a Figure, not int", show, 3, "a number")
    figure = Figure(figsize=(2, 1))
    assert png(figure) == png(figure) and b"Software" not in png(figure)
    assert Image.open(io.BytesIO(png(figure))).size == (288, 144)
