"""Blocks of a page: what comes from the data is escaped, numbers stand on the right."""

import pandas as pd
from matplotlib import pyplot

from promolab.display.page import Html, Tile, join, picture, present, say, table, tiles
from tests.refused import refused

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
    assert text.count("<tr>") == 11
    assert "10 of 30" in text and 'href="tables/all.parquet"' in text
    assert '<th class="text" scope="col">who</th>' in text
    assert '<th class="number" scope="col">how many</th>' in text and "1,000" in text
    frame = pd.DataFrame({"name": [None, "a"], "x": [1.5, float("nan")]})
    text = table(frame, {"name": "name", "x": "x"}).text
    assert text.count("–</td>") == 2 and "nan" not in text and "None" not in text
    frame = pd.DataFrame({"name": ["a"], "rate": [float("nan")]})
    text = table(frame, {"name": "name", "rate": "response rate"}).text
    assert "response rate" not in text and "name" in text
    none = pd.DataFrame({"a": []})
    text = table(none, {"a": "a"}, caption="Largest first.", otherwise="No check fails.").text
    assert "No check fails." in text and "Largest" not in text and "<table" not in text
    assert "Nothing to list." in table(none, {"a": "a"}, caption="Largest first.").text
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
    figure, ax = pyplot.subplots()
    text = picture(ax, 'a "curve"\n  that rises').text
    assert 'alt="a &quot;curve&quot; that rises"' in text and 'src="data:image/png;base64,' in text
    assert not pyplot.fignum_exists(figure.number)
    present(None, otherwise="No curve yet.")
    assert "Html" in capsys.readouterr().out
