"""A proposed ``shop.toml`` for files or tables with names of their own: ``promolab init``."""

from __future__ import annotations

import json
import re
import shlex
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promolab.contract import NEEDS, TABLES
from promolab.errors import DataError, InputError
from promolab.onboarding.event_guesses import Line, listed
from promolab.onboarding.guesses import Choice, choose_tables
from promolab.onboarding.inventory import Inventory, take_inventory
from promolab.onboarding.matching import combined, is_log, matched
from promolab.onboarding.sections import Section, section_of
from promolab.onboarding.within import WITHIN
from promolab.sources import table_rank
from promolab.wording import plural

_SAME_PURCHASES = ("purchase", "return", "cancel")


def sections_of(chosen: Mapping[str, Sequence[Choice]]) -> dict[str, list[Section]]:
    """Propose the sections, those of events first; some out of order lines that tell them."""
    made: dict[str, list[Section]] = {}
    for table in ("events", *(name for name in TABLES if name != "events")):
        choices = chosen.get(table, ())
        sales = table == "events" and not all(is_log(choice) for choice in choices)
        sections = [
            section_of(
                choice,
                several=len(choices) > 1,
                skip=_SAME_PURCHASES if sales and is_log(choice) else (),
            )
            for choice in choices
        ]
        if table in WITHIN and not choices:
            within = WITHIN[table](chosen)
            sections = [within] if within else []
        if sections:
            made[table] = sections
    return made


def in_words(columns: Sequence[str]) -> list[str]:
    """Return what columns of the contract hold, in words."""
    words = {
        "customer_id": "a customer",
        "ts": "a time that can be read",
        "product_id": "a product",
    }
    return [words.get(column, column) for column in columns]


def incomplete_said(choice: Choice, events: Choice) -> str:
    """Say what a table lacks whose name says what it is, and what it could be joined to."""
    name, lacks = choice.theirs.name, listed(in_words(choice.lacks))
    said = f"{name} looks like {choice.table} by its name, but lacks {lacks}: not used."
    if choice.table == "events" and choice.has("order_id") and events.has("order_id"):
        said += (
            f" Its rows belong to those of {events.theirs.name} by "
            f"{choice.picks['order_id'].name}: a view or file that joins the two would tell what "
            "was bought."
        )
    return said


WIDTH = 100
_WHERE_SAID = {
    "encoding": ("neither UTF-8 nor GB18030", "which one it is cannot be told for sure"),
    "skip": ("lines above the column names, a title by their looks",),
}
_ZONES = {
    "GBP": "Europe/London",
    "USD": "America/New_York",
    "CNY": "Asia/Shanghai",
    "JPY": "Asia/Tokyo",
    "BRL": "America/Sao_Paulo",
    "MXN": "America/Mexico_City",
}


@dataclass(frozen=True)
class Proposal:
    """What ``promolab init`` proposes.

    Parameters
    ----------
    text : str
        The ``shop.toml``, with the reason for each guess in comments.
    summary : tuple of str
        Sentences on what was found and what is missing.
    run : str
        What ``promolab data`` takes for the source.
    toml : Path, optional
        Where the file belongs; None for a warehouse.
    """

    text: str
    summary: tuple[str, ...]
    run: str
    toml: Path | None = None

    def next_step(self, written: Path | None = None) -> str:
        """Say what to do next.

        Parameters
        ----------
        written : Path, optional
            Where the proposal was written, if it was.
        """
        where = written or self.toml or Path("shop.toml")
        own = self.toml is not None and where.absolute() == self.toml.absolute()
        call = f"promolab data {shlex.quote(self.run)}"
        call += "" if own else f" --shop {shlex.quote(str(where))}"
        saved = "" if written else f"save it as {where} (--write or --out does), "
        return f"next: {saved}fill in what is MISSING, then: {call}"


def write_proposal(proposal: Proposal, path: Path | None = None) -> Path:
    """Write a proposal to a file that is not there yet.

    Parameters
    ----------
    proposal : Proposal
        From `propose`.
    path : Path, optional
        The file; by default the source's own ``shop.toml``.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        If the file is there already, cannot be written, or none is given for a warehouse.
    """
    path = path or proposal.toml
    if path is None:
        raise InputError("a warehouse has no place for a shop.toml; say where: --out FILE")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(proposal.text)
    except FileExistsError as error:
        raise InputError(
            f"{path} is there already and is not overwritten; give another file: --out FILE"
        ) from error
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error})") from error
    return path


def propose(source: str | Path) -> Proposal:
    """Look at files or tables and propose a ``shop.toml`` for them.

    Parameters
    ----------
    source : str or Path
        A folder of csv, parquet or Excel files, one such file, a DuckDB file, or the address of a
        warehouse.

    Returns
    -------
    Proposal

    Raises
    ------
    InputError
        If there is no such source.
    DataError
        If nothing in it looks like events.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "sales.csv"
    ...     _ = file.write_text("Kunde,Datum,Betrag\\n7,2024-01-31,9.95\\n8,2024-02-01,3.00\\n")
    ...     '[events]\\nfiles = "sales.csv"' in propose(folder).text
    True
    """
    inventory = take_inventory(source)
    chosen, incomplete = matched(*choose_tables(inventory.tables))
    chosen_by_table, remarks = combined(chosen)
    if "events" not in chosen_by_table:
        raise DataError(_no_events(inventory, incomplete))
    remarks += [incomplete_said(choice, chosen_by_table["events"][0]) for choice in incomplete]
    sections = sections_of(chosen_by_table)
    seen = {choice.theirs.name for choice in (*chosen, *incomplete)}
    rest = [theirs.name for theirs in inventory.tables if theirs.name not in seen]
    if rest:
        remarks.append(f"Not known what these are, and not used: {', '.join(rest)}.")
    remarks += [f"Not read: {sentence}" for sentence in inventory.unread]
    text = "\n".join(_text(inventory, sections, remarks)) + "\n"
    summary = tuple(_summary(inventory, sections, text))
    return Proposal(text, summary, inventory.run, inventory.toml)


def _no_events(inventory: Inventory, incomplete: Sequence[Choice]) -> str:
    there = [theirs.name for theirs in inventory.tables]
    said = (
        "nothing here looks like events: a table with a customer (customer_id, CustomerID, "
        "Kunde, client, cliente, 客户编号 …) and a time (ts, InvoiceDate, Datum, fecha, 时间 …) "
        f"was looked for in {', '.join(there[:10]) if there else 'no table that can be read'}"
    )
    said += f" and {len(there) - 10} more" if len(there) > 10 else ""
    nearly = next((c for c in incomplete if c.table == "events"), None)
    if nearly is not None:
        said += f"; {nearly.theirs.name} lacks {listed(in_words(nearly.lacks))}"
    for sentence in inventory.unread[:3]:
        said += f"; {sentence.rstrip('.')}"
    return said


def _text(
    inventory: Inventory, sections: Mapping[str, Sequence[Section]], remarks: Sequence[str]
) -> Iterator[str]:
    yield from _comment(
        "Proposed by `promolab init`. Each line says why; correct what is wrong, fill in what is "
        "MISSING, look at what says CHECK, and see what comes of it: promolab data"
    )
    yield ""
    yield f"name = {_toml(inventory.name)}"
    yield from _shop_wide([section for several in sections.values() for section in several])
    for table, several in sections.items():
        for section in several:
            yield from _section_text(table, section, len(several) > 1)
    if remarks:
        yield ""
        for remark in remarks:
            yield from _comment(remark)
    missing = list(_missing(sections))
    if missing:
        yield ""
        yield from _comment(
            "What more would be possible, and what it needs (data/README.md has all columns):"
        )
        for sentence in missing:
            yield from _comment(f"- {sentence}")


def _shop_wide(sections: Sequence[Section]) -> Iterator[str]:
    said = next((s.currency for s in sections if s.currency), None)
    if said is None:
        yield from _comment('MISSING: the currency of all amounts; without it "USD" is assumed.')
        yield '# currency = "EUR"'
    else:
        code, why, check = said
        yield from _line(Line("currency", code, why, check))
    zone = _ZONES.get(said[0] if said else "", "Europe/Berlin")
    yield from _comment(
        "MISSING: the time zone in which the shop's days and weeks begin, an IANA name."
    )
    yield f'# zone = "{zone}"'
    if any(section.zoned is False for section in sections):
        yield from _line(
            Line(
                "naive_times",
                "local",
                "times that state no zone are taken for the shop's own",
                'if they are UTC, write "utc"',
            )
        )


def _section_text(table: str, section: Section, several: bool) -> Iterator[str]:
    choice = section.choice
    yield ""
    by = "by its name" if table_rank(table, choice.theirs.stem) is not None else "by its columns"
    rows = plural(section.rows, "row")
    said = f"{choice.theirs.name} ({rows}): taken for {table}, {section.since or by}."
    if not section.is_needed:
        yield from _comment(f"{said} It needs no section.")
    else:
        yield from _comment(said)
    yield from _comments_on(section)
    if section.is_needed:
        yield f"[[{table}]]" if several else f"[{table}]"
        for key, value in section.where.items():
            why = _WHERE_SAID.get(key, ())
            # What is doubtful about the order lines was said of them.
            yield from _line(Line(key, value, *(why[:1] if section.since else why)))
        for line in section.lines:
            yield from _line(line)
    else:
        for line in section.lines:
            if line.check:
                yield from _comment(f"CHECK: {line.key}: {line.check}")


def _comments_on(section: Section) -> Iterator[str]:
    for note in section.choice.theirs.notes:
        yield from _comment(note.replace("table", section.choice.table, 1))
    for check in section.checks:
        yield from _comment(f"CHECK: {check}")
    if section.choice.table == "events" and not any(x.key == "amount" for x in section.lines):
        yield from _comment("MISSING: an amount; without it there are no sales")
    if section.kept:
        more = len(section.kept) - 30
        names = ", ".join(section.kept[:30]) + (f" and {more} more" if more > 0 else "")
        yield from _comment(f"Kept, not used: {names}.")
    if section.personal:
        yield from _comment(f"Looks personal, left out of reports: {', '.join(section.personal)}.")


def _missing(sections: Mapping[str, Sequence[Section]]) -> Iterator[str]:
    for ability, needs in NEEDS.items():
        lacking = []
        for need in needs:
            table, _, column = need.partition(".")
            if table not in sections:
                lacking.append(table)
            elif column and not any(x.key == column for s in sections[table] for x in s.lines):
                lacking.append(need)
        if lacking:
            yield f"{ability}: {listed([_with_columns(name) for name in lacking])}"


def _with_columns(name: str) -> str:
    return f"{name} ({', '.join(TABLES[name].required)})" if name in TABLES else name


def _line(line: Line) -> Iterator[str]:
    if line.check:
        yield from _comment(f"CHECK: {line.check}")
    if line.value is None:
        yield from _comment(f"{line.key} is called alike ({line.why})")
        return
    text = f"{line.key} = {_toml(line.value)}"
    if line.why and len(text) + len(line.why) + 4 <= WIDTH:
        yield f"{text}  # {line.why}"
        return
    if line.why:
        yield from _comment(f"{line.key}: {line.why}")
    yield text


def _comment(text: str) -> Iterator[str]:
    plain = re.sub(r"[\x00-\x1f\x7f]", " ", text).replace(" %", "\u00a0%")
    for line in textwrap.wrap(
        plain, WIDTH, initial_indent="# ", subsequent_indent="#   ", break_long_words=False
    ):
        yield line.replace("\u00a0%", " %")


def _toml(value: Any) -> str:
    """Write a value as TOML, tables in one line."""
    if isinstance(value, Mapping):
        pairs = [f"{_key(key)} = {_toml(each)}" for key, each in value.items()]
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(each) for each in value) + "]"
    # A string of JSON is one of TOML, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml(key)


def _summary(
    inventory: Inventory, sections: Mapping[str, Sequence[Section]], text: str
) -> Iterator[str]:
    found = [
        f"{table} from {section.choice.theirs.name} ({plural(section.rows, 'row')})"
        for table, several in sections.items()
        for section in several
    ]
    yield f"found: {'; '.join(found)}"
    absent = [name for name in ("promotions", "exposures", "responses") if name not in sections]
    absent += [name for name in ("products",) if name not in sections]
    settings = ["zone"] + ([] if re.search(r"(?m)^currency = ", text) else ["currency"])
    yield f"missing: {listed(settings)}" + (f"; no {', no '.join(absent)}" if absent else "")
    checks = len(re.findall(r"(?m)^# CHECK:", text))
    if checks:
        yield f"doubtful: {plural(checks, 'guess', 'guesses')}, marked CHECK"
    yield from (f"not read: {sentence}" for sentence in inventory.unread)
