"""The week on one sheet, to show in a meeting: ``one_page.png``."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab import plots
from promolab.campaign.plan import step_words
from promolab.folder import RunFolder
from promolab.language import _, _n, close_up
from promolab.metrics import lift
from promolab.segmentation import segment_words
from promolab.wording import count, in_currency, part_of, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from promolab.report.pages.first_screen import FirstScreen


_ROOM, _TILE_ROOM = 0.9 * 11.7 * 72, 0.195 * 11.7 * 72  # points, of the sheet and of a tile


def one_page(screen: FirstScreen) -> Figure:
    """Draw the week on one page: what to know first, the answer, the tiles, and two figures.

    Parameters
    ----------
    screen : FirstScreen
        The first screen of the page. Where nothing is planned, segments stand for the funnel.
    """
    import matplotlib.pyplot as plt

    with plots.style():
        # Text is laid out by hand, so nothing is to be moved for the figures' sake.
        figure = plt.figure(figsize=(11.7, 8.3), layout="none")
        week = screen.run.week
        name = _(
            "{shop} · week {week} ({days})",
            shop=screen.shop.settings.name,
            week=week,
            days=week.label(),
        )
        figure.text(0.05, 0.955, name, fontsize=16, fontweight="bold")
        first = [
            plots.filled(close_up(text), 150, _ROOM, 8.8)
            for text in [screen.status(), *screen.caveats]
        ]
        low = _written(figure, "\n".join(first), 0.94, fontsize=8.8, color="#8a3a00")
        _written(
            figure, plots.filled(close_up(screen.lead()), 124, _ROOM, 11), low - 0.012, fontsize=11
        )
        _tiles(figure, screen)
        left = figure.add_axes((0.24, 0.1, 0.22, 0.33))  # names need the room at its left
        right = figure.add_axes((0.6, 0.1, 0.35, 0.33))
        funnel = screen.run.read_table("funnel")
        if len(funnel) and funnel["to_contact"].sum():
            plan = screen.run.metrics.get("plan") or {}
            _funnel(funnel, plan.get("by_effect") or (), left)
        else:
            _segments(screen.run, left)
        if screen.promotions is None:
            screen.sales.plot(right)
        elif screen.money and len(frontier := screen.run.read_table("frontier")) > 1:
            _budgets(frontier, right, screen.shop.settings.currency)
        else:
            _gain(screen.backtest, right, screen.words.who)
        figure.text(0.05, 0.025, _("Intervals in brackets."), fontsize=8, color=plots.MUTED)
    return figure


def write_one_page(screen: FirstScreen, path: Path) -> None:
    """Write ``one_page.png``: `one_page` as a picture, to show in a meeting."""
    import matplotlib.pyplot as plt

    figure = one_page(screen)
    with plots.style():
        figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def _written(figure: Figure, text: str, top: float, *, fontsize: float, **style: Any) -> float:
    """Write lines below a height, and return the height of their end."""
    figure.text(0.05, top, text, fontsize=fontsize, va="top", linespacing=1.35, **style)
    return top - (text.count("\n") + 1) * fontsize * 1.35 * 1.2 / (72 * figure.get_figheight())


def _tiles(figure: Any, screen: FirstScreen) -> None:
    from matplotlib.patches import FancyBboxPatch

    for i, tile in enumerate(screen.headlines):
        x = 0.05 + i * 0.228
        box = FancyBboxPatch(
            (x, 0.54), 0.214, 0.145, boxstyle="round,pad=0,rounding_size=0.008",
            transform=figure.transFigure, facecolor="white", edgecolor="#d0d4d9", linewidth=1,
        )  # fmt: skip
        figure.patches.append(box)
        label = plots.filled(tile.label, 32, _TILE_ROOM, 9)
        figure.text(x + 0.011, 0.67, label, fontsize=9, va="top")
        size = 12 * min(1.0, 22 / max(len(tile.text), 1))  # a long interval stays in its box
        figure.text(x + 0.011, 0.6, tile.text, fontsize=size, fontweight="bold", va="center")
        note = plots.shortened(tile.note, 76, 2, _TILE_ROOM, 7)
        note = plots.filled(note, 38, _TILE_ROOM, 7)
        figure.text(x + 0.011, 0.578, note, fontsize=7, va="top", color=plots.MUTED)


def _funnel(funnel: pd.DataFrame, by_effect: Collection[str], ax: Axes) -> None:
    row = funnel.sort_values(["to_contact", "promotion_id"], ascending=[False, True]).iloc[0]
    words = step_words([row.get("action", "")], by_effect)
    left, labels, values = int(row["active"]), [_("active customers")], [int(row["active"])]
    for step in list(words)[:-1]:
        if row.get(step, 0):  # an older week lacks newer steps
            left -= int(row[step])
            labels.append(_("less: {reason}", reason=words[step]))
            values.append(left)
    plots.bars(labels, values, text=[count(v) for v in values], ax=ax)
    part = part_of(row["to_contact"], row["active"])
    ax.set_title(_("{part} to contact", part=part), loc="left")
    which = _("customers left")
    if len(funnel) > 1:
        lists = _n("{n} list", "{n} lists", len(funnel))
        which = _("customers left on the largest of {lists}", lists=lists)
    ax.set_xlabel(which)


def _segments(run: RunFolder, ax: Axes) -> None:
    sizes = run.read_table("segments")["segment"].value_counts().sort_index()
    sizes = sizes.sort_values(ascending=False, kind="stable")
    plots.bars(
        [segment_words(s) for s in sizes.index],
        sizes.to_numpy(),
        text=[count(n) for n in sizes],
        ax=ax,
    )
    ax.set_title(_("Customers by segment"), loc="left")
    ax.set_xlabel(_("customers"))


def _budgets(frontier: pd.DataFrame, ax: Axes, currency: str) -> None:
    unit, chosen = in_currency(currency), frontier[frontier["chosen"]]
    plots.curve(
        frontier["budget"], frontier["profit"], low=frontier["ci_low"], high=frontier["ci_high"],
        ax=ax,
    )  # fmt: skip
    plots.points(chosen["budget"], chosen["profit"], label=_("this week"), ax=ax)
    plots.reference_line(ax, "horizontal", 0.0)
    plots.finish(
        ax,
        title=_("What each budget would add"),
        xlabel=_("discounts and contacts, {currency}", currency=unit),
        ylabel=_("added to margin, {currency}", currency=unit),
    )


def _gain(backtest: pd.DataFrame, ax: Axes, who: str) -> None:
    if backtest.empty or backtest["y"].nunique() < 2:
        ax.axis("off")
        ax.text(0, 0.5, _("No past promotion to test predictions on yet."), fontsize=10)
        return
    found = lift(
        backtest["y"],
        backtest["p"],
        group=backtest["promotion_id"],
        cluster=backtest["customer_id"],
    )
    share = found.at(0.4).capture
    words = percent(share.value, share.ci_low, share.ci_high)
    plots.finish(
        found.plot(ax=ax, depth=0.4),
        title=_(
            "Top {top}: {share} of {redeemer}s",
            top=percent(0.4, decimals=0),
            share=words,
            redeemer=who,
        ),
        xlabel=_("share of each list, likeliest first"),
        ylabel=_("share of {redeemer}s found, past promotions", redeemer=who),
        percent="xy",
    )
