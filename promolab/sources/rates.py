"""Rates of exchange, as ``shop.toml`` states them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promolab.contract import Settings
from promolab.contract.personal_looks import shown_value
from promolab.errors import DataError, InputError, nearest

__all__ = ["read_rates"]


def read_rates(settings: Settings, folder: Path | None, con: Any) -> Any:
    """Return the rates of ``[rates]``: what one unit of a currency is in the shop's.

    Parameters
    ----------
    settings : Settings
        With the section as it stands in ``shop.toml``: ``EUR = 0.86``, or ``files = "rates.csv"``
        with the columns ``currency``, ``rate`` and, where rates change, ``starts_at``.
    folder : Path, optional
        Where that file lies.
    con : ibis backend
        Reads the file.

    Returns
    -------
    DataFrame or None
        currency, rate, starts_at (missing: always), ends_at (missing: until now).

    Raises
    ------
    InputError
        If a rate is not a number above 0, or the section says something else.
    """
    import pandas as pd

    said = settings.mapping.get("rates")
    if said is None:
        return None
    if not isinstance(said, Mapping):
        raise InputError(f"shop.toml [rates] = {said!r}, must be such as EUR = 0.86")
    if "files" in said:
        frame = _from_file(said, settings, folder, con)
    else:
        _check_stated(said, settings.currency)
        frame = pd.DataFrame({"currency": list(said), "rate": list(said.values())})
    frame["currency"] = frame["currency"].astype("string").str.strip().str.upper()
    rate = pd.to_numeric(frame["rate"], errors="coerce")
    wrong = frame[~((rate > 0) & (rate < math.inf)) | frame["currency"].isna()]
    if len(wrong):
        code, given = (shown_value(str(wrong[key].iloc[0])) for key in ("currency", "rate"))
        raise InputError(
            f"{said['files']}: the rate of {code} is {given!r}, must be a number above 0: "
            f"one {code} in {settings.currency}"
        )
    if "starts_at" not in frame:
        frame["starts_at"] = pd.NaT
    frame = frame.assign(rate=rate.astype(float), starts_at=pd.to_datetime(frame["starts_at"]))
    frame = frame.sort_values(["currency", "starts_at"], na_position="first", ignore_index=True)
    twice = frame[frame.duplicated(["currency", "starts_at"])]
    if len(twice):
        raise InputError(f"shop.toml [rates] has two rates of {twice['currency'].iloc[0]} at once")
    frame["ends_at"] = frame.groupby("currency")["starts_at"].shift(-1)
    return frame[["currency", "rate", "starts_at", "ends_at"]]


def _check_stated(said: Mapping[str, Any], own: str) -> None:
    """Refuse what TOML does not have as a number above 0; text that looks like one too."""
    for code, rate in said.items():
        is_number = isinstance(rate, (int, float)) and not isinstance(rate, bool)
        if not is_number or not 0 < rate < math.inf:
            raise InputError(
                f"shop.toml [rates] {code} = {rate!r}, must be a number above 0, without quotes: "
                f"one {code} in {own}"
            )


def _from_file(said: Mapping[str, Any], settings: Settings, folder: Path | None, con: Any) -> Any:
    from promolab.sources.files import find_files, read_files
    from promolab.sources.mapping import Value
    from promolab.sources.parsing import to_time

    other = [key for key in said if key != "files"]
    if other or folder is None:
        what = f"{other[0]!r} beside files" if other else "files, and the source is no folder"
        raise InputError(f"shop.toml [rates] has {what}; write rates as EUR = 0.86")
    paths = find_files(folder, "rates", said["files"])
    table = read_files(con, "rates", paths).table
    for column in ("currency", "rate"):
        if column not in table.columns:
            raise DataError(f"{paths[0].name} lacks {column!r}; {nearest(column, table.columns)}")
    if "starts_at" in table.columns:
        made, _ = to_time("rates.starts_at", table.starts_at, Value(), settings, con.name)
        table = table.mutate(starts_at=made)
    return table.execute()
