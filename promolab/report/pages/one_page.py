"""The week on one sheet, to show in a meeting: ``one_page.png``."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab import plots
from promolab.campaign.plan import step_words
from promolab.folder import RunFolder
from promolab.language import close_up, own_name
from promolab.results import Facts, words_of
from promolab.wording import count, part_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from promolab.report.pages.first_screen import CampaignReport


def _words(**given: Any) -> Facts:
    return words_of(__name__, "screen", **given)


_ROOM, _TILE_ROOM = 0.85 * 11.7 * 72, 0.18 * 11.7 * 72  # points, of the sheet and of a tile


def one_page(screen: CampaignReport) -> Figure:
    """Draw the week on one page: what to know first, the answer, the tiles, the plan, the sales.

    Parameters
    ----------
    screen : CampaignReport
        The first screen of the page. Where nothing is planned, segments stand for the funnel.
    """
    import matplotlib.pyplot as plt

    with plots.style():
        # Text is laid out by hand, so nothing is to be moved for the figures' sake.
        figure = plt.figure(figsize=(11.7, 8.3), layout="none")
        week = screen.run.week
        words = _words(shop=screen.shop.settings.name, week=str(week), days=week.label())
        figure.text(0.05, 0.955, words.say("heading"), fontsize=16, fontweight="bold")
        first = [
            plots.wrapped(close_up(text), _ROOM, 8.8) for text in [screen.status(), *screen.caveats]
        ]
        low = _written(figure, "\n".join(first), 0.94, fontsize=8.8, color="#8a3a00")
        lead = plots.wrapped(close_up(screen.lead()), _ROOM, 11)
        _written(figure, lead, low - 0.012, fontsize=11)
        _tiles(figure, screen)
        left = figure.add_axes((0.24, 0.1, 0.22, 0.33))  # names need the room at its left
        right = figure.add_axes((0.6, 0.1, 0.35, 0.33))
        funnel = screen.run.read_table("funnel")
        if len(funnel) and funnel["to_contact"].sum():
            plan = screen.run.metrics.get("plan") or {}
            _funnel(funnel, plan.get("by_effect") or (), left)
        else:
            _segments(screen.run, left)
        screen.sales.plot(right)
    return figure


def write_one_page(screen: CampaignReport, path: Path) -> None:
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


def _tiles(figure: Any, screen: CampaignReport) -> None:
    from matplotlib.patches import FancyBboxPatch

    for i, tile in enumerate(screen.headlines):
        x = 0.05 + i * 0.228
        box = FancyBboxPatch(
            (x, 0.54), 0.214, 0.145, boxstyle="round,pad=0,rounding_size=0.008",
            transform=figure.transFigure, facecolor="white", edgecolor="#d0d4d9", linewidth=1,
        )  # fmt: skip
        figure.patches.append(box)
        label = plots.wrapped(tile.label, _TILE_ROOM, 9)
        figure.text(x + 0.011, 0.67, label, fontsize=9, va="top")
        size = 12 * min(1.0, 22 / max(len(tile.text), 1))  # a long interval stays in its box
        figure.text(x + 0.011, 0.6, tile.text, fontsize=size, fontweight="bold", va="center")
        note = plots.wrapped(tile.note, _TILE_ROOM, 7, most=2)
        figure.text(x + 0.011, 0.578, note, fontsize=7, va="top", color=plots.MUTED)


def _funnel(funnel: pd.DataFrame, by_effect: Collection[str], ax: Axes) -> None:
    row = funnel.sort_values(["to_contact", "promotion_id"], ascending=[False, True]).iloc[0]
    steps = step_words([row.get("action", "")], by_effect)
    left, labels, values = int(row["active"]), [_words().say("everybody")], [int(row["active"])]
    for step in list(steps)[:-1]:
        if row.get(step, 0):  # an older week lacks newer steps
            left -= int(row[step])
            labels.append(_words(reason=steps[step]).say("less"))
            values.append(left)
    plots.bars(labels, values, text=[count(v) for v in values], ax=ax)
    words = _words(part=part_of(row["to_contact"], row["active"]), lists=len(funnel))
    ax.set_title(words.say("funnel"), loc="left")
    ax.set_xlabel(words.say("left"))


def _segments(run: RunFolder, ax: Axes) -> None:
    sizes = run.read_table("segments")["segment"].value_counts().sort_index()
    sizes = sizes.sort_values(ascending=False, kind="stable")
    plots.bars(
        [own_name(s) for s in sizes.index],
        sizes.to_numpy(),
        text=[count(n) for n in sizes],
        ax=ax,
    )
    ax.set_title(_words().say("segments"), loc="left")
