"""Open a shop by its name, path or address; a simulated one is made on the way."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

from promolab.contract import TABLES, Settings, Shop, read_settings
from promolab.engines import (
    connect,
    connect_to,
    connect_url,
    engine_errors,
    folder_of,
    is_url,
    list_their_tables,
    read_their_table,
    scratch,
    scrubbed,
    sentence,
    shown,
)
from promolab.errors import DataError, InputError, StepError, nearest
from promolab.simulated import SimulatedShop, Truth, World, holds, write_shop
from promolab.sources.assembly import assembled
from promolab.sources.files import find_files, read_files
from promolab.sources.files.reading import Raw, kind_of, unread_in
from promolab.sources.mapping import Part, read_mapping


def _settings_in(folder: Path, name: str) -> Settings:
    toml = folder / "shop.toml"
    return read_settings(toml, name) if toml.exists() else Settings(name=name)


def open_database(url: str, settings: Settings | None = None, threads: int | None = None) -> Shop:
    """Open a warehouse by its address; its tables stay where they are.

    Parameters
    ----------
    url : str
        As `promolab.engines.connect_url` takes it.
    settings : Settings, optional
        With the mapping of its tables; by default the ``shop.toml`` in the folder that Spark reads,
        else they are called as the contract's.
    threads : int, optional
        Threads of the embedded engine.

    Returns
    -------
    Shop

    Raises
    ------
    InputError
        If the address is wrong or holds a password.
    DataError
        If it cannot be reached, or a table or column is missing or of a wrong type.
    StepError
        If the connection breaks while it is read.
    """
    name = shown(url).rpartition("/")[2] or "Shop"
    if settings is None and (folder := folder_of(url)) is not None:
        settings = _settings_in(Path(folder), name)
    settings = settings or Settings(name=name)
    return _of_connection(connect_url(url, threads), url, settings)


def _of_connection(con: Any, url: str, settings: Settings) -> Shop:
    """Open what lies behind a connection; errors call it by its address."""
    names = list_their_tables(con)
    by_lower = {name.lower(): name for name in names}

    def find(part: Part) -> Raw | None:
        own = by_lower.get(part.table)
        if part.their_table is None:
            return None if own is None else Raw(read_their_table(con, own), own)
        if own is not None and own not in named[part.table]:
            raise _two_tables(part, part.their_table, own)
        return Raw(read_their_table(con, part.their_table), part.their_table)

    mapping = read_mapping(settings.mapping)
    named = {name: [part.their_table for part in parts] for name, parts in mapping.items()}
    if "events" not in by_lower and "events" not in mapping and not set(by_lower) & set(TABLES):
        raise DataError(
            f"{shown(url)} has no table 'events'; {nearest('events', names)}; shop.toml says which "
            'table it is: [events] table = "…"'
        )
    try:
        return assembled(find, mapping, settings, con, where=shown(url))
    except engine_errors() as error:
        raise StepError(f"{shown(url)} cannot be read ({sentence(error, url)})") from None


def open_folder(folder: Path, settings: Settings | None = None, threads: int | None = None) -> Shop:
    """Open a folder of parquet, csv or Excel files, as its ``shop.toml`` says.

    Parameters
    ----------
    folder : Path
        The folder.
    settings : Settings, optional
        Settings in place of the folder's ``shop.toml``.
    threads : int, optional
        Threads of the engine.

    Returns
    -------
    Shop

    Raises
    ------
    DataError
        If a file cannot be read, or a table lacks a required column or holds a wrong type.
    """
    settings = settings or _settings_in(folder, folder.resolve().name or "Shop")
    files: list[Path] = []
    own = {name: find_files(folder, name) for name in TABLES}
    con = connect(threads, sum(path.stat().st_size for paths in own.values() for path in paths))
    mapping = read_mapping(settings.mapping)

    def paths_of(part: Part) -> list[Path]:
        return find_files(folder, part.table, part.files) if part.files else own[part.table]

    named = {name: [p for part in parts for p in paths_of(part)] for name, parts in mapping.items()}

    def find(part: Part) -> Raw | None:
        paths = paths_of(part)
        spare = [path for path in own[part.table] if path not in named.get(part.table, paths)]
        if spare:
            raise _two_tables(part, paths[0].name, spare[0].name)
        if not paths:
            return None
        files.extend(path for path in paths if path not in files)
        return read_files(con, part.table, paths, **part.written)

    unread = unread_in(folder)
    try:
        shop = assembled(find, mapping, settings, con, where=str(folder))
    except DataError as error:
        if unread and not files:
            raise DataError(f"{error}. {' '.join(unread)}") from error
        raise
    told = (*shop.left_out, *unread)
    return dataclasses.replace(shop, files=tuple(files), left_out=told, folder=folder)


def _two_tables(part: Part, theirs: str, own: str) -> DataError:
    return DataError(
        f"two tables map onto {part.table}: {theirs}, which {part.where} names, and {own}, which "
        f"is called so; rename one, or name both in [[{part.table}]] sections"
    )


def simulated(
    settings: Settings | None = None,
    threads: int | None = None,
    /,
    *,
    folder: str | Path | None = None,
    **world: Any,
) -> SimulatedShop:
    """Make a simulated shop, or open it again where it was made before.

    Parameters
    ----------
    settings : Settings, optional
        In place of its own ``shop.toml``.
    threads : int, optional
        Threads of the engine.
    folder : str or Path, optional
        Where its tables are kept, and opened from the next time; by default they go with the
        process. The truth is written nowhere.
    **world
        Fields of `World`: customers, weeks, seed, variant, exploration …

    Raises
    ------
    InputError
        A field that is unknown or out of range, or a folder that holds something else or cannot be
        written.

    Examples
    --------
    >>> shop = simulated(customers=200, weeks=12)
    >>> sorted(shop.tables)[:3]
    ['calendar', 'contact_rights', 'customers']
    >>> shop.truth.effects("W07-coupon").shape
    (200, 16)
    """
    known = [field.name for field in dataclasses.fields(World)]
    for name in world:
        if name not in known:
            raise InputError(
                f"a simulated shop has no {name!r}; {nearest(name, [*known, 'folder'])}"
            )
    made = World(**world)
    named = hashlib.sha256(repr(made).encode()).hexdigest()[:16]
    place = Path(str(folder)).expanduser() if folder else Path(scratch()) / f"simulated-{named}"
    try:
        if not holds(place, made):
            write_shop(made, place)
    except OSError as error:
        raise InputError(f"{place} cannot be written: {error}; give another folder") from error
    shop = open_folder(place, settings, threads)
    fields = {f.name: getattr(shop, f.name) for f in dataclasses.fields(shop)}
    return SimulatedShop(**fields, truth=Truth(made))


def stated_world(source: str) -> dict[str, Any]:
    """Read what ``simulated:name=value,…`` states.

    Parameters
    ----------
    source : str
        What was given as a source.

    Raises
    ------
    InputError
        What stands behind the colon is not of that form.

    Examples
    --------
    >>> stated_world("simulated:customers=20000,variant=hard,exploration=0.5")
    {'customers': 20000, 'variant': 'hard', 'exploration': 0.5}
    """
    stated: dict[str, Any] = {}
    for part in filter(None, source.partition(":")[2].split(",")):
        name, equals, text = part.partition("=")
        if not equals:
            raise InputError(f"{source}: {part!r} is not understood; write name=value")
        stated[name.strip()] = _value(text.strip())
    return stated


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


BUILT_IN = ("complete_journey", "simulated")
"""Sources that need no path."""
FILES = (".csv", ".csv.gz", ".tsv", ".parquet", ".xlsx", ".xls", ".ods", ".toml")


def load_shop(
    source: Any,
    *,
    settings: str | Path | None = None,
    threads: int | None = None,
    **world: Any,
) -> Shop:
    """Open a shop.

    Parameters
    ----------
    source : str, Path, SparkSession or ibis Backend
        ``"complete_journey"``; ``"simulated"``, a made-up shop whose true effects are known (also
        ``"simulated:customers=20000,variant=hard"``, where no keywords can be given); or a folder
        of parquet, csv or Excel files, a DuckDB file, or the address of a warehouse
        (``postgres://host/database``, ``spark:///folder/of/parquet``, or any other that Ibis
        connects to), or a Spark session or Ibis connection that is there already. Tables are
        named after the contract's (``events.parquet``, ``products.csv`` …), or mapped onto it by a
        ``shop.toml`` (see ``data/README.md``).
    settings : str or Path, optional
        A ``shop.toml`` to use instead of the source's own; a warehouse has none of its own, but
        for one in a folder on this machine that Spark reads.
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
    if not isinstance(source, (str, Path)):
        con = connect_to(source)
        named = read_settings(Path(settings).expanduser(), "Shop") if settings is not None else None
        return _of_connection(con, f"{con.name}://", named or Settings(name="Shop"))
    stated = None
    if settings is not None:
        stated = read_settings(Path(settings).expanduser(), _name_of(str(source)))
    if str(source).partition(":")[0] == "simulated":
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
    if is_url(source):
        return open_database(str(source), stated, threads)
    path = Path(source).expanduser()
    if not path.exists():
        raise InputError(
            f"there is no source {scrubbed(str(source))!r}: {nearest(str(source), BUILT_IN)}; "
            "or give the path of a folder of parquet or csv files, or of a DuckDB file, or the "
            "address of a warehouse such as postgres://host/database"
        )
    if path.is_dir():
        return open_folder(path, stated, threads)
    if path.name.lower().endswith(FILES):
        raise InputError(
            f"{source} is one file of a shop; give its folder. `promolab init {source}` proposes "
            "a shop.toml that says which table it is"
        )
    if path.name.lower().endswith(".zip"):
        kind_of(path)  # says what to do with it
    beside = stated or _settings_in(path.parent, path.stem)
    shop = open_database(f"duckdb://{path.absolute()}", beside, threads)
    return dataclasses.replace(shop, files=(path,), folder=path.parent)


def _name_of(source: str) -> str:
    """Return what a shop is called that says no name: after its folder, file or database."""
    if source == "complete_journey":
        return "Complete Journey"
    if is_url(source):
        return shown(source).rpartition("/")[2] or "Shop"
    path = Path(source).expanduser().resolve()
    return (path.name if path.is_dir() else path.stem) or "Shop"
