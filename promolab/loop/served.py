"""What a week's service decided: its log beside the week's files, which never change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promolab.contract import NONE
from promolab.errors import InputError
from promolab.folder import append_lines, read_lines

if TYPE_CHECKING:
    import pandas as pd


SERVED = "served"
"""Folder of a week; no release freezes it."""
FILE = "decisions.jsonl"
_COLUMNS = (
    *("decision_id", "customer_id", "ts", "action", "propensity", "planned_action", "holdout"),
    "planned",
)


def append_served(folder: Path, rows: Sequence[Mapping[str, Any]], *, on_disk: bool = True) -> None:
    """Write decisions behind those that are there.

    Parameters
    ----------
    folder : Path
        The week's folder.
    rows : sequence of mapping
        The contract's columns of ``decisions``, with ``planned`` (whether the released plan has a
        decision for the customer) and ``chances`` (action → chance).
    on_disk : bool
        Whether they must survive a power cut when it returns; not where they lie elsewhere too.
    """
    append_lines(folder / SERVED / FILE, rows, on_disk=on_disk)


def read_served(folder: Path) -> list[dict[str, Any]]:
    """Return what a week's service decided, each decision once; a torn line is left out.

    Parameters
    ----------
    folder : Path
        The week's folder.

    Raises
    ------
    InputError
        A line is no decision.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> append_served(folder, [{"decision_id": "d1", "action": "none"}])
    >>> append_served(folder, [{"decision_id": "d1", "action": "none"}])
    >>> read_served(folder)
    [{'decision_id': 'd1', 'action': 'none'}]
    """
    path = folder / SERVED / FILE
    found: dict[str, dict[str, Any]] = {}
    for row in read_lines(path):
        if not isinstance(row.get("decision_id"), str):
            raise InputError(f"{path} has a line without decision_id; put the file back as it was")
        found.setdefault(row["decision_id"], row)
    return list(found.values())


def served_tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what a week's service decided as ``decisions`` and ``decision_propensities``.

    Parameters
    ----------
    folder : Path
        The week's folder.

    Returns
    -------
    DataFrame, DataFrame
        ``decisions`` has the column ``planned`` too; both are without a row where nothing was
        served.
    """
    import pandas as pd

    rows = read_served(folder)
    decisions = pd.DataFrame(rows, columns=[*_COLUMNS, "chances"])
    moments = pd.to_datetime(decisions["ts"], utc=True, format="ISO8601")
    decisions["ts"] = moments.dt.tz_localize(None).dt.as_unit("us")
    chances = [
        (row["decision_id"], action, chance)
        for row in rows
        for action, chance in row["chances"].items()
    ]
    columns = ["decision_id", "action", "propensity"]
    return decisions.drop(columns="chances"), pd.DataFrame(chances, columns=columns)


def served_contacts(folder: Path, promotions: Mapping[str, tuple[Any, ...]]) -> pd.DataFrame:
    """Return whom a week's service contacted beside its plan.

    Parameters
    ----------
    folder : Path
        The week's folder.
    promotions : mapping of str to tuple
        Bundle → its promotions; what is not named is a promotion itself.

    Returns
    -------
    DataFrame
        customer_id, promotion_id, ts: those who were given something (none of those held out, for
        whom chance decided at the moment), a row per promotion.
    """
    import pandas as pd

    decisions, _ = served_tables(folder)
    rows = decisions[(decisions["action"] != NONE) & ~decisions["planned"].astype(bool)]
    named = [promotions.get(action, (action,)) for action in rows["action"]]
    rows = rows.assign(promotion_id=pd.Series(named, rows.index, dtype=object))
    rows = rows.explode("promotion_id")
    return rows[["customer_id", "promotion_id", "ts"]].reset_index(drop=True)
