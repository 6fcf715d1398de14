"""What a reports folder knows of itself: the source it belongs to, and the weeks that failed."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from promolab.errors import InputError
from promolab.folder.publication import good_weeks, read_json, write_json
from promolab.weeks import Week

__all__ = [
    "FAILED",
    "SOURCE",
    "check_owner",
    "failures",
    "forget_failure",
    "note_failure",
    "reports_folder",
    "week_folder",
]

FAILED = ".failed"
SOURCE = "source.json"


def check_owner(out: Path, source: str, name: str) -> None:
    """Refuse a reports folder that belongs to another source or shop.

    Parameters
    ----------
    out : Path
        The reports folder.
    source, name : str
        The source as manifests write it, and what readers call the shop.

    Raises
    ------
    InputError
        It names both. A folder without any good week belongs to nobody.
    """
    owner = read_json(out / SOURCE)
    if not isinstance(owner, dict) or not {"source", "name"} <= owner.keys():
        return
    if (owner["source"], owner["name"]) == (source, name) or not good_weeks(out):
        return
    raise InputError(
        f"{out} holds the reports of {owner['name']} ({owner['source']}), not of {name} ({source});"
        f" give another --out. If it is the same shop under another name or path, remove "
        f"{SOURCE} there"
    )


def note_failure(out: Path, week: Week, shop: str, reason: str, at: datetime) -> None:
    """Note that a week failed, and why; the earlier report of the week, if any, stands.

    Parameters
    ----------
    out : Path
        The reports folder.
    week : Week
        The week.
    shop : str
        What readers call the shop.
    reason : str
        A sentence without secrets or paths of this machine.
    at : datetime
        When, UTC without a zone.
    """
    (out / FAILED).mkdir(exist_ok=True)
    record = {"week": str(week), "shop": shop, "reason": reason, "at": f"{at:%Y-%m-%dT%H:%M:%SZ}"}
    write_json(out / FAILED / f"{week}.json", record)


def forget_failure(out: Path, week: Week) -> None:
    """Remove what is left of a week's failures; it has succeeded."""
    shutil.rmtree(out / FAILED / str(week), ignore_errors=True)
    (out / FAILED / f"{week}.json").unlink(missing_ok=True)
    with suppress(OSError):  # another week's lies there
        (out / FAILED).rmdir()


def failures(out: Path) -> dict[Week, Mapping[str, Any]]:
    """Return the weeks whose last run failed, and what `note_failure` noted of each."""
    found: dict[Week, Mapping[str, Any]] = {}
    for path in sorted((out / FAILED).glob("*.json")):
        record = read_json(path)
        with suppress(InputError):
            if isinstance(record, dict):
                found[Week.parse(path.stem)] = record
    return found


def reports_folder(out: str | Path) -> Path:
    """Return a reports folder that is there, absolute.

    Raises
    ------
    InputError
        If it is not.
    """
    path = Path(out).expanduser().absolute()
    if not path.is_dir():
        raise InputError(f"there is no reports folder {out}; promolab report makes one")
    return path


def week_folder(out: Path, week: Week) -> tuple[Path, dict[str, Any]]:
    """Return the folder and the manifest of a week whose report is whole.

    Parameters
    ----------
    out : Path
        The reports folder.
    week : Week
        The week.

    Raises
    ------
    InputError
        If there is none; it says whether the week failed.
    """
    weeks = good_weeks(out)
    if week in weeks:
        manifest = read_json(out / str(week) / "manifest.json")
        return out / str(week), dict(manifest)
    failed = failures(out).get(week)
    if failed is not None:
        raise InputError(
            f"the report of {week} failed ({failed.get('reason', 'reason unknown')}); "
            f"make it again: promolab report --week {week}"
        )
    there = f"; there are {', '.join(map(str, weeks[-5:]))}" if weeks else ""
    raise InputError(
        f"there is no report of {week} in {out}{there}. Make it: promolab report --week {week}"
    )
