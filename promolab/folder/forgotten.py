"""Who is forgotten: the codes that stand for them, and ``forgotten.jsonl``, which names nobody."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promolab.folder.files import read_lines
from promolab.folder.pseudonyms import folder_key

if TYPE_CHECKING:
    import pandas as pd

FORGOTTEN = "forgotten.jsonl"
MARK = "hmac-sha256:"
"""What a keyed digest begins with, so that none is taken for an id."""
_CODE, _BELOW = "forgotten-", -(2**62)
_TEXT = rf"{_CODE}|-\d{{19}}$"


def digests_of(key: bytes, customers: Iterable[Any]) -> list[str]:
    """Return what tells forgotten ids again to whoever holds the key; no pseudonym follows.

    Examples
    --------
    >>> digests_of(b"secret", [7]) == digests_of(b"secret", ["7"])
    True
    """
    told = (f"forgotten {customer}".encode() for customer in customers)
    return [MARK + hmac.digest(key, one, "sha256").hex() for one in told]


def new_code(*, whole: bool) -> Any:
    """Return a random code that takes an id's place: a whole number, or a text."""
    return _BELOW - secrets.randbelow(2**62) if whole else _CODE + secrets.token_hex(8)


def remaining(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of which nothing is forgotten: nothing is learned from the others any more.

    Parameters
    ----------
    frame : DataFrame
        Perhaps with ``customer_id`` or ``decision_id``.

    Examples
    --------
    >>> import pandas as pd
    >>> ids = [new_code(whole=True), 8]
    >>> remaining(pd.DataFrame({"customer_id": ids}))["customer_id"].tolist()
    [8]
    """
    for name in {"customer_id", "decision_id"} & set(frame):
        ids = frame[name]
        whole = ids.dtype.kind in "iu"
        coded = ids <= _BELOW if whole else ids.astype("str").str.match(_TEXT)
        if coded.any():
            frame = frame[~coded.fillna(False)].reset_index(drop=True)
    return frame


def forgotten_rows(reports: Path) -> list[dict[str, Any]]:
    """Return the record of who was forgotten: digest, at, reason, counts (rows, by kind).

    No code stands in it: beside a digest it would lead from an id to the rows that have the code.
    """
    return read_lines(reports / FORGOTTEN)


def told_again(reports: Path, digests: set[str], customers: Iterable[Any]) -> dict[Any, str]:
    """Return those of the customers whose keyed digest is one of these, with it."""
    every = [*customers] if digests else []
    made = digests_of(folder_key(reports), every) if every else []
    pairs = zip(every, made, strict=True)
    return {customer: digest for customer, digest in pairs if digest in digests}
