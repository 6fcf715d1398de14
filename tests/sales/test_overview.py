"""What span the events cover."""

import pytest

from promolab.sales import data_overview
from promolab.sources import load_shop


@pytest.fixture(scope="module")
def shop(small_shop):
    return load_shop(small_shop)


def test_events_are_counted_by_local_day(shop):
    overview = data_overview(shop)
    events = shop.events.execute()
    local = events["ts"].dt.tz_localize("UTC").dt.tz_convert(shop.zone).dt.date
    assert overview.days["events"].sum() == len(events)
    assert (overview.first.date(), overview.last.date()) == (local.min(), local.max())
    span = (local.max() - local.min()).days + 1
    assert overview.missing == span - local.nunique()
    assert f"{len(events):,} events" in overview.summary()
    ax = overview.plot()
    assert ax.get_ylim()[0] == 0
    assert not ax.get_title(loc="left").endswith(".")
    # Its legend stands below, where it hides no line, and names the kinds.
    (legend,) = ax.get_figure(root=True).legends
    assert ax.get_legend() is None
    named = {text.get_text() for text in legend.get_texts()}
    assert named and "kind" not in named
