"""Pseudonyms: the codes that stand for customers on pages, and the key that they are made with.

The key is random, or follows from a secret that is stated outside of the reports folder. It never
follows from anything that a page or a manifest shows: ids can be enumerated, so whoever knows the
key knows everybody. Where it was taken away, drafts are to be made again, released pages are named.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promolab.errors import InputError
from promolab.folder.files import read_json, write_json, write_secret
from promolab.weeks import Week
from promolab.wording import plural

if TYPE_CHECKING:
    from promolab.folder.reports_folder import ReportsFolder

KEY_FILE = ".key"
SECRET = "PROMOLAB_KEY"
SECRET_FILE = "PROMOLAB_KEY_FILE"
_TO_DRAW = ".redraw.json"
_CODE_LENGTH = 10  # 50 bits: a million customers collide once in some two thousand shops


def codes(key: bytes, ids: Sequence[Any]) -> list[str]:
    """Return the codes of customers: a keyed hash (HMAC-SHA-256, RFC 2104) of each id in base 32.

    Parameters
    ----------
    key : bytes
        The key.
    ids : sequence
        Different ids.

    Examples
    --------
    >>> codes(b"secret", [1, 2])
    ['C-XUUO4FBMUW', 'C-DNDMDIT65V']
    """
    digests = [base64.b32encode(hmac.digest(key, str(i).encode(), "sha256")).decode() for i in ids]
    length = _CODE_LENGTH
    while len({digest[:length] for digest in digests}) < len(digests):
        length += 1  # a collision: one character more for all of this call
    return [f"C-{digest[:length]}" for digest in digests]


def stated_key(environment: Mapping[str, str] = os.environ) -> bytes | None:
    """Return the key that follows from the secret in the environment, None where it states none.

    The secret is stretched (scrypt, RFC 7914), so that guessing it is slow.

    Parameters
    ----------
    environment : mapping of str to str
        ``PROMOLAB_KEY`` holds the secret itself, ``PROMOLAB_KEY_FILE`` the path of a file with it.

    Raises
    ------
    InputError
        If both are there, or the file cannot be read or is empty.
    """
    secret, file = environment.get(SECRET, ""), environment.get(SECRET_FILE, "")
    if secret and file:
        raise InputError(f"{SECRET} and {SECRET_FILE} both state the secret; give one of them")
    content = secret.encode()
    if file:
        try:
            content = Path(file).expanduser().read_bytes().strip()
        except OSError as error:
            raise InputError(f"{SECRET_FILE} = {file} cannot be read: {error.strerror}") from error
        if not content:
            raise InputError(f"{SECRET_FILE} = {file} is empty; it must hold the secret")
    if not content:
        return None
    return hashlib.scrypt(content, salt=b"promolab pseudonym key", n=2**14, r=8, p=1, dklen=32)


def key_of(folder: Path) -> bytes:
    """Return the key of a run folder; one outside of a reports folder gets its own.

    Parameters
    ----------
    folder : Path
        The run folder; the reports folder that it lies in, staged or not, has the key.
    """
    beside = folder.resolve().parent / KEY_FILE
    return beside.read_bytes() if beside.exists() else folder_key(folder)


def folder_key(folder: Path) -> bytes:
    """Return the key in a folder, made where it has none."""
    if not (folder / KEY_FILE).exists():
        write_secret(folder / KEY_FILE, stated_key() or secrets.token_bytes(32))
    return (folder / KEY_FILE).read_bytes()


def ensure_key(reports: ReportsFolder) -> list[str]:
    """See that a reports folder has a key, and say what follows where it gets another one.

    Parameters
    ----------
    reports : ReportsFolder
        Held. Whoever wants another key takes the one in it away.

    Returns
    -------
    list of str
        Sentences, where pages stand there that show codes of another key; the drafts among them
        are noted, for `weeks_to_draw`.

    Raises
    ------
    InputError
        If a secret is stated and the folder's key is of another.
    """
    path, stated = reports.path / KEY_FILE, stated_key()
    if path.exists():
        if stated not in (None, path.read_bytes()):
            by = SECRET if os.environ.get(SECRET) else SECRET_FILE
            raise InputError(
                f"{path} is not made from the secret that {by} states: the same customer would "
                "have another code than on the pages before. Unset it, or give the earlier one; to "
                f"change the key, remove {path}, and make the drafts again"
            )
        return []
    weeks = reports.weeks()
    drafts = [week for week in weeks if reports.state(week) == "draft"]
    # First, so that a run killed in between loses none.
    _note(reports, {*weeks_to_draw(reports), *drafts})
    folder_key(reports.path)
    if not weeks:
        return []
    said = [f"there was no {KEY_FILE}: pseudonyms have a new key"]
    if drafts:
        named = ", ".join(map(str, drafts))
        said.append(
            f"{plural(len(drafts), 'draft')} with codes of the earlier key cannot be released "
            f"before promolab report or backfill has made them again: {named}"
        )
    released = [str(week) for week in weeks if week not in drafts]
    if released:
        said.append(
            f"a released plan never changes: the pages of {', '.join(released)} keep the codes of "
            "the earlier key; do not pass them on, and take back what was passed on"
        )
    return said


def weeks_to_draw(reports: ReportsFolder) -> list[Week]:
    """Return the weeks whose pages show codes of an earlier key."""
    return [Week.parse(text) for text in read_json(reports.path / _TO_DRAW) or []]


def note_drawn(reports: ReportsFolder, week: Week) -> None:
    """Note that a week's pages show codes of the folder's key."""
    if week in (left := weeks_to_draw(reports)):
        _note(reports, {*left} - {week})


def check_codes(reports: ReportsFolder, week: Week) -> None:
    """Refuse to release pages that show codes of an earlier key.

    Raises
    ------
    InputError
        If the week's pages do.
    """
    if week in weeks_to_draw(reports):
        raise InputError(
            f"the pages of {week} show codes of an earlier key; make them again first: "
            f"promolab report --week {week}"
        )


def _note(reports: ReportsFolder, weeks: set[Week]) -> None:
    if weeks:
        write_json(reports.path / _TO_DRAW, sorted(map(str, weeks)))
    else:
        (reports.path / _TO_DRAW).unlink(missing_ok=True)
