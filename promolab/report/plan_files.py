"""The files that make up a week's plan, and what they hold: what a release freezes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from promolab.errors import InputError

__all__ = [
    "DECISIONS",
    "DROPPED",
    "PLANNED",
    "SEND",
    "SENT",
    "check_plan",
    "plan_files",
    "sha256_of",
]

SEND = "send"
DECISIONS = "decisions"
PLANNED = "planned"
DROPPED = "dropped"
"""Table of those taken out of a plan at its release."""
SENT = "tables/sent.parquet"
"""What was really sent, once that is read back."""
_TABLES = (DECISIONS, "decision_propensities", PLANNED, DROPPED)


def plan_files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a plan, by its path in the week's folder.

    Parameters
    ----------
    folder : Path
        The week's folder.

    Returns
    -------
    dict of str to str
        Every file in ``send/`` and the plan's tables; empty where there is no ``send/``.
    """
    if not (folder / SEND).is_dir():
        return {}
    tables = [folder / "tables" / f"{name}.parquet" for name in _TABLES]
    files = sorted(path for path in [*(folder / SEND).rglob("*"), *tables] if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_plan(folder: Path, week: str) -> None:
    """Refuse a week without a plan.

    Parameters
    ----------
    folder : Path
        Its folder.
    week : str
        The week, for the message.

    Raises
    ------
    InputError
        If there is no ``send/``, or no table of decisions.
    """
    if not (folder / SEND).is_dir():
        raise InputError(
            f"{week} has no plan: there is no folder {SEND} in {folder}; make the report again"
        )
    if not (folder / "tables" / f"{DECISIONS}.parquet").is_file():
        raise InputError(
            f"{week} has no plan: tables/{DECISIONS}.parquet is not in {folder}; make the report "
            "again"
        )
