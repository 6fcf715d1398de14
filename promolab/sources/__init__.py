"""Where a shop comes from: one contract row per source row, nothing dropped."""

from __future__ import annotations

from pathlib import Path

from promolab.contract import Shop, read_settings
from promolab.errors import InputError, nearest
from promolab.sources.tables import save_shop

__all__ = ["BUILT_IN", "load_shop", "save_shop"]

BUILT_IN = ("complete_journey",)
"""Sources that need no path."""


def load_shop(
    source: str | Path, *, settings: str | Path | None = None, threads: int | None = None
) -> Shop:
    """Open a shop.

    Parameters
    ----------
    source : str or Path
        ``"complete_journey"``; or a folder of parquet or csv files named after the contract's
        tables (``events.parquet``, ``products.csv`` …); or a DuckDB file with tables so named.
    settings : str or Path, optional
        A ``shop.toml`` to use instead of the source's own.
    threads : int, optional
        Threads of the engine; by default as many as there are cores.

    Returns
    -------
    Shop
        Lazy Ibis tables in the contract's columns; times in UTC without a zone.

    Raises
    ------
    InputError
        If the source is unknown or the settings cannot be read.
    DataError
        If a table cannot be read or lacks a required column.

    Examples
    --------
    >>> shop = load_shop("complete_journey")
    >>> int(shop.exposures.count().execute())
    6589
    """
    stated = None if settings is None else read_settings(Path(settings).expanduser())
    if str(source) == "complete_journey":
        from promolab.sources.complete_journey import complete_journey

        return complete_journey(stated, threads)
    path = Path(source).expanduser()
    if not path.exists():
        raise InputError(
            f"there is no source {str(source)!r}: {nearest(str(source), BUILT_IN)}; "
            "or give the path of a folder of parquet or csv files, or of a DuckDB file"
        )
    from promolab.sources.tables import open_database, open_folder

    return (open_folder if path.is_dir() else open_database)(path, stated, threads)
