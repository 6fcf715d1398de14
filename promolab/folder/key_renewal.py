"""A key that could be computed is replaced: drafts are rendered again, released pages are named."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from promolab.errors import InputError
from promolab.folder.files import read_json, write_json, write_secret
from promolab.folder.pseudonyms import KEY_FILE, SECRET, SECRET_FILE, stated_key
from promolab.folder.reports_folder import ReportsFolder
from promolab.weeks import Week
from promolab.wording import plural

_TO_DRAW = ".redraw.json"


def renew_key(reports: ReportsFolder, inputs: Mapping[str, str]) -> list[str]:
    """See that a reports folder has a key that nobody can compute, and say what follows from it.

    Parameters
    ----------
    reports : ReportsFolder
        Held.
    inputs : mapping of str to str
        SHA-256 of each input file of the run.

    Returns
    -------
    list of str
        Sentences, where pages stand there that show codes of another key; the drafts among them
        are noted, for `weeks_to_draw`.
    """
    made = new_key(reports.path, inputs)
    if made is None:
        return []
    key, why = made
    weeks = reports.weeks()
    drafts = [week for week in weeks if reports.state(week) == "draft"]
    # First, so that a run killed in between loses none.
    _note(reports, {*weeks_to_draw(reports), *drafts})
    write_secret(reports.path / KEY_FILE, key)
    if not weeks:
        return []
    said = [why]
    if drafts:
        said.append(
            f"{plural(len(drafts), 'draft')} with codes of the earlier key "
            f"{'is' if len(drafts) == 1 else 'are'} rendered again: {_listed(drafts)}"
        )
    released = [week for week in weeks if week not in drafts]
    if released:
        said.append(
            f"a released plan never changes: the pages of {_listed(released)} keep the codes of "
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
    """Refuse to release pages whose codes lead back to customers.

    Raises
    ------
    InputError
        If the folder's key could be computed, or the week's pages show codes of such a key.
    """
    key = reports.path / KEY_FILE
    known = key.exists() and _follows_from_inputs(key.read_bytes(), reports.path, {})
    if known or week in weeks_to_draw(reports):
        raise InputError(
            f"the pages of {week} show codes that can be traced back to customers; make them again "
            f"first: promolab report --week {week}"
        )


def new_key(out: Path, inputs: Mapping[str, str]) -> tuple[bytes, str] | None:
    """Return the key that a reports folder needs, and why; None where its own cannot be computed.

    Parameters
    ----------
    out : Path
        The reports folder.
    inputs : mapping of str to str
        SHA-256 of each input file of the run.

    Returns
    -------
    bytes, str
        Where it has none, or one that follows from the fingerprints of input files, as those of
        earlier versions did.

    Raises
    ------
    InputError
        If a secret is stated and the folder's key is of another.
    """
    path, stated = out / KEY_FILE, stated_key()
    key = path.read_bytes() if path.exists() else None
    known = key is not None and _follows_from_inputs(key, out, inputs)
    if key is not None and not known:
        if stated not in (None, key):
            raise InputError(
                f"{path} is not made from the secret that {_stating()} states: the same customer "
                "would have another code than on the pages before. Unset it, or give the earlier "
                f"one; to change the key, remove {path}: drafts are then rendered again"
            )
        return None
    made = secrets.token_bytes(32) if stated is None else stated
    if key is None:
        return made, f"there was no {KEY_FILE}: pseudonyms have a new key"
    by = "a random one" if stated is None else f"one made from {_stating()}"
    return made, (
        "the key of the pseudonyms could be computed from a manifest, and customers be found by "
        f"it; it is replaced by {by}"
    )


def _follows_from_inputs(key: bytes, out: Path, inputs: Mapping[str, str]) -> bool:
    """Tell whether a key is what earlier versions made of the fingerprints of input files.

    Those of this run, and of all weeks whose manifests lie in the reports folder.
    """
    manifests = [read_json(path) for path in out.glob("*/manifest.json")]
    stated = [m["inputs"] for m in manifests if isinstance(m, dict) and m.get("inputs")]
    return any(
        key == _earlier_key(some)
        for every in (inputs, *stated)
        for some in (every, {k: v for k, v in every.items() if not k.startswith("experiment/")})
    )


def _earlier_key(inputs: Mapping[str, str]) -> bytes:
    lines = ["promolab pseudonym key", *(f"{k} {v}" for k, v in sorted(inputs.items()))]
    return hashlib.sha256("\n".join(lines).encode()).digest()


def _stating() -> str:
    return SECRET if os.environ.get(SECRET) else SECRET_FILE


def _note(reports: ReportsFolder, weeks: set[Week]) -> None:
    if weeks:
        write_json(reports.path / _TO_DRAW, sorted(map(str, weeks)))
    else:
        (reports.path / _TO_DRAW).unlink(missing_ok=True)


def _listed(weeks: Sequence[Week]) -> str:
    return ", ".join(map(str, weeks))
