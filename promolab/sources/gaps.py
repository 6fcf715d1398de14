"""Columns of the contract that only some of a table's files have: said, not passed over."""

from __future__ import annotations

import json
from collections.abc import Sequence

from promolab.contract.shop import Gap
from promolab.sources.columns import which_columns
from promolab.sources.files.drift import OneFile, listed_files
from promolab.sources.mapping import Part, Value
from promolab.wording import plural

__all__ = ["gaps_between"]


def gaps_between(
    part: Part, columns: Sequence[str], called: str, files: Sequence[OneFile]
) -> list[Gap]:
    """Return which columns of the contract some of a table's files lack.

    Parameters
    ----------
    part : Part
        What ``shop.toml`` says of the table.
    columns : sequence of str
        The columns of all its files.
    called : str
        What errors call the table.
    files : sequence of OneFile
        Its files; nothing lacks in a single one.

    Returns
    -------
    list of Gap
        In the order of the contract.
    """
    if len(files) < 2:
        return []
    found = which_columns(part, columns, called)
    return [gap for name, how in found.items() if (gap := _gap(part, name, how, files))]


def _gap(part: Part, name: str, how: Value, files: Sequence[OneFile]) -> Gap | None:
    enough = any if how.any else all
    has = [enough(column in file.columns for column in how.columns) for file in files]
    lacking = [file for file, there in zip(files, has, strict=True) if not there]
    if not lacking:
        return None
    rows = sum(file.rows for file in lacking)
    said = (
        f"{part.table}.{name} is missing in {len(lacking)} of {len(files)} files "
        f"({listed_files([file.name for file in lacking])}): {plural(rows, 'row')} without it"
    )
    elsewhere = {c for file, there in zip(files, has, strict=True) if there for c in file.columns}
    shared = set.intersection(*(set(file.columns) for file in lacking)) - elsewhere
    only = [column for column in lacking[0].columns if column in shared]
    if only:
        said += f"; only there: {', '.join(only[:5])}"
        if how.any or len(how.columns) == 1:
            names = json.dumps([*how.columns, only[0]], ensure_ascii=False)
            said += f". If that is it, shop.toml can say both: [{part.table}] {name} = {names}"
    return Gap(part.table, name, rows, said)
