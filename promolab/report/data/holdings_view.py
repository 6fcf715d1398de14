"""What a table holds, in words and small drawings: a section of the data page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from promolab.contract import FEWEST_SHARING as FEWEST
from promolab.contract import TABLES, PersonalColumns
from promolab.display import Html
from promolab.errors import InputError
from promolab.report.data.table_holdings import ColumnHolding, TableHolding
from promolab.wording import count, percent, plural


def small_bars(
    counts: Sequence[int], says: str, *, width: int = 150, height: int = 30, css: str = ""
) -> Html:
    """Return upright bars side by side, the tallest as high as the drawing.

    Parameters
    ----------
    counts : sequence of int
        Height of each bar; 0 draws none.
    says : str
        What is drawn, for those who cannot see it and as a tip.
    width, height : int
        Size in pixels; the drawing shrinks with its column.
    css : str
        Class of the drawing.

    Raises
    ------
    InputError
        If there is no bar.

    Examples
    --------
    >>> small_bars([1, 2], "one and two").text.count("<rect")
    2
    """
    if not counts:
        raise InputError("there is nothing to draw: counts is empty")
    top = max(*counts, 1)
    step = width / len(counts)
    gap = 1.0 if step >= 3 else 0.0
    bars = []
    for i, n in enumerate(counts):
        if n:
            # A bar of one row among millions is still seen.
            tall = max(1.0, (height - 1) * n / top)
            bars.append(
                f'<rect x="{i * step:.1f}" y="{height - tall:.1f}" '
                f'width="{max(step - gap, 0.5):.1f}" height="{tall:.1f}"/>'
            )
    name = escape(says)
    return Html(
        f'<svg class="bars {escape(css)}" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" preserveAspectRatio="none" role="img" aria-label="{name}">'
        f"<title>{name}</title>{''.join(bars)}</svg>"
    )


def share_bar(share: float, *, width: int = 220) -> Html:
    """Return a lying bar whose length is a share (0–1) of the drawing.

    Examples
    --------
    >>> 'width="110.0"' in share_bar(0.5).text
    True
    """
    long = max(0.5, width * min(max(share, 0.0), 1.0))
    return Html(
        f'<svg class="bars" viewBox="0 0 {width} 12" width="{width}" height="12" '
        f'aria-hidden="true"><rect width="{long:.1f}" height="12"/></svg>'
    )


View = dict[str, Any]
"""What the page's template writes, by the names that it has for it."""


def view(held: TableHolding, rows: int, zone: str, personal: PersonalColumns) -> View:
    """Return a table's section.

    Parameters
    ----------
    held : TableHolding
        What the table holds.
    rows : int
        Its rows, as the checks count them.
    zone : str
        IANA zone of the shop's days.
    personal : PersonalColumns
        Columns whose values are not told, and why.

    Returns
    -------
    dict
        By the names of the template.
    """
    strip, says = _strip(held)
    days = list(held.days)
    columns = [_column(held.name, c, rows, zone, personal) for c in held.columns] if rows else []
    return View(
        name=held.name,
        rows=plural(rows, "row"),
        sentence=_sentence(held),
        strip=strip,
        strip_first=day_text(days[0]) if days else "",
        strip_says=says,
        strip_last=day_text(days[-1]) if days else "",
        kinds=_kinds(held, rows),
        columns=columns,
        drawn=any(column["drawn"] is not None for column in columns),
        not_shown=(
            f"{plural(held.not_shown, 'further column')} kept, not used and not shown here."
            if held.not_shown
            else ""
        ),
    )


def day_text(day: date) -> str:
    """Return a day in words.

    Examples
    --------
    >>> day_text(date(2017, 3, 1))
    '1 Mar 2017'
    """
    return f"{day.day} {day:%b} {day.year}"


def local_text(moment: datetime, zone: str) -> str:
    """Return a time, UTC without a zone, as the shop's wall clock shows it.

    Examples
    --------
    >>> local_text(datetime(2017, 1, 1, 4, 30), "America/New_York")
    '2016-12-31 23:30'
    """
    try:
        local = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    except OverflowError:  # the first or the last day there is
        local = moment
    return local.strftime("%Y-%m-%d %H:%M")


def _sentence(held: TableHolding) -> str:
    said = [f"One row is {TABLES[held.name].row}."]
    days = list(held.days)
    if days:
        text = f"From {day_text(days[0])} to {day_text(days[-1])}, {plural(held.span, 'day')}"
        if held.missing_days == 0:
            said.append(f"{text}, none of them without a row.")
        else:
            said.append(f"{text}, {count(held.missing_days)} of them without a row: {_gaps(held)}.")
    if held.outside:
        said.append(
            f"Not among them: {plural(held.outside, 'row')} whose time lies ahead, before 1971 "
            "or outside the shop's life."
        )
    return " ".join(said)


def _gaps(held: TableHolding) -> str:
    gaps = held.gaps()
    words = [
        day_text(gap.first)
        if gap.days == 1
        else f"{day_text(gap.first)} to {day_text(gap.last)} ({plural(gap.days, 'day')})"
        for gap in gaps
    ]
    longest = "" if sum(gap.days for gap in gaps) == held.missing_days else "the longest gaps "
    return longest + "; ".join(words)


def _strip(held: TableHolding) -> tuple[Html | None, str]:
    """Return rows per day, week or month, so that at most some 400 bars stand side by side."""
    if held.span < 2:
        return None, ""
    word, days = next(
        (word, days)
        for word, days in (("day", 1), ("week", 7), ("four weeks", 28), ("year", 365))
        if held.span <= 130 * days or days == 365
    )
    first = next(iter(held.days))
    counts = _by_step(held.days, first, min(days, held.span), held.span)
    says = f"rows per {word}, at most {count(max(counts))}"
    if held.span % days:
        says += f"; the last bar is a {word} in part"
    return small_bars(counts, f"{held.name}: {says}", width=1000, height=56, css="strip"), says


def _by_step(days: Mapping[date, int], first: date, step: int, span: int) -> list[int]:
    step = max(step, -(-span // 2_000))  # a stray year 9999 makes no page of a megabyte
    counts = [0] * (-(-span // step))
    one = timedelta(days=step)
    for day, n in days.items():
        counts[(day - first) // one] += n
    return counts


def _kinds(held: TableHolding, rows: int) -> list[View]:
    spec = TABLES[held.name]
    if "kind" not in spec or not rows:
        return []
    known = spec["kind"].values
    shown = [
        _kind("(empty)" if name is None else _short(name), n / rows, count(n))
        | {"tag": "" if name is None or name in known else "not a known kind"}
        for name, n in held.kinds
    ]
    rest = rows - sum(n for _, n in held.kinds)
    return [*shown, _kind("others", rest / rows, count(rest))] if rest > 0 and shown else shown


def _kind(name: str, share: float, rows: str) -> View:
    return View(name=name, tag="", rows=rows, share=_share(share), bar=share_bar(share))


def _share(share: float) -> str:
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    return percent(share, decimals=0 if share in (0, 1) else 1)


def _short(text: str, most: int = 44) -> str:
    clean = "".join(c if c.isprintable() else " " for c in text).strip()
    if not clean:
        return "(blank)"
    return clean if len(clean) <= most else clean[: most - 1] + "…"


def _column(
    table: str, held: ColumnHolding, rows: int, zone: str, personal: PersonalColumns
) -> View:
    spec = TABLES[table]
    tag = ""
    if held.role == "personal":
        tag = "left out" if f"{table}.{held.name}" in personal.left_out else "personal"
    elif not held.used:
        # Demographics stand on the cards of single customers.
        tag = "kept, not used" if table != "customers" else "kept, shown on profile cards"
        tag = "kept, not shown" if held.role == "withheld" else tag
    counted = held.role in ("id", "number", "text") and held.filled
    about = "" if held.exact else "about "
    drawn, low, high = _histogram(held)
    return View(
        name=held.name,
        tag=tag,
        type=spec[held.name].type if held.used else held.role,
        filled=_share(held.filled / rows),
        distinct=f"{about}{count(held.distinct)}" if counted else "–",
        holds=_holds(f"{table}.{held.name}", held, zone, personal),
        drawn=drawn,
        low=low,
        high=high,
    )


def _holds(place: str, held: ColumnHolding, zone: str, personal: PersonalColumns) -> str:
    if held.role == "personal":
        why = personal.get(place, "looks like personal data and is kept by request")
        return why[0].upper() + why[1:]
    if held.filled == 0:
        return "Empty"
    if held.role == "withheld":
        return (
            f"Not shown: fewer than {FEWEST} customers share some value, or its name says religion,"
            " health or the like, and [customers.attributes] does not declare it"
        )
    if held.role == "flag":
        return f"true {_share(held.true / held.filled)}"
    if held.numbers is not None:
        n = held.numbers
        about = "" if n.exact else "about "
        if n.least == n.most:
            return f"Always {_figure(n.least)}"
        middle = f"half of them up to {about}{_figure(n.middle)}"
        return f"{_figure(n.least)} to {_figure(n.most)}, {middle}"
    if held.first is not None and held.last is not None:
        return f"{_moment(held.first, zone)} to {_moment(held.last, zone)}"
    if held.role == "text":
        if not held.frequent:
            return "Nearly every row has words of its own; none is shown"
        words = [f"{_short(value)} ({_share(n / held.filled)})" for value, n in held.frequent]
        return ", ".join(words) + (", …" if held.distinct > len(held.frequent) else "")
    if held.role == "words":
        return "Customers' own words, not shown"
    return "Ids, not shown" if held.role == "id" else "Not shown"


def _moment(value: date, zone: str) -> str:
    return local_text(value, zone) if isinstance(value, datetime) else value.isoformat()


def _figure(value: float) -> str:
    """Return a figure with the decimals that it needs, two at most."""
    if abs(value) >= 1e15 or 0 < abs(value) < 0.005:
        return f"{value:.2g}"
    # A year, and what is as short as one, reads better without a comma.
    text = f"{abs(value):,.2f}" if abs(value) >= 10_000 else f"{abs(value):.2f}"
    text = text.removesuffix(".00")
    return f"−{text}" if value < 0 and text.strip("0.,") else text


def _histogram(held: ColumnHolding) -> tuple[Html | None, str, str]:
    n = held.numbers
    if n is None or len(n.bars) < 2:
        return None, "", ""
    low, high = _figure(n.low), _figure(n.high)
    return small_bars(n.bars, f"{held.name} from {low} to {high}"), low, high
