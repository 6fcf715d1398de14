"""Who refused what, for every week of a reports folder: ``suppressions.jsonl`` in it.

A line is written whole before a refusal is acknowledged, and never taken back: consent that began
after it lifts it (`promolab.campaign.plan`).
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from promolab.errors import InputError
from promolab.folder.files import append_lines, read_lines, write_lines
from promolab.folder.forgotten import MARK, digests_of, told_again
from promolab.folder.pseudonyms import folder_key

FILE = "suppressions.jsonl"
COLUMNS = ("customer_id", "channel", "kind", "ts", "event_id")
REFUSALS = ("unsubscribe", "complaint", "right")
"""Kinds: left a channel, complained (every channel), withdrew the right to contact on a channel."""


def append_suppressions(reports: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write refusals behind those that are there; on disk when it returns.

    Parameters
    ----------
    reports : Path
        The reports folder.
    rows : sequence of mapping
        `COLUMNS`: kind of `REFUSALS`, channel as compared (None: every one), ts in ISO 8601.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> row = {"customer_id": 7, "channel": None, "kind": "complaint", "ts": "2024-07-01T12:00:00Z"}
    >>> append_suppressions(folder, [row | {"event_id": "e1"}])
    >>> [(row["customer_id"], row["intact"]) for row in read_suppressions(folder)]
    [(7, True)]
    """
    if not rows:
        return
    key = folder_key(reports)
    append_lines(reports / FILE, [{**row, "digest": _digest(key, row)} for row in rows])


def read_suppressions(reports: Path, among: Iterable[Any] = ()) -> list[dict[str, Any]]:
    """Return the refusals; ``intact`` tells whether a line is as it was written.

    Parameters
    ----------
    reports : Path
        The reports folder.
    among : iterable of ids
        Of whom lines that hold a keyed digest alone may be: who was forgotten stays refused.

    Raises
    ------
    InputError
        A line cannot be read: nobody is planned or offered anything while it is not known who
        refused.
    """
    rows = read_lines(reports / FILE)
    key = folder_key(reports) if rows else b""
    for number, row in enumerate(rows, 1):
        if not {*COLUMNS} <= row.keys() or row["kind"] not in REFUSALS:
            raise InputError(
                f"line {number} of {reports / FILE} is no refusal; expected {', '.join(COLUMNS)}. "
                "Put the file back as it was, or correct the line"
            )
        row["intact"] = hmac.compare_digest(str(row.pop("digest", "")), _digest(key, row))
    marks = {i for row in rows if (i := str(row["customer_id"])).startswith(MARK)}
    known = {digest: one for one, digest in told_again(reports, marks, among).items()}
    return [{**row, "customer_id": known.get(i := row["customer_id"], i)} for row in rows]


def forget_suppressions(reports: Path, customers: Iterable[Any], salt: bytes) -> int:
    """Put keyed digests in the place of customers' ids; a refusal stays one. Return how many.

    Parameters
    ----------
    reports : Path
        The reports folder.
    customers : iterable of ids
    salt : bytes
        Random: an event's id may be a digest of what it says of whom, and is made anew.
    """
    rows, names, key = read_lines(reports / FILE), {*map(str, customers)}, folder_key(reports)
    concerned = [row for row in rows if str(row.get("customer_id")) in names]
    for row in concerned:
        intact = row.get("digest") == _digest(key, row)
        row["event_id"] = hmac.digest(salt, str(row["event_id"]).encode(), "sha256").hex()[:32]
        row["customer_id"] = digests_of(key, [row["customer_id"]])[0]
        row["digest"] = _digest(key, row) if intact else ""
    if concerned:
        write_lines(reports / FILE, rows)
    return len(concerned)


def _digest(key: bytes, row: Mapping[str, Any]) -> str:
    text = json.dumps([row[name] for name in COLUMNS])
    return hmac.digest(key, text.encode(), "sha256").hex()
