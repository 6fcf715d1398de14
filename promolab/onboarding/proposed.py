"""A proposed ``shop.toml`` for files or tables with names of their own: ``promolab init``."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from promolab.contract import TABLES, toml_line
from promolab.errors import DataError, InputError
from promolab.language import language, speaking
from promolab.onboarding.contents import say
from promolab.onboarding.events import Line
from promolab.onboarding.inventory import Inventory, take_inventory
from promolab.onboarding.matching import Choice, choose_tables, combined, is_log, matched
from promolab.onboarding.sections import Section, products_within, section_of
from promolab.sources import table_rank

_SAME_PURCHASES = ("purchase", "return", "cancel")


def sections_of(chosen: Mapping[str, Sequence[Choice]]) -> dict[str, list[Section]]:
    """Propose the sections, those of events first; products may stand in the order lines."""
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
        if table == "products" and not choices:
            within = products_within(chosen["events"][0])
            sections = [within] if within else []
        if sections:
            made[table] = sections
    return made


def _lacks(choice: Choice) -> list[str]:
    return [say(c) if c in ("customer_id", "ts", "product_id") else c for c in choice.lacks]


def _incomplete(choice: Choice, events: Choice) -> str:
    """Say what a table lacks whose name says what it is, and what it could be joined to."""
    joins = choice.table == "events" and choice.has("order_id") and events.has("order_id")
    return say(
        "incomplete",
        name=choice.theirs.name,
        table=choice.table,
        lacks=_lacks(choice),
        by=choice.picks["order_id"].name if joins else "",
        orders=events.theirs.name,
    )


WIDTH = 100


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
    lang : str
        The language of the comments: that of the names of tables and columns.
    """

    text: str
    summary: tuple[str, ...]
    run: str
    toml: Path | None = None
    lang: str = "en"

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
        with speaking(self.lang):
            saved = {} if written else {"save": str(where)}
            return say("next", call=call, options="--write or --out", **{"save": ""} | saved)


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
    with speaking(_language_of(inventory)):
        chosen, incomplete = matched(*choose_tables(inventory.tables))
        chosen_by_table, remarks = combined(chosen)
        if "events" not in chosen_by_table:
            raise DataError(_no_events(inventory, incomplete))
        remarks += [_incomplete(choice, chosen_by_table["events"][0]) for choice in incomplete]
        sections = sections_of(chosen_by_table)
        seen = {choice.theirs.name for choice in (*chosen, *incomplete)}
        rest = [theirs.name for theirs in inventory.tables if theirs.name not in seen]
        remarks += [say("not_known", names=rest)] if rest else []
        remarks += [say("not_read", why=sentence) for sentence in inventory.unread]
        text = "\n".join(_text(inventory, sections, remarks)) + "\n"
        summary = tuple(_summary(inventory, sections, text))
        return Proposal(text, summary, inventory.run, inventory.toml, language())


def _language_of(inventory: Inventory) -> str:
    """Return the language of most names of columns: Chinese where they are written so."""
    names = [name for theirs in inventory.tables for name in theirs.table.columns]
    chinese = sum(bool(re.search("[\u4e00-\u9fff]", name)) for name in names)
    return "zh" if 2 * chinese > len(names) else "en"


def _no_events(inventory: Inventory, incomplete: Sequence[Choice]) -> str:
    there = [theirs.name for theirs in inventory.tables]
    more = [say("more", n=len(there) - 10)] if len(there) > 10 else []
    nearly = next((c for c in incomplete if c.table == "events"), None)
    return say(
        "no_events",
        customers="customer_id, CustomerID, Kunde, client, cliente, 客户编号 …",
        times="ts, InvoiceDate, Datum, fecha, 时间 …",
        names=[*there[:10], *more],
        almost=nearly.theirs.name if nearly else "",
        lacks=_lacks(nearly) if nearly else [],
        failed=[sentence.rstrip(".") for sentence in inventory.unread[:3]],
    )


def _text(
    inventory: Inventory, sections: Mapping[str, Sequence[Section]], remarks: Sequence[str]
) -> Iterator[str]:
    yield from _comment(say("head", command="promolab init", data="promolab data"))
    yield ""
    yield toml_line("name", inventory.name)
    yield from _shop_wide([section for several in sections.values() for section in several])
    for table, several in sections.items():
        for section in several:
            yield from _section_text(table, section, len(several) > 1)
    if remarks:
        yield ""
        for remark in remarks:
            yield from _comment(remark)


def _shop_wide(sections: Sequence[Section]) -> Iterator[str]:
    said = next((s.currency for s in sections if s.currency), None)
    if said is None:
        yield from _comment(say("missing", what=say("currency", code='"USD"')))
        yield '# currency = "EUR"'
    else:
        yield from _line(said)
    yield from _comment(say("missing", what=say("zone", kind="IANA")))
    yield '# zone = "Europe/Berlin"'
    if any(section.zoned is False for section in sections):
        yield from _line(Line("naive_times", "local", check=say("own_times", utc='"utc"')))


def _section_text(table: str, section: Section, several: bool) -> Iterator[str]:
    theirs = section.choice.theirs
    yield ""
    by = "by_name" if table_rank(table, theirs.stem) is not None else "by_content"
    by = "since_category" if section.where.get("distinct") else by
    facts = {"name": theirs.name, "n": section.rows, "why": say(by)}
    needless = not section.said
    yield from _comment(say("taken_for", table=table, needless=needless, **facts))
    yield from _comments_on(section)
    if section.said:
        yield f"[[{table}]]" if several else f"[{table}]"
        for key, value in section.where.items():
            # What is doubtful about the order lines was said of them.
            doubtful = key == "encoding" and "distinct" not in section.where
            yield from _line(Line(key, value, check=say("encoding_check") if doubtful else ""))
        for line in section.lines:
            yield from _line(line)
    else:
        for line in section.lines:
            if line.check:
                yield from _comment(say("check", what=f"{line.key}: {line.check}"))


def _comments_on(section: Section) -> Iterator[str]:
    for note in section.choice.theirs.notes:
        yield from _comment(note.replace("table", section.choice.table, 1))
    for check in filter(None, section.checks):
        yield from _comment(say("check", what=check))
    if section.choice.table == "events" and not any(x.key == "amount" for x in section.lines):
        yield from _comment(say("missing", what=say("amount")))
    if section.kept:
        more = [say("more", n=len(section.kept[30:]))] if section.kept[30:] else []
        yield from _comment(say("kept", names=[*section.kept[:30], *more]))
    if section.personal:
        yield from _comment(say("personal", names=section.personal))


def _line(line: Line) -> Iterator[str]:
    if line.check:
        yield from _comment(say("check", what=line.check))
    if line.value is None:  # they call it alike
        return
    text = toml_line(line.key, line.value)
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


def _summary(
    inventory: Inventory, sections: Mapping[str, Sequence[Section]], text: str
) -> Iterator[str]:
    found = [
        {"table": table, "name": section.choice.theirs.name, "n": section.rows}
        for table, several in sections.items()
        for section in several
    ]
    absent = ("promotions", "exposures", "responses", "products")
    settings = ["zone"] + ([] if re.search(r"(?m)^currency = ", text) else ["currency"])
    yield say("found", found=found)
    yield say("lacking", settings=settings, absent=[n for n in absent if n not in sections])
    if checks := text.count("\n# " + say("check", what="").strip()):
        yield say("doubtful", n=checks)
    yield from (say("not_read", why=sentence) for sentence in inventory.unread)
