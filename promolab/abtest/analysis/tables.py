"""What an experiment is read from: a table of the engine, whatever was given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promolab.contract import Experiment
from promolab.engines import connect
from promolab.errors import InputError, nearest
from promolab.wording import plural

if TYPE_CHECKING:
    import ibis

ROW = "experiment_row"
"""Number of a decision, where one row is one."""


@dataclass(frozen=True)
class Opened:
    """A table, the connection that reads it, and which column is what.

    Parameters
    ----------
    table : ibis.Table
    con : ibis backend
    arm, customer : str
    cluster : str or None
    chances : str, dict of arm to column, or None
        Chance of the arm that a row got, or of each arm.
    stated : bool
        Whether the chances are stated, rather than the shares found.
    once : bool
        Whether each row is known to be a unit that was drawn.
    control : object
        The control that the data name.
    notes : tuple of str
        What has to be said beside the figures.
    """

    table: ibis.Table
    con: Any
    arm: str
    customer: str
    cluster: str | None
    chances: str | Mapping[Any, str] | None
    stated: bool = True
    once: bool = False
    control: Any = None
    notes: tuple[str, ...] = ()


def opened(
    data: Any,
    arm: str,
    customer: str,
    cluster: str | None,
    propensity: str | Mapping[Any, str] | None,
    assigned: Any,
    outcomes: list[str],
    before: list[str],
) -> Opened:
    """Open what was given, and join who was assigned with what came of it.

    Parameters
    ----------
    data, arm, customer, cluster, propensity, assigned
        As `promolab.analyze_experiment` takes them.
    outcomes, before : list of str
        Columns that the metrics read, and those of them from before the arms were drawn.

    Raises
    ------
    InputError
        A file or a column that is not there, outcomes of customers who were never assigned.
    """
    if isinstance(data, Experiment):
        return _of_experiment(data)
    theirs = [one for one in (data, assigned) if hasattr(one, "get_backend")]
    con = theirs[0].get_backend() if theirs else connect()
    found = Opened(table_of(data, con, "data"), con, arm, customer, cluster, propensity)
    if assigned is not None:
        found = _joined(found, table_of(assigned, con, "assigned"), outcomes, before)
    chances = propensity.values() if isinstance(propensity, Mapping) else [propensity]
    there(found.table, [arm, customer, *outcomes, *filter(None, [cluster, *chances])], "data")
    return found


def there(table: ibis.Table, names: list[str], what: str) -> None:
    """Refuse a table that lacks a column."""
    for name in names:
        if name not in table.columns:
            raise InputError(
                f"there is no column {name!r} in {what}; {nearest(str(name), table.columns)}"
            )


def table_of(data: Any, con: Any, what: str) -> ibis.Table:
    """Return a table of the engine: of a frame, a table, or a path to parquet or csv files.

    Raises
    ------
    InputError
        If it is none of these, or no such file is there.
    """
    import ibis
    import pandas as pd

    if isinstance(data, ibis.Table):
        return data
    if isinstance(data, pd.DataFrame):
        if not len(data):
            raise InputError(f"{what} has no rows; give a row per customer who was assigned")
        try:
            return ibis.memtable(data.reset_index(drop=True).rename(columns=str))
        except Exception as error:  # whatever Arrow says of columns that hold several kinds
            raise InputError(f"{what} cannot be read as a table: {error}") from None
    if isinstance(data, (str, Path)):
        return _of_files(str(data), con, what)
    raise InputError(
        f"{what} is a {type(data).__name__}; expected a DataFrame, an Ibis table, a path to "
        "parquet or csv, or an Experiment"
    )


def _of_files(path: str, con: Any, what: str) -> ibis.Table:
    if Path(path).is_dir():
        path = str(Path(path) / "*.parquet")
    files = sorted(glob(path))
    if not files:
        raise InputError(f"there is no file {path}; give {what} as a path to parquet or csv")
    kinds = {Path(file).name.removesuffix(".gz").rpartition(".")[2].lower() for file in files}
    reader = {"parquet": con.read_parquet, "csv": con.read_csv, "tsv": con.read_csv}
    if len(kinds) > 1 or not kinds <= set(reader):
        raise InputError(
            f"{what} = {path!r} is {', '.join(sorted(kinds))}; expected parquet or csv"
        )
    try:
        return reader[kinds.pop()](files)
    except Exception as error:  # each engine has its own errors for a file that is none
        first = str(error).splitlines()[0]
        raise InputError(f"{path} cannot be read as a table: {first}") from None


def _of_experiment(data: Experiment) -> Opened:
    import ibis
    import numpy as np

    if not data.randomised:
        raise InputError(
            f"{data.name} does not say with which chances arms were drawn; where they were not "
            "drawn, compare with promolab.UpliftModel, else state the propensity"
        )
    frame = data.frame.assign(**{ROW: np.arange(data.n)})
    chances = {arm: f"experiment_chance_{place}" for place, arm in enumerate(data.arms)}
    frame = frame.assign(**dict(zip(chances.values(), np.asarray(data.propensity).T, strict=True)))
    table = ibis.memtable(frame.rename(columns=str))
    return Opened(
        table, connect(), data.arm, ROW, data.customer_id, chances,
        stated=data.design == "known", once=True, control=data.control, notes=tuple(data.notes),
    )  # fmt: skip


def _joined(found: Opened, assigned: ibis.Table, outcomes: list[str], before: list[str]) -> Opened:
    """Return one row per assigned customer and outcome; who has none has 0 of everything."""
    arm, customer = found.arm, found.customer
    there(assigned, [arm, customer], "assigned")
    there(found.table, [customer], "data")
    extra = [c for c in found.table.columns if c not in assigned.columns]
    keys = found.table.select(customer).distinct()
    strange = found.con.execute(keys.anti_join(assigned, customer).count())
    if strange:
        raise InputError(
            f"data has outcomes of {plural(int(strange), 'customer')} who were never assigned; "
            "give the whole table of assignments, or leave them out"
        )
    twice = assigned.group_by(customer).agg(arms=assigned[arm].nunique(), rows=assigned.count())
    torn, again = found.con.execute(
        twice.agg(torn=(twice.arms > 1).sum(), again=(twice.rows > 1).sum())
    ).iloc[0]
    refuse_torn(int(torn or 0))
    if again:
        raise InputError(
            f"assigned names {plural(int(again), 'customer')} more than once; give each a row"
        )
    mine = found.table.select(customer, *extra).mutate(experiment_seen=True)
    if arm in found.table.columns:
        said = found.table.select(customer, said=found.table[arm].cast("string"))
        both = assigned.select(customer, arm).inner_join(said, customer)
        refuse_torn(int(found.con.execute((both[arm].cast("string") != both.said).sum()) or 0))
    table = assigned.left_join(mine, customer)
    if f"{customer}_right" in table.columns:
        table = table.drop(f"{customer}_right")
    # Of those without a row alone: a value that is missing in a row is not 0.
    silent = table.experiment_seen.isnull()
    nothing = {c: False if table[c].type().is_boolean() else 0 for c in outcomes if c in extra}
    zeros = {c: silent.ifelse(zero, table[c]) for c, zero in nothing.items()}
    number = int(found.con.execute(silent.sum()) or 0)
    if number and (late := [c for c in before if c in extra]):
        raise InputError(
            f"{late[0]!r} is from before the arms were drawn, and {plural(number, 'customer')} "
            "assigned have no row of outcomes: give it as a column of assigned, known of everybody"
        )
    told = f"{plural(number, 'customer')} assigned without a row of outcomes count with 0."
    return Opened(
        table.mutate(**zeros), found.con, arm, customer, found.cluster, found.chances,
        notes=(told,) if number else (),
    )  # fmt: skip


def refuse_torn(customers: int) -> None:
    """Refuse customers who are in two arms."""
    if customers:
        raise InputError(
            f"{plural(customers, 'customer')} found in more than one arm; each customer has one. "
            "Where customers are drawn anew each time, name the decision as customer= and the "
            "customer as cluster="
        )
