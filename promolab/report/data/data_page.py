"""The page of ``promolab data SOURCE --html FILE``: what the tables hold, which checks fail."""

from __future__ import annotations

import secrets
from datetime import datetime
from pathlib import Path
from typing import Any

from promolab.contract import (
    NEEDS,
    TABLES,
    Checks,
    Finding,
    PersonalColumns,
    Shop,
    example_rows,
    masked,
    personal_columns,
)
from promolab.display import Html, Tile, table, tiles
from promolab.errors import InputError
from promolab.folder import codes, write_whole
from promolab.report.data.holdings_view import View, day_text, local_text, view
from promolab.report.data.table_holdings import TableHolding, holdings
from promolab.report.running.document import finished, look, template
from promolab.wording import capital, count, plural

_MOST_COLUMNS = 8  # more cannot be read side by side
_MOST_LETTERS = 44
_HIDDEN = "…"
_TITLE_END = "· promolab</title>".encode()  # of every page that promolab writes


def writable_page(path: str | Path) -> Path:
    """Return a path that a page can be written to.

    Parameters
    ----------
    path : str or Path
        Where the page shall lie.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If its name is not that of a page, its folder is not there, it is a folder itself, or
        another file that promolab did not write.
    """
    page = Path(path).expanduser()
    if page.is_dir():
        raise InputError(f"--html {path} is a folder; give the name of a file, such as data.html")
    if not page.parent.is_dir():
        raise InputError(f"--html {path}: there is no folder {page.parent}; make it first")
    if page.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--html {path} is no name of a page; give one such as data.html")
    if page.exists() and not _is_ours(page):
        raise InputError(
            f"--html {path} is there already, and no page of promolab's: it is not overwritten; "
            "give another name"
        )
    return page


def _is_ours(page: Path) -> bool:
    try:
        with page.open("rb") as file:
            head = file.read(4_000)
    except OSError as error:
        raise InputError(f"--html {page} cannot be read: {error.strerror}") from error
    return _TITLE_END in head


def write_data_page(shop: Shop, checks: Checks, path: str | Path) -> Path:
    """Write the page of a shop's data, whole or not at all.

    Parameters
    ----------
    shop : Shop
        The shop, usable or not.
    checks : Checks
        What its checks found.
    path : str or Path
        The file; it is replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    page = writable_page(path)
    text = data_page(shop, checks)
    try:
        write_whole(page, text)
    except OSError as error:
        raise InputError(f"--html {path} cannot be written: {error.strerror}") from error
    return page


def data_page(shop: Shop, checks: Checks, key: bytes | None = None) -> str:
    """Return the page of a shop's data as HTML that stands alone: nothing is loaded.

    Parameters
    ----------
    shop : Shop
        The shop, usable or not.
    checks : Checks
        What its checks found.
    key : bytes, optional
        Key of the codes that stand for customers in example rows; by default a random one.

    Returns
    -------
    str
    """
    key = secrets.token_bytes(32) if key is None else key
    personal = personal_columns(shop)
    held = holdings(shop, personal)
    sections = [
        View(
            view=view(each, checks.counts.get(each.name, each.rows), shop.zone, personal),
            examples=[
                example
                for finding in checks.findings
                if finding.table == each.name
                for example in _examples(shop, finding, personal, key)
            ],
        )
        for each in held
    ]
    page = template("data.html.j2").render(
        name=checks.name,
        look=look(),
        title=_title(checks),
        lead=_lead(checks),
        stops=[_capital(f.sentence) for f in checks.findings if f.level == "stop"],
        tiles=_tiles(checks, held),
        remarks=[*personal.sentences(), *shop.left_out, *filter(None, [shop.settings.note])],
        abilities=[_ability(shop, name) for name in NEEDS],
        checks_title=_checks_title(checks),
        findings=[_row(finding) for finding in checks.findings],
        sections=sections,
        zone=shop.zone,
    )
    return finished(page) + "\n"


def _title(checks: Checks) -> str:
    if checks.usable:
        return f"{checks.name} can be used"
    stops = sum(f.level == "stop" for f in checks.findings)
    return f"{checks.name} cannot be used yet: {plural(stops, 'thing')} to mend first"


def _lead(checks: Checks) -> str:
    rows = plural(sum(checks.counts.values()), "row")
    warns = sum(f.level == "warn" for f in checks.findings)
    found = (
        f"{plural(warns, 'check')} {'warns' if warns == 1 else 'warn'}"
        if warns
        else "no check warns"
    )
    return f"{plural(len(checks.counts), 'table')} with {rows}; {found}."


def _checks_title(checks: Checks) -> str:
    notes = sum(f.level == "note" for f in checks.findings)
    failing = len(checks.findings) - notes
    failed = f"{plural(failing, 'check')} {'fails' if failing == 1 else 'fail'}"
    said = [failed if failing else "No check fails"]
    return ", ".join([*said, plural(notes, "note")] if notes else said)


def _capital(sentence: str) -> str:
    # The name of a column stays as it is.
    return capital(sentence) if sentence.startswith("the ") else sentence


def _row(finding: Finding) -> View:
    return {
        "level": finding.level,
        "table": finding.table,
        "check": finding.check.replace("_", " "),
        "rows": count(finding.rows) if finding.rows else "–",
        "sentence": finding.sentence,
    }


def _tiles(checks: Checks, held: list[TableHolding]) -> Html:
    events = next((each for each in held if each.name == "events"), None)
    shown = [Tile("Rows in all tables", count(sum(checks.counts.values())), None)]
    if events is not None:
        for column in events.columns:
            if column.name == "customer_id":
                about = "" if column.exact else "about "
                shown.append(
                    Tile("Customers with events", f"{about}{count(column.distinct)}", None)
                )
    if events is not None and events.days:
        days = list(events.days)
        note = f"{day_text(days[0])} to {day_text(days[-1])}"
        shown.append(Tile("Days from the first to the last event", count(events.span), None, note))
        shown.append(Tile("Days between without an event", count(events.missing_days), None))
    return tiles(shown)


def _ability(shop: Shop, name: str) -> View:
    if shop.lacks(name) is None:
        return View(name=name, missing="")
    said, adds = [], []
    for need in NEEDS[name]:
        table, _, column = need.partition(".")
        if not shop.has(table):
            said.append(f"table {table} (one row: {TABLES[table].row})")
            # "with exposures and responses: response models" says the same of each of the three.
            adds.append(TABLES[table].unlocks.rpartition(": ")[2])
        elif column and not shop.has(table, column):
            said.append(f"column {need} ({TABLES[table][column].meaning})")
    text = f"Missing: {', '.join(dict.fromkeys(said))}."
    longest = [a for a in dict.fromkeys(adds) if not any(a != b and a in b for b in adds)]
    text += f" It would add: {'; '.join(longest)}." if longest else ""
    return View(name=name, missing=text)


def _examples(shop: Shop, finding: Finding, personal: PersonalColumns, key: bytes) -> list[View]:
    rows = example_rows(shop, finding)
    if not rows:
        return []
    import pandas as pd

    columns = _columns(finding, list(rows[0]))
    hidden = dict.fromkeys(personal.of(finding.table, kept=True), _HIDDEN)
    cells = [
        {c: hidden.get(c) or _cell(finding.table, c, row[c], key, shop) for c in columns}
        for row in rows
    ]
    shown = table(
        pd.DataFrame(cells, columns=columns, dtype=object),
        {c: c for c in columns},
        {c: str for c in columns if TABLES[finding.table][c].type in ("number", "money", "share")},
        caption="Example rows" if len(rows) < finding.rows else "",
    )
    return [_row(finding) | {"rows": plural(finding.rows, "row"), "table": shown}]


def _columns(finding: Finding, columns: list[str]) -> list[str]:
    """Return the columns to show, those that the check is about among them."""
    spec = TABLES[finding.table]
    about = [c for c in columns if f"{finding.table}.{c}" in finding.sentence]
    first = dict.fromkeys([*about, *(c for c in columns if spec[c].required), *columns])
    chosen = set(list(first)[:_MOST_COLUMNS])
    return [c for c in columns if c in chosen]


def _cell(table_name: str, column: str, value: Any, key: bytes, shop: Shop) -> str:
    if value is None:
        return "(empty)"
    if column in ("customer_id", "cluster_id"):
        return codes(key, [value])[0]
    if column == "text":  # what a customer wrote
        return _HIDDEN
    if isinstance(value, datetime):
        return local_text(value, shop.zone)
    is_id = TABLES[table_name][column].type == "id"
    text = masked(str(value), is_id=is_id)
    text = "".join(c if c.isprintable() else " " for c in text).strip() or "(blank)"
    return text if len(text) <= _MOST_LETTERS else text[: _MOST_LETTERS - 1] + "…"
