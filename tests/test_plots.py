"""Figures say what they were given, clip nothing and leave Matplotlib's settings alone."""

import subprocess
import sys
import warnings
from itertools import combinations
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Annotation

from promolab import plots
from promolab.plots import _fonts
from promolab.plots._lines import side_by_side
from tests.drawn import bars_of

LONG = "Lapsed bargain hunters who bought $5 and $6 coupons"
WIDE = [
    "新鲜水果与蔬菜豆制品（每周都买的忠实老客户）",
    "プレミアム会員限定のお買い得キャンペーン",
    "신선과일 채소와두부",
]


def draw_each(names=(LONG, "Champions", "At risk")):
    title = "The top of the list holds most of those who will redeem a coupon, " * 2
    subtitle = "share of positives found, 95 % intervals clustered by customer, " * 2
    if _fonts.is_wide("".join(names)):
        title, subtitle = "名单最前面的四成客户贡献了大多数核销；" * 3, "按客户聚类的区间，" * 6
    x, long = np.linspace(0, 1, 20), names[0]
    drawn = {
        "curve": plots.curve(x, x**0.5, low=x**0.5 - 0.1, high=x**0.5 + 0.1, label="model"),
        "points": plots.points(x, x, low=x - 0.1, high=x + 0.1),
        "intervals": plots.intervals(
            names, [1, 2, np.nan], [0, 1, np.nan], [2, 3, np.nan], reference=1, text=names
        ),
        "bars": plots.bars(names, [1, 2, 3], low=[0, 1, 2], high=[2, 3, 4], text=["a", "b", long]),
        "columns": plots.columns([f"2017-W{i:02}" for i in range(1, 45)], np.arange(44)),
        "heat_map": plots.heat_map(
            [[1, 2], [np.nan, -4], [0, 1]], names, [long, "b"], text=[["a", "b"]] * 3, centre=0
        ),
        "bubbles": plots.bubbles([1, 2, 3], [1, 1, 1], [10, 20, 5], names),
        "histogram": plots.histogram(np.arange(1000.0)),
        "scatter_map": plots.scatter_map(np.arange(30), np.arange(30), np.repeat(names, 10)),
        "side_by_side": side_by_side(names, [[[1] * 3, [0] * 3, [2] * 3]] * 2, names[:2]),
    }
    for ax in drawn.values():
        legend = "below" if ax is drawn["side_by_side"] else ""
        words = {"subtitle": subtitle, "xlabel": "amount ($), of $9", "ylabel": "customers"}
        plots.finish(ax, title=title, legend=legend, **words)
    return drawn


def corners(text):
    """Return the lower left and the upper right end of where a text stands."""
    box = text.get_window_extent()
    return box.min, box.max


@pytest.mark.parametrize("names", [(LONG, "Champions", "At risk"), tuple(WIDE)])
def test_nothing_is_clipped_dollars_stay_dollars_and_each_character_is_drawn(names):
    if plots.lacking_font(names):
        pytest.skip(plots.lacking_font(names))
    for name, ax in draw_each(names).items():
        figure = ax.figure
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a character that no font holds is one
            figure.canvas.draw()
        ticks = [*ax.get_xticklabels(), *ax.get_yticklabels()]
        for text in [*ax.texts, ax._left_title, ax.xaxis.label, ax.yaxis.label, *ticks]:
            if not text.get_text() or not text.get_visible():
                continue
            # Ticks outside of the limits are never drawn.
            inside = all(figure.bbox.padded(1).contains(*end) for end in corners(text))
            assert inside or text in ticks, (name, text.get_text())
            assert text.get_parse_math() is False or "$" not in text.get_text(), name


def test_settings_change_inside_a_call_only_and_import_loads_no_matplotlib():
    before = dict(mpl.rcParams)
    draw_each()
    with plots.style():
        assert mpl.rcParams["axes.titlelocation"] == "left"
    assert dict(mpl.rcParams) == before
    code = "import promolab.plots, sys; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_curves_band_has_its_colour_and_bars_their_intervals_first_on_top():
    ax = plots.curve([0, 1], [0, 1], low=[0, 0.5], high=[0.5, 1])
    assert plots.curve([0, 1], [1, 0], ax=ax) is ax
    (band,) = ax.collections
    colours = [to_hex(line.get_color()) for line in ax.lines]
    assert to_hex(band.get_facecolor()[0]) == colours[0] != colours[1]
    assert band.get_paths()[0].get_extents().bounds == pytest.approx((0, 0, 1, 1))
    lines: Any
    (lines,) = plots.bars(["a"], [2.0], low=[1.5], high=[3.0]).collections
    assert lines.get_segments()[0][:, 0] == pytest.approx([1.5, 3.0])
    for ax in (plots.bars(["a", "b"], [1, 2]), plots.intervals(["a", "b"], [1, 2], [0, 1], [2, 3])):
        assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b"]
        assert ax.yaxis_inverted()  # row 0 above row 1


def test_percent_and_thousands_and_finish_again_replaces_the_words():
    ax = plots.finish(plots.curve([0, 0.5], [0, 20_000]), title="t", percent="x")
    assert ax.xaxis.get_major_formatter()(0.25) == "25 %"
    assert ax.xaxis.get_major_formatter()(-0.125) == "−12.5 %"
    assert ax.yaxis.get_major_formatter()(12_000) == "12,000"
    ax = plots.finish(plots.curve([0, 1], [0, 1]), title="first", subtitle="one")
    plots.finish(ax, title="second", subtitle="two")
    assert ax.get_title(loc="left") == "second"
    assert [text.get_text() for text in ax.texts] == ["two"]


def test_names_keep_their_colours_and_are_dark_enough_to_be_read():
    names = ["Loyal", "At risk", "Champions"]
    assert plots.segment_colours(names) == plots.segment_colours(reversed(names))
    many = plots.segment_colours([f"segment {i:02}" for i in range(16)])
    assert len(set(many.values())) == 16
    pale = plots.scatter_map([0.0, 1], [0.0, 1], ["a", "b"], colours={"a": "#F0E442", "b": "#000"})
    assert len(pale.texts) == 2
    for text in pale.texts:
        red, green, blue = mpl.colors.to_rgb(text.get_color())
        assert 0.299 * red + 0.587 * green + 0.114 * blue < 0.5


def test_heat_map_centre_is_neutral_and_bubbles_have_areas_and_labels_apart():
    ax = plots.heat_map([[0.0, 3.0], [-1.0, np.nan]], ["a", "b"], ["c", "d"], centre=0)
    image = ax.images[0]
    assert image.get_clim() == (-3, 3) and len(ax.figure.axes) == 1
    red, green, blue, _ = image.to_rgba(image.get_array())[1, 1]
    assert red == green == blue < 0.95
    cells = [["At risk\n13 · 0.05 % [0.03, 0.10]"] * 5] * 5
    ax = plots.heat_map(np.eye(5), range(5), range(5), text=cells, label="share, %")
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert min(box.x0 for box in boxes) > ax.get_window_extent().x0
    assert len(ax.figure.axes) == 2
    ax = plots.bubbles([1, 1], [1, 1], [0, 50], ["a", "b"])
    circles: Any
    (circles,) = ax.collections
    assert np.ptp(circles.get_sizes()) == pytest.approx(1100)
    heights = [text.xy[1] for text in ax.texts if isinstance(text, Annotation)]
    assert heights[0] != heights[1]


def test_histograms_maps_and_reference_lines_say_what_they_leave_out_or_name():
    ax = plots.histogram([*range(1000), 10**9, np.nan, np.inf], high_quantile=0.99)
    assert ax.texts[0].get_text().endswith("of 1,001 lie outside the axis")
    shown = sum(bar.get_height() for bar in bars_of(ax))
    assert shown == 1001 - int(ax.texts[0].get_text().split()[0])
    assert plots.histogram([np.nan]).texts[0].get_text() == "no values"
    ax = plots.scatter_map([0, 0, 10, 10], [0, 0, 5, 5], ["a", "a", "b", "b"])
    places = {text.get_text(): text.get_position() for text in ax.texts}
    assert places["a"] == pytest.approx((0, 0)) and places["b"] == pytest.approx((10, 5))
    long = "higher values of price level and lower values of share of discounts (21 %)"
    plots.finish(ax, title="The map shows 58 % of the differences", ylabel=long)
    ax.figure.canvas.draw()
    assert all(ax.figure.bbox.contains(*end) for end in corners(ax.yaxis.label))
    with pytest.raises(ValueError, match="kind is 'slope'; use 'diagonal'"):
        plots.reference_line(plots.curve([0, 1], [0, 1]), "slope")


def test_without_a_font_it_is_said_of_names_that_need_one_only(monkeypatch):
    monkeypatch.setattr("promolab.plots._fonts._candidates", list)
    _fonts.fallback_families.cache_clear()
    try:
        assert plots.lacking_font(["fruit", "Käse"]) == ""
        assert "'新鲜水果'" in plots.lacking_font(["fruit", "新鲜水果"])
        assert "promolab[cjk]" in plots.lacking_font(["新鲜水果"])
    finally:
        _fonts.fallback_families.cache_clear()


def test_wide_text_breaks_by_its_width_and_never_before_a_closing_mark():
    text = "".join(WIDE)
    with plots.style():
        for room in (40, 70, 120):
            lines = plots.wrapped(text, room, 10).split("\n")
            assert "".join(lines).replace(" ", "") == text.replace(" ", "")
            assert all(plots.text_width(line, 10) <= room for line in lines)
            assert not any(line[0] in "，。）、ー" or line[-1] in "（“" for line in lines)
        cut = plots.wrapped(text, 70, 10, most=2).split("\n")
        assert len(cut) == 2 and cut[1].endswith("…")
