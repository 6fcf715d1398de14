"""Names of send files: safe on every system, and never one for two promotions and channels."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

__all__ = ["file_names"]

LONGEST = 180  # bytes, well below the 255 of common file systems


def file_names(pairs: Sequence[tuple[Any, str]]) -> list[str]:
    """Return the file's name of each promotion and channel: ``<promotion>__<channel>.csv``.

    Letters, digits, dots, hyphens and single underscores of ASCII stay; all else becomes its UTF-8
    bytes as ``%XX``. Two names that differ by case alone, or one that is very long, carry a hash of
    what they stand for behind a ``~``.

    Parameters
    ----------
    pairs : sequence of (promotion_id, channel)
        Each once.

    Returns
    -------
    list of str

    Examples
    --------
    >>> file_names([(18, "mail"), ("A/B", "e mail"), ("p1", "app"), ("P1", "app")])
    ['18__mail.csv', 'A%2FB__e%20mail.csv', 'p1__app~d8cd0e2716081cea.csv', ...]
    """
    stems = [f"{_safe(str(promotion))}__{_safe(channel)}" for promotion, channel in pairs]
    alike = Counter(stem.casefold() for stem in stems)
    return [
        (f"{stem[:LONGEST]}~{_hash(stem)}" if alike[stem.casefold()] > 1 or len(stem) > LONGEST
         else stem) + ".csv"
        for stem in stems
    ]  # fmt: skip


def _safe(text: str) -> str:
    """Return a text of which no two are alike, without the two underscores that divide a name."""
    kept = re.sub(
        r"[^A-Za-z0-9._-]|^[.-]|^_|_$|(?<=_)_",
        lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass")),
        text,
    )
    return kept or "%"


def _hash(stem: str) -> str:
    return hashlib.sha256(stem.encode("ascii")).hexdigest()[:16]
