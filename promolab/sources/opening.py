"""Open a shop by its name, path or address."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from promolab.contract import Shop, read_settings
from promolab.errors import InputError, nearest

__all__ = ["BUILT_IN", "FILES", "load_shop"]

BUILT_IN = ("complete_journey", "simulated")
"""Sources that need no path."""
FILES = (".csv", ".csv.gz", ".tsv", ".parquet", ".xlsx", ".xls", ".ods", ".toml")


def load_shop(
    source: str | Path,
    *,
    settings: str | Path | None = None,
    threads: int | None = None,
    **world: Any,
) -> Shop:
    """Open a shop.

    Parameters
    ----------
    source : str or Path
        ``"complete_journey"``; ``"simulated"``, a made-up shop whose true effects are known (also
        ``"simulated:customers=20000,variant=hard"``, where no keywords can be given); or a folder
        of parquet, csv or Excel files, a DuckDB file, or the address of a warehouse
        (``postgres://host/database``, or any other that Ibis connects to). Tables are named after
        the contract's (``events.parquet``, ``products.csv`` …), or mapped onto it by a
        ``shop.toml`` (see ``data/README.md``).
    settings : str or Path, optional
        A ``shop.toml`` to use instead of the source's own; a warehouse has none of its own.
    threads : int, optional
        Threads of the engine; by default as many as there are cores.
    **world
        Of ``"simulated"`` alone: customers, weeks, seed, variant, exploration …
        (`promolab.simulated.World`).

    Returns
    -------
    Shop
        Lazy Ibis tables in the contract's columns; times in UTC without a zone. A simulated shop
        has its ``truth`` beside them.

    Raises
    ------
    InputError
        If the source is unknown or the settings cannot be read.
    DataError
        If a table cannot be read or lacks a required column, or a warehouse cannot be reached.

    Examples
    --------
    >>> shop = load_shop("complete_journey")
    >>> int(shop.exposures.count().execute())
    6589
    """
    stated = None
    if settings is not None:
        stated = read_settings(Path(settings).expanduser(), _name_of(str(source)))
    if str(source).partition(":")[0] == "simulated":
        from promolab.sources.simulated_shop import simulated, stated_world

        return simulated(stated, threads, **(stated_world(str(source)) | world))
    if world:
        raise InputError(f"{next(iter(world))!r} applies to the source 'simulated' alone")
    if str(source) == "complete_journey":
        from promolab.sources.complete_journey import complete_journey

        said = stated.mapping if stated is not None else {}
        mapped = [table for table, section in said.items() if [*section] != ["attributes"]]
        if mapped:
            raise InputError(
                f"{settings}: [{mapped[0]}] maps tables of files or a database; "
                "complete_journey brings its own mapping"
            )
        return complete_journey(stated, threads)
    from promolab.engines import is_url, scrubbed

    if is_url(source):
        from promolab.sources.tables import open_database

        return open_database(str(source), stated, threads)
    path = Path(source).expanduser()
    if not path.exists():
        raise InputError(
            f"there is no source {scrubbed(str(source))!r}: {nearest(str(source), BUILT_IN)}; "
            "or give the path of a folder of parquet or csv files, or of a DuckDB file, or the "
            "address of a warehouse such as postgres://host/database"
        )
    if path.is_dir():
        from promolab.sources.tables import open_folder

        return open_folder(path, stated, threads)
    if path.name.lower().endswith(FILES):
        raise InputError(
            f"{source} is one file of a shop; give its folder. `promolab init {source}` proposes "
            "a shop.toml that says which table it is"
        )
    from promolab.sources.files.finding import kind_of
    from promolab.sources.tables import open_file

    if path.name.lower().endswith(".zip"):
        kind_of(path)  # says what to do with it
    return open_file(path, stated, threads)


def _name_of(source: str) -> str:
    """Return what a shop is called that says no name: after its folder, file or database."""
    from promolab.engines import is_url, shown

    if source == "complete_journey":
        return "Complete Journey"
    if is_url(source):
        return shown(source).rpartition("/")[2] or "Shop"
    path = Path(source).expanduser().resolve()
    return (path.name if path.is_dir() else path.stem) or "Shop"
